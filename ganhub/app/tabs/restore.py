"""Restore: an old photo cleaned, its holes filled where one paints, coloured and enlarged."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
import torch
from torch import Tensor

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app.declared import ASSETS, Bench, Built, Form, Outcome, Tab, press_once, take_the_brush
from ganhub.app.gpu import render
from ganhub.app.jobs import Job, Report
from ganhub.apply import restoring
from ganhub.creation import Creation, Inputs, Library, OnStep, Restore, checks, marks
from ganhub.errors import ConfigError
from ganhub.models import Inpainter, Translator

SIDE = 470  # pixels that photo and result are high
BRUSH = (0.757, -0.349, -0.522)  # the colour of the brush, #e0533d, in [-1, 1]
MOST = 1024  # long side of a photo that is restored here
OLD, BRUSHED = str(ASSETS / "old.jpg"), str(ASSETS / "old-brushed.png")
# What was made of the example lately, [1, 3, H, W] by what it depends on: every visitor's tab opens on it.
EXAMPLES: WeakKeyDictionary[Library, dict[tuple, Tensor]] = WeakKeyDictionary()
MOST_EXAMPLES = 4
ONE_AT_A_TIME = threading.Lock()  # who comes while the example is worked on gets the same result
# Step: its label, and the argument of ganhub.apply.restoring.restore that takes its model.
STEPS = {
    "clean": ("Clean", "cleaner"),
    "fill": ("Fill what is painted", "inpainter"),
    "colourise": ("Colourise", "colourist"),
    "enlarge": ("Enlarge", "upscaler"),
}


def able() -> dict[str, list[str]]:
    """Names of the models for each step, of the steps for which there is one."""
    found = {
        step: zoo.names(Inpainter) if step == "fill" else zoo.names(Translator, task=step) for step in restoring.STEPS
    }
    return {step: names for step, names in found.items() if names}


def build(bench: Bench) -> Built:
    """Lay the tab out."""
    at, models = SimpleNamespace(outcome=gr.State(None)), able()
    with gr.Row(elem_classes="split drawn"):
        with gr.Column(scale=1, min_width=320, elem_classes="asked"):
            asked(bench, at, models)
        with gr.Column(scale=1, min_width=320, elem_classes="shown"):
            at.pair = gr.ImageSlider(
                label="Before and after: pull the line", format="png", type="filepath", interactive=False,
                buttons=["download", "fullscreen"], height=SIDE, max_height=SIDE, elem_id="restore-made",
                elem_classes="painting", slider_position=50,
            )  # fmt: skip
    return connect(bench, at)


def asked(bench: Bench, at: SimpleNamespace, models: dict[str, list[str]]) -> None:
    """The photo, and what is done with it."""
    hint = ": paint over what is to be filled" if "fill" in models else ""
    at.photo = parts.unchecked(gr.ImageEditor(
        OLD, label=f"Old photo{hint}", image_mode="RGBA", format="png", sources=["upload", "clipboard"],
        transforms=[], layers=False, buttons=[], height=SIDE, elem_id="restore-photo", elem_classes="canvas",
        eraser=gr.Eraser(default_size=24),
        brush=gr.Brush(default_size=14, colors=[("#e0533d", 0.75)], color_mode="fixed"),
    ))  # fmt: skip
    at.press, at.status = parts.run_and_stop("Restore", bench.jobs, "restore")
    with at.press.parent:
        at.upload = gr.UploadButton("A photo of mine", file_types=["image"], elem_id="restore-upload",
                                    elem_classes="run", min_width=130)  # fmt: skip
    at.steps = gr.CheckboxGroup(
        [(STEPS[step][0], step) for step in models], value=list(models), label="Steps, in this order",
        elem_id="restore-steps",
    )  # fmt: skip
    with gr.Accordion("Models", open=False):
        at.menus = [
            gr.Dropdown(
                models.get(step, []), value=next(iter(models.get(step, [])), None), label=label,
                visible=step in models, allow_custom_value=True, elem_id=f"restore-{name}", elem_classes="menu",
                info="Or owner/name from the Hugging Face Hub.",
            )
            for step, (label, name) in STEPS.items()
        ]  # fmt: skip


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What the buttons do."""
    inputs = [at.photo, at.steps, *at.menus]
    listener = (parts.calm(run, bench), inputs, [at.pair, at.outcome, at.status])
    in_line = {"concurrency_limit": parts.IN_LINE, "concurrency_id": "restore"}
    at.press.click(
        *listener, show_progress="hidden", **in_line, api_name="restore",
        api_description="Restore a photo in up to four `steps`: clean, fill (what the layers of the editor's value "
        "`photo` cover), colourise, enlarge. Its long side is at most 1024 pixels before it is enlarged. Returns the "
        "photo and the restored one (PNG) and a sentence.",
    )  # fmt: skip
    brush = take_the_brush("restore-photo")
    at.upload.upload(parts.calm(laid), at.upload, at.photo, **parts.PRIVATE).then(
        None, js=brush, **parts.PRIVATE
    ).then(*listener, **in_line, **parts.PRIVATE)  # fmt: skip
    return Built(
        scripts=(press_once("restore", "made"), brush), outcome=at.outcome, form=Form(takes, fill, inputs, listener)
    )  # fmt: skip


def run(bench: Bench, photo: Any, steps: list[str], cleaner: str, inpainter: str, colourist: str, upscaler: str,
        request: gr.Request) -> Iterator[tuple]:  # fmt: skip
    """The restored photo of a form's values: before and after, with a look after each step, the :class:`Outcome`, and a
    sentence."""
    asked = [checks.one_of("A step", step, STEPS) for step in parts.name_list("Steps", steps)]
    names = dict(zip(STEPS, (cleaner, inpainter, colourist, upscaler), strict=True))
    so_far = SimpleNamespace(before="", steps=0, look=None, creation=None)  # the photo's file; models done, their work

    def work(report: Report) -> tuple[tuple[str, str], Outcome, str, str]:
        inputs, (given, mask) = Inputs(), read(photo)
        so_far.before = parts.save_png(given, "photo")
        report(0, 0, given)
        models = models_of(asked, names, filling=mask is not None)
        creation = Restore(
            photo=inputs.add(opened(photo)), size=MOST, opaque=True, **models,
            mask="" if mask is None else inputs.add(parts.save_png(mask, "mask")),
        )  # fmt: skip
        so_far.creation = creation

        def on_step(step: int, steps: int, far: Tensor | None) -> None:
            if far is not None and step < steps:
                so_far.steps, so_far.look = step, far
            report(step, steps, so_far.look)  # with each tile again: one that came too soon after another is not shown

        made = made_of(creation, bench.library, on_step, inputs, given, mask)
        mark = marks.mark_of(creation, bench.library, inputs=inputs)
        height, width = made.shape[-2:]
        before = images.resize(given, (height, width)).clamp(-1, 1)
        pair = parts.save_png(before, "before"), parts.save_png(made, "restored", mark)
        marked = "inpainter" in creation.steps() and is_example(given)
        known = " The example's scratches were marked beforehand." if marked else ""
        made = Outcome(creation, pair[1:], photos=parts.digests(inputs, creation))
        return pair, made, f"{width} x {height} pixels", known

    def look(far: Tensor) -> tuple:
        return (so_far.before, images.to_pil(far)), gr.skip()

    def stopped(job: Job) -> tuple:
        if not so_far.steps:
            return *parts.keep(2), "Stopped."
        undone = list(so_far.creation.steps())[so_far.steps :]
        done = replace(so_far.creation, **dict.fromkeys(undone, ""))  # no credit to models that did nothing
        path = parts.save_png(so_far.look, "restored-early", marks.mark_of(done, bench.library, shows="early"))
        return (so_far.before, path), gr.skip(), "Stopped. This is how far it came."

    job = yield from parts.follow(
        bench, "restore", request, work, noun="Step", outputs=2, stopped=stopped, look=look
    )  # fmt: skip
    if job:
        pair, made, size, known = job.result()
        yield pair, made, f"{size}, in {job.seconds:.1f} s. Download it at its upper right.{known}"


def made_of(creation: Restore, library: Library, on_step: OnStep, inputs: Inputs, given: Tensor,
            mask: Tensor | None) -> Tensor:  # fmt: skip
    """The restored photo. That of the example is remembered; a photo of one's own or what one paints is not."""
    if not is_example(given) or mask is None or not torch.equal(mask > 0, scratches()):
        return render(creation, library, on_step, inputs=inputs).pictures
    versions = tuple(library.revision(name) for name in creation.models())
    pixels = hashlib.sha256(given.numpy().tobytes()).hexdigest()  # its file is another one from each browser
    key = replace(creation, photo=pixels), versions
    while not ONE_AT_A_TIME.acquire(timeout=0.2):
        on_step(0, len(creation.steps()), None)  # raises where the visitor pressed Stop
    try:
        known = EXAMPLES.setdefault(library, {})
        made = known.pop(key, None)
        if made is None:
            made = render(creation, library, on_step, inputs=inputs).pictures.cpu()
        known[key] = made  # the last one now
        if len(known) > MOST_EXAMPLES:
            del known[next(iter(known))]
        return made
    finally:
        ONE_AT_A_TIME.release()


def models_of(asked: list[str], names: Mapping[str, str], *, filling: bool) -> dict[str, str]:
    """The models of the steps that are done, by their fields of :class:`Restore`."""
    wanted = [step for step in STEPS if step in asked and (step != "fill" or filling)]
    if missing := [STEPS[step][0] for step in wanted if not names[step]]:
        raise ConfigError(f"There is no model for '{missing[0]}'. Choose one from the menu, or leave the step out.")
    return {STEPS[step][1]: names[step] for step in wanted}


def takes(creation: Creation) -> bool:
    """Whether a Creation is a restored photo."""
    return isinstance(creation, Restore)


def fill(creation: Restore, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for it; what was painted over the photo lies on it as a layer."""
    photo, mask = photos.get(creation.photo), photos.get(creation.mask)
    asked = {"cleaner": "clean", "inpainter": "fill", "colourist": "colourise", "upscaler": "enlarge"}
    layers = [painted(mask)] if mask and not (photo and is_example(images.load_image(photo, max_side=MOST))) else []
    canvas = photo and {"background": photo, "layers": layers, "composite": photo}
    models = [getattr(creation, field) or gr.skip() for field in asked]
    return canvas, [asked[field] for field in creation.steps()], *models


def painted(mask: str) -> str:
    """The layer of an editor that covers what is white in a mask."""
    covered = (images.load_image(mask, channels=1) + 1) / 2
    colour = torch.tensor(BRUSH).view(1, 3, 1, 1).expand(-1, -1, *covered.shape[-2:])
    return parts.save_png(torch.cat([colour, covered * 1.5 - 1], dim=1), "painted")


def laid(path: str) -> str:
    """An upload under the brush: upright, no larger than is restored."""
    return parts.save_png(images.load_image(path, max_side=MOST), "photo")


def opened(photo: Any) -> str:
    """The file of an editor's photo."""
    value = photo if isinstance(photo, dict) else {"background": photo}
    background = value.get("background") or value.get("composite")
    if background is None:
        raise ConfigError("There is no photo yet: press “A photo of mine”.")
    return background


def read(photo: Any) -> tuple[Tensor, Tensor | None]:
    """The photo of an editor's value and, where something is painted, a mask: white there."""
    given = images.load_image(opened(photo), max_side=MOST)
    layers = [layer for layer in (photo.get("layers") if isinstance(photo, dict) else None) or () if layer]
    covered = [images.load_image(layer, channels=4, max_side=MOST)[:, 3:] > -0.8 for layer in layers]
    if is_example(given):
        covered.append(scratches())
    if len({layer.shape for layer in covered}) > 1:
        raise ConfigError("The layers have different sizes: clear what is painted, and paint it anew.")
    if not any(layer.any() for layer in covered):
        return given, None
    return given, torch.where(torch.stack(covered).any(0), 1.0, -1.0)


def scratches() -> Tensor:
    """Where the example's scratches are, [1, 1, H, W]."""
    return images.load_image(BRUSHED, channels=4)[:, 3:] > -0.8


def is_example(given: Tensor) -> bool:
    """Whether it is the photo that the tab opens with, whose scratches are known without a brush."""
    example = images.load_image(OLD)
    return given.shape == example.shape and bool((given - example).abs().max() < 0.05)


TAB = Tab("restore", "Restore", 60, build, lambda: bool(able()))
