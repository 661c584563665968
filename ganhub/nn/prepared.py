"""What inference computes from weights alone: once, and kept as long as no weight changes."""

from __future__ import annotations

from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
from torch import nn

_kept: WeakKeyDictionary[nn.Module, tuple[list, list]] = WeakKeyDictionary()  # outside: no copy takes it along


class PreparesWeights(nn.Module):
    """A module whose layers with a ``weight`` and a method ``prepare(dtype)`` prepare that weight for inference."""

    def prepared(self, dtype: torch.dtype) -> list[Any]:
        """``prepare(dtype)`` of each such layer, in order; in evaluation without gradients what was kept of it."""
        layers: list[Any] = [layer for layer in self.modules() if hasattr(layer, "prepare")]
        if self.training or torch.is_grad_enabled() or any(layer.weight.is_inference() for layer in layers):
            return [layer.prepare(dtype) for layer in layers]
        state = [dtype, *((layer.weight._version, layer.weight.data_ptr()) for layer in layers)]
        known = _kept.get(self)
        if known is None or known[0] != state:
            known = _kept[self] = state, [layer.prepare(dtype) for layer in layers]
        return known[1]

    def train(self, mode: bool = True) -> Self:
        _kept.pop(self, None)  # a fused optimiser changes weights without counting their version
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        _kept.pop(self, None)  # another type or device
        return super()._apply(fn, recurse)
