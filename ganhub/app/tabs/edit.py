"""Edit: the picture of a seed or of a photo, changed by what has a name, mixed with another picture, and by more."""

from __future__ import annotations

import html
import inspect
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import gradio as gr
from torch import Tensor

from ganhub import images, latents, zoo
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import Addition, Bench, Built, Form, Outcome, Tab, press_once
from ganhub.app.gpu import render
from ganhub.app.jobs import Report
from ganhub.app.lanes import lane_of
from ganhub.app.shield.limits import is_private
from ganhub.app.tabs._edit_boxes import (
    MAX_SIDE,
    NOT_YET,
    Session,
    arrange,
    asked_class,
    asked_edits,
    can_be_mixed,
    fill,
    fit,
    fitting,
    keep_name,
    menus_of,
    other_look,
    strip_of,
    with_other,
)
from ganhub.app.tabs._edit_layout import CHANGES, EMPTY, FIRST, SLIDERS, STEPS, beginning, changing
from ganhub.creation import Creation, Edit, Inputs, Result, checks, marks
from ganhub.creation.edit import NOTHING, PARTS, kept_start, require_direction
from ganhub.errors import ConfigError
from ganhub.models import StyleGenerator

NEW_SEEDS = 1_000_000  # "Surprise me" takes one below
# Fields of the edits as the endpoints name them, in the order of the components.
EDITS = (
    "directions", *(f"amount_{i + 1}" for i in range(SLIDERS)), "changes", *(f"change_{i + 1}" for i in range(CHANGES)),
    "mixed", "mix_seed", "truncation", "mix_label",
)  # fmt: skip


def with_edits(run: Callable) -> Callable:
    """A function whose ``*edits`` have the names of :data:`EDITS`: Gradio would call them param_3, param_4, ..."""
    signature = inspect.signature(run)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_POSITIONAL]
    named = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in EDITS]
    run.__signature__ = signature.replace(parameters=[*own, *named])
    return run


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seed" and "label", which other tabs may fill, then the listeners "menus" (of
    another model), "start" and "reveal"."""
    have = bool(zoo.entries(StyleGenerator))
    at = SimpleNamespace(
        start=gr.State(None), names=gr.State([]), unnamed_now=gr.State(list(FIRST)), outcome=gr.State(None),
        of_photo=gr.State(False), of_other=gr.State(False),
    )  # fmt: skip
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=1, min_width=290, elem_classes="asked"):
            beginning(bench, at)
        with gr.Column(scale=3, min_width=320, elem_classes="shown"):
            with gr.Column(visible=have, elem_id="edit-room") as at.room:
                changing(at, is_private(), menus.classes_of(bench.library, at.model.value))
            at.empty = gr.HTML(EMPTY, visible=not have, container=False, elem_id="edit-empty")
    return connect(bench, at, have)


def connect(bench: Bench, at: SimpleNamespace, have: bool) -> Built:
    """What buttons and sliders do."""
    edits = [at.chosen, *at.sliders, at.unnamed, *at.changes, at.parts, at.mix_seed, at.truncation, at.mix_label]
    shown = [at.pair, at.recipe, at.png, at.point]
    outputs = [at.start, *shown, at.outcome, at.status]
    at.apply = (parts.calm(show_edits, bench), [at.start, *edits], shown)
    at.remember = (parts.calm(remembered, bench), [at.start, *edits], at.outcome)
    at.fit = (parts.calm(fit, bench),
              [at.start, at.chosen, at.names, *at.sliders, at.unnamed, at.unnamed_now, *at.changes],
              [at.by_name, at.chosen, at.names, *at.sliders, at.unnamed_now, *at.changes])  # fmt: skip
    at.look = (parts.calm(other_look, bench), [at.start, at.mix_seed, at.mix_label], at.other)
    at.reveal = (lambda: (gr.Column(visible=True), gr.HTML(visible=False)), None, [at.room, at.empty])
    at.menus = (
        parts.calm(menus_of, bench.library),
        at.model,
        [at.label, at.chosen, at.unnamed, *at.changes, at.strip, at.mix_label, at.pair],
    )
    from_seed = (parts.calm(start_from_seed, bench), [at.model, at.label, at.seed, *edits], outputs)
    from_photo = (parts.calm(start_from_photo, bench), [at.model, at.label, at.photo, at.steps, *edits], outputs)
    slow = {"show_progress": "hidden", "concurrency_limit": parts.IN_LINE, "concurrency_id": "project-slow"}
    taken = at.take.click(
        *from_seed, show_progress="hidden", api_name="edit_seed",
        api_description="Begin to edit the picture of a seed. The edits are those of `edit`. Returns the picture "
        "before and after them, what was done in words, the PNG, the point in W (safetensors), and a sentence.",
    )  # fmt: skip
    pressed = at.press.click(
        *from_photo, **slow, api_name="edit_photo",
        api_description="Find the point in W whose picture is most like a photo, and begin to edit it. Gives early "
        "looks while it works; returns what `edit_seed` returns.",
    )  # fmt: skip
    at.mix_press.click(
        parts.calm(find_other, bench), [at.start, at.mix_photo, at.steps, *edits],
        [*outputs[:-1], at.parts, at.other, at.status], **slow, api_name="edit_mix_photo",
        api_description="Find another photo in the model, so that `mixed` takes its styles: of what `edit_seed` or "
        "`edit_photo` started.",
    )  # fmt: skip
    surprised = at.surprise.click(lambda: secrets.randbelow(NEW_SEEDS), None, at.seed, queue=False, **parts.PRIVATE)
    changed = at.model.input(*at.menus, **parts.PRIVATE)
    for event in (taken, pressed, *(one.then(*from_seed, **parts.PRIVATE) for one in (surprised, changed))):
        event.success(*at.reveal, **parts.PRIVATE)
    at.start.change(*at.fit, **parts.PRIVATE).success(*at.look, **parts.PRIVATE)  # whoever started it
    connect_edits(bench, at, edits)
    connect_boxes(bench, at)
    scripts = (press_once("edit", "pair", button="take"),) if have else ()
    boxes = [at.of_photo, at.model, at.label, at.seed, at.photo, at.steps, *edits, at.mix_photo, at.of_other]
    form = Form(takes, fill, boxes, (parts.calm(start_from_form, bench), boxes, outputs))
    mixing = (parts.calm(mix_in, bench), [at.start, *boxes], outputs)
    opened = (lambda: gr.Accordion(open=True), None, at.mix)
    addition = Addition(
        "mix", "Mix into the edited picture", can_be_mixed, partial(with_other, bench),
        [at.model, at.parts, at.mix_seed, at.mix_label, at.mix_photo], "#edit-mixing, #edit-pair",
        (opened, mixing, at.look, at.reveal),
    )  # fmt: skip
    doors = {"model": at.model, "seed": at.seed, "label": at.label, "menus": [at.menus], "start": from_seed,
             "reveal": at.reveal}  # fmt: skip
    return Built(
        scripts=scripts, doors=doors, outcome=at.outcome, form=form, addition=addition if have else None,
    )  # fmt: skip


def connect_edits(bench: Bench, at: SimpleNamespace, edits: Sequence[Any]) -> None:
    """What the sliders and menus of the edits do."""
    moving = [*at.sliders, *at.changes, at.parts, at.truncation]
    gr.on(
        [one.input for one in moving], *at.apply, trigger_mode="always_last", show_progress="hidden",
        api_name="edit_tab",
        api_description="Change what `edit_seed` or `edit_photo` started: `amount_1` and the others along the named "
        "`directions`, in this order; `change_1` and the others along the `changes` without names, in standard "
        f"deviations; `mixed`, a list of {', '.join(PARTS)} that is taken from the picture of `mix_seed`; "
        "`truncation`. Returns the pictures before and after, what was done in words, the PNG and the point in W.",
    )  # fmt: skip
    # A slider is moved through many values; the one where it is let go is worth keeping.
    settled = [one.release for one in (*at.sliders, *at.changes, at.truncation)]
    settled += [at.parts.input, at.mix_seed.submit, at.mix_label.input]
    gr.on(settled, *at.remember, trigger_mode="always_last", **parts.PRIVATE)
    by_hand = gr.on(
        [at.mix_seed.input, at.mix_label.input], parts.calm(by_seed), at.start, at.start, trigger_mode="always_last",
        **parts.PRIVATE,
    )  # fmt: skip
    by_hand.then(*at.apply, **parts.PRIVATE).then(*at.look, **parts.PRIVATE)
    at.reset.click(
        lambda: (*[0] * (SLIDERS + CHANGES), [], 1.0), None, [*at.sliders, *at.changes, at.parts, at.truncation],
        show_progress="hidden", api_name="edit_reset",
        api_description="The values of a picture without edits: no change, nothing mixed in, truncation 1.",
    ).then(*at.apply, **parts.PRIVATE).then(*at.remember, **parts.PRIVATE)  # fmt: skip
    for box, now, sliders in ((at.chosen, at.names, at.sliders), (at.unnamed, at.unnamed_now, at.changes)):
        box.input(parts.calm(arrange), [box, now, *sliders], [now, *sliders], **parts.PRIVATE).then(
            *at.apply, **parts.PRIVATE
        )


def connect_boxes(bench: Bench, at: SimpleNamespace) -> None:
    """What uploads, the fold and the names do."""
    for photo, button in ((at.photo, at.press), (at.mix_photo, at.mix_press)):
        photo.change(lambda file: gr.Button(interactive=bool(file)), photo, button, queue=False, **parts.PRIVATE)
    strip = (parts.calm(strip_of, bench), [at.start, at.unnamed], at.strip)
    at.more.expand(*strip, **parts.PRIVATE)
    at.unnamed.input(*strip, **parts.PRIVATE)
    if hasattr(at, "keep"):
        at.keep.click(
            parts.calm(keep_name, bench), [at.start, at.which, at.name], [at.name, at.status], show_progress="hidden",
            api_visibility="private",
        ).success(*at.fit, **parts.PRIVATE)  # fmt: skip


def saved(bench: Bench, session: Session, creation: Edit, edited: Result) -> tuple[tuple[str, str], str, str, str]:
    """Before and after, what was done as a line, and the files of the picture and its point in W."""
    facts = {"model": creation.model, "source": creation.source, "edits": ", ".join(edited.notes) or "none"}
    name = f"{creation.model}-{creation.source}-edited"
    path = parts.save_png(edited.pictures, name, marks.mark_of(creation, bench.library), **facts)
    file = parts.scratch(f"{name}.safetensors")
    tensors = edited.tensors
    latents.save_w(tensors["w"], file, noise=tensors["noise"], about={"software": "ganhub", **facts})
    line = " · ".join(html.escape(part) for part in (creation.source.capitalize(), *(edited.notes or ["as it is"])))
    return (session.before, path), line, path, str(file)


def edited(session: Session | None, edits: Sequence[Any]) -> Edit:
    """The same start with other edits."""
    if session is None:
        raise ConfigError(NOT_YET)
    return replace(session.creation, **asked_edits(*edits))


@with_edits
def show_edits(bench: Bench, session: Session | None, *edits: Any) -> tuple[tuple[str, str], str, str, str]:
    """The picture with other edits."""
    creation = edited(session, edits)
    return saved(bench, session, creation, render(creation, bench.library, inputs=session.inputs))


@with_edits
def remembered(bench: Bench, session: Session | None, *edits: Any) -> Any:
    """The picture with these edits, for the history."""
    if session is None:
        return gr.skip()
    creation = edited(session, edits)
    path = saved(bench, session, creation, render(creation, bench.library, inputs=session.inputs))[2]
    return Outcome(creation, [path], photos=photos_of(session, creation))


def photos_of(session: Session, creation: Edit) -> dict[str, str]:
    """sha256 -> file of the photos that a Creation names."""
    return {digest: file for digest, file in session.photos.items() if digest in creation.digests()}


def start(
    bench: Bench, asked: Edit, inputs: Inputs, request: gr.Request | None, photos: Mapping[str, str]
) -> Iterator[tuple]:
    """Start to edit, with early looks beside the photo where there is one, and show the edits."""

    def work(report: Report) -> tuple:
        generator = bench.library.open(asked.model, StyleGenerator)
        for name, _ in asked.directions:
            require_direction(generator, name, None if asked.photo else asked.label)
        before = ""
        if asked.photo:
            photo = images.load_image(photos[asked.photo], channels=4, max_side=MAX_SIDE)
            before = parts.save_png(images.fit(photo, *generator.config.size), "photo")

        def on_step(step: int, steps: int, look: Tensor | None) -> None:
            report(step, steps, None if look is None or not before else (before, look.float().cpu().clone()))

        plain = replace(asked, directions=(), mixed=NOTHING, mix_seed=0, truncation=1.0).pinned(bench.library)
        pinned = replace(asked, revision=plain.revision)
        begun = render(plain, bench.library, on_step, inputs=inputs)
        name = f"{asked.model}-{asked.source}"
        own = replace(plain, mix_label=None, mix_photo="")
        mark = None if asked.photo else marks.mark_of(own, bench.library)  # the photo is nobody's picture but theirs
        before = parts.save_png(begun.photo, name, mark)
        session = Session(plain, inputs, before, photos)
        creation, left_out = fitting(generator, pinned, kept_start(plain, inputs).label)
        shown = saved(bench, session, creation, render(creation, bench.library, on_step, inputs=inputs))
        outcome = Outcome(creation, [shown[2]], photos=photos_of(session, creation))
        return session, *shown, outcome, f"{html.escape(begun.text)} {left_out}".strip()

    yield from followed(bench, request, work, lane_of(asked))


def followed(
    bench: Bench, request: gr.Request | None, work: Callable[[Report], tuple], lane: str, more: int = 0
) -> Iterator:
    """Run the work of a start as a job; ``more`` outputs stand before the status line."""

    def look(pair: tuple[str, Tensor]) -> tuple:
        return gr.skip(), (pair[0], images.to_pil(pair[1])), *parts.keep(4 + more)

    job = yield from parts.follow(
        bench, "edit", request, work, noun="Step", outputs=6 + more, look=look, lane=lane,
        stopped="Stopped. What was here before can still be changed.",
    )  # fmt: skip
    if job:
        yield job.result()


@with_edits
def start_from_seed(bench: Bench, request: gr.Request, model, label, seed, *edits) -> Iterator[tuple]:
    """Edit the picture of a seed."""
    asked = Edit(model=menus.menu_name(model), seed=seed, label=asked_class(label), **asked_edits(*edits))
    yield from start(bench, asked, Inputs(), request, {})


@with_edits
def start_from_photo(bench: Bench, request: gr.Request, model, label, photo, steps, *edits) -> Iterator[tuple]:
    """Project a photo to W, and edit it."""
    inputs, how_many = Inputs(), checks.whole("How long to look", steps, *STEPS[:2])
    digest = inputs.add(parts.picture_file("photo", photo))
    asked = Edit(
        model=menus.menu_name(model), photo=digest, size=MAX_SIDE, steps=how_many, label=asked_class(label),
        **asked_edits(*edits),
    )  # fmt: skip
    images.load_image(photo, channels=4, max_side=MAX_SIDE)  # what is wrong with it is said now
    yield from start(bench, asked, inputs, request, {digest: photo})


def start_from_form(bench: Bench, request: gr.Request, of_photo, model, label, seed, photo, steps, *rest) -> Iterator:
    """Edit what a Creation that was filled in starts from.

    Args:
        rest: The edits, another photo, and whether styles are taken from it.
    """
    *edits, other, of_other = rest
    if of_other:
        yield from start_mixed(bench, request, of_photo, model, label, seed, photo, steps, other, *edits)
    elif of_photo:
        yield from start_from_photo(bench, request, model, label, photo, steps, *edits)
    else:
        yield from start_from_seed(bench, request, model, label, seed, *edits)


def start_mixed(
    bench: Bench, request: gr.Request, of_photo, model, label, seed, photo, steps, other, *edits
) -> Iterator[tuple]:
    """Edit the picture of a seed or a photo, mixed with another photo."""
    inputs, how_many = Inputs(), checks.whole("How long to look", steps, *STEPS[:2])
    given = {"mix_photo": parts.picture_file("other photo", other)}
    given |= {"photo": parts.picture_file("photo", photo)} if of_photo else {}
    named = {name: inputs.add(file) for name, file in given.items()}
    asked = Edit(
        model=menus.menu_name(model), seed=0 if of_photo else seed, label=asked_class(label), size=MAX_SIDE,
        steps=how_many, **named, **asked_edits(*edits),
    )  # fmt: skip
    yield from start(bench, asked, inputs, request, {named[name]: file for name, file in given.items()})


@with_edits
def find_other(bench: Bench, request: gr.Request, session: Session | None, photo, steps, *edits) -> Iterator[tuple]:
    """Project another photo to W, to take styles from; at first its colours."""
    if session is None:
        raise ConfigError(NOT_YET)
    how_many = checks.whole("How long to look", steps, *STEPS[:2])
    digest = session.inputs.add(parts.picture_file("other photo", photo))
    images.load_image(photo, channels=4, max_side=MAX_SIDE)
    asked = asked_edits(*edits)
    mixed = "fine" if asked["mixed"] == NOTHING else asked["mixed"]
    plain = replace(session.creation, mix_photo=digest, size=MAX_SIDE)
    plain = plain if plain.photo else replace(plain, steps=how_many)  # one number for both photos
    creation = replace(plain, **{**asked, "mixed": mixed})

    def work(report: Report) -> tuple:
        size = bench.library.open(creation.model, StyleGenerator).config.size
        target = parts.save_png(images.fit(images.load_image(photo, channels=4, max_side=MAX_SIDE), *size), "photo")

        def on_step(step: int, steps: int, look: Tensor | None) -> None:
            report(step, steps, None if look is None else (target, look.float().cpu().clone()))

        now = Session(plain, session.inputs, session.before, {**session.photos, digest: photo})
        shown = saved(bench, now, creation, render(creation, bench.library, on_step, inputs=session.inputs))
        outcome = Outcome(creation, [shown[2]], photos=photos_of(now, creation))
        other = other_look(bench, now, creation.mix_seed, creation.mix_label)
        return now, *shown, outcome, mixed.split("+"), other, "Found. Choose what to take from it."

    yield from followed(bench, request, work, "slow", more=2)


def mix_in(
    bench: Bench, request: gr.Request, session: Session | None, of_photo, model, label, seed, photo, steps, *rest
) -> Iterator[tuple]:
    """Mix the picture that was put into the form into what is edited; without that, begin to edit first."""
    edits = rest[:-2]  # a photo there is not found yet
    if session is None:
        yield from start_from_form(bench, request, of_photo, model, label, seed, photo, steps, *edits, None, False)
        return
    session = replace(session, creation=replace(session.creation, mix_photo=""))
    creation = edited(session, edits)
    shown = saved(bench, session, creation, render(creation, bench.library, inputs=session.inputs))
    outcome = Outcome(creation, [shown[2]], photos=photos_of(session, creation))
    yield session, *shown, outcome, "Choose what to take from the other picture."


def by_seed(session: Session | None) -> Any:
    """Styles are taken from the picture of a seed from now on."""
    if session is None or not session.creation.mix_photo:
        return gr.skip()
    return replace(session, creation=replace(session.creation, mix_photo=""))


def takes(creation: Creation) -> bool:
    """Whether the tab can show a Creation."""
    return isinstance(creation, Edit)


TAB = Tab("edit", "Edit", 70, build)
