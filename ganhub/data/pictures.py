"""Real pictures as an endless shuffled stream: position p always holds the same picture, cropped the same.

Batches are therefore a function of the config and of two numbers, (first, count): a run that stops and resumes
sees what an unbroken run sees, and two processes that take half a batch each see what one process sees.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from math import ceil

import numpy as np
import torch
from torch import Tensor

from ganhub import images
from ganhub.console import printable
from ganhub.data.arrays import ArraySource
from ganhub.data.captions import read_captions
from ganhub.data.config import DataConfig
from ganhub.data.opening import open_source
from ganhub.data.sources import Entry, Source, Stream, drop_small_classes, partnered
from ganhub.data.tape import Tape
from ganhub.errors import DataError, GanhubError
from ganhub.extras import needed_for
from ganhub.objectives._base import Batch

PAIRED_FIELDS = ("split", "crop", "zoom", "flip", "turn", "size", "background", "limit", "holdout", "part", "seed")


def open_data(config: DataConfig, *, height: int, width: int, channels: int, labelled: bool) -> Pictures:
    """Open the pictures of ``config`` for a model of the given picture size.

    Args:
        labelled: Whether the model has classes; without, labels are not looked for.

    Raises:
        DataError: If there is nothing there, no picture can be read, or labels are missing.
    """
    source = open_source(config, channels, labelled)
    if not config.other:
        return _pictures(config, source, height, width, channels, labelled)
    shared = {name: getattr(config, name) for name in PAIRED_FIELDS} if config.pairing else {}
    second = DataConfig.from_dict({**shared, **config.other})
    other = open_source(second, channels, bool(second.labels))
    if config.pairing:
        other = partnered(source, other, config.path, second.path)
    pictures = _pictures(config, source, height, width, channels, labelled)
    side = 0 if config.pairing else second.size
    pictures.other = _pictures(second, other, side or height, side or width, channels, bool(second.labels))
    pictures.paired = pictures.other.paired = bool(config.pairing)
    if config.pairing and (lost := [*pictures.skipped, *pictures.other.skipped]):
        raise DataError(f"A pair needs both of its pictures; remove or mend these pairs: {'; '.join(lost[:5])}.")
    return pictures


def _pictures(config: DataConfig, source: Source | Stream, height: int, width: int, channels: int,
              labelled: bool) -> Pictures:  # fmt: skip
    if config.turn and height != width:
        raise DataError(f"data.turn is for square pictures, not {height} x {width}: leave it out.")
    pictures = Pictures(config, source, height=height, width=width, channels=channels)
    if not labelled:
        pictures.class_names = ()
    return pictures


class Pictures:
    """An endless shuffled stream of real pictures; see the module's docstring.

    Attributes:
        class_names: Sorted names of the classes; empty when the model asked for none.
        source, chosen: All pictures, and (but of a stream) the indices of those that the config leaves.
        skipped: "name: reason" of each picture that could not be read so far.
        captions: What the pictures of ``source`` show, in their order; or None.
        other: The second collection, or None.
    """

    def __init__(self, config: DataConfig, source: Source | Stream, *, height: int, width: int, channels: int):
        if config.smallest_class or config.holdout or config.captions:
            if isinstance(source, Stream):
                raise DataError(
                    "A streamed dataset is not counted: data.holdout, data.smallest_class and data.captions need a "
                    "copy (data.streaming=false)."
                )
            source = drop_small_classes(source, config.smallest_class)
        self.config, self.class_names = config, source.class_names
        self.skipped: list[str] = []
        self.captions = read_captions(config.captions, len(source)) if config.captions else None
        self.other: Pictures | None = None
        self.paired = False  # then no picture may stand for a broken one
        self._shape = (channels, height, width)
        self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        self._ahead: dict[tuple[int, int], list[Future]] = {}
        self._last = -1
        self.source = self._source = source
        self._seed = config.seed % 2**64  # as a negative seed is meant, and a longer one cut
        self._stored: Sequence[np.ndarray] | None = None
        if isinstance(source, Stream):
            self._tape = Tape(source, self._seed, self._decode, self._pool)
            return
        if not len(source):
            raise DataError(f"{config.path} holds no pictures.")
        self._index = self.chosen = _chosen(source, config)
        if not len(self._index):
            raise DataError(f"{config.path} has too few pictures for data.holdout = {config.holdout}.")
        side = config.zoom if config.crop == "random" else 1
        aspect = 1.5 if config.crop == "random" else 1  # what a random crop keeps of a picture that is not square
        size = len(self._index) * channels * ceil(height * side) * ceil(width * side) * aspect
        if size <= config.memory_gb * 1024**3:
            self._read_all()

    def __len__(self) -> int:
        """Pictures per epoch, without those skipped at the start (0: a streamed dataset of unknown length)."""
        return self._source.count if isinstance(self._source, Stream) else len(self._index)

    def remarks(self) -> list[str]:
        """Sentences on all that was left out so far, for whoever started this."""
        remarks = list(self.source.notes)
        if self.skipped:
            named = "; ".join(note.rstrip(".") for note in self.skipped[:5])
            end = "; ..." if len(self.skipped) > 5 else "."
            remarks.append(f"{len(self.skipped)} of the pictures cannot be used and are left out: {named}{end}")
        there = "(data.background)" if self.paired else "(data.other.background)"
        others = self.other.remarks() if self.other else []
        remarks += [remark.replace("(data.background)", there) for remark in others]
        return list(dict.fromkeys(map(printable, remarks)))

    @property
    def streamed(self) -> bool:
        """Whether going back to an earlier picture means to read everything before it again."""
        return isinstance(self._source, Stream)

    @property
    def unaltered(self) -> bool:
        """Whether a picture is the same each time it comes, and known by its index."""
        return not (self.streamed or self.config.flip or self.config.turn or self.config.crop == "random")

    def batch(self, first: int, count: int) -> Batch:
        """Return pictures number ``first`` to ``first + count - 1`` of the endless stream.

        Returns:
            Images [count, C, H, W] in [-1, 1], labels int64 [count] or None, one distinct seed per picture, and which
            each is, if they are unaltered.
        """
        positions = np.arange(first, first + count, dtype=np.uint64)
        which = None if isinstance(self._source, Stream) else self._which(first, count)
        if which is None:
            stored, labels = self._tape.read(first, count)
        else:
            stored, labels = self._look_up(which, first)
        draws = _uniform(self._seed, positions, 3)
        flips = draws[:, 2] < 0.5 if self.config.flip else np.zeros(count, bool)
        out = self._crop(stored, draws, flips)
        for k, quarters in enumerate(draws[:, 2] * 8 % 4 if self.config.turn else ()):  # flips took the first of 3 bits
            out[k] = np.rot90(out[k], int(quarters), (1, 2))
        # Consecutive numbers stay distinct in the 32 bits that a generator keeps of its seed.
        offset = int(_mix(np.uint64(self._seed)) >> np.uint64(2))
        return Batch(
            images=images.from_uint8(torch.from_numpy(out)),
            labels=torch.tensor(labels, dtype=torch.int64) if self.class_names else None,
            seeds=torch.arange(first, first + count, dtype=torch.int64) + offset,
            other=self.other.batch(first, count) if self.other else None,
            indices=torch.from_numpy(which) if self.unaltered else None,
        )

    def _crop(self, stored: Sequence[np.ndarray] | np.ndarray, draws: np.ndarray, flips: np.ndarray) -> np.ndarray:
        channels, height, width = self._shape
        if isinstance(stored, np.ndarray) and stored.shape[2:] == (height, width):
            out = stored
            out[flips] = out[flips, :, :, ::-1]
            return out
        out = np.empty((len(draws), channels, height, width), np.uint8)
        for k, picture in enumerate(stored):
            top = int(draws[k, 0] * (picture.shape[1] - height + 1))
            left = int(draws[k, 1] * (picture.shape[2] - width + 1))
            window = picture[:, top : top + height, left : left + width]
            out[k] = window[:, :, ::-1] if flips[k] else window
        return out

    def attribute(self, name: str, first: int, count: int) -> Tensor:
        """What is known of the pictures that :meth:`batch` returns for the same arguments.

        Args:
            name: An attribute of ``captions``.

        Returns:
            int64 [count], indices into ``captions.names[name]``; -1 where it is not known.

        Raises:
            DataError: Without captions, or for an attribute that they do not have.
        """
        if self.captions is None:
            raise DataError(f"These pictures have no captions, so nothing is known of their {name}: set data.captions.")
        _, labels = self.captions.labels(name)
        return torch.tensor(labels)[self._index[self._which(first, count)]]

    # Pictures with an index

    def _look_up(self, which: np.ndarray, first: int) -> tuple[Sequence[np.ndarray] | np.ndarray, list[int]]:
        count = len(which)
        if self._stored is not None:
            labels = self._labels[which]
            if isinstance(self._stored, np.ndarray):
                return self._stored[which], labels
            return [self._stored[i] for i in which], labels
        # Decoded as they come: read the batch that a steady reader asks for next while this one trains.
        futures = self._ahead.pop((first, count), None) or [self._pool.submit(self._good, int(i)) for i in which]
        step, self._last = first - self._last, first
        self._ahead = {}
        if step > 0:
            following = self._which(first + step, count)
            self._ahead[first + step, count] = [self._pool.submit(self._good, int(i)) for i in following]
        pairs = [future.result() for future in futures]
        return [stored for stored, _ in pairs], [label for _, label in pairs]

    def _which(self, first: int, count: int) -> np.ndarray:
        """Return the index of each position's picture: a new permutation in each epoch."""
        n = len(self._index)
        positions = np.arange(first, first + count)
        epochs = positions // n
        out = np.empty(count, np.int64)
        for epoch in range(int(epochs[0]) if count else 0, int(epochs[-1]) + 1 if count else 0):
            inside = epochs == epoch
            out[inside] = _permutation(n, self._seed, epoch)[positions[inside] % n]
        return out

    def _good(self, index: int) -> tuple[np.ndarray, int]:
        """Return picture ``index``, or the next one that can be read."""
        for step in range(len(self._index)):
            entry = self._source[int(self._index[(index + step) % len(self._index)])]
            stored = self._decode(entry)
            if stored is not None:
                return stored, entry.label
            if self.paired:
                raise DataError(f"A pair needs both of its pictures; remove or mend this one: {self.skipped[-1]}")
        raise DataError(f"None of the pictures of {self.config.path} can be read: {self.skipped[0]}")

    def _decode(self, entry: Entry) -> np.ndarray | None:
        """Open, scale and quantise one picture to uint8 [C, h, w]; a broken one is noted and gives None."""
        try:
            picture = self._scale(entry.read())
        except (GanhubError, OSError, KeyError, RuntimeError) as error:
            note = f"{entry.name}: {error}"
            if note not in self.skipped:
                self.skipped.append(note)
            return None
        return images.to_uint8(picture)[0].numpy()

    def _scale(self, picture: Tensor) -> Tensor:
        _, height, width = self._shape
        if self.config.half:
            middle = picture.shape[3] // 2
            picture = picture[..., :middle] if self.config.half == "left" else picture[..., -middle:]
        if self.config.crop == "centre":
            return picture if picture.shape[2:] == (height, width) else images.fit(picture, height, width)
        tall, wide = ceil(height * self.config.zoom), ceil(width * self.config.zoom)
        factor = max(tall / picture.shape[2], wide / picture.shape[3])
        size = max(tall, round(picture.shape[2] * factor)), max(wide, round(picture.shape[3] * factor))
        return picture if picture.shape[2:] == size else images.resize(picture, size)

    def _read_all(self) -> None:
        """Decode every picture once into memory; broken ones leave the collection here."""
        if isinstance(self._source, ArraySource):
            blocks = np.array_split(self._index, max(1, len(self._index) // 1000))
            stored = [images.to_uint8(self._scale(self._source.read(b))).numpy() for b in blocks]
            self._stored = np.concatenate(stored)
            self._labels = np.array([self._source[int(i)].label for i in self._index])
            return
        with needed_for("Reading pictures as a recipe does"):
            from tqdm import tqdm
        kept, where, labels = [], [], []
        entries = (self._source[int(i)] for i in self._index)
        decoded = self._pool.map(lambda entry: (self._decode(entry), entry.label), entries)
        bar = tqdm(decoded, "reading pictures", len(self._index), disable=len(self._index) <= 1000, leave=False)
        for i, (stored, label) in zip(self._index, bar, strict=True):
            if stored is not None:
                kept.append(stored), where.append(i), labels.append(label)
        self.skipped.sort()  # threads note them in any order
        if not kept:
            raise DataError(f"None of the pictures of {self.config.path} can be read: {self.skipped[0]}")
        self._index, self._labels = np.array(where), np.array(labels)
        self._stored = np.stack(kept) if len({k.shape for k in kept}) == 1 else kept


def _chosen(source: Source, config: DataConfig) -> np.ndarray:
    """Indices of the pictures that ``limit``, ``holdout`` and ``part`` leave, in name order."""
    n = len(source)
    index = np.arange(n) if not 0 < config.limit < n else np.arange(config.limit) * n // config.limit
    if not config.holdout:
        return index
    # By one fixed shuffle: in name order every fifth emoji is the same skin tone, every fifth film frame a neighbour.
    held = np.zeros(len(index), bool)
    held[_permutation(len(index), 0, 0)[: round(len(index) * config.holdout)]] = True
    return index[held if config.part == "holdout" else ~held]


def _mix(x: np.ndarray | np.uint64) -> np.ndarray | np.uint64:
    """Scramble 64-bit numbers one to one (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def _uniform(seed: int, positions: np.ndarray, draws: int) -> np.ndarray:
    """Return [N, draws] numbers in [0, 1) that depend on seed and position only."""
    base = _mix(positions + _mix(np.uint64(seed)))
    # 53 bits are what a float64 holds exactly, so that 1.0 itself cannot come out.
    return np.stack([_mix(base ^ _mix(np.uint64(k + 1))) >> np.uint64(11) for k in range(draws)], 1) / 2.0**53


@lru_cache(maxsize=4)
def _permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    key = _mix(_mix(np.uint64(seed)) ^ np.uint64(epoch))
    return np.argsort(_mix(np.arange(n, dtype=np.uint64) ^ key), kind="stable")
