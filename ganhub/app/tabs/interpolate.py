"""Interpolate: a walk through latent space from seed to seed, as a strip and as a film."""

from __future__ import annotations

import math
from collections.abc import Iterator

import gradio as gr
import torch

from ganhub import images, latents
from ganhub.app import _parts as parts
from ganhub.app.drawings import Drawings, at_once
from ganhub.app.jobs import Jobs, Progress, Report
from ganhub.app.library import Library
from ganhub.errors import ConfigError
from ganhub.images import video
from ganhub.models import LatentGenerator, StyleGenerator

MAX_SEEDS = 8
MAX_FRAMES = 240
MAX_PIXELS = 240 * 512 * 512  # of all frames together: what a film may hold in memory
STRIP = 10  # pictures in the strip
ANY = "as each seed has it"
FILMS = ("MP4", "GIF", "none")
EXAMPLES = (
    ("Two seeds", "4, 14", 48, True),
    ("A round trip of four", "0, 10, 20, 30", 96, True),
    ("Slow", "7, 27", 120, False),
)


def build(library: Library, jobs: Jobs, drawings: Drawings) -> dict:
    """Lay the tab out; returns "seeds", the box with the seeds, and "suggest", which fills the wall to pick from."""
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            model, _ = parts.model_menu(library, LatentGenerator, "interpolate")
            seeds = parts.unchecked(
                gr.Textbox(
                    "3, 13, 23", label="Seeds", info="Two or more. Click pictures on the right to add theirs.",
                    elem_id="interpolate-seeds",
                )
            )  # fmt: skip
            label = gr.Dropdown(
                [ANY, *parts.classes_of(library, model.value)], value=ANY, label="Class", allow_custom_value=True,
                visible=bool(parts.classes_of(library, model.value)), elem_id="interpolate-class",
            )  # fmt: skip
            frames = parts.unchecked(gr.Slider(8, MAX_FRAMES, 48, step=4, label="Frames", elem_id="interpolate-frames"))
            film = gr.Radio(FILMS, value="MP4", label="Film", elem_id="interpolate-kind")
            loop = gr.Checkbox(True, label="Loop: end where it began")
            run, status = parts.run_and_stop("Interpolate", jobs, "interpolate")
            examples = gr.Dataset(
                label="Try", components=[seeds, frames, loop], type="index", elem_classes="examples",
                samples=[list(sample[1:]) for sample in EXAMPLES], sample_labels=[sample[0] for sample in EXAMPLES],
            )  # fmt: skip
        with gr.Column(scale=3, min_width=320):
            strip = gr.Image(
                label="The way", show_label=False, format="png", interactive=False, buttons=["download", "fullscreen"],
                elem_id="interpolate-strip", elem_classes="strip",
            )  # fmt: skip
            with gr.Row():
                mp4 = gr.Video(
                    label="Film", format="mp4", interactive=False, autoplay=True, loop=True, height=300,
                    buttons=["download"], elem_id="interpolate-film", min_width=260,
                )  # fmt: skip
                gif = gr.Image(
                    label="Film", interactive=False, visible=False, height=300, buttons=["download"],
                    elem_id="interpolate-gif", min_width=260,
                )  # fmt: skip
                corners = gr.Gallery(
                    label="Seeds to pick from", show_label=False, columns=6, height="auto", allow_preview=False,
                    format="png", buttons=[],
                    elem_id="interpolate-corners",
                    elem_classes=["wall", "columns-6"], object_fit="contain", interactive=False,
                    min_width=260,
                )  # fmt: skip

    @parts.calm
    def interpolate(model, seeds, label, frames, film, loop, request: gr.Request) -> Iterator[tuple]:
        way = parts.seed_list(seeds, least=2, most=MAX_SEEDS)
        how_many = parts.whole("Frames", frames, len(way), MAX_FRAMES)
        parts.one_of("Film", film, FILMS)
        wanted = parts.plain_name("Class", label)

        def work(report: Report) -> tuple[str, str | None]:
            generator = library.open(model, LatentGenerator)
            pixels = math.prod(generator.config.size)
            if how_many * pixels > MAX_PIXELS:
                fit = MAX_PIXELS // pixels
                raise ConfigError(f"{how_many} frames of this size do not fit: ask for at most {fit}.")
            coming = latents.frames_of(
                generator, way, how_many, label=None if wanted in (None, "", ANY) else wanted, loop=bool(loop),
                space="w" if isinstance(generator, StyleGenerator) else "z", batch_size=at_once(generator),
            )  # fmt: skip
            report(0, how_many)
            made = []
            for picture in coming:
                made.append(picture.cpu())
                report(len(made), how_many)  # one at a time, so that one can watch and stop
            pictures = torch.stack(made)
            name = f"{model}-{'-'.join(map(str, way))}"
            shown = parts.enlarge(pictures, 96)[[round(i * (how_many - 1) / (STRIP - 1)) for i in range(STRIP)]]
            grid = images.make_grid(shown, columns=STRIP, padding=max(1, shown.shape[-1] // 32))
            path = parts.save_png(grid, f"{name}-strip", model=model, seeds=way, frames=how_many)
            if film == FILMS[-1]:
                return path, None
            moving = parts.scratch(f"{name}.{film.lower()}")
            video.save_video(pictures, moving, fps=24)
            return path, str(moving)

        def show(progress: Progress | None) -> tuple:
            line = "" if progress is None else parts.bar(progress, "Frame")
            return gr.skip(), gr.skip(), gr.skip(), line

        job = yield from parts.follow(jobs, "interpolate", request, work, show)
        if job.stopped:
            yield gr.skip(), gr.skip(), gr.skip(), "Stopped. What was here before is kept."
            return
        path, moving = job.result()
        is_gif = film == "GIF"
        yield (
            path,
            gr.Video(None if is_gif else moving, visible=not is_gif and moving is not None),
            gr.Image(moving if is_gif else None, visible=is_gif),
            f"{how_many} frames from seed {way[0]} to seed {way[-1]}{', and back' if loop else ''}.",
        )

    def suggest(model: str, shown: list | None = None) -> list[tuple[str, str]]:
        if shown:
            return gr.skip()
        generator = library.open(model, LatentGenerator)
        paths = drawings.paths_of(generator, model, [(seed, None) for seed in range(18)])
        return [(path, f"seed {seed}") for seed, path in enumerate(paths)]

    def add(seeds: str, pictures: list[tuple[str, str]] | None, event: gr.SelectData) -> str:
        seed = parts.example(pictures or (), event.index)[1].removeprefix("seed ")
        return ", ".join([*str(seeds or "").replace(",", " ").split(), seed][-MAX_SEEDS:])

    inputs, outputs = [model, seeds, label, frames, film, loop], [strip, mp4, gif, status]
    private = {"show_progress": "hidden", "api_visibility": "private"}
    run.click(
        interpolate, inputs, outputs, show_progress="hidden", api_name="interpolate", concurrency_limit=2,
        api_description="Walk from seed to seed: along arcs of the sphere (slerp) or, where a model has a W space, "
        "along straight lines there. `seeds` is a list as in '3, 14, 15'; `film` is MP4, GIF or none. Returns the "
        "strip (PNG), the MP4 or None, the GIF or None, and a sentence.",
    )  # fmt: skip
    model.input(parts.calm(lambda name: class_menu(library, name)), model, label, **private).then(
        parts.calm(suggest), model, corners, **private
    ).then(interpolate, inputs, outputs, **private)
    examples.click(
        parts.calm(lambda i: parts.example(EXAMPLES, i)[1:]), examples, [seeds, frames, loop], queue=False, **private
    ).then(interpolate, inputs, outputs, **private)  # fmt: skip
    corners.select(parts.calm(add), [seeds, corners], seeds, **private)
    return {"seeds": seeds, "suggest": (parts.calm(suggest), [model, corners], corners)}


def class_menu(library: Library, name: str) -> gr.Dropdown:
    """The class menu of another model; hidden where there are no classes."""
    classes = parts.classes_of(library, name)
    return gr.Dropdown([ANY, *classes], value=ANY, visible=bool(classes))
