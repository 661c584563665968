"""Interpolate: a film from pin to pin through latent space, with a timeline of pins and a small, live preview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import Addition, Bench, Built, Form, Outcome, Tab, press_once
from ganhub.app.gpu import render
from ganhub.app.jobs import Report
from ganhub.app.library import Library
from ganhub.app.tabs import _interpolate_pins as timeline
from ganhub.app.tabs._interpolate_pins import ANY, AS_ALL, FIRST, MAX_FRAMES
from ganhub.creation import Creation, Generate, Interpolate, Result, limits, marks
from ganhub.creation.pins import MAX_PINS
from ganhub.images import video
from ganhub.latents.easing import list_easings
from ganhub.models import LatentGenerator

WALL = ("wall", "columns-6")
PINS = ("wall", "captions", "columns-8")
FORMATS = [(name, name.lower()) for name in ("MP4", "GIF", "WebM")]
SPACES = [("the model's own", ""), ("z: along arcs", "z"), ("w: along straight lines", "w")]
EXAMPLES = (
    ("Two seeds", "4, 14", 48, True, "linear"),
    ("A round trip of four", "0, 10, 20, 30", 96, True, "smooth"),
    ("Slow", "7, 27", 120, False, "linear"),
    ("Picture by picture", "1, 2, 3, 4, 5", 120, True, "hold"),
)


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seeds" (the box), "label", and the listeners "menu", "suggest" and "start"."""
    at = SimpleNamespace(outcome=gr.State(None), place=gr.State(0))
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=1, min_width=290, elem_classes="asked"):
            asked(bench, at)
        with gr.Column(scale=3, min_width=320, elem_classes="shown"):
            shown(at)
            pinned(bench, at)
    connect_pins(bench, at)
    return connect(bench, at)


def asked(bench: Bench, at: SimpleNamespace) -> None:
    """What is asked for."""
    at.model, _ = menus.model_menu(bench.library, LatentGenerator, "interpolate")
    at.press, at.status = parts.run_and_stop("Interpolate", bench.jobs, "interpolate")
    at.seeds = parts.unchecked(
        gr.Textbox(
            FIRST, label="Pins", elem_id="interpolate-seeds",
            info="Two or more seeds. Click pictures to add theirs; with a class and a longer way: 3 (class) x2.",
        )
    )  # fmt: skip
    classes = menus.classes_of(bench.library, at.model.value)
    at.label = gr.Dropdown(
        [(ANY.capitalize(), ANY), *classes], value=ANY, label="Class", allow_custom_value=True, visible=bool(classes),
        elem_id="interpolate-class",
    )  # fmt: skip
    at.easing = gr.Radio(
        [(one.title, one.name) for one in list_easings()], value="linear", label="Speed", elem_id="interpolate-easing"
    )
    at.frames = parts.unchecked(gr.Slider(8, MAX_FRAMES, 48, step=4, label="Frames", elem_id="interpolate-frames"))
    at.film = gr.Radio(FORMATS, value="mp4", label="Film", elem_id="interpolate-kind")
    at.loop = gr.Checkbox(True, label="Loop: end where it began")
    with gr.Accordion("More settings", open=False):
        at.fps = parts.unchecked(gr.Slider(4, 60, 24, step=1, label="Frames a second", elem_id="interpolate-fps"))
        at.truncation = parts.unchecked(
            gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is safer, more is wilder.")
        )
        at.even = gr.Checkbox(False, label="Same change in each frame", info="Takes three times as long.")
        at.space = gr.Dropdown(SPACES, value="", label="Way through the latent space", elem_id="interpolate-space")
    at.examples = gr.Dataset(
        label="Try", components=[at.seeds, at.frames, at.loop, at.easing], type="index", elem_classes="examples",
        samples=[list(sample[1:]) for sample in EXAMPLES], sample_labels=[sample[0] for sample in EXAMPLES],
    )  # fmt: skip


def shown(at: SimpleNamespace) -> None:
    """The strip, the film, and pictures to pick from."""
    at.strip = gr.Image(
        label="The way", show_label=False, format="png", interactive=False, buttons=["download", "fullscreen"],
        elem_id="interpolate-strip", elem_classes=parts.look_of(at.model.value, "strip"),
    )  # fmt: skip
    with gr.Row():
        at.moving = gr.Video(
            label="Film", interactive=False, autoplay=True, loop=True, height=300, buttons=["download"],
            elem_id="interpolate-film", min_width=260,
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


def pinned(bench: Bench, at: SimpleNamespace) -> None:
    """The timeline: a small look at the film, its pins, and what changes the one that is chosen."""
    with gr.Row(elem_id="interpolate-timeline"):
        at.look = gr.Image(
            label="Preview", interactive=False, height=170, buttons=[], elem_id="interpolate-look", min_width=130,
            elem_classes=parts.look_of(at.model.value), scale=1,
        )  # fmt: skip
        with gr.Column(scale=4, min_width=260):
            at.pins = gr.Gallery(
                label="Pins of the film: click one to change it", show_label=False, columns=8, height="auto",
                allow_preview=False, format="png", buttons=[], elem_id="interpolate-pins", interactive=False,
                selected_index=0, elem_classes=parts.look_of(at.model.value, *PINS), object_fit="contain",
            )  # fmt: skip
            at.hint = gr.HTML(elem_id="interpolate-hint", elem_classes="hint", container=False, padding=False)
            at.which = gr.HTML(elem_id="interpolate-which", elem_classes="hint", container=False, padding=False)
            with gr.Row(elem_classes="ways"):
                at.earlier, at.later, at.remove = (
                    gr.Button(words, size="sm", min_width=80, elem_id=f"interpolate-{words.lower()}")
                    for words in ("Earlier", "Later", "Remove")
                )
            with gr.Row():
                classes = menus.classes_of(bench.library, at.model.value)
                at.pin_label = gr.Dropdown(
                    [(AS_ALL.capitalize(), AS_ALL), *classes], value=AS_ALL, label="Class of this pin",
                    allow_custom_value=True, visible=bool(classes), elem_id="interpolate-pin-class", min_width=140,
                )  # fmt: skip
                at.duration = parts.unchecked(gr.Slider(
                    0.5, timeline.LONGEST, 1, step=0.5, label="How long the way to the next pin lasts",
                    elem_id="interpolate-duration", min_width=240,
                ))  # fmt: skip


def connect_pins(bench: Bench, at: SimpleNamespace) -> None:
    """What clicks on the timeline do; each changes the text of the pins, and that is looked at again."""
    at.inputs = [
        at.model, at.seeds, at.label, at.frames, at.film, at.loop, at.easing, at.truncation, at.fps, at.even, at.space
    ]  # fmt: skip
    quick = {"queue": False, **parts.PRIVATE}
    facts = (
        parts.calm(chosen, bench.library), [at.seeds, at.model, at.place],
        [at.which, at.pin_label, at.duration, at.pins],
    )  # fmt: skip
    at.pins.select(parts.calm(clicked), None, at.place, **quick).then(*facts, **quick)
    for button, by in ((at.earlier, -1), (at.later, 1)):
        button.click(
            parts.calm(partial(timeline.moved, by=by)), [at.seeds, at.place], [at.seeds, at.place], **quick
        ).success(*facts, **quick)
    at.remove.click(
        parts.calm(timeline.removed), [at.seeds, at.place], [at.seeds, at.place], **quick
    ).success(*facts, **quick)  # fmt: skip
    for box, change in ((at.pin_label, timeline.with_class), (at.duration, timeline.with_duration)):
        box.input(
            parts.calm(change), [at.seeds, at.place, box], at.seeds, trigger_mode="always_last", **quick
        )  # fmt: skip
    at.corners.select(parts.calm(add), [at.seeds, at.corners], at.seeds, **parts.PRIVATE)
    looked = [at.pins, at.look, at.hint]
    gr.on(
        [box.change for box in at.inputs if box is not at.film], parts.calm(timeline.look, bench),
        at.inputs, looked, trigger_mode="always_last", **parts.PRIVATE,
    ).then(marked, at.place, at.pins, **quick)  # fmt: skip
    at.first_look = (parts.calm(timeline.look_once, bench), [at.pins, *at.inputs], looked)


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons and examples do."""
    interpolate, suggested = parts.calm(run, bench), parts.calm(suggest, bench)
    listener = (interpolate, at.inputs, [at.strip, at.moving, at.gif, at.outcome, at.status])
    at.press.click(
        *listener, show_progress="hidden", api_name="interpolate", concurrency_limit=16,
        api_description="Walk from pin to pin: along arcs of the sphere (slerp) or, where a model has a W space, "
        "along straight lines there. `seeds` is a list as in '3, 14 (cat) x2, 15': a class, and a way that lasts twice "
        "as long. Returns the strip (PNG), the MP4 or WebM or None, the GIF or None, and a sentence.",
    )  # fmt: skip
    menu = parts.calm(class_menu, bench.library)
    at.model.input(menu, at.model, at.label, **parts.PRIVATE).then(
        suggested, at.model, at.corners, **parts.PRIVATE
    ).then(*listener, **parts.PRIVATE)
    filled = [at.seeds, at.frames, at.loop, at.easing]
    at.examples.click(
        parts.calm(lambda i: parts.example(EXAMPLES, i)[1:]), at.examples, filled, queue=False, **parts.PRIVATE
    ).then(*listener, **parts.PRIVATE)
    looks = [at.strip, at.corners, at.pins, at.look, at.label, at.pin_label]
    at.model.change(parts.calm(dressed), at.model, looks, queue=False, **parts.PRIVATE)
    return Built(
        opening=((suggested, [at.model, at.corners], at.corners), at.first_look),
        scripts=(press_once("interpolate", "strip"),),
        doors={
            "model": at.model, "seeds": at.seeds, "label": at.label, "menu": (menu, at.model, at.label),
            "suggest": (suggested, at.model, at.corners), "start": listener,
        },
        outcome=at.outcome, form=Form(takes, fill, at.inputs, listener),
        addition=Addition(
            "pin", "Add to the film", timeline.can_be_added, timeline.with_picture, at.inputs, "#interpolate-timeline"
        ),
    )  # fmt: skip


def run(bench: Bench, request: gr.Request, *boxes: Any) -> Iterator[tuple]:
    """The film of a form's values: strip, MP4 or WebM or None, GIF or None, the same as Outcome, and a sentence."""
    film = timeline.asked_film(*boxes)

    def work(report: Report) -> tuple[str, str]:
        size = bench.library.open(film.model, LatentGenerator).config.size
        limits.check_pixels(film.frames, size, limits.FILM_OF_A_VISITOR, "frames")
        return saved(bench, film, render(film, bench.library, report))

    job = yield from parts.follow(
        bench, "interpolate", request, work, noun="Frame", outputs=4,
        stopped="Stopped. What was here before is kept.",
    )  # fmt: skip
    if job:
        strip, moving = job.result()
        is_gif = film.format == "gif"
        yield (
            strip,
            gr.Video(None if is_gif else moving, visible=not is_gif),
            gr.Image(moving if is_gif else None, visible=is_gif),
            Outcome(film, [strip], film=moving),
            f"{film.frames} frames from seed {film.seeds[0]} to seed {film.seeds[-1]}{', and back' * film.loop}.",
        )


def takes(creation: Creation) -> bool:
    """Whether a Creation is a film that this tab can take."""
    return isinstance(creation, Interpolate) and len(creation.seeds) <= MAX_PINS


def fill(creation: Interpolate, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for a film."""
    return timeline.asking(creation)


def saved(bench: Bench, film: Interpolate, made: Result) -> tuple[str, str]:
    """The files of the strip and of the film."""
    name = f"{film.model}-{'-'.join(map(str, film.seeds))}"
    layout = marks.strip(made.film)
    strip = parts.save_png(
        layout.arrange(made, bench.library), f"{name}-strip", marks.mark_of(film, bench.library, layout)
    )
    moving = parts.scratch(f"{name}.{film.format}")
    video.save_video(made.film, moving, fps=film.fps, mark=marks.mark_of(film, bench.library))
    return strip, str(moving)


def suggest(bench: Bench, model: str, shown: list | None = None) -> list[tuple[str, str]]:
    """The first seeds of a model to pick from, unless some are shown."""
    if shown:
        return gr.skip()
    wall = Generate(model=menus.menu_name(model), count=18)
    return [(path, f"seed {seed}") for seed, path in enumerate(bench.drawings.of(wall, bench.library))]


def add(seeds: str, pictures: list[tuple[str, str]] | None, event: gr.SelectData) -> str:
    """The pins and the seed of the picture that was clicked."""
    return timeline.added(seeds, parts.seed_clicked(pictures, event.index)[1])


def clicked(event: gr.SelectData) -> int:
    """The place of the pin that was clicked."""
    return parts.example(range(MAX_PINS), event.index)


def chosen(library: Library, seeds: str, model: str, place: int) -> tuple[str, str, float, gr.Gallery]:
    """The chosen pin in words, its class, how long the way to the next lasts, and the mark on its picture."""
    return *timeline.choose(seeds, menus.classes_of(library, model), place), marked(place)


def marked(place: int) -> gr.Gallery:
    """The mark on the chosen pin's picture, which new pictures take away."""
    return gr.Gallery(selected_index=place)


def class_menu(library: Library, name: str) -> gr.Dropdown:
    """The class menu of another model; hidden where there are no classes."""
    classes = menus.classes_of(library, name)
    return gr.Dropdown([(ANY.capitalize(), ANY), *classes], value=ANY, visible=bool(classes))


def dressed(model: str) -> tuple[Any, ...]:
    """Strip, pictures to pick from, pins and look as a model's pictures are shown, and its classes in the menus."""
    strip, wall, pins, look = (parts.look_of(model, *names) for names in (("strip",), WALL, PINS, ()))
    entry = zoo.entry_of(model)
    classes = entry.classes if entry else []
    return (
        gr.Image(elem_classes=strip), gr.Gallery(elem_classes=wall), gr.Gallery(elem_classes=pins),
        gr.Image(elem_classes=look), gr.Dropdown([(ANY.capitalize(), ANY), *classes], visible=bool(classes)),
        gr.Dropdown([(AS_ALL.capitalize(), AS_ALL), *classes], visible=bool(classes)),
    )  # fmt: skip


TAB = Tab("interpolate", "Interpolate", 20, build)
