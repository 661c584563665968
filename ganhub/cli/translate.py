"""``ganhub translate``, ``ganhub upscale`` and ``ganhub inpaint``: photos and folders of photos, turned into others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

from ganhub import images, zoo
from ganhub.apply import translating
from ganhub.cli import _files as files
from ganhub.convert import SUFFIXES, open_upscaler
from ganhub.errors import ConfigError
from ganhub.models import AutoModel, Inpainter, Model, Translator

Photos = Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Pictures, folders, or patterns.")]
Out = Annotated[Path, typer.Option(help="The file to write; a folder for several photos.")]
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

    Transparency is kept where the suffix allows it; photos lie as they are meant to be seen.
    """
    jobs, side = _planned(photos, out, force), files.side_of_tiles(tile)
    _translate(jobs, _open(model, device, Translator, "translate"), side, self_ensemble)


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
    upscaler = _open(model, device, Translator, "enlarge")
    if upscaler.scale == 1:
        raise ConfigError(f"{model} leaves pictures as large as they are: run `{upscaler.command(model)}`.")
    _translate(jobs, upscaler, side, self_ensemble)


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
    hole = images.load_image(mask, channels=1, background="black")
    inpainter = _open(model, device, Inpainter, "fill holes")
    _work(jobs, lambda photo, show: translating.inpaint(inpainter, photo, hole, tile=side, on_step=show), "filled")


def _open(name: str, device: str, verb: type[Model], does: str) -> Model:
    path = Path(name)
    if verb is Translator and path.suffix.lower() in SUFFIXES and os.path.isfile(path):
        return open_upscaler(path, device=device)
    model = AutoModel.from_pretrained(name, device=device)
    if not isinstance(model, verb):
        raise ConfigError(f"{name} ({model.verb.replace('_', ' ')}) does not {does}: run `{model.command(name)}`.")
    return model


def _planned(photos: Sequence[str], out: Path, force: bool, read: Sequence[str] = ()) -> Jobs:
    """What is wrong with the files is said before a model is fetched."""
    jobs = files.targets(photos, out, read, films=False)
    files.may_write([target for _, target in jobs], force)
    return jobs


def _translate(jobs: Jobs, translator: Translator, side: str | int, self_ensemble: bool) -> None:
    options = {"tile": side, "self_ensemble": self_ensemble}
    _work(jobs, lambda photo, show: translating.translate(translator, photo, on_step=show, **options), "translated")


def _work(jobs: Jobs, make: Callable[[Tensor, Callable], Tensor], done: str) -> None:
    def work(source: Path, target: Path, show: Callable) -> list[str]:
        if source.suffix.lower() in files.FILMS and source.suffix.lower() != ".gif":
            raise ConfigError("is a film; only pictures are worked on here.")
        picture = images.open_image(source)
        tagged = "icc_profile" in picture.info
        photo = images.load_image(picture, channels={"L": 1, "RGB": 3}.get(picture.mode, 4))
        del picture
        images.save_image(make(photo, show), target, srgb=tagged)
        see_through = photo.shape[1] == 4 and bool((photo[:, 3:] < 1).any())
        laid = see_through and target.suffix.lower() in (".jpg", ".jpeg", ".bmp")
        return files.first_only(source) + (["transparency laid on white, which a .png would keep"] if laid else [])

    files.work_through(jobs, work, done)


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("translate")(translate)
    cli.command("upscale")(upscale)
    cli.command("inpaint")(inpaint)
