"""Style: the content of one picture in the manner of another, of a named style, or of what lies between two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from torch import Tensor

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app.jobs import Jobs, Progress, Report
from ganhub.app.library import Library
from ganhub.app.shield import Twin
from ganhub.app.swatches import PAIRS
from ganhub.apply import styling
from ganhub.models import Stylizer

SIZES = (96, 1600)  # long side in pixels
QUICK, SLOW = 1024, 256  # of a network that paints in one pass, and of one that optimises the picture
ASSETS = Path(__file__).parent.parent / "assets"
CONTENTS = ("cat", "harbour", "coffee", "mountains")
STYLES = ("waves", "glass", "wash", "hatching", "dots", "mosaic")
COLOURS = {"the style's": "", "the photo's (brightness painted)": "luminance", "the photo's (palette)": "histogram"}
# Name: strength, stroke size, colours.
PRESETS = {
    "Full": (1.0, 1.0, "the style's"),
    "Gentle": (0.6, 1.0, "the style's"),
    "Fine strokes": (1.0, 0.7, "the style's"),
    "Broad strokes": (1.0, 1.6, "the style's"),
    "My colours": (1.0, 1.0, "the photo's (brightness painted)"),
}


def asset(name: str) -> str:
    """Path of an example picture."""
    return str(ASSETS / f"{name}.jpg")


def build(library: Library, jobs: Jobs) -> dict[str, Any]:
    """Lay the tab out; returns what the page calls when it is first shown, and what slow calls take instead."""
    upload = {
        "type": "filepath", "image_mode": None, "format": "png", "sources": ["upload", "clipboard"], "height": 190,
        "buttons": [], "min_width": 130,
    }  # fmt: skip
    first = next(iter(zoo.entries(Stylizer)), None)
    named, pictured, side = manners(library, first.name if first else None)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            model, _ = parts.model_menu(library, Stylizer, "style")
            with gr.Row():
                content = parts.unchecked(
                    gr.Image(asset(CONTENTS[0]), label="Content", elem_id="style-content", **upload)
                )
                with gr.Column(visible=pictured, min_width=130) as by_picture:
                    style = parts.unchecked(gr.Image(asset(STYLES[0]), label="Style", elem_id="style-style", **upload))
            with gr.Row(visible=bool(named)) as by_name:
                name = parts.unchecked(gr.Dropdown(
                    named, value=opening(named), label="Style", elem_id="style-name", min_width=120, filterable=False,
                ))  # fmt: skip
            with gr.Accordion("Blend with a second style", open=False):
                blend = parts.unchecked(gr.Slider(0, 1, 0, step=0.05, label="Share of the second style",
                                                  elem_id="style-blend"))  # fmt: skip
                with gr.Row(visible=bool(named)) as second_name:
                    other_name = parts.unchecked(gr.Dropdown(
                        named, value=opening(named, 1), label="Second style", elem_id="style-other-name",
                        min_width=120, filterable=False,
                    ))  # fmt: skip
                with gr.Row(visible=pictured) as second:
                    other = parts.unchecked(
                        gr.Image(None, label="Second style", elem_id="style-other", **upload | {"height": 130})
                    )
            preset = gr.Radio(list(PRESETS), value="Full", label="Manner", elem_id="style-preset")
            with gr.Row():
                strength = parts.unchecked(gr.Slider(0, 1, 1, step=0.05, label="Strength", min_width=120))
                size = parts.unchecked(gr.Slider(*SIZES, side, step=32, label="Size", min_width=120,
                                                 elem_id="style-size"))  # fmt: skip
            with gr.Accordion("More", open=False):
                with gr.Row():
                    scale = parts.unchecked(gr.Slider(0.5, 2, 1, step=0.1, label="Stroke size", min_width=120))
                    seed = parts.unchecked(gr.Number(0, label="Seed", precision=0, min_width=120))
                colours = parts.unchecked(gr.Dropdown(list(COLOURS), value="the style's", label="Colours",
                                                      filterable=False))  # fmt: skip
            run, status = parts.run_and_stop("Paint", jobs, "style")
        with gr.Column(scale=3, min_width=320):
            painting = gr.ImageSlider(
                (asset(CONTENTS[0]), asset("painted")), label="Photo and painting: pull the line", format="png",
                type="filepath", interactive=False, buttons=["download", "fullscreen"], height=470, max_height=470,
                elem_id="style-painting", elem_classes="painting", slider_position=35,
            )  # fmt: skip
            looks = gr.Gallery(
                [], label="Styles of this model", columns=6, elem_id="style-looks",
                elem_classes="wall captions columns-6", allow_preview=False, visible=bool(named), show_label=False,
                buttons=[], interactive=False,
            )  # fmt: skip
            with gr.Row():
                with gr.Column(visible=pictured, min_width=200) as by_pair:
                    both = [asset("-".join(pair)) for pair in PAIRS]
                    pairs = parts.swatches("Paint one of these", both, "style-examples")
                contents = parts.swatches("Contents", list(map(asset, CONTENTS)), "style-contents")
                with gr.Column(visible=pictured, min_width=200) as by_swatch:
                    styles = parts.swatches("Styles", list(map(asset, STYLES)), "style-styles")

    @parts.calm
    def paint(model, content, style, other, name, other_name, blend, strength, size, scale, colours, seed,
              request: gr.Request) -> Iterator[tuple]:  # fmt: skip
        side = parts.whole("Size", size, *SIZES)
        options = {
            "strength": parts.number("Strength", strength, 0, 1),
            "scale": parts.number("Stroke size", scale, 0.5, 2),
            "seed": parts.whole("Seed", seed, 0, parts.MAX_SEED),
            "keep_colour": COLOURS[parts.one_of("Colours", colours, COLOURS)],
        }
        share = parts.number("Share of the second style", blend, 0, 1)
        photo = images.load_image(parts.picture_file("content", content), max_side=side)
        # A file, written once: a picture would be written again with every look, while the page is reading it.
        before = parts.save_png(photo, "photo")

        def work(report: Report) -> tuple[str, str]:
            stylizer = library.open(model, Stylizer)
            chosen = (style, other) if stylizer.reads_pictures else (name, other_name)
            wanted = blended(stylizer, chosen, share)

            def on_step(step: int, steps: int, preview: Tensor | None) -> None:
                report(step, steps, None if preview is None else preview.detach().cpu().clone())

            on_step(0, 0, photo)
            strokes = options["scale"] * styling.usual_scale(stylizer, *photo.shape[-2:])
            painted = styling.paint(stylizer, photo, wanted, on_step=on_step, **{**options, "scale": strokes})
            return before, parts.save_png(painted, "painting", model=model, **{**options, "scale": strokes})

        shown = None

        def show(progress: Progress | None) -> tuple:
            nonlocal shown
            if progress is None:
                return gr.skip(), ""
            preview = progress.preview
            fresh = preview is not None and preview is not shown and preview.shape == photo.shape
            shown = preview if fresh else shown
            pair = (before, images.to_pil(shown)) if fresh else gr.skip()
            return pair, parts.bar(progress, "Step")

        job = yield from parts.follow(jobs, "style", request, work, show)
        if not job.stopped:
            taken = f"{job.seconds:.0f} s" if job.seconds >= 10 else f"{job.seconds:.1f} s"
            yield job.result(), f"Painted in {taken}. Download it at its upper right."
        elif job.preview is None:
            yield gr.skip(), "Stopped."
        else:
            early = parts.save_png(job.preview, "painting-early")
            yield (before, early), "Stopped. This is how far it came."

    @parts.calm
    def choose(model: str) -> tuple:
        """What a model takes: names or pictures, and at which size it paints within seconds."""
        names, pictures, side = manners(library, model)
        # Without names the hidden menus keep theirs: an emptied one would refuse the value that the page still sends.
        menus = [gr.Dropdown(choices=names, value=opening(names, k)) if names else gr.skip() for k in (0, 1)]
        shown = [gr.update(visible=pictures)] * 4
        return *[gr.update(visible=bool(names))] * 2, *menus, *shown, looks_of(model), side

    @parts.calm
    def looks_of(model: str) -> Any:
        names = manners(library, model)[0]
        return gr.Gallery(thumbnails(library, model) if names else [], visible=bool(names))

    inputs = [model, content, style, other, name, other_name, blend, strength, size, scale, colours, seed]
    outputs = [painting, status]
    private = {"show_progress": "hidden", "api_visibility": "private"}
    painting_now = run.click(
        paint, inputs, outputs, show_progress="hidden", concurrency_limit=1, concurrency_id="style", api_name="style",
        api_description="Paint `content` in the manner of the picture `style`, or with a model of named styles of "
        "`name`; `blend` is the share of the second one. `size` is the long side in pixels, `strength` 0 gives the "
        "content back, `scale` 1 is the usual size of strokes. Gives early looks while it works; returns photo and "
        "painting (PNG) and a sentence.",
    )  # fmt: skip
    again = {"fn": paint, "inputs": inputs, "outputs": outputs, "concurrency_limit": 1, "concurrency_id": "style",
             **private}  # fmt: skip
    rooms = [by_picture, second, by_pair, by_swatch]
    model.change(choose, model, [by_name, second_name, name, other_name, *rooms, looks, size], **private)
    preset.input(
        parts.calm(lambda chosen: PRESETS[parts.one_of("Manner", chosen, PRESETS)]), preset,
        [strength, scale, colours], queue=False, **private,
    )  # fmt: skip
    chosen_pair = pairs.click(
        parts.calm(lambda i: tuple(map(asset, parts.example(PAIRS, i)))), pairs, [content, style], queue=False,
        **private,
    ).then(**again)  # fmt: skip
    contents.click(parts.calm(lambda i: asset(parts.example(CONTENTS, i))), contents, content, queue=False, **private)
    styles.click(parts.calm(lambda i: asset(parts.example(STYLES, i))), styles, style, queue=False, **private)

    def pick(model: str, event: gr.SelectData) -> str:
        return parts.example(manners(library, model)[0], event.index)

    chosen_look = looks.select(parts.calm(pick), model, name, **private).then(**again)
    slowly = gr.on([], paint, inputs, outputs, concurrency_limit=1, concurrency_id="style-slow", **private)
    twin = Twin(slowly["id"], lambda data: is_slow(library, data[0] if data else None))
    return {
        "looks": (looks_of, model, looks),
        "slow": {listener["id"]: twin for listener in (painting_now, chosen_pair, chosen_look)},
    }


def manners(library: Library, model: str | None) -> tuple[list[str], bool, int]:
    """Names of a model's styles, whether it takes pictures as styles, and the size it opens with."""
    for entry in zoo.entries(Stylizer):
        if entry.name == model:
            names = list(getattr(entry.config, "style_names", ()))
            return names, entry.model_class.reads_pictures, QUICK if entry.model_class.tiles else SLOW
    return [], True, SLOW


def is_slow(library: Library, model: Any) -> bool:
    """Whether a model optimises the picture step by step, or may: one of the Hub is not known before it is fetched."""
    entries = [entry for entry in zoo.entries(Stylizer) if entry.name == model]
    return not (entries and entries[0].model_class.tiles)


def opening(names: Sequence[str], place: int = 0) -> str | None:
    """The style that a menu opens with."""
    return names[min(place, len(names) - 1)] if names else None


def blended(stylizer: Stylizer, chosen: tuple[str | None, str | None], share: float) -> Any:
    """What ``stylize`` takes for two styles, names or files of pictures, and the share of the second."""
    one, two = chosen
    if not stylizer.reads_pictures:
        read = str
    else:

        def read(path: str | None) -> Tensor:
            return images.load_image(parts.picture_file("style", path), max_side=512)

    if share == 0 or not two or one == two:
        return read(one)
    return read(two) if share == 1 else [(read(one), 1 - share), (read(two), share)]


@lru_cache(maxsize=8)
def thumbnails(library: Library, model: str) -> list[tuple[Any, str]]:
    """A small painting in each of a model's named styles."""
    stylizer = library.open(model, Stylizer)
    photo = images.fit(images.load_image(asset(CONTENTS[0])), 144, 144)
    return [(images.to_pil(stylizer.stylize(photo, name)), name) for name in stylizer.style_names]
