"""The space that is searched: mixtures of the latents of some seeds, each as typical as a seed of its own.

A point is a row of numbers u in [-1, 1], one for each of K seeds. Its latent is z = sum u_i z_i / |u|: for z_i from
N(0, I) that is N(0, I) again, so that no search can leave what the generator was trained for. A row with a single 1 is
the picture of that seed. In W the same is done with the ways from the mean, w = mean + sum u_i (w_i - mean) / |u|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ganhub.creation.checks import MAX_SEED
from ganhub.creation.generate import at_once
from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator, StyleGenerator

SEEDS = 32  # that a search mixes
MOST_SEEDS = 256
DIGITS = 3  # decimals of a weight: a point that is written down is the point that was scored
SPREAD = 0.4  # standard deviation of a fresh point's weights
SPACES = ("z", "w")
Points = np.ndarray  # float64 [N, dims]


@dataclass(frozen=True, eq=False)
class Space:
    """Mixtures of seeds.

    Attributes:
        generator: Whose latents they are.
        seed: Of the first of the seeds; the next has seed + 1.
        count: How many are mixed.
        label: Name or index of a class; None searches the classes too, by one more number in [-1, 1].
        space: "z" or "w".
        truncation: Below 1: more typical.
    """

    generator: LatentGenerator
    seed: int = 0
    count: int = SEEDS
    label: str | int | None = None
    space: str = "z"
    truncation: float = 1.0
    _ends: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.space == "w" and not isinstance(self.generator, StyleGenerator):
            raise ConfigError(f"This {self.generator.architecture} has no space W: search z.")
        if self.label is not None:
            self.generator.class_index(self.label)  # says what is wrong before anything is drawn

    @property
    def classes(self) -> int:
        """How many classes are searched; 0 where the class is given, or there is none."""
        return self.generator.config.num_classes if self.label is None else 0

    @property
    def dims(self) -> int:
        """Numbers of a point."""
        return self.count + bool(self.classes)

    def fresh(self, count: int, random: np.random.Generator) -> Points:
        """Random points: as good as random seeds."""
        points = random.normal(0.0, SPREAD, (count, self.dims))
        if self.classes:
            points[:, -1] = random.uniform(-1, 1, count)
        return rounded(points)

    def labels(self, points: Points) -> Tensor | None:
        """Class indices [N], or None."""
        count = self.generator.config.num_classes
        if not count:
            return None
        if self.label is not None:
            return torch.full((len(points),), self.generator.class_index(self.label))
        places = np.floor((points[:, -1] + 1) / 2 * count).clip(0, count - 1)
        return torch.from_numpy(places.astype(np.int64))

    def latents(self, points: Points) -> Tensor:
        """z [N, latent_dim], or w [N, style_dim] before truncation, float32 on the CPU."""
        weights = torch.from_numpy(points[:, : self.count]).double()
        weights = torch.where(weights.norm(dim=1, keepdim=True) < 1e-6, torch.eye(1, self.count).double(), weights)
        weights = (weights / weights.norm(dim=1, keepdim=True)).float()
        labels = self.labels(points) if self.space == "w" else None
        classes = [-1 if self.space == "z" else 0] * len(points) if labels is None else labels.tolist()
        # Row by row: a product of matrices adds in another order for another number of rows.
        rows = [row @ self._seeds(one) for row, one in zip(weights, classes, strict=True)]
        return torch.stack([row if one < 0 else self._mean(one) + row for row, one in zip(rows, classes, strict=True)])

    def ways(self, points: Points) -> Tensor:
        """The way of each point's w from the mean, [N, style_dim]: what wishes are measured on."""
        if not isinstance(self.generator, StyleGenerator):
            raise ConfigError(f"This {self.generator.architecture} has no space W, so it has no wishes.")
        latents, labels = self.latents(points), self.labels(points)
        w = latents if self.space == "w" else self.generator.to_w(latents, labels).cpu()
        return w - self.generator.style_mean.float().cpu().mean(0)

    def pictures(self, points: Points) -> Tensor:
        """[N, C, H, W] in [-1, 1] on the CPU; the same to the last bit whatever is drawn beside it.

        For that, batches have the size of those of :func:`ganhub.creation.generate.draw`.
        """
        step, drawn = at_once(self.generator), []
        for start in range(0, len(points), step):
            part = points[start : start + step]
            filled = np.concatenate([part, np.repeat(part[-1:], step - len(part), 0)])
            drawn.append(self._batch(filled)[: len(part)])
        return torch.cat(drawn)

    def _batch(self, points: Points) -> Tensor:
        generator, latents, labels = self.generator, self.latents(points), self.labels(points)
        if self.space == "z":
            return generator.generate(latents, labels, truncation=self.truncation).cpu()
        w, label = latents.to(generator.device), None if labels is None else labels.to(generator.device)
        return generator.from_w(generator.truncate_w(w, label, self.truncation)).cpu()

    def _seeds(self, label: int) -> Tensor:
        """What is mixed, [count, dim]: z for a label of -1, else the ways of w from the mean of its class."""
        if label not in self._ends:
            z = self.generator.latent([(self.seed + i) % (MAX_SEED + 1) for i in range(self.count)])
            if label >= 0:
                labels = torch.full((self.count,), label) if self.generator.config.num_classes else None
                z = self.generator.to_w(z, labels).cpu() - self._mean(label)
            self._ends[label] = z.float().cpu()
        return self._ends[label]

    def _mean(self, label: int) -> Tensor:
        return self.generator.style_mean[label].float().cpu()


def rounded(points: Points) -> Points:
    """Points as they are written down: in [-1, 1], with three decimals."""
    return np.clip(points, -1, 1).round(DIGITS) + 0.0


def as_points(rows: Sequence[Sequence[float]]) -> Points:
    """Rows of numbers as points."""
    return rounded(np.asarray(rows, dtype=np.float64))
