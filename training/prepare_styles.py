"""Gather pictures of styles into folders that the style recipes read.

    python training/prepare_styles.py --paintings style-paintings.zip \\
        --more landscapes-288.zip monet-256.zip wallpapers.zip --out ganhub-styles

``named/`` gets one picture for each style of fast-style: six manners drawn by code (swatches.py), and
of the paintings those in ``NAMED``, each with its short side at 512 pixels. ``many/``, for models that take any style,
gets corners of these with their colours exchanged and pictures of the other collections, short side 288; the paintings
that are not in ``NAMED`` are left out of it, to measure with.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
import zipfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import swatches  # noqa: E402

from ganhub import images  # noqa: E402

# Start of the file's name: the style's. Painters dead for more than seventy years.
NAMED = {
    "starry-night": "starry-night",
    "the-scream": "scream",
    "great-wave": "great-wave",
    "composition-vii": "composition",
    "portrait-of-metzinger": "portrait",
}
EACH = 150  # of a collection, evenly spaced: styles that look alike should not outweigh the others
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
DRAWN = ("dots", "glass", "hatching", "mosaic", "wash", "waves")


def pictures_of(path: Path):
    """(name, bytes) of each picture of a zip."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.lower().endswith((".jpg", ".png")):
                yield Path(name).stem, io.BytesIO(archive.read(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    named = {name: getattr(swatches, name)().clamp(0, 1)[None] * 2 - 1 for name in DRAWN}
    paintings = {name: images.load_image(file) for name, file in pictures_of(arguments.paintings)}
    for name, painting in paintings.items():
        for start, style in NAMED.items():
            if name.startswith(start):
                named[style] = painting
    for name, picture in named.items():
        images.save_image(images.resize(picture, 512), arguments.out / "named" / f"{name}.png")
    many = {}
    for name, picture in named.items():
        for (down, right), channels in itertools.product(CORNERS, itertools.permutations(range(3))):
            height, width = (round(side * 0.6) for side in picture.shape[2:])
            top, left = down * (picture.shape[2] - height), right * (picture.shape[3] - width)
            corner = picture[:, channels, top : top + height, left : left + width]
            many[f"{name}-{down}{right}{''.join(map(str, channels))}"] = corner
    for path in arguments.more:
        files = list(pictures_of(path))
        for name, file in files[:: max(1, len(files) // EACH)]:
            many[f"{path.stem}-{name}"] = images.load_image(file)
    for name, picture in many.items():
        images.save_image(images.resize(picture, 288), arguments.out / "many" / f"{name}.jpg")
    print(f"{len(named)} named styles and {len(many)} pictures in {arguments.out}")


if __name__ == "__main__":
    main()
