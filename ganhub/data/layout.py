"""Which folders of a collection are classes, which are its parts (Train/, Test/), and which only lie around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganhub.data.collection import Picture, composed
from ganhub.errors import DataError

_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "validation",
    "valid": "validation", "validation": "validation", "validating": "validation", "dev": "validation",
}  # fmt: skip
_BESIDE = ("set", "data", "dataset", "images", "imgs", "img", "pictures", "split", "part", "folder")


def split_named(name: str) -> str:
    """ "Training_set" -> "train": which part of a collection a folder's name says, or ""."""
    plain = name.lower().rstrip("0123456789").strip("-_ .")
    for word in ("", *sorted(_BESIDE, key=len, reverse=True)):
        if plain.endswith(word) and (kind := _SPLITS.get(plain.removesuffix(word).rstrip("-_ ."))):
            return kind
    return ""


@dataclass(frozen=True)
class Layout:
    """Those pictures that are asked for, and how many folders around them are not classes.

    Attributes:
        pictures: The pictures, in the order of their names.
        depth: So many of a picture's folders, from the outside, are no classes.
        parts: Names of the folders that are parts and were chosen ("Train").
        around: A folder that holds everything ("pets"), with those around it; or "".
        left_out: Pictures of the other parts.
    """

    pictures: list[Picture]
    depth: int
    parts: tuple[str, ...] = ()
    around: str = ""
    left_out: tuple[Picture, ...] = ()

    def class_of(self, picture: Picture) -> str:
        """The name of its outermost folder that is a class; "" where it lies in none."""
        return composed(picture.parts[self.depth]) if len(picture.parts) > self.depth + 1 else ""


def layout_of(pictures: Sequence[Picture], split: str, where: Path) -> Layout:
    """Look through folders around everything, and take one part where a collection is parted (Train/, Test/).

    A folder around everything counts only where folders lie in it, so that a single class stays one.

    Raises:
        DataError: There are parts, and none of them is ``split``; or one was named that is not there.
    """
    kept, depth, parts, around, left_out = list(pictures), 0, (), "", ()
    while True:
        if not parts and (parts := _parts_named(kept, depth, split, where)):
            left_out = tuple(p for p in kept if p.parts[depth] not in parts or len(p.parts) == depth + 1)
            kept = [p for p in kept if p.parts[depth] in parts and len(p.parts) > depth + 1]
        elif lies_in_one(kept, depth):
            around = "/".join(kept[0].parts[: depth + 1])
        else:
            break
        depth += 1
    if split != "train" and not parts:
        raise DataError(f'{where} has no folder "{split}" for data.split; leave data.split out to use every picture.')
    return Layout(kept, depth, parts, around, left_out)


def lies_in_one(pictures: Sequence[Picture], depth: int = 0) -> bool:
    """Whether one folder holds everything, and nothing but folders."""
    return all(len(p.parts) > depth + 2 for p in pictures) and len({p.parts[depth] for p in pictures}) == 1


def parts_in(pictures: Sequence[Picture], depth: int = 0) -> dict[str, str]:
    """Folders that are parts of a collection (Train, val) -> what they are ("train", "validation"); {} without any.

    A class may be called "train" or "valid" too: beside folders that are no parts, these count only if there is one
    for training, and a second part or folders inside it.
    """
    tops = {p.parts[depth] if len(p.parts) > depth + 1 else "" for p in pictures}
    named = {top: kind for top in sorted(tops) if (kind := split_named(top))}
    deep = any(len(p.parts) > depth + 2 for p in pictures if named.get(p.parts[depth]) == "train")
    sure = len(named) == len(tops) or "train" in named.values() and (deep or len(set(named.values())) > 1)
    return named if sure else {}


def _parts_named(pictures: Sequence[Picture], depth: int, split: str, where: Path) -> tuple[str, ...]:
    if split != "train" and any(p.parts[depth] == split for p in pictures if len(p.parts) > depth + 1):
        return (split,)
    named, wanted = parts_in(pictures, depth), split_named(split) or split
    chosen = tuple(top for top, kind in named.items() if kind == wanted)
    if named and not chosen:
        there = ", ".join(named)
        raise DataError(f'{where} has no folder "{split}" for data.split; it has {there}: name one of them.')
    return chosen
