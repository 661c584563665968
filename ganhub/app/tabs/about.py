"""About: what this is, and the card of each model on this machine, with its numbers and its sheet of samples."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import torch

from ganhub import images, zoo
from ganhub._version import __version__
from ganhub.app import _parts as parts
from ganhub.app.declared import Bench, Built, Tab
from ganhub.errors import GanhubError
from ganhub.hub import cards
from ganhub.hub._card_parts import ARROWS, Number, read_numbers, with_error
from ganhub.hub.folder import CARD, list_weights
from ganhub.images import provenance
from ganhub.images.lettering import encode_thumbnail

NUMBERS = 3  # of a model's, as its card has all
SHEET, SHEET_BYTES = 440, 30_000  # the long side of a sheet as it is shown, and its largest file
BETTER = {"lower": "lower is better", "higher": "higher is better"}
WORDS = """<div><h2>About ganhub</h2>
<p>ganhub makes pictures with small networks: GANs, which draw new pictures from random numbers, and networks that
paint, translate, clean or enlarge a picture of yours. It is a Python library and this page; both run on an ordinary
computer, and no picture of yours leaves the machine that serves the page. Each network is one short file that you can
read, and each model has a card that says what it learned from, under which licence it is, and where it fails.</p>
</div>"""
MARKED = """<div><h3>What is marked</h3><p>Every picture and film that you download says inside its file that it was
generated, or changed by a network, and how it was made: the model, its version and the seed. The mark is text in the
file. It is lost where a program writes the file anew without it, so a picture without a mark may still be generated.
<code>docs/provenance.md</code> has the details.</p></div>"""
UNMARKED = """<div><h3>What is marked</h3><p>Whoever runs this page has switched marks off: the files do not say that
they were generated.</p></div>"""
LEVELS = (("show", "Worth looking at"), ("", "Your own"), ("study", "To learn from"))


def build(bench: Bench) -> Built:
    """Lay the tab out; the models come when it is opened, their sheets when they are scrolled to."""
    gr.HTML(introduction(), elem_classes="about-words", container=False)
    models = gr.HTML(elem_id="about-models", container=False, min_height=400)
    sheets: dict[tuple[str, int], str] = {}
    return Built(opening=((parts.calm(run, sheets), None, models),))


def introduction() -> str:
    """HTML of what this is, what is marked, and which versions run."""
    versions = " · ".join((f"ganhub {__version__}", f"torch {torch.__version__}", f"gradio {version('gradio')}"))
    docs = f"The documentation is the folder {docs_folder()} of the project"
    use = "“Use via API” at the foot of this page shows how programs call it"
    marked = MARKED if provenance.are_on() else UNMARKED
    words = f'<div class="about-columns">{WORDS}{marked}</div>'
    return f'{words}<p class="about-versions"><code>{html.escape(versions)}</code><br>{docs}; {use}.</p>'


def docs_folder() -> str:
    """HTML of the folder's name, with its web address where the installed package states one as "Documentation"."""
    try:
        stated = metadata("ganhub").get_all("Project-URL") or []
    except PackageNotFoundError:  # run from its folder
        stated = []
    addresses = [address for name, _, address in (one.partition(", ") for one in stated) if name == "Documentation"]
    name = "<code>docs/</code>"
    return f'<a href="{html.escape(addresses[0])}" target="_blank" rel="noopener">{name}</a>' if addresses else name


def run(sheets: MutableMapping[tuple[str, int], str]) -> str:
    """HTML of all models on this machine, the ones worth looking at first.

    Args:
        sheets: Keeps the small sheets that were made, for the next visitor.
    """
    entries, out = zoo.entries(), []
    for level, title in LEVELS:
        chosen = [entry for entry in entries if (entry.level if entry.level in ("show", "study") else "") == level]
        if chosen:
            written = "".join(card(entry, sheet(entry, sheets)) for entry in chosen)
            out.append(f'<h3>{title}</h3><div class="about-cards">{written}</div>')
    return "".join(out) or "<p>No model is here yet.</p>"


def card(entry: zoo.Entry, picture: str) -> str:
    """HTML of one model."""
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{value}</dd>" for name, value in facts(entry) if value)
    level = f'<span class="about-level">{html.escape(entry.level)}</span>' if entry.level else ""
    link = f' href="{html.escape(entry.card)}" target="_blank" rel="noopener"'
    named = f"Card of {html.escape(entry.name)}"
    more = f'<p><a{link} aria-label="{named}">Card</a></p>' if entry.card else ""
    return (
        f'<article class="about-card">{picture}<div><h4>{html.escape(entry.name)} {level}</h4>'
        f"<p>{html.escape(entry.draws)}</p><dl>{rows}</dl>{more}</div></article>"
    )


def facts(entry: zoo.Entry) -> Iterator[tuple[str, str]]:
    """What a card says in short: name and HTML, "" where it is not known."""
    metrics = metrics_of(entry)
    yield "Family", html.escape(entry.model_class.architecture)
    size = getattr(entry.config, "size", None)
    yield "Size", f"{size[1]} × {size[0]} pixels" if size else ""
    yield "Classes", str(len(entry.classes) or "")
    weights = sum(path.stat().st_size for path in list_weights(entry.folder))
    yield "Weights", f"{weights / 1e6:.1f} MB" if weights > 100_000 else ""
    licence = licence_of(entry, metrics)
    yield "Licence", "see its card" if licence == "other" else html.escape(licence)
    for number in read_numbers(metrics)[:NUMBERS]:
        yield re.sub(r" \([^)]*\)$", "", number.label), shown(number)  # by which network, the card says


def shown(number: Number) -> str:
    """HTML of a number, and which way is better."""
    value = f"{number.value:,.0f}" if abs(number.value) >= 1000 else f"{number.value:.3g}"
    value = value if number.error is None else with_error(number.value, number.error)
    beside = f" ({html.escape(number.beside)})" if number.beside else ""
    better = BETTER.get(number.better)
    arrow = f'<small title="{better}">{ARROWS[number.better]}</small>' if better else ""
    return f"{html.escape(value)}{beside}{arrow}"


def metrics_of(entry: zoo.Entry) -> Mapping[str, Any]:
    """What its metrics.json holds; {} where it cannot be read, which is of no matter for the model itself."""
    try:
        return cards.read_metrics(entry.folder)
    except GanhubError:
        return {}


def licence_of(entry: zoo.Entry, metrics: Mapping[str, Any]) -> str:
    """The licence of its weights, from the run, or else from the front matter of its card."""
    run = metrics.get("training")
    named = run.get("licence") if isinstance(run, Mapping) else ""
    path = entry.folder / CARD
    if not named and path.is_file():
        try:
            named = cards.split_front_matter(cards.read_card(path))[0].get("license")
        except GanhubError:  # as above
            named = ""
    return str(named or "not stated")


def sheet(entry: zoo.Entry, sheets: MutableMapping[tuple[str, int], str]) -> str:
    """HTML of a model's sheet of samples, small, fetched when it is scrolled to; "" where there is none."""
    source = entry.folder / "samples.png"
    try:
        key = (str(source), source.stat().st_mtime_ns)
        if key not in sheets or not is_kept(sheets[key]):
            picture = images.load_image(source, max_side=2 * SHEET)
            path = parts.scratch(f"{entry.name}-samples.webp")
            path.write_bytes(encode_thumbnail(picture, side=SHEET, max_bytes=SHEET_BYTES))
            sheets[key] = str(path)
    except (OSError, GanhubError):
        return ""
    address = f"gradio_api/file={quote(sheets[key])}"
    alt = f"Samples of {html.escape(entry.name)}"
    return f'<img loading="lazy" src="{address}" alt="{alt}">'


def is_kept(path: str) -> bool:
    """Whether a small sheet is still there; the quota of the disk is told that it is in use."""
    try:
        os.utime(path)
    except OSError:
        return False
    return Path(path).is_file()


TAB = Tab("about", "About", 90, build)
