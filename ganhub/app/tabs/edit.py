"""Edit: the picture of a seed or a photo of one's own, changed along directions of W and mixed with other seeds."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
import torch
from safetensors.torch import save_file
from torch import Tensor

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app.jobs import Jobs, Progress, Report
from ganhub.app.library import Library
from ganhub.errors import ConfigError
from ganhub.latents import Direction, Projection, direction, edit, mix, principal_directions, project
from ganhub.models import StyleGenerator

SLIDERS = 6  # directions at a time
REACH = 4.0  # standard deviations to either side
FIRST = tuple(f"pca:{i}" for i in range(4))  # what the sliders are when the tab opens
COUNT = 8  # directions of each kind that the menu names
CLASSES = 6  # classes between which it names the ways
KINDS = {"pca": "Principal", "sefa": "Weights"}  # of a direction's name -> in words
NOTHING = "nothing"
MIXES = (NOTHING, "coarse", "middle", "fine")
STEPS = (20, 1000, 300)  # of a projection: least, most, usual
MAX_SIDE = 1024  # a photo is shrunk to it when it is opened; no model here is larger
ANY = "any"
EMPTY = """
<div class="empty"><h2>Nothing to edit yet</h2>
<p>Editing takes a model with a space of styles, such as <b>stylegan2</b>, and none is here.</p>
<p>Train one on your own pictures with <code>python training/train.py</code>, or type the owner/name of one on the
Hugging Face Hub into the menu on the left.</p></div>
"""
_directions: WeakKeyDictionary[StyleGenerator, dict[str, Direction]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Start:
    """What a visitor edits; it stays on the server.

    Attributes:
        model: Its name in the menu.
        label: Index of its class, [1], or None.
        w: w+ [1, L, style_dim].
        noise: [1, noise_dim].
        picture: What edits are seen beside, [1, C, H, W]: that of the seed, or the photo; None once it was shown.
        source: "seed 7" or "photo".
        told: A sentence about it.
    """

    model: str
    label: Tensor | None
    w: Tensor
    noise: Tensor
    picture: Tensor | None
    source: str
    told: str


@dataclass(frozen=True, eq=False)
class Look:
    """An early look at a projection: the file of the photo, and how far it is found, [1, C, H, W]."""

    before: str
    after: Tensor


def build(library: Library, jobs: Jobs) -> dict[str, Any]:
    """Lay the tab out.

    Returns:
        "model" and "seed", which another tab may fill, the listeners "start" and "reveal" to run then, and "ready":
        whether a model is here.
    """
    have = bool(zoo.entries(StyleGenerator))
    start = gr.State(None)
    named = gr.State(list(FIRST))
    with gr.Row():
        with gr.Column(scale=1, min_width=290):
            model, _ = parts.model_menu(library, StyleGenerator, "edit")
            names = parts.classes_of(library, model.value)
            label = gr.Dropdown(
                [ANY, *names], value=ANY, label="Class", allow_custom_value=True, visible=bool(names),
                elem_id="edit-class",
            )  # fmt: skip
            with gr.Row(equal_height=True, elem_classes="beside"):
                seed = parts.unchecked(
                    gr.Number(0, label="Start from a seed", precision=0, elem_id="edit-seed", min_width=130)
                )
                take = gr.Button("Take it", size="md", elem_id="edit-take", min_width=90, scale=0)
            photo = parts.unchecked(
                gr.Image(
                    label="Or from your own photo", type="filepath", image_mode=None, format="png",
                    sources=["upload", "clipboard"], height=200, buttons=[], elem_id="edit-photo",
                )
            )  # fmt: skip
            steps = parts.unchecked(
                gr.Slider(
                    STEPS[0], STEPS[1], STEPS[2], step=10, label="Steps", elem_id="edit-steps",
                    info="More come closer to the photo.",
                )
            )  # fmt: skip
            run, status = parts.run_and_stop("Project the photo", jobs, "edit")
        with gr.Column(scale=3, min_width=320):
            empty = gr.HTML(EMPTY, visible=not have, container=False, elem_id="edit-empty")
            with gr.Column(visible=have, elem_id="edit-room") as room:
                look = {
                    "format": "png", "interactive": False, "height": 380, "min_width": 150, "elem_classes": "compare"
                }  # fmt: skip
                with gr.Row(elem_classes="pair"):
                    before = gr.Image(label="Before", buttons=["fullscreen"], elem_id="edit-before", **look)
                    after = gr.Image(
                        label="After", buttons=["download", "fullscreen"], elem_id="edit-after", **look
                    )  # fmt: skip
                recipe = gr.HTML(elem_id="edit-recipe", elem_classes="about recipe", container=False)
                chosen = gr.Dropdown(
                    menu(names), value=list(FIRST), multiselect=True, max_choices=SLIDERS, allow_custom_value=True,
                    label="Directions", elem_id="edit-directions",
                    info=f"A slider for each, in standard deviations; up to {SLIDERS}.",
                )  # fmt: skip
                with gr.Row(elem_classes="sliders"):
                    sliders = [
                        parts.unchecked(  # as far as it goes: a slider that was given another label checks for itself
                            gr.Slider(
                                -REACH, REACH, 0, step=0.1, min_width=220, elem_id=f"edit-amount-{i + 1}",
                                label=in_words(FIRST[i]) if i < len(FIRST) else "One more", visible=i < len(FIRST),
                            )
                        )
                        for i in range(SLIDERS)
                    ]  # fmt: skip
                with gr.Row():
                    mixed = gr.Radio(
                        MIXES, value=NOTHING, label="Mix in", info="Coarse is the layout, fine the colours.",
                        elem_id="edit-mix", min_width=410, scale=5,
                    )  # fmt: skip
                    other = parts.unchecked(
                        gr.Number(1, label="of seed", precision=0, elem_id="edit-mix-seed", min_width=90, scale=1)
                    )
                    truncation = parts.unchecked(
                        gr.Slider(
                            0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is safer, more is wilder.",
                            elem_id="edit-truncation", min_width=190, scale=3,
                        )
                    )  # fmt: skip
                with gr.Row():
                    reset = gr.Button("Undo all edits", size="md", elem_id="edit-reset", min_width=100)
                    png = gr.DownloadButton("Save the picture", size="md", elem_id="edit-png", min_width=100)
                    point = gr.DownloadButton("Save its w", size="md", elem_id="edit-w", min_width=100)

    edits = [chosen, *sliders, mixed, other, truncation]
    shown = [after, recipe, png, point]

    def look_at(begun: Start, *edits: Any) -> tuple[str, str, str, str]:
        """The edited picture and its w as files, and what was done as a line: (PNG, line, PNG, safetensors)."""
        generator = library.open(begun.model, StyleGenerator)
        w, notes = edited(generator, begun, *edits)
        picture = generator.from_w(w, noise=begun.noise)
        facts = {"model": begun.model, "source": begun.source, "edits": ", ".join(notes) or "none"}
        name = f"{begun.model}-{begun.source}-edited"
        path, file = parts.save_png(picture, name, **facts), parts.scratch(f"{name}.safetensors")
        tensors = {"w": w.cpu().contiguous(), "noise": begun.noise.float().cpu().contiguous()}
        save_file(tensors, file, metadata={"software": "ganhub", **facts})
        line = " · ".join(html.escape(part) for part in (begun.source.capitalize(), *(notes or ["as it is"])))
        return path, line, path, str(file)

    @parts.calm
    def apply(begun: Start | None, *edits: Any) -> tuple[str, str, str, str]:
        if begun is None:
            raise ConfigError("There is nothing to edit yet: take a seed, or upload a photo and project it.")
        return look_at(begun, *edits)

    def begin(work: Callable[[Report], Start], request: gr.Request | None, noun: str, edits: tuple) -> Iterator[tuple]:
        """Run what makes a Start, with early looks beside the photo, and show its edits."""

        def all_work(report: Report) -> tuple[Start, str, tuple]:
            begun = work(report)
            name = f"{begun.model}-{begun.source}"
            path = parts.save_png(begun.picture, name, model=begun.model, source=begun.source)
            look = look_at(begun, *edits)
            return replace(begun, picture=None), path, look  # the state of a session stays small

        seen = None

        def show(progress: Progress | None) -> tuple:
            nonlocal seen
            look: tuple = (gr.skip(), gr.skip())
            if progress is not None and progress.preview not in (None, seen):
                seen = progress.preview
                look = seen.before, images.to_pil(seen.after)
            return gr.skip(), *look, *keep(3), "" if progress is None else parts.bar(progress, noun)

        job = yield from parts.follow(jobs, "edit", request, all_work, show)
        if job.stopped:
            yield *keep(6), "Stopped. What was here before can still be edited."
            return
        begun, path, look = job.result()
        yield begun, path, *look, f"{begun.told} Move a slider."

    @parts.calm
    def start_from_seed(request: gr.Request, model, label, seed, *edits) -> Iterator[tuple]:
        number = parts.whole("Seed", seed, 0, parts.MAX_SEED)
        parts.plain_name("Class", label)
        asked_edits(*edits)

        def work(report: Report) -> Start:
            report(0, 0)
            generator = library.open(model, StyleGenerator)
            classes = generator.labels(1, asked_class(label), number)
            w = generator.per_layer(generator.to_w(generator.latent([number]), classes)).clone()
            noise = generator.noise([number])
            return Start(
                model, classes, w, noise, generator.from_w(w, noise=noise), f"seed {number}", f"This is seed {number}."
            )

        yield from begin(work, request, "", edits)

    @parts.calm
    def start_from_photo(request: gr.Request, model, label, photo, steps, *edits) -> Iterator[tuple]:
        how_many = parts.whole("Steps", steps, *STEPS[:2])
        parts.plain_name("Class", label)
        names = asked_edits(*edits)[0]  # said now: a projection takes minutes
        picture = images.load_image(parts.picture_file("photo", photo), channels=4, max_side=MAX_SIDE)

        def work(report: Report) -> Start:
            generator = library.open(model, StyleGenerator)
            for name in names:
                found_direction(generator, name)
            before = parts.save_png(images.fit(picture, *generator.config.size), "photo")

            def on_step(step: int, steps: int, look: Tensor | None) -> None:
                report(step, steps, None if look is None else Look(before, look.float().cpu().clone()))

            report(0, how_many)
            found = project(generator, picture, label=asked_class(label), steps=how_many, on_step=on_step)
            classes = None if found.label is None else torch.tensor([found.label])
            return Start(model, classes, found.w, found.noise, found.target, "photo", closeness(found))

        yield from begin(work, request, "Step", edits)

    @parts.calm
    def arrange(chosen: list[str] | None, named: list[str], *amounts: float) -> tuple:
        """A slider for each chosen direction; those that stay keep their amounts."""
        kept = dict(zip(named, amounts, strict=False))
        now = parts.name_list("Directions", chosen)[:SLIDERS]
        boxes = [
            gr.Slider(label=in_words(now[i]), value=kept.get(now[i], 0), visible=True)
            if i < len(now)
            else gr.Slider(value=0, visible=False)
            for i in range(SLIDERS)
        ]
        return now, *boxes

    outputs = [start, before, *shown, status]
    private = {"show_progress": "hidden", "api_visibility": "private"}
    from_seed = (start_from_seed, [model, label, seed, *edits], outputs)
    reveal = (lambda: (gr.Column(visible=True), gr.HTML(visible=False)), None, [room, empty])
    take.click(
        *from_seed, show_progress="hidden", api_name="edit_seed",
        api_description="Begin to edit the picture of a seed. The edits are those of `edit`. Returns the picture "
        "before and after them, what was done in words, the PNG, the point in W (safetensors), and a sentence.",
    ).success(*reveal, **private)  # fmt: skip
    run.click(
        start_from_photo, [model, label, photo, steps, *edits], outputs, show_progress="hidden", concurrency_limit=1,
        concurrency_id="project-slow", api_name="edit_photo",
        api_description="Find the point in W whose picture is most like a photo, and begin to edit it. Gives early "
        "looks while it works; returns what `edit_seed` returns.",
    ).success(*reveal, **private)  # fmt: skip
    gr.on(
        [control.input for control in (*sliders, mixed, other, truncation)], apply, [start, *edits], shown,
        trigger_mode="always_last", show_progress="hidden", api_name="edit",
        api_description="Change what `edit_seed` or `edit_photo` began: `amounts` in standard deviations along the "
        "named directions, coarse, middle or fine styles of another seed, truncation. Returns the picture, what was "
        "done in words, the PNG and the point in W (safetensors).",
    )  # fmt: skip
    reset.click(
        lambda: (*[0] * SLIDERS, NOTHING, 1.0), None, [*sliders, mixed, truncation], show_progress="hidden",
        api_name="edit_reset",
        api_description="The values of a picture without edits: no direction, nothing mixed in, truncation 1.",
    ).then(apply, [start, *edits], shown, **private)  # fmt: skip
    chosen.input(arrange, [chosen, named, *sliders], [named, *sliders], **private).then(
        apply, [start, *edits], shown, **private
    )
    model.input(parts.calm(lambda name: menus(library, name)), model, [label, chosen], **private).then(
        arrange, [chosen, named, *sliders], [named, *sliders], **private
    ).then(*from_seed, **private).success(*reveal, **private)
    return {"model": model, "seed": seed, "start": from_seed, "reveal": reveal, "ready": have}


def keep(count: int) -> list:
    """Outputs that stay as they are."""
    return [gr.skip() for _ in range(count)]


def menu(classes: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Directions by name, and in words: those of every model, and the ways between the first classes."""
    names = [f"{kind}:{i}" for kind in KINDS for i in range(COUNT)]
    names += [f"class:{a}>{b}" for a, b in itertools.combinations(classes[:CLASSES], 2)]
    return [(in_words(name), name) for name in names]


def in_words(name: str) -> str:
    """ "pca:2" -> "Principal 3", "class:cat>dog" -> "cat to dog"; other names stay."""
    kind, _, rest = str(name).partition(":")
    if kind in KINDS and rest.isdecimal():
        return f"{KINDS[kind]} {int(rest) + 1}"
    return rest.replace(">", " to ", 1) if kind == "class" and ">" in rest else str(name)


def asked_class(label: Any) -> Any:
    """What the class menu asks for; None for any."""
    return None if label in (None, "", ANY) else label


def menus(library: Library, name: str) -> tuple[gr.Dropdown, gr.Dropdown]:
    """The class menu of another model, hidden where there are no classes, and its directions."""
    classes = parts.classes_of(library, name)
    return gr.Dropdown([ANY, *classes], value=ANY, visible=bool(classes)), gr.Dropdown(menu(classes), value=list(FIRST))


def found_direction(generator: StyleGenerator, name: str) -> Direction:
    """:func:`ganhub.latents.direction`, computed once for each model in memory: a slider asks at every move."""
    known = _directions.setdefault(generator, {})
    if name not in known and name.startswith("pca:"):
        few = min(COUNT, generator.style_mean.shape[1])
        known.update({way.name: way for way in principal_directions(generator, few)})
    if name not in known:
        known[name] = direction(generator, name)
    return known[name]


def asked_edits(chosen: Any, *others: Any) -> tuple[list[str], list[float], str, int, float]:
    """Names and amounts of directions, what is mixed in and of which seed, truncation: checked without a model.

    Raises:
        ConfigError: For an amount out of range, or another value that the page does not offer.
    """
    *amounts, mixed, seed, truncation = others
    names = parts.name_list("Directions", chosen)
    if len(names) > SLIDERS:
        raise ConfigError(f"Choose up to {SLIDERS} directions; there are {len(names)}.")
    parts.one_of("What is mixed in", mixed, MIXES)
    psi = parts.number("Truncation", truncation, 0, 1.5)
    far = [parts.number(in_words(name), amount, -REACH, REACH) for name, amount in zip(names, amounts, strict=False)]
    number = parts.whole("The seed to mix in", seed, 0, parts.MAX_SEED) if mixed != NOTHING else 0
    return names, far, mixed, number, psi


def edited(generator: StyleGenerator, begun: Start, chosen: Any, *others: Any) -> tuple[Tensor, list[str]]:
    """w+ of the edits, [1, L, style_dim], and what was done in words: first mixing, then truncation, then directions.

    Raises:
        ConfigError: For an unknown direction, an amount out of range, or another value that the page does not offer.
    """
    names, far, mixed, number, psi = asked_edits(chosen, *others)
    w, notes = begun.w.to(generator.device), []
    label = None if begun.label is None else begun.label.to(generator.device)
    if mixed != NOTHING:
        w = mix(generator, w, generator.to_w(generator.latent([number]), label), mixed)
        notes.append(f"{mixed} styles of seed {number}")
    if psi != 1:
        w = generator.truncate_w(w, label, psi)
        notes.append(f"truncation {psi:g}")
    for name, amount in zip(names, far, strict=False):
        if amount:
            w = edit(w, found_direction(generator, name), amount)
            notes.append(f"{in_words(name)} {amount:+.1f}")
    return w.float(), notes


def closeness(found: Projection) -> str:
    """How near a projection came, in a few sentences."""
    times = found.start_error / max(found.error, 1e-9)
    near = f"{times:.1f} times closer than the best seed" if times >= 1.05 else "as close as the best seed"
    sentence = f"Found in {found.seconds:.0f} s, {near}."
    return f"{sentence} {html.escape(found.note)}".strip()
