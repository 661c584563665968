"""Checkpoints of a run, written so that a crash in the middle never costs the one before."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import torch

from ganhub.errors import TrainingError


def save_checkpoint(folder: Path, images_seen: int, state: dict[str, Any], *, keep: int) -> Path:
    """Write ``state`` as folder/IMAGES.pt, all or nothing, and drop all but the newest ``keep``.

    Raises:
        TrainingError: When the disk is full or not writable; earlier checkpoints stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / f"{images_seen:012d}.pt", folder / f"{images_seen:012d}.pt.part"
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)  # the only moment at which the name exists, and by then the file is whole
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
        part.unlink(missing_ok=True)
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space" in str(error)
        reason = "the disk is full" if full else str(error)
        raise TrainingError(
            f"The checkpoint {path} could not be written: {reason}. Earlier checkpoints are kept; "
            "make room and run the same command again."
        ) from None
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    for old in folder.glob("*.pt.part"):  # of runs that were killed while they wrote
        if re.fullmatch(r"\d{12}\.pt\.part", old.name):
            old.unlink(missing_ok=True)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints in a folder, oldest first."""
    return sorted(folder.glob("*.pt"))


def load_checkpoint(folder: Path, *, quiet: bool = False) -> dict[str, Any] | None:
    """Read the newest checkpoint that can be read, or None where there is none. Runs no code from the file."""
    for path in reversed(list_checkpoints(folder)):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file must not hide the whole one before it
            if not quiet:
                print(f"{path.name} is damaged ({type(error).__name__}); trying the checkpoint before it.")
    return None
