"""The best pictures so far, no two of which look the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ganhub.creation.search.space import Points

MOST = 12
APART = 0.2  # RMS difference of two pictures in [-1, 1], below which they count as the same


@dataclass(frozen=True, eq=False)
class Entry:
    """A picture [C, H, W] in [-1, 1], its point [dims] and its score."""

    picture: Tensor
    point: np.ndarray
    score: float


class Wall:
    """Keeps the best distinct pictures, best first.

    Args:
        most: How many.
        apart: RMS difference of pictures that count as two.
    """

    def __init__(self, most: int = MOST, apart: float = APART) -> None:
        self.most, self.apart, self.entries = most, apart, []

    def add(self, points: Points, pictures: Tensor, scores: np.ndarray) -> None:
        """Take in those that belong on it; one that looks like a better one does not, and takes a worse one's place."""
        for point, picture, score in zip(points, pictures, scores.tolist(), strict=True):
            if len(self.entries) < self.most or score > self.entries[-1].score:
                self._take(Entry(picture.clone(), point, score))

    def _take(self, entry: Entry) -> None:
        alike = [one for one in self.entries if self._alike(one, entry)]
        if any(one.score >= entry.score for one in alike):
            return
        kept = [one for one in self.entries if one not in alike]
        self.entries = sorted([*kept, entry], key=lambda one: -one.score)[: self.most]

    def _alike(self, one: Entry, other: Entry) -> bool:
        return (one.picture - other.picture).square().mean().sqrt().item() < self.apart
