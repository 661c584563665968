"""``ganhub train``: a recipe and pictures become a model folder. ``training/train.py`` calls the same function."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ganhub.cli._inputs import place, say, split_overrides
from ganhub.errors import ConfigError
from ganhub.extras import needed_for
from ganhub.nn.processes import part, speaks_first

AUTO = "auto"


def train(
    recipe: Annotated[
        str, typer.Argument(help="A .toml file, the name of a recipe that comes with ganhub, or auto: look and choose.")
    ],
    out: Annotated[Path, typer.Option(parser=place, help="Folder of the run; it ends as a model folder.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] [table.key=value]...",
            help="Your pictures (a folder, .zip, .npz or Hub data set), and what is to be changed in the recipe, for "
            "example train.images=20_000.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train a model on your own pictures; the same command goes on where a run stopped.

    `ganhub train auto DATA --out RUN` looks at the pictures, says what it found, and chooses recipe, size and length.
    """
    given, overrides = split_overrides(arguments or [])
    if len(given) > 1:
        raise ConfigError(f"Name one place with pictures, not {' and '.join(given)}; the rest is table.key=value.")
    start(recipe, given[0] if given else None, overrides, out)


def start(recipe: str, data: str | None, overrides: Sequence[str], out: str | Path) -> Path:
    """Read a recipe for somebody's pictures, say how long it takes, and run it in a folder; returns the folder.

    Args:
        recipe: A file, a recipe's name, or "auto".
        data: Where the pictures lie; None: where the recipe says.
        overrides: ``table.key=value``.
        out: The run's folder; the same call goes on in it.

    Raises:
        GanhubError: Whatever is wrong with the recipe, the pictures or the run.
    """
    with needed_for("Training"):
        from ganhub.trainer import Trainer
        from ganhub.trainer.budget import take_threads
        from ganhub.trainer.estimate import announcement
        from ganhub.trainer.shelf import own_recipe
    if recipe == AUTO:
        if data is None:
            raise ConfigError("Say where your pictures lie: ganhub train auto DATA --out RUN.")
        recipe, overrides = _choose(data, overrides, Path(out))
    chosen = own_recipe(recipe, data, overrides)
    if chosen.train.tracker:  # else it would be missed only at the first alarm
        with needed_for(f"train.tracker={chosen.train.tracker}"):
            importlib.import_module(chosen.train.tracker)
    if (text := take_threads(chosen.train.threads)) and speaks_first():
        say(text, err=True)
    trainer = Trainer(chosen, out)
    if (text := announcement(trainer)) and trainer.main:
        say(text, err=True)
    done = trainer.run()
    if text and trainer.main and trainer.images_seen >= trainer.train.images:
        say(f"Finished: {done} is a model folder. Try it: {trainer.model.command(shlex.quote(str(done)))}", err=True)
    part()
    return done


def _choose(data: str, overrides: Sequence[str], out: Path) -> tuple[str, list[str]]:
    from ganhub.trainer.auto import auto_recipe

    found, choice = auto_recipe(data, started=any(text.startswith("train.init=") for text in overrides))
    changed = list({text.partition("=")[0]: text for text in [*choice.overrides, *overrides]}.values())
    if speaks_first():
        say(found.sentence(), err=True)
        for reason in choice.reasons:
            say(reason, err=True)
        line = shlex.join(["ganhub", "train", choice.recipe, data, "--out", str(out), *changed])
        say(f"The same without auto: {line}", err=True)
    return choice.recipe, changed


PLACE = 100  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("train")(train)
