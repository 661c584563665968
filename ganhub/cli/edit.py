"""``ganhub edit``: the picture of a seed or a photo, changed along directions and mixed with another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ganhub import images, latents
from ganhub.cli._files import Force, may_write, must_end_in
from ganhub.cli._forecast import Forecast
from ganhub.cli._inputs import place, progress, say
from ganhub.creation import Edit, Inputs, LocalLibrary, marks, render
from ganhub.creation.edit import NOTHING
from ganhub.errors import ConfigError


def edit(
    model: Annotated[str, typer.Argument(help="A folder, a name from `ganhub list`, or owner/name on the Hub.")],
    seed: Annotated[int, typer.Option(help="Of the picture to begin with.")] = 0,
    photo: Annotated[Path | None, typer.Option(help="Begin with this photo; takes a minute or more.")] = None,
    change: Annotated[
        list[str], typer.Option(help="NAME=AMOUNT, as in glasses=2 or pca:3=-1.5; again for more. -4 to 4.")
    ] = [],  # noqa: B006
    mix: Annotated[str, typer.Option(help="Take coarse, middle or fine styles of another; coarse+middle: both.")] = "",
    mix_seed: Annotated[int, typer.Option(help="Seed of the other picture.")] = 0,
    mix_photo: Annotated[Path | None, typer.Option(help="The other picture is this photo.")] = None,
    label: Annotated[str | None, typer.Option(help="Class name or index; the seed's own without it.")] = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
    steps: Annotated[int, typer.Option(help="Steps of a photo's projection.")] = 300,
    out: Annotated[Path, typer.Option(parser=place, help="The picture to write: .png, .jpg or .webp.")] = Path(
        "edit.png"
    ),
    force: Force = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Change a picture: `ganhub directions MODEL` lists what by. The point in W is written beside it."""
    inputs = Inputs()
    asked = Edit(
        model=model, seed=seed, photo=inputs.add(photo) if photo else "", steps=steps, label=label,
        directions=tuple(map(one_change, change)), mixed=mix or NOTHING, mix_seed=mix_seed,
        mix_photo=inputs.add(mix_photo) if mix_photo else "", truncation=truncation,
    )  # fmt: skip
    must_end_in(out, images.SUFFIXES)
    point = out.with_suffix(".safetensors")
    may_write([out, point], force)
    library, forecast = LocalLibrary(device), Forecast("The projection")
    with progress() as bar:
        task = bar.add_task("Projecting", total=steps, visible=bool(photo or mix_photo))

        def show(step: int, total: int, look: object) -> None:
            bar.update(task, completed=step, total=total or None)
            if total:
                forecast.at(step / total)

        result = render(asked, library, show, inputs=inputs)
    facts = {"software": "ganhub", "model": Path(model).name, "edits": ", ".join(result.notes) or "none"}
    images.save_image(result.pictures, out, mark=marks.mark_of(asked, library))
    latents.save_w(result.tensors["w"], point, noise=result.tensors["noise"], about=facts)
    say(f"{result.text} {', '.join(result.notes) or 'No change'}: {out}, and its point in W in {point.name}")


def one_change(text: str) -> tuple[str, float]:
    """Read "glasses=2"."""
    name, _, amount = text.rpartition("=")
    if not name.strip() or not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*", amount):
        raise ConfigError(f"{text[:60]!r} is no change: write the name and how much, as in glasses=2.")
    return name.strip(), float(amount)


PLACE = 72  # of this command in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("edit")(edit)
