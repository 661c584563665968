"""Which version of a model a folder holds, as one hash: trained further or edited, it is another."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

from ganhub.errors import HubError
from ganhub.hub.folder import CONFIG, index_name, list_weights, read_config

MOST = 1_000  # files whose hashes are remembered

Stamp = tuple[tuple[str, int, int], ...]  # name, time of the last change in ns, and bytes of each file
_hashes: dict[str, tuple[Stamp, str]] = {}
_lock = threading.Lock()


def revision_of(place: str | Path) -> str:
    """sha256 of a model, 64 hex digits: of its config (without ``ganhub_version``) and of its files of weights.

    The weights are read once, and again only after one of the files has changed.

    Args:
        place: A model folder, or the one file of a foreign model.

    Raises:
        HubError: There is no such model, or it cannot be read.
    """
    place, now = Path(os.path.abspath(place)), stamp(place)
    with _lock:
        before, digest = _hashes.get(str(place), ((), ""))
    if digest and before == now:
        return digest
    digest = _file_hash(place) if os.path.isfile(place) else _folder_hash(place)
    with _lock:
        if len(_hashes) >= MOST:
            _hashes.clear()
        _hashes[str(place)] = (now, digest)
    return digest


def stamp(place: str | Path) -> Stamp:
    """What changes where a model's files do: names, times and sizes of config and weights; () where there are none."""
    place = Path(place)
    files = [place] if os.path.isfile(place) else [place / CONFIG, place / index_name(None)]
    if os.path.isdir(place):
        files += sorted(place.glob("*.safetensors"))
    states = []
    for file in files:
        try:
            state = os.stat(file)
        except OSError:
            continue
        states.append((file.name, state.st_mtime_ns, state.st_size))
    return tuple(states)


def _folder_hash(folder: Path) -> str:
    config = {key: value for key, value in read_config(folder).items() if key != "ganhub_version"}
    parts = [json.dumps(config, sort_keys=True, separators=(",", ":")).encode()]
    parts += [_file_hash(file).encode() for file in list_weights(folder)]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def _file_hash(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise HubError(f"{file} cannot be read ({error.strerror}): check the file's permissions.") from error
