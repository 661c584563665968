"""Gather pictures for the recipes that learn from photos, and for colours from things cut out on white too.

    apt-get download lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 ukui-wallpapers tuxpaint-stamps-default
    for package in *.deb; do dpkg-deb -x $package packages; done
    python training/prepare_photos.py --photos wallpapers.zip packages/usr/share/backgrounds --out wallpaper-photos
    python training/prepare_photos.py --photos wallpapers.zip packages/usr/share/backgrounds photos-256.zip \\
        --things packages/usr/share/tuxpaint/stamps --out photos-for-colours  # without ukui-wallpapers

Photos are shrunk to a short side of 640 pixels, each kept twice where a thing is kept once; of the things (Tux Paint's
stamps: animals, fruit, flowers, tools) those of many colours are kept, which leaves out most drawings, laid on white
and cut to their outline. Licences: GPL-2 or later (Tux Paint's stamps, KDE's wallpapers), CC BY-SA and CC BY (the
other wallpapers); the 2,000 landscapes of photos-256.zip have no open licence and are for research only: leave them out
for weights without strings, which know fewer colours.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import images  # noqa: E402

SIDE, SMALLEST = 640, 160  # pixels of the short side
COLOURS = 6000  # of a photograph that is 200 pixels high


def files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the pictures in a folder, those below it included, or in a zip; one for each content."""
    seen = set()
    if source.is_dir():
        found = ((path.name, path.read_bytes()) for path in sorted(source.rglob("*")) if path.is_file())
    else:
        archive = zipfile.ZipFile(source)
        found = ((name, archive.read(name)) for name in sorted(archive.namelist()))
    for name, content in found:
        if name.lower().endswith((".jpg", ".jpeg", ".png")) and content not in seen:
            seen.add(content)
            yield name, content


def shrunk(picture: Tensor, side: int = SIDE) -> Tensor:
    """With a short side of so many pixels at most."""
    factor = side / min(picture.shape[2:])
    return picture if factor >= 1 else images.resize(picture, tuple(round(n * factor) for n in picture.shape[2:]))


def thing(content: bytes) -> Tensor | None:
    """A cut-out picture on white; None for one of few colours and for a small one."""
    inside = images.load_image(content, channels=4)[0, 3] > -0.75
    rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
    if not len(rows):
        return None
    picture = images.load_image(content)[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if min(picture.shape[2:]) < SMALLEST:
        return None
    seen = images.to_uint8(images.resize(picture, (200, max(1, round(200 * picture.shape[3] / picture.shape[2])))))
    return shrunk(picture) if len(seen[0].flatten(1).unique(dim=1)[0]) > COLOURS else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders and zips")
    parser.add_argument("--things", type=Path, nargs="*", default=[], help="of pictures with transparency")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    arguments = parser.parse_args()
    counts = {"photos": 0, "things": 0}
    for kind, sources in (("photos", arguments.photos), ("things", arguments.things)):
        for name, content in (pair for source in sources for pair in files(source)):
            picture = shrunk(images.load_image(content)) if kind == "photos" else thing(content)
            if picture is None or min(picture.shape[2:]) < SMALLEST:
                continue
            for copy in range(2 if kind == "photos" else 1):
                images.save_image(picture, arguments.out / kind / f"{Path(name).stem}-{copy}.jpg")
            counts[kind] += 1
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()), "in", arguments.out)
    if not counts["photos"]:
        sys.exit("No photo was found: name folders or zips of JPEG and PNG files.")


if __name__ == "__main__":
    main()
