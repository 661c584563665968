"""``ganhub style``: photos, folders of photos and films, painted."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ganhub import zoo
from ganhub.cli import _files as files
from ganhub.cli._inputs import place, say
from ganhub.creation import Inputs, LocalLibrary, Style, marks, render
from ganhub.creation.photo import NO_PHOTO
from ganhub.creation.style import SMOOTHING
from ganhub.errors import ConfigError
from ganhub.images import video
from ganhub.models import Stylizer

NAMING, READING = zoo.default("paint"), zoo.default("paint like")  # for styles with names, and for pictures
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
    smoothing: Annotated[float, typer.Option(help="Of films over time, from 0 to 0.95.")] = SMOOTHING,
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
    library, inputs = LocalLibrary(device), Inputs()
    stylizer = library.open(model, Stylizer)
    options = {
        "model": model, "strength": strength, "scale": scale, "seed": seed, "keep_colour": keep_colour, "tile": sides,
        "styles": _styles(styles, stylizer, inputs, "Styles"), "mask": "" if mask is None else inputs.add(mask),
        "outside": _styles(outside, stylizer, inputs, "Outside the mask") if outside else (), "size": size or 0,
    }  # fmt: skip
    plan = Style(photo=NO_PHOTO, **options)
    plan.options(stylizer, inputs)  # what is wrong with styles and mask is said once, before the work
    files.work_through(jobs, partial(_paint, plan, library, inputs, smoothing), "painted")


def _paint(
    plan: Style, library: LocalLibrary, inputs: Inputs, smoothing: float, source: Path, target: Path, show: Callable
) -> list[str]:
    """Paint a photo or film as planned; notes on it."""
    creation = replace(plan, photo=inputs.add(source))
    if files.is_film(source):
        film = creation.film(library, inputs, smoothing=smoothing, on_step=show)
        mark = marks.mark_of(creation, library, marks.Layout(smoothing=smoothing), shows="film")
        video.save_video(film.frames, target, fps=min(film.fps, video.fastest(target)), mark=mark)
        shrunk, notes = film.shrunk, ["without its sound"] if film.sound else []
    else:
        result = render(creation, library, show, inputs=inputs)
        shrunk, notes = result.shrunk, files.save_result(result, source, target, marks.mark_of(creation, library))
    if shrunk and not plan.size:
        notes.append(f"shrunk to {shrunk} pixels, as {plan.model} paints pictures as one (--size says else)")
    return notes


# ---- arguments


def _styles(texts: Sequence[str], stylizer: Stylizer, inputs: Inputs, what: str) -> tuple[Named, ...]:
    """Styles (a name, or the sha256 of a picture) with weights; says how these are shared out, unless they sum to 1."""
    named = [_weighted(text) for text in texts]
    total = sum(weight for _, weight in named)
    if total > 0 and abs(total - 1) > 1e-3:
        shares = ", ".join(f"{name} {weight / total:.2f}" for name, weight in named)
        say(f"{what}: {shares} (the weights summed to {total:g} and were shared out to sum to 1).", err=True)
    return tuple((_style(name, stylizer, inputs), weight) for name, weight in named)


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


def _style(name: str, stylizer: Stylizer, inputs: Inputs) -> str:
    """The name of a style that the model knows, else the sha256 of the picture of that name."""
    if name in stylizer.style_names or stylizer.style_names and not os.path.isfile(name):
        return name
    return inputs.add(name)


PLACE = 80  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("style")(style)
