"""A network over a picture that is too large for it: tile by tile, with the statistics of the whole picture."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from ganhub.apply import tiling
from ganhub.errors import ConfigError
from ganhub.nn.instance_norm import InstanceNorm, shared_statistics

# In so many rounds over all tiles the statistics are gathered. As many as there are layers make tiles equal to the
# whole; with 3, fast-style (13 layers) was 0.4 and 1.3 / 255 off in two photos, with 1 it was 1.0 and 2.9.
ROUNDS = 3
WHOLE = 1_500_000  # pixels of a result that is computed as one where ``tile`` is "auto"


def checked_side(tile: str | int, side: int) -> int:
    """Pixels a side of the tiles that a photo is worked on in, 0 for none: ``side`` where ``tile`` is "auto".

    Raises:
        ConfigError: ``tile`` is something else than "auto" or a whole number.
    """
    if tile == "auto":
        return side
    if not isinstance(tile, int) or isinstance(tile, bool) or tile < 0:
        raise ConfigError(f"tile is 'auto', 0 or pixels a side, not {tile!r}.")
    return tile


def as_one_or_in_tiles(
    model: nn.Module,
    function: Callable[[Tensor], Tensor],
    picture: Tensor,
    side: int,
    *,
    margin: int,
    multiple: int,
    scale: int = 1,
    on_step: Callable[[int, int, None], None] | None = None,
) -> Tensor:
    """``function`` of a picture, or :func:`in_tiles` where a side of it is longer than ``side``; 0 means never.

    ``margin`` and ``multiple`` are those of :func:`ganhub.apply.tiling.grid`; a tile is at least three margins wide.
    """
    height, width = picture.shape[-2:]
    if not side or max(height, width) <= side:
        return function(picture)
    grid = tiling.grid(height, width, tile=max(side, 3 * margin + multiple), margin=margin, multiple=multiple)
    return in_tiles(model, function, picture, grid, on_step, scale=scale)


def in_tiles(
    model: nn.Module,
    function: Callable[[Tensor], Tensor],
    picture: Tensor,
    grid: tiling.Grid,
    on_step: Callable[[int, int, None], None] | None = None,
    *,
    scale: int = 1,
) -> Tensor:
    """Over the picture some times for its statistics, ever further into the network, and once for the result.

    Args:
        model: Holds the :class:`~ganhub.nn.instance_norm.InstanceNorm` modules, or none.
        function: What ``model`` makes of tiles: [B, C, h, w] -> [B, C', h * scale, w * scale].
        picture: [1, C, H, W].
        grid: From :func:`ganhub.apply.tiling.grid`, for this picture's size.
        on_step: Called with (step, steps, None) after each batch of tiles; an exception that it raises ends the work.
        scale: How much larger the result is.

    Returns:
        [1, C', H * scale, W * scale], on the device of ``picture``.
    """
    device = next((value.device for value in (*model.parameters(), *model.buffers())), picture.device)
    batch = 1 if device.type == "cpu" else max(1, tiling.SAMPLE // (grid.height * grid.width * scale**2))
    few = len(grid) * grid.height * grid.width <= tiling.SAMPLE  # one batch tells the statistics of all layers at once
    norms = sum(isinstance(module, InstanceNorm) for module in model.modules())
    layers = max(1, norms if few else math.ceil(norms / ROUNDS))
    done, total = 0, (math.ceil(norms / layers) + 1) * len(grid)

    def say(tiles: int) -> None:
        nonlocal done
        done += tiles
        if on_step is not None:
            on_step(min(done, total), total, None)

    with shared_statistics(model, layers) as shared:
        while not shared.complete:
            for tiles, weights in tiling.samples(picture, grid, pixels=tiling.SAMPLE):
                with shared.gathered(weights):
                    function(tiles)
                say(len(tiles))
            shared.settle()
        return tiling.tiled(function, picture, grid, scale=scale, batch=batch, on_tile=say)
