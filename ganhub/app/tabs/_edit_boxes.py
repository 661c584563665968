"""What the boxes of the Edit tab hold: named changes and others, and what a form asks for."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from ganhub import hub, images
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import Bench
from ganhub.app.gpu import render
from ganhub.app.library import Library
from ganhub.app.tabs._edit_layout import ANY, CHANGES, FIRST, SAME, SLIDERS, STEPS, menu
from ganhub.creation import Creation, Edit, Evolve, Generate, Inputs, Interpolate, Project, checks, marks
from ganhub.creation.edit import NOTHING, PARTS, in_words, kept_start
from ganhub.errors import ConfigError
from ganhub.images import provenance
from ganhub.latents.directions import class_name
from ganhub.latents.named import name_direction
from ganhub.models import StyleGenerator
from ganhub.models._named import COMPUTED

MAX_SIDE = 1024  # a photo is shrunk to it when it is opened; no model here is larger
LOOK = 3.0  # standard deviations of the small pictures that show what a change does
NOT_YET = "There is nothing to change yet: take a seed, or upload a photo and let it be found."


@dataclass(frozen=True, eq=False)
class Session:
    """What a visitor edits; it stays on the server.

    Attributes:
        creation: Without edits, but with the photo that styles are taken from; pinned to the version of the model that
            it was started with.
        inputs: Keep the points of W that the edits start from.
        before: File of the picture without edits.
        photos: sha256 -> file of the photos.
    """

    creation: Edit
    inputs: Inputs
    before: str
    photos: Mapping[str, str]
    number: int = field(default_factory=count().__next__, init=False)

    def __hash__(self) -> int:
        """Another for each, by which Gradio tells that another one was begun."""
        return self.number


def asked_class(label: Any) -> Any:
    """What the class menu asks for; None for any."""
    return None if label in (None, "", ANY) else label


def asked_edits(*values: Any) -> dict[str, Any]:
    """Fields of an Edit: changes with amounts, what is taken from the other picture, truncation."""
    chosen, amounts, rest = values[0], values[1 : 1 + SLIDERS], values[1 + SLIDERS :]
    unnamed, others, (mixed, seed, truncation, label) = rest[0], rest[1 : 1 + CHANGES], rest[1 + CHANGES :]
    pairs: list[tuple[str, Any]] = []
    for what, names, given in (("changes", chosen, amounts), ("changes without names", unnamed, others)):
        names = parts.name_list(what.capitalize(), names)
        if len(names) > len(given):
            raise ConfigError(f"Choose up to {len(given)} {what}; there are {len(names)}.")
        pairs += [(name, amount) for name, amount in zip(names, given, strict=False) if amount != 0]
    taken = parts.name_list("What to take", mixed)
    for part in taken:
        checks.one_of("What to take", part, PARTS)
    mixed = "+".join(part for part in PARTS if part in taken) or NOTHING
    return {
        "directions": tuple(pairs), "mixed": mixed, "mix_seed": seed if taken else 0,
        "mix_label": mixed_class(label) if taken else None, "truncation": truncation,
    }  # fmt: skip


def mixed_class(label: Any) -> Any:
    """What the menu of the other picture's class asks for; None for that of the picture that is edited."""
    return None if label in (None, "", SAME) else parts.plain_name("Its class", label)


def fill(creation: Edit, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The boxes' values that ask for a Creation."""
    unnamed = [pair for pair in creation.directions if ":" in pair[0] and pair[0].partition(":")[0] in COMPUTED]
    named = [pair for pair in creation.directions if pair not in unnamed][:SLIDERS]
    unnamed = unnamed[:CHANGES] or [(name, 0) for name in FIRST]
    amounts = ([amount for _, amount in pairs] + [0] * (most - len(pairs))
               for pairs, most in ((named, SLIDERS), (unnamed, CHANGES)))  # fmt: skip
    mixed = [] if creation.mixed == NOTHING else creation.mixed.split("+")
    steps = min(max(creation.steps, STEPS[0]), STEPS[1])
    return (
        bool(creation.photo), creation.model, ANY if creation.label is None else creation.label, creation.seed,
        photos.get(creation.photo), steps, [name for name, _ in named], *next(amounts),
        [name for name, _ in unnamed], *next(amounts), mixed, creation.mix_seed, creation.truncation,
        SAME if creation.mix_label is None else creation.mix_label, photos.get(creation.mix_photo),
        bool(creation.mix_photo),
    )  # fmt: skip


def arrange(chosen: list[str] | None, names: list[str], *amounts: float) -> tuple:
    """A slider for each chosen change; those that stay keep their amounts."""
    kept = dict(zip(names, amounts, strict=False))
    now = parts.name_list("Changes", chosen)[: len(amounts)]
    boxes = [
        gr.Slider(label=in_words(now[i]), value=kept.get(now[i], 0), visible=True)
        if i < len(now)
        else gr.Slider(value=0, visible=False)
        for i in range(len(amounts))
    ]
    return now, *boxes


def fit(bench: Bench, session: Session | None, *boxes: Any) -> tuple:
    """The changes of the model and class of what is edited, in the menus and on the sliders.

    Where menu and sliders agree with them, these stay as they are: a visitor may have moved one since this was asked.

    Args:
        boxes: The menu, its state and the sliders of named changes, and of those without names.

    Returns:
        The column, the menu, its state and the sliders of the former; the state and the sliders of the latter.
    """
    (chosen, names, *amounts), (unnamed, others, *more) = boxes[: 2 + SLIDERS], boxes[2 + SLIDERS :]
    here, before = names_here(bench, session), parts.name_list("Changes", chosen)
    now = [name for name in before if name in here] or first_of_each(here)[:SLIDERS]
    choices = [(name.capitalize(), name) for name in here]
    if now == before == names:
        named = [gr.Dropdown(choices, allow_custom_value=True), *parts.keep(1 + SLIDERS)]
    else:
        named = [gr.Dropdown(choices, value=now, allow_custom_value=True), *arrange(now, before, *amounts)]
    asked = parts.name_list("Changes", unnamed)
    rest = parts.keep(1 + CHANGES) if asked == others else arrange(asked, asked, *more)
    return gr.Column(visible=bool(here)), *named, *rest


def names_here(bench: Bench, session: Session | None) -> list[str]:
    """Names of the changes that a model has for the class of what is edited, each once."""
    if session is None:
        return []
    generator = bench.library.open(session.creation.model, StyleGenerator)
    start = kept_start(session.creation, session.inputs)
    label = None if start is None or start.label is None else class_name(generator, int(start.label))
    fitting_ = [one.name for one in generator.named if label is None or one.holds_for(label)]
    return list(dict.fromkeys(fitting_))


def first_of_each(names: Sequence[str]) -> list[str]:
    """Names such as "hair: red" in an order in which no attribute comes a second time before all came once."""
    turns: Counter[str] = Counter()
    turn = {}
    for name in names:
        attribute = name.partition(":")[0]
        turn[name] = turns[attribute]
        turns[attribute] += 1
    return sorted(names, key=turn.__getitem__)


def menus_of(library: Library, name: str) -> tuple:
    """The class menu of another model, hidden where there are no classes, its changes, of which none is chosen yet, and
    the look of its pictures."""
    classes = menus.classes_of(library, name)
    label = gr.Dropdown([(ANY.capitalize(), ANY), *classes], value=ANY, visible=bool(classes))
    other = gr.Dropdown([(SAME.capitalize(), SAME), *classes], value=SAME, visible=bool(classes))
    pair = gr.ImageSlider(elem_classes=parts.look_of(name, "painting"))
    return label, [], gr.Dropdown(menu(classes), value=list(FIRST)), *[0] * CHANGES, None, other, pair


def fitting(generator: StyleGenerator, creation: Edit, label: Tensor | None) -> tuple[Edit, str]:
    """A Creation without the named changes that its picture's class does not have, and a sentence on those."""
    if label is None:
        return creation, ""
    name = class_name(generator, int(label))
    there = {one.name.casefold() for one in generator.named}
    here = {one.name.casefold() for one in generator.named if one.holds_for(name)}
    gone = [way for way, _ in creation.directions if base_of(way) in there - here]
    kept = tuple(pair for pair in creation.directions if pair[0] not in gone)
    text = f"There is no {html.escape(', '.join(gone))} for {html.escape(name)}." if gone else ""
    return replace(creation, directions=kept), text


def base_of(name: str) -> str:
    """A direction's name without its layers, in small letters."""
    return name.partition("@")[0].strip().casefold()


def strip_of(bench: Bench, session: Session | None, unnamed: list[str] | None) -> list[tuple[str, str]]:
    """What changes without names do: for each a small picture far to the left and one far to the right."""
    if session is None:
        return []
    shown = []
    for name in parts.name_list("Changes", unnamed)[:CHANGES]:
        sides = [
            render(replace(session.creation, directions=((name, amount),)), bench.library, inputs=session.inputs)
            for amount in (-LOOK, LOOK)
        ]
        both = images.make_grid(torch.cat([side.pictures for side in sides]), columns=2, padding=2)
        shown.append((parts.save_png(both, "change", provenance.bare(provenance.GENERATED)), in_words(name)))
    return shown


def other_look(bench: Bench, session: Session | None, seed: Any, label: Any) -> Any:
    """The picture that styles are taken from, as a file."""
    if session is None:
        return gr.skip()
    one = session.creation
    whole = replace(one, mixed="coarse+middle+fine")
    whole = whole if one.mix_photo else replace(whole, mix_seed=seed, mix_label=mixed_class(label))
    return parts.save_png(
        render(whole, bench.library, inputs=session.inputs).pictures, "other", marks.mark_of(whole, bench.library)
    )


def can_be_mixed(creation: Creation) -> bool:
    """Whether a result is one picture."""
    if isinstance(creation, Generate):
        return len(creation.wanted()) == 1
    return not isinstance(creation, Interpolate | Evolve | Project)


def with_other(bench: Bench, creation: Creation, file: Callable[[], str], *boxes: Any) -> tuple[Any, ...]:
    """The boxes of the other picture with that of a Creation: by its seed where the model is the same, otherwise as a
    photo that has to be found in the model.

    Args:
        boxes: Model; what is taken; seed, class and photo of the other picture.
    """
    model, taken, seed, label, _ = boxes
    if isinstance(creation, Generate) and not creation.likeness and creation.model == menus.menu_name(model):
        classes = menus.classes_of(bench.library, creation.model)
        named = creation.labels[0] if creation.labels else classes[creation.seed % len(classes)] if classes else SAME
        return model, taken or ["fine"], creation.seed, named, None
    gr.Info("This picture is not of a seed of this model: press “Find this photo” to look for it there.")
    return model, taken, seed, label, file()


def keep_name(bench: Bench, session: Session | None, which: str, name: str) -> tuple[str, str]:
    """Keep a name for a change in the model's folder; the empty box for names, and a sentence."""
    if session is None:
        raise ConfigError(NOT_YET)
    model = session.creation.model
    folder = hub.list_local().get(model)
    if folder is None:
        raise ConfigError(f"{model} is not on this machine, so no name can be kept in its folder: download it first.")
    one = name_direction(bench.library.open(model, StyleGenerator), folder, name, parts.plain_name("The change", which))
    return "", f"{html.escape(in_words(one.reference))} is called {html.escape(one.name)} from now on."
