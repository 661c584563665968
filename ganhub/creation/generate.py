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


@dataclass(frozen=True, kw_only=True)
class Generate(Creation, verb="generate"):
    """A row of pictures for each label, or one row of each seed's own class; a column is one seed.

    Attributes:
        model: A latent generator.
        seed: Of the first picture of a row; the next has seed + 1.
        count: Pictures in a row.
        labels: Names or indices of classes.
        truncation: Below 1: more typical, less varied.
    """

    model: str
    seed: int = bounded(0, MAX_SEED, 0)
    count: int = bounded(1, MAX_COUNT, 1)
    labels: tuple[str | int, ...] = bounded(0, 1_000_000, ())
    truncation: float = bounded(0, 1.5, 1.0)

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
            drawn.append(draw(generator, wanted[start : start + step], self.truncation))
        return Result(pictures=torch.cat(drawn))


def at_once(generator: LatentGenerator) -> int:
    """How many pictures are drawn in one go: small ones many, large ones one by one, so that Stop is heeded soon."""
    return max(1, min(32, PIXELS_AT_ONCE // math.prod(generator.config.size)))


def draw(generator: LatentGenerator, wanted: Sequence[Wanted], truncation: float) -> Tensor:
    """Pictures [N, C, H, W] in [-1, 1] of N seeds and classes, in one batch, on the CPU."""
    seeds = [seed for seed, _ in wanted]
    labels = [generator.labels(1, label, seed) for seed, label in wanted]
    return generator.generate(
        generator.latent(seeds), None if labels[0] is None else torch.cat(labels), truncation=truncation,
        noise=generator.noise(seeds) if generator.noise_dim else None,
    ).cpu()  # fmt: skip
