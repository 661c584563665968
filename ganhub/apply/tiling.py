"""Large pictures in pieces: cut with a margin, worked on batch by batch, put together without seams.

A convolution sees a little beyond each place, so what it makes of a tile is right but for a margin at the tile's
borders. Those are cut away and what is left is cross-faded over a few pixels. Only borders of the picture are borders
of the result, so that reflected edges are those of the picture. All tiles have one size, and they begin at multiples of
a number of pixels, so that a network that halves the size some times does so at the same places as in the whole.

What looks at the whole picture, such as instance normalisation, needs its numbers first: see :func:`samples` and
``ganhub.nn.instance_norm.shared_statistics``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ganhub.errors import ConfigError, ImageError
from ganhub.images import resize

TILE, MARGIN = 512, 64  # pixels
FADE = 16  # pixels over which neighbours are cross-faded
MULTIPLE = 32  # where tiles may begin
SAMPLE = 1_500_000  # pixels of the tiles that are worked on at once for the numbers of the whole picture


@dataclass(frozen=True)
class Grid:
    """Where the tiles of a picture lie.

    Attributes:
        height, width: Of every tile.
        tops, lefts: Where rows and columns of tiles begin.
        fade: Pixels over which neighbours are cross-faded.
    """

    height: int
    width: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    fade: int = FADE

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    def places(self) -> Iterator[tuple[int, int]]:
        """(row, column) of every tile, row by row."""
        return ((row, column) for row in range(len(self.tops)) for column in range(len(self.lefts)))

    def cut(self, picture: Tensor, row: int, column: int) -> Tensor:
        """A tile of [1, C, H, W]: [1, C, height, width], a view."""
        top, left = self.tops[row], self.lefts[column]
        return picture[:, :, top : top + self.height, left : left + self.width]

    def weight(self, row: int, column: int, *, scale: int = 1) -> Tensor:
        """How much each place of a tile counts in the result, [height * scale, width * scale].

        Over all tiles the weights of a place sum to 1, and they are 0 in the margins.
        """
        down = _ramps(self.tops, self.height, row, self.fade, scale)
        across = _ramps(self.lefts, self.width, column, self.fade, scale)
        return down[:, None] * across[None, :]


def grid(
    height: int, width: int, *, tile: int = TILE, margin: int = MARGIN, fade: int = FADE, multiple: int = MULTIPLE
) -> Grid:
    """Lay tiles over a picture of that size.

    Args:
        height, width: Of the picture, in pixels.
        tile: Side of a tile; it may grow by up to ``multiple`` - 1 pixels, so that the last one ends with the picture.
        margin: Pixels at a tile's borders, inside the picture, that the result leaves out.
        fade: Pixels over which neighbours are cross-faded.
        multiple: Tiles begin at multiples of so many pixels.

    Raises:
        ConfigError: A tile that its margins leave nothing of.
    """
    least = 2 * margin + fade + multiple
    if tile < least:
        raise ConfigError(f"A tile needs at least {least} pixels a side, of which {2 * margin} are margin, not {tile}.")
    (height, tops), (width, lefts) = (_cuts(side, tile, 2 * margin + fade, multiple) for side in (height, width))
    return Grid(height, width, tops, lefts, fade)


def _cuts(length: int, tile: int, overlap: int, multiple: int) -> tuple[int, tuple[int, ...]]:
    """The side of a tile, and where tiles begin: evenly, and the last ends with the picture."""
    side = tile + (length - tile) % multiple
    last = (length - side) // multiple
    if last <= 0:
        return length, (0,)
    count = -(-last // ((side - overlap) // multiple))
    return side, tuple(last * k // count * multiple for k in range(count + 1))


def _ramps(starts: tuple[int, ...], side: int, index: int, fade: int, scale: int) -> Tensor:
    """Along one axis: rises where the tile before ends, falls where the next begins."""
    places = (torch.arange(side * scale, dtype=torch.float32, device="cpu") + 0.5) / scale + starts[index]

    def risen(which: int) -> Tensor | float:
        if which in (0, len(starts)):
            return 1.0 - which / len(starts)  # the first has always risen, and what comes after the last never
        middle = (starts[which - 1] + side + starts[which]) / 2
        return ((places - middle) / fade + 0.5).clamp(0, 1)

    return (risen(index) - risen(index + 1)) * torch.ones(side * scale, dtype=torch.float32, device="cpu")


def tiled(
    function: Callable[[Tensor], Tensor],
    picture: Tensor,
    grid: Grid,
    *,
    scale: int = 1,
    batch: int = 1,
    on_tile: Callable[[int], None] | None = None,
) -> Tensor:
    """``function`` of a large picture, tile by tile.

    Args:
        function: [B, C, h, w] -> [B, C', h * scale, w * scale].
        picture: [1, C, H, W].
        grid: From :func:`grid`, for this picture's size.
        scale: How much larger the result is.
        batch: Tiles at once.
        on_tile: Called after each batch with the number of its tiles; an exception that it raises ends the work.

    Returns:
        [1, C', H * scale, W * scale], on the device of ``picture``, in the type of what ``function`` returns.
    """
    places, result = list(grid.places()), None
    for first in range(0, len(places), batch):
        group = places[first : first + batch]
        tiles = function(torch.cat([grid.cut(picture, *place) for place in group]))
        if result is None:
            sides = [side * scale for side in picture.shape[-2:]]
            result = torch.zeros(1, tiles.shape[1], *sides, dtype=tiles.dtype, device=picture.device)
        for (row, column), done in zip(group, tiles, strict=True):
            weight = grid.weight(row, column, scale=scale).to(done)
            top, left = grid.tops[row] * scale, grid.lefts[column] * scale
            result[0, :, top : top + done.shape[1], left : left + done.shape[2]] += (done * weight).to(result.device)
        if on_tile is not None:
            on_tile(len(group))
    return result


def samples(picture: Tensor, grid: Grid, *, pixels: int = SAMPLE) -> Iterator[tuple[Tensor, Tensor]]:
    """All tiles in batches that each hold tiles from everywhere, to gather numbers of the whole picture.

    Args:
        picture: [1, C, H, W].
        grid: From :func:`grid`, for this picture's size.
        pixels: Most pixels of a batch's tiles together; a batch holds at least one tile.

    Yields:
        Tiles [n, C, h, w], and how much each place of them counts, [n, 1, h, w], in the mean over the picture.
    """
    places = list(grid.places())
    batches = -(-len(places) // max(1, pixels // (grid.height * grid.width)))
    # Of each run of so many tiles a batch takes one, another one each time: no batch is a column, or a corner.
    runs, turn = -(-len(places) // batches), round(batches * 0.618)
    for first in range(batches):
        indices = [run * batches + (first + run * turn) % batches for run in range(runs)]
        mine = [places[index] for index in indices if index < len(places)]
        if not mine:
            continue
        weights = torch.stack([grid.weight(*place) for place in mine])[:, None]
        yield torch.cat([grid.cut(picture, *place) for place in mine]), weights.to(picture.device)


def fitted(mask: Tensor, photo: Tensor) -> Tensor:
    """A mask [1, 1, h, w] in the size of its photo; other proportions raise ImageError."""
    if mask.dim() != 4 or mask.shape[:2] != (1, 1) or 0 in mask.shape:
        raise ImageError(f"A mask is one grey picture [1, 1, H, W], not {list(mask.shape)}: load it with channels=1.")
    (rows, columns), (height, width) = mask.shape[-2:], photo.shape[-2:]
    if (rows, columns) != (height, width):
        # Rounding to whole pixels, too, changes the proportions of small pictures.
        allowed = max(1.02, 1 + 1.01 / min(rows, columns, height, width))
        if not 1 / allowed <= (rows * width) / (columns * height) <= allowed:
            raise ImageError(
                f"The mask is {columns} x {rows} pixels and the photo {width} x {height}: other proportions. "
                "Draw the mask on the photo itself."
            )
        mask = resize(mask, (height, width))
    return mask.to(photo.device, photo.dtype).clamp(-1, 1)
