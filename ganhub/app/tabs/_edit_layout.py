"""What stands where on the Edit tab."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import SimpleNamespace

import gradio as gr

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import Bench
from ganhub.creation.edit import COUNT, KINDS, PARTS, REACH, in_words
from ganhub.models import StyleGenerator

SLIDERS, CHANGES = 6, 4  # sliders of named directions, and of those that have no name
FIRST = tuple(f"pca:{i}" for i in range(CHANGES))  # what the latter are when the tab opens
CLASSES = 6  # classes between which the ways are in the menu
STEPS = (20, 1000, 300)  # of a projection: least, most, usual
ANY, SAME = "any", "the same class"
EMPTY = """
<div class="empty"><h2>Nothing to edit yet</h2>
<p>Editing takes a model with a space of styles, such as <b>stylegan2</b>, and none is here.</p>
<p>Train one on your own pictures with <code>python training/train.py</code>, or type the owner/name of one on the
Hugging Face Hub into the menu on the left.</p></div>
"""
UPLOAD = {
    "type": "filepath", "image_mode": None, "format": "png", "sources": ["upload", "clipboard"], "buttons": [],
    "min_width": 130,
}  # fmt: skip


def beginning(bench: Bench, at: SimpleNamespace) -> None:
    """What is changed: the picture of a seed, or a photo."""
    at.model, _ = menus.model_menu(bench.library, StyleGenerator, "edit")
    classes = menus.classes_of(bench.library, at.model.value)
    at.label = gr.Dropdown(
        [(ANY.capitalize(), ANY), *classes], value=ANY, label="Class", allow_custom_value=True, visible=bool(classes),
        elem_id="edit-class",
    )  # fmt: skip
    first = zoo.first_seed(at.model.value)
    at.seed = parts.unchecked(gr.Number(first, label="Start from a seed", precision=0, elem_id="edit-seed"))
    with gr.Row():
        at.take = gr.Button("Take it", size="md", elem_id="edit-take", min_width=90)
        at.surprise = gr.Button("Surprise me", size="md", elem_id="edit-surprise", min_width=110)
    at.photo = parts.unchecked(
        gr.Image(label="Or start from a photo of yours", height=200, elem_id="edit-photo", **UPLOAD)
    )
    at.press, at.status = parts.run_and_stop("Find my photo in the model", bench.jobs, "edit")
    at.press.interactive = False  # until there is one
    at.steps = parts.unchecked(
        gr.Slider(
            *STEPS, step=10, label="How long to look", elem_id="edit-steps",
            info="In steps: 300 take about a minute, and more come closer to the photo.",
        )
    )  # fmt: skip


def changing(at: SimpleNamespace, private: bool, classes: Sequence[str]) -> None:
    """The picture before and after, and what changes it."""
    at.pair = gr.ImageSlider(
        label="Before and after: pull the line", format="png", type="filepath", interactive=False,
        buttons=["download", "fullscreen"], height=400, max_height=400, elem_id="edit-pair", slider_position=50,
        elem_classes=parts.look_of(at.model.value, "painting"),
    )  # fmt: skip
    at.recipe = gr.HTML(elem_id="edit-recipe", elem_classes="about recipe", container=False)
    with gr.Column(visible=False, elem_id="edit-named") as at.by_name:
        at.chosen = gr.Dropdown(
            [], value=[], multiselect=True, max_choices=SLIDERS, allow_custom_value=True, label="What to change",
            elem_id="edit-directions", info=f"A slider for each; up to {SLIDERS}.",
        )  # fmt: skip
        with gr.Row(elem_classes="sliders"):
            at.sliders = [slider(f"edit-amount-{i + 1}", "One more", False) for i in range(SLIDERS)]
    with gr.Accordion("Mix with another picture", open=False, elem_id="edit-mixing") as at.mix:
        mixing(at, classes)
    with gr.Accordion("More changes", open=False, elem_id="edit-more") as at.more:
        more(at, private)
    with gr.Row():
        at.reset = gr.Button("Undo all changes", size="md", elem_id="edit-reset", min_width=100)
        at.png = gr.DownloadButton("Save the picture", size="md", elem_id="edit-png", min_width=100)


def slider(elem_id: str, label: str, visible: bool, width: int = 220) -> gr.Slider:
    """How much of one change; as far as it goes: one that was given another label checks for itself."""
    return parts.unchecked(
        gr.Slider(-REACH, REACH, 0, step=0.1, min_width=width, elem_id=elem_id, label=label, visible=visible)
    )


def mixing(at: SimpleNamespace, classes: Sequence[str]) -> None:
    """Another picture, and what is taken from it."""
    with gr.Row():
        at.other = gr.Image(
            label="The other picture", format="png", interactive=False, height=150, min_width=130, buttons=[],
            elem_id="edit-other", elem_classes=parts.look_of(at.model.value),
        )  # fmt: skip
        with gr.Column(min_width=200, scale=2):
            at.parts = parts.unchecked(gr.CheckboxGroup(
                [(word.capitalize(), part) for part, word in PARTS.items()], value=[], label="Take from it",
                elem_id="edit-mix",
            ))  # fmt: skip
            at.mix_seed = parts.unchecked(
                gr.Number(1, label="It is the picture of seed", precision=0, elem_id="edit-mix-seed", min_width=90)
            )
            at.mix_label = gr.Dropdown(
                [(SAME.capitalize(), SAME), *classes], value=SAME, label="of class", allow_custom_value=True,
                visible=bool(classes), elem_id="edit-mix-class", min_width=90,
            )  # fmt: skip
        with gr.Column(min_width=130, scale=1):
            at.mix_photo = parts.unchecked(
                gr.Image(label="Or a photo of yours", height=110, elem_id="edit-mix-photo", **UPLOAD)
            )
            at.mix_press = gr.Button(
                "Find this photo", size="md", elem_id="edit-mix-run", min_width=110, interactive=False
            )


def more(at: SimpleNamespace, private: bool) -> None:
    """Changes that have no name yet, the way to give them one, and the settings that few need."""
    at.strip = gr.Gallery(
        label="What they do: to the left, to the right", columns=CHANGES, height="auto", allow_preview=False,
        buttons=[], interactive=False, elem_id="edit-strip", format="png", object_fit="contain",
        elem_classes=["wall", "captions", "pairs", f"columns-{CHANGES}"],
    )  # fmt: skip
    with gr.Row(elem_classes="sliders"):
        at.changes = [slider(f"edit-change-{i + 1}", in_words(name), True, 150) for i, name in enumerate(FIRST)]
    at.unnamed = gr.Dropdown(
        menu(), value=list(FIRST), multiselect=True, max_choices=CHANGES, allow_custom_value=True,
        label="Which changes", elem_id="edit-changes", info="The model has these without knowing what they mean.",
    )  # fmt: skip
    if private:
        with gr.Row(equal_height=True, elem_classes="beside", elem_id="edit-naming"):
            at.which = gr.Dropdown(
                menu(), value=FIRST[0], label="Keep this change", elem_id="edit-which", min_width=130,
                allow_custom_value=True,
            )  # fmt: skip
            at.name = parts.unchecked(gr.Textbox(label="under a name", placeholder="such as: more hair",
                                                 max_length=60, elem_id="edit-name", min_width=150))  # fmt: skip
            at.keep = gr.Button("Keep the name", size="md", elem_id="edit-keep", min_width=140, scale=0)
    at.truncation = parts.unchecked(
        gr.Slider(
            0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is more typical, more is wilder.",
            elem_id="edit-truncation",
        )
    )  # fmt: skip
    at.point = gr.DownloadButton("Save for Python (point in W)", size="md", elem_id="edit-w", min_width=100)


def menu(classes: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Directions without names, in words: those of every model, and the ways between the first classes."""
    names = [f"{kind}:{i}" for kind in KINDS for i in range(COUNT)]
    names += [f"class:{a}>{b}" for a, b in itertools.combinations(classes[:CLASSES], 2)]
    return [(in_words(name), name) for name in names]
