"""What several commands share: real pictures prepared as a recipe does, what is printed, and a progress bar."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ganhub import hub
from ganhub.config import apply_override
from ganhub.console import printable
from ganhub.errors import ConfigError
from ganhub.extras import needed_for

if TYPE_CHECKING:
    from rich.progress import Progress

    from ganhub.data import DataConfig

# Of the data's settings, what does not change which pictures they are or how they look.
UNSAID = ("path", "seed", "split", "streaming", "memory_gb", "labels", "other", "pairing", "captions")


def say(text: str, err: bool = False) -> None:
    """Print lines; what a name of a file could do to a terminal is escaped."""
    typer.echo("\n".join(map(printable, text.split("\n"))), err=err)


def place(text: str | Path) -> Path:
    """Read ``--out`` or its default; an empty one, as a shell leaves of an unset variable, is refused."""
    if not str(text).strip():
        raise typer.BadParameter("it is empty: name a file or folder.")
    return Path(text)


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell names of models from ``table.key=value``."""
    overrides = [text for text in arguments if re.match(r"\w+(\.\w+)+=", text)]
    return [text for text in arguments if text not in overrides], overrides


def data_config(path: str, overrides: Sequence[str], **fields: Any) -> DataConfig:
    """The recipe's [data] table for --data and ``data.key=value``."""
    with needed_for("Reading real pictures"):
        from ganhub.data import DataConfig
    tables: dict[str, Any] = {"data": {"path": path, **fields}}
    for override in overrides:
        if not override.startswith("data."):
            raise ConfigError(f"'{override}' says nothing of the real pictures: write data.key=value.")
        apply_override(tables, override, {"data": DataConfig})
    return DataConfig.from_dict(tables["data"])


def in_words(config: DataConfig) -> str:
    """Which real pictures and how they were prepared; the file's name only, as paths are private."""
    usual = type(config)(path=config.path).to_dict()
    given = config.to_dict()
    changed = [
        key if value is True else f"{key} {value}"
        for key, value in given.items()
        if value != usual[key] and key not in UNSAID
    ]
    name = config.path if hub.is_repo_id(config.path) and not os.path.exists(config.path) else Path(config.path).name
    return ", ".join([name, *changed])


def progress() -> Progress:
    """A bar on the error stream, gone when done; rich is imported only where one is drawn."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)
