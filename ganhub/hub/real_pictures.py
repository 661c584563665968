"""A small sheet of real pictures in a model's folder, beside which one can look at generated ones.

``real.png`` holds pictures that training never saw, of the model's own size, side by side without gaps, with their
source and licence as texts of the file. `training/quiz_pictures.py` writes it.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ganhub import images
from ganhub.errors import GanhubError, HubError
from ganhub.files import write_atomically

REAL = "real.png"
MAX_BYTES = 150_000
COLUMNS = 8


def has_real_pictures(folder: str | Path) -> bool:
    """Whether a model's folder has the sheet."""
    return (Path(folder) / REAL).is_file()


def write_real_pictures(folder: str | Path, pictures: Tensor, *, source: str, licence: str) -> Path:
    """Write the sheet of pictures [N, C, H, W], N a multiple of ``COLUMNS``, without loss.

    Raises:
        HubError: N is no such multiple, or the file would be larger than ``MAX_BYTES``.
    """
    count = len(pictures)
    if not count or count % COLUMNS:
        raise HubError(f"A sheet has rows of {COLUMNS} pictures: {count} do not fill them.")
    sheet = images.make_grid(pictures, columns=COLUMNS, padding=0)
    png = images.encode_png(sheet, metadata={"Source": source, "Copyright": licence})
    if len(png) > MAX_BYTES:
        raise HubError(f"A sheet of {count} pictures takes {len(png):,} bytes, more than {MAX_BYTES:,}: take fewer.")
    path = Path(folder) / REAL
    write_atomically(path, lambda part: part.write_bytes(png), sync=True)
    return path


def read_real_pictures(folder: str | Path, size: tuple[int, int]) -> Tensor:
    """The pictures of the sheet, [N, 3, H, W] in [-1, 1] on white.

    Args:
        size: (H, W) of one, as the model's config has it.

    Raises:
        HubError: No sheet, one that is no picture, or one of other sizes.
    """
    path, (height, width) = Path(folder) / REAL, size
    try:
        sheet = images.load_image(path)
    except GanhubError as error:
        raise HubError(f"{path} cannot be used ({error}): write it anew with training/quiz_pictures.py.") from error
    down, across = sheet.shape[-2] / height, sheet.shape[-1] / width
    if not (down.is_integer() and across.is_integer()):
        raise HubError(
            f"{path} does not hold pictures of {width} x {height} pixels: write it anew with training/quiz_pictures.py."
        )
    tiles = sheet[0].unfold(1, height, height).unfold(2, width, width)  # [3, rows, columns, H, W]
    return tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, height, width)
