"""New pictures from a conditional GAN that was trained on the folder alone, or from a model that knows its classes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganhub import images
from ganhub.augment.folder import Labelled, Names, New, OnStep, load
from ganhub.config import nearest
from ganhub.errors import ConfigError, DataError, TrainingError
from ganhub.files import write_atomically
from ganhub.images import provenance
from ganhub.models import LatentGenerator

if TYPE_CHECKING:
    from ganhub.trainer import Recipe

MADE_FROM = "made-from.json"  # in a run's folder: what it was begun with


def plan_samples(labelled: Labelled, wanted: dict[str, int], seed: int) -> list[New]:
    """Samples of consecutive seeds, class by class."""
    names, plan = Names(labelled), []
    for label, count in wanted.items():
        folder = label.replace("{", "{{").replace("}", "}}")
        for _ in range(count):
            number = len(plan)
            name = names.free(folder + "/generated-{:06d}.png", number)
            plan.append(New(name, label, {"label": label, "seed": seed + number}))
    return plan


def check_classes(generator: LatentGenerator, labelled: Labelled) -> None:
    """Raise ConfigError unless the generator knows each class of the folder by its name."""
    count, names = generator.config.num_classes, generator.config.class_names
    if not count:
        raise ConfigError(f"This {generator.architecture} knows no classes, so its pictures would have no labels.")
    class_names = tuple(names) or tuple(str(index) for index in range(count))
    for label in labelled.classes:
        if label not in class_names:
            shown = ", ".join(class_names[:20]) + (", ..." if count > 20 else "")
            raise ConfigError(f"The model knows no class '{label}'.{nearest(label, class_names)} It knows: {shown}.")


def sample_into(
    generator: LatentGenerator, out: Path, plan: Sequence[New], shape: tuple[int, int], on_step: OnStep | None = None
) -> int:
    """Write those samples of the plan that are not there yet, at ``shape`` (height, width); returns how many."""
    missing = [new for new in plan if not (out / new.name).is_file()]
    mark = provenance.bare(provenance.GENERATED)
    for start in range(0, len(missing), 64):
        part = missing[start : start + 64]
        seeds = [new.how["seed"] for new in part]
        noise = generator.noise(seeds) if generator.noise_dim else None
        labels = generator.labels(len(part), [new.label for new in part])
        pictures = generator.generate(generator.latent(seeds), labels, noise=noise)
        for new, picture in zip(part, images.resize(pictures.cpu(), shape), strict=True):
            images.save_image(picture, out / new.name, mark=mark)
        if on_step:
            on_step(start + len(part), len(missing))
    return len(missing)


def generator_size(labelled: Labelled, most: int = 64) -> tuple[int, tuple[int, int]]:
    """Side of the square that a generator is trained at, and the (height, width) its samples are stretched back to.

    Pictures are squeezed to the square rather than cut, so that nothing of what the label names is lost; samples
    have the folder's median shape, shrunk to a short side of at most ``most``.
    """
    height, width = labelled.shape
    factor = min(1.0, most / min(height, width))
    shape = max(8, round(height * factor)), max(8, round(width * factor))
    sides = [base * 2**k for base in (4, 5, 6, 7) for k in range(1, 11)]
    return max(side for side in sides if side <= min(shape)), shape


def generator_recipe(labelled: Labelled, *, images_seen: int, seed: int = 0, side: int = 64) -> Recipe:
    """A small conditional GAN for few pictures: DiffAugment (Zhao et al. 2020) on all that the discriminator sees, R1.

    Raises:
        DataError: When the folder has one class only.
    """
    from ganhub.trainer import make_recipe

    if len(labelled.classes) < 2:
        raise DataError(
            f"{labelled.folder} holds one class only, '{next(iter(labelled.classes))}', and a conditional generator "
            "needs two: grow it by style, or name a model that knows this class."
        )
    batch = 64
    return make_recipe(
        {
            "model": {
                "architecture": "conditional-gan", "image_size": side, "channels": labelled.channels,
                "num_classes": len(labelled.classes), "latent_dim": 64, "label_dim": 64, "width": 32,
                "max_width": 192, "discriminator_width": 32,
            },
            "objective": {
                "name": "adversarial", "r1_gamma": 1.0, "r1_every": 16, "augment": "colour,translation,cutout"
            },
            "train": {
                "images": images_seen, "batch_size": batch, "learning_rate": 5e-4, "betas": [0.5, 0.99],
                "cooldown": images_seen // 3, "ema_half_life": max(1, min(20_000, images_seen // 20)), "seed": seed,
                "grid_every": max(10_000, images_seen // 4), "checkpoint_every": 10_000, "half": False,
                "dataset": f"{len(labelled.originals)} pictures of {len(labelled.classes)} classes of one's own",
            },
            "data": {"path": str(labelled.folder), "seed": seed},
        },
        name="augment",
    )  # fmt: skip


def train_generator(labelled: Labelled, run: str | Path, *, recipe: Recipe, quiet: bool = False) -> Path:
    """Train on these pictures alone, in the folder ``run``; the same call resumes, and a finished run is kept.

    Raises:
        ConfigError: When the run in that folder was begun with other pictures or another recipe.
        TrainingError: When the run was stopped (Ctrl-C) before its end; the same call goes on.
    """
    from ganhub.data import Pictures
    from ganhub.data.sources import Entry, Source
    from ganhub.hub import cards
    from ganhub.trainer import Trainer
    from ganhub.trainer.estimate import announcement

    run, side, channels = Path(run), recipe.model["image_size"], recipe.model["channels"]
    tables = {name: table for name, table in recipe.tables.items() if name != "data"}  # it has a path of this machine
    origin = json.dumps({"digest": labelled.digest, "seed": recipe.data.seed, **tables}, indent=1) + "\n"
    if not run.exists():
        write_atomically(run / MADE_FROM, lambda place: place.write_text(origin, encoding="utf-8"))
    elif not (run / MADE_FROM).is_file() or (run / MADE_FROM).read_text(encoding="utf-8-sig") != origin:
        raise ConfigError(f"{run} holds a run of other pictures or other settings: remove it, or name another place.")
    if run.is_dir() and cards.read_metrics(run).get("training", {}).get("images_seen", 0) >= recipe.train.images:
        return run
    index = {label: i for i, label in enumerate(labelled.classes)}
    entries = [
        Entry(one.name, index[one.label], lambda one=one: images.resize(load(one, channels), (side, side)))
        for one in labelled.originals
    ]
    source = Source(entries, tuple(labelled.classes))
    data = Pictures(recipe.data, source, height=side, width=side, channels=channels)
    trainer = Trainer(recipe, run, data=data, quiet=quiet)
    if not quiet and (text := announcement(trainer)):
        print(text, file=sys.stderr, flush=True)
    trainer.run()
    if trainer.images_seen < recipe.train.images:
        raise TrainingError(
            f"The generator's training was stopped after {trainer.images_seen:,} of {recipe.train.images:,} pictures; "
            "the same command goes on."
        )
    return run
