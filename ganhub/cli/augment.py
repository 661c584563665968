"""``ganhub augment``: a labelled picture folder comes back with more pictures, labels kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

from ganhub import hub, images, zoo
from ganhub.augment import (
    Labelled,
    begin,
    check_classes,
    counts,
    generator_recipe,
    generator_size,
    plan_restyled,
    plan_samples,
    read_labelled,
    restyle_into,
    sample_into,
    train_generator,
)
from ganhub.cli._forecast import Forecast
from ganhub.cli._inputs import place, say
from ganhub.config import nearest
from ganhub.creation import LocalLibrary
from ganhub.errors import ConfigError
from ganhub.extras import needed_for
from ganhub.models import AutoModel, LatentGenerator, Stylizer

PAINTERS = zoo.USUAL["paint"]  # the first that is here paints where --model names none
BUDGET = 100_000
SMALLEST_STYLE = 64  # pixels a side; smaller pictures of a style are enlarged


def augment(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Pictures in one sub-folder for each class.")],
    by: Annotated[str, typer.Option(help="generator: add samples of a GAN. style: add repainted copies.")],
    out: Annotated[
        Path, typer.Option(parser=place, help="A new folder: copies of the originals, the new pictures, augment.json.")
    ],
    per_class: Annotated[int | None, typer.Option(help="How many pictures each class has in the end.")] = None,
    times: Annotated[int | None, typer.Option(help="How many times its own; 2 without --per-class.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A folder, a name from `ganhub list`, or owner/name on the Hub. Without it a generator is trained on "
            f"DIR alone, and {PAINTERS[0]} (or {PAINTERS[1]}) paints."
        ),
    ] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(help="A style of the model, or a picture file; may be repeated. All styles without it."),
    ] = None,
    strength: Annotated[float, typer.Option(help="Largest strength of a style; half of it is the smallest.")] = 1.0,
    keep_colours: Annotated[bool, typer.Option("--keep-colours", help="Only the brightness is repainted.")] = False,
    train_images: Annotated[
        int | None, typer.Option("--images", help=f"Pictures that the generator sees in training; {BUDGET:,} usually.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices: the same command writes the same files.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto: where the model runs.")] = "auto",
) -> None:
    """Grow a labelled folder, labels kept: with samples of a GAN trained on it alone, or by restyling.

    Measure before you rely on it: with 20 pictures a class, no classifier of ours got better by either
    (benchmarks/RESULTS.md, "Augmentation"); mirroring and cropping, where the classes allow it, helped more.
    """
    if by not in ("generator", "style"):
        raise ConfigError(f"--by is generator or style, not {by!r}.{nearest(by, ('generator', 'style'))}")
    if not 0 <= seed < 2**31:
        raise ConfigError(f"--seed must be from 0 to {2**31 - 1}, not {seed}.")
    if by == "generator" and (style or keep_colours or strength != 1):
        raise ConfigError("--style, --strength and --keep-colours belong to --by style: leave them out.")
    if train_images is not None and (by == "style" or model is not None):
        raise ConfigError("--images is for a generator that is trained here: --by generator, without --model.")
    if train_images is not None and train_images < 64:
        raise ConfigError(f"--images must be 64 or more, not {train_images}.")
    labelled = read_labelled(folder)
    for note in labelled.notes:
        say(note, err=True)
    if labelled.skipped:
        named = "; ".join(labelled.skipped[:5]) + ("; ..." if len(labelled.skipped) > 5 else "")
        say(f"{len(labelled.skipped)} of the pictures cannot be read and are left out: {named}", err=True)
    wanted = counts(labelled, per_class=per_class, times=2 if per_class is None and times is None else times)
    if full := [label for label, count in wanted.items() if not count]:
        say(f"{_listed(full)} has {per_class} pictures or more: all are kept, none is added.", err=True)
    if by == "generator":
        new = _by_generator(labelled, out, wanted, model, train_images or BUDGET, seed, device)
    else:
        new = _by_style(labelled, out, wanted, model, style or [], strength, keep_colours, seed, device)
    total = sum(wanted.values())
    there = f" ({total - new} of them were there)" if new < total else ""
    say(f"{len(labelled.originals)} originals and {total} new pictures{there} of {len(wanted)} classes in {out}")


def _by_generator(
    labelled: Labelled, out: Path, wanted: dict[str, int], model: str | None, budget: int, seed: int, device: str
) -> int:
    side, shape = generator_size(labelled)
    settings: dict[str, Any] = {"by": "generator", "seed": seed}
    plan = plan_samples(labelled, wanted, seed)
    if model is not None:
        generator = LocalLibrary(device).open(model, LatentGenerator)
        check_classes(generator, labelled)
        begin(labelled, out, {**settings, "model": _name(model)}, plan)
    else:
        recipe = _recipe(labelled, budget, seed, side)
        few = [label for label, pictures in labelled.classes.items() if wanted[label] and len(pictures) < 3]
        if few:
            say(f"{_listed(few)} has one or two pictures: expect copies of them.", err=True)
        begin(labelled, out, {**settings, "model": "trained on the originals", "images": budget, "side": side}, plan)
        # Beside OUT: inside it a reader of class folders would take the run for a class.
        name = os.path.basename(os.path.realpath(out))
        run = train_generator(labelled, out.with_name(f"{name}-generator"), recipe=recipe)
        generator = AutoModel.from_pretrained(run, device=device)
        assert isinstance(generator, LatentGenerator)
    with _bar("sampling") as show:
        return sample_into(generator, out, plan, shape, show)


def _recipe(labelled: Labelled, budget: int, seed: int, side: int) -> Any:
    with needed_for("Training a generator"):
        return generator_recipe(labelled, images_seen=budget, seed=seed, side=side)


def _by_style(
    labelled: Labelled, out: Path, wanted: dict[str, int], model: str | None, asked: list[str], strength: float,
    keep_colours: bool, seed: int, device: str,
) -> int:  # fmt: skip
    source = model or zoo.default("paint", here=True)
    painter = AutoModel.from_pretrained(source, device=device)
    if not isinstance(painter, Stylizer):
        kind = zoo.kind_of(painter)
        raise ConfigError(f"{source} is {kind}, which does not paint: name a stylizer, as {PAINTERS[-1]}.")
    names = list(dict.fromkeys(asked)) or list(painter.style_names)
    if not names:
        raise ConfigError(f"{source} knows no styles by name: give one or more pictures by --style FILE.")
    styles = {_name(name): _style(painter, name) for name in names}
    if len(styles) < len(names):
        raise ConfigError("Two of the --style pictures have the same file name: rename one.")
    plan = plan_restyled(labelled, wanted, list(styles), seed, strength)
    files = {_name(name): _digest(Path(name)) for name in names if name not in painter.style_names}
    begin(
        labelled, out,
        {"by": "style", "seed": seed, "model": _name(source), "strength": strength, "keep_colours": keep_colours,
         "styles": list(styles), "style_files": files},
        plan,
    )  # fmt: skip
    with _bar("painting") as show:
        return restyle_into(painter, out, plan, labelled, styles, keep_colours=keep_colours, on_step=show)


def _style(painter: Stylizer, name: str) -> Tensor | str:
    """What ``--style`` names, checked before anything is written."""
    if name in painter.style_names:
        return name
    if not os.path.isfile(name):
        names = painter.style_names
        hint = nearest(name, names) if names else ""
        raise ConfigError(f"There is no style and no picture file '{name}'.{hint}"
                          + (f" Known styles: {', '.join(names)}." if names else ""))  # fmt: skip
    if not painter.reads_pictures:
        raise ConfigError(
            f"This {painter.architecture} paints the styles it was trained on, not '{name}': name one of "
            f"{', '.join(painter.style_names)}, or another --model, such as {PAINTERS[-1]}."
        )
    picture = images.load_image(name, max_side=1024)
    factor = max(1.0, SMALLEST_STYLE / min(picture.shape[-2:]))
    return images.resize(picture, tuple(round(side * factor) for side in picture.shape[-2:]))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _name(source: str) -> str:
    """A model or picture without the folders of this machine."""
    return source if hub.is_repo_id(source) and not os.path.exists(source) else Path(source).name


def _listed(labels: list[str]) -> str:
    named = ", ".join(f"'{label}'" for label in labels[:5])
    return (
        f"The class {named}"
        if len(labels) == 1
        else f"Each of {len(labels)} classes ({named}" + (", ...)" if len(labels) > 5 else ")")
    )


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task, forecast = bar.add_task(what, total=None), Forecast(what.capitalize())

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            forecast.at(done / max(total, 1))

        yield show


PLACE = 50  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("augment")(augment)
