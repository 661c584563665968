"""Three hundred drawings: from published weights, as photos are learnt quickest, or from noise with a palette?

    python benchmarks/drawings.py avatars-64.npz --out runs/drawings

Protocol: the first 300 portraits of one style of avatars-64 (``--style``) as PNG files, no labels, a fifth of them held
out, 12,700 pictures each (what ``ganhub train auto`` gives the first way; ways from noise get 29,100 there), one seed.
Judged by 800 samples (seeds from 0) beside 800 other portraits of the style. Six minutes a run on a free thread. A run
that was stopped ends the benchmark; the same command goes on.

RS-IMLE (Vashist, Peng, Li 2024, arXiv:2409.17439) lives in this file alone: no discriminator; each drawing draws its
nearest sample nearer, among samples that are not near any drawing yet. Our reading: the pool is 512 samples, of which
32 are drawn anew each step; of it goes what is nearer to a drawing than half of the median; nearness is that of
vgg-lite's features and of the pixels at a quarter of their size.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, images  # noqa: E402
from ganhub.images.colour import flatness  # noqa: E402
from ganhub.metrics import extractor  # noqa: E402
from ganhub.metrics.distances import kernel_distance  # noqa: E402
from ganhub.nn.features import Frozen, feature_network  # noqa: E402
from ganhub.objectives import BaseObjective, Phase  # noqa: E402
from ganhub.objectives.projected import ProjectedConfig  # noqa: E402
from ganhub.trainer import Trainer, read_recipe  # noqa: E402

DRAWINGS, OTHERS = 300, 800
COMMON = (
    "model.image_size=64", "data.crop=centre", "data.zoom=1.0", "data.flip=true", "data.holdout=0.2",
    "train.images=12_700", "train.cooldown=0", "train.licence=cc-by-4.0", "train.dataset=avatars of one style",
)  # fmt: skip
RATES = "train.learning_rate={generator=2e-3,discriminator=1e-3}"
WAYS = {
    "published weights (stylegan2-landscapes)": ("stylegan2_monet", ("train.init=model_cards/stylegan2-landscapes",)),
    "noise": ("stylegan2_landscapes", ()),
    "noise, 32 colours": ("stylegan2_landscapes", ("model.palette=32",)),
    "noise, 32 colours, the show-pieces' head on the pixels and rates": (
        "stylegan2_landscapes",
        ("model.palette=32", "objective.pixel_head=true", "objective.augment=translation", RATES),
    ),
    "noise, FastGAN's generator, Projected GAN's rates": (
        "fastgan_landscapes",
        ('objective.name="projected"', "train.learning_rate=2e-3", "train.betas=[0.0,0.99]"),
    ),
    "noise, 32 colours, RS-IMLE": ("stylegan2_landscapes", ("model.palette=32", 'objective.name="rs-imle"')),
}
POOL, ANEW = 512, 32


class RSIMLE(BaseObjective, name="rs-imle"):
    """Each picture's nearest sample is drawn nearer (the recipe's settings of a discriminator are not used)."""

    Config = ProjectedConfig

    def __init__(self, model, config) -> None:
        super().__init__(model, config)
        self.frozen = (Frozen(feature_network("vgg-lite")),)  # in a tuple, as it is not trained
        self.pool, self.drawings, self.next = deque(maxlen=POOL), deque(maxlen=DRAWINGS), 0

    def players(self):
        return {"generator": [self.model]}

    def phases(self):
        return [Phase(player="generator", loss=self.loss)]

    def seen(self, pictures: Tensor, places: int = 0) -> Tensor:
        """Pictures [N, 3, H, W] as vectors whose distances say how alike they are; at few places to search quickly."""
        network = self.frozen[0].to(pictures.device).cast(torch.float32)
        maps = network.trunk(pictures.float(), ("relu2_1", "relu3_1", "relu4_1"))
        maps = {name: F.adaptive_avg_pool2d(x, places) if places else x for name, x in maps.items()}
        parts = [F.normalize(x, dim=1).flatten(1) / (x.shape[2] * x.shape[3]) ** 0.5 for x in maps.values()]
        small = F.avg_pool2d(pictures.float(), 4).flatten(1)
        return torch.cat([*parts, small / small.shape[1] ** 0.5], dim=1)

    def loss(self, batch):
        with torch.no_grad():
            for _ in range(1 if self.pool else POOL // ANEW):
                seeds = torch.arange(self.next, self.next + ANEW) + 10**6
                self.pool.extend(zip(seeds, self.seen(self.model.make(seeds, None), 4), strict=True))
                self.next += ANEW
            wanted = self.seen(batch.images, 4)
            self.drawings.extend(wanted)
            seeds, found = (torch.stack(part) for part in zip(*self.pool, strict=True))
            apart = torch.cdist(torch.stack(list(self.drawings)), found).amin(0)
            far = apart >= apart.median() / 2
            chosen = seeds[far][torch.cdist(wanted, found[far]).argmin(1)]
        distance = (self.seen(self.model.make(chosen, None)) - self.seen(batch.images)).square().sum(1).sqrt().mean()
        return {"loss": distance}


def lay_out(path: str, style: int, out: Path) -> Tensor:
    """Write the drawings into ``out``; the others of their style, [N, 3, 64, 64] in [-1, 1]."""
    with np.load(path) as file:
        pictures = images.from_uint8(torch.from_numpy(file["x"][file["y"] == style]).permute(0, 3, 1, 2))
    out.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures[:DRAWINGS]):
        images.save_image(picture, out / f"{number:03d}.png")
    return pictures[DRAWINGS : DRAWINGS + OTHERS]


def train(recipe: str, overrides: list[str], folder: Path) -> None:
    """One run to its end; one that is there and finished stays as it is."""
    trainer = Trainer(read_recipe(ROOT / f"training/recipes/{recipe}.toml", overrides), folder)
    trainer.run()
    if trainer.images_seen < trainer.train.images:
        raise SystemExit(f"Stopped after {trainer.images_seen:,} pictures; the same command goes on.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="avatars-64.npz")
    parser.add_argument("--style", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", type=int, default=range(len(WAYS)), help="ways by number, from 0")
    arguments = parser.parse_args()
    out = arguments.out / f"style-{arguments.style}"
    others = lay_out(arguments.data, arguments.style, out / "drawings")
    network = extractor()
    wanted = torch.cat([network(part) for part in others.split(50)])
    print("| way | kernel distance | neighbouring pixels alike |\n|---|---:|---:|")
    for number, (way, (recipe, overrides)) in enumerate(WAYS.items()):
        if number not in arguments.only:
            continue
        train(recipe, [f"data.path={out / 'drawings'}", *COMMON, *overrides], out / str(number))
        samples = AutoModel.from_pretrained(out / str(number)).sample(len(others), seed=0)
        features = torch.cat([network(part) for part in samples.split(50)])
        print(f"| {way} | {kernel_distance(wanted, features).value:.3f} | {flatness(samples).mean():.2f} |", flush=True)
    print(f"| real | | {flatness(others).mean():.2f} |")


if __name__ == "__main__":
    main()
