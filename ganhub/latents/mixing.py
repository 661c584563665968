"""Truncation in z, and style mixing: one picture's composition in another's colours."""

from __future__ import annotations

import re

from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator, StyleGenerator
from ganhub.models._verbs import require_truncation

PARTS = ("coarse", "middle", "fine")
Layers = str | int | tuple[int, int] | None


def truncate(z: Tensor, truncation: float) -> Tensor:
    """z * truncation: nearer to 0 lie the typical pictures, fewer of them and safer.

    The simplest form of the truncation trick of "Large Scale GAN Training" (Brock 2019, arXiv:1809.11096,
    section 3.1), which draws z again where it is large; scaling keeps "same seed, same picture". Models with a W
    space truncate there: ``StyleGenerator.truncate_w``.

    Args:
        z: Any shape.
        truncation: 0 (one picture for all seeds) to 1.5; 1 changes nothing.

    Raises:
        ConfigError: Outside that range.
    """
    require_truncation(truncation)
    return z if truncation == 1 else z * truncation


def needs_w(model: LatentGenerator) -> StyleGenerator:
    """Return the model, or raise ConfigError when it has no W space."""
    if isinstance(model, StyleGenerator):
        return model
    name = getattr(model, "architecture", "") or type(model).__name__
    raise ConfigError(f"{name} has no W space to edit in: take a model that has one, such as stylegan2.")


def layer_range(layers: Layers, depth: int) -> tuple[int, int]:
    """Read a range of layers as (first, one past the last).

    Args:
        layers: (4, 8) or "4-8" for the layers 4 to 7, counted from 0 at the lowest resolution; 4 or "4" for one;
            "coarse", "middle" or "fine" for a third of them each; None or "all" for all.
        depth: L, how many layers the model has.

    Raises:
        ConfigError: For an empty range, one beyond the model's layers, or another name.
    """
    if layers is None or layers == "all":
        return 0, depth
    if layers in PARTS:
        third = PARTS.index(layers)
        start = min(round(third * depth / 3), depth - 1)
        return start, max(round((third + 1) * depth / 3), start + 1)
    match = re.fullmatch(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?", layers) if isinstance(layers, str) else None
    if match:
        layers = (int(match[1]), int(match[2])) if match[2] else int(match[1])
    if isinstance(layers, int) and not isinstance(layers, bool):
        layers = (layers, layers + 1)
    if not isinstance(layers, (tuple, list)) or len(layers) != 2 or not all(isinstance(n, int) for n in layers):
        hint = nearest(layers, PARTS) if isinstance(layers, str) else ""
        raise ConfigError(
            f"{str(layers)[:40]!r} names no layers.{hint} Write coarse, middle, fine, or a range as in 0-{depth}."
        )
    start, stop = layers
    if not 0 <= start < stop <= depth:
        raise ConfigError(f"Layers {start}-{stop} do not exist: this model has {depth}, so the widest is 0-{depth}.")
    return start, stop


def mix(model: StyleGenerator, coarse: Tensor, fine: Tensor, layers: Layers = "fine") -> Tensor:
    """Style mixing: the styles of ``layers`` come from ``fine``, the others from ``coarse``.

    Section 3.1 of Karras et al. 2019 (arXiv:1812.04948): layers at low resolutions decide on pose and composition,
    those at high ones on colours and texture.

    Args:
        model: A model with a W space of L layers.
        coarse: w [N, D] or w+ [N, L, D].
        fine: The same; N may also be 1 in either of the two.
        layers: As in `layer_range`.

    Returns:
        w+ [N, L, D], for ``model.from_w``.

    Raises:
        ConfigError: For a model without a W space, other shapes, or layers that do not exist.
    """
    start, stop = layer_range(layers, needs_w(model).layers)
    coarse, fine = model.per_layer(coarse), model.per_layer(fine)
    count = max(len(coarse), len(fine))
    if {len(coarse), len(fine)} - {1, count}:
        raise ConfigError(f"{len(coarse)} and {len(fine)} points cannot be mixed: give as many of both, or one of one.")
    mixed = coarse.expand(count, -1, -1).clone()
    mixed[:, start:stop] = fine.to(mixed)[:, start:stop]
    return mixed
