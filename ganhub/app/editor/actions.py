"""What can be done with a result: opened again, varied, sent to another tab. Each is a Creation that a form shows.

A form is filled and then run by the tab's own button, so that a visitor sees, and can change, what was asked for.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import gradio as gr

from ganhub import hub, zoo
from ganhub.app.declared import Addition, Bench, Built
from ganhub.app.editor.memory import Memory, outcome_of
from ganhub.config import nearest
from ganhub.creation import Creation, Restore, Style, permalink, variations
from ganhub.creation.search.point import Point
from ganhub.errors import ConfigError
from ganhub.models import StyleGenerator, Stylizer, Translator

# What a button does -> its words. Those of PHOTO take the picture along, the others its seed.
SURPRISE = {"surprise": "Surprise me"}
SEED = {"like": "More like this", "interpolate": "Interpolate", "edit": "Edit", "evolve": "Evolve"}
PHOTO = {"style": "Style", "enlarge": "Enlarge", "restore": "Restore"}
TABS = {"like": "generate", "enlarge": "restore"}  # where the tab has another name
NEEDS_PHOTO = "A link cannot hold a picture: this one needs a photo. Give it on the tab {tab}, then press its button."
NO_TAB = "What this asks for has no tab here: its models are missing, or it was made by the command line."
BRED = "This picture was bred, and no tab shows it alone: download it, paint it or enlarge it."
Ask = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Desk:
    """What the tray works with: the bench, and the tabs that are on the page, by name."""

    bench: Bench
    tabs: Mapping[str, Built]
    titles: Mapping[str, str]

    def tab_of(self, creation: Creation) -> str | None:
        """The tab whose form shows a Creation."""
        return next((name for name, one in self.tabs.items() if one.form and one.form.takes(creation)), None)

    @cached_property
    def boxes(self) -> Sequence[Any]:
        """The boxes of all forms."""
        return [box for one in self.tabs.values() if one.form for box in one.form.boxes]

    @cached_property
    def additions(self) -> Mapping[str, Addition]:
        """Tab -> how a picture is added to its form."""
        return {name: one.addition for name, one in self.tabs.items() if one.addition}

    @cached_property
    def of_pictures(self) -> Sequence[str]:
        """The actions that take a picture along, of which tab and models were here when the page was built."""
        forms = {name for name, one in self.tabs.items() if one.form}
        painted = ["style"] if "style" in forms and zoo.names(Stylizer) else []
        return painted + [one for one in ("enlarge", "restore") if "restore" in forms and restorers(one)]


def offers(desk: Desk, creation: Creation) -> list[str]:
    """The actions that a result allows here."""
    found = []
    for action in SEED:
        try:
            target = by_seed(action, creation, random.Random(0))
        except ConfigError:
            continue
        edits = action != "edit" or _is(creation, StyleGenerator)
        if edits and desk.tab_of(target) is not None:
            found.append(action)
    try:
        variations.new_seeds(creation, random.Random(0))
        found.append("surprise")
    except ConfigError:
        pass
    found += [one.action for one in desk.additions.values() if one.able(creation)]
    return [*found, *desk.of_pictures]


def by_seed(action: str, creation: Creation, chance: random.Random, other: Creation | None = None) -> Creation:
    """What becomes of a Creation's seed; ConfigError where it has none."""
    if action == "like":
        return variations.near(creation, chance)
    if action == "interpolate":
        return variations.walk(creation, chance, other)
    return bred_from(creation) if action == "evolve" else variations.edit_of(creation)


def bred_from(creation: Creation) -> Creation:
    """The search that begins at a Creation; a picture keeps its class, also where that is its seed's own."""
    search = variations.search_from(creation)
    entry = zoo.entry_of(search.model)
    if isinstance(search, Point) and search is not creation and search.label is None and entry and entry.classes:
        return replace(search, label=entry.classes[search.seed % len(entry.classes)])
    return search


def by_photo(action: str, digest: str) -> Creation:
    """What becomes of a picture, by the models that are meant where nobody names one."""
    if action != "style":
        return Restore(photo=digest, size=1024, opaque=True, **restorers(action))
    model = zoo.default("paint", here=True)
    names = style_names(model)
    return Style(model=model, photo=digest, size=1024, opaque=True, styles=((names[0] if names else "", 1.0),))


def restorers(action: str) -> dict[str, str]:
    """Field of a Restore -> the model for it; of all steps but the colours, which a generated picture has."""
    steps = {"upscaler": zoo.names(Translator, task="enlarge")}
    if action == "restore":
        steps["cleaner"] = zoo.names(Translator, task="clean")
    return {field: names[0] for field, names in steps.items() if names}


def style_names(model: str) -> Sequence[str]:
    """Names of a stylizer's styles."""
    entry = zoo.entry_of(model)
    return getattr(entry.config, "style_names", ()) if entry else ()


def target_of(desk: Desk, ask: Ask, memory: Memory) -> Creation:
    """The Creation that a press of a button asks for."""
    creation, action = permalink.read(ask.get("code", "")), str(ask.get("action", "open"))
    chance = random.SystemRandom()
    if action == "open":
        return creation
    if action == "surprise":
        styles = style_names(getattr(creation, "model", ""))
        return variations.new_seeds(creation, chance, lock=ask.get("lock") is True, styles=styles)
    if action in SEED:
        other = permalink.read(ask["other"]) if ask.get("other") else None
        return by_seed(action, creation, chance, other)
    if action in PHOTO:
        outcome = outcome_of(desk.bench, memory, permalink.to_code(creation))
        return by_photo(action, memory.add_photo(outcome.files[0]))
    raise ConfigError("There is no such button here: load the page anew.")


def go(desk: Desk, ask: Any, memory: Memory | None) -> list[Any]:
    """Fill the form that shows what is asked for, and go to its tab.

    Returns:
        The tabs, an answer for the page's script as JSON, the memory, and the boxes of every form.
    """
    memory = memory or Memory()
    creation = target_of(desk, ask if isinstance(ask, Mapping) else {}, memory)
    tab = desk.tab_of(creation)
    if tab is None:
        raise ConfigError(BRED if isinstance(creation, Point) else NO_TAB)
    check_models(creation)
    photos = memory.photos_of(creation)
    missing = creation.digests().keys() - photos.keys()
    if missing:
        gr.Info(NEEDS_PHOTO.format(tab=desk.titles[tab]), title="One thing is missing")
    answer = {"tab": tab, "code": permalink.to_code(creation), "run": not missing}
    values: list[Any] = []
    for name, one in desk.tabs.items():
        if one.form:
            filled = name == tab
            values += one.form.fill(creation, photos) if filled else [gr.skip() for _ in one.form.boxes]
    return [gr.Tabs(selected=tab), json.dumps(answer), memory, *values]


def add(desk: Desk, tab: str, ask: Any, memory: Memory | None, *boxes: Any) -> list[Any]:
    """Add a result's picture to what a tab's form holds, and go there.

    Returns:
        The tabs, an answer for the page's script as JSON, the memory, and the boxes of the addition.
    """
    memory = memory or Memory()
    creation = permalink.read(ask.get("code", "") if isinstance(ask, Mapping) else "")
    addition = desk.additions[tab]
    if not addition.able(creation):
        raise ConfigError(f"This picture cannot be used there: {addition.title} takes pictures that a model generated.")
    check_models(creation)

    def file() -> str:
        return outcome_of(desk.bench, memory, permalink.to_code(creation)).files[0]

    values = addition.add(creation, file, *boxes)
    return [gr.Tabs(selected=tab), json.dumps({"tab": tab, "run": False}), memory, *values]


def go_from(desk: Desk, action: str, pick: Callable[..., Creation], memory: Memory | None, *values: Any) -> list[Any]:
    """What :func:`go` does, for the picture that is picked below a wall."""
    return go(desk, {"action": action, "code": pick(*values).to_json()}, memory)


def choose_tab(desk: Desk, ask: Any, memory: Memory | None) -> Any:
    """Go to a tab."""
    tab = str(ask.get("tab")) if isinstance(ask, Mapping) else None
    return gr.Tabs(selected=tab) if tab in desk.tabs else gr.skip()


def check_models(creation: Creation) -> None:
    """Require that each model of a Creation is on this machine, or may be on the Hub."""
    here = hub.list_local()
    for name in creation.models():
        if name not in here and "/" not in name:
            near = nearest(name, zoo.names())
            raise ConfigError(
                f"The model '{name[:100]}' that this needs is not here.{near} Choose another in the menu."
            )


def _is(creation: Creation, verb: type) -> bool:
    entry = zoo.entry_of(getattr(creation, "model", ""))
    return entry is not None and issubclass(entry.model_class, verb)
