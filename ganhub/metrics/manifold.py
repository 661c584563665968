"""Fidelity and variety apart: precision and recall, density and coverage, by balls around the nearest neighbours.

Features are rows [N, D], one per picture. Distances are taken in float64 and in blocks, each block once for all four
numbers, so that 10,000 against 10,000 pictures need a few hundred megabytes; torch-fidelity's functions hold whole
10,000 x 10,000 tables, and know neither density nor coverage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.metrics._base import FeatureMetric, FeatureSets, Number
from ganhub.metrics.distances import checked

BLOCK = 2048
PRECISION_K = 3
DENSITY_K = 5


class Manifold(NamedTuple):
    """Four numbers, the higher the better; all but density are from 0 to 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: Tensor, fake: Tensor, *, k: int | None = None) -> Manifold:
    """Precision, recall, density and coverage of made pictures.

    A set's manifold is the union of balls around its pictures, each reaching to the picture's k-th nearest neighbour.

    - Precision and recall: "Improved Precision and Recall Metric for Assessing Generative Models" (Kynkaanniemi et al.
      2019, arXiv:1904.06991, equations 1 to 3): the share of made pictures within the real manifold, and the reverse.
    - Density and coverage: "Reliable Fidelity and Diversity Metrics for Generative Models" (Naeem et al. 2020,
      arXiv:2002.09797, equations 3 and 4): in how many real balls a made picture lies, over k (1 is expected of a
      perfect model); the share of real balls that hold a made picture.

    Args:
        real: [N, D].
        fake: [M, D].
        k: The number of the neighbour; None takes the papers' own choices, 3 for precision and recall and 5 for
            density and coverage.

    Raises:
        MetricError: For features that cannot be measured, or no more than k of them on a side.
    """
    near, far = (PRECISION_K, DENSITY_K) if k is None else (k, k)
    if near < 1:
        raise MetricError(f"k must be at least 1, not {k}.")
    real, fake = checked(real, fake, least=max(near, far) + 1)
    centre = real.mean(0)  # distances don't change; the rounding of their expansion does
    real, fake = real - centre, fake - centre
    # What rounding may do to a squared distance, so that a copy of a ball's centre, or of its rim, counts as inside.
    slack = 1e-12 * max(real.square().sum(1).max().item(), fake.square().sum(1).max().item())
    real_radii, fake_radii = (neighbour_radii(rows, (near, far)) + slack for rows in (real, fake))

    inside_real = torch.zeros(len(fake), dtype=torch.bool, device="cpu")
    inside_fake = torch.zeros(len(real), dtype=torch.bool, device="cpu")
    covered = torch.zeros(len(real), dtype=torch.bool, device="cpu")
    balls = 0
    for rows, columns, distances in squared_distances(real, fake):
        inside_real[columns] |= (distances <= real_radii[rows, :1]).any(0)
        inside_fake[rows] |= (distances <= fake_radii[columns, 0]).any(1)
        within = distances <= real_radii[rows, 1:]
        balls += int(within.sum())
        covered[rows] |= within.any(1)
    precision, recall, coverage = (hits.double().mean().item() for hits in (inside_real, inside_fake, covered))
    return Manifold(precision, recall, balls / (far * len(fake)), coverage)


class _OfManifold(FeatureMetric):
    """One of the four numbers, which are computed together."""

    usual, better, usual_k = True, "higher", DENSITY_K

    def of(self, sets: FeatureSets) -> Number:
        balls = sets.once("manifold", lambda: manifold(sets.real, sets.made, k=sets.k))
        return Number(getattr(balls, self.key), settings=f"k = {sets.k or self.usual_k}")


class Precision(_OfManifold, name="precision"):
    """Share of fake pictures within the real manifold."""

    key, label, usual_k = "precision", "Precision", PRECISION_K


class Recall(_OfManifold, name="recall"):
    """Share of real pictures within the fake manifold."""

    key, label, usual_k = "recall", "Recall", PRECISION_K


class Density(_OfManifold, name="density"):
    """In how many real balls a fake picture lies, over k."""

    key, label = "density", "Density"


class Coverage(_OfManifold, name="coverage"):
    """Share of real balls that hold a fake picture."""

    key, label = "coverage", "Coverage"


def squared_distances(first: Tensor, second: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield (rows of ``first``, rows of ``second``, squared distances between them) block by block.

    Args:
        first: [N, D], float64, near the origin: |x - y|^2 is taken as |x|^2 + |y|^2 - 2 x . y.
        second: [M, D]. When it is ``first`` itself, only blocks on and above the diagonal are made, whose own diagonal
            is zero exactly.
    """
    lengths, other_lengths = first.square().sum(1), second.square().sum(1)
    same = first is second
    for top in range(0, len(first), BLOCK):
        rows = slice(top, min(top + BLOCK, len(first)))
        for left in range(top if same else 0, len(second), BLOCK):
            columns = slice(left, min(left + BLOCK, len(second)))
            block = torch.addmm(other_lengths[columns], first[rows], second[columns].T, alpha=-2)
            block += lengths[rows, None]
            block.clamp_(min=0)
            if same and left == top:
                block.fill_diagonal_(0)
            yield rows, columns, block


def neighbour_radii(features: Tensor, ks: tuple[int, ...]) -> Tensor:
    """Return the squared distance [N, len(ks)] of each row of [N, D] to its k-th nearest other row."""
    count = max(ks) + 1  # with itself, at distance zero
    nearest = torch.full((len(features), count), torch.inf, dtype=features.dtype, device="cpu")

    def keep(rows: slice, distances: Tensor) -> None:
        least = distances.topk(min(count, distances.shape[1]), largest=False).values
        nearest[rows] = torch.cat([nearest[rows], least], dim=1).topk(count, largest=False).values

    for rows, columns, distances in squared_distances(features, features):
        keep(rows, distances)
        if rows != columns:
            keep(columns, distances.T)
    return nearest.sort(1).values[:, list(ks)]
