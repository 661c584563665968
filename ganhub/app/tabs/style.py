"""Style: the content of one picture in the manner of another, painted while one watches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr

from ganhub import images
from ganhub.app import _parts as parts
from ganhub.app.jobs import Jobs, Progress, Report
from ganhub.app.library import Library
from ganhub.app.swatches import PAIRS
from ganhub.models import Stylizer

SIZES = (96, 512)  # long side in pixels
ASSETS = Path(__file__).parent.parent / "assets"
CONTENTS = ("cat", "harbour", "coffee", "mountains")
STYLES = ("waves", "glass", "wash", "hatching", "dots", "mosaic")
EXAMPLES = PAIRS


def asset(name: str) -> str:
    """Path of an example picture."""
    return str(ASSETS / f"{name}.jpg")


def build(library: Library, jobs: Jobs) -> None:
    """Lay the tab out."""
    upload = {
        "type": "filepath", "image_mode": None, "format": "png", "sources": ["upload", "clipboard"], "height": 210,
        "buttons": [], "min_width": 130,
    }  # fmt: skip
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            model, _ = parts.model_menu(library, Stylizer, "style")
            with gr.Row():
                content = parts.unchecked(
                    gr.Image(asset(CONTENTS[0]), label="Content", elem_id="style-content", **upload)
                )
                style = parts.unchecked(gr.Image(asset(STYLES[0]), label="Style", elem_id="style-style", **upload))
            with gr.Row():
                strength = parts.unchecked(gr.Slider(0, 1, 1, step=0.05, label="Strength", min_width=120))
                size = parts.unchecked(
                    gr.Slider(*SIZES, 256, step=32, label="Size", min_width=120, elem_id="style-size")
                )
            with gr.Row():
                scale = parts.unchecked(gr.Slider(0.5, 2, 1, step=0.1, label="Stroke size", min_width=120))
                seed = parts.unchecked(gr.Number(0, label="Seed", precision=0, min_width=120))
            run, status = parts.run_and_stop("Paint", jobs, "style")
        with gr.Column(scale=3, min_width=320):
            painting = gr.Image(
                asset("painted"), label="Painting",
                format="png", interactive=False, buttons=["download", "fullscreen"], height=440,
                elem_id="style-painting", elem_classes="painting",
            )  # fmt: skip
            with gr.Row():
                pairs = swatches("Paint one of these", [f"{a}-{b}" for a, b in EXAMPLES], "style-examples")
                contents = swatches("Contents", CONTENTS, "style-contents")
                styles = swatches("Styles", STYLES, "style-styles")

    @parts.calm
    def paint(model, content, style, strength, size, scale, seed, request: gr.Request) -> Iterator[tuple]:
        side = parts.whole("Size", size, *SIZES)
        options = {
            "strength": parts.number("Strength", strength, 0, 1),
            "scale": parts.number("Stroke size", scale, 0.5, 2),
            "seed": parts.whole("Seed", seed, 0, parts.MAX_SEED),
        }
        pictures = [
            images.load_image(parts.picture_file(name, path), max_side=limit)
            for name, path, limit in (("content", content, side), ("style", style, max(SIZES)))
        ]

        def work(report: Report) -> str:
            stylizer = library.open(model, Stylizer)

            def on_step(step: int, steps: int, preview) -> None:
                report(step, steps, None if preview is None else preview.detach().cpu().clone())

            on_step(0, 0, pictures[0])
            painted = stylizer.stylize(*(p.to(stylizer.device) for p in pictures), on_step=on_step, **options)
            return parts.save_png(painted, "painting", model=model, **options)

        shown = None

        def show(progress: Progress | None) -> tuple:
            nonlocal shown
            if progress is None:
                return gr.skip(), ""
            fresh = progress.preview is not None and progress.preview is not shown
            shown = progress.preview if fresh else shown
            return images.to_pil(shown) if fresh else gr.skip(), parts.bar(progress, "Step")

        job = yield from parts.follow(jobs, "style", request, work, show)
        if not job.stopped:
            yield job.result(), f"Painted in {job.seconds:.0f} s. Download it at its upper right."
        elif job.preview is None:
            yield gr.skip(), "Stopped."
        else:
            yield parts.save_png(job.preview, "painting-early"), "Stopped. This is how far it came."

    inputs, outputs = [model, content, style, strength, size, scale, seed], [painting, status]
    private = {"show_progress": "hidden", "api_visibility": "private"}
    run.click(
        paint, inputs, outputs, show_progress="hidden", concurrency_limit=1, concurrency_id="style", api_name="style",
        api_description="Paint `content` in the manner of `style`; `size` is the long side in pixels, `strength` 0 "
        "gives the content back. Gives early looks while it works; returns the painting (PNG) and a sentence.",
    )  # fmt: skip
    pairs.click(
        lambda i: tuple(asset(name) for name in EXAMPLES[i]), pairs, [content, style], queue=False, **private
    ).then(paint, inputs, outputs, concurrency_limit=1, concurrency_id="style", **private)
    contents.click(lambda i: asset(CONTENTS[i]), contents, content, queue=False, **private)
    styles.click(lambda i: asset(STYLES[i]), styles, style, queue=False, **private)


def swatches(label: str, names: Sequence[str], elem_id: str) -> gr.Dataset:
    """A gallery of small pictures to click; its listener gets the index."""
    return gr.Dataset(
        label=label, components=[gr.Image(render=False)], samples=[[asset(name)] for name in names], type="index",
        layout="gallery", elem_id=elem_id, elem_classes="examples", min_width=200,
    )  # fmt: skip
