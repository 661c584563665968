"""How fast do the heads of the projected discriminator learn to tell made pictures from real ones?

    python benchmarks/heads.py model_cards/stylegan2-avatars training/recipes/stylegan2_avatars.toml avatars-64.npz

Protocol: the discriminator of the recipe, its heads fresh, with the features as they are and whitened
(benchmarks/whitening.py); 1,600 training pictures and as many samples of the model (seeds from 0, the same classes)
are learned from, in batches of 32 by the recipe's rate, nothing augmented; 640 pictures of the part kept out of
training and 640 more samples are judged. A figure is the area under the ROC curve of one head's mean score: 0.5 knows
nothing, 1 is always right. The last row is what there is to know: ridge regression (weight 300) on the same features,
averaged to 4 x 4 places, each with deviation 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import cached
from torchmetrics.functional.classification import binary_auroc

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.whitening import Whitening  # noqa: E402
from ganhub import AutoModel  # noqa: E402
from ganhub.data import open_data  # noqa: E402
from ganhub.losses.adversarial import hinge_loss  # noqa: E402
from ganhub.nn.projected import ProjectedDiscriminator  # noqa: E402
from ganhub.objectives import ProjectedConfig  # noqa: E402
from ganhub.trainer import read_recipe  # noqa: E402

LEARNED, JUDGED, BATCH, RIDGE = 1600, 640, 32, 300.0


def area(real: Tensor, made: Tensor) -> float:
    """Area under the ROC curve of scores [N]."""
    answers = torch.cat([torch.ones(len(real)), torch.zeros(len(made))]).long()
    return binary_auroc(torch.cat([real, made]), answers).item()


@torch.no_grad()
def features_of(discriminator: ProjectedDiscriminator, pictures: Tensor) -> list[Tensor]:
    """Of each scale [N, C, h, w], in half precision: they take a gigabyte."""
    parts = [discriminator.features(part) for part in pictures.split(BATCH)]
    return [torch.cat(of_scale).bfloat16() for of_scale in zip(*parts, strict=True)]


def learn(
    discriminator: ProjectedDiscriminator,
    white: nn.ModuleList,
    real: list[Tensor],
    made: list[Tensor],
    labels: Tensor,
    rate: float,
    steps: int,
) -> list[float]:
    """Train the heads, and say how well each judges the last pictures."""

    def judge(features: list[Tensor], rows: Tensor) -> list[Tensor]:
        seen = [x[rows].float() for x in features]
        seen = [whitening(x) for whitening, x in zip(white, seen, strict=False)] + seen[len(white) :]
        return discriminator.judge(seen, labels[rows])[0]

    optimizer = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=(0.0, 0.99))
    draws = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(0, LEARNED, (BATCH,), generator=draws)
        for whitening, x in zip(white, real, strict=False):
            whitening.measure(x[rows])
        with cached():
            pairs = zip(judge(real, rows), judge(made, rows), strict=True)
            loss = torch.stack([hinge_loss(r, f) for r, f in pairs]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        rows = torch.arange(LEARNED, LEARNED + JUDGED).split(BATCH)
        scores = [[torch.cat([x.mean(1) for x in of_head]) for of_head in zip(*(judge(features, r) for r in rows),
                   strict=True)] for features in (real, made)]  # fmt: skip
    return [area(r, f) for r, f in zip(*scores, strict=True)]


def known(real: Tensor, made: Tensor) -> float:
    """What ridge regression knows of features [N, C, h, w]."""
    real, made = (F.adaptive_avg_pool2d(x.float(), 4).flatten(1) for x in (real, made))
    learned = torch.cat([real[:LEARNED], made[:LEARNED]])
    mean, deviation = learned.mean(0), learned.std(0) + 1e-3
    learned = (learned - mean) / deviation
    answers = torch.cat([torch.ones(LEARNED), -torch.ones(LEARNED)])
    weight = torch.linalg.solve(learned.T @ learned + RIDGE * torch.eye(learned.shape[1]), learned.T @ answers)
    return area(*(((x[LEARNED:] - mean) / deviation) @ weight for x in (real, made)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("recipe")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    model = AutoModel.from_pretrained(arguments.model)
    recipe, parts = None, []
    for part, count in (("training", LEARNED), ("holdout", JUDGED)):
        recipe = read_recipe(arguments.recipe, [f"data.path={arguments.data}", f"data.part={part}", "data.captions="])
        c = model.config
        held = open_data(
            recipe.data, height=c.size[0], width=c.size[1], channels=c.channels, labelled=c.num_classes > 0
        )
        if len(held) < count:
            sys.exit(f"The {part} part has {len(held)} pictures, and {count} are needed.")
        parts.append(held.batch(0, count))
    labels = torch.cat([part.labels for part in parts])
    made = torch.cat([model.sample(len(x), label=x, seed=i * BATCH) for i, x in enumerate(labels.split(BATCH))])
    config = ProjectedConfig.from_dict({k: v for k, v in recipe.objective.items() if k != "name"})
    rate, seen = recipe.train.learning_rate["discriminator"], None
    for whiten in (False, True):
        torch.manual_seed(0)
        discriminator = ProjectedDiscriminator(
            c.size, c.channels, c.num_classes, network=config.network, layers=config.layers, width=config.width,
            pixel_head=config.pixel_head,
        )  # fmt: skip
        if seen is None:
            print("| heads | " + " | ".join([*discriminator.layers, "pixels"][: len(discriminator.heads)]) + " |")
            seen = [
                features_of(discriminator, torch.cat([part.images for part in parts])),
                features_of(discriminator, made),
            ]
        scales = len(discriminator.layers) if whiten else 0  # the head on the pixels hears faint steps as they are
        white = nn.ModuleList(Whitening(head.score.in_channels) for head in discriminator.heads[:scales])
        found = learn(discriminator, white, *seen, labels, rate, arguments.steps)
        name = "whitened" if whiten else "features as they are"
        print(f"| {name}, {arguments.steps} steps | " + " | ".join(f"{x:.2f}" for x in found) + " |", flush=True)
    print("| ridge regression | " + " | ".join(f"{known(r, f):.2f}" for r, f in zip(*seen, strict=True)) + " |")


if __name__ == "__main__":
    main()
