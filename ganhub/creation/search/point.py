"""Point: the picture of a mixture of seeds, as a search or breeding finds it."""

from __future__ import annotations

from dataclasses import dataclass

from ganhub.creation._base import Creation, Library, OnStep, Result, bounded, choice
from ganhub.creation.checks import MAX_SEED
from ganhub.creation.inputs import Inputs
from ganhub.creation.search.space import MOST_SEEDS, SPACES, Space, as_points
from ganhub.models import LatentGenerator


@dataclass(frozen=True, kw_only=True)
class Point(Creation, verb="point"):
    """The picture of a mixture of seeds.

    Attributes:
        model: A latent generator.
        weights: Of the seeds seed, seed + 1, ...; with three decimals.
        seed: The first of them.
        label: Name or index of a class; of a model with classes None is the first.
        space: What is mixed: "z" or "w".
        truncation: Below 1: more typical.
    """

    model: str
    weights: tuple[float, ...] = bounded(-1, 1)
    seed: int = bounded(0, MAX_SEED, 0)
    label: str | int | None = bounded(0, 1_000_000, None)
    space: str = choice(*SPACES)
    truncation: float = bounded(0, 1.5, 1.0)

    def check(self) -> None:
        count = len(self.weights)
        self.require(1 <= count <= MOST_SEEDS, f"Give 1 to {MOST_SEEDS} weights, not {count}.")

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        generator = library.open(self.model, LatentGenerator)
        label = 0 if self.label is None and generator.config.num_classes else self.label
        space = Space(generator, self.seed, len(self.weights), label, self.space, self.truncation)
        on_step(0, 1, None)
        points = as_points([self.weights])
        return Result(pictures=space.pictures(points), tensors={self.space: space.latents(points)})
