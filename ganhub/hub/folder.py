"""Local model folders: ``config.json`` and ``model.safetensors`` as (config dict, tensors), strictly.

Reading takes safetensors only and checks the header against the size of the file before anything is
allocated; a pickle is recognised and never opened. Writing puts each file in place at once, so that a full disk
or a killed process leaves the old file whole. Every failure is one sentence: a :class:`~ganhub.errors.HubError`, or a
:class:`~ganhub.errors.FileError` where something cannot be written.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganhub.errors import HubError
from ganhub.files import make_folder, parse_json, read_within, write_together

CONFIG = "config.json"
CARD = "README.md"
METRICS = "metrics.json"
DIRECTIONS = "directions.json"
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
MAX_CONFIG = 1_000_000  # bytes of config.json; those of the families here have a few thousand
MAX_JSON = 10_000_000  # bytes of metrics.json or of an index
MAX_DIRECTIONS = 5_000_000  # bytes of directions.json: 500 directions of 512 numbers take that much
MAX_LIST = 10_000  # entries of a list in config.json; metrics and indices may have ten times as many
_HEADER_LIMIT = 10_000_000  # bytes of a safetensors header: some 100,000 tensors
MAX_SHARDS = 1_000
_MAX_SIDES = 16  # of one tensor
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
Shapes = dict[str, tuple[tuple[int, ...], torch.dtype]]


def weights_name(variant: str | None = None) -> str:
    """The weight file of a variant: ``model.safetensors``, or ``model.fp16.safetensors`` for ``"fp16"``."""
    if variant is not None and not PLAIN_NAME.fullmatch(variant):
        raise HubError(f"variant {variant!r} is no name: use something like 'fp16'.")
    return f"model.{variant}.safetensors" if variant else "model.safetensors"


def index_name(variant: str | None) -> str:
    """The index of a variant that is stored in several files, in the spelling of diffusers."""
    return f"model.safetensors.index.{variant}.json" if variant else "model.safetensors.index.json"


def read_config(folder: str | Path) -> dict[str, Any]:
    """The ``config.json`` of ``folder`` as a dict; :class:`HubError` if it is missing, too large or no JSON object."""
    return read_json(Path(folder) / CONFIG, limit=MAX_CONFIG, longest=MAX_LIST)


def read_json(
    path: Path, *, limit: int = MAX_JSON, longest: int = 10 * MAX_LIST, finite: bool = True
) -> dict[str, Any]:
    """A JSON file that holds an object, within bounds.

    Args:
        limit: The most bytes that are read.
        longest: The most entries of a list in it.
        finite: Refuse NaN and infinities.

    Raises:
        HubError: Missing, too large, nested too deep, no JSON, or no object.
    """
    folder, name = path.parent, path.name
    if not os.path.isdir(folder):
        raise HubError(f"There is no folder {clipped(folder)}: check the path.")
    try:
        data = parse_json(read_within(path, limit), longest=longest, finite=finite)
    except FileNotFoundError:
        raise HubError(f"{folder} has no {name}: it is no model folder, or not a whole copy.") from None
    except OSError as error:
        raise HubError(f"{path} cannot be read ({error.strerror}): check the file's permissions.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise HubError(f"{path} is not valid JSON ({clipped(error)}): fetch the file again.") from error
    except ValueError as error:
        raise HubError(f"{path} is not read as JSON: {clipped(error)}. Fetch the file again.") from error
    if not isinstance(data, dict):
        raise HubError(f"{path} holds a {type(data).__name__} instead of a JSON object: fetch the file again.")
    return data


def clipped(text: object, most: int = 200) -> str:
    """A text from outside as it may stand in a sentence: on one line, and not longer than ``most`` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else line[: most - 3] + "..."


def read_shapes(folder: str | Path, variant: str | None = None) -> Shapes:
    """Name -> (shape, dtype) of every stored tensor, from the file headers alone: no tensor is allocated.

    The header is checked against the size of the file, so that a truncated file or one that promises more
    than it holds is refused here.

    Raises:
        HubError: No weights, a truncated file, or a file that is not safetensors (a pickle is never opened).
    """
    shapes: Shapes = {}
    for path in list_weights(Path(folder), variant):
        shapes |= _read_header(path)
    return shapes


def read_tensors(folder: str | Path, variant: str | None = None) -> dict[str, Tensor]:
    """Name -> tensor on the CPU in the stored dtype, from safetensors only (one file, or indexed shards).

    Raises:
        HubError: As :func:`read_shapes`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for path in list_weights(Path(folder), variant):
        _read_header(path)
        try:
            tensors |= load_file(path)
        except (SafetensorError, OSError) as error:
            raise HubError(f"{path} cannot be read as safetensors ({clipped(error)}): fetch it again.") from error
    return tensors


def list_weights(folder: Path, variant: str | None = None) -> list[Path]:
    """The files that hold a folder's weights: one, or the shards of its index; HubError where there are none."""
    if not os.path.isdir(folder):
        raise HubError(f"There is no folder {clipped(folder)}: check the path.")
    single = folder / weights_name(variant)
    if os.path.isfile(single):
        return [single]
    if os.path.isfile(folder / index_name(variant)):
        return _shards(folder, read_json(folder / index_name(variant)))
    raise HubError(no_weights(str(folder), [path.name for path in folder.iterdir()], variant))


def _shards(folder: Path, index: dict[str, Any]) -> list[Path]:
    weight_map = index.get("weight_map")
    shards = list(weight_map.values()) if isinstance(weight_map, dict) else []
    for name in shards:
        if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name) or not name.endswith(".safetensors"):
            raise HubError(
                f"The index in {folder} names {clipped(repr(name), 80)}, no safetensors file beside it: fetch it again."
            )
    names = sorted(set(shards))
    for name in names:
        if not os.path.isfile(folder / name):
            raise HubError(f"{folder} lacks {clipped(name, 80)}, which its index names: fetch the folder again.")
    if not 0 < len(names) <= MAX_SHARDS:
        raise HubError(f"The index in {folder} names {len(names)} files of weights, not 1 to {MAX_SHARDS}.")
    return [folder / name for name in names]


def no_weights(where: str, names: list[str], variant: str | None) -> str:
    """The sentence for a place that lacks the asked weights, which looks at what is there instead."""
    stored = sorted(name for name in names if re.fullmatch(r"model(\.[\w-]+)?\.safetensors", name))
    pickles = sorted(name for name in names if name.endswith(_PICKLES))
    if stored:
        return f"{where} has no {weights_name(variant)}, but {', '.join(stored)}: choose variant= accordingly."
    if pickles:
        return (
            f"{where} has no {weights_name(variant)}, only {pickles[0]}: this is a pickle, which can run code, "
            "so it is not opened; ask the author for safetensors or convert it."
        )
    return f"{where} has no {weights_name(variant)}: it holds no weights, or the copy is not complete."


def _read_header(path: Path) -> Shapes:
    """Check the layout ``u64 length | JSON header | bytes`` of one safetensors file; no tensor is read."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            fits = 2 <= length <= min(size - 8, _HEADER_LIMIT)
            raw = file.read(length) if fits else b""
            if not raw.startswith(b"{"):
                file.seek(0)
                raise HubError(f"{path} is no safetensors file: {_what_it_is(file.read(256), length, size)}")
    except OSError as error:
        raise HubError(f"{path} cannot be read ({error.strerror}): check the file's permissions.") from error
    try:
        shapes, end = _read_entries(raw)
    except HubError as error:
        raise HubError(f"{path} stores {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HubError(f"{path} has a broken safetensors header ({clipped(error)}): fetch the file again.") from error
    if 8 + length + end != size:
        raise HubError(f"{path} has {size} of {8 + length + end} bytes: it is truncated; fetch the file again.")
    return shapes


def _read_entries(raw: bytes) -> tuple[Shapes, int]:
    """The tensors of a safetensors header in the order of their bytes, and where the last of these ends."""
    header = parse_json(raw, longest=10 * MAX_LIST)
    header.pop("__metadata__", None)
    shapes: Shapes = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: tuple(map(int, item[1]["data_offsets"]))):
        shape, (begin, stop) = tuple(entry["shape"]), entry["data_offsets"]
        dtype = _DTYPES.get(str(entry["dtype"]))
        if dtype is None:
            raise HubError(f"{clipped(name, 80)} as {clipped(entry['dtype'], 40)}, which cannot be read: convert it.")
        if len(shape) > _MAX_SIDES or any(type(side) is not int or side < 0 for side in shape):
            raise ValueError(f"{clipped(name, 80)} has the shape {clipped(shape, 80)}")
        if begin != end or stop - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"the bytes of {clipped(name, 80)} do not fit its shape {clipped(shape, 80)}")
        shapes[name], end = (shape, dtype), stop
    return shapes, end


def _what_it_is(start: bytes, length: int, size: int) -> str:
    text = start.lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        return "this is a Git LFS pointer; run `git lfs pull` in the folder."
    if text.startswith((b"<!doctype", b"<html")):
        return "this is a web page; fetch the file again."
    # A pickle opens with its protocol; torch.save writes a zip around one.
    if re.match(rb"\x80[\x00-\x05]|PK\x03\x04|\(", start):
        return (
            "this is a pickle (or a zip around one), which can run code, so it is not opened; ask the author "
            "for safetensors or convert it."
        )
    if start[8:9] == b"{" and _HEADER_LIMIT < length <= size:
        return f"its header is larger than {_HEADER_LIMIT / 1e6:g} MB; ask the author for fewer tensors in one file."
    if size < 8 or (start[8:9] == b"{" and length <= _HEADER_LIMIT):
        return "it is truncated; fetch the file again."
    return "its content is something else; ask the author for safetensors or fetch the file again."


def write_folder(
    folder: str | Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    variant: str | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write ``config.json`` and ``model[.variant].safetensors``; a reader sees the old file or the new one.

    Args:
        folder: Made when missing; other files in it are left alone.
        config: JSON values only.
        tensors: Any device; floating-point ones are stored as ``dtype`` (``None``: as they are), but for those with
            numbers that are too large for it.

    Raises:
        FileError: The disk is full or the folder cannot be written; files that were there are untouched.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().to("cpu")
        narrow = tensor.to(dtype if tensor.is_floating_point() else None)
        if narrow.isfinite().all() or not tensor.isfinite().all():
            tensor = narrow
        # safetensors refuses tensors that share memory (tied weights, views): each gets its own copy.
        stored[name] = tensor.contiguous().clone()
    text = json.dumps(dict(config), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    make_folder(folder)
    write_together(
        {
            folder / weights_name(variant): lambda path: save_file(stored, path, metadata={"format": "pt"}),
            folder / CONFIG: lambda path: path.write_bytes(text.encode()),
        },
        sync=True,
    )
    return folder
