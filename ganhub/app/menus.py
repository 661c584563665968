"""The menu of models that each tab has, and the line under it that says what the chosen one draws."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

import gradio as gr

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app.library import Library
from ganhub.models import Model


def model_menu(library: Library, verb: type[Model], tab: str, *, conditional: bool = False, task: str = "") -> tuple:
    """A menu of the models with a verb, which also takes a Hub id, and a line about the chosen one.

    Returns:
        (dropdown, line). The tab may react to ``dropdown.input`` too.
    """
    entries = zoo.entries(verb, conditional=conditional, task=task)
    first = entries[0].name if entries else None
    menu = gr.Dropdown(
        choices=[(entry.in_menu, entry.name) for entry in entries],
        value=first,
        label="Model",
        info="Or type owner/name of one on the Hugging Face Hub.",
        allow_custom_value=True,
        elem_id=f"{tab}-model",
        elem_classes="menu",
    )
    line = gr.HTML(about(library, first), elem_classes="about", container=False)
    menu.input(parts.calm(lambda name: about(library, name)), menu, line, **parts.PRIVATE)
    return menu, line


def about(library: Library, name: str | None) -> str:
    """One line of HTML about a model of the menu: what it draws, how large, its card and its paper."""
    if not name:
        return "No model is here yet. Train one with <code>python training/train.py</code>, or type a Hub id above."
    entry = zoo.entry_of(name)
    if entry is None:
        card = _link(zoo.card_of(name), "Card") if isinstance(name, str) else ""
        return " · ".join(filter(None, ("From the Hugging Face Hub. It is fetched once, when you first use it.", card)))
    return " · ".join(filter(None, _facts(entry)))


def _facts(entry: zoo.Entry) -> Iterable[str]:
    yield html.escape(entry.draws)
    if size := getattr(entry.config, "size", None):
        yield f"{size[1]} × {size[0]} pixels"
    if entry.classes:
        yield f"{len(entry.classes)} classes"
    yield _link(entry.card, "Card")
    papers = re.findall(r"\((\w+)[^()]* (\d{4}), (?:\w+, )?arXiv:(\d{4}\.\d{4,5})", entry.model_class.paper)
    for author, year, number in papers:
        name = "Paper" if len(papers) == 1 else f"{author} {year}"
        yield _link(f"https://arxiv.org/abs/{number}", name, title=entry.model_class.paper)
    yield "" if papers else html.escape(entry.model_class.paper)


def _link(address: str, text: str, title: str = "") -> str:
    """An HTML link that opens beside the page; "" without an address."""
    told = f' title="{html.escape(title)}"' if title else ""
    return f'<a href="{html.escape(address)}"{told} target="_blank" rel="noopener">{text}</a>' if address else ""


def menu_name(model: Any) -> Any:
    """The name that a model menu holds; nothing is the empty name."""
    if isinstance(model, str):
        return model.removesuffix(f" ({zoo.STUDY})")  # as the menu shows it
    return "" if model is None else model


def classes_of(library: Library, name: str | None) -> list[str]:
    """Class names of a model of the menu, without loading it; for a Hub id it is loaded, as its config is there."""
    if not name:
        return []
    if entry := zoo.entry_of(name):
        return entry.classes
    return zoo.class_names(library.open(name).config)
