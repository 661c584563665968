"""Which cure keeps a conditional GAN from giving all pictures of a class one face? One table, at equal pictures.

    python benchmarks/cures.py avatars-64.npz --captions avatars-64-captions.zip --out runs/cures
    python benchmarks/cures.py avatars-64.npz --captions avatars-64-captions.zip --out runs/cures --only base fade

Protocol: ``training/recipes/stylegan2_avatars.toml`` at 32 pixels, channel_base halved, no palette, no R1, rates of
2e-3 and 1e-3 (0.01 of it for the mapping network), style mixing 0.9, from scratch, one seed, each cure by itself on top
of it, 20,000 pictures. Figures: 1,000 samples (seeds from 0) beside the pictures kept out of training, as in
``benchmarks/showpieces.py``; one reader for all, which is trained first and kept in --out. What has a figure is
skipped: more cures go on in the same folder.

Cures that are settings of the library are settings here. The others live in this file alone:

* fade: "Collapse by Conditioning" (Shahbazi et al. 2022, arXiv:2201.06578). Neither player knows the labels for the
  first 5,000 pictures; then they come in linearly, until 12,000.
* noisy-twins: "NoisyTwins" (Rangwani et al. 2023, arXiv:2304.05866). Noise on the class embedding, and the Barlow twins
  loss on the two w of one latent under two such noises.
* fake-twins: our reading of what "HP-GAN" (arXiv:2602.03039) calls FakeTwins: the Barlow twins loss on the feature
  network's means of two augmentations of a generated picture, for the generator.
* head-consistency: our reading of HP-GAN's discriminator consistency, among the heads of one network: the variance of
  their scores of a generated picture, for the discriminator.
* pair-seeking: mode seeking (Mao et al. 2019, arXiv:1903.05628, equation 4) between the pictures of one class in a
  batch, which costs no other pictures; weight 0.2.
* whitened: from the third scale on, heads see features of mean 0 and covariance 1 (benchmarks/whitening.py).
* palette-sure: stylegan2.PALETTE_GAIN of 12 instead of 4, for pixels that take one colour rather than mix.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.showpieces import attributes_of, within_classes  # noqa: E402
from benchmarks.whitening import Whitening  # noqa: E402
from ganhub import AutoModel  # noqa: E402
from ganhub.data import open_data  # noqa: E402
from ganhub.losses.adversarial import mode_seeking_loss  # noqa: E402
from ganhub.metrics import extractor  # noqa: E402
from ganhub.metrics.distances import kernel_distance  # noqa: E402
from ganhub.metrics.scores import intra_class_diversity  # noqa: E402
from ganhub.models import stylegan2  # noqa: E402
from ganhub.nn import projected  # noqa: E402
from ganhub.nn.ada import build_augment  # noqa: E402
from ganhub.objectives import ProjectedObjective  # noqa: E402
from ganhub.trainer import Recipe, Trainer, make_recipe, read_recipe  # noqa: E402
from ganhub.trainer.log import read_log  # noqa: E402
from training.picture_reader import answers, open_reader, read, right, train_reader  # noqa: E402

BASE = (
    "model.image_size=32", "model.channel_base=1024", "model.palette=0", "model.supersampling=1", "model.mixing=0.9",
    "model.mapping_rate=0.01", "train.cooldown=5000",
    "train.grid_every=10000", "train.checkpoint_every=10000", "objective.head_r1=0",
    "train.learning_rate={generator=2e-3,discriminator=1e-3}",
)  # fmt: skip
OWN = ("train.learning_rate=2e-3", "model.discriminator_channel_base=1024")
CURES = {
    "base": ((), "the recipe's heads: pixels with faint steps made loud, pairs of a class compared"),
    "no-steps": ((), "without faint steps"),
    "no-pixels": (("objective.pixel_head=false",), "without the head on the pixels"),
    "fast-generator": (("train.learning_rate={generator=3e-3,discriminator=5e-4}",), "rates of 3e-3 and 5e-4"),
    "fade": (('objective.name="fade"',), "labels come in between 5,000 and 12,000 pictures"),
    "noisy-twins": (('objective.name="noisy-twins"',), "NoisyTwins: noise of 0.25, weight 0.01, off-diagonal 0.05"),
    "fake-twins": (('objective.name="fake-twins"',), "FakeTwins, weight 0.01, off-diagonal 0.05"),
    "read-classes": (("objective.class_weight=0.2",), "heads that also read the class, weight 0.2"),
    "palette": (("model.palette=16",), "16 colours for each picture, which pixels mix by a softmax"),
    "palette-no-pixels": (("model.palette=16", "objective.pixel_head=false"), "16 colours, no head on the pixels"),
    "palette-32": (("model.palette=32",), "32 colours for each picture"),
    "palette-r1": (("model.palette=16", "objective.head_r1=1"), "16 colours and R1 of the heads, 1"),
    "palette-consistent": (
        ("model.palette=16", 'objective.name="head-consistency"'),
        "16 colours and heads that agree, weight 1",
    ),
    "palette-sure": (("model.palette=16",), "16 colours, votes three times as loud"),
    "palette-slow": (
        ("model.palette=16", "train.learning_rate={generator=2e-3,discriminator=5e-4}"),
        "16 colours, rates of 2e-3 and 5e-4",
    ),
    "palette-seeking": (
        ("model.palette=16", 'objective.name="pair-seeking"'),
        "16 colours, mode seeking in pairs, 0.2",
    ),
    "palette-own": (("model.palette=16", *OWN), "16 colours, StyleGAN2's own discriminator, R1 of 5"),
    "palette-colours": (("model.palette=16", "objective.colour_weight=4"), "16 colours, energy distance of colours, 4"),
    "palette-white": (
        ("model.palette=16", 'objective.name="whitened"'),
        "16 colours, deep heads that see whitened features",
    ),
    "palette-smooth": (("model.palette=16", "model.supersampling=2"), "16 colours, four votes in each pixel"),
    "palette-mapping": (
        ("model.palette=16", "model.mapping_rate=1.0"),
        "16 colours, a mapping network that learns as fast",
    ),
    "palette-mapping-slow": (
        ("model.palette=16", "model.mapping_rate=0.1"),
        "16 colours, a mapping network that learns a tenth as fast",
    ),
    "palette-mapping-wide": (
        ("model.palette=16", "model.mapping_rate=1.0", "model.channel_base=2048"),
        "16 colours, a mapping network that learns as fast, twice the channels",
    ),
    "palette-mapping-gentle": (
        (
            "model.palette=16", "model.mapping_rate=1.0",
            "train.learning_rate={generator=5e-4,discriminator=1e-3}",
        ),
        "16 colours, a mapping network that learns as fast, rates of 5e-4 and 1e-3",
    ),
    "palette-mapping-even": (
        (
            "model.palette=16", "model.mapping_rate=1.0",
            "train.learning_rate={generator=1e-3,discriminator=2e-3}",
        ),
        "16 colours, a mapping network that learns as fast, rates of 1e-3 and 2e-3",
    ),
    "palette-white-mapping": (
        ("model.palette=16", "model.mapping_rate=1.0", 'objective.name="whitened"'),
        "16 colours, whitened deep features, a mapping network that learns as fast",
    ),
    "palette-twins": (("model.palette=16", 'objective.name="noisy-twins"'), "16 colours and NoisyTwins"),
    "mode-seeking": (("objective.mode_seeking=0.1",), "mode seeking, weight 0.1"),
    "projected-gan": (
        (
            "objective.pixel_head=false", 'objective.augment="colour,translation,cutout"', "train.batch_size=64",
            "model.latent_dim=64", "model.mapping_layers=2", "train.learning_rate=2e-3",
        ),
        "Projected GAN's own settings: rates 2e-3, batch 64, cutout, z of 64, two mapping layers",
    ),
    "r1-0.5": (OWN, "StyleGAN2's own discriminator, R1 of 0.5"),
    "r1-5": (OWN, "StyleGAN2's own discriminator, R1 of 5"),
    "r1-5-ada": (OWN, "StyleGAN2's own discriminator, R1 of 5, adaptive augmentation"),
}  # fmt: skip
OBJECTIVES = {  # what takes the place of the recipe's whole table
    "r1-0.5": {"name": "stylegan2", "path_weight": 0.0, "r1_gamma": 0.5, "augment": ""},
    "r1-5": {"name": "stylegan2", "path_weight": 0.0, "r1_gamma": 5.0, "augment": ""},
    "palette-own": {"name": "stylegan2", "path_weight": 0.0, "r1_gamma": 5.0, "augment": ""},
    "r1-5-ada": {"name": "stylegan2", "path_weight": 0.0, "r1_gamma": 5.0, "augment": "ada"},
}
FADE = 5_000, 12_000  # pictures between which labels come in
NOISE, TWIN_WEIGHT, OFF_DIAGONAL = 0.25, 0.01, 0.05
SEEKING = 0.2
SHALLOW = 2  # scales that are not whitened: their heads learn textures fast enough
FAINT, GAIN = projected.FAINT, stylegan2.PALETTE_GAIN


def twins(first: Tensor, second: Tensor) -> Tensor:
    """Barlow twins (Zbontar et al. 2021, arXiv:2103.03230, equation 1) of two views [N, D], times TWIN_WEIGHT."""
    a, b = ((x - x.mean(0)) / (x.std(0) + 1e-4) for x in (first.float(), second.float()))
    correlation = a.T @ b / len(a)
    on = (correlation.diagonal() - 1).square().sum()
    off = correlation.square().sum() - correlation.diagonal().square().sum()
    return TWIN_WEIGHT * (on + OFF_DIAGONAL * off)


class FadeObjective(ProjectedObjective, name="fade"):
    """Labels come in linearly for both players."""

    share = 0.0  # of the labels that is there

    def __init__(self, model, config) -> None:
        super().__init__(model, config)
        half = model.config.latent_dim

        def into_mapping(layer, given):
            (x,) = given
            return torch.cat([x[:, :half], self.share * x[:, half:]], dim=1) if model.training else x

        model.mapping.layers[0].register_forward_pre_hook(into_mapping)
        for head in self.discriminator.heads:
            head.embed.register_forward_hook(lambda layer, given, made: self.share * made)
        compare = projected._differences  # until the labels are there, any two pictures are compared
        projected._differences = lambda x, labels: compare(x, labels if self.share == 1 else None)

    def at(self, images_seen: int) -> None:
        super().at(images_seen)
        self.share = min(max((images_seen - FADE[0]) / (FADE[1] - FADE[0]), 0.0), 1.0)


class NoisyTwins(ProjectedObjective, name="noisy-twins"):
    """Noise on class embeddings, twins in W."""

    def __init__(self, model, config) -> None:
        super().__init__(model, config)
        half = model.config.latent_dim

        def noisy(layer, given):
            (x,) = given
            if not model.training:
                return x
            return torch.cat([x[:, :half], x[:, half:] + NOISE * torch.randn_like(x[:, half:])], dim=1)

        model.mapping.layers[0].register_forward_pre_hook(noisy)

    def generator_loss(self, batch):
        losses = super().generator_loss(batch)
        z = self.model.latent(batch.seeds)
        views = [self.model.map(z, batch.labels) for _ in range(2)]
        return losses | {"loss": losses["loss"] + twins(*views)}


class Remembers(ProjectedObjective):
    """Keeps the pictures of the generator's turn, as ``made``."""

    def _features(self, images, batch, stream=0):
        if stream and torch.is_grad_enabled():
            self.made = images
        return super()._features(images, batch, stream)


class FakeTwins(Remembers, name="fake-twins"):
    """Twins among the feature network's view of generated pictures."""

    def __init__(self, model, config) -> None:
        super().__init__(model, config)
        self.views = build_augment("colour,translation,cutout")

    def generator_loss(self, batch):
        losses = super().generator_loss(batch)
        frozen = self.discriminator.frozen.cast(torch.float32)
        seen = [frozen.trunk(self.views(self.made, batch.seeds, stream=s), ("relu4_1",)) for s in (2, 3)]
        return losses | {"loss": losses["loss"] + twins(*[x["relu4_1"].mean((2, 3)) for x in seen])}


class PairSeeking(Remembers, name="pair-seeking"):
    """Pictures of one class in a batch are driven apart."""

    def generator_loss(self, batch):
        losses = super().generator_loss(batch)
        order = batch.labels.argsort(stable=True)
        one, other = order[:-1], order[1:]
        alike = batch.labels[one] == batch.labels[other]
        one, other = one[alike], other[alike]
        z = self.model.latent(batch.seeds)
        sameness = mode_seeking_loss(self.made[one], self.made[other], z[one], z[other])
        return losses | {"loss": losses["loss"] + SEEKING * sameness, "sameness": sameness.detach()}


class HeadConsistency(ProjectedObjective, name="head-consistency"):
    """Heads that agree on generated pictures."""

    def discriminator_loss(self, batch):
        self.apart = []
        losses = super().discriminator_loss(batch)
        return losses | {"loss": losses["loss"] + self.apart[1]}  # of real pictures first, of fake ones then

    def _judge(self, features, labels):
        logits, classes = super()._judge(features, labels)
        if not features[0].requires_grad:
            self.apart.append(torch.stack([x.mean(1) for x in logits]).var(0).mean())
        return logits, classes


class WhitenedObjective(ProjectedObjective, name="whitened"):
    """The deeper heads learn from all of their features, and not from the loudest alone."""

    def __init__(self, model, config) -> None:
        super().__init__(model, config)
        deep = list(self.discriminator.heads)[SHALLOW : len(self.discriminator.layers)]
        self.whitening = torch.nn.ModuleList(Whitening(head.score.in_channels) for head in deep)

    def discriminator_loss(self, batch):
        with torch.no_grad():
            features = self._features(batch.images, batch)
        for white, x in zip(self.whitening, features[SHALLOW:], strict=False):
            white.measure(x)
        return super().discriminator_loss(batch)

    def _judge(self, features, labels):
        deep = [white(x) for white, x in zip(self.whitening, features[SHALLOW:], strict=False)]
        return super()._judge([*features[:SHALLOW], *deep, *features[SHALLOW + len(deep) :]], labels)


def run(name: str, data: list[str], out: Path, pictures: int) -> float:
    """Train one cure; the minutes that this call took. A run that is stopped ends the benchmark, to go on later."""
    stylegan2.PALETTE_GAIN = 12.0 if name == "palette-sure" else GAIN  # of training and of what is measured then
    projected.FAINT = 1e9 if name == "no-steps" else FAINT
    overrides = [*data, *BASE, f"train.images={pictures}", *CURES[name][0]]
    recipe = recipe_of(name, overrides)
    began = time.monotonic()
    trainer = Trainer(recipe, out)
    trainer.run()
    if trainer.images_seen < trainer.train.images:
        raise SystemExit(f"{name} stopped after {trainer.images_seen:,} pictures; the same command goes on.")
    return (time.monotonic() - began) / 60


def recipe_of(name: str, overrides: list[str]) -> Recipe:
    """What a cure trains."""
    recipe = read_recipe(ROOT / "training/recipes/stylegan2_avatars.toml", overrides)
    if name not in OBJECTIVES:
        return recipe
    return make_recipe({**recipe.tables, "objective": OBJECTIVES[name]}, name=recipe.name)


def parts_of(data: list[str]) -> list:
    """Training and held-out pictures at 32 pixels."""
    size = {"height": 32, "width": 32, "channels": 3, "labelled": True}
    recipes = [
        read_recipe(ROOT / "training/recipes/stylegan2_avatars.toml", [*data, f"data.part={part}"])
        for part in ("training", "holdout")
    ]
    return [open_data(recipe.data, **size) for recipe in recipes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="avatars-64.npz")
    parser.add_argument("--captions", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=list(CURES), default=list(CURES))
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--n", type=int, default=1000)
    arguments = parser.parse_args()
    data = [f"data.path={arguments.data}", f"data.captions={arguments.captions}"]
    arguments.out.mkdir(parents=True, exist_ok=True)
    training, held = parts_of(data)
    names = attributes_of(held)
    reader = open_reader(
        str(arguments.out / "reader.safetensors"), held, names, lambda: train_reader(training, names, 1, print)
    )
    kept = arguments.out / "figures.json"
    figures = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    compare = projected._differences
    for name in arguments.only:
        if name in figures:
            continue
        projected._differences = compare
        minutes = run(name, data, arguments.out / name, arguments.pictures)
        model = AutoModel.from_pretrained(arguments.out / name)
        figures[name] = {
            "minutes": minutes, **measure(model, reader, held, arguments.n), **watched(arguments.out / name),
        }  # fmt: skip
        kept.write_text(json.dumps(figures, indent=1), "utf-8")
    columns = list(dict.fromkeys(column for own in figures.values() for column in own))
    print(f"| cure | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for name, own in figures.items():
        cells = (f"{x:.3f}" if isinstance(x := own.get(column, ""), float) else x for column in columns)
        print(f"| {CURES[name][1]} | {' | '.join(cells)} |")


def watched(run: Path) -> dict[str, float | str]:
    """The least distance within classes that the watchdog saw in the last two thirds of a run, and its alarms."""
    looks = [line for line in read_log(run) if "watch/spread" in line]
    late = [look.get("watch/within_classes", 1.0) for look in looks if look["images"] > looks[-1]["images"] / 3]
    alarms = {alarm.partition(":")[0] for look in looks for alarm in look.get("alarms", [])}
    return {
        "watchdog: least within classes": min(late, default=math.nan),
        "alarms": ", ".join(sorted(alarms)) or "none",
    }


def measure(model, reader, held, n: int) -> dict[str, float]:
    """The figures of a model; attributes as the mean of their total variation within each style."""
    names = ["background", "hair_colour", "skin"]
    real, known = answers(held, 0, n, names)
    asked = known["class"]
    samples = torch.cat([model.sample(len(part), label=part, seed=i * 250) for i, part in enumerate(asked.split(250))])
    found, own = read(reader, samples), read(reader, real)
    figures = {"class read right": right(found["class"], asked)}
    spreads = [intra_class_diversity(x.flatten(1), asked) for x in (samples, real)]
    figures["within-class distance over the data's"] = spreads[0] / spreads[1]
    for name in names:
        there = known[name] >= 0
        of_class = torch.isin(asked, asked[there].unique())
        classes = asked[of_class], asked[there]
        figures[name.replace("_", " ")] = within_classes(found[name][of_class], own[name][there], classes)
    network = extractor()
    features = [torch.cat([network(part) for part in x.split(64)]) for x in (real, samples)]
    return figures | {"kernel distance": kernel_distance(*features).value}


if __name__ == "__main__":
    main()
