"""Where pictures come from: folders, zips, npz files and Hub datasets, behind one small interface.

Folders and zips are read by ``folders.py``, npz files by ``arrays.py``; Hub datasets are loaded or streamed by Hugging
Face ``datasets``. Every picture is opened by :mod:`ganhub.images` and by nothing else.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ganhub import images
from ganhub.data.collection import class_order, composed
from ganhub.errors import DataError
from ganhub.extras import needed_for
from ganhub.files import expanded

if TYPE_CHECKING:
    from ganhub.data.config import DataConfig

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Entry:
    """One picture: its name, its class index (-1 without labels) and how to open it as [1, C, H, W] in [-1, 1]."""

    name: str
    label: int
    read: Callable[[], Tensor]


class Source:
    """A known number of pictures, each reachable by its index.

    Attributes:
        notes: Sentences on what was found and is not used.
    """

    def __init__(self, entries: Sequence[Entry], class_names: Sequence[str] = (), notes: Sequence[str] = ()) -> None:
        self.entries, self.class_names, self.notes = entries, tuple(class_names), tuple(notes)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    def part(self, rows: Sequence[int], labels: Sequence[int], class_names: Sequence[str]) -> Source:
        """Some of the pictures, with new labels."""
        chosen = [replace(self[i], label=label) for i, label in zip(rows, labels, strict=True)]
        return Source(chosen, class_names, self.notes)


class Stream:
    """Pictures that only come one after the other: a Hub dataset that does not fit on this machine.

    Attributes:
        count: Pictures per epoch, 0 when the Hub does not say.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, dataset: Any, entry: Callable[[int, dict], Entry], class_names: Sequence[str], count: int):
        self._dataset, self._entry, self.class_names, self.count = dataset, entry, tuple(class_names), count

    def epoch(self, seed: int) -> Iterator[Entry]:
        """Iterate over one epoch, its order a function of ``seed``."""
        options = {"seed": seed, "buffer_size": 1000}
        if "max_buffer_input_shards" in inspect.signature(self._dataset.shuffle).parameters:
            options["max_buffer_input_shards"] = 1  # several at once: each end of an epoch sleeps for seconds
        for index, row in enumerate(self._dataset.shuffle(**options)):
            yield self._entry(index, row)


def open_source(config: DataConfig, channels: int, labelled: bool) -> Source | Stream:
    """List the pictures that a ``[data]`` table names.

    Raises:
        DataError: If there is nothing there, or labels are missing.
    """
    from ganhub.data.arrays import open_npz  # these two build on this file
    from ganhub.data.folders import open_folder

    # Small classes are left out for every model, so that all of them see, and are kept from, the same pictures.
    labels = config.labels if labelled or config.smallest_class else None
    path = expanded(config.path)
    there, is_folder, is_file = (check(path) for check in (os.path.exists, os.path.isdir, os.path.isfile))
    common = {"split": config.split, "labels": labels, "channels": channels, "background": config.background}
    if path.suffix.lower() == ".npz" and is_file:
        return open_npz(path, key=config.images, memory_bytes=config.memory_gb * 1024**3, **common)
    a_file = path.suffix.lower() in (".zip", ".npz")  # which no dataset's name ends in
    if is_folder and any(path.rglob("*.parquet")) or not there and not a_file and HUB_ID.fullmatch(config.path):
        return open_dataset(config.path, key=config.images, streaming=config.streaming, limit=config.limit, **common)
    if is_folder or path.suffix.lower() == ".zip" and is_file:
        return open_folder(path, only=config.only, **common)
    if there:
        raise DataError(f"{path} is neither a folder nor a .zip or .npz file; put the pictures in a folder or a zip.")
    raise DataError(f"{path} does not exist; set data.path to a folder, .zip, .npz or Hub dataset (owner/name).")


def classes_of(values: Sequence[Any], where: str) -> tuple[tuple[str, ...], list[int]]:
    """Return sorted class names (whole numbers in numeric order, before words) and each value's class index."""
    if any(v is None or v == "" or v != v for v in values):
        raise DataError(f"Some pictures of {where} have no label; label them all or remove them.")
    ordered = sorted(set(values), key=lambda value: class_order(str(value)))
    index = {v: i for i, v in enumerate(ordered)}
    return tuple(str(v) for v in ordered), [index[v] for v in values]


def partnered(first: Source | Stream, second: Source | Stream, here: str, there: str) -> Source:
    """The pictures of ``second`` in the order of those of ``first`` that they belong to, by the names of their files.

    Raises:
        DataError: Where a name lacks its partner, or stands twice; the first five are named.
    """
    if isinstance(first, Stream) or isinstance(second, Stream):
        raise DataError("Streamed datasets cannot be paired by name: set data.streaming = false.")
    sides = []
    for source, where in ((first, here), (second, there)):
        stems = [composed(Path(entry.name).stem) for entry in source]
        if twice := [name for name, count in Counter(stems).items() if count > 1]:
            raise DataError(f"Pairs go by name, and of {where} some stand twice: {', '.join(sorted(twice)[:5])}.")
        sides.append(dict(zip(stems, source, strict=True)))
    if alone := sorted(sides[0].keys() ^ sides[1].keys()):
        named = ", ".join(f"{name} (only in {here if name in sides[0] else there})" for name in alone[:5])
        raise DataError(f"Pairs go by name, and {len(alone)} pictures have no partner: {named}.")
    return Source([sides[1][stem] for stem in sides[0]], second.class_names, second.notes)


def drop_small_classes(source: Source, smallest: int) -> Source:
    """Leave out the classes of fewer than ``smallest`` pictures, and number the others anew; without labels, none.

    Raises:
        DataError: When no class is left.
    """
    if not smallest or not source.class_names:
        return source
    counts = Counter(entry.label for entry in source)
    kept = [label for label in range(len(source.class_names)) if counts[label] >= smallest]
    if not kept:
        raise DataError(f"No class has {smallest} pictures or more; lower data.smallest_class.")
    number = {label: i for i, label in enumerate(kept)}
    names = [source.class_names[label] for label in kept]
    rows = [i for i, entry in enumerate(source) if entry.label in number]
    labels = [number[source[i].label] for i in rows]
    return source.part(rows, labels, names)


# Datasets of the Hub, or parquet files on this disk


def open_dataset(
    path: str, *, split: str, key: str, labels: str | None, channels: int, background: str,
    streaming: bool, limit: int,
) -> Source | Stream:  # fmt: skip
    """Load or stream a dataset by ``datasets``; streamed also when it would not fit on this disk."""
    with needed_for("Reading a data set of the Hub"):
        from datasets import ClassLabel, Image, load_dataset, load_dataset_builder

    try:
        info = load_dataset_builder(path).info
        size = (info.download_size or 0) + (info.dataset_size or 0)
        streaming = streaming or size > 0.5 * _free_bytes()
        data = load_dataset(path, split=split, streaming=streaming)
    except Exception as error:  # datasets raises a wide family here, from HTTP to Arrow; all mean the same to a user
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        here = "" if os.path.exists(expanded(path)) else f"There is no folder or file {path} here, and as a dataset "
        what = f"{here}of the Hub it" if here else f"The dataset {path}"
        raise DataError(f"{what} (split {split}) cannot be loaded: {reason}") from error
    features = data.features or {}
    columns = [name for name, kind in features.items() if isinstance(kind, Image)]
    if key and key not in columns or not columns:
        raise DataError(f"{path} has no picture column {key or ''}; its columns are {', '.join(features)}.")
    key = key or columns[0]
    data = data.cast_column(key, Image(decode=False))
    class_names, to_index = (), None
    if labels is not None:
        found = [n for n, kind in features.items() if isinstance(kind, ClassLabel)]
        column = labels or ("label" if "label" in features else next(iter(found), ""))
        if column not in features:
            raise DataError(f"The model needs labels, and {path} has no column {column or 'label'} to take them from.")
        if isinstance(features[column], ClassLabel):
            class_names = tuple(features[column].names)
            to_index = int
        elif streaming:
            raise DataError(f'Column "{column}" of {path} does not name its classes, so {path} cannot be streamed.')
        else:
            values = data[column]
            class_names, indices = classes_of(list(values), path)
            to_index = dict(zip(values, indices, strict=True)).__getitem__

    def entry(index: int, row: dict) -> Entry:
        picture = row[key]
        label = -1 if to_index is None else to_index(row[column])
        source = picture["bytes"] if picture["bytes"] is not None else picture["path"]
        return Entry(
            picture["path"] or f"row {index}", label,
            lambda: images.load_image(source, channels=channels, background=background),
        )  # fmt: skip

    if streaming:
        known = info.splits[split].num_examples if info.splits and split in info.splits else 0
        data = data.take(limit) if limit else data
        return Stream(data, entry, class_names, min(known, limit) if limit else known)
    return _RowSource(data, entry, class_names)


def _free_bytes() -> int:
    """Free space where downloaded datasets are kept."""
    from datasets import config

    folder = Path(config.HF_DATASETS_CACHE)
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


class _RowSource(Source):
    def __init__(self, data: Any, entry: Callable[[int, dict], Entry], class_names: Sequence[str]) -> None:
        super().__init__(data, class_names)
        self._entry = entry

    def __getitem__(self, index: int) -> Entry:
        return self._entry(index, self.entries[index])
