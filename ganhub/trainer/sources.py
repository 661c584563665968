"""Where pictures come from: folders, zips, npz files and Hub datasets, behind one small interface.

Folders and zips are listed by Hugging Face ``datasets`` (its image-folder reader, metadata.csv included), Hub
datasets are loaded or streamed by it; every picture is opened by :mod:`ganhub.images` and by nothing else.
"""

from __future__ import annotations

import fnmatch
import gc
import glob
import inspect
import os
import re
import shutil
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ganhub import images
from ganhub.errors import DataError

if TYPE_CHECKING:
    from ganhub.trainer.data import DataConfig

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PICTURE_BYTES = 256 * 1024**2  # a file that claims more is no picture; it is not even read


@dataclass(frozen=True)
class Entry:
    """One picture: its name, its class index (-1 without labels) and how to open it as [1, C, H, W] in [-1, 1]."""

    name: str
    label: int
    read: Callable[[], Tensor]


class Source:
    """A known number of pictures, each reachable by its index."""

    def __init__(self, entries: Sequence[Entry], class_names: Sequence[str] = ()) -> None:
        self.entries, self.class_names = entries, tuple(class_names)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]


class Stream:
    """Pictures that only come one after the other: a Hub dataset that does not fit on this machine.

    Attributes:
        count: Pictures per epoch, 0 when the Hub does not say.
    """

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
    # Small classes are left out for every model, so that all of them see, and are kept from, the same pictures.
    labels = config.labels if labelled or config.smallest_class else None
    path = Path(os.path.expanduser(config.path))
    common = {"split": config.split, "labels": labels, "channels": channels}
    if path.suffix == ".npz" and path.is_file():
        return open_npz(path, key=config.images, memory_bytes=config.memory_gb * 1024**3, **common)
    if path.is_dir() and any(path.rglob("*.parquet")) or not path.exists() and HUB_ID.fullmatch(config.path):
        return open_dataset(
            config.path, key=config.images, background=config.background,
            streaming=config.streaming, limit=config.limit, **common,
        )  # fmt: skip
    if path.is_dir() or path.suffix.lower() == ".zip" and path.is_file():
        return open_folder(path, only=config.only, background=config.background, **common)
    if path.exists():
        raise DataError(f"{path} is neither a folder nor a .zip or .npz file; put the pictures in a folder or a zip.")
    raise DataError(f"{path} does not exist; set data.path to a folder, .zip, .npz or Hub dataset (owner/name).")


def classes_of(values: Sequence[Any], where: str) -> tuple[tuple[str, ...], list[int]]:
    """Return sorted class names (whole numbers in numeric order) and each value's class index."""
    if any(v is None or v == "" for v in values):
        raise DataError(f"Some pictures of {where} have no label; label them all or remove them.")
    ordered = sorted(set(values), key=lambda v: (0, v, "") if isinstance(v, int) else (1, 0, str(v)))
    index = {v: i for i, v in enumerate(ordered)}
    return tuple(str(v) for v in ordered), [index[v] for v in values]


# Folders and zips


def _list_rows(path: Path, *, metadata: bool) -> list[dict]:
    from datasets import Image
    from datasets.exceptions import DatasetGenerationError
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    # The reader itself, as load_dataset("imagefolder") reports each use to a server even for local files. Streamed,
    # because then nothing is copied or unpacked into a cache. Labels are read from the paths below: the reader takes
    # the innermost folder for the class, and drops labels where folders are of unequal depth.
    pattern = glob.escape(str(path.resolve())) + ("/**" if path.is_dir() else "")
    try:
        reader = ImageFolder(data_files={"train": pattern}, drop_labels=True, drop_metadata=not metadata)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the reader leaves metadata.csv open
            stream = reader.as_streaming_dataset(split="train").cast_column("image", Image(decode=False))
            rows = list(stream)
            del stream
            gc.collect()
        return rows
    except (FileNotFoundError, StopIteration, IndexError, KeyError):
        return []
    except (ValueError, TypeError, OSError, zipfile.BadZipFile, DatasetGenerationError) as error:
        raise DataError(f"{path} cannot be read as a collection of pictures: {error}") from error


def _opener(path: Path, channels: int, background: str) -> Callable[[str], Tensor]:
    archive = zipfile.ZipFile(path) if path.is_file() else None

    def read(name: str) -> Tensor:
        if archive is None:
            return images.load_image(path / name, channels=channels, background=background)
        if archive.getinfo(name).file_size > PICTURE_BYTES:
            raise DataError(f"{name} unpacks to more than {PICTURE_BYTES // 1024**2} MB and is not read.")
        return images.load_image(archive.read(name), channels=channels, background=background)

    return read


def open_folder(path: Path, *, split: str, only: str, labels: str | None, channels: int, background: str) -> Source:
    """List a folder or zip; ``labels`` is as in ``DataConfig``, or None where none are wanted."""
    from_metadata = labels not in (None, "folder", "file")
    rows = _list_rows(path, metadata=from_metadata)
    if from_metadata and (not rows or (labels or "label") not in rows[0]):
        if labels:
            columns = [c for c in rows[0] if c != "image"] if rows else []
            known = f"it has: {', '.join(columns)}" if columns else "it has no metadata.csv with such columns"
            raise DataError(f'{path} has no column "{labels}" to take labels from ({known}).')
        from_metadata, rows = False, _list_rows(path, metadata=False)
    named = []
    for row in rows:
        where = row["image"]["path"]
        name = where[len("zip://") :].rsplit("::", 1)[0] if where.startswith("zip://") else where
        name = str(Path(name).relative_to(path.resolve())) if path.is_dir() else name
        if Path(name).name not in ("metadata.csv", "metadata.jsonl", "metadata.parquet"):
            named.append((name.replace("\\", "/"), row))
    named.sort(key=lambda pair: pair[0])
    in_split = [pair for pair in named if pair[0].startswith(split + "/")]
    if split != "train" and not in_split:
        raise DataError(f'{path} has no folder "{split}" for data.split; leave data.split out to use every picture.')
    named = [pair for pair in in_split or named if not only or fnmatch.fnmatch(pair[0], only)]
    if not named:
        matching = f" that match data.only = {only!r}" if only else ""
        raise DataError(f"{path} holds no pictures{matching}. Put PNG, JPEG or WebP files there, or change data.path.")
    names = [name for name, _ in named]
    class_names, indices = (), [-1] * len(names)
    if labels is not None:
        if labels == "file":
            values = [Path(name).stem for name in names]
        elif from_metadata:
            values = [row[labels or "label"] for _, row in named]
        else:
            inner = [name[len(split) + 1 :] if in_split else name for name in names]
            values = [name.split("/")[0] if "/" in name else "" for name in inner]
            if not all(values):
                raise DataError(
                    f"The model needs labels, and {names[values.index('')]} of {path} lies in no class folder. Put "
                    "each picture in a folder named after its class, or name a metadata.csv column in data.labels."
                )
        class_names, indices = classes_of(values, str(path))
    read = _opener(path, channels, background)
    return Source([Entry(n, i, lambda n=n: read(n)) for n, i in zip(names, indices, strict=True)], class_names)


def partnered(first: Source | Stream, second: Source | Stream, here: str, there: str) -> Source:
    """The pictures of ``second`` in the order of those of ``first`` that they belong to, by the names of their files.

    Raises:
        DataError: Where a name lacks its partner, or stands twice; the first five are named.
    """
    if isinstance(first, Stream) or isinstance(second, Stream):
        raise DataError("Streamed datasets cannot be paired by name: set data.streaming = false.")
    sides = []
    for source, where in ((first, here), (second, there)):
        stems = [Path(entry.name).stem for entry in source.entries]
        if twice := [name for name, count in Counter(stems).items() if count > 1]:
            raise DataError(f"Pairs go by name, and of {where} some stand twice: {', '.join(sorted(twice)[:5])}.")
        sides.append(dict(zip(stems, source.entries, strict=True)))
    if alone := sorted(sides[0].keys() ^ sides[1].keys()):
        named = ", ".join(f"{name} (only in {here if name in sides[0] else there})" for name in alone[:5])
        raise DataError(f"Pairs go by name, and {len(alone)} pictures have no partner: {named}.")
    return Source([sides[1][stem] for stem in sides[0]], second.class_names)


# npz


class ArraySource(Source):
    """Pictures of one uint8 array, kept as [N, C, H, W]."""

    def __init__(self, array: np.ndarray, labels: Sequence[int], class_names: Sequence[str], key: str) -> None:
        entries = [Entry(f"{key}[{i}]", int(label), lambda i=i: self.read([i])) for i, label in enumerate(labels)]
        super().__init__(entries, class_names)
        self.array = array

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return [N, C, H, W] in [-1, 1]."""
        return images.from_uint8(torch.from_numpy(self.array[indices]))


def drop_small_classes(source: Source, smallest: int) -> Source:
    """Leave out the classes of fewer than ``smallest`` pictures, and number the others anew; without labels, none.

    Raises:
        DataError: When no class is left.
    """
    if not smallest or not source.class_names:
        return source
    counts = Counter(entry.label for entry in source.entries)
    kept = [label for label in range(len(source.class_names)) if counts[label] >= smallest]
    if not kept:
        raise DataError(f"No class has {smallest} pictures or more; lower data.smallest_class.")
    number = {label: i for i, label in enumerate(kept)}
    names = [source.class_names[label] for label in kept]
    rows = [i for i, entry in enumerate(source.entries) if entry.label in number]
    labels = [number[source.entries[i].label] for i in rows]
    if isinstance(source, ArraySource):
        return ArraySource(source.array[rows], labels, names, source.entries[0].name.partition("[")[0])
    return Source([replace(source.entries[i], label=n) for i, n in zip(rows, labels, strict=True)], names)


def open_npz(
    path: Path, *, split: str, key: str, labels: str | None, channels: int, memory_bytes: float
) -> ArraySource:
    """Read the pictures under ``key`` ("" = found) of an .npz, its labels and the names of their classes."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {i.filename.removesuffix(".npy"): i.file_size for i in archive.infolist()}
        with np.load(path, allow_pickle=False) as file:
            key = _found(key, [f"{split}_x", f"{split}_images", "x", "images"], sizes, path, "data.images")
            if sizes[key] > memory_bytes:
                raise DataError(
                    f'"{key}" of {path} takes {sizes[key] / 1e9:.1f} GB of memory; raise data.memory_gb if it is there.'
                )
            array = np.ascontiguousarray(_channels(file[key], channels, key, path))
            if labels is None:
                return ArraySource(array, [-1] * len(array), (), key)
            like_x = re.sub(r"x$", "y", re.sub("images$", "labels", key))
            label_key = _found(labels, [like_x, f"{split}_y", "y", "labels"], sizes, path, "data.labels")
            values = file[label_key]
            if values.shape != (len(array),):
                raise DataError(f'"{label_key}" of {path} must hold {len(array)} labels, not shape {values.shape}.')
            if values.dtype.kind not in "iu":
                return ArraySource(array, *reversed(classes_of(values.tolist(), str(path))), key)
            if len(values) and values.min() < 0:
                raise DataError(f'"{label_key}" of {path} must hold class indices from 0, not {values.min()}.')
            count = int(values.max()) + 1 if len(values) else 0
            names = [str(i) for i in range(count)]
            for other in sorted(sizes):  # a list of as many words as there are classes is the list of their names
                if other not in (key, label_key) and sizes[other] < 64 * 1024**2:
                    words = file[other]
                    if words.dtype.kind == "U" and words.shape == (count,):
                        names = [str(w) for w in words]
                        break
            return ArraySource(array, values.tolist(), names, key)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise DataError(f"{path} is no readable .npz file: {error}") from error
    except ValueError as error:  # what numpy says of an array that would have to be unpickled
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} holds something other than plain arrays, which ganhub does not open: {error}"
        ) from error


def _found(asked: str, usual: Sequence[str], have: dict[str, int], path: Path, field: str) -> str:
    for name in [asked] if asked else usual:
        if name in have:
            return name
    looked = asked or " or ".join(dict.fromkeys(usual))
    raise DataError(f"{path} has no array {looked}; it has {', '.join(sorted(have))}. Name one in {field}.")


def _channels(array: np.ndarray, channels: int, key: str, path: Path) -> np.ndarray:
    """Bring uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] to [N, channels, H, W]."""
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise DataError(
            f'"{key}" of {path} must be uint8 pictures [N, H, W] or [N, H, W, C], not {array.dtype} {array.shape}.'
        )
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[-1] in (1, 3, 4):
        array = array.transpose(0, 3, 1, 2)
    have = array.shape[1]
    if have == channels:
        return array
    if have == 1 and channels == 3:
        return np.repeat(array, 3, axis=1)
    if have == 3 and channels == 1:
        return np.rint(array.transpose(0, 2, 3, 1) @ np.float32([0.299, 0.587, 0.114])).astype(np.uint8)[:, None]
    raise DataError(f'"{key}" of {path} has {have} channels, and the model works with {channels}.')


# Datasets of the Hub, or parquet files on this disk


def open_dataset(
    path: str, *, split: str, key: str, labels: str | None, channels: int, background: str,
    streaming: bool, limit: int,
) -> Source | Stream:  # fmt: skip
    """Load or stream a dataset by ``datasets``; streamed also when it would not fit on this disk."""
    from datasets import ClassLabel, Image, load_dataset, load_dataset_builder

    try:
        info = load_dataset_builder(path).info
        size = (info.download_size or 0) + (info.dataset_size or 0)
        streaming = streaming or size > 0.5 * _free_bytes()
        data = load_dataset(path, split=split, streaming=streaming)
    except Exception as error:  # datasets raises a wide family here, from HTTP to Arrow; all mean the same to a user
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"The dataset {path} (split {split}) cannot be loaded: {reason}") from error
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
