"""Weights in other people's files: read without running code, bounded, and taken out of what is around them.

Trainings wrap the weights that matter: in dicts ("params_ema", "state_dict"), and in modules that put their own name
before every other ("module." of DataParallel, "_orig_mod." of torch.compile, "net_g." of Lightning).
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganhub.errors import ConfigError, HubError
from ganhub.models.esrgan import require_stored

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
MOST_TENSORS = 20_000
# What weights are in, the better ones first: averages over the training come before its last step. Beside a generator
# lie other networks; what the second names stand for is all there is.
_GENERATORS = (
    "params_ema", "params-ema", "g_ema", "G_ema", "generator_ema", "net_g_ema", "netG_ema", "ema_model", "model_ema",
    "ema", "params", "generator", "net_g", "netG", "gen", "g", "G",
)  # fmt: skip
_WHOLE = ("model_state_dict", "state_dict", "model", "net", "network", "module", "_orig_mod")
_DEPTH = 12  # wrappers are wrapped, and a dict may hold itself


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of the network in a .pth, .pt, .ckpt or .safetensors, without wrappers and prefixes.

    Returns:
        Name -> tensor on the CPU in the stored dtype. None of them is larger than what the file holds of it.

    Raises:
        ConfigError: Another suffix.
        HubError: A file that is missing, broken, larger unpacked than it is, or needs code to be opened; or no weights.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path.name} is no file of weights: these end in {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise HubError(f"There is no file {path}: check the path.")
    tensors = _unwrapped(_read(path))
    # Beside the weights lie counters, such as n_averaged, that are of no layer.
    tensors = {name: x for name, x in tensors.items() if "." in name or x.dim()}
    if not tensors:
        raise HubError(f"{path.name} holds no weights under any of the usual names: choose another file.")
    if len(tensors) > MOST_TENSORS:
        raise HubError(f"{path.name} holds {len(tensors):,} tensors; at most {MOST_TENSORS:,} are read.")
    for name, tensor in tensors.items():
        try:
            require_stored(name, tensor)
        except (ConfigError, RuntimeError, NotImplementedError) as error:  # some kinds have no storage to ask about
            raise HubError(
                f"{path.name} stores weights in an unusual way: ask for plain float32 or float16 weights."
            ) from error
    return tensors


def _read(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        _check_claims(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except HubError:
        raise
    except Exception as error:  # a broken file can make the readers raise anything
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise HubError(
                f"{path.name} holds more than weights ({code[1][:80]}), which could run code, so it is not opened: ask "
                "for a .safetensors, or, where you trust the file, save its state_dict alone."
            ) from error
        raise HubError(f"{path.name} cannot be read as weights: fetch it again, or ask for a .safetensors.") from error


def _check_claims(path: Path) -> None:
    """Refuse what would be larger than its file: packed storages, storages that share bytes, and buffers by number."""
    size = path.stat().st_size
    pickle = b""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > size:
                raise HubError(f"{path.name} is larger unpacked than it is: ask for a .safetensors.")
            pickle = b"".join(archive.read(member) for member in members if member.filename.endswith(".pkl"))
    else:
        with path.open("rb") as file:
            pickle = file.read(2**20)
    if b"bytearray" in pickle:  # the only thing beside tensors that torch lets a file ask for by size
        raise HubError(f"{path.name} holds more than weights, so it is not opened: ask for a .safetensors.")


def _unwrapped(stored: Any) -> dict[str, Tensor]:
    """The named tensors in a file: out of dicts, then without prefixes, as long as there are any."""
    for _ in range(_DEPTH):
        around = stored if isinstance(stored, dict) else {}
        keys = (*_GENERATORS, *_WHOLE, *(around if len(around) == 1 else ()))
        inner = next((around[key] for key in keys if isinstance(around.get(key), dict)), None)
        if inner is None:
            break
        stored = inner
    tensors = {name: x for name, x in around.items() if isinstance(name, str) and isinstance(x, Tensor)}
    for _ in range(_DEPTH):
        name = next((name for name in (*_GENERATORS, *_WHOLE) if _is_around(name, tensors)), None)
        if name is None:
            break
        prefix = f"{name}."
        tensors = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
    return tensors


def _is_around(name: str, tensors: dict[str, Tensor]) -> bool:
    """Whether ``name`` is that of a module around a network; "model.0.weight" is a name of ESRGAN's own."""
    behind = [key.removeprefix(f"{name}.") for key in tensors if key.startswith(f"{name}.")]
    numbers = sum(x.is_floating_point() for x in tensors.values())  # beside a whole network are counters at most
    return (
        bool(behind)
        and (name in _GENERATORS or len(behind) >= numbers)
        and not any(key.split(".")[0].isdigit() for key in behind)
    )
