"""The moving average of the weights, which is what gets published."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class EMA:
    """Exponential moving average of a model and its companions, its half-life counted in pictures.

    Early in a run the half-life is a twentieth of the pictures seen, so that the first weights are soon forgotten
    (the ramp-up of Karras et al. 2020, arXiv:2006.06676). Running statistics are averaged like weights.

    Attributes:
        module: The average of the model.
        companions: The averages of the models that are published beside it, by subfolder.
    """

    def __init__(self, module: nn.Module, half_life: int, companions: Mapping[str, nn.Module] | None = None) -> None:
        self._now = {"": module, **(companions or {})}
        average = {place: copy.deepcopy(one).requires_grad_(False).eval() for place, one in self._now.items()}
        self.module, self.companions = average.pop(""), average
        self.half_life = half_life

    @torch.no_grad()
    def update(self, images_seen: int, batch_size: int) -> None:
        """Take in the weights after a step of ``batch_size`` pictures."""
        keep = 0.5 ** (batch_size / max(min(self.half_life, images_seen / 20), 1e-8))
        for place, one in {"": self.module, **self.companions}.items():
            average, current = one.state_dict(), self._now[place].state_dict()
            floating = [name for name, value in average.items() if value.is_floating_point()]
            torch._foreach_lerp_([average[n] for n in floating], [current[n] for n in floating], 1 - keep)
            for name in average.keys() - set(floating):
                average[name].copy_(current[name])

    def state_dict(self) -> dict[str, Tensor]:
        """The model's tensors under their names, those of its companions with their subfolder before each name."""
        beside = {place: one.state_dict() for place, one in self.companions.items()}
        return self.module.state_dict() | {f"{p}/{name}": x for p, part in beside.items() for name, x in part.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """What :meth:`state_dict` gave; RuntimeError if it is another model's."""
        self.module.load_state_dict({name: x for name, x in state.items() if "/" not in name})
        for place, one in self.companions.items():
            start = f"{place}/"
            average = {n.removeprefix(start): x for n, x in state.items() if n.startswith(start)}
            one.load_state_dict(average or self._now[place].state_dict())  # which older checkpoints did not average
