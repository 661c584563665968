"""Translate: a drawing or a photo turned into another picture, the drawing as one draws it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ganhub import images
from ganhub.app import _parts as parts
from ganhub.app.jobs import Jobs, Progress, Report
from ganhub.app.library import Library
from ganhub.app.sketches import NAMES
from ganhub.apply import translating
from ganhub.errors import ConfigError
from ganhub.models import Translator

CANVAS = 512  # pixels a side
FILES = [*(f"{name}.png" for name in NAMES), "mountains.jpg", "harbour.jpg"]
EXAMPLES = [str(Path(__file__).parent.parent / "assets" / name) for name in FILES]  # sketches first, then photos
MOST = 1024  # long side of a picture that is translated here


def build(library: Library, jobs: Jobs) -> dict[str, Any]:
    """Lay the tab out; returns what the page calls when it is first shown."""
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            model, _ = parts.model_menu(library, Translator, "translate", task="translate")
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
            run, status = parts.run_and_stop("Translate", jobs, "translate")
            examples = parts.swatches("Or click one of these", EXAMPLES, "translate-sketches")
        with gr.Column(scale=1, min_width=320):
            made = gr.ImageSlider(
                label="Before and after: pull the line", format="png", type="filepath", interactive=False, height=560,
                max_height=560, buttons=["download", "fullscreen"], elem_id="translate-made", elem_classes="painting",
                slider_position=4,
            )  # fmt: skip

    @parts.calm
    def translate(model: str, canvas: Any, request: gr.Request) -> Iterator[tuple]:
        drawn = canvas.get("composite") if isinstance(canvas, dict) else canvas
        if not isinstance(drawn, str) or not drawn:
            raise ConfigError("The canvas is empty: draw something, or upload a picture.")

        def work(report: Report) -> tuple[str, str]:
            photo = images.load_image(drawn, max_side=MOST)
            translator = library.open(model, Translator)
            result = translating.translate(translator, photo, on_step=lambda step, steps, look: report(step, steps))
            before = images.resize(photo, tuple(result.shape[-2:])).clamp(-1, 1)
            return parts.save_png(before, "before"), parts.save_png(result, "translation", model=model)

        def show(progress: Progress | None) -> tuple:
            return gr.skip(), "" if progress is None else parts.bar(progress, "Part")

        job = yield from parts.follow(jobs, "translate", request, work, show)
        if job.stopped:
            yield gr.skip(), "Stopped."
        else:
            yield job.result(), f"Translated in {job.seconds:.2f} s."

    def as_one_draws(model: str, canvas: Any, live: bool, request: gr.Request) -> Iterator[tuple]:
        drawn = isinstance(canvas, dict) and canvas.get("composite")
        if live and model and drawn:
            yield from translate(model, canvas, request)
        else:
            yield gr.skip(), gr.skip()

    @parts.calm
    def of_an_example(model: str, index: int, request: gr.Request) -> Iterator[tuple]:
        yield from translate(model, parts.example(EXAMPLES, index), request)

    def opening(model: str, made: Any, request: gr.Request) -> Iterator[tuple]:
        """The first sketch's translation, so that the tab does not open on an empty box."""
        if model and not (made and any(made)):
            yield from of_an_example(model, 0, request)
        else:
            yield gr.skip(), gr.skip()

    @parts.calm
    def laid(path: str) -> str:
        """An upload as the canvas' background: upright, RGB, no larger than is translated."""
        return parts.save_png(images.load_image(path, max_side=MOST), "picture")

    outputs = [made, status]
    run.click(
        translate, [model, canvas], outputs, show_progress="hidden", concurrency_limit=1, concurrency_id="translate",
        api_name="translate",
        api_description="Translate a picture with a model that turns pictures into pictures. `canvas` is an editor's "
        "value, of which `composite` is translated, its long side at most 1024 pixels; returns what was given and its "
        "translation (PNG), and a sentence.",
    )  # fmt: skip
    canvas.change(
        as_one_draws, [model, canvas, live], outputs, show_progress="hidden", concurrency_limit=1,
        concurrency_id="translate", trigger_mode="always_last", api_visibility="private",
    )  # fmt: skip
    # Not laid on the canvas: with a picture under it, Gradio's editor tells of a stroke late, or not at all.
    private = {"concurrency_limit": 1, "concurrency_id": "translate", "show_progress": "hidden",
               "api_visibility": "private"}  # fmt: skip
    examples.click(of_an_example, [model, examples], outputs, **private)
    upload.upload(laid, upload, canvas, show_progress="hidden", api_visibility="private")
    return {"opening": (opening, [model, made], outputs)}


def take_the_brush(canvas: str) -> str:
    """JavaScript that takes up a canvas' brush when it is first on the page, as nothing can be drawn without."""
    return f"""() => {{
        const take = (tries) => {{
            const brush = document.querySelector("#{canvas} button[aria-label=Brush]");
            if (!brush) {{ if (tries) setTimeout(take, 100, tries - 1); }}
            else if (!brush.dataset.taken) {{ brush.dataset.taken = true; brush.click(); }}
        }};
        take(100);
    }}"""
