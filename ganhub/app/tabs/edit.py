"""Edit: the picture of a seed or a photo of one's own, changed along directions of W and mixed with other seeds."""

from __future__ import annotations

import html
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
from torch import Tensor

from ganhub import images, latents, zoo
from ganhub.app import _parts as parts
from ganhub.app.declared import Bench, Built, Tab, press_once
from ganhub.app.jobs import Report
from ganhub.app.library import Library
from ganhub.creation import Edit, Inputs, Result, checks, marks, render
from ganhub.creation.edit import COUNT, KINDS, MIXES, NOTHING, REACH, in_words
from ganhub.errors import ConfigError
from ganhub.models import StyleGenerator

SLIDERS = 6  # directions at a time
FIRST = tuple(f"pca:{i}" for i in range(4))  # what the sliders are when the tab opens
CLASSES = 6  # classes between which it names the ways
STEPS = (20, 1000, 300)  # of a projection: least, most, usual
MAX_SIDE = 1024  # a photo is shrunk to it when it is opened; no model here is larger
ANY = "any"
EMPTY = """
<div class="empty"><h2>Nothing to edit yet</h2>
<p>Editing takes a model with a space of styles, such as <b>stylegan2</b>, and none is here.</p>
<p>Train one on your own pictures with <code>python training/train.py</code>, or type the owner/name of one on the
Hugging Face Hub into the menu on the left.</p></div>
"""


# Fields of the edits as the endpoints name them, in the order of the components.
EDITS = ("directions", *(f"amount_{i + 1}" for i in range(SLIDERS)), "mixed", "mix_seed", "truncation")


@dataclass(frozen=True, eq=False)
class Session:
    """What a visitor edits; it stays on the server.

    Attributes:
        creation: Pinned to the version of the model that it was started with.
        inputs: Keep the point of W that the edits start from.
    """

    creation: Edit
    inputs: Inputs


def with_edits(run: Callable) -> Callable:
    """A function whose ``*edits`` have the names of :data:`EDITS`: Gradio would call them param_3, param_4, ..."""
    signature = inspect.signature(run)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_POSITIONAL]
    named = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in EDITS]
    run.__signature__ = signature.replace(parameters=[*own, *named])
    return run


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model" and "seed", which another tab may fill, then the listeners "start", "reveal"."""
    have = bool(zoo.entries(StyleGenerator))
    at = SimpleNamespace(start=gr.State(None), named=gr.State(list(FIRST)))
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            names = beginning(bench, at)
        with gr.Column(scale=3, min_width=320):
            at.empty = gr.HTML(EMPTY, visible=not have, container=False, elem_id="edit-empty")
            with gr.Column(visible=have, elem_id="edit-room") as at.room:
                editor(at, names)
    return connect(bench, at, have)


def beginning(bench: Bench, at: SimpleNamespace) -> list[str]:
    """What is edited: a seed or a photo; returns the model's classes."""
    at.model, _ = parts.model_menu(bench.library, StyleGenerator, "edit")
    names = parts.classes_of(bench.library, at.model.value)
    at.label = gr.Dropdown(
        [ANY, *names], value=ANY, label="Class", allow_custom_value=True, visible=bool(names),
        elem_id="edit-class",
    )  # fmt: skip
    with gr.Row(equal_height=True, elem_classes="beside"):
        at.seed = parts.unchecked(
            gr.Number(0, label="Start from a seed", precision=0, elem_id="edit-seed", min_width=130)
        )
        at.take = gr.Button("Take it", size="md", elem_id="edit-take", min_width=90, scale=0)
    at.photo = parts.unchecked(
        gr.Image(
            label="Or from your own photo", type="filepath", image_mode=None, format="png",
            sources=["upload", "clipboard"], height=200, buttons=[], elem_id="edit-photo",
        )
    )  # fmt: skip
    at.steps = parts.unchecked(
        gr.Slider(
            STEPS[0], STEPS[1], STEPS[2], step=10, label="Steps", elem_id="edit-steps",
            info="More come closer to the photo.",
        )
    )  # fmt: skip
    at.press, at.status = parts.run_and_stop("Project the photo", bench.jobs, "edit")
    return names


def editor(at: SimpleNamespace, names: Sequence[str]) -> None:
    """Before and after, and what changes it."""
    look = {
        "format": "png", "interactive": False, "height": 380, "min_width": 150, "elem_classes": "compare"
    }  # fmt: skip
    with gr.Row(elem_classes="pair"):
        at.before = gr.Image(label="Before", buttons=["fullscreen"], elem_id="edit-before", **look)
        at.after = gr.Image(
            label="After", buttons=["download", "fullscreen"], elem_id="edit-after", **look
        )  # fmt: skip
    at.recipe = gr.HTML(elem_id="edit-recipe", elem_classes="about recipe", container=False)
    at.chosen = gr.Dropdown(
        menu(names), value=list(FIRST), multiselect=True, max_choices=SLIDERS, allow_custom_value=True,
        label="Directions", elem_id="edit-directions",
        info=f"A slider for each, in standard deviations; up to {SLIDERS}.",
    )  # fmt: skip
    with gr.Row(elem_classes="sliders"):
        at.sliders = [
            parts.unchecked(  # as far as it goes: a slider that was given another label checks for itself
                gr.Slider(
                    -REACH, REACH, 0, step=0.1, min_width=220, elem_id=f"edit-amount-{i + 1}",
                    label=in_words(FIRST[i]) if i < len(FIRST) else "One more", visible=i < len(FIRST),
                )
            )
            for i in range(SLIDERS)
        ]  # fmt: skip
    with gr.Row():
        at.mixed = gr.Radio(
            MIXES, value=NOTHING, label="Mix in", info="Coarse is the layout, fine the colours.",
            elem_id="edit-mix", min_width=410, scale=5,
        )  # fmt: skip
        at.other = parts.unchecked(
            gr.Number(1, label="of seed", precision=0, elem_id="edit-mix-seed", min_width=90, scale=1)
        )
        at.truncation = parts.unchecked(
            gr.Slider(
                0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is safer, more is wilder.",
                elem_id="edit-truncation", min_width=190, scale=3,
            )
        )  # fmt: skip
    with gr.Row():
        at.reset = gr.Button("Undo all edits", size="md", elem_id="edit-reset", min_width=100)
        at.png = gr.DownloadButton("Save the picture", size="md", elem_id="edit-png", min_width=100)
        at.point = gr.DownloadButton("Save its w", size="md", elem_id="edit-w", min_width=100)


def connect(bench: Bench, at: SimpleNamespace, have: bool) -> Built:
    """What buttons and sliders do."""
    edits = [at.chosen, *at.sliders, at.mixed, at.other, at.truncation]
    shown = [at.after, at.recipe, at.png, at.point]

    outputs = [at.start, at.before, *shown, at.status]
    apply, arranged = parts.calm(show_edits, bench), parts.calm(arrange)
    from_seed = (parts.calm(start_from_seed, bench), [at.model, at.label, at.seed, *edits], outputs)
    reveal = (lambda: (gr.Column(visible=True), gr.HTML(visible=False)), None, [at.room, at.empty])
    at.take.click(
        *from_seed, show_progress="hidden", api_name="edit_seed",
        api_description="Begin to edit the picture of a seed. The edits are those of `edit`. Returns the picture "
        "before and after them, what was done in words, the PNG, the point in W (safetensors), and a sentence.",
    ).success(*reveal, **parts.PRIVATE)  # fmt: skip
    at.press.click(
        parts.calm(start_from_photo, bench), [at.model, at.label, at.photo, at.steps, *edits], outputs,
        show_progress="hidden", concurrency_limit=1, concurrency_id="project-slow", api_name="edit_photo",
        api_description="Find the point in W whose picture is most like a photo, and begin to edit it. Gives early "
        "looks while it works; returns what `edit_seed` returns.",
    ).success(*reveal, **parts.PRIVATE)  # fmt: skip
    gr.on(
        [control.input for control in edits[1:]], apply, [at.start, *edits], shown,
        trigger_mode="always_last", show_progress="hidden", api_name="edit",
        api_description="Change what `edit_seed` or `edit_photo` started: `amount_1` and the others in standard "
        "deviations along the named `directions`, in this order; `mixed` styles of the seed `mix_seed`, coarse, middle "
        "or fine; `truncation`. Returns the picture, what was done in words, the PNG and the point in W (safetensors).",
    )  # fmt: skip
    at.reset.click(
        lambda: (*[0] * SLIDERS, NOTHING, 1.0), None, [*at.sliders, at.mixed, at.truncation], show_progress="hidden",
        api_name="edit_reset",
        api_description="The values of a picture without edits: no direction, nothing mixed in, truncation 1.",
    ).then(apply, [at.start, *edits], shown, **parts.PRIVATE)  # fmt: skip
    at.chosen.input(arranged, [at.chosen, at.named, *at.sliders], [at.named, *at.sliders], **parts.PRIVATE).then(
        apply, [at.start, *edits], shown, **parts.PRIVATE
    )
    at.model.input(
        parts.calm(lambda name: menus(bench.library, name)), at.model, [at.label, at.chosen], **parts.PRIVATE
    ).then(arranged, [at.chosen, at.named, *at.sliders], [at.named, *at.sliders], **parts.PRIVATE).then(
        *from_seed, **parts.PRIVATE
    ).success(*reveal, **parts.PRIVATE)
    scripts = (press_once("edit", "after", button="take"),) if have else ()
    return Built(scripts=scripts, doors={"model": at.model, "seed": at.seed, "start": from_seed, "reveal": reveal})


def saved(bench: Bench, creation: Edit, edited: Result) -> tuple[str, str, str, str]:
    """The edited picture and its w as files, and what was done as a line: (PNG, line, PNG, safetensors)."""
    facts = {"model": creation.model, "source": creation.source, "edits": ", ".join(edited.notes) or "none"}
    name = f"{creation.model}-{creation.source}-edited"
    path = parts.save_png(edited.pictures, name, marks.mark_of(creation, bench.library))
    file = parts.scratch(f"{name}.safetensors")
    tensors = edited.tensors
    latents.save_w(tensors["w"], file, noise=tensors["noise"], about={"software": "ganhub", **facts})
    line = " · ".join(html.escape(part) for part in (creation.source.capitalize(), *(edited.notes or ["as it is"])))
    return path, line, path, str(file)


@with_edits
def show_edits(bench: Bench, session: Session | None, *edits: Any) -> tuple[str, str, str, str]:
    """The same start with other edits."""
    if session is None:
        raise ConfigError("There is nothing to edit yet: take a seed, or upload a photo and project it.")
    creation = replace(session.creation, **asked_edits(*edits))
    return saved(bench, creation, render(creation, bench.library, inputs=session.inputs))


def start(
    bench: Bench, creation: Edit, inputs: Inputs, request: gr.Request | None, photo: Tensor | None = None
) -> Iterator[tuple]:
    """Start to edit, with early looks beside the photo where there is one, and show the edits."""

    def work(report: Report) -> tuple[Session, str, tuple, str]:
        size = bench.library.open(creation.model, StyleGenerator).config.size
        before = "" if photo is None else parts.save_png(images.fit(photo, *size), "photo")

        def on_step(step: int, steps: int, look: Tensor | None) -> None:
            report(step, steps, None if look is None else (before, look.float().cpu().clone()))

        pinned = creation.pinned(bench.library)
        edited = render(pinned, bench.library, on_step, inputs=inputs)
        name = f"{creation.model}-{creation.source}"
        unedited = replace(pinned, directions=(), mixed=NOTHING, mix_seed=0, truncation=1.0)
        mark = marks.mark_of(unedited, bench.library) if photo is None else None
        path = parts.save_png(edited.photo, name, mark)
        return Session(pinned, inputs), path, saved(bench, pinned, edited), html.escape(edited.text)

    def look(pair: tuple[str, Tensor]) -> tuple:
        return gr.skip(), pair[0], images.to_pil(pair[1]), *parts.keep(3)

    job = yield from parts.follow(
        bench, "edit", request, work, noun="Step", outputs=6, look=look,
        stopped="Stopped. What was here before can still be edited.",
    )  # fmt: skip
    if job:
        session, path, shown, text = job.result()
        yield session, path, *shown, f"{text} Move a slider."


@with_edits
def start_from_seed(bench: Bench, request: gr.Request, model, label, seed, *edits) -> Iterator[tuple]:
    """Edit the picture of a seed."""
    creation = Edit(model=parts.menu_name(model), seed=seed, label=asked_class(label), **asked_edits(*edits))
    yield from start(bench, creation, Inputs(), request)


@with_edits
def start_from_photo(bench: Bench, request: gr.Request, model, label, photo, steps, *edits) -> Iterator[tuple]:
    """Project a photo to W, and edit it."""
    inputs, how_many = Inputs(), checks.whole("Steps", steps, *STEPS[:2])
    creation = Edit(
        model=parts.menu_name(model), photo=inputs.add(parts.picture_file("photo", photo)), size=MAX_SIDE,
        steps=how_many, label=asked_class(label), **asked_edits(*edits),
    )  # fmt: skip
    picture = images.load_image(photo, channels=4, max_side=MAX_SIDE)  # what is wrong with it is said now
    yield from start(bench, creation, inputs, request, picture)


def arrange(chosen: list[str] | None, named: list[str], *amounts: float) -> tuple:
    """A slider for each chosen direction; those that stay keep their amounts."""
    kept = dict(zip(named, amounts, strict=False))
    now = parts.name_list("Directions", chosen)[:SLIDERS]
    boxes = [
        gr.Slider(label=in_words(now[i]), value=kept.get(now[i], 0), visible=True)
        if i < len(now)
        else gr.Slider(value=0, visible=False)
        for i in range(SLIDERS)
    ]
    return now, *boxes


def menu(classes: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Directions by name, and in words: those of every model, and the ways between the first classes."""
    names = [f"{kind}:{i}" for kind in KINDS for i in range(COUNT)]
    names += [f"class:{a}>{b}" for a, b in itertools.combinations(classes[:CLASSES], 2)]
    return [(in_words(name), name) for name in names]


def asked_class(label: Any) -> Any:
    """What the class menu asks for; None for any."""
    return None if label in (None, "", ANY) else label


def menus(library: Library, name: str) -> tuple[gr.Dropdown, gr.Dropdown]:
    """The class menu of another model, hidden where there are no classes, and its directions."""
    classes = parts.classes_of(library, name)
    return gr.Dropdown([ANY, *classes], value=ANY, visible=bool(classes)), gr.Dropdown(menu(classes), value=list(FIRST))


def asked_edits(chosen: Any, *others: Any) -> dict[str, Any]:
    """Fields of an Edit: directions with amounts, what is mixed in and of which seed, truncation."""
    *amounts, mixed, seed, truncation = others
    names = parts.name_list("Directions", chosen)
    if len(names) > SLIDERS:
        raise ConfigError(f"Choose up to {SLIDERS} directions; there are {len(names)}.")
    pairs = tuple(zip(names, amounts, strict=False))
    return {"directions": pairs, "mixed": mixed, "mix_seed": seed if mixed != NOTHING else 0, "truncation": truncation}


TAB = Tab("edit", "Edit", 70, build)
