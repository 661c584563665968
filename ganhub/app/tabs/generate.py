"""Generate: a wall of seeds. The same seed of the same model is the same picture, always."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.declared import Bench, Built, Form, Outcome, Tab
from ganhub.app.jobs import Report
from ganhub.creation import Creation, Generate, checks
from ganhub.models import LatentGenerator

MAX_COUNT = 64
EXAMPLES = (("First sixteen", 16, 0, 1.0), ("Sixty-four at once", 64, 1000, 1.0), ("The most typical", 16, 0, 0.5))


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seed" (of the click), "send" and "edit" (buttons)."""
    at = SimpleNamespace(outcome=gr.State(None))
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            asked(bench, at)
        with gr.Column(scale=3, min_width=320):
            shown(at)
    return connect(bench, at)


def asked(bench: Bench, at: SimpleNamespace) -> None:
    """What is asked for."""
    at.model, _ = parts.model_menu(bench.library, LatentGenerator, "generate")
    at.count = parts.unchecked(gr.Slider(1, MAX_COUNT, 24, step=1, label="Pictures", elem_id="generate-count"))
    at.seed = parts.unchecked(
        gr.Number(0, label="First seed", info="Picture i has seed + i.", precision=0, elem_id="generate-seed")
    )
    at.truncation = parts.unchecked(
        gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is safer, more is wilder.")
    )
    with gr.Accordion("Near one seed", open=False):
        at.likeness = parts.unchecked(gr.Slider(
            0, 1, 0, step=0.05, label="Likeness", info="0: each picture is its own.", elem_id="generate-likeness",
        ))  # fmt: skip
        at.around = parts.unchecked(gr.Number(0, label="to seed", precision=0, elem_id="generate-around"))
    at.press, at.status = parts.run_and_stop("Generate", bench.jobs, "generate")
    at.examples = gr.Dataset(
        label="Try", components=[at.count, at.seed, at.truncation], type="index", elem_classes="examples",
        samples=[list(sample[1:]) for sample in EXAMPLES], sample_labels=[sample[0] for sample in EXAMPLES],
    )  # fmt: skip


def shown(at: SimpleNamespace) -> None:
    """The wall, and the picture that was clicked."""
    at.wall = gr.Gallery(
        label="Seed wall", show_label=False, columns=8, height="auto", allow_preview=False, format="png",
        buttons=[], elem_id="generate-wall",
        elem_classes=["wall", "columns-8"], object_fit="contain", interactive=False,
    )  # fmt: skip
    with gr.Row(elem_classes="picked"):
        at.picture = gr.Image(
            label="Picked", format="png", interactive=False, height=200, buttons=["download", "fullscreen"],
            elem_id="generate-picked", min_width=200, scale=1, show_label=False,
        )  # fmt: skip
        with gr.Column(scale=3, min_width=220):
            at.picked = gr.Textbox(
                label="Seed", placeholder="Click a picture above", interactive=False, buttons=["copy"],
                elem_id="generate-picked-seed",
            )  # fmt: skip
            with gr.Row():
                at.send = gr.Button("Use in Interpolate", size="md", elem_id="generate-send", min_width=120)
                at.change = gr.Button("Edit this picture", size="md", elem_id="generate-edit", min_width=120)


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons and examples do."""
    generate = parts.calm(run, bench)
    inputs = [at.model, at.count, at.seed, at.truncation, at.likeness, at.around]
    listener = (generate, inputs, [at.wall, at.outcome, at.status])
    at.press.click(
        *listener, show_progress="hidden", api_name="generate",
        api_description="Make `count` pictures of a latent generator, of seeds seed, seed + 1, ... Returns the PNG "
        "files with their seeds as captions, and a sentence. The same seed gives the same picture, always. With a "
        "`likeness` above 0 all pictures are near the one of the seed `around`.",
    )  # fmt: skip
    at.model.input(*listener, **parts.PRIVATE)
    at.examples.click(
        parts.calm(lambda i: parts.example(EXAMPLES, i)[1:]), at.examples, [at.count, at.seed, at.truncation],
        **parts.PRIVATE,
    ).then(*listener, **parts.PRIVATE)  # fmt: skip
    at.wall.change(parts.calm(pick_first), at.wall, [at.picture, at.picked], **parts.PRIVATE)
    at.wall.select(parts.calm(pick), [at.wall, at.outcome], [at.picture, at.picked, at.outcome], **parts.PRIVATE)
    doors = {"model": at.model, "seed": at.picked, "send": at.send, "edit": at.change}
    return Built(first=listener, doors=doors, outcome=at.outcome, form=Form(takes, fill, inputs, listener))


def run(bench: Bench, model, count, seed, truncation, likeness, around, request: gr.Request) -> Iterator[tuple]:
    """The wall of a form's values: pictures with their seeds, the same as :class:`Outcome`, and a sentence."""
    how_many = checks.whole("Pictures", count, 1, MAX_COUNT)
    near = {"likeness": likeness, "around": around} if likeness else {}
    wall = Generate(model=parts.menu_name(model), seed=seed, count=how_many, truncation=truncation, **near)

    def work(report: Report) -> list[str]:
        return bench.drawings.of(wall, bench.library, report)

    job = yield from parts.follow(
        bench, "generate", request, work, noun="Picture", outputs=2,
        stopped="Stopped. The wall from before is still here.",
    )  # fmt: skip
    if job:
        paths = job.result()
        captioned = [(path, f"seed {seed}") for path, (seed, _) in zip(paths, wall.wanted(), strict=True)]
        told = f"Seeds {wall.seed} to {wall.seed + how_many - 1}. Click one to keep it."
        yield captioned, Outcome(wall, paths), told


def takes(creation: Creation) -> bool:
    """Whether a Creation is a wall of this tab: the Conditional tab has those with classes."""
    return isinstance(creation, Generate) and not creation.labels


def fill(creation: Generate, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for a wall."""
    count = min(creation.count, MAX_COUNT)
    return creation.model, count, creation.seed, creation.truncation, creation.likeness, creation.around


def pick(
    pictures: list[tuple[str, str]] | None, outcome: Outcome | None, event: gr.SelectData
) -> tuple[str, str, Outcome | None]:
    """The picture that was clicked, its seed, and the same as :class:`Outcome`."""
    path, caption = parts.example(pictures or (), event.index)
    seed = caption.removeprefix("seed ")
    # The wall itself is gone where one was picked before: model and settings of both are the same.
    one = outcome and Outcome(replace(outcome.creation, seed=int(seed), count=1), [path])
    return path, seed, one


def pick_first(pictures: list[tuple[str, str]] | None) -> tuple[str | None, str]:
    """The first picture of a wall, and its seed."""
    return (pictures[0][0], pictures[0][1].removeprefix("seed ")) if pictures else (None, "")


TAB = Tab("generate", "Generate", 10, build)
