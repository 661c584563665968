"""The page in other languages: dictionaries of its English texts, ``assets/zh.json`` and one more for each language.

The tabs speak English, and so does everything that comes back to Python. Gradio gets the dictionaries with the page and
looks up the labels of its components there; ``assets/languages.js`` looks up the rest: HTML, sentences and menus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import gradio as gr

from ganhub.app.declared import ASSETS

# Parts of a dictionary: labels and other texts that stand on the page; names in menus; what models draw; named changes
# of a model, as menus show them; sentences with {} for what changes; what Gradio itself says in English only. In a
# translation {0}, {1} put the {} in another order.
PARTS = ("texts", "choices", "descriptions", "changes", "sentences", "gradio")
OF_GRADIO = ("texts", "changes")  # parts that Gradio looks up, too: they are no values
NOT_GRADIOS = "~"  # before what only the script may look up: Gradio would replace the value of a form's box, too
NAMES = ("title", "aria-label", "placeholder", "alt")  # of HTML elements, that are read
UNREAD = {"script", "style", "code", "pre", "svg"}


def read_dictionaries() -> dict[str, dict[str, dict[str, str]]]:
    """Language -> part -> English text -> text in that language."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(ASSETS.glob("[a-z][a-z].json"))}


def i18n() -> gr.I18n:
    """The dictionaries as ``launch(i18n=...)`` takes them, and as the script reads them."""
    return gr.I18n(**{language: dict(_entries(one)) for language, one in read_dictionaries().items()})


def _entries(dictionary: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for part in PARTS:
        for english, text in dictionary[part].items():
            yield (english if part in OF_GRADIO else NOT_GRADIOS + english), text


def head() -> str:
    """The script, for ``launch(head=...)``: it must be there before the page is."""
    return f"<script>{(ASSETS / 'languages.js').read_text(encoding='utf-8')}</script>"


# ---- what there is to translate


def list_texts(app: gr.Blocks) -> set[str]:
    """Every text that stands on the page before anything was done: labels, hints, buttons, menus, HTML."""
    found: set[str] = set()
    for block in app.blocks.values():
        if type(block).__name__ == "Api" or getattr(block, "visible", True) == "hidden":
            continue  # parameters of endpoints, and buttons that only scripts press
        found.update(text for name in ("label", "info", "placeholder") if isinstance(text := _of(block, name), str))
        found.update(_of(block, "sample_labels") or ())
        if isinstance(block, gr.Button | gr.UploadButton | gr.DownloadButton):
            found.add(_of(block, "value") if isinstance(block, gr.Button) else _of(block, "label"))
        if isinstance(block, gr.HTML):
            found.update(read_html(block.value or ""))
        found.update(name for name, _ in list_choices(block))
    return {text for text in found if text and any(letter.isalpha() for letter in text)}


def list_choices(block: Any) -> list[tuple[str, Any]]:
    """Names and values of a menu whose names are translated: where a visitor may type a value, not those of values."""
    menu = isinstance(block, gr.Dropdown | gr.Radio | gr.CheckboxGroup)
    typed = menu and _of(block, "allow_custom_value")
    return [(name, value) for name, value in block.choices if not typed or name != value] if menu else []


def _of(block: Any, name: str) -> Any:
    return vars(block).get(name)


def read_html(markup: str) -> set[str]:
    """The texts of HTML as a visitor reads them, and those of attributes that are read out."""
    reader = _Reader()
    reader.feed(markup)
    pieces = {piece.strip() for text in reader.texts for piece in " ".join(text.split()).split("·")}
    return pieces - {""}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNREAD:
            self._within.append(tag)
        self.texts += [text for name, text in attrs if name in NAMES and text and tag not in UNREAD]

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.texts.append(data)
