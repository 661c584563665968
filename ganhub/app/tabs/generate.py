"""Generate: a wall of seeds. The same seed of the same model is the same picture, always."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs, Progress, Report
from ganhub.app.library import Library
from ganhub.models import LatentGenerator

MAX_COUNT = 64
EXAMPLES = (("First sixteen", 16, 0, 1.0), ("Sixty-four at once", 64, 1000, 1.0), ("The most typical", 16, 0, 0.5))


def build(library: Library, jobs: Jobs, drawings: Drawings) -> dict[str, gr.components.Component]:
    """Lay the tab out; returns "model", "seed" (of the click), "send" and "edit" (buttons), "first" (a wall)."""
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            model, _ = parts.model_menu(library, LatentGenerator, "generate")
            count = parts.unchecked(gr.Slider(1, MAX_COUNT, 24, step=1, label="Pictures", elem_id="generate-count"))
            seed = parts.unchecked(
                gr.Number(0, label="First seed", info="Picture i has seed + i.", precision=0, elem_id="generate-seed")
            )
            truncation = parts.unchecked(
                gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is safer, more is wilder.")
            )
            run, status = parts.run_and_stop("Generate", jobs, "generate")
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

    @parts.calm
    def generate(model, count, seed, truncation, request: gr.Request) -> Iterator[tuple]:
        how_many = parts.whole("Pictures", count, 1, MAX_COUNT)
        first = parts.whole("First seed", seed, 0, parts.MAX_SEED - MAX_COUNT)
        psi = parts.number("Truncation", truncation, 0, 1.5)

        def work(report: Report) -> list[tuple[str, str]]:
            generator = library.open(model, LatentGenerator)
            wanted = [(seed, None) for seed in range(first, first + how_many)]
            paths = drawings.paths_of(generator, model, wanted, psi, report)
            return [(path, f"seed {seed}") for path, (seed, _) in zip(paths, wanted, strict=True)]

        def show(progress: Progress | None) -> tuple:
            return gr.skip(), "" if progress is None else parts.bar(progress, "Picture")

        job = yield from parts.follow(jobs, "generate", request, work, show)
        if job.stopped:
            yield gr.skip(), "Stopped. The wall from before is still here."
        else:
            yield job.result(), f"Seeds {first} to {first + how_many - 1}. Click one to keep it."

    def pick(pictures: list[tuple[str, str]] | None, event: gr.SelectData) -> tuple[str, str]:
        path, caption = parts.example(pictures or (), event.index)
        return path, caption.removeprefix("seed ")

    def pick_first(pictures: list[tuple[str, str]] | None) -> tuple[str | None, str]:
        return (pictures[0][0], pictures[0][1].removeprefix("seed ")) if pictures else (None, "")

    inputs, outputs = [model, count, seed, truncation], [wall, status]
    private = {"show_progress": "hidden", "api_visibility": "private"}
    run.click(
        generate, inputs, outputs, show_progress="hidden", api_name="generate",
        api_description="Make `count` pictures of a latent generator, of seeds seed, seed + 1, ... Returns the PNG "
        "files with their seeds as captions, and a sentence. The same seed gives the same picture, always.",
    )  # fmt: skip
    model.input(generate, inputs, outputs, **private)
    examples.click(
        parts.calm(lambda i: parts.example(EXAMPLES, i)[1:]), examples, [count, seed, truncation], **private
    ).then(generate, inputs, outputs, **private)
    wall.change(parts.calm(pick_first), wall, [picture, picked], **private)
    wall.select(parts.calm(pick), wall, [picture, picked], **private)
    return {"model": model, "seed": picked, "send": send, "edit": change, "first": (generate, inputs, outputs)}
