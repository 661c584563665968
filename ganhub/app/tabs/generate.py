"""Generate: a wall of seeds. The same seed of the same model is the same picture, always."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.declared import Bench, Built, Tab
from ganhub.app.jobs import Report
from ganhub.creation import Generate, checks
from ganhub.models import LatentGenerator

MAX_COUNT = 64
EXAMPLES = (("First sixteen", 16, 0, 1.0), ("Sixty-four at once", 64, 1000, 1.0), ("The most typical", 16, 0, 0.5))


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seed" (of the click), "send" and "edit" (buttons)."""
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            model, _ = parts.model_menu(bench.library, LatentGenerator, "generate")
            count = parts.unchecked(gr.Slider(1, MAX_COUNT, 24, step=1, label="Pictures", elem_id="generate-count"))
            seed = parts.unchecked(
                gr.Number(0, label="First seed", info="Picture i has seed + i.", precision=0, elem_id="generate-seed")
            )
            truncation = parts.unchecked(
                gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is safer, more is wilder.")
            )
            press, status = parts.run_and_stop("Generate", bench.jobs, "generate")
            examples = gr.Dataset(
                label="Try", components=[count, seed, truncation], type="index", elem_classes="examples",
                samples=[list(sample[1:]) for sample in EXAMPLES], sample_labels=[sample[0] for sample in EXAMPLES],
            )  # fmt: skip
        with gr.Column(scale=3, min_width=320):
            wall = gr.Gallery(
                label="Seed wall", show_label=False, columns=8, height="auto", allow_preview=False, format="png",
                buttons=[], elem_id="generate-wall",
                elem_classes=["wall", "columns-8"], object_fit="contain", interactive=False,
            )  # fmt: skip
            with gr.Row(elem_classes="picked"):
                picture = gr.Image(
                    label="Picked", format="png", interactive=False, height=200, buttons=["download", "fullscreen"],
                    elem_id="generate-picked", min_width=200, scale=1, show_label=False,
                )  # fmt: skip
                with gr.Column(scale=3, min_width=220):
                    picked = gr.Textbox(
                        label="Seed", placeholder="Click a picture above", interactive=False, buttons=["copy"],
                        elem_id="generate-picked-seed",
                    )  # fmt: skip
                    with gr.Row():
                        send = gr.Button("Use in Interpolate", size="md", elem_id="generate-send", min_width=120)
                        change = gr.Button("Edit this picture", size="md", elem_id="generate-edit", min_width=120)

    generate = parts.calm(run, bench)
    inputs, outputs = [model, count, seed, truncation], [wall, status]
    press.click(
        generate, inputs, outputs, show_progress="hidden", api_name="generate",
        api_description="Make `count` pictures of a latent generator, of seeds seed, seed + 1, ... Returns the PNG "
        "files with their seeds as captions, and a sentence. The same seed gives the same picture, always.",
    )  # fmt: skip
    model.input(generate, inputs, outputs, **parts.PRIVATE)
    examples.click(
        parts.calm(lambda i: parts.example(EXAMPLES, i)[1:]), examples, [count, seed, truncation], **parts.PRIVATE
    ).then(generate, inputs, outputs, **parts.PRIVATE)
    wall.change(parts.calm(pick_first), wall, [picture, picked], **parts.PRIVATE)
    wall.select(parts.calm(pick), wall, [picture, picked], **parts.PRIVATE)
    doors = {"model": model, "seed": picked, "send": send, "edit": change}
    return Built(first=(generate, inputs, outputs), doors=doors)


def run(bench: Bench, model, count, seed, truncation, request: gr.Request) -> Iterator[tuple]:
    """The wall of a form's values: pictures with their seeds, and a sentence."""
    how_many = checks.whole("Pictures", count, 1, MAX_COUNT)
    wall = Generate(model=parts.menu_name(model), seed=seed, count=how_many, truncation=truncation)

    def work(report: Report) -> list[tuple[str, str]]:
        paths = bench.drawings.of(wall, bench.library, report)
        return [(path, f"seed {seed}") for path, (seed, _) in zip(paths, wall.wanted(), strict=True)]

    job = yield from parts.follow(
        bench, "generate", request, work, noun="Picture", outputs=1,
        stopped="Stopped. The wall from before is still here.",
    )  # fmt: skip
    if job:
        yield job.result(), f"Seeds {wall.seed} to {wall.seed + how_many - 1}. Click one to keep it."


def pick(pictures: list[tuple[str, str]] | None, event: gr.SelectData) -> tuple[str, str]:
    """The picture that was clicked, and its seed."""
    path, caption = parts.example(pictures or (), event.index)
    return path, caption.removeprefix("seed ")


def pick_first(pictures: list[tuple[str, str]] | None) -> tuple[str | None, str]:
    """The first picture of a wall, and its seed."""
    return (pictures[0][0], pictures[0][1].removeprefix("seed ")) if pictures else (None, "")


TAB = Tab("generate", "Generate", 10, build)
