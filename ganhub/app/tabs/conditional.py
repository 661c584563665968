"""Conditional: one row per class, one style per column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.declared import Bench, Built, Tab, press_once
from ganhub.app.jobs import Report
from ganhub.app.library import Library
from ganhub.creation import Generate, checks
from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator

MAX_CLASSES = 16
MAX_STYLES = 12
SHOWN = 8  # classes that are chosen when a model is


def build(bench: Bench) -> Built:
    """Lay the tab out."""
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            model, _ = parts.model_menu(bench.library, LatentGenerator, "conditional", conditional=True)
            names = parts.classes_of(bench.library, model.value)
            classes = gr.Dropdown(
                names, value=names[:SHOWN], multiselect=True, label="Classes", info="A row for each, in this order.",
                allow_custom_value=True, elem_id="conditional-classes",
            )  # fmt: skip
            styles = parts.unchecked(
                gr.Slider(1, MAX_STYLES, 8, step=1, label="Styles", info="A column for each seed.")
            )
            seed = parts.unchecked(gr.Number(0, label="First seed", precision=0, elem_id="conditional-seed"))
            truncation = parts.unchecked(gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation"))
            press, status = parts.run_and_stop("Draw the rows", bench.jobs, "conditional")
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

    draw = parts.calm(run, bench)
    inputs, outputs = [model, classes, styles, seed, truncation], [rows, status]
    press.click(
        draw, inputs, outputs, show_progress="hidden", api_name="conditional",
        api_description="One row per class, one column per seed (seed, seed + 1, ...), the same style down a column. "
        "`classes` is a list of names (or indices as text). Returns the PNG files row by row with their class as "
        "caption, and a sentence.",
    )  # fmt: skip
    model.input(
        parts.calm(lambda name: class_menu(bench.library, name)), model, classes, **parts.PRIVATE
    ).then(draw, inputs, outputs, **parts.PRIVATE)  # fmt: skip
    examples.click(
        parts.calm(lambda i, name: (pick(parts.classes_of(bench.library, name), parts.example(range(3), i)), 10 * i)),
        [examples, model], [classes, seed], **parts.PRIVATE,
    ).then(draw, inputs, outputs, **parts.PRIVATE)  # fmt: skip
    return Built(scripts=(press_once("conditional", "rows"),))


def run(bench: Bench, model, classes, styles, seed, truncation, request: gr.Request) -> Iterator[tuple]:
    """The rows of a form's values: pictures with their classes, and a sentence."""
    chosen = parts.name_list("Classes", classes)
    if not 1 <= len(chosen) <= MAX_CLASSES:
        raise ConfigError(f"Choose 1 to {MAX_CLASSES} classes; there are {len(chosen)}.")
    columns = checks.whole("Styles", styles, 1, MAX_STYLES)
    wall = Generate(model=parts.menu_name(model), seed=seed, count=columns, labels=tuple(chosen), truncation=truncation)

    def work(report: Report) -> list[tuple[str, str]]:
        paths = bench.drawings.of(wall, bench.library, report)
        return [(path, str(name)) for path, (_, name) in zip(paths, wall.wanted(), strict=True)]

    job = yield from parts.follow(
        bench, "conditional", request, work, noun="Picture", outputs=1,
        stopped="Stopped. The rows from before are still here.",
    )  # fmt: skip
    if job:
        told = f"Each column is one seed, {wall.seed} to {wall.seed + columns - 1}: one style through all classes."
        classes = ["wall", "named", f"columns-{columns}"]
        yield gr.Gallery(job.result(), columns=columns, elem_classes=classes), told


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


TAB = Tab("conditional", "Conditional", 30, build)
