"""How a file of ``tabs/`` declares itself to the page, and what it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs
from ganhub.app.library import Library
from ganhub.app.shield import Twin
from ganhub.creation import Creation

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Bench:
    """What every tab works with."""

    library: Library
    jobs: Jobs
    drawings: Drawings


Listener = tuple[Callable, Any, Any]  # function, inputs, outputs


@dataclass(frozen=True, eq=False)
class Outcome:
    """A tab's newest result, as history and links must know it. It stays on the server, in the visitor's session.

    Attributes:
        creation: What was asked for.
        files: Its pictures, in the Creation's order; of a walk its strip, of a pair the second.
        film: The film, where there is one.
        photos: sha256 -> file of each input picture.
    """

    creation: Creation
    files: Sequence[str]
    film: str = ""
    photos: Mapping[str, str] = field(default_factory=dict)
    number: int = field(default_factory=count().__next__, init=False)

    def __hash__(self) -> int:
        """Another for each: Gradio tells by it that a state holds another one, and an id is used again."""
        return self.number


@dataclass(frozen=True)
class Form:
    """How a tab shows a Creation that it, or another visitor's, has made before.

    Attributes:
        takes: Whether it can be asked for on this tab.
        fill: (creation, sha256 -> file of the input pictures that are here) -> values of the boxes. A picture that is
            not here is None there.
        boxes: Components that are filled.
        run: Makes it: what the tab's own button does.
    """

    takes: Callable[[Creation], bool]
    fill: Callable[[Creation, Mapping[str, str]], Sequence[Any]]
    boxes: Sequence[Any]
    run: Listener


@dataclass(frozen=True)
class Addition:
    """How a tab takes a picture of the tray into what its form holds already.

    Attributes:
        action: Name of the tray's button.
        title: What a visitor reads on it.
        able: Whether a result can be taken.
        add: (creation, function that gives the file of its picture, values of the boxes) -> new values.
        boxes: Components that are read and filled.
        onto: CSS selector of what a picture may be dropped on, instead.
        run: Listeners that show it then, one after the other.
    """

    action: str
    title: str
    able: Callable[[Creation], bool]
    add: Callable[..., Sequence[Any]]
    boxes: Sequence[Any]
    onto: str
    run: Sequence[Listener] = ()


@dataclass(frozen=True)
class Built:
    """A tab on the page, as the page must know it.

    Attributes:
        first: Runs when the page is loaded.
        opening: Run when the tab is shown.
        scripts: JavaScript that runs then.
        slow: Listener id -> its twin for slow calls, see :func:`ganhub.app.shield.guard`.
        doors: Components that other tabs may fill.
        outcome: A ``gr.State`` that holds the newest :class:`Outcome`; each one that is put in goes into the history.
        form: How it is filled from a Creation.
        addition: How a picture is added to what the form holds.
        ways: Action of the tray -> a button of the tab that does it with the picture that is picked.
        pick: (function, inputs) that give the Creation of that picture.
    """

    first: Listener | None = None
    opening: Sequence[Listener] = ()
    scripts: Sequence[str] = ()
    slow: Mapping[int, Twin] = field(default_factory=dict)
    doors: Mapping[str, Any] = field(default_factory=dict)
    outcome: Any = None
    form: Form | None = None
    addition: Addition | None = None
    ways: Mapping[str, Any] = field(default_factory=dict)
    pick: tuple[Callable[..., Creation], Sequence[Any]] | None = None


@dataclass(frozen=True)
class Tab:
    """How a file of ``tabs/`` declares itself, as ``TAB``.

    Attributes:
        name: Its id, and how its elements' ids begin.
        title: What a visitor reads.
        place: Tabs stand in the order of these.
        build: Lays it out.
        able: Whether there is something to show, such as a model.
    """

    name: str
    title: str
    place: int
    build: Callable[[Bench], Built]
    able: Callable[[], bool] = lambda: True


def script(name: str, *arguments: str | Mapping[str, str]) -> str:
    """JavaScript that calls the function of a file in ``assets/`` with texts, or tables of texts."""
    return f"() => ({handler(name)})({', '.join(map(json.dumps, arguments))})"


def handler(name: str) -> str:
    """JavaScript of a file in ``assets/``, as a listener that gets the values of its inputs."""
    return (ASSETS / f"{name}.js").read_text(encoding="utf-8").strip()


def press_once(tab: str, box: str, *, button: str = "run") -> str:
    """JavaScript that presses a tab's button while a box of it is still empty, once the tab is on the page."""
    return script("press_once", f"#{tab}-{button}", f"#{tab}-{box} img")


def take_the_brush(canvas: str) -> str:
    """JavaScript that takes up a canvas' brush when it is first on the page, as nothing can be drawn without."""
    return script("take_the_brush", f"#{canvas} button[aria-label=Brush]")
