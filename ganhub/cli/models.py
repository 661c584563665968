"""``ganhub list`` and ``ganhub sample``: what there is, and pictures from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganhub import images, zoo
from ganhub.cli._enlarge import chosen
from ganhub.cli._files import Force, may_write, must_end_in
from ganhub.cli._inputs import place, say
from ganhub.creation import Generate, LocalLibrary, checks, limits, marks, render
from ganhub.creation.generate import MAX_COUNT
from ganhub.models import get_architecture, list_architectures


def list_models() -> None:
    """List the models on this machine, show-pieces first, and the architectures that can be trained or loaded."""
    rows = []
    for entry in zoo.entries():
        width, side = (getattr(entry.config, name, 0) for name in ("image_width", "image_size"))
        size = f"{f'{width} x ' if width else ''}{side} px" if side else ""  # a width of its own: an oblong picture
        classes = f"{len(entry.classes)} classes" if entry.classes else ""
        kind = entry.model_class
        rows.append((entry.name, kind.architecture, kind.verb, " ".join(part for part in (size, classes) if part)))
    say("Models here:" if rows else "No models here: train one, or sample owner/name from the Hub.")
    for row in rows:
        say("  " + "  ".join(cell.ljust(max(len(r[i]) for r in rows)) for i, cell in enumerate(row)).rstrip())
    say("\nArchitectures:")
    for name in list_architectures():
        say(f"  {name.ljust(max(map(len, list_architectures())))}  {get_architecture(name).paper}")


def sample(
    model: Annotated[str, typer.Argument(help="A folder, a name from `ganhub list`, or owner/name on the Hub.")],
    n: Annotated[int, typer.Option("--n", help="How many pictures.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the first picture; the next has seed + 1.")] = 0,
    label: Annotated[str | None, typer.Option(help="Class name or index; all classes in turn without it.")] = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
    columns: Annotated[int | None, typer.Option(help="Pictures a row.")] = None,
    scale: Annotated[int, typer.Option(help="Enlarge each picture 2 or 4 times.")] = 1,
    enlarge: Annotated[
        str,
        typer.Option(
            help=f"How: upscaler ({zoo.default('enlarge')}), nearest (each pixel a square), or auto: nearest "
            "for grey pictures and those below 64 pixels, else the upscaler where it is on this machine."
        ),
    ] = "auto",
    out: Annotated[Path, typer.Option(parser=place, help="The grid to write: .png, .jpg or .webp.")] = Path("grid.png"),
    force: Force = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Make pictures and save them as one grid."""
    checks.whole("--n", n, 1, MAX_COUNT)
    labels = () if label is None else (label,)
    wall = Generate(model=model, seed=seed, count=n, labels=labels, truncation=truncation)
    must_end_in(out, images.SUFFIXES)
    may_write([out], force)
    library = LocalLibrary(device)
    generator = wall.open(library)
    upscaler, how = chosen(scale, enlarge, generator.config.size, generator.config.channels)
    height, width = (side * scale for side in generator.config.size)
    limits.check_pixels(n, (height, width), limits.GRID, advice=", or a smaller --scale")
    layout = marks.grid(n, columns, scale=scale, upscaler=upscaler)
    pictures = layout.arrange(render(wall, library), library)
    images.save_image(pictures, out, mark=marks.mark_of(wall, library, layout))
    drawn = f"{n} pictures of seeds {seed} to {seed + n - 1}" if n > 1 else f"1 picture of seed {seed}"
    say(f"{drawn}{f', {how},' if how else ''} in {out}")


PLACE = 10  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("list")(list_models)
    cli.command("sample")(sample)
