"""Conditional: one row per class, one style per column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs, Progress, Report
from ganhub.app.library import Library
from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator

MAX_CLASSES = 16
MAX_STYLES = 12
SHOWN = 8  # classes that are chosen when a model is


def build(library: Library, jobs: Jobs, drawings: Drawings) -> None:
    """Lay the tab out."""
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            model, _ = parts.model_menu(library, LatentGenerator, "conditional", conditional=True)
            names = parts.classes_of(library, model.value)
            classes = gr.Dropdown(
                names, value=names[:SHOWN], multiselect=True, label="Classes", info="A row for each, in this order.",
                allow_custom_value=True, elem_id="conditional-classes",
            )  # fmt: skip
            styles = parts.unchecked(
                gr.Slider(1, MAX_STYLES, 8, step=1, label="Styles", info="A column for each seed.")
            )
            seed = parts.unchecked(gr.Number(0, label="First seed", precision=0, elem_id="conditional-seed"))
            truncation = parts.unchecked(gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation"))
            run, status = parts.run_and_stop("Draw the rows", jobs, "conditional")
            examples = gr.Dataset(
                label="Try", components=[seed], type="index", elem_classes="examples",
                samples=[[0], [1], [2]], sample_labels=["The first classes", "Spread over all", "Only one"],
            )  # fmt: skip
        with gr.Column(scale=3, min_width=320):
            rows = gr.Gallery(
                label="Rows", show_label=False, columns=8, height="auto", allow_preview=False, format="png", buttons=[],
                elem_id="conditional-rows",
                elem_classes=["wall", "named", "columns-8"], object_fit="contain", interactive=False,
            )  # fmt: skip

    @parts.calm
    def draw(model, classes, styles, seed, truncation, request: gr.Request) -> Iterator[tuple]:
        chosen = parts.name_list("Classes", classes)
        if not 1 <= len(chosen) <= MAX_CLASSES:
            raise ConfigError(f"Choose 1 to {MAX_CLASSES} classes; there are {len(chosen)}.")
        columns = parts.whole("Styles", styles, 1, MAX_STYLES)
        first = parts.whole("First seed", seed, 0, parts.MAX_SEED - MAX_STYLES)
        psi = parts.number("Truncation", truncation, 0, 1.5)

        def work(report: Report) -> list[tuple[str, str]]:
            generator = library.open(model, LatentGenerator)
            for name in chosen:
                generator.class_index(name)  # says what is wrong before anything is drawn
            wanted = [(first + column, name) for name in chosen for column in range(columns)]
            paths = drawings.paths_of(generator, model, wanted, psi, report)
            return [(path, str(name)) for path, (_, name) in zip(paths, wanted, strict=True)]

        def show(progress: Progress | None) -> tuple:
            return gr.skip(), "" if progress is None else parts.bar(progress, "Picture")

        job = yield from parts.follow(jobs, "conditional", request, work, show)
        if job.stopped:
            yield gr.skip(), "Stopped. The rows from before are still here."
            return
        pictures = job.result()
        told = f"Each column is one seed, {first} to {first + columns - 1}: one style through all classes."
        yield gr.Gallery(pictures, columns=columns, elem_classes=["wall", "named", f"columns-{columns}"]), told

    inputs, outputs = [model, classes, styles, seed, truncation], [rows, status]
    private = {"show_progress": "hidden", "api_visibility": "private"}
    run.click(
        draw, inputs, outputs, show_progress="hidden", api_name="conditional",
        api_description="One row per class, one column per seed (seed, seed + 1, ...), the same style down a column. "
        "`classes` is a list of names (or indices as text). Returns the PNG files row by row with their class as "
        "caption, and a sentence.",
    )  # fmt: skip
    model.input(
        parts.calm(lambda name: class_menu(library, name)), model, classes, **private
    ).then(draw, inputs, outputs, **private)  # fmt: skip
    examples.click(
        parts.calm(lambda i, name: (pick(parts.classes_of(library, name), parts.example(range(3), i)), 10 * i)),
        [examples, model], [classes, seed], **private,
    ).then(draw, inputs, outputs, **private)  # fmt: skip


def pick(names: list[str], example: int) -> list[str]:
    """The classes of an example: the first few, a few spread over all, or one."""
    if example == 1:
        step = max(1, len(names) // SHOWN)
        return names[::step][:SHOWN]
    return names[:SHOWN] if example == 0 else names[len(names) // 2 :][:1]


def class_menu(library: Library, name: str) -> Any:
    """The class menu of another model, with its first classes chosen."""
    names = parts.classes_of(library, name)
    if not names:
        raise ConfigError(f"{name} knows no classes: choose a conditional model here.")
    return gr.Dropdown(names, value=names[:SHOWN])
