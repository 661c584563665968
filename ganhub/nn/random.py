"""Randomness as a function of integer seeds: row i depends on seeds[i] and nothing else.

Not on the batch size, the device, the number of processes, or on what was drawn before. This one rule makes
"same seed, same picture", exact resume and many-GPU training the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Seeds = Sequence[int] | Tensor


def _generators(seeds: Seeds, stream: int):
    generator = torch.Generator()
    for seed in seeds.tolist() if isinstance(seeds, Tensor) else seeds:
        # The CPU generator keeps 32 bits of a seed, so streams are spread by an odd multiplier, not by shifting.
        yield generator.manual_seed((int(seed) + stream * 0x9E3779B1) & 0xFFFFFFFF)


def normal(seeds: Seeds, *shape: int, stream: int = 0) -> Tensor:
    """Draw standard normal values, one independent CPU float32 generator per seed.

    Args:
        seeds: N integers; the lowest 32 bits count.
        shape: Shape of one row.
        stream: Tells several draws of the same seed apart (0 is the latent).

    Returns:
        float32 on the CPU, [N, *shape].
    """
    rows = [torch.randn(shape, generator=g) for g in _generators(seeds, stream)]
    return torch.stack(rows) if rows else torch.empty(0, *shape)


def uniform(seeds: Seeds, *shape: int, stream: int = 0) -> Tensor:
    """Draw values in [0, 1), one independent CPU float32 generator per seed; see :func:`normal`."""
    rows = [torch.rand(shape, generator=g) for g in _generators(seeds, stream)]
    return torch.stack(rows) if rows else torch.empty(0, *shape)
