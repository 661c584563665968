"""The mapping network of a generator that draws from codes learns to give such codes from noise.

    python training/train.py training/recipes/stylegan2_avatars_codes.toml --out runs/codes
    python training/learn_mapping.py runs/codes training/recipes/stylegan2_avatars_codes.toml avatars-64.npz \\
        --out runs/mapped

After a run with the objective "autoencoding" the generator draws whatever the encoder saw in a picture. What is
missing are new codes, for which "Diagnosing and Enhancing VAE Models" (Dai and Wipf 2019, arXiv:1903.05789) has a
second stage, too. Here the encoder reads all training pictures, a flow learns their codes (training/latent_flow.py),
and the mapping network learns to go from noise to the end of the flow at once ("Knowledge Distillation in Iterative
Generative Models for Improved Sampling Speed", Luhman and Luhman 2021, arXiv:2101.02388). Errors count in units of the
encoder's own uncertainty.
"""

from __future__ import annotations

import argparse
import copy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402
from ganhub.console import in_sentences  # noqa: E402
from ganhub.data import Pictures, open_data  # noqa: E402
from ganhub.models._style import MappedGenerator  # noqa: E402
from ganhub.nn.equalised import pixel_norm  # noqa: E402
from ganhub.nn.precision import has_bf16  # noqa: E402
from ganhub.objectives import AutoencodingConfig, AutoencodingObjective  # noqa: E402
from ganhub.objectives.autoencoding import seen  # noqa: E402
from ganhub.trainer import read_recipe  # noqa: E402
from ganhub.trainer.report import load_adversary  # noqa: E402
from training.latent_flow import Flow, flow_from, follow, learn_flow  # noqa: E402
from training.mean_weights import begin_folder  # noqa: E402

BATCH = 200  # pictures that are read at a time
WAYS = 2048  # followed at a time
SIGNAL = 0.05  # variance of the means over that of the noise, below which a direction tells nothing
RATE = 2e-3
HALF_LIFE = 70  # steps, of the averaged weights


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What an encoder says of pictures, and the directions that matter.

    Attributes:
        means, deviations: [N, dim] in W.
        classes: [N].
        centre, noise: Mean of the means, and root mean square of the deviations [dim].
        directions: Orthonormal [dim, K], of codes over ``noise``, those in which pictures differ most first.
        spread: Deviations of the codes there [K], in units of ``noise``.
    """

    means: Tensor
    deviations: Tensor
    classes: Tensor
    centre: Tensor
    noise: Tensor
    directions: Tensor
    spread: Tensor

    @classmethod
    def of(cls, means: Tensor, deviations: Tensor, classes: Tensor, most: int) -> Codes:
        """With ``most`` directions at most."""
        centre, noise = means.mean(0), deviations.square().mean(0).sqrt()
        scaled = (means - centre) / noise
        variances, directions = torch.linalg.eigh(scaled.T @ scaled / len(scaled))
        count = min(max(int((variances > SIGNAL).sum()), 1), most)
        variances, directions = variances.flip(0)[:count], directions.flip(1)[:, :count]
        spread = (variances + 1).sqrt()  # means, and a noise of 1 around each
        return cls(
            means=means, deviations=deviations, classes=classes, centre=centre, noise=noise, directions=directions,
            spread=spread,
        )  # fmt: skip

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Codes [N, K] of random pictures in the kept directions, each of variance 1, and their classes."""
        chosen = torch.randint(len(self.means), (count,))
        w = self.means[chosen] + self.deviations[chosen] * torch.randn(count, self.means.shape[1])
        return (w - self.centre) / self.noise @ self.directions / self.spread, self.classes[chosen]

    def to_w(self, codes: Tensor) -> Tensor:
        """Points of W [N, dim] of codes [N, K]."""
        return self.centre + (codes * self.spread) @ self.directions.T * self.noise


@torch.no_grad()
def read_codes(objective: AutoencodingObjective, data: Pictures, most: int) -> Codes:
    """Of all pictures."""
    means, logs, classes = [], [], []
    for start in range(0, len(data), BATCH):
        batch = data.batch(start, min(BATCH, len(data) - start))
        mean, log_deviation = objective.encoder(seen(batch.images))
        means.append(mean)
        logs.append(log_deviation)
        classes.append(torch.zeros(len(mean), dtype=torch.int64) if batch.labels is None else batch.labels)
    return Codes.of(torch.cat(means), torch.cat(logs).exp(), torch.cat(classes), most)


def ways(flow: Flow, codes: Codes, latent_dim: int, count: int, bf16: bool) -> tuple[Tensor, Tensor, Tensor]:
    """z [N, latent_dim], classes [N] and w [N, dim]: where the flow leads from what the mapping network sees of z."""
    found = []
    for _ in range(-(-count // WAYS)):
        z, classes = torch.randn(WAYS, latent_dim), codes.classes[torch.randint(len(codes.classes), (WAYS,))]
        found.append((z, classes, codes.to_w(flow_from(flow, pixel_norm(z)[:, : flow.dim], classes, bf16=bf16))))
    z, classes, w = (torch.cat(parts)[:count] for parts in zip(*found, strict=True))
    return z, classes, w


def learn_ways(model: MappedGenerator, found: tuple[Tensor, Tensor, Tensor], noise: Tensor, steps: int) -> float:
    """The mapping network learns where to arrive; returns the share of the variance that it misses on ways unseen."""
    z, classes, w = found
    held = max(len(z) // 50, 1)
    mapping, average = model.mapping, copy.deepcopy(model.mapping)
    labels = classes if model.config.num_classes else None
    optimiser = torch.optim.Adam(mapping.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True)

    def missed(network: torch.nn.Module, chosen: Tensor) -> Tensor:
        made = network(z[chosen], None if labels is None else labels[chosen])
        return ((made - w[chosen]) / noise).square().mean()

    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 200, 1.6 * (1 - step / steps))
        loss = missed(mapping, torch.randint(held, len(z), (1024,)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        follow(average, mapping, HALF_LIFE)
        if (step + 1) % max(steps // 10, 1) == 0:
            print(f"mapping: {step + 1:,} of {steps:,} steps, error {loss.item():.3f}", flush=True)
    mapping.load_state_dict(average.state_dict())
    with torch.no_grad():
        variance = ((w[:held] - w[:held].mean(0)) / noise).square().mean()
        return (missed(mapping, torch.arange(held)) / variance).item()


@torch.no_grad()
def set_means(model: MappedGenerator) -> None:
    """The means of w that truncation needs, of 10,000 points of each class."""
    z = torch.randn(10_000, model.config.latent_dim)
    for label in range(len(model.style_mean)):
        classes = torch.full((len(z),), label) if model.config.num_classes else None
        model.style_mean[label] = model.map(z, classes).mean(0)


def opened(folder: Path, settings: dict[str, Any]) -> tuple[MappedGenerator, AutoencodingObjective]:
    """Generator and encoder of a run, of the [objective] of its recipe."""
    if not folder.is_dir():
        sys.exit(f"There is no folder {folder}.")
    if settings.pop("name", None) != AutoencodingObjective.name:
        sys.exit('Take a recipe whose [objective] has name = "autoencoding", that of the run.')
    model = AutoModel.from_pretrained(folder)
    if not isinstance(model, MappedGenerator):
        sys.exit(f"{folder} is a {model.architecture}: take a model with a mapping network, such as stylegan2.")
    objective = AutoencodingObjective(model, AutoencodingConfig.from_dict(settings))
    if not load_adversary(str(folder), objective):
        sys.exit(f"{folder}/training holds no encoder of this recipe.")
    return model, objective.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help='the folder of a run with the objective "autoencoding"')
    parser.add_argument("recipe", help="of that run")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("--flow-steps", type=int, default=3000, help="of 1,024 codes")
    parser.add_argument("--ways", type=int, default=200_000, help="of the flow that the mapping network learns")
    parser.add_argument("--steps", type=int, default=8000, help="of 1,024 ways")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    if arguments.out.exists():  # before the work
        sys.exit(f"{arguments.out} is there already: name a new folder.")
    if min(arguments.flow_steps, arguments.ways, arguments.steps) < 1:
        sys.exit("--flow-steps, --ways and --steps have to be 1 or more.")
    recipe = read_recipe(arguments.recipe, [f"data.path={arguments.data}", "data.captions="])
    model, objective = opened(arguments.run, dict(recipe.objective))
    c = model.config
    data = open_data(recipe.data, height=c.size[0], width=c.size[1], channels=c.channels, labelled=bool(c.num_classes))
    model.accept(data)  # says where its classes are others
    torch.manual_seed(arguments.seed)
    bf16 = has_bf16(torch.device("cpu"))
    codes = read_codes(objective, data, c.latent_dim)
    print(
        f"{len(codes.means):,} pictures differ in {codes.directions.shape[1]} directions of {c.style_dim}.", flush=True
    )
    flow = Flow(codes.directions.shape[1], max(c.num_classes, 1))
    flow = learn_flow(flow, codes.draw, arguments.flow_steps, bf16=bf16)
    found = ways(flow, codes, c.latent_dim, arguments.ways, bf16)
    missed = learn_ways(model, found, codes.noise, arguments.steps)
    set_means(model)
    begin_folder(arguments.run, arguments.out)
    model.save_pretrained(arguments.out, dtype=torch.float16)
    print(f"The mapping network misses {missed:.0%} of what ways differ in.")
    print(f"Wrote {arguments.out}. Card and figures in it are still those of {arguments.run}: make them anew.")


if __name__ == "__main__":
    with in_sentences():
        main()
