"""What surrounds every translator and inpainter: large pictures in tiles, grey ones, transparency."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganhub import tiling
from ganhub.errors import ConfigError, ImageError
from ganhub.images import resize
from ganhub.large_pictures import in_tiles
from ganhub.models import Inpainter, Translator
from ganhub.models._translator import require_room

WHOLE = 1_500_000  # pixels of a translation that is made as one where ``tile`` is "auto"
OnStep = Callable[[int, int, None], None]


@torch.no_grad()
def translate(
    translator: Translator, photo: Tensor, *, tile: str | int = "auto", on_step: OnStep | None = None
) -> Tensor:
    """Translate a photo.

    Args:
        translator: Any model that translates.
        photo: [1, C, H, W] in [-1, 1]; C = 1 (grey, translated as RGB), 3, or 4 (the alpha is kept, or enlarged).
        tile: "auto" makes results above 1.5 megapixels in tiles, 0 none, a number photos with a longer side, in tiles
            of so many pixels a side.
        on_step: Called with (step, steps, None) for each tile, at least once at the end.

    Returns:
        [1, 3, H * scale, W * scale], or with the photo's alpha [1, 4, ...], in [-1, 1].

    Raises:
        ConfigError: Tiles for a model that sees the picture as one.
        ImageError: A photo of another shape, or one whose translation would be too large.
    """
    photo, alpha = _parted(photo)
    scale, (height, width) = translator.scale, photo.shape[-2:]
    require_room(height * scale, width * scale)
    if tile == "auto":
        side = tiling.TILE if translator.tiles and height * width * scale**2 > WHOLE else 0
        side = max(side // scale, 3 * translator.margin) if side else 0
    else:
        side = _side(translator, tile)
    if not side or max(height, width) <= side:
        made = translator.translate(photo)
    else:
        multiple = max(tiling.MULTIPLE, translator.multiple)
        grid = tiling.grid(height, width, tile=max(side, 3 * translator.margin + multiple), margin=translator.margin,
                           multiple=multiple)  # fmt: skip
        made = in_tiles(translator, translator.translate, photo, grid, on_step, scale=scale)
    if alpha is not None:
        made = torch.cat([made, resize(alpha, tuple(made.shape[-2:]))], 1)
    if on_step is not None:
        on_step(1, 1, None)
    return made


def inpaint(inpainter: Inpainter, photo: Tensor, mask: Tensor) -> Tensor:
    """Fill a photo where a mask is white.

    Args:
        inpainter: Any model that fills holes.
        photo: [1, C, H, W] in [-1, 1]; C = 1 (grey, filled as RGB), 3, or 4 (the alpha is kept as it is).
        mask: [1, 1, h, w] in [-1, 1]; of another size, it is resized if its proportions are the photo's within 2 %.

    Returns:
        [1, 3, H, W], or with the photo's alpha [1, 4, H, W], in [-1, 1].

    Raises:
        ImageError: What :meth:`ganhub.models.Inpainter.inpaint` refuses, or a mask of other proportions.
    """
    photo, alpha = _parted(photo)
    filled = inpainter.inpaint(photo, tiling.fitted(mask, photo))
    return filled if alpha is None else torch.cat([filled, alpha], 1)


def _parted(photo: Tensor) -> tuple[Tensor, Tensor | None]:
    """RGB [1, 3, H, W], and the alpha if there is one."""
    if photo.dim() != 4 or photo.shape[0] != 1 or photo.shape[1] not in (1, 3, 4) or 0 in photo.shape:
        raise ImageError(f"A photo is [1, C, H, W] with C = 1, 3 or 4, not {list(photo.shape)}: see ganhub.load_image.")
    if photo.shape[1] == 4:
        return photo[:, :3], photo[:, 3:]
    return photo.expand(-1, 3, -1, -1), None


def _side(translator: Translator, tile: str | int) -> int:
    if not isinstance(tile, int) or isinstance(tile, bool) or tile < 0:
        raise ConfigError(f"tile is 'auto', 0 or pixels a side, not {tile!r}.")
    if tile and not translator.tiles:
        raise ConfigError(f"{translator.architecture} sees the picture as one and cannot work in tiles: tile=0.")
    return tile
