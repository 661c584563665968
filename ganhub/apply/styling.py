"""What surrounds every stylizer: large pictures in tiles, the photo's colours, masks, transparency, films.

All of it is arithmetic on pictures that knows no network; :func:`paint` and :func:`paint_frames` put it together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.apply import tiling
from ganhub.apply.large_pictures import WHOLE, as_one_or_in_tiles, checked_side
from ganhub.errors import ConfigError, ImageError
from ganhub.images import colour
from ganhub.images.video import Smoother
from ganhub.models import Stylizer
from ganhub.models._stylizer import SMALLEST_SIDE, OnStep

Style = Tensor | str | Sequence[tuple[Tensor | str, float]]


@torch.no_grad()
def paint(
    stylizer: Stylizer,
    photo: Tensor,
    style: Style,
    *,
    strength: float = 1.0,
    scale: float | None = 1.0,
    seed: int = 0,
    keep_colour: str = "",
    mask: Tensor | None = None,
    style_outside: Style | None = None,
    tile: str | int = "auto",
    on_step: OnStep | None = None,
) -> Tensor:
    """Paint a photo.

    Args:
        stylizer: Any model that paints.
        photo: [1, C, H, W] in [-1, 1]; C = 1 (grey, painted as RGB), 3, or 4 (the alpha is kept as it is). A side under
            16 pixels is continued by its border, painted, and cut out again.
        style, strength, scale, seed: See :meth:`ganhub.models.Stylizer.stylize`; a ``scale`` of None goes by the
            photo's size, see :func:`usual_scale`.
        keep_colour: "" takes the style's colours. "luminance": the photo's, with the luminance of the painting.
            "histogram": mean and covariance of the photo's, given to the style's pictures before painting, or to the
            painting where a style has only a name.
        mask: [1, 1, h, w] in [-1, 1]: painted where it is white, by degrees where it is grey. Of another size, it is
            resized if its proportions are the photo's within 2 %.
        style_outside: Painted where the mask is black; the photo itself without it.
        tile: "auto" paints pictures above 1.5 megapixels in tiles, 0 none, a number those with a longer side, in tiles
            of so many pixels a side. Tiles are painted with the statistics of the whole picture.
        on_step: As in :meth:`~ganhub.models.Stylizer.stylize`; tiles give no early looks.

    Returns:
        [1, 3, H, W], or with the photo's alpha [1, 4, H, W], in [-1, 1].

    Raises:
        ConfigError: What :meth:`~ganhub.models.Stylizer.stylize` refuses, another way to keep colours, a second style
            without a mask, or tiles for a model that cannot paint in tiles.
        ImageError: A photo or mask of another shape or other proportions.
    """
    _check(photo, keep_colour, outside=style_outside is not None, masked=mask is not None)
    scale = usual_scale(stylizer, *photo.shape[-2:]) if scale is None else scale
    side = _side_of_tiles(stylizer, photo, tile)
    mask = None if mask is None else tiling.fitted(mask, photo)
    visible = colour.visible(photo)
    wanted = [style] if style_outside is None else [style_outside, style]
    progress = None if on_step is None else _Progress(on_step, len(wanted))
    options = {"strength": strength, "scale": scale, "seed": seed}
    paintings = [_in_colours(stylizer, visible, styles, keep_colour, side, progress, options) for styles in wanted]
    result = paintings[-1]
    if mask is not None:
        result = colour.blend(visible if style_outside is None else paintings[0], result, mask)
    if photo.shape[1] == 4:
        result = torch.cat([result, photo[:, 3:]], dim=1)
    if progress is not None:
        on_step(progress.total, progress.total, result)
    return result


def _check(photo: Tensor, keep_colour: str, *, outside: bool, masked: bool) -> None:
    if photo.dim() != 4 or photo.shape[0] != 1 or photo.shape[1] not in (1, 3, 4) or 0 in photo.shape:
        raise ImageError(f"A photo to paint is [1, C, H, W] with C = 1, 3 or 4, not {list(photo.shape)}.")
    if keep_colour not in ("", *colour.WAYS):
        raise ConfigError(f"keep_colour is '', 'luminance' or 'histogram', not {keep_colour!r}.")
    if outside and not masked:
        raise ConfigError("A style outside the mask needs a mask: give one, or leave style_outside out.")


def _in_colours(
    stylizer: Stylizer, visible: Tensor, styles: Style, keep_colour: str, side: int, progress: _Progress | None,
    options: dict,
) -> Tensor:  # fmt: skip
    """One painting of a photo, in the style's colours or the photo's; ``options`` are the stylizer's."""
    checked = stylizer._check_styles(styles)
    before = keep_colour == "histogram" and not any(isinstance(one, str) for one, _ in checked)
    if before:
        checked = [(colour.recoloured(one, [(visible.to(one), 1.0)]), share) for one, share in checked]
    painted = _painted(stylizer, visible, checked, side, progress, **options)
    if options["strength"] and keep_colour and not before:
        painted = colour.keep_colours(visible, painted, keep_colour, out=painted)
    if progress is not None:
        progress.turn += 1
    return painted


def paint_frames(
    stylizer: Stylizer, frames: Iterable[Tensor], style: Style, *, smoothing: float = 0.5, **options: object
) -> Iterator[Tensor]:
    """Paint a film frame by frame, and smooth over time what stands still.

    Args:
        stylizer: Any model that paints.
        frames: [1, C, H, W] each, all of one size, in [-1, 1]; an iterator is read as it is needed.
        style: As in :func:`paint`.
        smoothing: See :class:`ganhub.images.video.Smoother`; 0 leaves every frame as it was painted.
        **options: More arguments of :func:`paint`; ``on_step`` is called for every frame.

    Yields:
        Painted frames, as from :func:`paint`.
    """
    smoother = Smoother(smoothing)
    styles = stylizer._check_styles(style)
    for frame in frames:
        yield smoother(frame, paint(stylizer, frame, styles, **options))


def usual_scale(stylizer: Stylizer, height: int, width: int) -> float:
    """Strokes grow with a photo, from 640 pixels on up to twice their size: finer ones would look like a texture.

    Models that optimise the picture paint the style's own strokes, whatever the size.
    """
    return min(2.0, max(1.0, max(height, width) / 640)) if stylizer.tiles else 1.0


def _side_of_tiles(stylizer: Stylizer, photo: Tensor, tile: str | int) -> int:
    """0 for a picture that is painted as one."""
    height, width = photo.shape[-2:]
    side = checked_side(tile, tiling.TILE if stylizer.tiles and height * width > WHOLE else 0)
    if side and not stylizer.tiles:
        raise ConfigError(f"{stylizer.architecture} optimises the picture as one and cannot paint it in tiles: tile=0.")
    if side:
        tiling.grid(side, side, tile=side, margin=stylizer.margin)  # a tile that is too small says so for any photo
    return side if max(height, width) > side else 0


def _painted(
    stylizer: Stylizer,
    photo: Tensor,
    styles: list[tuple[Tensor | str, float]],
    side: int,
    on_step: OnStep | None,
    *,
    strength: float,
    scale: float,
    seed: int,
) -> Tensor:
    """Paint one photo; the result shares no memory with it. [1, 3, H, W]."""
    height, width = photo.shape[-2:]
    below, right = max(0, SMALLEST_SIDE - height), max(0, SMALLEST_SIDE - width)
    if below or right:
        top, left = below // 2, right // 2
        photo = F.pad(photo, (left, right - left, top, below - top), mode="replicate")

    def stylize(pictures: Tensor, report: OnStep | None = None) -> Tensor:
        return stylizer.stylize(pictures, styles, strength=strength, scale=scale, seed=seed, on_step=report)

    if not side or not strength:
        result = stylize(photo, on_step)
    else:
        # A model may paint a picture of 1 / scale of the size: tiles begin at whole pixels of that one, too.
        multiple = 16 * Fraction(scale).limit_denominator(16).numerator
        result = as_one_or_in_tiles(
            stylizer, stylize, photo, side, on_step=on_step,
            margin=math.ceil(stylizer.margin * max(1.0, scale)),  # large strokes have a wide margin
            multiple=multiple if 32 <= multiple <= 256 else tiling.MULTIPLE,
        )  # fmt: skip
    if below or right:
        result = result[:, :, top : top + height, left : left + width].contiguous()
    return result


class _Progress:
    """Reports the steps of several paintings as one; the caller reports the last, with the finished picture."""

    def __init__(self, on_step: OnStep, turns: int) -> None:
        self.on_step, self.turns, self.turn, self.total = on_step, turns, 0, 1

    def __call__(self, step: int, steps: int, look: Tensor | None) -> None:
        self.total = self.turns * steps
        if self.turn * steps + step < self.total:
            self.on_step(self.turn * steps + step, self.total, look if self.turn == self.turns - 1 else None)
