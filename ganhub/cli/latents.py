"""``ganhub walk`` and ``ganhub project``: films through latent space, and photos brought into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from ganhub import images, latents
from ganhub.cli._files import Force, may_write, must_end_in
from ganhub.cli._forecast import Forecast
from ganhub.cli._inputs import place, progress, say
from ganhub.console import printable
from ganhub.creation import Inputs, Interpolate, LocalLibrary, Project, Result, limits, marks, render
from ganhub.creation.pins import fields_of, read_pins
from ganhub.images import video
from ganhub.latents.easing import list_easings
from ganhub.models import LatentGenerator, StyleGenerator

STRENGTHS = (-3.0, -1.5, 0.0, 1.5, 3.0)  # of the edits, in standard deviations
DIRECTIONS = 4
EASINGS = ", ".join(one.name for one in list_easings())


def walk(
    model: Annotated[str, typer.Argument(help="A folder, a name from `ganhub list`, or owner/name on the Hub.")],
    seeds: Annotated[
        str, typer.Option(help="Two or more, as in 1,2,3. With a class and a long way to the next: '1 (cat) x2, 3'.")
    ] = "1,2,3",
    frames: Annotated[int, typer.Option(help="How many pictures.")] = 120,
    space: Annotated[str, typer.Option(help="z or w; by default w where the model has it.")] = "",
    loop: Annotated[bool, typer.Option("--loop/--no-loop", help="End where it began.")] = True,
    label: Annotated[str | None, typer.Option(help="Class name or index; each seed's own without it.")] = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
    pace: Annotated[str, typer.Option(help="latent, or picture: frames differ equally, for more work.")] = "latent",
    easing: Annotated[str, typer.Option(help=f"How it goes from seed to seed: {EASINGS}.")] = "linear",
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 24,
    out: Annotated[Path, typer.Option(parser=place, help="The film to write: .mp4, .webm or .gif.")] = Path("walk.mp4"),
    force: Force = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Walk from seed to seed and save the film."""
    must_end_in(out, [f".{one}" for one in video.FORMATS])  # before the work, not after it
    video.check_speed(out, fps)
    path = Interpolate(
        model=model, **fields_of(read_pins(seeds)), frames=frames, label=label, loop=loop, space=space,
        truncation=truncation, pace=pace, easing=easing, fps=fps, format=out.suffix.lower()[1:],
    )  # fmt: skip
    may_write([out], force)
    library = LocalLibrary(device)
    limits.check_pixels(frames, library.open(model, LatentGenerator).config.size, limits.FILM, "frames")
    forecast = Forecast("The film")
    with progress() as bar:
        task = bar.add_task("Frames", total=frames)

        def show(frame: int, total: int, look: object) -> None:
            bar.update(task, completed=frame)
            if frame:
                forecast.at(frame / total)

        film = render(path, library, show).film
    video.save_video(film, out, fps=fps, mark=marks.mark_of(path, library))
    say(f"{frames} frames from seed {path.seeds[0]} to seed {path.seeds[-1]}{', and back,' if loop else ''} in {out}")


def project(
    photo: Annotated[Path, typer.Argument(help="The picture to bring into the model's latent space.")],
    model: Annotated[str, typer.Option(help="A folder, a name from `ganhub list`, or owner/name on the Hub.")],
    out: Annotated[Path, typer.Option(parser=place, help="Folder for projected.png, edits.png and w.safetensors.")],
    label: Annotated[str | None, typer.Option(help="Class name or index; the nearest without it.")] = None,
    space: Annotated[str, typer.Option(help="w+ comes closer to the photo, w edits more cleanly.")] = "w+",
    steps: Annotated[int, typer.Option(help="Steps of the descent.")] = 300,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many.")] = None,
    network: Annotated[str, typer.Option(help="Feature network of the distance: vgg-lite or vgg19.")] = "vgg-lite",
    seed: Annotated[int, typer.Option(help="First of the seeds to start from.")] = 0,
    force: Force = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Find the latent of a photo, and show edits of it."""
    inputs = Inputs()
    projection = Project(
        model=model, photo=inputs.add(photo), label=label, space=space, steps=steps, seconds=seconds, network=network,
        seed=seed,
    )  # fmt: skip
    may_write([out / name for name in ("projected.png", "w.safetensors", "edits.png")], force)
    library, forecast = LocalLibrary(device), Forecast("The projection")
    with progress() as bar:
        task = bar.add_task("Looking for a start", total=steps)

        def show(step: int, steps: int, look: object) -> None:
            bar.update(task, completed=step, total=steps, description="Projecting")
            forecast.at(step / steps)

        projected = render(projection, library, show, inputs=inputs)
    metadata = {"model": Path(model).name, "photo": printable(photo.name), "space": space, "seed": str(seed)}
    mark, sheet = (marks.mark_of(projection, library, shows=shows) for shows in ("", "sheet"))
    images.save_image(projected.pictures, out / "projected.png", mark=mark)
    latents.save_w(projected.tensors["w"], out / "w.safetensors", noise=projected.tensors["noise"], about=metadata)
    edits = edits_of(library.open(model, StyleGenerator), projected)
    images.save_image(edits, out / "edits.png", mark=sheet)
    for note in projected.notes:
        say(note)
    say(
        f"{projected.text} In {out}: projected.png, w.safetensors, and edits.png with photo and projection above, and "
        f"a row for each of {DIRECTIONS} principal directions, {STRENGTHS[0]:g} to {STRENGTHS[-1]:g} standard "
        "deviations."
    )


def edits_of(model: StyleGenerator, projected: Result) -> torch.Tensor:
    """One picture: photo and projection, and under them a row of edits for each principal direction."""
    columns = len(STRENGTHS)
    blank = torch.ones_like(projected.pictures)
    rows = [projected.photo, *[blank] * (columns - 2), projected.pictures]
    for direction in latents.principal_directions(model, DIRECTIONS):
        points = torch.cat([latents.edit(projected.tensors["w"], direction, amount) for amount in STRENGTHS])
        rows.append(model.from_w(points, noise=projected.tensors["noise"].expand(columns, -1)))
    shown = torch.cat([row.cpu() for row in rows])
    factor = max(1, 128 // max(shown.shape[-2:]))  # small pictures are enlarged without smoothing
    shown = images.enlarge(shown, factor)
    return images.make_grid(shown, columns=columns, padding=4)


PLACE = 70  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("walk")(walk)
    cli.command("project")(project)
