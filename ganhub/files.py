"""Files, at both ends: from outside they are read within bounds, and ours are written all or nothing.

What a stranger wrote (a config, an index, a header) is measured before it is parsed and looked through before it is
used. What ganhub writes is filled in a temporary folder beside its place and renamed: a reader sees the old file or
the new one. A process that is killed leaves its folder behind; the next write beside it removes it.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import math
import os
import re
import shutil
import socket
import stat
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganhub.errors import FileError

MAX_DEPTH = 32  # lists in lists, in any JSON file
MAX_ENTRIES = 1_000_000  # of all lists and objects of one JSON file: about 100 MB once parsed
MAX_DIGITS = 40  # of one number
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: it can be neither printed nor stored
_TEMPORARY = re.compile(r"\.ganhub-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORGOTTEN = 24 * 3600  # seconds after which a temporary folder is left over, whoever made it


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path as a person types it, ``~`` and all; where nobody knows the home it stays as it is."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises there


# --- Reading what others wrote ------------------------------------------------------------


def read_within(path: Path, limit: int) -> bytes:
    """The bytes of a regular file that holds at most ``limit`` of them.

    Raises:
        OSError: As when a file is opened.
        ValueError: It is larger, or no regular file (a pipe would be waited for without end). Says which, in a few
            words.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder raises an OSError that says so
        raise ValueError("it is no regular file")
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it is larger than {limit / 1e6:g} MB")
    return data


def parse_json(data: bytes, *, longest: int, finite: bool = True) -> Any:
    """Parse JSON of a stranger.

    Args:
        longest: How many entries one list or object may have.
        finite: Refuse NaN, infinities and what becomes one (1e400).

    Raises:
        ValueError: Says in a few words what is wrong with it.
    """
    if data.count(b",") > MAX_ENTRIES:
        raise ValueError(f"it has more than {MAX_ENTRIES:,} entries")
    hooks = {"parse_float": _finite, "parse_constant": _finite} if finite else {}
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_int=_whole, **hooks)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} times") from None
    _look_through(value, longest)
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number that can be used")
    return number


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"it holds a number of {len(text)} digits")
    return int(text)


def _look_through(value: Any, longest: int) -> None:
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for one in level:
            if isinstance(one, str) and _SURROGATE.search(one):
                raise ValueError("it holds half a character (a lone surrogate)")
            if isinstance(one, dict | list):
                if depth == MAX_DEPTH:
                    raise ValueError(f"it is nested deeper than {MAX_DEPTH} times")
                if len(one) > longest:
                    raise ValueError(f"a list in it has {len(one):,} entries, more than {longest:,}")
                below += [*one, *one.values()] if isinstance(one, dict) else one
        level, depth = below, depth + 1


# --- Writing ------------------------------------------------------------------------------


def check_place(path: Path) -> None:
    """Raise where a file cannot be put: known before the work, not after it.

    Raises:
        OSError: A folder, a pipe or a device has this name, what should be a folder on the way is none, or nobody but
            others may write there. Folders that are missing are none of these.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise FileExistsError(errno.EEXIST, f"it is {what}", str(path))
    folder = next((place for place in path.parents if os.path.lexists(place)), Path())
    if not os.path.isdir(folder):
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"you may not write into {folder}", str(folder))


def put_in_place(files: Mapping[Path, Callable[[Path], object]], *, sync: bool = False) -> None:
    """Write files, path -> what fills it; none is put in place before all are written.

    Each is filled under its own name in a hidden folder beside its place. What was there stays when one fails. A pipe
    or a device is never replaced.

    Args:
        sync: Wait until the disk has them.

    Raises:
        OSError: As :func:`check_place`, and whatever a filling function raises.
    """
    for path in files:
        check_place(path)
    folders: dict[Path, Path] = {}
    try:
        for path, fill in files.items():
            if path.parent not in folders:
                folders[path.parent] = path.parent / f".ganhub-{_here()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
                folders[path.parent].mkdir()
            part = folders[path.parent] / path.name
            fill(part)
            if sync:
                part.chmod(0o644)  # safetensors makes its files for the owner alone
                with part.open("rb+") as file:
                    os.fsync(file.fileno())
        for path in files:
            os.replace(folders[path.parent] / path.name, path)
    finally:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)


def write_atomically(path: str | os.PathLike[str], fill: Callable[[Path], object], *, sync: bool = False) -> Path:
    """:func:`write_together` for one file; folders on the way are made. Returns the path."""
    path = Path(path)
    make_folder(path.parent)
    write_together({path: fill}, sync=sync)
    return path


def write_together(files: Mapping[Path, Callable[[Path], object]], *, sync: bool = False) -> None:
    """:func:`put_in_place`, with sentences; what a killed process left beside the files goes away.

    Raises:
        FileError: The disk is full or a folder cannot be written; files that were there are untouched.
    """
    path = next(iter(files), Path())  # the one that is being written

    def noted(place: Path, fill: Callable[[Path], object]) -> Callable[[Path], None]:
        def filled(part: Path) -> None:
            nonlocal path
            path = place
            fill(part)

        return filled

    clean = sweep if sync else sweep_once
    for folder in {place.parent for place in files}:
        clean(folder)
    try:
        put_in_place({place: noted(place, fill) for place, fill in files.items()}, sync=sync)
    except Exception as error:
        if disk_is_full(error):
            raise FileError(
                f"The disk is full, so {path} was not written and what was there is untouched: free some space and "
                "save again."
            ) from error
        if isinstance(error, OSError):
            where = error.filename if error.filename in map(str, files) else path  # or a name inside the hidden folder
            reason = error.strerror or str(error)
            raise FileError(f"{where} cannot be written ({reason}): choose another folder.") from error
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing; :class:`FileError` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder {folder} cannot be made ({error.strerror}): choose another.") from error


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or one that came before it, is the system's "no space left"."""
    # safetensors reports the system's error as text, huggingface_hub as the cause of its own.
    numbers = {int(number) for number in re.findall(r"os error (\d+)", str(error))}
    full = bool(_NO_SPACE & (numbers | {getattr(error, "errno", None)}))
    before = error.__cause__ or error.__context__  # torch raises an error of its own while it handles the system's
    return full or (before is not None and disk_is_full(before))


def sweep(folder: Path) -> None:
    """Remove the temporary folders in ``folder`` whose process is dead; nobody else's files are touched."""
    try:
        names = os.listdir(folder)
    except OSError:
        return  # whatever is wrong with it, the writing itself will say
    for name in names:
        match = _TEMPORARY.fullmatch(name)
        if match and _is_left_over(folder / name, match[1], int(match[2])):
            shutil.rmtree(folder / name, ignore_errors=True)


@functools.cache
def sweep_once(folder: Path) -> None:
    """:func:`sweep`, once in the life of a process: for folders of many thousand pictures."""
    sweep(folder)


@functools.cache
def _here() -> str:
    """A short name of the machine (and of the container) in which a process number means something."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {uuid.getnode()} {space}".encode()).hexdigest()[:8]


def _is_left_over(path: Path, here: str, process: int) -> bool:
    try:
        if here == _here() and os.name == "posix":  # elsewhere such a signal would end the process
            os.kill(process, 0)
        return time.time() - path.stat().st_mtime > _FORGOTTEN
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # it lives and is somebody else's, or the folder is gone
        return False
