"""Generate: a wall of seeds. The same seed of the same model is the same picture, always."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import Bench, Built, Form, Outcome, Tab
from ganhub.app.jobs import Report
from ganhub.creation import Creation, Generate, checks
from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator

MAX_COUNT = 64
NEW_SEEDS = 1_000_000  # "Surprise me" takes one below: still easy to write down
WALL = ("wall", "columns-8")
EXAMPLES = (("First sixteen", 16, 0, 1.0), ("Sixty-four at once", 64, 1000, 1.0), ("The most typical", 16, 0, 0.5))


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seed" and "label" (of the click), "send" and "edit" (buttons)."""
    at = SimpleNamespace(outcome=gr.State(None), last=gr.State(None))
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=1, min_width=290, elem_classes="asked", elem_id="generate-asked"):
            asked(bench, at)
        with gr.Column(scale=3, min_width=320, elem_classes="shown", elem_id="generate-shown"):
            shown(at)
    return connect(bench, at)


def asked(bench: Bench, at: SimpleNamespace) -> None:
    """What is asked for."""
    at.model, _ = menus.model_menu(bench.library, LatentGenerator, "generate")
    at.press, at.status = parts.run_and_stop("Generate", bench.jobs, "generate")
    with at.press.parent:
        at.surprise = gr.Button("Surprise me", elem_id="generate-surprise", elem_classes="run", min_width=110)
    at.seed = parts.unchecked(gr.Number(
        zoo.first_seed(at.model.value), label="First seed", info="Picture i has seed + i.", precision=0,
        elem_id="generate-seed",
    ))  # fmt: skip
    at.lock = gr.Checkbox(False, label="Keep this seed", elem_id="generate-lock")
    at.count = parts.unchecked(gr.Slider(1, MAX_COUNT, 24, step=1, label="Pictures", elem_id="generate-count"))
    at.truncation = parts.unchecked(
        gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is safer, more is wilder.")
    )
    with gr.Accordion("Near one seed", open=False):
        at.likeness = parts.unchecked(gr.Slider(
            0, 1, 0, step=0.05, label="Likeness", info="0: each picture is its own.", elem_id="generate-likeness",
        ))  # fmt: skip
        at.around = parts.unchecked(gr.Number(0, label="to seed", precision=0, elem_id="generate-around"))
    at.examples = gr.Dataset(
        label="Try", components=[at.count, at.seed, at.truncation], type="index", elem_classes="examples",
        samples=[list(sample[1:]) for sample in EXAMPLES], sample_labels=[sample[0] for sample in EXAMPLES],
    )  # fmt: skip


def shown(at: SimpleNamespace) -> None:
    """The wall, and the picture that was clicked."""
    at.wall = gr.Gallery(
        label="Seed wall", show_label=False, columns=8, height="auto", allow_preview=False, format="png",
        buttons=[], elem_id="generate-wall", elem_classes=parts.look_of(at.model.value, *WALL), object_fit="contain",
        interactive=False,
    )  # fmt: skip
    at.picked = parts.picked("generate", at.model.value)


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons and examples do."""
    generate = parts.calm(run, bench)
    inputs = [at.model, at.count, at.seed, at.truncation, at.likeness, at.around]
    listener = (generate, inputs, [at.wall, at.outcome, at.status])
    pressed = at.press.click(
        *listener, show_progress="hidden", api_name="generate",
        api_description="Make `count` pictures of a latent generator, of seeds seed, seed + 1, ... Returns the PNG "
        "files with their seeds as captions, and a sentence. The same seed gives the same picture, always. With a "
        "`likeness` above 0 all pictures are near the one of the seed `around`.",
    )  # fmt: skip
    drawn_again = (parts.calm(again), [at.outcome, at.last, at.lock], [at.status, at.last])
    at.surprise.click(parts.calm(new_seed), [at.seed, at.lock], at.seed, queue=False, **parts.PRIVATE).then(
        *listener, **parts.PRIVATE
    ).success(*drawn_again, **parts.PRIVATE)
    pressed.success(*drawn_again, **parts.PRIVATE)
    at.model.input(*listener, **parts.PRIVATE)
    at.model.change(parts.calm(dressed), at.model, [at.wall, at.picked.picture], queue=False, **parts.PRIVATE)
    at.examples.click(
        parts.calm(lambda i: parts.example(EXAMPLES, i)[1:]), at.examples, [at.count, at.seed, at.truncation],
        **parts.PRIVATE,
    ).then(*listener, **parts.PRIVATE)  # fmt: skip
    at.wall.change(parts.calm(pick_first), at.wall, [at.picked.picture, at.picked.seed], **parts.PRIVATE)
    at.wall.select(
        parts.calm(pick), [at.wall, at.outcome], [at.picked.picture, at.picked.seed, at.outcome], **parts.PRIVATE
    )
    doors = {"model": at.model, "seed": at.picked.seed, "send": at.picked.send, "edit": at.picked.edit}
    return Built(
        first=listener, doors=doors, outcome=at.outcome, form=Form(takes, fill, inputs, listener),
        ways={"like": at.picked.like, "evolve": at.picked.evolve}, pick=(picked_one, [at.outcome, at.picked.seed]),
    )  # fmt: skip


def run(bench: Bench, model, count, seed, truncation, likeness, around, request: gr.Request) -> Iterator[tuple]:
    """The wall of a form's values: pictures with their seeds, the same as :class:`Outcome`, and a sentence."""
    how_many = checks.whole("Pictures", count, 1, MAX_COUNT)
    near = {"likeness": likeness, "around": around} if likeness else {}
    wall = Generate(model=menus.menu_name(model), seed=seed, count=how_many, truncation=truncation, **near)

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


def new_seed(seed: Any, keep: bool) -> Any:
    """A seed that nobody has chosen, unless the one that is there is to be kept."""
    return seed if keep else secrets.randbelow(NEW_SEEDS)


def again(outcome: Outcome | None, last: Creation | None, keep: bool) -> tuple[Any, Creation | None]:
    """A sentence where a press gave the wall that was there already, and what this wall is."""
    if outcome is None or outcome.creation != last:
        return gr.skip(), outcome and outcome.creation
    rest = ", without “Keep this seed”." if keep else "."
    return f"The same seeds give the same pictures, always. For new ones press Surprise me{rest}", last


def dressed(model: str) -> tuple[gr.Gallery, gr.Image]:
    """The wall and the picked picture in the look of a model's pictures."""
    return gr.Gallery(elem_classes=parts.look_of(model, *WALL)), gr.Image(elem_classes=parts.look_of(model))


def takes(creation: Creation) -> bool:
    """Whether a Creation is a wall of this tab: the Conditional tab has those with classes."""
    return isinstance(creation, Generate) and not creation.labels


def fill(creation: Generate, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for a wall."""
    wall = creation
    return wall.model, wall.count, wall.seed, wall.truncation, wall.likeness, wall.around


def pick(
    pictures: list[tuple[str, str]] | None, outcome: Outcome | None, event: gr.SelectData
) -> tuple[str, str, Outcome | None]:
    """The picture that was clicked, its seed, and the same as :class:`Outcome`."""
    path, seed = parts.seed_clicked(pictures, event.index)
    # The wall itself is gone where one was picked before: model and settings of both are the same.
    one = outcome and Outcome(replace(outcome.creation, seed=seed, count=1), [path])
    return path, str(seed), one


def picked_one(outcome: Outcome | None, seed: Any) -> Generate:
    """The picture that is picked."""
    if outcome is None or not seed:
        raise ConfigError(parts.NO_PICTURE)
    return replace(outcome.creation, seed=checks.read_seeds(seed, least=1, most=1)[0], count=1)


def pick_first(pictures: list[tuple[str, str]] | None) -> tuple[str | None, str]:
    """The first picture of a wall, and its seed."""
    return (pictures[0][0], pictures[0][1].removeprefix("seed ")) if pictures else (None, "")


TAB = Tab("generate", "Generate", 10, build)
