"""Generate: pictures of seeds, in rows of one class each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganhub.creation._base import Creation, Library, OnStep, Result, bounded
from ganhub.creation.checks import MAX_SEED
from ganhub.creation.inputs import Inputs
from ganhub.models import LatentGenerator

MAX_COUNT = 4096
PIXELS_AT_ONCE = 2**15  # more is hardly faster, and takes memory in each thread

Wanted = tuple[int, str | int | None]  # seed, class
Near = tuple[int, float] | None  # the seed that pictures are near, and how near


@dataclass(frozen=True, kw_only=True)
class Generate(Creation, verb="generate"):
    """A row of pictures for each label, or one row of each seed's own class; a column is one seed.

    Attributes:
        model: A latent generator.
        seed: Of the first picture of a row; the next has seed + 1.
        count: Pictures in a row.
        labels: Names or indices of classes.
        truncation: Below 1: more typical, less varied.
        likeness: To the picture of the seed ``around``: 0 is none, at 1 all pictures are that one.
        around: That seed; of no use where likeness is 0.
    """

    model: str
    seed: int = bounded(0, MAX_SEED, 0)
    count: int = bounded(1, MAX_COUNT, 1)
    labels: tuple[str | int, ...] = bounded(0, 1_000_000, ())
    truncation: float = bounded(0, 1.5, 1.0)
    likeness: float = bounded(0, 1, 0.0)
    around: int = bounded(0, MAX_SEED, 0)

    def check(self) -> None:
        rows = len(self.labels) or 1
        self.require(rows * self.count <= MAX_COUNT, f"Ask for {MAX_COUNT} pictures at most, not {rows * self.count}.")
        last = MAX_SEED + 1 - self.count
        self.require(self.seed <= last, f"seed must be from 0 to {last}, not {self.seed}.")

    def wanted(self) -> list[Wanted]:
        """Seed and class of each picture, row by row."""
        seeds = range(self.seed, self.seed + self.count)
        return [(seed, label) for label in self.labels or (None,) for seed in seeds]

    def alone(self, seed: int, label: str | int | None) -> Generate:
        """One picture of :meth:`wanted` without the others."""
        return replace(self, seed=seed, count=1, labels=() if label is None else (label,))

    @property
    def near(self) -> Near:
        """What :func:`draw` takes of likeness; None without."""
        return (self.around, self.likeness) if self.likeness else None

    def open(self, library: Library) -> LatentGenerator:
        """The generator, which has each of the labels."""
        generator = library.open(self.model, LatentGenerator)
        for label in self.labels:
            generator.class_index(label)  # says what is wrong before anything is drawn
        return generator

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        generator, wanted, drawn = self.open(library), self.wanted(), []
        step = at_once(generator)
        for start in range(0, len(wanted), step):
            on_step(start, len(wanted), None)
            drawn.append(draw(generator, wanted[start : start + step], self.truncation, self.near))
        return Result(pictures=torch.cat(drawn))


def at_once(generator: LatentGenerator) -> int:
    """How many pictures are drawn in one go, always as many of a model: eight or four small ones, large ones one by
    one, so that Stop is heeded soon."""
    fit = PIXELS_AT_ONCE // math.prod(generator.config.size)
    return 8 if fit >= 8 else 4 if fit >= 4 else 1


def draw(generator: LatentGenerator, wanted: Sequence[Wanted], truncation: float, near: Near = None) -> Tensor:
    """Pictures [N, C, H, W] in [-1, 1] of N seeds and classes, on the CPU.

    A picture is the same to the last bit whatever is drawn beside it. Kernels choose their order of additions by the
    size of the batch (in bfloat16 that is up to five levels of 255; some processors do so already between four and
    eight), so batches are filled up with the last one to :func:`at_once` pictures.

    Near a seed, with likeness r, z is r * z(that seed) + sqrt(1 - r^2) * z(own seed), which is distributed as any z is;
    class, where none is named, and noise are that seed's. The picture of that seed itself stays as it is.
    """
    step, drawn = at_once(generator), []
    for start in range(0, len(wanted), step):
        part = wanted[start : start + step]
        drawn.append(_batch(generator, [*part, *[part[-1]] * (step - len(part))], truncation, near)[: len(part)])
    return torch.cat(drawn)


def _batch(generator: LatentGenerator, wanted: Sequence[Wanted], truncation: float, near: Near) -> Tensor:
    seeds = [seed for seed, _ in wanted]
    z, others = generator.latent(seeds), seeds
    if near is not None:
        around, likeness = near
        mixed = likeness * generator.latent([around]) + math.sqrt(1 - likeness**2) * z
        z = torch.where(torch.tensor([seed == around for seed in seeds], device=z.device)[:, None], z, mixed)
        others = [around] * len(seeds)
    labels = [generator.labels(1, label, seed) for seed, (_, label) in zip(others, wanted, strict=True)]
    return generator.generate(
        z, None if labels[0] is None else torch.cat(labels), truncation=truncation,
        noise=generator.noise(others) if generator.noise_dim else None,
    ).cpu()  # fmt: skip
