"""The moving average of the weights, which is what gets published."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """Exponential moving average of a module, its half-life counted in pictures.

    Early in a run the half-life is a twentieth of the pictures seen, so that the first weights are soon forgotten
    (the ramp-up of Karras et al. 2020, arXiv:2006.06676). Running statistics are averaged like weights.
    """

    def __init__(self, module: nn.Module, half_life: int) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False).eval()
        self.half_life = half_life

    @torch.no_grad()
    def update(self, module: nn.Module, images_seen: int, batch_size: int) -> None:
        """Take in the weights after a step of ``batch_size`` pictures."""
        keep = 0.5 ** (batch_size / max(min(self.half_life, images_seen / 20), 1e-8))
        average, current = self.module.state_dict(), module.state_dict()
        floating = [name for name, value in average.items() if value.is_floating_point()]
        torch._foreach_lerp_([average[n] for n in floating], [current[n] for n in floating], 1 - keep)
        for name in average.keys() - set(floating):
            average[name].copy_(current[name])
