"""Interpolate: a walk through latent space from seed to seed, as a strip and as a film."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.declared import Bench, Built, Form, Outcome, Tab, press_once
from ganhub.app.gpu import render
from ganhub.app.jobs import Report
from ganhub.app.library import Library
from ganhub.creation import Creation, Generate, Interpolate, Result, checks, limits, marks
from ganhub.images import video
from ganhub.models import LatentGenerator

MAX_SEEDS = 8
MAX_FRAMES = 240
STRIP = 10  # pictures in the strip
WALL = ("wall", "columns-6")
ANY = "as each seed has it"
FILMS = ("MP4", "GIF", "none")
EXAMPLES = (
    ("Two seeds", "4, 14", 48, True),
    ("A round trip of four", "0, 10, 20, 30", 96, True),
    ("Slow", "7, 27", 120, False),
)


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seeds" (the box), "label", and the listeners "menu", "suggest" and "start"."""
    at = SimpleNamespace(outcome=gr.State(None))
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=1, min_width=290, elem_classes="asked"):
            asked(bench, at)
        with gr.Column(scale=3, min_width=320, elem_classes="shown"):
            shown(at)
    return connect(bench, at)


def asked(bench: Bench, at: SimpleNamespace) -> None:
    """What is asked for."""
    at.model, _ = parts.model_menu(bench.library, LatentGenerator, "interpolate")
    at.press, at.status = parts.run_and_stop("Interpolate", bench.jobs, "interpolate")
    at.seeds = parts.unchecked(
        gr.Textbox(
            "3, 13, 23", label="Seeds", info="Two or more. Click pictures on the right to add theirs.",
            elem_id="interpolate-seeds",
        )
    )  # fmt: skip
    classes = parts.classes_of(bench.library, at.model.value)
    at.label = gr.Dropdown(
        [(ANY.capitalize(), ANY), *classes], value=ANY, label="Class", allow_custom_value=True, visible=bool(classes),
        elem_id="interpolate-class",
    )  # fmt: skip
    at.frames = parts.unchecked(gr.Slider(8, MAX_FRAMES, 48, step=4, label="Frames", elem_id="interpolate-frames"))
    at.film = gr.Radio(FILMS, value="MP4", label="Film", elem_id="interpolate-kind")
    at.loop = gr.Checkbox(True, label="Loop: end where it began")
    at.examples = gr.Dataset(
        label="Try", components=[at.seeds, at.frames, at.loop], type="index", elem_classes="examples",
        samples=[list(sample[1:]) for sample in EXAMPLES], sample_labels=[sample[0] for sample in EXAMPLES],
    )  # fmt: skip


def shown(at: SimpleNamespace) -> None:
    """The strip, the film, and pictures to pick from."""
    at.strip = gr.Image(
        label="The way", show_label=False, format="png", interactive=False, buttons=["download", "fullscreen"],
        elem_id="interpolate-strip", elem_classes=parts.look_of(at.model.value, "strip"),
    )  # fmt: skip
    with gr.Row():
        at.mp4 = gr.Video(
            label="Film", format="mp4", interactive=False, autoplay=True, loop=True, height=300,
            buttons=["download"], elem_id="interpolate-film", min_width=260,
        )  # fmt: skip
        at.gif = gr.Image(
            label="Film", interactive=False, visible=False, height=300, buttons=["download"],
            elem_id="interpolate-gif", min_width=260,
        )  # fmt: skip
        at.corners = gr.Gallery(
            label="Seeds to pick from", show_label=False, columns=6, height="auto", allow_preview=False,
            format="png", buttons=[],
            elem_id="interpolate-corners",
            elem_classes=parts.look_of(at.model.value, *WALL), object_fit="contain", interactive=False,
            min_width=260,
        )  # fmt: skip


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons and examples do."""
    interpolate, suggested = parts.calm(run, bench), parts.calm(suggest, bench)
    inputs = [at.model, at.seeds, at.label, at.frames, at.film, at.loop]
    listener = (interpolate, inputs, [at.strip, at.mp4, at.gif, at.outcome, at.status])
    at.press.click(
        *listener, show_progress="hidden", api_name="interpolate", concurrency_limit=16,
        api_description="Walk from seed to seed: along arcs of the sphere (slerp) or, where a model has a W space, "
        "along straight lines there. `seeds` is a list as in '3, 14, 15'; `film` is MP4, GIF or none. Returns the "
        "strip (PNG), the MP4 or None, the GIF or None, and a sentence.",
    )  # fmt: skip
    menu = parts.calm(class_menu, bench.library)
    at.model.input(menu, at.model, at.label, **parts.PRIVATE).then(
        suggested, at.model, at.corners, **parts.PRIVATE
    ).then(*listener, **parts.PRIVATE)
    at.examples.click(
        parts.calm(lambda i: parts.example(EXAMPLES, i)[1:]), at.examples, [at.seeds, at.frames, at.loop], queue=False,
        **parts.PRIVATE,
    ).then(*listener, **parts.PRIVATE)  # fmt: skip
    at.model.change(parts.calm(dressed), at.model, [at.strip, at.corners], queue=False, **parts.PRIVATE)
    at.corners.select(parts.calm(add), [at.seeds, at.corners], at.seeds, **parts.PRIVATE)
    return Built(
        opening=((suggested, [at.model, at.corners], at.corners),), scripts=(press_once("interpolate", "strip"),),
        doors={
            "model": at.model, "seeds": at.seeds, "label": at.label, "menu": (menu, at.model, at.label),
            "suggest": (suggested, at.model, at.corners), "start": listener,
        },
        outcome=at.outcome, form=Form(takes, fill, inputs, listener),
    )  # fmt: skip


def run(bench: Bench, model, seeds, label, frames, film, loop, request: gr.Request) -> Iterator[tuple]:
    """The walk of a form's values: the strip, the MP4 or None, the GIF or None, the same as Outcome, and a sentence."""
    path = checks.read_seeds(seeds, most=MAX_SEEDS)
    how_many = checks.whole("Frames", frames, len(path), MAX_FRAMES)
    checks.one_of("Film", film, FILMS)
    walk = Interpolate(
        model=parts.menu_name(model), seeds=path, frames=how_many, label=None if label in ("", ANY) else label,
        loop=bool(loop),
    )  # fmt: skip

    def work(report: Report) -> tuple[str, str | None]:
        size = bench.library.open(walk.model, LatentGenerator).config.size
        limits.check_pixels(how_many, size, limits.FILM_OF_A_VISITOR, "frames")
        return saved(bench, walk, render(walk, bench.library, report), film)

    job = yield from parts.follow(
        bench, "interpolate", request, work, noun="Frame", outputs=4,
        stopped="Stopped. What was here before is kept.",
    )  # fmt: skip
    if job:
        strip, moving = job.result()
        is_gif = film == "GIF"
        yield (
            strip,
            gr.Video(None if is_gif else moving, visible=not is_gif and moving is not None),
            gr.Image(moving if is_gif else None, visible=is_gif),
            Outcome(walk, [strip], film=moving or ""),
            f"{how_many} frames from seed {path[0]} to seed {path[-1]}{', and back' if loop else ''}.",
        )


def takes(creation: Creation) -> bool:
    """Whether a Creation is a walk that this tab can take."""
    return isinstance(creation, Interpolate) and len(creation.seeds) <= MAX_SEEDS


def fill(creation: Interpolate, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for a walk; the film's kind stays as it is."""
    label = ANY if creation.label is None else creation.label
    return creation.model, ", ".join(map(str, creation.seeds)), label, creation.frames, gr.skip(), creation.loop


def dressed(model: str) -> tuple[gr.Image, gr.Gallery]:
    """The strip and the pictures to pick from in the look of a model's pictures."""
    strip, wall = parts.look_of(model, "strip"), parts.look_of(model, *WALL)
    return gr.Image(elem_classes=strip), gr.Gallery(elem_classes=wall)


def saved(bench: Bench, walk: Interpolate, made: Result, film: str) -> tuple[str, str | None]:
    """The files of the strip and, unless it is "none", of the film."""
    name = f"{walk.model}-{'-'.join(map(str, walk.seeds))}"
    layout = marks.strip(made.film)
    strip = parts.save_png(
        layout.arrange(made, bench.library), f"{name}-strip", marks.mark_of(walk, bench.library, layout)
    )
    if film == FILMS[-1]:
        return strip, None
    moving = parts.scratch(f"{name}.{film.lower()}")
    video.save_video(made.film, moving, fps=walk.fps, mark=marks.mark_of(walk, bench.library))
    return strip, str(moving)


def suggest(bench: Bench, model: str, shown: list | None = None) -> list[tuple[str, str]]:
    """The first seeds of a model to pick from, unless some are shown."""
    if shown:
        return gr.skip()
    wall = Generate(model=parts.menu_name(model), count=18)
    return [(path, f"seed {seed}") for seed, path in enumerate(bench.drawings.of(wall, bench.library))]


def add(seeds: str, pictures: list[tuple[str, str]] | None, event: gr.SelectData) -> str:
    """The list of seeds with that of the picture that was clicked."""
    seed = parts.example(pictures or (), event.index)[1].removeprefix("seed ")
    return ", ".join([*str(seeds or "").replace(",", " ").split(), seed][-MAX_SEEDS:])


def class_menu(library: Library, name: str) -> gr.Dropdown:
    """The class menu of another model; hidden where there are no classes."""
    classes = parts.classes_of(library, name)
    return gr.Dropdown([(ANY.capitalize(), ANY), *classes], value=ANY, visible=bool(classes))


TAB = Tab("interpolate", "Interpolate", 20, build)
