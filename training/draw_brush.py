"""Draw pairs for pix2pix-brush: a Chinese character in thin lines, as one writes it with a mouse, and with a brush.

    npm install --prefix training
    python training/draw_brush.py --out brush-128.npz

The result is an .npz with x [N, 128, 128, 3] uint8, black on white, and ``brush-128-lines.npz`` of the same order. The
brush is that of the font Ma Shan Zheng (SIL Open Font License 1.1, npm ``@fontsource/ma-shan-zheng``), each of its
Chinese characters twice, larger and smaller; the lines are the middle of its strokes (Zhang, Suen 1984, by
scikit-image), a little bent, as no hand is exact, and of one of several widths. Both lie on each other, so that L1 is a
fair judge; characters of a printed font do not lie on those of a brush, and are not used. A holdout of pairs keeps no
characters out: of most, the other size is among the rest.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from skimage.morphology import skeletonize

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub.images.lettering import glyph  # noqa: E402
from training.draw_avatars import whole  # noqa: E402

PACKAGE = Path(__file__).resolve().parent / "node_modules" / "@fontsource" / "ma-shan-zheng"
CHARACTERS = 0x4E00, 0x9FFF  # the block of Chinese characters in Unicode
WIDE = 2  # pixels of the drawing for one of the result
SIZES = 0.62, 0.95  # of a character, as a share of the side
BENT = 1.2, 7.0  # how far lines stray, in pixels of 128, and over which distance
HALF_WIDTHS = 0.6, 1.9  # of a line, in pixels of 128


def characters(package: Path) -> Iterator[tuple[Path, str]]:
    """Each file of the font's Chinese characters, and those that it holds."""
    try:
        ranges = json.loads((package / "unicode.json").read_text("utf-8"))
    except OSError:
        raise SystemExit("error: the font is not there: run  npm install --prefix training") from None
    for name, text in ranges.items():
        held = []
        for part in text.replace("U+", "").split(","):
            first, _, last = part.strip().partition("-")
            held += [chr(i) for i in range(int(first, 16), int(last or first, 16) + 1)]
        held = [one for one in held if CHARACTERS[0] <= ord(one) <= CHARACTERS[1]]
        path = package / "files" / f"ma-shan-zheng-{name.strip('[]')}-400-normal.woff2"
        if held and path.exists():
            yield path, "".join(held)


def lines_of(ink: np.ndarray, scale: float, random: np.random.Generator) -> np.ndarray:
    """The middle of the strokes of ink [side, side] as lines [side, side], bent and of one width."""
    middle = skeletonize(ink > 0.5)
    far = distance_transform_edt(~middle)
    stray = [gaussian_filter(random.normal(size=ink.shape), BENT[1] * scale) for _ in range(2)]
    stray = [one / (one.std() + 1e-9) * BENT[0] * scale for one in stray]
    rows, columns = np.mgrid[: len(ink), : len(ink)]
    far = map_coordinates(far, [rows + stray[0], columns + stray[1]], order=1, mode="nearest")
    return np.clip(random.uniform(*HALF_WIDTHS) * scale - far + 0.5, 0, 1).astype(np.float32)


def smaller(ink: np.ndarray, side: int) -> np.ndarray:
    """Ink [s, s] in [0, 1] -> black on white [side, side, 3] uint8."""
    factor = len(ink) // side
    mean = ink.reshape(side, factor, side, factor).mean((1, 3))
    return np.repeat(np.round(255 * (1 - mean)).astype(np.uint8)[..., None], 3, axis=2)


def pairs(package: Path, side: int, limit: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Brush and lines, each [N, side, side, 3], shuffled."""
    random, brush, lines = np.random.default_rng(seed), [], []
    for path, held in characters(package):
        sizes = [int(share * side * WIDE) for share in np.linspace(*SIZES, 6)]
        for character in held:
            for size in (sizes[random.integers(3)], sizes[3 + random.integers(3)]):
                shift = random.uniform(-0.04, 0.04, 2) * side * WIDE
                ink = glyph(character, path, size, side * WIDE, (shift[0], shift[1]))
                if ink is not None and ink.any():
                    brush.append(smaller(ink.numpy(), side))
                    lines.append(smaller(lines_of(ink.numpy(), WIDE * side / 128, random), side))
        print(f"{len(brush):,} pairs", flush=True)
        if limit and len(brush) >= limit:
            break
    if not brush:
        raise SystemExit(f"error: no Chinese character of the font is in {package}: install it again.")
    order = random.permutation(len(brush))[: limit or None]
    return np.stack(brush)[order], np.stack(lines)[order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("brush-128.npz"))
    parser.add_argument("--font", type=Path, default=PACKAGE, help="the unpacked npm package")
    parser.add_argument("--side", type=whole(16, 512), default=128, help="pixels")
    parser.add_argument("--limit", type=whole(0, 10**6), default=0, help="pairs; 0: all")
    parser.add_argument("--seed", type=whole(0, 10**9), default=0)
    asked = parser.parse_args()
    if asked.out.suffix != ".npz":
        parser.error(f"--out must end in .npz, and {asked.out} does not")
    if not asked.out.resolve().parent.is_dir():
        parser.error(f"the folder of {asked.out} is not there: make it first")
    brush, lines = pairs(asked.font, asked.side, asked.limit, asked.seed)
    np.savez_compressed(asked.out, x=brush)
    np.savez_compressed(asked.out.with_name(f"{asked.out.stem}-lines.npz"), x=lines)
    print(f"{asked.out}: {len(brush):,} pairs")


if __name__ == "__main__":
    main()
