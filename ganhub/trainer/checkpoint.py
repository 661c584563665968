"""Checkpoints of a run, written so that a crash in the middle never costs the one before."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ganhub.errors import FileError, TrainingError
from ganhub.files import disk_is_full, write_atomically

_OURS = re.compile(r"\d{12}\.pt")


def save_checkpoint(folder: Path, images_seen: int, state: dict[str, Any], *, keep: int) -> Path:
    """Write ``state`` as folder/IMAGES.pt, all or nothing, and drop what is older than the newest ``keep``.

    Raises:
        TrainingError: When the disk is full or not writable; earlier checkpoints stay.
    """
    path = folder / f"{images_seen:012d}.pt"

    def fill(part: Path) -> None:
        with part.open("wb") as file:  # into a path torch writes by itself, and does not say that the disk is full
            torch.save(state, file)

    try:
        write_atomically(path, fill, sync=True)
    except (FileError, RuntimeError) as error:  # torch reports some failed writes as RuntimeError
        reason = "the disk is full" if disk_is_full(error) else str(error.__cause__ or error)
        raise TrainingError(
            f"The checkpoint {path} could not be written: {reason}. Earlier checkpoints are kept; "
            "make room and run the same command again."
        ) from None
    # One of more pictures is damaged, else the run would have gone on from there: it does not count.
    older = [one for one in list_checkpoints(folder) if one.name <= path.name]
    for old in older[:-keep]:
        with suppress(OSError):
            old.unlink(missing_ok=True)
    for old in folder.glob("*.pt.part"):  # of runs of 0.5 that were killed while they wrote
        if _OURS.fullmatch(old.name.removesuffix(".part")):
            with suppress(OSError):
                old.unlink(missing_ok=True)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints that a run wrote (twelve digits and .pt), oldest first; other files are left alone."""
    return sorted(path for path in folder.glob("*.pt") if _OURS.fullmatch(path.name))


def load_checkpoint(folder: Path, *, quiet: bool = False) -> dict[str, Any] | None:
    """Read the newest checkpoint that can be read, or None where there is none. Runs no code from the file.

    Raises:
        TrainingError: When there are some, and none can be read: to start again would write over what the run left.
    """
    paths = list_checkpoints(folder)
    for path in reversed(paths):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if isinstance(state, dict):
                return state
            reason = f"it holds a {type(state).__name__}"
        except Exception as error:  # a damaged file must not hide the whole one before it
            reason = type(error).__name__
        if not quiet:
            print(f"{path.name} is damaged ({reason}); trying the checkpoint before it.")
    if paths:
        raise TrainingError(
            f"None of the {len(paths)} checkpoints in {folder} can be read: put back a copy, or take another "
            "--out folder."
        )
    return None
