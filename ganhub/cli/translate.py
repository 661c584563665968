"""``ganhub translate``, ``ganhub upscale`` and ``ganhub inpaint``: photos and folders of photos, turned into others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

from ganhub import images, translating
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
UPSCALER, INPAINTER = "srgan-x4", "inpainting"  # what enlarges and what fills, unless one says else
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
    device: Device = "auto",
) -> None:
    """Translate photos: sketch to picture, photo to painting, grey to colour, by what the model has learnt.

    Transparency is kept where the suffix allows it; photos lie as they are meant to be seen.
    """
    _translate(photos, _open(model, device, Translator, "translate"), out, tile, self_ensemble)


def upscale(
    photos: Photos,
    out: Out,
    model: WhichOrFile = UPSCALER,
    tile: Tile = "auto",
    self_ensemble: Ensemble = False,
    device: Device = "auto",
) -> None:
    """Enlarge photos by the model's factor, in tiles where they are large."""
    upscaler = _open(model, device, Translator, "enlarge")
    if upscaler.scale == 1:
        raise ConfigError(f"{model} leaves pictures as large as they are: see ganhub translate.")
    _translate(photos, upscaler, out, tile, self_ensemble)


def inpaint(
    photos: Photos,
    mask: Annotated[Path, typer.Option(help="A picture of the photo's size: filled where it is white.")],
    out: Out,
    model: Which = INPAINTER,
    tile: Tile = "auto",
    device: Device = "auto",
) -> None:
    """Fill holes, scratches and what should go, where the mask is white."""
    inpainter = _open(model, device, Inpainter, "fill holes")
    hole = images.load_image(mask, channels=1)
    side = files.side_of_tiles(tile)
    _work(photos, out, lambda photo, show: translating.inpaint(inpainter, photo, hole, tile=side, on_step=show),
          "filled", read=[str(mask)])  # fmt: skip


def _open(name: str, device: str, verb: type[Model], does: str) -> Model:
    path = Path(name)
    if verb is Translator and path.suffix.lower() in SUFFIXES and path.is_file():
        return open_upscaler(path, device=device)
    model = AutoModel.from_pretrained(name, device=device)
    if not isinstance(model, verb):
        raise ConfigError(f"{name} ({model.verb.replace('_', ' ')}) does not {does}: see ganhub list.")
    return model


def _translate(photos: Sequence[str], translator: Translator, out: Path, tile: str, self_ensemble: bool) -> None:
    options = {"tile": files.side_of_tiles(tile), "self_ensemble": self_ensemble}
    _work(photos, out, lambda photo, show: translating.translate(translator, photo, on_step=show, **options),
          "translated")  # fmt: skip


def _work(
    photos: Sequence[str], out: Path, make: Callable[[Tensor, Callable], Tensor], done: str, read: Sequence[str] = ()
) -> None:
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
        return ["transparency laid on white, which a .png would keep"] if laid else []

    files.work_through(files.targets(files.sources(photos), out, read), work, done)


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("translate")(translate)
    cli.command("upscale")(upscale)
    cli.command("inpaint")(inpaint)
