"""Translate: a drawing or a photo turned into another picture, the drawing as one draws it."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app import menus, sources
from ganhub.app.declared import ASSETS, Bench, Built, Form, Outcome, Tab, handler, take_the_brush
from ganhub.app.gpu import render
from ganhub.app.jobs import Report
from ganhub.creation import Creation, Inputs, Translate, marks
from ganhub.errors import ConfigError
from ganhub.images.codec import look_into
from ganhub.images.lettering import as_lines
from ganhub.models import Translator

CANVAS = 512  # pixels a side
# As many as a page of swatches holds.
SKETCHES = ("woman", "man", "forever", "house", "fish", "star", "flower", "mushroom", "face", "tree")
PHOTOS = ("mountains", "harbour")
WRITINGS = [str(ASSETS / f"sketch-{name}.png") for name in ("forever", "tree")]
DRAWINGS = [str(ASSETS / f"sketch-{name}.png") for name in SKETCHES]
VIEWS = [str(ASSETS / f"{name}.jpg") for name in PHOTOS]
BRUSHES = ["#000000", "#ffffff", "#d2573b", "#e8b730", "#4f9d4a", "#3b6fd2", "#8a5a3c"]
MOST = 1024  # long side of a picture that is translated here
LETTER = 256  # pixels a side of what the browser draws of a typed character
PEN = 9  # pixels that the lines of a typed character are wide
SIDE = 470  # pixels that canvas and result are high


def build(bench: Bench) -> Built:
    """Lay the tab out."""
    at = SimpleNamespace(outcome=gr.State(None), number=gr.State(0))
    with gr.Row(elem_classes="split drawn"):
        with gr.Column(scale=1, min_width=320, elem_classes="asked"):
            asked(bench, at)
        with gr.Column(scale=1, min_width=320, elem_classes="shown"):
            at.pair = gr.ImageSlider(
                label="Before and after: pull the line", format="png", type="filepath", interactive=False, height=SIDE,
                max_height=SIDE, buttons=["download", "fullscreen"], elem_id="translate-made",
                elem_classes="painting", slider_position=4,
            )  # fmt: skip
            kinds = shelves(at.model.value)
            at.character = gr.Textbox(
                label="Or type a character", placeholder="永", max_lines=1, submit_btn=True,
                visible=writes(at.model.value), elem_id="translate-character",
            )  # fmt: skip
            at.typed = gr.Textbox(visible=False)  # what the browser's fonts make of it
            with gr.Column(visible=kinds[0]) as at.drawings_shelf:
                at.drawings = parts.swatches("Or take one of these drawings", DRAWINGS, "translate-sketches")
            with gr.Column(visible=kinds[1]) as at.photos_shelf:
                at.photos = parts.swatches("Or one of these photos", VIEWS, "translate-photos")
    return connect(bench, at)


def asked(bench: Bench, at: SimpleNamespace) -> None:
    """The canvas, and what is done with it."""
    at.canvas = parts.unchecked(gr.ImageEditor(
        label="Draw here; dab colour between lines", image_mode="RGB", format="png", type="filepath",
        sources=[], transforms=[], layers=False, buttons=[],  # with no sources the brush is at hand
        canvas_size=(CANVAS, CANVAS), height=SIDE, elem_id="translate-canvas", elem_classes="canvas",
        brush=gr.Brush(default_size=7, colors=BRUSHES, color_mode="fixed"), eraser=gr.Eraser(default_size=30),
    ))  # fmt: skip
    at.press, at.status = parts.run_and_stop("Translate", bench.jobs, "translate")
    with gr.Row(elem_classes="ways"):
        at.idea = gr.Button("Something to draw", size="md", elem_id="translate-idea", min_width=130)
        at.upload = gr.UploadButton("A picture of mine", size="md", file_types=["image"], elem_id="translate-upload",
                                    min_width=130)  # fmt: skip
    at.model, _ = menus.model_menu(bench.library, Translator, "translate", task="translate")
    at.live = gr.Checkbox(True, label="Translate as I draw", elem_id="translate-live")


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons and examples do."""
    inputs, outputs = [at.model, at.canvas], [at.pair, at.outcome, at.status]
    in_line = {"concurrency_limit": parts.IN_LINE, "concurrency_id": "translate"}
    translated = parts.calm(run, bench)
    at.press.click(
        translated, inputs, outputs, show_progress="hidden", **in_line, api_name="translate",
        api_description="Translate a picture with a model that turns pictures into pictures. `canvas` is an editor's "
        "value, of which `composite` is translated, its long side at most 1024 pixels; returns what was given and its "
        "translation (PNG), and a sentence.",
    )  # fmt: skip
    at.canvas.change(
        parts.calm(as_one_draws, bench), [at.model, at.canvas, at.live], outputs, trigger_mode="always_last",
        **in_line, **parts.PRIVATE,
    )  # fmt: skip
    brush = {"js": take_the_brush("translate-canvas"), **parts.PRIVATE}
    for shelf, files in ((at.drawings, DRAWINGS), (at.photos, VIEWS)):
        shelf.click(parts.calm(laid_example, files), shelf, at.canvas, **parts.PRIVATE).then(None, **brush)
        shelf.click(parts.calm(of_an_example, bench, files), [at.model, shelf], outputs, **in_line, **parts.PRIVATE)
    at.idea.click(parts.calm(idea), [at.model, at.number], at.number, queue=False, **parts.PRIVATE).then(
        parts.calm(laid_idea), [at.model, at.number], at.canvas, **parts.PRIVATE
    ).then(None, **brush).then(parts.calm(of_an_idea, bench), [at.model, at.number], outputs, **parts.PRIVATE)
    # One after the other: who types as soon as the model is chosen would find its example in place of the character.
    in_turn = {"concurrency_limit": 1, "concurrency_id": "translate-canvas"}
    at.character.submit(
        parts.calm(written), [at.character, at.typed], at.canvas, js=handler("write_character"), **in_turn,
        **parts.PRIVATE,
    ).success(None, **brush).then(translated, inputs, outputs, **in_line, **parts.PRIVATE)  # fmt: skip
    at.upload.upload(parts.calm(laid), at.upload, at.canvas, **parts.PRIVATE).then(None, **brush)
    # However the model came: by hand, by a link or from the tray.
    at.model.change(
        parts.calm(what_is_shown), at.model, [at.drawings_shelf, at.photos_shelf, at.character], **parts.PRIVATE
    )
    at.model.input(parts.calm(kept_or_first), [at.model, at.canvas], at.canvas, **in_turn, **parts.PRIVATE).then(
        translated, inputs, outputs, **in_line, **parts.PRIVATE
    )
    first = [at.model, at.pair]
    # The canvas goes first: the page asks one after the other, and once there is a result there is nothing to lay.
    openings = ((parts.calm(first_on_canvas), first, at.canvas), (parts.calm(opening, bench), first, outputs))
    return Built(
        opening=openings, scripts=(take_the_brush("translate-canvas"),), outcome=at.outcome,
        form=Form(takes, fill, inputs, (translated, inputs, outputs)),
    )  # fmt: skip


def run(bench: Bench, model: str, canvas: Any, request: gr.Request) -> Iterator[tuple]:
    """The translation of an editor's value (or of a file): before and after, the :class:`Outcome`, a sentence."""
    drawn = canvas.get("composite") or canvas.get("background") if isinstance(canvas, dict) else canvas
    if not isinstance(drawn, str) or not drawn:
        raise ConfigError("The canvas is empty: draw something, or upload a picture.")
    inputs = Inputs()
    name = menus.menu_name(model)
    entry = zoo.entry_of(name)
    dabs = entry is not None and entry.takes_dabs
    creation = Translate(model=name, photo=inputs.add(drawn), size=MOST, opaque=True, dabs=dabs)

    def work(report: Report) -> tuple[tuple[str, str], Outcome]:
        made = render(creation, bench.library, lambda step, steps, look: report(step, steps), inputs=inputs)
        before = images.resize(made.photo, tuple(made.pictures.shape[-2:])).clamp(-1, 1)
        after = parts.save_png(made.pictures, "translation", marks.mark_of(creation, bench.library))
        made = Outcome(creation, [after], photos=parts.digests(inputs, creation))
        return (parts.save_png(before, "before"), after), made

    job = yield from parts.follow(bench, "translate", request, work, noun="Part", outputs=2, stopped="Stopped.")
    if job:
        yield *job.result(), f"Translated in {job.seconds:.2f} s."


def as_one_draws(bench: Bench, model: str, canvas: Any, live: bool, request: gr.Request) -> Iterator[tuple]:
    """The translation of what is drawn so far, where that is wanted."""
    if live and model and isinstance(canvas, dict) and canvas.get("composite"):
        yield from run(bench, model, canvas, request)
    else:
        yield tuple(parts.keep(3))


def takes(creation: Creation) -> bool:
    """Whether a Creation is a translation, and no enlargement."""
    entry = zoo.entry_of(getattr(creation, "model", None))
    if not isinstance(creation, Translate) or (entry and not issubclass(entry.model_class, Translator)):
        return False
    return entry is None or entry.model_class.task(entry.config) == "translate"


def fill(creation: Translate, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for a translation."""
    photo = photos.get(creation.photo)
    return creation.model, photo and on_canvas(photo)


def shelves(model: Any) -> tuple[bool, bool]:
    """Whether a model turns drawings into something, and whether it does photos; of one nobody has said, both."""
    entry = zoo.entry_of(model)
    kind = entry.takes if entry else ""
    return kind != zoo.PHOTO, kind not in (zoo.DRAWING, zoo.WRITING)


def writes(model: Any) -> bool:
    """Whether a model turns written characters into something."""
    entry = zoo.entry_of(model)
    return entry is not None and entry.takes == zoo.WRITING


def what_is_shown(model: Any) -> list[Any]:
    """Both shelves and the box for a character, shown where a model takes such."""
    return [gr.update(visible=kind) for kind in (*shelves(model), writes(model))]


def examples_for(model: Any) -> list[str]:
    """The examples of the kind that a model takes."""
    if writes(model):
        return WRITINGS
    return DRAWINGS if shelves(model)[0] else VIEWS


def on_canvas(path: str) -> dict[str, Any]:
    """A picture as an editor's value: a drawing as what the brush has drawn, a photo under it.

    With a picture under it, Gradio's editor tells of a stroke late, or not at all.
    """
    if path in DRAWINGS:
        return {"background": None, "layers": [path], "composite": path}
    return {"background": path, "layers": [], "composite": path}


def laid_example(files: Sequence[str], index: Any) -> dict[str, Any]:
    """An example on the canvas."""
    return on_canvas(parts.example(files, index))


def of_an_example(bench: Bench, files: Sequence[str], model: str, index: Any, request: gr.Request) -> Iterator[tuple]:
    """The translation of an example."""
    yield from run(bench, model, parts.example(files, index), request)


def idea(model: str, before: Any) -> int:
    """The place of an example of a model's kind, another one than before."""
    return secrets.choice([place for place in range(len(examples_for(model))) if place != before])


def laid_idea(model: str, place: Any) -> dict[str, Any]:
    """That example on the canvas."""
    return laid_example(examples_for(model), place)


def of_an_idea(bench: Bench, model: str, place: Any, request: gr.Request) -> Iterator[tuple]:
    """The translation of that example."""
    yield from of_an_example(bench, examples_for(model), model, place, request)


def opening(bench: Bench, model: str, pair: Any, request: gr.Request) -> Iterator[tuple]:
    """The first example's translation, so that the tab does not open on an empty box."""
    if model and not (pair and any(pair)):
        yield from of_an_example(bench, examples_for(model), model, 0, request)
    else:
        yield tuple(parts.keep(3))


def first_on_canvas(model: str, pair: Any) -> dict[str, Any] | Any:
    """The first example on the canvas, where the tab is still as it was: that way its button has something to do."""
    if model and not (pair and any(pair)):
        return laid_example(examples_for(model), 0)
    return gr.skip()


def kept_or_first(model: str, canvas: Any) -> dict[str, Any] | None:
    """What is on the canvas, or an example where it is empty or holds one of another kind than a model takes."""
    given = canvas if isinstance(canvas, dict) else {}
    drawing, photo = shelves(model)
    fits = drawing if given.get("layers") and not given.get("background") else photo
    if fits and given.get("composite"):
        return given
    return laid_example(examples_for(model), 0)


def written(character: str, picture: str) -> dict[str, Any]:
    """A typed character on the canvas, as thin lines: from a data URL of it, black on white."""
    if not character:
        raise ConfigError("Type a character first.")
    if not picture:
        raise ConfigError(f"No font of this browser has “{character}”: draw it on the canvas.")
    file = sources.decoded(picture, "picture")
    if look_into(file, lambda one: max(one.size)) > LETTER:
        raise ConfigError(f"The picture of a character is {LETTER} pixels a side at most: load the page anew.")
    ink = (1 - images.load_image(io.BytesIO(file), channels=1)) / 2
    if not (ink > 0.5).any():
        raise ConfigError(f"“{character}” leaves nothing on the paper: type another character, or draw it.")
    path = parts.save_png(as_lines(ink[0, 0], CANVAS, PEN), "character")
    return {"background": None, "layers": [path], "composite": path}


def laid(path: str) -> str:
    """An upload as the canvas' background: upright, RGB, no larger than is translated."""
    return parts.save_png(images.load_image(path, max_side=MOST), "picture")


def able() -> bool:
    """Whether a model is here that translates."""
    return bool(zoo.names(Translator, task="translate"))


TAB = Tab("translate", "Translate", 50, build, able)
