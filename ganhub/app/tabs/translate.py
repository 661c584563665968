"""Translate: a drawing or a photo turned into another picture, the drawing as one draws it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app.declared import ASSETS, Bench, Built, Tab, take_the_brush
from ganhub.app.jobs import Report
from ganhub.creation import Inputs, Translate, marks, render
from ganhub.errors import ConfigError
from ganhub.models import Translator

CANVAS = 512  # pixels a side
SKETCHES = ("face", "house", "fish", "mug", "star", "flower", "balloon", "mushroom")
FILES = [*(f"sketch-{name}.png" for name in SKETCHES), "mountains.jpg", "harbour.jpg"]
EXAMPLES = [str(ASSETS / name) for name in FILES]
MOST = 1024  # long side of a picture that is translated here


def build(bench: Bench) -> Built:
    """Lay the tab out."""
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            model, _ = parts.model_menu(bench.library, Translator, "translate", task="translate")
            canvas = parts.unchecked(gr.ImageEditor(
                label="Draw here", image_mode="RGB", format="png",
                sources=[], transforms=[], layers=False, buttons=[],  # with no sources the brush is at hand
                canvas_size=(CANVAS, CANVAS), height=470, elem_id="translate-canvas",
                brush=gr.Brush(default_size=7, colors=["#000000", "#ffffff", "#d2573b"], color_mode="fixed"),
                eraser=gr.Eraser(default_size=30),
            ))  # fmt: skip
            with gr.Row():
                live = gr.Checkbox(True, label="Translate as I draw", elem_id="translate-live", min_width=200)
                upload = gr.UploadButton("A picture of mine", file_types=["image"], elem_id="translate-upload",
                                         min_width=160)  # fmt: skip
            press, status = parts.run_and_stop("Translate", bench.jobs, "translate")
            examples = parts.swatches("Or click one of these", EXAMPLES, "translate-sketches")
        with gr.Column(scale=1, min_width=320):
            made = gr.ImageSlider(
                label="Before and after: pull the line", format="png", type="filepath", interactive=False, height=560,
                max_height=560, buttons=["download", "fullscreen"], elem_id="translate-made", elem_classes="painting",
                slider_position=4,
            )  # fmt: skip

    outputs = [made, status]
    press.click(
        parts.calm(run, bench), [model, canvas], outputs, show_progress="hidden", concurrency_limit=1,
        concurrency_id="translate", api_name="translate",
        api_description="Translate a picture with a model that turns pictures into pictures. `canvas` is an editor's "
        "value, of which `composite` is translated, its long side at most 1024 pixels; returns what was given and its "
        "translation (PNG), and a sentence.",
    )  # fmt: skip
    canvas.change(
        parts.calm(as_one_draws, bench), [model, canvas, live], outputs, show_progress="hidden", concurrency_limit=1,
        concurrency_id="translate", trigger_mode="always_last", api_visibility="private",
    )  # fmt: skip
    # Not laid on the canvas: with a picture under it, Gradio's editor tells of a stroke late, or not at all.
    examples.click(
        parts.calm(of_an_example, bench), [model, examples], outputs, concurrency_limit=1, concurrency_id="translate",
        **parts.PRIVATE,
    )  # fmt: skip
    upload.upload(parts.calm(laid), upload, canvas, **parts.PRIVATE)
    first = (parts.calm(opening, bench), [model, made], outputs)
    return Built(opening=(first,), scripts=(take_the_brush("translate-canvas"),))


def run(bench: Bench, model: str, canvas: Any, request: gr.Request) -> Iterator[tuple]:
    """The translation of an editor's value (or of a file): before and after, and a sentence."""
    drawn = canvas.get("composite") if isinstance(canvas, dict) else canvas
    if not isinstance(drawn, str) or not drawn:
        raise ConfigError("The canvas is empty: draw something, or upload a picture.")
    inputs = Inputs()
    creation = Translate(model=parts.menu_name(model), photo=inputs.add(drawn), size=MOST, opaque=True)

    def work(report: Report) -> tuple[str, str]:
        made = render(creation, bench.library, lambda step, steps, look: report(step, steps), inputs=inputs)
        before = images.resize(made.photo, tuple(made.pictures.shape[-2:])).clamp(-1, 1)
        after = parts.save_png(made.pictures, "translation", marks.mark_of(creation, bench.library))
        return parts.save_png(before, "before"), after

    job = yield from parts.follow(bench, "translate", request, work, noun="Part", outputs=1, stopped="Stopped.")
    if job:
        yield job.result(), f"Translated in {job.seconds:.2f} s."


def as_one_draws(bench: Bench, model: str, canvas: Any, live: bool, request: gr.Request) -> Iterator[tuple]:
    """The translation of what is drawn so far, where that is wanted."""
    if live and model and isinstance(canvas, dict) and canvas.get("composite"):
        yield from run(bench, model, canvas, request)
    else:
        yield gr.skip(), gr.skip()


def of_an_example(bench: Bench, model: str, index: int, request: gr.Request) -> Iterator[tuple]:
    """The translation of an example."""
    yield from run(bench, model, parts.example(EXAMPLES, index), request)


def opening(bench: Bench, model: str, made: Any, request: gr.Request) -> Iterator[tuple]:
    """The first sketch's translation, so that the tab does not open on an empty box."""
    if model and not (made and any(made)):
        yield from of_an_example(bench, model, 0, request)
    else:
        yield gr.skip(), gr.skip()


def laid(path: str) -> str:
    """An upload as the canvas' background: upright, RGB, no larger than is translated."""
    return parts.save_png(images.load_image(path, max_side=MOST), "picture")


def able() -> bool:
    """Whether a model is here that translates."""
    return bool(zoo.names(Translator, task="translate"))


TAB = Tab("translate", "Translate", 50, build, able)
