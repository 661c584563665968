"""Scores of attributes that a model has directions for, such as "glasses"."""

from __future__ import annotations

import torch
from torch import Tensor

from ganhub.creation.search.scores._base import score
from ganhub.latents import Direction


@score("Wish", "more of what a named direction of the model does, as in wish:glasses")
def wish(w: Tensor, direction: Direction) -> Tensor:
    """How far w lies along a direction, as 1 / (1 + exp(-x)), x in standard deviations from the mean: 0.5 there."""
    along = w.double() @ direction.vector.double()
    return torch.sigmoid(along / max(direction.deviation, 1e-9))
