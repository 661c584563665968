"""``ganhub style``: photos, folders of photos and films, painted."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

from ganhub import images, zoo
from ganhub.apply import styling
from ganhub.cli import _files as files
from ganhub.cli._inputs import kind_of, place, say
from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.images import video
from ganhub.models import AutoModel, Stylizer

NAMING, READING = zoo.default("paint"), zoo.default("paint like")  # for styles with names, and for pictures
WHOLE_SIDE = 1024  # pixels, for models that paint a picture as one
STYLE_SIDE = 1024  # pixels that a picture of a style is read with
Named = tuple[str, float]


def style(
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Pictures, films, folders, or patterns.")],
    styles: Annotated[
        list[str], typer.Option("--style", help="A painting, or a style the model knows; may be repeated, as name:0.7.")
    ],
    out: Annotated[Path, typer.Option(parser=place, help="The file to write; a folder for several photos.")],
    model: Annotated[
        str,
        typer.Option(
            help="A folder, a name, or owner/name on the Hub.",
            show_default=f"{READING} for paintings, {NAMING} for names",
        ),
    ] = "",
    strength: Annotated[float, typer.Option(help="Of the style, from 0 to 1.")] = 1.0,
    scale: Annotated[
        float | None,
        typer.Option(help="Size of the strokes, from 0.25 to 4.", show_default="1 to 2, by the photo's size"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    keep_colour: Annotated[
        str, typer.Option("--keep-colour", "--keep-color", help="luminance or histogram: the photo's colours.")
    ] = "",
    mask: Annotated[Path | None, typer.Option(help="A picture: paint where it is white.")] = None,
    outside: Annotated[
        list[str] | None, typer.Option(help="A second style, where the mask is black; may be repeated.")
    ] = None,
    tile: Annotated[str, typer.Option(help="auto, off, or pixels a side: large photos in tiles.")] = "auto",
    size: Annotated[int | None, typer.Option(help="Shrink photos to this longest side first.")] = None,
    smoothing: Annotated[float, typer.Option(help="Of films over time, from 0 to 0.95.")] = 0.5,
    force: files.Force = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Paint photos in a style.

    Transparency is kept where the suffix allows it. Colours come out as sRGB, and the file says so if the photo's did;
    photos lie as they are meant to be seen. Films (.mp4, .gif and others) are painted frame by frame, without sound.
    """
    jobs = files.targets(photos, out, [*styles, *(outside or []), *([str(mask)] if mask else [])])
    sides = files.side_of_tiles(tile)
    files.may_write([target for _, target in jobs], force)
    if size is not None and size < 1:
        raise ConfigError(f"--size must be at least 1 pixel, not {size}.")
    video.Smoother(smoothing)  # says what is wrong before the work
    model = model or (READING if all(_is_picture(text) for text in [*styles, *(outside or [])]) else NAMING)
    stylizer = AutoModel.from_pretrained(model, device=device)
    if not isinstance(stylizer, Stylizer):
        raise ConfigError(
            f"{model} is {kind_of(stylizer)}, which does not paint: name a stylizer, such as {READING}, or "
            f"run `{stylizer.command(model)}`."
        )
    options = {
        "strength": strength, "scale": scale, "seed": seed, "keep_colour": keep_colour, "tile": sides,
        "style": _styles(styles, stylizer, "Styles"),
        "mask": None if mask is None else images.load_image(mask, channels=1, background="black"),
        "style_outside": _styles(outside, stylizer, "Outside the mask") if outside else None,
    }  # fmt: skip
    most = size if size or stylizer.tiles else WHOLE_SIDE

    def paint(source: Path, target: Path, show: Callable) -> list[str]:
        work = _film if files.is_film(source) else _photo
        said = work(stylizer, source, target, most, show, smoothing, options)
        if size is None and said.shrunk:
            said.notes.append(f"shrunk to {most} pixels, as {model} paints pictures as one (--size says else)")
        return said.notes

    files.work_through(jobs, paint, "painted")


@dataclass
class _Said:
    """What became of a photo."""

    shrunk: bool
    notes: list[str]


def _photo(
    stylizer: Stylizer, source: Path, target: Path, most: int | None, show: Callable, smoothing: float, options: dict
) -> _Said:
    picture = images.open_image(source)
    tagged, shrunk = "icc_profile" in picture.info, most is not None and max(picture.size) > most
    channels = {"L": 1, "RGB": 3}.get(picture.mode, 4)
    photo = images.load_image(picture, channels=channels, max_side=most)
    del picture
    painted = styling.paint(stylizer, photo, on_step=show, **options)
    images.save_image(painted, target, srgb=tagged)
    see_through = channels == 4 and bool((photo[:, 3:] < 1).any())
    laid = see_through and target.suffix.lower() in (".jpg", ".jpeg", ".bmp")
    notes = ["transparency laid on white, which a .png would keep"] if laid else []
    return _Said(shrunk, files.first_only(source) + notes)


def _film(
    stylizer: Stylizer, source: Path, target: Path, most: int | None, show: Callable, smoothing: float, options: dict
) -> _Said:
    film = video.open_video(source)
    shrunk = False

    def sized() -> object:
        nonlocal shrunk
        for number, frame in enumerate(film):
            show(number, film.count)
            longest = max(frame.shape[-2:])
            if most is not None and longest > most:
                shrunk = True
                height, width = (max(1, round(side * most / longest)) for side in frame.shape[-2:])
                frame = images.resize(frame, (height, width))
            yield frame

    painted = styling.paint_frames(stylizer, sized(), smoothing=smoothing, **options)
    video.save_video(painted, target, fps=min(film.fps, 50 if target.suffix.lower() == ".gif" else 120))
    return _Said(shrunk, ["without its sound"] if film.sound else [])


# ---- arguments


def _styles(texts: Sequence[str], stylizer: Stylizer, what: str) -> list[tuple[Tensor | str, float]]:
    """Styles with weights that sum to 1; says which, where they did not."""
    named = [_weighted(text) for text in texts]
    total = sum(weight for _, weight in named)
    if total <= 0:
        raise ConfigError("One style at least needs a weight above 0.")
    shares = [(name, weight / total) for name, weight in named]
    if abs(total - 1) > 1e-3:
        said = ", ".join(f"{name} {share:.2f}" for name, share in shares)
        say(f"{what}: {said} (the weights summed to {total:g} and were shared out to sum to 1).", err=True)
    return [(_style(name, stylizer), share) for name, share in shares]


def _weighted(text: str) -> Named:
    """ "waves:0.7" -> ("waves", 0.7); a path may hold a colon, and what has no number counts 1."""
    name, colon, number = text.rpartition(":")
    try:
        weight = float(number)
    except ValueError:
        return text, 1.0
    if not colon or not name or os.path.isfile(text):
        return text, 1.0
    if not 0 <= weight < math.inf:
        raise ConfigError(f"The weight of a style must be 0 or more, not {number!r} as in {text!r}.")
    return name, weight


def _is_picture(text: str) -> bool:
    return os.path.isfile(_weighted(text)[0])


def _style(name: str, stylizer: Stylizer) -> Tensor | str:
    if name in stylizer.style_names:
        return name
    if stylizer.reads_pictures and (os.path.isfile(name) or not stylizer.style_names):
        return images.load_image(name, max_side=STYLE_SIDE)
    if os.path.isfile(name):
        raise ConfigError(
            f"This {stylizer.architecture} paints only the styles it was trained on, not {name}: name one of "
            f"{', '.join(stylizer.style_names)}, or take --model {READING}."
        )
    known = ", ".join(stylizer.style_names)
    raise ConfigError(f"There is no style or picture '{name}'.{nearest(name, stylizer.style_names)} Known: {known}.")


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("style")(style)
