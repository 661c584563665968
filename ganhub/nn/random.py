"""Randomness as a function of integer seeds: row i depends on seeds[i] and nothing else.

Not on the batch size, the device, the number of processes, on what was drawn before, or on torch's default dtype and
device. This one rule makes "same seed, same picture", exact resume and many-GPU training the same thing.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from ganhub.errors import ConfigError

# Whole numbers of any kind: Python's, NumPy's, an array or tensor of them.
Seeds = Iterable[Any] | Tensor


def whole_number(value: Any, name: str) -> int:
    """A Python, NumPy or 0-d torch integer as an int; anything else raises ConfigError, which says ``name``."""
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(f"{name} must be a whole number, not {str(value)[:80]!r}.") from None


def whole_numbers(values: Any, name: str) -> list[int]:
    """A sequence, array or tensor of whole numbers, or a single one, as a list of ints; see :func:`whole_number`."""
    if isinstance(values, str | bytes):
        raise ConfigError(f"{name} must be whole numbers, not the text {str(values)[:80]!r}.")
    values = values.tolist() if hasattr(values, "tolist") else values  # of NumPy and torch: numbers, nested or alone
    return [whole_number(one, name) for one in (values if isinstance(values, Iterable) else [values])]


def _generators(seeds: Seeds, stream: int) -> Iterator[torch.Generator]:
    generator = torch.Generator(device="cpu")
    for seed in whole_numbers(seeds, "A seed"):
        # The CPU generator keeps 32 bits of a seed, so streams are spread by an odd multiplier, not by shifting.
        yield generator.manual_seed((seed + stream * 0x9E3779B1) & 0xFFFFFFFF)


def normal(seeds: Seeds, *shape: int, stream: int = 0) -> Tensor:
    """Draw standard normal values, one independent CPU float32 generator per seed.

    Args:
        seeds: N integers, Python's, NumPy's or torch's; the lowest 32 bits count.
        shape: Shape of one row.
        stream: Tells several draws of the same seed apart (0 is the latent).

    Returns:
        float32 on the CPU, [N, *shape].

    Raises:
        ConfigError: A seed that is no whole number.
    """
    return _rows(torch.randn, seeds, shape, stream)


def uniform(seeds: Seeds, *shape: int, stream: int = 0) -> Tensor:
    """Draw values in [0, 1), one independent CPU float32 generator per seed; see :func:`normal`."""
    return _rows(torch.rand, seeds, shape, stream)


def _rows(draw: Any, seeds: Seeds, shape: tuple[int, ...], stream: int) -> Tensor:
    kind = {"dtype": torch.float32, "device": "cpu"}  # whatever torch's defaults are
    rows = [draw(shape, generator=generator, **kind) for generator in _generators(seeds, stream)]
    return torch.stack(rows) if rows else torch.empty(0, *shape, **kind)
