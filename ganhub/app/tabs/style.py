"""Style: the content of one picture in the manner of another, of a named style, or of what lies between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import gradio as gr
from torch import Tensor

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import ASSETS, Bench, Built, Form, Outcome, Tab
from ganhub.app.gpu import render
from ganhub.app.jobs import Job, Report
from ganhub.app.lanes import lane_of_style
from ganhub.app.library import Library
from ganhub.app.shield import Twin
from ganhub.creation import Creation, Inputs, Style, checks, marks
from ganhub.creation.checks import SHA256
from ganhub.models import Stylizer

SIZES = (96, 1600)  # long side in pixels
STYLE_SIDE = 512  # pixels that a picture of a style is read with
QUICK, SLOW = 1024, 256  # of a network that paints in one pass, and of one that optimises the picture
LOOK, LOOK_STYLE = 160, 256  # pixels of the photo in every style, and of a picture as a style for it
UPLOAD = {
    "type": "filepath", "image_mode": None, "format": "png", "sources": ["upload", "clipboard"], "height": 190,
    "buttons": [], "min_width": 130,
}  # fmt: skip
CONTENTS = ("cat", "harbour", "coffee", "mountains")
PAIRS = (("mountains", "glass"), ("cat", "waves"), ("coffee", "dots"), ("harbour", "wash"))  # shown side by side
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


def clicked(names: Sequence[str], index: int) -> str:
    """The file of an example that was clicked."""
    return asset(parts.example(names, index))


def build(bench: Bench) -> Built:
    """Lay the tab out."""
    at = SimpleNamespace(outcome=gr.State(None))
    first = next(iter(zoo.entries(Stylizer)), None)
    named, pictured, side = manners(first.name if first else None)
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=2, min_width=320, elem_classes="asked"):
            form(bench, at, named, pictured)
            settings(at, named, pictured, side)
        with gr.Column(scale=3, min_width=320, elem_classes="shown"):
            easel(at, pictured)
    return connect(bench, at)


def form(bench: Bench, at: SimpleNamespace, named: Sequence[str], pictured: bool) -> None:
    """What one always says: model, photo, style."""
    at.model, _ = menus.model_menu(bench.library, Stylizer, "style")
    with gr.Row(elem_classes="photos"):
        at.content = parts.unchecked(
            gr.Image(asset(CONTENTS[0]), label="Your photo", elem_id="style-content", **UPLOAD)
        )
        with gr.Column(visible=pictured, min_width=130) as at.by_picture:
            at.style = parts.unchecked(gr.Image(asset(STYLES[0]), label="Style", elem_id="style-style", **UPLOAD))
    with gr.Row(visible=bool(named)) as at.by_name:
        at.name = parts.unchecked(gr.Dropdown(
            named, value=opening(named), label="Style", elem_id="style-name", min_width=120, filterable=False,
        ))  # fmt: skip
    at.press, at.status = parts.run_and_stop("Paint", bench.jobs, "style")


def settings(at: SimpleNamespace, named: Sequence[str], pictured: bool, side: int) -> None:
    """What one may leave as it is."""
    with gr.Accordion("Manner and size", open=False):
        at.preset = gr.Radio(list(PRESETS), value="Full", label="Manner", elem_id="style-preset")
        with gr.Row():
            at.strength = parts.unchecked(gr.Slider(0, 1, 1, step=0.05, label="Strength", min_width=120))
            at.size = parts.unchecked(gr.Slider(*SIZES, side, step=32, label="Size", min_width=120,
                                             elem_id="style-size"))  # fmt: skip
        with gr.Row():
            at.scale = parts.unchecked(gr.Slider(0.5, 2, 1, step=0.1, label="Stroke size", min_width=120))
            at.seed = parts.unchecked(gr.Number(0, label="Seed", precision=0, min_width=120))
        at.colours = parts.unchecked(gr.Dropdown(list(COLOURS), value="the style's", label="Colours",
                                              filterable=False))  # fmt: skip
    with gr.Accordion("Blend with a second style", open=False):
        at.blend = parts.unchecked(gr.Slider(0, 1, 0, step=0.05, label="Share of the second style",
                                          elem_id="style-blend"))  # fmt: skip
        with gr.Row(visible=bool(named)) as at.second_name:
            at.other_name = parts.unchecked(gr.Dropdown(
                named, value=opening(named, 1), label="Second style", elem_id="style-other-name",
                min_width=120, filterable=False,
            ))  # fmt: skip
        with gr.Row(visible=pictured) as at.second:
            at.other = parts.unchecked(
                gr.Image(None, label="Second style", elem_id="style-other", **UPLOAD | {"height": 130})
            )


def easel(at: SimpleNamespace, pictured: bool) -> None:
    """The painting, the photo in all looks, and examples to click."""
    at.painting = gr.ImageSlider(  # unpainted, until the tab is opened
        (asset(CONTENTS[0]), asset(CONTENTS[0])), label="Photo and painting: pull the line", format="png",
        type="filepath", interactive=False,
        buttons=["download", "fullscreen"], height=470, max_height=470, elem_id="style-painting",
        elem_classes="painting", slider_position=35,
    )  # fmt: skip
    unpainted = [(asset(CONTENTS[0]), name) for name in manners(at.model.value)[0] or STYLES]  # until the tab is opened
    at.looks = gr.Gallery(
        unpainted, label="Your photo in every style: click one to paint it large", columns=6, elem_id="style-looks",
        elem_classes="wall captions columns-6 looks", allow_preview=False, visible=has_looks(at.model.value),
        buttons=[], interactive=False,
    )  # fmt: skip
    with gr.Row(elem_classes="shelves"):
        at.contents = parts.swatches("Or one of these photos", list(map(asset, CONTENTS)), "style-contents")
        with gr.Column(visible=pictured, min_width=200) as at.by_swatch:
            at.styles = parts.swatches("Styles", list(map(asset, STYLES)), "style-styles")
        with gr.Column(visible=pictured, min_width=200) as at.by_pair:
            both = [asset("-".join(pair)) for pair in PAIRS]
            at.pairs = parts.swatches("Paint one of these", both, "style-examples")


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons and examples do."""
    paint, looks_of = parts.calm(run, bench), (parts.calm(looks, bench), [at.model, at.content], at.looks)
    inputs = [
        at.model,
        at.content,
        at.style,
        at.other,
        at.name,
        at.other_name,
        at.blend,
        at.strength,
        at.size,
        at.scale,
        at.colours,
        at.seed,
    ]
    outputs = [at.painting, at.outcome, at.status]
    in_line = {"concurrency_limit": parts.IN_LINE, "concurrency_id": "style"}
    painting_now = at.press.click(
        paint, inputs, outputs, show_progress="hidden", **in_line, api_name="style",
        api_description="Paint `content` in the manner of the picture `style`, or with a model of named styles of "
        "`name`; `blend` is the share of the second one. `size` is the long side in pixels, `strength` 0 gives the "
        "content back, `scale` 1 is the usual size of strokes. Gives early looks while it works; returns photo and "
        "painting (PNG) and a sentence.",
    )  # fmt: skip
    again = {"fn": paint, "inputs": inputs, "outputs": outputs, **in_line, **parts.PRIVATE}
    rooms = [at.by_picture, at.second, at.by_pair, at.by_swatch]
    menus = [at.by_name, at.second_name, at.name, at.other_name, *rooms, at.size]
    at.model.change(parts.calm(choose), at.model, menus, **parts.PRIVATE).then(*looks_of, **parts.PRIVATE)
    at.content.change(*looks_of, trigger_mode="always_last", **parts.PRIVATE)
    at.preset.input(
        parts.calm(lambda chosen: PRESETS[checks.one_of("Manner", chosen, PRESETS)]), at.preset,
        [at.strength, at.scale, at.colours], queue=False, **parts.PRIVATE,
    )  # fmt: skip
    chosen_pair = at.pairs.click(
        parts.calm(lambda i: tuple(map(asset, parts.example(PAIRS, i)))), at.pairs, [at.content, at.style], queue=False,
        **parts.PRIVATE,
    ).then(**again)  # fmt: skip
    for shelf, names, target in ((at.contents, CONTENTS, at.content), (at.styles, STYLES, at.style)):
        shelf.click(parts.calm(clicked, names), shelf, target, queue=False, **parts.PRIVATE)
    chosen_look = at.looks.select(parts.calm(pick), at.model, [at.name, at.style], **parts.PRIVATE).then(**again)
    slowly = gr.on([], **{**again, "concurrency_id": "style-slow"})
    twin = Twin(slowly["id"], lambda data: is_slow(data[0] if data else None))
    slow = {listener["id"]: twin for listener in (painting_now, chosen_pair, chosen_look)}
    first = (parts.calm(first_painting, bench), [at.outcome, *inputs], outputs)
    return Built(
        opening=(first, looks_of), slow=slow, outcome=at.outcome,
        form=Form(takes, fill, inputs, (paint, inputs, outputs)),
    )  # fmt: skip


def run(bench: Bench, model, content, style, other, name, other_name, blend, strength, size, scale, colours, seed,
        request: gr.Request) -> Iterator[tuple]:  # fmt: skip
    """The painting of a form's values: photo and painting, with early looks, the :class:`Outcome`, a sentence."""
    inputs, side = Inputs(), checks.whole("Size", size, *SIZES)
    share = checks.number("Share of the second style", blend, 0, 1)
    options = {
        "model": menus.menu_name(model), "photo": inputs.add(parts.picture_file("content", content)), "size": side,
        "opaque": True, "strength": checks.number("Strength", strength, 0, 1), "style_size": STYLE_SIDE,
        "strokes": checks.number("Stroke size", scale, 0.5, 2), "seed": checks.whole("Seed", seed, 0, checks.MAX_SEED),
        "keep_colour": COLOURS[checks.one_of("Colours", colours, COLOURS)],
    }  # fmt: skip
    photo = images.load_image(content, max_side=side)
    # A file, written once: a picture would be written again with every look, while the page is reading it.
    before = parts.save_png(photo, "photo")
    begun: list[Style] = []

    def work(report: Report) -> tuple[tuple[str, str], Outcome]:
        report(0, 0, photo)
        by_picture = bench.library.open(options["model"], Stylizer).reads_pictures
        styles = pictures(inputs, style, other, share) if by_picture else blended(name, other_name, share)
        creation = Style(styles=styles, **options)
        begun.append(creation)

        def on_step(step: int, steps: int, preview: Tensor | None) -> None:
            report(step, steps, None if preview is None else preview.detach().cpu().clone())

        painted = render(creation, bench.library, on_step, inputs=inputs).pictures
        path = parts.save_png(painted, "painting", marks.mark_of(creation, bench.library))
        return (before, path), Outcome(creation, [path], photos=parts.digests(inputs, creation))

    def look(preview: Tensor) -> tuple:
        return ((before, images.to_pil(preview)) if preview.shape == photo.shape else gr.skip(), gr.skip())

    def stopped(job: Job) -> tuple:
        if job.preview is None:
            return *parts.keep(2), "Stopped."
        mark = marks.mark_of(begun[0], bench.library, shows="early") if begun else None
        return (
            (before, parts.save_png(job.preview, "painting-early", mark)),
            gr.skip(),
            "Stopped. This is how far it came.",
        )

    job = yield from parts.follow(
        bench, "style", request, work, noun="Step", outputs=2, stopped=stopped, look=look,
        lane=lane_of_style(options["model"]),
    )  # fmt: skip
    if job:
        taken = f"{job.seconds:.0f} s" if job.seconds >= 10 else f"{job.seconds:.1f} s"
        yield *job.result(), f"Painted in {taken}. Download it at its upper right."


def first_painting(
    bench: Bench, request: gr.Request, outcome: Outcome | None, model: str, *form: Any
) -> Iterator[tuple]:
    """The painting that the form asks for, where the tab has none yet; a slow model waits for a click."""
    if outcome is None and not is_slow(model):
        yield from run(bench, model, *form, request)
    else:
        yield tuple(parts.keep(3))


def pictures(inputs: Inputs, one: str | None, two: str | None, share: float) -> tuple[tuple[str, float], ...]:
    """Two files of pictures as styles, and the share of the second."""

    def read(path: str | None) -> str:
        return inputs.add(parts.picture_file("style", path))

    if share == 0 or not two or one == two:
        return blended(read(one), None, 0)
    return blended(read(one) if share < 1 else "", read(two), share)


def blended(one: str | None, two: str | None, share: float) -> tuple[tuple[str, float], ...]:
    """What a Style takes for two styles and the share of the second."""
    if share == 0 or not two or one == two:
        return ((one or "", 1.0),)
    return ((two, 1.0),) if share == 1 else ((one or "", 1 - share), (two, share))


def takes(creation: Creation) -> bool:
    """Whether a Creation is a painting that this tab can take: in one style or two, everywhere."""
    return isinstance(creation, Style) and len(creation.styles) <= 2 and not creation.outside and not creation.mask


def fill(creation: Style, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for a painting."""
    (one, weight), (two, other) = (*creation.styles, ("", 0.0))[:2]
    files = [photos.get(name) if SHA256.fullmatch(name) else None for name in (one, two)]
    names = [gr.skip() if SHA256.fullmatch(name) or not name else name for name in (one, two)]
    colours = next(words for words, value in COLOURS.items() if value == creation.keep_colour)
    share, side = other / (weight + other), creation.size or SIZES[1]
    return (
        creation.model, photos.get(creation.photo), *files, *names, share, creation.strength,
        min(max(side, SIZES[0]), SIZES[1]), creation.strokes, colours, creation.seed,
    )  # fmt: skip


def choose(model: str) -> tuple:
    """What a model takes: names or pictures, and at which size it paints within seconds."""
    names, pictures, side = manners(model)
    # Without names the hidden menus keep theirs: an emptied one would refuse the value that the page still sends.
    menus = [gr.Dropdown(choices=names, value=opening(names, k)) if names else gr.skip() for k in (0, 1)]
    return *[gr.update(visible=bool(names))] * 2, *menus, *[gr.update(visible=pictures)] * 4, side


def looks(bench: Bench, model: str, content: Any) -> Any:
    """The photo, small, in each style of a model that has names, or in each of the pictures here."""
    if not has_looks(model):
        return gr.Gallery([], visible=False)
    photo = content if isinstance(content, str) and content else asset(CONTENTS[0])
    return gr.Gallery(small_paintings(bench.library, model, bench.library.revision(model), photo), visible=True)


def has_looks(model: str | None) -> bool:
    """Whether a model paints a small picture at once, so that all styles can be shown."""
    return not is_slow(model)


def pick(model: str, event: gr.SelectData) -> tuple[Any, Any]:
    """The style that was clicked: its name, or its picture."""
    names = manners(model)[0]
    if names:
        return parts.example(names, event.index), gr.skip()
    return gr.skip(), asset(parts.example(STYLES, event.index))


def manners(model: str | None) -> tuple[list[str], bool, int]:
    """Names of a model's styles, whether it takes pictures as styles, and the size it opens with."""
    entry = zoo.entry_of(model)
    if entry is None or not issubclass(entry.model_class, Stylizer):
        return [], True, SLOW
    names = list(getattr(entry.config, "style_names", ()))
    return names, entry.model_class.reads_pictures, QUICK if entry.model_class.tiles else SLOW


def is_slow(model: Any) -> bool:
    """Whether a model optimises the picture step by step, or may: one of the Hub is not known before it is fetched."""
    entry = zoo.entry_of(model)
    return not (entry and issubclass(entry.model_class, Stylizer) and entry.model_class.tiles)


def opening(names: Sequence[str], place: int = 0) -> str | None:
    """The style that a menu opens with."""
    return names[min(place, len(names) - 1)] if names else None


@lru_cache(maxsize=16)
def small_paintings(library: Library, model: str, revision: str, photo: str) -> list[tuple[Any, str]]:
    """A photo, cut square and small, in each named style, or in each of :data:`STYLES`; once for each version of it."""
    stylizer = library.open(model, Stylizer)
    small = images.fit(images.load_image(photo, max_side=SIZES[1]), LOOK, LOOK)
    styles = [(name, name) for name in stylizer.style_names] or [
        (name, images.load_image(asset(name), max_side=LOOK_STYLE)) for name in STYLES
    ]
    return [(images.to_pil(stylizer.stylize(small, style)), name) for name, style in styles]


TAB = Tab("style", "Style", 15, build)
