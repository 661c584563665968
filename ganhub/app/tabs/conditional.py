"""Conditional: one row per class, one style per column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import Bench, Built, Form, Outcome, Tab, press_once
from ganhub.app.jobs import Report
from ganhub.app.library import Library
from ganhub.creation import Creation, Generate, checks
from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator

MAX_CLASSES = 16
MAX_STYLES = 12
WALL = ("wall", "named")
SHOWN = 5  # classes that are chosen when a model is


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seed" and "label" (of the click), "send" and "edit" (buttons)."""
    at = SimpleNamespace(outcome=gr.State(None), drawn=gr.State(None))
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=1, min_width=290, elem_classes="asked"):
            asked(bench, at)
        with gr.Column(scale=3, min_width=320, elem_classes="shown"):
            at.rows = gr.Gallery(
                label="Rows", show_label=False, columns=8, height="auto", allow_preview=False, format="png", buttons=[],
                elem_id="conditional-rows", elem_classes=parts.look_of(at.model.value, *WALL, "columns-8"),
                object_fit="contain", interactive=False,
            )  # fmt: skip
            at.picked = parts.picked("conditional", at.model.value)
            at.label = gr.Textbox("", visible=False)  # the class of the picture that was clicked
    return connect(bench, at)


def asked(bench: Bench, at: SimpleNamespace) -> None:
    """What is asked for."""
    at.model, _ = menus.model_menu(bench.library, LatentGenerator, "conditional", conditional=True)
    at.press, at.status = parts.run_and_stop("Draw the rows", bench.jobs, "conditional")
    names = menus.classes_of(bench.library, at.model.value)
    seed = zoo.first_seed(at.model.value)
    first = seed % max(1, len(names))  # the class of that seed
    names = names[first:] + names[:first]
    at.classes = gr.Dropdown(
        names, value=names[:SHOWN], multiselect=True, label="Classes", info="A row for each, in this order.",
        allow_custom_value=True, elem_id="conditional-classes",
    )  # fmt: skip
    at.styles = parts.unchecked(gr.Slider(1, MAX_STYLES, 8, step=1, label="Styles", info="A column for each seed."))
    at.seed = parts.unchecked(gr.Number(seed, label="First seed", precision=0, elem_id="conditional-seed"))
    at.truncation = parts.unchecked(gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation"))
    with gr.Accordion("Near one seed", open=False):
        at.likeness = parts.unchecked(
            gr.Slider(0, 1, 0, step=0.05, label="Likeness", info="0: each picture is its own.")
        )
        at.around = parts.unchecked(gr.Number(0, label="to seed", precision=0, elem_id="conditional-around"))
    at.examples = gr.Dataset(
        label="Try", components=[at.seed], type="index", elem_classes="examples",
        samples=[[0], [1], [2]], sample_labels=["The first classes", "Spread over all", "Only one"],
    )  # fmt: skip


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons and examples do."""
    inputs = [at.model, at.classes, at.styles, at.seed, at.truncation, at.likeness, at.around]
    listener = (parts.calm(run, bench), inputs, [at.rows, at.outcome, at.drawn, at.status])
    at.press.click(
        *listener, show_progress="hidden", api_name="conditional",
        api_description="One row per class, one column per seed (seed, seed + 1, ...), the same style down a column. "
        "`classes` is a list of names (or indices as text). Returns the PNG files row by row with their class as "
        "caption, and a sentence.",
    )  # fmt: skip
    at.model.input(
        parts.calm(lambda name: class_menu(bench.library, name)), at.model, at.classes, **parts.PRIVATE
    ).then(*listener, **parts.PRIVATE)  # fmt: skip
    at.model.change(
        parts.calm(lambda name: gr.Image(elem_classes=parts.look_of(name))), at.model, at.picked.picture,
        queue=False, **parts.PRIVATE,
    )  # fmt: skip
    at.examples.click(
        parts.calm(lambda i, name: (pick(menus.classes_of(bench.library, name), parts.example(range(3), i)), 10 * i)),
        [at.examples, at.model], [at.classes, at.seed], **parts.PRIVATE,
    ).then(*listener, **parts.PRIVATE)  # fmt: skip
    chosen = [at.picked.picture, at.picked.seed, at.label, at.outcome]
    at.rows.select(parts.calm(pick_picture), at.drawn, chosen, **parts.PRIVATE)
    at.rows.change(parts.calm(pick_first), at.drawn, chosen[:3], **parts.PRIVATE)
    doors = {
        "model": at.model, "seed": at.picked.seed, "label": at.label, "send": at.picked.send, "edit": at.picked.edit
    }  # fmt: skip
    return Built(
        scripts=(press_once("conditional", "rows"),), doors=doors, outcome=at.outcome,
        form=Form(takes, fill, inputs, listener), ways={"like": at.picked.like, "evolve": at.picked.evolve},
        pick=(picked_one, [at.drawn, at.picked.seed, at.label]),
    )  # fmt: skip


def run(
    bench: Bench, model, classes, styles, seed, truncation, likeness, around, request: gr.Request
) -> Iterator[tuple]:
    """The rows of a form's values: pictures with their classes, the same as :class:`Outcome` twice, and a sentence."""
    chosen = parts.name_list("Classes", classes)
    if not 1 <= len(chosen) <= MAX_CLASSES:
        raise ConfigError(f"Choose 1 to {MAX_CLASSES} classes; there are {len(chosen)}.")
    columns = checks.whole("Styles", styles, 1, MAX_STYLES)
    near = {"likeness": likeness, "around": around} if likeness else {}
    wall = Generate(
        model=menus.menu_name(model), seed=seed, count=columns, labels=tuple(chosen), truncation=truncation, **near
    )

    def work(report: Report) -> list[str]:
        return bench.drawings.of(wall, bench.library, report)

    job = yield from parts.follow(
        bench, "conditional", request, work, noun="Picture", outputs=3,
        stopped="Stopped. The rows from before are still here.",
    )  # fmt: skip
    if job:
        told = f"Each column is one seed, {wall.seed} to {wall.seed + columns - 1}: one style through all classes."
        told = f"Pictures near seed {wall.around}." if wall.likeness else told
        captioned = [(path, str(name)) for path, (_, name) in zip(job.result(), wall.wanted(), strict=True)]
        look = parts.look_of(wall.model, *WALL, f"columns-{columns}")
        made = Outcome(wall, job.result())
        yield gr.Gallery(captioned, columns=columns, elem_classes=look), made, made, told


def takes(creation: Creation) -> bool:
    """Whether a Creation can be asked for here: a wall with classes."""
    return isinstance(creation, Generate) and 1 <= len(creation.labels) <= MAX_CLASSES


def fill(creation: Generate, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for such a wall."""
    labels = [str(label) for label in creation.labels]
    wall = creation
    return wall.model, labels, wall.count, wall.seed, wall.truncation, wall.likeness, wall.around


def pick_picture(drawn: Outcome | None, event: gr.SelectData) -> tuple[str, str, str, Outcome]:
    """The picture that was clicked, its seed and class, and the same as :class:`Outcome`."""
    wanted = drawn.creation.wanted() if drawn else ()
    seed, label = parts.example(wanted, event.index)
    one = Outcome(replace(drawn.creation, seed=seed, count=1, labels=(label,)), [drawn.files[event.index]])
    return one.files[0], str(seed), str(label), one


def picked_one(drawn: Outcome | None, seed: Any, label: str) -> Generate:
    """The picture that is picked."""
    if drawn is None or not seed:
        raise ConfigError(parts.NO_PICTURE)
    wanted = {(str(one), str(name)): (one, name) for one, name in drawn.creation.wanted()}
    if (seed, label) not in wanted:
        raise ConfigError(parts.NO_PICTURE)
    return drawn.creation.alone(*wanted[seed, label])


def pick_first(drawn: Outcome | None) -> tuple[str | None, str, str]:
    """The first picture of the rows, its seed and class."""
    if drawn is None:
        return None, "", ""
    seed, label = drawn.creation.wanted()[0]
    return drawn.files[0], str(seed), str(label)


def pick(names: list[str], example: int) -> list[str]:
    """The classes of an example: the first few, a few spread over all, or one."""
    if example == 1:
        step = max(1, len(names) // SHOWN)
        return names[::step][:SHOWN]
    return names[:SHOWN] if example == 0 else names[len(names) // 2 :][:1]


def class_menu(library: Library, name: str) -> Any:
    """The class menu of another model, with its first classes chosen."""
    names = menus.classes_of(library, name)
    if not names:
        raise ConfigError(f"{name} knows no classes: choose a conditional model here.")
    return gr.Dropdown(names, value=names[:SHOWN])


TAB = Tab("conditional", "Conditional", 65, build)
