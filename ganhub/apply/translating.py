"""What surrounds every translator and inpainter: large pictures in tiles, grey ones, transparency."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ganhub.apply import tiling
from ganhub.apply.large_pictures import WHOLE, as_one_or_in_tiles, checked_side, in_tiles
from ganhub.errors import ConfigError, ImageError
from ganhub.images import on_white, resize
from ganhub.images.colour import visible
from ganhub.models import Inpainter, Translator
from ganhub.models._translator import require_room

OnStep = Callable[[int, int, None], None]


@torch.no_grad()
def translate(
    translator: Translator,
    photo: Tensor,
    *,
    tile: str | int = "auto",
    self_ensemble: bool = False,
    on_step: OnStep | None = None,
) -> Tensor:
    """Translate a photo.

    Args:
        translator: Any model that translates.
        photo: [1, C, H, W] in [-1, 1]; C = 1 (grey, translated as RGB), 3, or 4 (the alpha is kept, or enlarged; a
            drawing or photo that becomes another picture is seen on white).
        tile: "auto" makes results above 1.5 megapixels in tiles, 0 none, a number photos with a longer side, in tiles
            of so many pixels a side.
        self_ensemble: The mean over the eight ways to turn and mirror the photo, for eight times the time: section 2.6
            of "Seven Ways to Improve Example-Based Single Image Super Resolution" (Timofte et al. 2016,
            arXiv:1511.02228). For enlarging and cleaning, whose result should not depend on where up is.
        on_step: Called with (step, steps, None) for each tile, at least once at the end.

    Returns:
        [1, 3, H * scale, W * scale], or with the photo's alpha [1, 4, ...], in [-1, 1].

    Raises:
        ConfigError: Tiles for a model that sees the picture as one.
        ImageError: A photo of another shape, or one whose translation would be too large.
    """
    sees = on_white if translator.task(translator.config) == "translate" else visible
    photo, alpha = _parted(photo, sees)
    scale, (height, width) = translator.scale, photo.shape[-2:]
    require_room(height * scale, width * scale)
    side = _side(translator, tile, height, width)
    if self_ensemble:
        result = _over_turns(lambda x, say: _translated(translator, x, side, say), photo, on_step)
    else:
        result = _translated(translator, photo, side, on_step)
    if alpha is not None:
        result = torch.cat([result, resize(alpha, tuple(result.shape[-2:]))], 1)
    if on_step is not None:
        on_step(1, 1, None)
    return result


def _over_turns(work: Callable[[Tensor, OnStep], Tensor], photo: Tensor, on_step: OnStep | None) -> Tensor:
    """Translate a photo in each of its eight positions, turn the results back, and return their mean."""
    result = None
    for turn in range(8):
        quarters, mirrored = turn % 4, turn > 3

        def say(step: int, steps: int, look: None, turn: int = turn) -> None:
            if on_step is not None:
                on_step(turn * steps + step, 8 * steps, None)

        turned = torch.rot90(work(torch.rot90(photo.flip(3) if mirrored else photo, quarters, (2, 3)), say), -quarters,
                           (2, 3))  # fmt: skip
        turned = (turned.flip(3) if mirrored else turned) / 8
        result = turned if result is None else result.add_(turned)
        say(1, 1, None)
    return result


def _translated(translator: Translator, photo: Tensor, side: int, on_step: OnStep | None) -> Tensor:
    """A photo [1, 3, H, W] as one, or with a longer side than ``side`` in tiles."""
    return as_one_or_in_tiles(
        translator, translator.translate, photo, side, margin=translator.margin,
        multiple=math.lcm(tiling.MULTIPLE, translator.multiple), scale=translator.scale, on_step=on_step,
    )  # fmt: skip


@torch.no_grad()
def inpaint(
    inpainter: Inpainter, photo: Tensor, mask: Tensor, *, tile: str | int = "auto", on_step: OnStep | None = None
) -> Tensor:
    """Fill a photo where a mask is white.

    Args:
        inpainter: Any model that fills holes.
        photo: [1, C, H, W] in [-1, 1]; C = 1 (grey, filled as RGB), 3, or 4 (the alpha is kept as it is).
        mask: [1, 1, h, w] in [-1, 1]; of another size, it is resized if its proportions are the photo's within 2 %.
        tile: "auto" fills photos above 1.5 megapixels in tiles, 0 none, a number photos with a longer side, in tiles of
            so many pixels a side. A tile that is all hole takes what a smaller copy of the photo is filled with.
        on_step: Called with (step, steps, None) for each tile, at least once at the end.

    Returns:
        [1, 3, H, W], or with the photo's alpha [1, 4, H, W], in [-1, 1].

    Raises:
        ConfigError: No such tile.
        ImageError: What :meth:`ganhub.models.Inpainter.inpaint` refuses, or a mask of other proportions.
    """
    photo, alpha = _parted(photo, visible)
    mask, (height, width) = tiling.fitted(mask, photo), photo.shape[-2:]
    hole = inpainter.hole(photo, mask)
    side = checked_side(tile, tiling.TILE if height * width > WHOLE else 0)
    if not side or max(height, width) <= side:
        filled = inpainter.inpaint(photo, mask)
    else:
        multiple = math.lcm(tiling.MULTIPLE, inpainter.multiple)
        least = 2 * inpainter.margin + tiling.FADE + multiple
        grid = tiling.grid(height, width, tile=max(side, least), margin=inpainter.margin, multiple=multiple)
        small = _filled_small(inpainter, photo, hole) if _all_hole(hole, grid) else photo

        def fill(tiles: Tensor) -> Tensor:
            seen, inside, guess = tiles[:, :3], tiles[:, 3:4], tiles[:, 4:]
            shares = inside.mean((1, 2, 3)).tolist()
            return torch.cat([
                inpainter.inpaint(x[None], m[None] * 2 - 1) if 0 < share < 1 else g[None] if share else x[None]
                for x, m, g, share in zip(seen, inside, guess, shares, strict=True)
            ])  # fmt: skip

        result = in_tiles(inpainter, fill, torch.cat([photo, hole.to(photo), small], 1), grid, on_step)
        filled = torch.where(hole, result, photo)
    if on_step is not None:
        on_step(1, 1, None)
    return filled if alpha is None else torch.cat([filled, alpha], 1)


def _all_hole(hole: Tensor, grid: tiling.Grid) -> bool:
    return any(bool(grid.cut(hole, *place).all()) for place in grid.places())


def _filled_small(inpainter: Inpainter, photo: Tensor, hole: Tensor) -> Tensor:
    """The photo filled at a size that is worked on as a whole, and enlarged again."""
    factor = (WHOLE / photo[0, 0].numel()) ** 0.5
    size = tuple(max(1, round(side * factor)) for side in photo.shape[-2:])
    mask = resize(hole.to(photo) * 2 - 1, size)
    return resize(inpainter.inpaint(resize(photo, size), mask), tuple(photo.shape[-2:])).clamp(-1, 1)


def _parted(photo: Tensor, sees: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor | None]:
    """What a network sees of a photo, [1, 3, H, W], and the alpha if there is one."""
    if photo.dim() != 4 or photo.shape[0] != 1 or photo.shape[1] not in (1, 3, 4) or 0 in photo.shape:
        raise ImageError(f"A photo is [1, C, H, W] with C = 1, 3 or 4, not {list(photo.shape)}: see ganhub.load_image.")
    return sees(photo), photo[:, 3:] if photo.shape[1] == 4 else None


def _side(translator: Translator, tile: str | int, height: int, width: int) -> int:
    """Pixels a side of the tiles that a photo of this size is translated in; 0 for none."""
    large = translator.tiles and height * width * translator.scale**2 > WHOLE
    # Ten margins: else most of a tile would be margin.
    side = checked_side(tile, max(tiling.TILE // translator.scale, 10 * translator.margin) if large else 0)
    if side and not translator.tiles:
        raise ConfigError(f"{translator.architecture} sees the picture as one and cannot work in tiles: tile=0.")
    return side
