"""``ganhub train auto``: looks at somebody's pictures and chooses a recipe for them, by the rules of training/README.

The rules are few and stated, so that a person can follow and overrule them: :func:`choose` reads from top to bottom
like the table "Which recipe for my pictures".
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from ganhub import hub
from ganhub.data.config import DataConfig
from ganhub.data.opening import open_source
from ganhub.data.sources import Source
from ganhub.errors import ConfigError, DataError, GanhubError
from ganhub.images import on_white, resize
from ganhub.images.colour import flatness
from ganhub.trainer.recipe import read_recipe
from ganhub.trainer.shelf import list_recipes

LOOKED_AT = 64  # pictures that are opened
FEWEST = 16
SMALL = 48  # a shorter side below this, in pixels: small pictures
PER_CLASS = 20  # pictures that a class needs to be learnt
FLAT = 0.5  # share of neighbouring pixels that are alike, from which pictures are drawings
SEEN = 64  # pixels of the shorter side, at which that is measured
PALETTE = 32  # colours of such a picture
FEW = 1000  # pictures, below which published weights are a better start than noise
# Pictures that the lengths of the recipes were measured with.
USUAL = {
    "stylegan2_monet": 250, "stylegan2_landscapes": 450, "stylegan2_emoji": 1400, "dcgan_landscapes": 560,
    "conditional_gan_glyphs": 17_000, "pix2pix_sketch2emoji": 1500,
}  # fmt: skip
# Names of two folders that hold the two sides of pairs, input first.
SIDES = (
    ("a", "b"), ("input", "target"), ("input", "output"), ("source", "target"), ("before", "after"), ("x", "y"),
    ("sketch", "photo"), ("line", "color"), ("line", "colour"), ("lines", "colours"), ("edges", "photos"),
)  # fmt: skip
PAIRS = "pix2pix_sketch2emoji"
START = "stylegan2-landscapes"  # published weights from which few pictures are learnt


@dataclass(frozen=True)
class Overview:
    """What was seen of a collection.

    Attributes:
        path: Where it lies.
        count: Pictures in it.
        classes: Name of each class -> how many pictures; empty without class folders.
        sides: Shorter and longer side of the picture in the middle, in pixels.
        wide: Width by height of the picture in the middle.
        grey: Whether all that were opened are grey.
        alpha: Whether some are transparent somewhere.
        flat: Share of neighbouring pixels that are alike, from 0 to 1, in the picture in the middle, laid on white and
            shrunk to 64 pixels: see :func:`ganhub.images.colour.flatness`.
        sides_of_pairs: The two folders of pairs, input first; () where there are none.
        halves: Whether each picture is twice as wide as it is high, a pair side by side.
        unread: "name: reason" of those that could not be opened.
    """

    path: str
    count: int
    classes: dict[str, int] = field(default_factory=dict)
    sides: tuple[int, int] = (0, 0)
    wide: float = 1.0
    grey: bool = False
    alpha: bool = False
    flat: float = 0.0
    sides_of_pairs: tuple[str, ...] = ()
    halves: bool = False
    unread: tuple[str, ...] = ()

    @property
    def drawn(self) -> bool:
        """Whether the pictures are drawings in flat colours: sprites, emoji, cartoons."""
        return self.flat >= FLAT and not self.grey

    def sentence(self) -> str:
        """What was found, in one sentence."""
        short, long = self.sides
        parts = [f"{short} pixels a side" if short == long else f"in the middle of them {short} by {long} pixels"]
        parts += ["grey" if self.grey else "in colour", "some transparent" if self.alpha else "none transparent"]
        if self.drawn:
            parts.append("drawn in flat colours")
        if self.sides_of_pairs:
            parts.append(f"pairs in the folders {' and '.join(self.sides_of_pairs)}")
        elif self.halves:
            parts.append("each twice as wide as high, as pairs side by side are")
        elif self.classes:
            few, most = min(self.classes.values()), max(self.classes.values())
            parts.append(f"{len(self.classes)} classes of {few:,} to {most:,} pictures")
        else:
            parts.append("no classes")
        if self.unread:
            parts.append(f"{len(self.unread)} of {min(LOOKED_AT, self.count)} looked at cannot be read")
        return f"{self.count:,} pictures in {Path(self.path).name}: {', '.join(parts)}."


@dataclass(frozen=True)
class Choice:
    """A recipe by name, what is changed in it as ``table.key=value``, and why, a sentence each."""

    recipe: str
    overrides: list[str]
    reasons: list[str]


def look_at(path: str) -> Overview:
    """Look at a folder, zip or npz of pictures: all of its names, and up to 64 pictures, evenly spaced.

    Raises:
        DataError: Nothing there, fewer than 16 pictures, or none that can be read.
    """
    channels = 3 if path.lower().endswith(".npz") else 4  # arrays have the channels that they have
    source = open_source(DataConfig(path=path), channels, False)
    if not isinstance(source, Source):
        raise DataError(f"{path} is streamed, so it cannot be looked at first: name a recipe instead of auto.")
    count = len(source)
    if count < FEWEST:
        raise DataError(f"{path} holds {count} pictures; {FEWEST} or more are needed to learn anything from them.")
    pictures, unread = [], []
    for place in range(min(count, LOOKED_AT)):
        entry = source[place * count // min(count, LOOKED_AT)]
        try:
            pictures.append(entry.read()[0])
        except (GanhubError, OSError, KeyError, RuntimeError) as error:
            unread.append(f"{entry.name}: {error}")
    if not pictures:
        raise DataError(f"None of the pictures of {path} that were looked at can be read: {unread[0]}")
    sides = _sides_of_pairs(source)
    classes = {} if sides else _classes(path, channels)
    return Overview(path, count, classes, sides_of_pairs=sides, unread=tuple(unread), **_seen(pictures))


def _classes(path: str, channels: int) -> dict[str, int]:
    """Name of each class -> its pictures, where there are two or more; {} without labels."""
    try:
        source = open_source(DataConfig(path=path), channels, True)
    except DataError:  # some pictures have no label: then nobody has meant classes
        return {}
    labels = Counter(source[place].label for place in range(len(source)))
    classes = {str(name): labels[index] for index, name in enumerate(source.class_names) if labels[index]}
    return classes if len(classes) > 1 else {}


def _seen(pictures: list[Tensor]) -> dict:
    """Sizes, grey, transparency, flatness and halves of opened pictures, each [C, H, W] in [-1, 1]."""
    middle: Callable[[list], float] = lambda values: sorted(values)[len(values) // 2]  # noqa: E731
    sizes = [tuple(picture.shape[-2:]) for picture in pictures]
    return {
        "sides": (int(middle([min(size) for size in sizes])), int(middle([max(size) for size in sizes]))),
        "wide": float(middle([width / height for height, width in sizes])),
        "grey": all(bool((picture[:3].amax(0) - picture[:3].amin(0)).max() < 0.02) for picture in pictures),
        "alpha": any(picture.shape[0] == 4 and bool((picture[3] < 1).any()) for picture in pictures),
        "flat": float(middle([flatness(_small(picture)) for picture in pictures])),
        "halves": all(width == 2 * height for height, width in sizes),
    }


def _small(picture: Tensor) -> Tensor:
    """[C, H, W] on white, its shorter side 64 pixels or fewer: in large photos neighbours are alike, too."""
    whole = on_white(picture[None])
    return (resize(whole, SEEN) if min(whole.shape[-2:]) > SEEN else whole)[0]


def _sides_of_pairs(source: Source) -> tuple[str, ...]:
    """Two folders with names such as A and B that hold pictures of the same names, input first."""
    folders: dict[str, set[str]] = {}
    for place in range(len(source)):
        parts = source[place].name.split("/")
        if len(parts) < 2:
            return ()
        folders.setdefault(parts[0], set()).add("/".join(parts[1:]).rsplit(".", 1)[0])
    by_name = {name.lower(): name for name in folders}
    for first, second in SIDES:
        if set(by_name) == {first, second} and folders[by_name[first]] == folders[by_name[second]]:
            return by_name[first], by_name[second]
    return ()


def choose(overview: Overview) -> Choice:
    """The recipe for what was found; the rules are those of the table in training/README.md."""
    if overview.sides_of_pairs or overview.halves:
        return _pairs(overview)
    learnt = {name: count for name, count in overview.classes.items() if count >= PER_CLASS}
    small = overview.sides[0] < SMALL
    side = 32 if small else 64
    reasons = []
    if len(learnt) < 2 and overview.classes:
        reasons.append(f"Fewer than two classes have {PER_CLASS} pictures, so classes are not learnt.")
    elif len(learnt) < len(overview.classes):
        reasons.append(
            f"Classes of fewer than {PER_CLASS} pictures are left out ({len(overview.classes) - len(learnt)})."
        )
    if len(learnt) >= 2:
        name = "conditional_gan_glyphs" if small and overview.grey else "stylegan2_emoji"
        reasons.append(f"{len(learnt)} classes: a generator that is asked for a class.")
        return _finish(overview, name, side, reasons, sum(learnt.values()), [
            f"model.num_classes={len(learnt)}", 'data.labels=""', f"data.smallest_class={PER_CLASS}",
        ])  # fmt: skip
    if small and overview.grey:
        reasons.append("Small grey pictures without classes: DCGAN, at 32 pixels and one channel.")
        return _finish(overview, "dcgan_landscapes", side, reasons, overview.count, ["model.channels=1"])
    if overview.count < FEW and not small and not overview.drawn and _at_hand(START):
        reasons.append(f"Fewer than {FEW:,} pictures in colour: they are learnt quickest from {START}.")
        return _finish(overview, "stylegan2_monet", side, reasons, overview.count, [f"train.init={START}"])
    reasons.append("Pictures in colour without classes: StyleGAN2 with a projected discriminator, from noise.")
    return _finish(overview, "stylegan2_landscapes", side, reasons, overview.count, [])


def _pairs(overview: Overview) -> Choice:
    overrides = ["data.only=", "data.other.only="]
    if overview.sides_of_pairs:
        here, there = overview.sides_of_pairs
        overrides = [f"data.only={json.dumps(f'{here}/*')}", f"data.other.only={json.dumps(f'{there}/*')}"]
        way = f"from {here} to {there}; for the other way exchange data.only and data.other.only"
    else:
        overrides += ["data.half=left", "data.other.half=right"]
        way = "from the left half to the right; for the other way exchange data.half and data.other.half"
    count = overview.count // 2 if overview.sides_of_pairs else overview.count
    overrides += [f"data.holdout={0.15 if count >= 200 else 0.0}"]
    images = _length(60_000, count, USUAL[PAIRS])
    overrides += [f"train.images={images}", f"train.cooldown={images * 5 // 12}"]
    overrides += [f"objective.adversarial_from={images * 2 // 3}"]
    return Choice(PAIRS, overrides, [f"Pairs: Pix2Pix at 128 pixels, {way}."])


def _finish(overview: Overview, name: str, side: int, reasons: list[str], count: int, overrides: list[str]) -> Choice:
    """Size, crops, mirroring, held-out share and length, by the rules that all recipes share."""
    recipe = read_recipe(list_recipes()[name])
    spare = overview.sides[0] >= round(side * 1.15)
    colour = name.startswith("stylegan2") and not overview.classes
    overrides = [*overrides, f"model.image_size={side}", f"data.crop={'random' if spare else 'centre'}"]
    overrides += [f"data.zoom={1.15 if spare else 1.0}", f"data.flip={str(colour).lower()}"]
    overrides += [f"data.holdout={0.2 if count >= 200 else 0.0}"]
    images = _length(recipe.train.images, count, USUAL[name])
    overrides += [f"train.images={images}", f"train.cooldown={recipe.train.cooldown * images // recipe.train.images}"]
    crops = "crops with a little to spare" if spare else "no room for crops"
    if overview.sides[0] < side:
        crops = f"enlarged from {overview.sides[0]}"
    reasons = [*reasons, f"{side} x {side} pixels, {crops}, {'mirrored' if colour else 'not mirrored'}, "
                         f"{'a fifth held out to measure with' if count >= 200 else 'none held out'}; "
                         f"{images:,} pictures long."]  # fmt: skip
    if overview.drawn and name.startswith("stylegan2"):
        overrides.append(f"model.palette={PALETTE}")
        reasons.append(f"Drawings in flat colours: pixels pick from {PALETTE} colours that each picture has.")
    if not 0.5 <= overview.wide <= 2:
        reasons.append("The pictures are oblong, and squares are cut out of them.")
    return Choice(name, overrides, reasons)


def _length(images: int, count: int, usual: int) -> int:
    """A recipe's length for so many pictures: with the root of their number, a half to four times as long."""
    return 100 * round(images * min(max(math.sqrt(count / usual), 0.5), 4.0) / 100)


def _at_hand(name: str) -> bool:
    """Whether published weights are here, in the Hub's cache, or can be fetched now."""
    try:
        hub.locate(name, max_bytes=200_000_000)
    except GanhubError:
        return False
    return True


def auto_recipe(path: str, *, started: bool = False) -> tuple[Overview, Choice]:
    """Look at pictures and choose a recipe for them; see :func:`look_at` and :func:`choose`.

    Args:
        started: Whether somebody names weights to start from, which have a palette already or none.

    Raises:
        DataError: See :func:`look_at`. ConfigError: The recipes that come with ganhub are missing.
    """
    overview = look_at(path)
    if not list_recipes():
        raise ConfigError("ganhub's recipes are missing: install the package again, or name a recipe file.")
    return overview, choose(replace(overview, flat=0.0) if started else overview)
