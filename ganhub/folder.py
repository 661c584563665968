"""Local model folders: ``config.json`` and ``model.safetensors`` as (config dict, tensors), strictly.

Reading takes safetensors only and checks the header against the size of the file before anything is
allocated; a pickle is recognised and never opened. Writing puts each file in place at once, so that a full disk
or a killed process leaves the old file whole. Every failure is one :class:`~ganhub.errors.HubError` sentence.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import struct
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganhub.errors import HubError

CONFIG = "config.json"
CARD = "README.md"
METRICS = "metrics.json"
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HEADER_LIMIT = 100_000_000  # the safetensors library's own bound on the JSON header, in bytes
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
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
    """The ``config.json`` of ``folder`` as a dict; :class:`HubError` when it is missing or no JSON object."""
    return _read_json(Path(folder) / CONFIG)


def _read_json(path: Path) -> dict[str, Any]:
    folder, name = path.parent, path.name
    if not os.path.isdir(folder):
        raise HubError(f"There is no folder {folder}: check the path.")
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))  # Notepad and PowerShell begin with a mark
    except FileNotFoundError:
        raise HubError(f"{folder} has no {name}: it is no model folder, or not a whole copy.") from None
    except OSError as error:
        raise HubError(f"{path} cannot be read ({error.strerror}): check the file's permissions.") from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise HubError(f"{path} is not valid JSON ({error}): fetch the file again.") from error
    if not isinstance(data, dict):
        raise HubError(f"{path} holds a {type(data).__name__} instead of a JSON object: fetch the file again.")
    return data


def read_shapes(folder: str | Path, variant: str | None = None) -> Shapes:
    """Name -> (shape, dtype) of every stored tensor, from the file headers alone: no tensor is allocated.

    The header is checked against the size of the file, so that a truncated file or one that promises more
    than it holds is refused here.

    Raises:
        HubError: No weights, a truncated file, or a file that is not safetensors (a pickle is never opened).
    """
    shapes: Shapes = {}
    for path in _weight_files(Path(folder), variant):
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
    for path in _weight_files(Path(folder), variant):
        _read_header(path)
        try:
            tensors |= load_file(path)
        except (SafetensorError, OSError) as error:
            raise HubError(f"{path} cannot be read as safetensors ({error}): fetch it again.") from error
    return tensors


def _weight_files(folder: Path, variant: str | None) -> list[Path]:
    if not folder.is_dir():
        raise HubError(f"There is no folder {folder}: check the path.")
    single = folder / weights_name(variant)
    if single.is_file():
        return [single]
    if (folder / index_name(variant)).is_file():
        return _shards(folder, _read_json(folder / index_name(variant)))
    raise HubError(no_weights(str(folder), [path.name for path in folder.iterdir()], variant))


def _shards(folder: Path, index: dict[str, Any]) -> list[Path]:
    weight_map = index.get("weight_map")
    names = sorted(set(weight_map.values())) if isinstance(weight_map, dict) and weight_map else []
    for name in names:
        if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name) or not name.endswith(".safetensors"):
            raise HubError(f"The index in {folder} names {name!r}, no safetensors file beside it: fetch it again.")
        if not (folder / name).is_file():
            raise HubError(f"{folder} lacks {name}, which its index names: fetch the folder again.")
    if not names:
        raise HubError(f"The index in {folder} has no weight_map: fetch it again.")
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
        header = json.loads(raw)
        shapes, end = {}, 0
        for name, entry in sorted(
            ((name, entry) for name, entry in header.items() if name != "__metadata__"),
            key=lambda item: item[1]["data_offsets"],
        ):
            shape, (begin, stop) = tuple(entry["shape"]), entry["data_offsets"]
            dtype = _DTYPES.get(entry["dtype"])
            if dtype is None:
                raise HubError(f"{path} stores {name} as {entry['dtype']}, which cannot be read: convert it.")
            if any(type(side) is not int or side < 0 for side in shape):
                raise ValueError(f"{name} has the shape {shape}")
            if begin != end or stop - begin != math.prod(shape) * dtype.itemsize:
                raise ValueError(f"the bytes of {name} do not fit its shape {shape}")
            shapes[name], end = (shape, dtype), stop
    except HubError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HubError(f"{path} has a broken safetensors header ({error}): fetch the file again.") from error
    if 8 + length + end != size:
        raise HubError(f"{path} has {size} of {8 + length + end} bytes: it is truncated; fetch the file again.")
    return shapes


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
        tensors: Any device; floating-point ones are stored as ``dtype`` (``None``: as they are).

    Raises:
        HubError: The disk is full or the folder cannot be written; files that were there are untouched.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        tensor = tensor.to("cpu", dtype if tensor.is_floating_point() else None)
        # safetensors refuses tensors that share memory (tied weights, views): each gets its own copy.
        stored[name] = tensor.contiguous().clone()
    text = json.dumps(dict(config), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _make_folder(folder)
    write_together(
        {
            folder / weights_name(variant): lambda path: save_file(stored, path, metadata={"format": "pt"}),
            folder / CONFIG: lambda path: path.write_bytes(text.encode()),
        }
    )
    return folder


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HubError(f"The folder {folder} cannot be made ({error.strerror}): choose another.") from error


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place; on trouble the old file stays."""
    write_together({path: write})


def write_together(files: Mapping[Path, Callable[[Path], object]]) -> None:
    """Write several files, path -> what fills it; none is put in place before all of them are on the disk.

    Raises:
        HubError: The disk is full or a folder cannot be written; files that were there are untouched.
    """
    parts = {path: path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp") for path in files}
    path = next(iter(files))
    try:
        for path, write in files.items():
            write(parts[path])
            parts[path].chmod(0o644)  # safetensors makes its files for the owner alone
            with parts[path].open("rb+") as file:
                os.fsync(file.fileno())
        for path, part in parts.items():
            os.replace(part, path)
    except Exception as error:
        if disk_is_full(error):
            raise HubError(
                f"The disk is full, so {path} was not written and what was there is untouched: free some space and "
                "save again."
            ) from error
        if isinstance(error, OSError):
            raise HubError(f"{path} cannot be written ({error.strerror}): choose another folder.") from error
        raise
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is the system's "no space left"."""
    # safetensors reports the system's error as text, huggingface_hub as the cause of its own.
    numbers = {int(number) for number in re.findall(r"os error (\d+)", str(error))}
    full = bool(_NO_SPACE & (numbers | {getattr(error, "errno", None)}))
    return full or (error.__cause__ is not None and disk_is_full(error.__cause__))
