"""Draw cartoon portraits: 8 drawing styles of DiceBear on plain pastel backgrounds, with attributes and captions.

    npm install --prefix training
    python training/draw_avatars.py --out avatars-64.npz
    python training/draw_avatars.py --out avatars-64.npz --lines    # their line drawings too: pairs for pix2pix
    python training/draw_avatars.py --out portraits-128.npz --hints --side 128 --count 500 --seed 5000

The result is an .npz with x [N, 64, 64, 3] uint8, y [N] (style) and names [8]; beside it ``avatars-64-captions.json``
for ``data.captions``: styles, caption_en, caption_zh and attributes, in the order of the pictures. ``--lines`` adds
``avatars-64-lines.npz`` of the same order: black lines on white. What a style draws in black stays black there; where
it has no outlines, its areas get some.

``--hints`` writes pairs for pix2pix-portraits instead: line drawings with dabs of colour, and portraits. What nobody
dabs has its usual colour (``USUAL`` in draw_avatars.mjs), so that there is nearly always one right answer; about half
of a portrait's colours are others, and the drawing has dabs of these, but for areas of a few pixels and for white,
which a dab on white paper does not show.

Portrait i of a style is DiceBear's of the seed "STYLE-(i + seed)"; then all are shuffled by the seed. A seed beyond
all counts, such as 5,000, draws new portraits. Seed 0 draws the 40,000 portraits again that stylegan2-avatars learned
from: the script of those was not kept, its seeds, options and order were found again. In the first 500 of each style,
3,963 of 4,000 are the same to the byte and 37, all lorelei with one of four hairs, differ in one pixel by up to 4 of
255. All attributes are the same; so are the captions but for the article before "orange" (see avatar_words.py). The
file's own bytes differ, because it is packed by another method.

Blocks of portraits are kept in ``--parts``: a run that was stopped goes on where it was.

The designs, which name their designers and have these licences:

* lorelei (Lisa Wischofsky) and open-peeps (Pablo Stanley): CC0 1.0
* adventurer (Lisa Wischofsky), big-smile (Ashley Seo), dylan (Natalia Spivak), micah (Micah Lanier),
  personas (Draftbit), toon-head (Johan Melin): CC BY 4.0. Here they are put together by chance and drawn small.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import avatar_words  # noqa: E402

HERE = Path(__file__).resolve().parent
STYLES = tuple(avatar_words.LOOKS)
BLOCK = 250  # portraits that one call of node draws: about 10 seconds, 3 MB
MOST = 100_000  # of one style; more are hardly new
MINUTES = 10  # that a block may take
HINTED = ("partly", "usual", "lines")  # kinds of drawings that --hints takes


def blocks(seed: int, count: int) -> Iterator[tuple[int, int]]:
    """First number and the one after the last of each block."""
    for first in range(seed, seed + count, BLOCK):
        yield first, min(first + BLOCK, seed + count)


def block_path(parts: Path, style: str, first: int, last: int, side: int, kind: str) -> Path:
    """Where a block of a kind (see draw_avatars.mjs) lies, without its suffix."""
    return parts / f"{style}{f'-{kind}' if kind else ''}-{side}-{first}-{last}"


def read_block(path: Path, count: int, side: int) -> tuple[np.ndarray, list[avatar_words.Parts]] | None:
    """x [count, side, side, 3] and the parts of each; None where the block is not there or not whole."""
    pixels, described = path.with_name(f"{path.name}.rgb"), path.with_name(f"{path.name}.jsonl")
    try:
        if pixels.stat().st_size != count * side * side * 3:
            return None
        lines = [json.loads(line) for line in described.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return None
    x = np.fromfile(pixels, np.uint8).reshape(count, side, side, 3)
    return (x, lines) if len(lines) == count else None


def draw_block(path: Path, style: str, first: int, last: int, side: int, kind: str) -> None:
    """Let node draw a block."""
    numbers = [str(number) for number in (first, last, side)]
    command = ["node", str(HERE / "draw_avatars.mjs"), style, *numbers, str(path.resolve()), *[kind] * bool(kind)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=60 * MINUTES)
    except FileNotFoundError:
        raise SystemExit("error: node is not there: install Node.js 18 or newer, which draws the portraits.") from None
    except subprocess.TimeoutExpired:
        raise SystemExit(f"error: {style} took more than {MINUTES} minutes for {last - first} portraits.") from None
    except subprocess.CalledProcessError as error:
        if "ERR_MODULE_NOT_FOUND" in error.stderr:
            raise SystemExit("error: packages of node are missing: run  npm install --prefix training") from None
        said = next((line for line in error.stderr.splitlines() if "Error" in line), error.stderr[-200:])
        raise SystemExit(f"error: node could not draw {path.name}: {said}") from None


def draw(parts: Path, seed: int, count: int, side: int, kinds: Sequence[str]) -> None:
    """Draw the blocks that are not there yet; say how it goes."""
    parts.mkdir(parents=True, exist_ok=True)
    wanted = [(style, *block, kind) for style in STYLES for block in blocks(seed, count) for kind in kinds]
    drawn, began = 0, time.monotonic()
    for at, (style, first, last, kind) in enumerate(wanted, start=1):
        path = block_path(parts, style, first, last, side, kind)
        if read_block(path, last - first, side) is not None:
            continue
        draw_block(path, style, first, last, side, kind)
        drawn += last - first
        speed = drawn / (time.monotonic() - began)
        print(f"{at:,} of {len(wanted):,} blocks, {style}, {speed:.0f} pictures/s", flush=True)


def collect(parts: Path, seed: int, count: int, side: int, kind: str) -> tuple[np.ndarray, list]:
    """x [8 count, side, side, 3], style after style, and (style, parts) of each."""
    x, described = [], []
    for style in STYLES:
        for first, last in blocks(seed, count):
            path = block_path(parts, style, first, last, side, kind)
            if (block := read_block(path, last - first, side)) is None:
                raise SystemExit(f"error: {path}.rgb and .jsonl are missing or not whole: run the same command again.")
            x.append(block[0])
            described += [(style, one) for one in block[1]]
    return np.concatenate(x), described


def captions(described: list[tuple[str, avatar_words.Parts]]) -> dict[str, list]:
    """What data.captions reads, in the order of the portraits."""
    known = [avatar_words.attributes(style, one) for style, one in described]
    english = [avatar_words.english(one) for one in known]
    chinese = [avatar_words.chinese(one) for one in known]
    return {"styles": list(STYLES), "caption_en": english, "caption_zh": chinese, "attributes": known}


def dab(drawing: np.ndarray, picture: np.ndarray, place: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Paint one short stroke of the picture's own colour onto its line drawing; where that colour is [side, side]."""
    side, (y, x) = len(drawing), place
    angle, length, radius = random.uniform(0, np.pi), random.uniform(0, side / 8), random.uniform(side / 64, side / 24)
    rows, columns = np.ogrid[:side, :side]
    along = np.clip((columns - x) * np.cos(angle) + (rows - y) * np.sin(angle), -length, length)
    far = np.hypot(columns - x - along * np.cos(angle), rows - y - along * np.sin(angle))
    alike = np.abs(picture.astype(int) - picture[y, x]).max(2) < 24  # a stroke stays within what it colours
    stroke = (far <= radius) & alike
    if random.random() < 0.5:  # under the lines, as with a marker, or over them
        drawing[stroke] = np.minimum(drawing[stroke], picture[y, x])
    else:
        drawing[stroke] = picture[y, x]
    return alike


def add_hints(drawings: np.ndarray, pictures: np.ndarray, usual: np.ndarray, seed: int) -> None:
    """Dab onto each drawing the colours in which its picture is not as usual, tiny areas left out, and others."""
    random = np.random.default_rng(seed)
    for drawing, picture, plain in zip(drawings, pictures, usual, strict=True):
        other = np.abs(picture.astype(int) - plain).max(2) > 24
        for _ in range(12):
            if other.mean() < 0.003:
                break
            other &= ~dab(drawing, picture, random.permutation(np.argwhere(other))[0], random)
        for _ in range(random.integers(4)):
            dab(drawing, picture, random.integers(0, len(drawing), 2), random)


def shuffled(seed: int, count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The order of the portraits, and what goes with x into each file."""
    order = np.random.default_rng(seed).permutation(len(STYLES) * count)
    return order, {"y": np.repeat(np.arange(len(STYLES)), count)[order], "names": np.array(STYLES)}


def pack(parts: Path, out: Path, seed: int, count: int, side: int, lines: bool) -> list[Path]:
    """Shuffle the portraits by the seed; write pictures, captions and, if asked, line drawings. The files' paths."""
    order, labels = shuffled(seed, count)
    x, described = collect(parts, seed, count, side, "")
    np.savez_compressed(out, x=x[order], **labels)
    words = out.with_name(f"{out.stem}-captions.json")
    text = json.dumps(captions([described[i] for i in order]), ensure_ascii=False, separators=(",", ":"))
    words.write_text(text, "utf-8")
    written = [out, words]
    if lines:
        written.append(out.with_name(f"{out.stem}-lines.npz"))
        drawings, _ = collect(parts, seed, count, side, "lines")
        np.savez_compressed(written[-1], x=drawings[order], **labels)
    return written


def pack_hints(parts: Path, out: Path, seed: int, count: int, side: int) -> list[Path]:
    """Write portraits and their line drawings with dabs, shuffled by the seed; the files' paths."""
    order, labels = shuffled(seed, count)
    pictures, usual, drawings = (collect(parts, seed, count, side, kind)[0][order] for kind in HINTED)
    add_hints(drawings, pictures, usual, seed)
    written = [out, out.with_name(f"{out.stem}-lines.npz")]
    for path, x in zip(written, (pictures, drawings), strict=True):
        np.savez_compressed(path, x=x, **labels)
    return written


def whole(lowest: int, highest: int):
    """A reader of whole numbers from lowest to highest."""

    def number(text: str) -> int:
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {lowest:,} to {highest:,}")
        return int(text)

    return number


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("avatars-64.npz"))
    parser.add_argument("--count", type=whole(1, MOST), default=5_000, help="portraits of each style")
    parser.add_argument("--seed", type=whole(0, 10**9), default=0, help="number of each style's first portrait")
    parser.add_argument("--side", type=whole(16, 512), default=64, help="pixels")
    parser.add_argument("--lines", action="store_true", help="draw the line drawing of each, too")
    parser.add_argument("--hints", action="store_true", help="pairs of drawings with dabs, and portraits")
    parser.add_argument("--parts", type=Path, help="folder for what is drawn so far; default: OUT with .parts")
    asked = parser.parse_args(arguments)
    if asked.out.suffix != ".npz":
        parser.error(f"--out must end in .npz, and {asked.out} does not")
    parts = asked.parts or asked.out.with_name(f"{asked.out.stem}.parts")
    what = (asked.seed, asked.count, asked.side)
    draw(parts, *what, HINTED if asked.hints else ["", *["lines"] * asked.lines])
    written = pack_hints(parts, asked.out, *what) if asked.hints else pack(parts, asked.out, *what, asked.lines)
    for path in written:
        print(f"{path}: {len(STYLES) * asked.count:,} portraits")
    print(f"{parts} is not needed any more, unless for more portraits.")
    print(__doc__[__doc__.index("The designs") :].strip())


if __name__ == "__main__":
    main()
