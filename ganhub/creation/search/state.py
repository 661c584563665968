"""The file that a search is resumed from: one line of JSON with the Creation, the tape and the wall."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from ganhub.creation._base import Creation
from ganhub.creation.search.evolve import MOST, Evolve
from ganhub.creation.search.search import State
from ganhub.creation.search.wall import MOST as MOST_PICTURES
from ganhub.errors import ConfigError, FileError
from ganhub.files import parse_json, read_within, write_atomically

VERSION = 1
MAX_BYTES = 32_000_000


def save_state(path: str | os.PathLike[str], evolve: Evolve, state: State) -> Path:
    """Write a search as it stands, whole or not at all; FileError where that cannot be."""
    wall = [{"point": list(point), "score": score} for point, score in state.wall]
    data = {"version": VERSION, "creation": evolve.to_dict(), "tape": state.tape, "digest": state.digest, "wall": wall}
    text = json.dumps(data, allow_nan=False)
    return write_atomically(path, lambda place: place.write_text(text, "utf-8"))


def load_state(path: str | os.PathLike[str], evolve: Evolve) -> State:
    """Read what :func:`save_state` wrote of the same search, or of one with fewer or more generations.

    Args:
        evolve: Pinned, if a search with another version of the model shall be refused.

    Raises:
        FileError: A file that holds no search.
        ConfigError: It holds another search.
    """
    path = Path(path)
    try:
        data = parse_json(read_within(path, MAX_BYTES), longest=MOST)
        before, state = _read(data)
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise FileError(
            f"{path} holds no search that can go on ({error}): choose another folder, or begin anew (--force)."
        ) from None
    fields = [key for key, value in evolve.to_dict().items() if before.get(key) != value and key != "generations"]
    if fields:
        differ = ", ".join("version of the model" if key == "revision" else key for key in fields)
        raise ConfigError(
            f"{path} is of another search (not the same: {differ}): choose another folder, or begin anew (--force)."
        )
    return state


def _read(data: Any) -> tuple[dict[str, Any], State]:
    """The Creation's fields and the state; ValueError, KeyError, TypeError or ConfigError for anything else."""
    if data["version"] != VERSION:
        raise ValueError(f"its version is not {VERSION}")
    before = Creation.from_dict(data["creation"])
    if not isinstance(before, Evolve) or not isinstance(data["digest"], str):
        raise ValueError("it is of another kind")
    tape = tuple(_number(score) for score in data["tape"])
    wall = tuple((tuple(map(_number, one["point"])), _number(one["score"])) for one in data["wall"][:MOST_PICTURES])
    if any(len(point) != len(wall[0][0]) for point, _ in wall) or bool(wall) != bool(tape):
        raise ValueError("its pictures do not fit its scores")
    return before.to_dict(), State(tape, data["digest"], wall)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("it holds a score that is no number")
    return float(value)
