"""Make PNG files small: a palette of 256 colours, and fewer pixels where a file is still too large.

    python tools/shrink_pictures.py model_cards/*/samples.png
    python tools/shrink_pictures.py --max-bytes 330000 docs/images/*.png

A file that would not get smaller stays as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ganhub.images import load_image
from ganhub.images.small import encode_small_png


def main() -> None:
    """Shrink the files that are named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="PNG files; each is replaced")
    parser.add_argument("--max-bytes", type=int, default=300_000, help="the largest file, in bytes")
    arguments = parser.parse_args()
    for path in arguments.files:
        before, after = path.stat().st_size, encode_small_png(load_image(path), max_bytes=arguments.max_bytes)
        if len(after) < before:
            path.write_bytes(after)
            print(f"{path}: {before:,} bytes, now {len(after):,}")


if __name__ == "__main__":
    main()
