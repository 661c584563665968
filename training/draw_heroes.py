"""Draw pixel heroes: paper dolls of 17 peoples, 32 x 32 RGBA, put together from the parts of a free game's tile set.

    python training/draw_heroes.py crawl-tiles-32.zip --out heroes-32.npz

The parts are the ``player/`` tiles of Dungeon Crawl Stone Soup (CC0): a zip or folder in which they lie as
``player/base/human_m.png``, ``player/body/...``, and so on. "Dungeon Crawl 32x32 tiles" of opengameart.org is such a
zip; so is ``rltiles`` of the source package ``crawl`` of Debian (``apt-get source crawl``).

Each hero takes a people evenly, one of its bases, and each layer with the share of ``LAYERS``, the part evenly. The
result is an .npz with x [N, 32, 32, 4] uint8, y [N] (people) and names [17]. The same seed gives the same bytes with
the same parts. The 24,000 heroes that stylegan2-heroes learned from first were drawn by an earlier script that was not
kept: their parts, read back from 400 of them, are those of this script, their order is another one.
"""

from __future__ import annotations

import argparse
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import images  # noqa: E402

SIDE = 32
PEOPLES = ("deep_dwarf", "deep_elf", "demigod", "demonspawn", "dwarf", "elf", "formicid", "gargoyle", "ghoul", "gnome",
           "halfling", "human", "kobold", "minotaur", "orc", "tengu", "vampire")  # fmt: skip
# From the back to the front, with the share of the heroes that wear one. A hat takes the place of the hair.
LAYERS = (("cloak", 0.45), ("base", 1.0), ("boots", 0.65), ("legs", 0.65), ("body", 0.95), ("gloves", 0.4),
          ("hair", 0.8), ("head", 0.45), ("hand1", 0.87), ("hand2", 0.5))  # fmt: skip
Parts = dict[str, dict[str, np.ndarray]]


def files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name below ``player/`` and bytes of each PNG, in the order of their names."""
    if source.is_dir():
        for path in sorted(source.rglob("*.png")):
            if "player" in path.parts[:-1]:
                yield path.as_posix().partition("player/")[2], path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".png") and "player/" in name:
                yield name.partition("player/")[2], archive.read(name)


def read_parts(source: Path) -> Parts:
    """Layer -> name -> RGBA [32, 32, 4]; what is of another size belongs to no doll and is left out."""
    parts: Parts = defaultdict(dict)
    for name, data in files(source):
        layer, _, rest = name.partition("/")
        picture = images.to_uint8(images.load_image(data, channels=4))[0].permute(1, 2, 0).numpy()
        if picture.shape == (SIDE, SIDE, 4) and rest:
            parts[layer][rest.removesuffix(".png")] = picture
    return parts


def people_of(base: str) -> str:
    """ "human" for human_m, "demonspawn" for demonspawn_red_f, "orc" for lorc_m3; "" for those that are not drawn."""
    plain = base.removeprefix("l") if base.startswith("lorc") else base
    return next((people for people in PEOPLES if re.fullmatch(rf"{people}\d?(_[a-z]+\d?)*\d?", plain)), "")


def dress(pieces: list[np.ndarray]) -> np.ndarray:
    """Lay the pieces over each other, the first at the back: [32, 32, 4]."""
    doll = np.zeros((SIDE, SIDE, 4))
    for piece in pieces:
        above, alpha = piece[..., :3].astype(float), piece[..., 3:] / 255
        behind = doll[..., 3:] / 255 * (1 - alpha)
        total = alpha + behind
        doll[..., :3] = (above * alpha + doll[..., :3] * behind) / np.maximum(total, 1e-9)
        doll[..., 3:] = total * 255
    return np.rint(doll).astype(np.uint8)


def draw(parts: Parts, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` different heroes: x [count, 32, 32, 4] and y [count]."""
    random = np.random.default_rng(seed)
    bases = [[name for name in parts["base"] if people_of(name) == people] for people in PEOPLES]
    missing = [people for people, names in zip(PEOPLES, bases, strict=True) if not names]
    missing += [layer for layer, _ in LAYERS if not parts[layer]]
    if missing:
        raise SystemExit(f"error: the parts lack {', '.join(missing)}: give the zip or folder with player/ in it.")
    heroes, labels, seen = [], [], set()
    while len(heroes) < count:
        people = int(random.integers(len(PEOPLES)))
        worn = {layer: share for layer, share in LAYERS if random.random() < share}
        if "head" in worn:
            worn.pop("hair", None)
        pieces = []
        for layer in worn:
            names = bases[people] if layer == "base" else list(parts[layer])
            pieces.append(parts[layer][names[random.integers(len(names))]])
        hero = dress(pieces)
        if (key := hero.tobytes()) not in seen:
            seen.add(key)
            heroes.append(hero)
            labels.append(people)
    return np.stack(heroes), np.array(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", type=Path, help="zip or folder with player/base, player/body, ... in it")
    parser.add_argument("--out", type=Path, default=Path("heroes-32.npz"))
    parser.add_argument("--count", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    x, y = draw(read_parts(arguments.parts), arguments.count, arguments.seed)
    np.savez_compressed(arguments.out, x=x, y=y, names=np.array(PEOPLES))
    print(f"{arguments.out}: {len(x):,} heroes of {len(PEOPLES)} peoples")


if __name__ == "__main__":
    main()
