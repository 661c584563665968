"""Datasets of the Hub, or parquet files on this disk, loaded or streamed by Hugging Face ``datasets``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ganhub.data.sources import Entry, Opener, Source, Stream, classes_of
from ganhub.errors import DataError
from ganhub.extras import needed_for
from ganhub.files import expanded


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
        class_columns = [n for n, kind in features.items() if isinstance(kind, ClassLabel)]
        column = labels or ("label" if "label" in features else next(iter(class_columns), ""))
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

    notes: list[str] = []
    opened = Opener(path, channels, background, notes)

    def entry(index: int, row: dict) -> Entry:
        picture = row[key]
        label = -1 if to_index is None else to_index(row[column])
        source = picture["bytes"] if picture["bytes"] is not None else picture["path"]
        return Entry(picture["path"] or f"row {index}", label, lambda: opened(source))

    if streaming:
        rows = info.splits[split].num_examples if info.splits and split in info.splits else 0
        data = data.take(limit) if limit else data
        return Stream(data, entry, class_names, min(rows, limit) if limit else rows, notes)
    return _RowSource(data, entry, class_names, notes)


def _free_bytes() -> int:
    """Free space where downloaded datasets are kept."""
    from datasets import config

    folder = Path(config.HF_DATASETS_CACHE)
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


class _RowSource(Source):
    def __init__(
        self, data: Any, entry: Callable[[int, dict], Entry], class_names: Sequence[str], notes: Sequence[str]
    ):
        super().__init__(data, class_names, notes)
        self._entry = entry

    def __getitem__(self, index: int) -> Entry:
        return self._entry(index, self.entries[index])
