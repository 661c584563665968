"""Gather openly licensed pictures for the colour and repair recipes: photos, and things cut out on white.

    apt-get download tuxpaint-stamps-default lomiri-wallpapers-16.04 lomiri-wallpapers-20.04
    for package in *.deb; do dpkg-deb -x $package packages; done
    python training/prepare_photos.py --photos wallpapers.zip packages/usr/share/backgrounds \\
        --things packages/usr/share/tuxpaint/stamps --out photos.zip

Photos are shrunk to a short side of 640 pixels, each kept twice as often as a thing; of the things (Tux Paint's stamps:
animals, fruit, flowers, tools) those of many colours are kept, which leaves out most drawings, laid on white and cut to
their outline. Licences: GPL-2 or later (Tux Paint's stamps, KDE's wallpapers), CC BY-SA and CC BY (the
others).
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, SMALLEST = 640, 160  # pixels of the short side
COLOURS = 6000  # in a photograph that is 200 pixels high


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


def shrunk(picture: Image.Image) -> Image.Image:
    """With a short side of ``SIDE`` at most."""
    factor = SIDE / min(picture.size)
    return picture if factor >= 1 else picture.resize([round(side * factor) for side in picture.size], Image.LANCZOS)


def thing(picture: Image.Image) -> Image.Image | None:
    """A cut-out picture on white; None for one of few colours and for a small one."""
    box = picture.getchannel("A").point(lambda a: 255 * (a > 32)).getbbox()
    if box is None or min(box[2] - box[0], box[3] - box[1]) < SMALLEST:
        return None
    picture = shrunk(picture.crop(box))
    laid = Image.new("RGB", picture.size, "white")
    laid.paste(picture, mask=picture.getchannel("A"))
    small = laid.resize((round(laid.width * 200 / laid.height), 200), Image.LANCZOS)
    return laid if len(np.unique(np.asarray(small).reshape(-1, 3), axis=0)) > COLOURS else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders and zips")
    parser.add_argument("--things", type=Path, nargs="*", default=[], help="of pictures with transparency")
    parser.add_argument("--out", type=Path, required=True, help="a zip")
    arguments = parser.parse_args()
    counts = {"photos": 0, "things": 0}
    with zipfile.ZipFile(arguments.out, "w") as out:
        for kind, sources in (("photos", arguments.photos), ("things", arguments.things)):
            for name, content in (pair for source in sources for pair in files(source)):
                with Image.open(io.BytesIO(content)) as opened:
                    picture = shrunk(opened.convert("RGB")) if kind == "photos" else thing(opened.convert("RGBA"))
                if picture is None or min(picture.size) < SMALLEST:
                    continue
                file = io.BytesIO()
                picture.save(file, "JPEG", quality=95, subsampling=0)
                counts[kind] += 1
                for copy in range(2 if kind == "photos" else 1):
                    out.writestr(f"{kind}/{Path(name).stem}-{copy}.jpg", file.getvalue())
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()), "in", arguments.out)
    if not counts["photos"]:
        sys.exit("No photo was found: name folders or zips of JPEG and PNG files.")


if __name__ == "__main__":
    main()
