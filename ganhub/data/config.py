"""The recipe's ``[data]`` table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ganhub.config import BaseConfig, Seed


@dataclass(frozen=True, kw_only=True)
class DataConfig(BaseConfig):
    """The recipe's ``[data]`` table.

    Attributes:
        path: A folder or .zip of pictures, an .npz, a folder of parquet files, or a Hub id "owner/name".
        split: "train", "test", "validation": a Hub split; of folders and npz files the part of that name, whatever
            the wording (Train, training_set; val, dev), all of it where there are no parts.
        images: Key of the pictures in an npz ("" finds train_x, x_train, train_images, x ...), or picture column of a
            dataset.
        labels: For models with classes: "" finds them, "folder" takes the first folder's name, "file" the file's
            own, each a class of one picture; else a column of metadata.csv or of the dataset, or a key of the npz.
            They are text as it was typed; whole numbers come in numeric order.
        size: Height and width in which pictures are read for models that take any; 0 for 256.
        only: Shell pattern on names in a folder or zip, such as "song/*".
        background: What transparent pictures are laid on: a colour name or "#rrggbb".
        crop: "centre" (always the same) or "random" (drawn anew each time).
        zoom: Size of the stored picture relative to the crop taken from it; above 1 only with random crops.
        flip: Mirror each picture with probability 1/2.
        turn: Turn each picture by none to three quarters; for models of square pictures.
        limit: Use this many pictures, evenly spaced in name order (0: all).
        holdout: Share of the pictures that training never sees, the same ones whatever the seed.
        part: "training" (what is not held out) or "holdout" (what is), to measure against.
        smallest_class: Classes of fewer pictures are left out (before ``holdout``).
        captions: A .json file, or a .zip of it, with captions and attributes of the pictures in their order:
            ``caption_en`` (or another language) and ``attributes``, lists with one entry for each picture.
        streaming: Stream a Hub dataset; happens by itself when it does not fit on the disk.
        memory_gb: Collections that take less are decoded once and kept in memory.
        seed: Decides order, crops and flips.
        half: "left" or "right" of pictures that hold two side by side; "" for whole ones.
        other: A second collection, a table of its own with these fields: styles to learn, or the other side of a
            translation. Each picture is drawn with one of these.
        pairing: "" draws any picture of ``other``; "name" the one of the same name, with the same crop, flip and turn.
            What ``other`` does not say about crops, flips, background, limit and holdout is then as it is here.
    """

    table = "data"

    path: str
    split: str = "train"
    images: str = ""
    labels: str = ""
    size: int = 0
    only: str = ""
    background: str = "white"
    crop: str = "centre"
    zoom: float = 1.0
    flip: bool = False
    turn: bool = False
    limit: int = 0
    holdout: float = 0.0
    part: str = "training"
    smallest_class: int = 0
    captions: str = ""
    streaming: bool = False
    memory_gb: float = 2.0
    seed: Seed = Seed(0)
    half: str = ""
    pairing: str = ""
    other: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.require(bool(self.path), "data.path is empty; name a folder, .zip, .npz or Hub dataset of pictures.")
        self.require(self.crop in ("centre", "random"), f'crop must be "centre" or "random", not {self.crop!r}.')
        self.require_range(1, 8, "zoom")
        self.require(self.size == 0 or 16 <= self.size <= 4096, f"size must be 0 or from 16 to 4096, not {self.size}.")
        useful = self.zoom == 1 or self.crop == "random"
        self.require(useful, f'zoom = {self.zoom} takes effect with crop = "random" only.')
        self.require(self.limit >= 0, f"limit must be 0 (all) or more, not {self.limit}.")
        share = 0 <= self.holdout <= 0.9
        self.require(share, f"holdout is a share of the pictures from 0 (none) to 0.9, not {self.holdout}.")
        holds = self.part == "training" or self.part == "holdout" and self.holdout > 0
        self.require(holds, f'part must be "training", or "holdout" where holdout is above 0, not {self.part!r}.')
        self.require(self.smallest_class >= 0, f"smallest_class must be 0 or more, not {self.smallest_class}.")
        self.require(self.memory_gb >= 0, f"memory_gb must be 0 or more, not {self.memory_gb}.")
        self.require(self.half in ("", "left", "right"), f'half must be "left", "right" or empty, not {self.half!r}.')
        self.require(self.pairing in ("", "name"), f'pairing must be "name" or empty, not {self.pairing!r}.')
        self.require(not self.pairing or bool(self.other), "data.pairing needs data.other.path.")
        apart = not (self.pairing and self.smallest_class)
        self.require(apart, "smallest_class would break pairs up: leave it out, or leave out data.pairing.")
        apart = not (self.captions and self.smallest_class)
        self.require(apart, "smallest_class would separate pictures from their captions: leave one of the two out.")
