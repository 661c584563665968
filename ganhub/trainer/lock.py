"""One trainer in a folder: a lock of the operating system, which is released however the process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import torch

from ganhub.errors import TrainingError
from ganhub.nn.processes import total

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt


@contextmanager
def hold(out: Path, *, main: bool = True, world: int = 1, device: torch.device | str = "cpu") -> Iterator[None]:
    """Keep other trainers out of the run's folder, and make that folder; of several processes the first does it.

    Args:
        out: The run's folder.
        main: Whether this is the first process.
        world: How many there are.
        device: Over which they speak to each other.

    Raises:
        TrainingError: When another run trains there, or the folder cannot be written.
    """
    with ExitStack() as stack:
        trouble = None
        if main:
            try:
                stack.enter_context(_locked(out))
            except TrainingError as error:
                trouble = error
        if world > 1 and total(torch.tensor([float(bool(trouble))], device=device)).item():
            trouble = trouble or TrainingError(
                f"Another run trains in {out}, or the folder cannot be written; take another --out folder."
            )
        if trouble:
            raise trouble
        yield


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    path = out / "checkpoints" / ".lock"  # never pushed, and left there: to remove a lock would open it to two
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise TrainingError(
            f"The folder {out} cannot be written ({error.strerror}); take another --out folder."
        ) from None
    with file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            raise TrainingError(
                f"Another run trains in {out} at this moment: wait for it, stop it, or take another --out folder."
            ) from None
        except OSError as error:
            print(f"{out} cannot be locked ({error.strerror}): start no second run in it.")
        yield  # closing the file gives the lock back


def _lock(file: BinaryIO) -> None:
    """Lock without waiting; raises BlockingIOError or PermissionError when another holds it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
