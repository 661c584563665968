"""``ganhub evolve``: the pictures of a model that score best, found by a search that can be stopped and resumed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import torch
import typer

from ganhub import images
from ganhub.cli._files import Force, may_write
from ganhub.cli._forecast import Forecast
from ganhub.cli._inputs import place, progress, say
from ganhub.creation import Evolve, Inputs, LocalLibrary, marks
from ganhub.creation.search import Search, list_algorithms, list_scores, points_of
from ganhub.creation.search.plot import progress_svg
from ganhub.creation.search.scores import read_scores
from ganhub.creation.search.state import load_state, save_state
from ganhub.creation.search.wall import MOST
from ganhub.files import write_atomically

NAMES = ", ".join(one.usage for one in list_scores())
STATE = "search.json"
WALL, PLOT, LATENTS = "wall.png", "progress.svg", "latents.safetensors"
SHOWN = 160  # pixels of a side on the wall, about
COLUMNS = 4


def evolve(
    model: Annotated[str, typer.Argument(help="A folder, a name from `ganhub list`, or owner/name on the Hub.")],
    out: Annotated[Path, typer.Option(parser=place, help="Folder of the results, and of what it is resumed from.")],
    scores: Annotated[
        str,
        typer.Option("--score", help=f"NAME=WEIGHT, separated by commas, of {NAMES}; a weight below 0 prefers less."),
    ] = "colourfulness=1",
    algorithm: Annotated[str, typer.Option(help=f"{', '.join(list_algorithms())}.")] = "genetic",
    generations: Annotated[int, typer.Option(help="How often it goes on.")] = 25,
    population: Annotated[int, typer.Option(help="Pictures of a generation.")] = 20,
    seed: Annotated[int, typer.Option(help="Another one finds other pictures.")] = 0,
    label: Annotated[str | None, typer.Option(help="Class name or index; all classes without it.")] = None,
    space: Annotated[str, typer.Option(help="z, or w where the model has it.")] = "z",
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
    target: Annotated[Path | None, typer.Option(help="The picture that palette and similarity compare with.")] = None,
    force: Force = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Search for the pictures that score best; the same command goes on where it was stopped."""
    inputs = Inputs()
    asked = Evolve(
        model=model, scores=read_scores(scores), algorithm=algorithm, generations=generations, population=population,
        seed=seed, label=label, space=space, truncation=truncation,
        target=inputs.add(target) if target is not None else "",
    )  # fmt: skip
    library = LocalLibrary(device)
    asked = asked.pinned(library)  # scores of another version of the model are those of other pictures
    resumed = os.path.isfile(out / STATE) and not force
    state = load_state(out / STATE, asked) if resumed else None
    may_write([*(out / name for name in (WALL, PLOT, LATENTS)), *pictures_in(out)], force or resumed)
    search = asked.begin(library, inputs, state)
    if state is not None:
        say(f"{out / STATE}: {len(state.tape)} of {search.evaluations} pictures are scored already.")
    follow(asked, search, out)
    write(asked, search, library, out)


def pictures_in(out: Path) -> list[Path]:
    """Where the pictures of the wall lie, best first."""
    return [out / f"best-{number:02}.png" for number in range(1, MOST + 1)]


def follow(asked: Evolve, search: Search, out: Path) -> None:
    """Search behind a progress bar, and keep what it is resumed from after each generation."""
    forecast, saved = Forecast("The search"), search.generation
    with progress() as bar:
        task = bar.add_task("Pictures", total=search.evaluations, completed=len(search.tape))

        def scored(search: Search) -> None:
            nonlocal saved
            best = search.wall.entries[0].score
            bar.update(task, completed=len(search.tape), description=f"Pictures, best {best:.3f}")
            forecast.at(len(search.tape) / search.evaluations)
            if search.generation > saved:
                saved = search.generation
                save_state(out / STATE, asked, search.state())

        search.run(scored)


def write(asked: Evolve, search: Search, library: LocalLibrary, out: Path) -> None:
    """The wall, its pictures one by one, their latents and the plot."""
    from safetensors.torch import save_file

    result = asked.result(search)
    creations = points_of(search.space, asked.model, result.tensors["points"].numpy())
    for path, picture, creation in zip(pictures_in(out), result.pictures, creations, strict=False):
        images.save_image(picture, path, mark=marks.mark_of(creation, library))
    for path in pictures_in(out)[len(creations) :]:
        path.unlink(missing_ok=True)  # of an earlier, longer wall
    scale = max(1, SHOWN // max(result.pictures.shape[-2:]))
    layout = marks.Layout(columns=min(COLUMNS, len(creations)), padding=4, scale=scale)
    images.save_image(layout.arrange(result, library), out / WALL, mark=marks.mark_of(asked, library, layout))
    tensors = {name: tensor.contiguous().to(torch.float32) for name, tensor in result.tensors.items()}
    about = {"software": "ganhub", "creation": asked.to_json()}
    write_atomically(out / LATENTS, lambda path: save_file(tensors, path, metadata=about))
    svg = progress_svg(search.progress(), asked.population)
    write_atomically(out / PLOT, lambda path: path.write_text(svg, "utf-8"))
    wanted = ", ".join(f"{'more' if weight > 0 else 'less'} {name}" for name, weight in asked.scores if weight)
    say(f"Looked for {wanted}. {result.text}")
    say(f"In {out}: {WALL}, best-01.png to best-{len(creations):02}.png, {LATENTS}, {PLOT} and {STATE}.")


PLACE = 75  # of this command in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's command."""
    cli.command("evolve")(evolve)
