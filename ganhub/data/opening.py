"""Opening what ``data.path`` names: a folder, a zip, an npz file, or a dataset of the Hub."""

from __future__ import annotations

import os

from ganhub.data.arrays import open_npz
from ganhub.data.config import DataConfig
from ganhub.data.datasets import open_dataset
from ganhub.data.folders import open_folder
from ganhub.data.sources import HUB_ID, Source, Stream
from ganhub.errors import DataError
from ganhub.files import expanded


def open_source(config: DataConfig, channels: int, labelled: bool) -> Source | Stream:
    """List the pictures that a ``[data]`` table names.

    Raises:
        DataError: If there is nothing there, or labels are missing.
    """
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
