"""``ganhub translate``, ``ganhub upscale`` and ``ganhub inpaint``: photos and folders of photos, turned into others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ganhub import hub, zoo
from ganhub.cli import _files as files
from ganhub.cli._inputs import place
from ganhub.convert import SUFFIXES
from ganhub.creation import Inpaint, Inputs, LocalLibrary, Translate, marks, render
from ganhub.creation.library import is_foreign
from ganhub.creation.photo import NO_PHOTO, OfPhoto, read_mask
from ganhub.errors import ConfigError
from ganhub.models import Inpainter, Translator

Photos = Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Pictures, folders, or patterns.")]
Out = Annotated[Path, typer.Option(parser=place, help="The file to write; a folder for several photos.")]
Which = Annotated[str, typer.Option("--model", help="A folder, a name, or owner/name on the Hub.")]
WhichOrFile = Annotated[
    str, typer.Option("--model", help=f"A folder, a name, owner/name on the Hub, or a file: {', '.join(SUFFIXES)}.")
]
Jobs = list[tuple[Path, Path]]
UPSCALER, INPAINTER = zoo.default("enlarge"), zoo.default("fill")
Tile = Annotated[str, typer.Option(help="auto, off, or pixels a side: large photos in tiles.")]
Ensemble = Annotated[
    bool, typer.Option("--self-ensemble", help="The mean over the photo's eight positions: better, eight times slower.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")]


def translate(
    photos: Photos,
    model: WhichOrFile,
    out: Out,
    tile: Tile = "auto",
    self_ensemble: Ensemble = False,
    force: files.Force = False,
    device: Device = "auto",
) -> None:
    """Translate photos: sketch to picture, photo to painting, grey to colour, by what the model has learnt.

    Transparency is kept where the suffix allows it; photos lie as they are meant to be seen. For a model of line
    drawings, dabs of colour between the lines colour what lies there, and the drawing is laid on white.
    """
    jobs, side = _planned(photos, out, force), files.side_of_tiles(tile)
    library = LocalLibrary(device)
    library.open(model, Translator)
    dabs = not is_foreign(model) and zoo.read_entry(model, hub.locate(model)).takes_dabs
    plan = Translate(photo=NO_PHOTO, model=model, tile=side, self_ensemble=self_ensemble, opaque=dabs, dabs=dabs)
    _work(jobs, library, plan, Inputs(), "translated")


def upscale(
    photos: Photos,
    out: Out,
    model: WhichOrFile = UPSCALER,
    tile: Tile = "auto",
    self_ensemble: Ensemble = False,
    force: files.Force = False,
    device: Device = "auto",
) -> None:
    """Enlarge photos by the model's factor, in tiles where they are large."""
    jobs, side = _planned(photos, out, force), files.side_of_tiles(tile)
    library = LocalLibrary(device)
    upscaler = library.open(model, Translator)
    if upscaler.scale == 1:
        raise ConfigError(f"{model} leaves pictures as large as they are: run `{upscaler.command(model)}`.")
    options = {"model": model, "tile": side, "self_ensemble": self_ensemble}
    _work(jobs, library, Translate(photo=NO_PHOTO, **options), Inputs(), "translated")


def inpaint(
    photos: Photos,
    mask: Annotated[Path, typer.Option(help="A picture of the photo's size: filled where it is white.")],
    out: Out,
    model: Which = INPAINTER,
    tile: Tile = "auto",
    force: files.Force = False,
    device: Device = "auto",
) -> None:
    """Fill holes, scratches and what should go, where the mask is white."""
    jobs, side = _planned(photos, out, force, read=[str(mask)]), files.side_of_tiles(tile)
    library, inputs = LocalLibrary(device), Inputs()
    library.open(model, Inpainter)
    plan = Inpaint(photo=NO_PHOTO, model=model, mask=inputs.add(mask), tile=side)
    read_mask(inputs, plan.mask)  # what is wrong with it is said before the work
    _work(jobs, library, plan, inputs, "filled")


def _planned(photos: Sequence[str], out: Path, force: bool, read: Sequence[str] = ()) -> Jobs:
    """What is wrong with the files is said before a model is fetched."""
    jobs = files.targets(photos, out, read, films=False)
    files.may_write([target for _, target in jobs], force)
    return jobs


def _work(
    jobs: Jobs, library: LocalLibrary, plan: OfPhoto, inputs: Inputs, done: str
) -> None:  # fmt: skip
    """Render what is planned for each photo."""

    def work(source: Path, target: Path, show: Callable) -> list[str]:
        if source.suffix.lower() in files.FILMS and source.suffix.lower() != ".gif":
            raise ConfigError("is a film; only pictures are worked on here.")
        creation = replace(plan, photo=inputs.add(source))
        result = render(creation, library, show, inputs=inputs)
        return files.save_result(result, source, target, marks.mark_of(creation, library))

    files.work_through(jobs, work, done)


PLACE = 90  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("translate")(translate)
    cli.command("upscale")(upscale)
    cli.command("inpaint")(inpaint)
