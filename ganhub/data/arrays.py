"""Pictures and labels of an .npz file, under the names that MedMNIST, Keras and others give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from ganhub import images
from ganhub.data.collection import DAMAGED, composed, open_zip, shown
from ganhub.data.layout import split_named
from ganhub.data.sources import Entry, Source, classes_of, transparency_laid
from ganhub.errors import DataError
from ganhub.hub.folder import clipped

PICTURES = ("x", "images", "image", "imgs", "data")
LABELS = ("y", "labels", "label", "targets", "target")
WORDS = {
    "train": ("train", "training"), "test": ("test", "testing"), "validation": ("val", "validation", "valid", "dev"),
}  # fmt: skip
NAMES = ("names", "class_names", "classes", "label_names")
NAMES_BYTES = 64 * 1024**2
LUMA = np.float32([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow has it
AT_ONCE = 1000  # pictures whose channels are converted together


class ArraySource(Source):
    """Pictures of one uint8 array, kept as [N, C, H, W]."""

    def __init__(
        self, array: np.ndarray, labels: Sequence[int], class_names: Sequence[str], key: str,
        notes: Sequence[str] = (), always: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """``notes`` are those on all of the pictures, ``always`` those that hold for every part, too."""
        entries = [Entry(f"{key}[{i}]", int(label), lambda i=i: self.read([i])) for i, label in enumerate(labels)]
        super().__init__(entries, class_names, (*always, *notes))
        self.array, self.key, self.always = array, key, always

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return [N, C, H, W] in [-1, 1]."""
        return images.from_uint8(torch.from_numpy(self.array[indices]))

    def part(self, rows: Sequence[int], labels: Sequence[int], class_names: Sequence[str]) -> ArraySource:
        """Some of the pictures, with new labels."""
        return ArraySource(self.array[rows], labels, class_names, self.key, always=self.always)


class _File:
    """The arrays of an .npz by name, none of which is read before its header has been checked."""

    def __init__(self, path: Path) -> None:
        self.path, self.archive = path, open_zip(path)
        members = [info for info in self.archive.infolist() if info.filename and not info.is_dir()]
        self.members = {info.filename.removesuffix(".npy"): info for info in members}

    def find(self, asked: str, usual: Sequence[str], field: str, what: str) -> str:
        """The first of the names that is there, in capitals or not; ``asked`` is the only one where it is given."""
        for name in [asked] if asked else usual:
            for there in sorted(self.members, key=lambda there: there != name):
                if there == name or not asked and there.lower() == name:
                    return there
        looked = asked or f"of {what} (such as {shown(list(dict.fromkeys(usual))[:3])})"
        have = shown(sorted(self.members))
        raise DataError(f"{self.path} has no array {looked}; it has {have}. Name one in {field}.")

    def header(self, key: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and type, which the size of the member must agree with."""
        try:
            with self.archive.open(self.members[key]) as file:
                version = npy.read_magic(file)
                if version not in ((1, 0), (2, 0)):
                    raise ValueError(f"its format {version[0]}.{version[1]} is not known")
                read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read_header(file)
        except DAMAGED as error:
            raise self._unreadable(key, error) from error
        if dtype.hasobject:
            raise DataError(f'"{key}" of {self.path} is something other than plain arrays, which ganhub does not open.')
        bytes_claimed = dtype.itemsize
        for side in shape:
            bytes_claimed *= side
        if bytes_claimed > self.members[key].file_size or min(shape, default=0) < 0:
            raise DataError(f'"{key}" of {self.path} is damaged: {shape} of {dtype} do not fit into its '
                            f"{self.members[key].file_size:,} bytes.")  # fmt: skip
        return shape, dtype

    def read(self, key: str, most: float) -> np.ndarray:
        """An array of at most so many bytes."""
        shape, dtype = self.header(key)
        size = float(np.prod(shape, dtype=np.float64)) * dtype.itemsize
        self.check(key, size, most)
        try:
            with self.archive.open(self.members[key]) as file:
                return npy.read_array(file, allow_pickle=False)
        except DAMAGED as error:
            raise self._unreadable(key, error) from error

    def check(self, key: str, size: float, most: float) -> None:
        """Refuse what takes more memory than may be used."""
        if size > most:
            raise DataError(
                f'"{key}" of {self.path} takes {size / 1e9:.1f} GB of memory; raise data.memory_gb if it is there.'
            )

    def _unreadable(self, key: str, error: BaseException) -> DataError:
        return DataError(f'"{clipped(key, 100)}" of {self.path} is no readable array: {clipped(str(error), 200)}')


def open_npz(
    path: Path, *, split: str, key: str, labels: str | None, channels: int, background: str, memory_bytes: float
) -> ArraySource:
    """Read the pictures under ``key`` ("" = found) of an .npz, its labels and the names of their classes.

    Raises:
        DataError: No readable .npz, no such array, arrays of another kind, or more than ``memory_bytes``.
    """
    file = _File(path)
    key = file.find(key, _usual(split), "data.images", f'pictures of the part "{split}"')
    shape, dtype = file.header(key)
    if dtype != np.uint8 or len(shape) not in (3, 4) or 0 in shape[1:]:
        raise DataError(
            f'"{key}" of {path} must be uint8 pictures [N, H, W] or [N, H, W, C], not {dtype} {shape}: save them again '
            'with values from 0 to 255, by .astype("uint8").'
        )
    have = _channel_count(shape)
    if have not in images.CHANNEL_MODES:
        raise DataError(
            f'"{key}" of {path} has the shape {shape}; pictures are [N, H, W, C] with C = 1 (grey), 3 (RGB) or 4 (with '
            "alpha): save them again like that."
        )
    size = float(np.prod(shape, dtype=np.float64))
    file.check(key, max(size, size / have * channels), memory_bytes)
    label_key = "" if labels is None else _label_key(file, key, labels, split)
    stored = file.read(key, memory_bytes)
    array, always = _with_channels(stored, channels, background), []
    if have == 4 and channels != 4 and _alpha(stored).min(initial=255) < 255:
        always.append(transparency_laid(f'"{key}" of {path}', background))
    if labels is None:
        return ArraySource(array, [-1] * len(array), (), key, always=always)
    indices, class_names = _classes(file, key, label_key, len(array), memory_bytes)
    empty = [class_names[index] for index in sorted(set(range(len(class_names))) - set(indices))]
    finding = f"has no pictures of {len(empty):,} of its {len(class_names):,} classes ({shown(empty)})"
    hint = "as its labels are numbers from 0: data.smallest_class=1 leaves such out."
    notes = [f'"{key}" of {path} {finding}, {hint}'] if empty else []
    return ArraySource(array, indices, class_names, key, notes, always)


# Names


def _usual(split: str) -> list[str]:
    """Names under which the pictures of a part are looked for; those without a part only for training."""
    words = WORDS.get(split_named(split), (split,))
    parted = [name.format(word) for word in words for name in ("{}_x", "{}_images", "x_{}", "images_{}", "{}_data")]
    return parted + (["x", "images", "data", "arr_0"] if split == "train" else [])


def _label_key(file: _File, key: str, asked: str, split: str) -> str:
    if asked == key:
        raise DataError(f'data.labels names "{key}" of {file.path}, which are the pictures: name another array.')
    tokens = re.split(r"([_\W]+)", key)
    usual = []
    for position, token in enumerate(tokens):
        if token.lower() in PICTURES:
            partner = LABELS[1] if token.lower().startswith("im") else LABELS[0]
            for word in (partner, *LABELS):
                usual.append("".join([*tokens[:position], word, *tokens[position + 1 :]]).lower())
    if key == "arr_0":  # what numpy calls arrays without names
        usual.append("arr_1")
    words = WORDS.get(split_named(split), (split,))
    usual += [f"{word}_y" for word in words] + ["y", "labels", "label", "targets"]
    usual = [name for name in dict.fromkeys(usual) if name != key.lower()]
    return file.find(asked, usual, "data.labels", f'labels for "{key}"')


# Labels


def _classes(file: _File, key: str, label_key: str, count: int, most: float) -> tuple[list[int], tuple[str, ...]]:
    """The class index of each picture, and the names of the classes."""
    shape, _ = file.header(label_key)
    if not shape or shape[0] != count:
        raise DataError(f'"{label_key}" of {file.path} must hold {count} labels, not shape {shape}.')
    values = file.read(label_key, most)
    if values.ndim == 2 and values.shape[1] == 1:  # as MedMNIST has them
        values = values[:, 0]
    if values.ndim == 2 and values.dtype.kind in "iufb" and _one_hot(values):
        values = values.argmax(1)
    if values.ndim != 1:
        raise DataError(
            f'"{label_key}" of {file.path} must hold {count} labels, one for each picture, not shape {shape}: name '
            "another array in data.labels."
        )
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    if values.dtype.kind not in "iu":
        class_names, indices = classes_of(_texts(values), str(file.path))
        return indices, class_names
    if len(values) and values.min() < 0:
        raise DataError(f'"{label_key}" of {file.path} must hold class indices from 0, not {values.min()}.')
    classes = int(values.max()) + 1 if len(values) else 0
    if classes > max(count, 1000):
        raise DataError(f'"{label_key}" of {file.path} holds numbers up to {classes - 1:,} for {count:,} pictures; as '
                        "indices of classes these are too many: name another array in data.labels.")  # fmt: skip
    return values.tolist(), _class_names(file, (key, label_key), classes)


def _one_hot(values: np.ndarray) -> bool:
    return values.shape[1] > 1 and bool(((values == 0) | (values == 1)).all() and (values.sum(1) == 1).all())


def _texts(values: np.ndarray) -> list[Any]:
    if values.dtype.kind == "S":
        return [composed(value.decode("utf-8", "replace")) for value in values.tolist()]
    try:
        return [composed(value) for value in values.tolist()] if values.dtype.kind == "U" else values.tolist()
    except (IndexError, ValueError):  # numbers that stand for no character
        raise DataError("A list of words in the .npz holds what is no text: write it anew.") from None


def _class_names(file: _File, taken: Sequence[str], count: int) -> tuple[str, ...]:
    """A list of as many words as there are classes is the list of their names; without one, the numbers."""
    for other in sorted(file.members, key=lambda name: (name.lower() not in NAMES, name)):
        if other in taken or file.members[other].file_size > NAMES_BYTES:
            continue
        try:
            shape, dtype = file.header(other)
        except DataError:  # something else that lies beside them
            continue
        if dtype.kind in "US" and shape == (count,):
            return tuple(_texts(file.read(other, NAMES_BYTES)))
    return tuple(str(index) for index in range(count))


# Channels


def _channel_count(shape: Sequence[int]) -> int:
    return 1 if len(shape) == 3 else shape[3] if shape[3] in (1, 3, 4) else shape[1]


def _alpha(array: np.ndarray) -> np.ndarray:
    """The last of four channels of [N, H, W, 4] or [N, 4, H, W]."""
    return array[..., 3] if array.shape[-1] == 4 else array[:, 3]


def _with_channels(array: np.ndarray, channels: int, background: str) -> np.ndarray:
    """uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] -> [N, channels, H, W], as pictures from files would be."""
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[-1] in (1, 3, 4):
        array = array.transpose(0, 3, 1, 2)
    if array.shape[1] == channels:
        return np.ascontiguousarray(array)
    out = np.empty((len(array), channels, *array.shape[2:]), np.uint8)
    # The colour by way of a clear pixel, as only images.py knows what colours are called.
    clear = images.encode_png(torch.full((1, 4, 1, 1), -1.0))
    below = images.to_uint8(images.load_image(clear, channels=3, background=background)).numpy().astype(np.float32)
    for start in range(0, len(array), AT_ONCE):
        block = array[start : start + AT_ONCE]
        colour, alpha = block[:, :3], block[:, 3:]
        if channels == 4:
            out[start : start + AT_ONCE, :3], out[start : start + AT_ONCE, 3] = colour, 255
            continue
        if alpha.shape[1]:
            share = alpha.astype(np.float32) / 255
            colour = np.rint(colour * share + below * (1 - share))
        if channels == 1 and colour.shape[1] == 3:
            colour = np.rint(np.einsum("nchw,c->nhw", colour.astype(np.float32), LUMA))[:, None]
        out[start : start + AT_ONCE] = colour
    return out
