"""``ganhub reproduce``: the picture or film of a file once more, from what the file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganhub import hub
from ganhub.cli import _files as files
from ganhub.cli._inputs import place, progress, say
from ganhub.creation import Inputs, LocalLibrary, reproduce
from ganhub.creation.reproduce import kind_of, read_provenance


def again(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A picture or film that ganhub wrote.")],
    photos: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="PHOTO", help="What it was made from: files or folders; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(parser=place, help="The file to write.", show_default="FILE-again, here")
    ] = None,
    force: files.Force = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Make a picture or film again from what its file says, and compare the two.

    On the same kind of machine, with the same versions and thread count, they are equal to the byte.
    """
    provenance, kind = read_provenance(file), kind_of(file)
    out = out or Path(f"{file.stem}-again{kind}")
    files.must_end_in(out, (".jpg", ".jpeg") if kind == ".jpg" else (kind,))
    files.may_write([out], force)
    inputs = Inputs(*files.sources(photos or []))
    say(f"{file} says: {provenance.creation.to_json()}")
    for name in provenance.models:
        if hub.find_local(name) is None:
            say(f"{name} is not on this machine: it is asked for on the Hub.", err=True)
    with progress() as bar:
        task = bar.add_task("Steps")
        copy = reproduce(
            file, LocalLibrary(device), inputs, out=out,
            on_step=lambda step, steps, look: bar.update(task, completed=step, total=steps or None),
        )  # fmt: skip
    for note in copy.notes:
        say(note)
    say(f"{copy.text} In {out}")


PLACE = 95  # of this command in the help


def add_to(cli: typer.Typer) -> None:
    """Register this command."""
    cli.command("reproduce")(again)
