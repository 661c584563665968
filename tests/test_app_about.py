"""The tab About: what it says of each model, and that nothing of a model's files is taken for HTML."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch
from PIL import Image

from ganhub import zoo
from ganhub._version import __version__
from ganhub.app.tabs import about
from ganhub.hub._card_parts import Number
from ganhub.images import provenance
from ganhub.models import get_architecture
from tests.app_server import Server
from tests.browser import MARKS, Watched

pytest_plugins = ["tests.app_server", "tests.browser"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "made"))
    monkeypatch.setenv("GANHUB_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "models" / "tiny"
    get_architecture("conditional-gan").tiny().save_pretrained(folder)
    return folder


def written(folder: Path, **metrics: Any) -> str:
    (folder / "metrics.json").write_text(json.dumps(metrics))
    entry = zoo.entry_of(folder.name)
    return about.card(entry, about.sheet(entry, {}))


def test_a_card_says_what_the_files_say(folder: Path) -> None:
    page = written(
        folder, draws="Draws rings.", level="show", first_seed=4, training={"licence": "cc0-1.0"},
        accuracy={"value": 0.98214, "protocol": "read by a classifier"},
    )  # fmt: skip
    entry = zoo.entry_of("tiny")
    height, width = entry.config.size
    for text in (">tiny ", "Draws rings.", ">show<", "cc0-1.0", f"{width} × {height} pixels", "0.982", entry.card):
        assert text in page, text
    assert f"<dt>Classes</dt><dd>{len(entry.classes)}</dd>" in page and "<img" not in page
    assert "First seed" not in page, "it is no measure"


def test_words_from_files_are_text(folder: Path) -> None:
    bad = "<script>alert(1)</script>"
    page = written(
        folder, draws=bad, level=f'"{bad}', training={"licence": bad}, **{bad: {"value": 1.5, "protocol": bad}}
    )
    assert "<script" not in page and page.count("&lt;script&gt;alert(1)") == 4


def test_a_damaged_file_costs_its_own_line_alone(folder: Path) -> None:
    (folder / "metrics.json").write_text("{")
    (folder / "README.md").write_bytes(b"---\nlicense: [\n---\n")
    (folder / "samples.png").write_bytes(b"no picture")
    page = about.run({})
    assert "<h4>tiny </h4>" in page and "<dt>Licence</dt><dd>not stated</dd>" in page
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    assert "<dt>Licence</dt><dd>mit</dd>" in about.run({})


def test_a_sheet_is_small_kept_and_made_anew_where_it_is_gone(folder: Path) -> None:
    Image.effect_noise((1200, 800), 90).convert("RGB").save(folder / "samples.png")
    entry, sheets = zoo.entry_of("tiny"), {}
    first = about.sheet(entry, sheets)
    assert 'loading="lazy"' in first and 'alt="Samples of tiny"' in first
    path = Path(unquote(re.search(r'src="gradio_api/file=([^"]+)"', first)[1]))
    assert path.stat().st_size <= about.SHEET_BYTES and about.sheet(entry, sheets) == first
    with Image.open(path) as small:
        assert max(small.size) <= about.SHEET
    path.unlink()
    assert about.sheet(entry, sheets) != first


def test_models_stand_under_their_level(folder: Path) -> None:
    page = about.run({})
    own, study = page.index("Your own"), page.index("To learn from")
    assert page.index("Worth looking at") < page.index("<h4>stylegan2-heroes ") < own < page.index("<h4>tiny ") < study
    assert study < page.index("<h4>wgan-gp-heroes ")


def test_numbers_are_short(folder: Path) -> None:
    number = Number(label="Distance", name="d", value=0.123456, error=0.0041, better="lower")
    assert about.shown(number) == '0.123 ± 0.004<small title="lower is better"> ↓</small>'
    assert about.shown(Number(label="Pictures", name="n", value=20576.0)) == "20,576"


def test_the_introduction_tells_versions_and_whether_files_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    words = about.introduction()
    assert f"ganhub {__version__}" in words and f"torch {torch.__version__}" in words and "docs/provenance.md" in words
    monkeypatch.setattr(provenance, "are_on", lambda: False)
    assert "switched marks off" in about.introduction()


def test_the_documentation_is_linked_where_the_package_states_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "folder <code>docs/</code> of" in about.introduction()
    stated = tmp_path / "ganhub-9.dist-info"
    stated.mkdir()
    address = "https://example.org/docs?a&b"
    urls = f"Project-URL: Source, https://example.org\nProject-URL: Documentation, {address}\n"
    (stated / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ganhub\nVersion: 9\n{urls}")
    monkeypatch.syspath_prepend(tmp_path)
    assert f'href="{html.escape(address)}"' in about.introduction()


class TestInABrowser:
    pytestmark = MARKS

    def test_sheets_come_when_they_are_scrolled_to(self, browser: Any, server: Server, shots: Path) -> None:
        visit = Watched(browser, server.url, shots, viewport={"width": 390, "height": 844})
        page = visit.page
        page.goto(f"{server.url}?tab=about")
        page.locator(".about-card").first.wait_for()
        complete = "all => all.filter(one => one.complete && one.naturalWidth).length"
        last = page.locator(".about-card img").last
        assert page.eval_on_selector_all(".about-card img", complete) < page.locator(".about-card img").count()
        last.scroll_into_view_if_needed()
        page.wait_for_function("() => [...document.querySelectorAll('.about-card img')].at(-1).naturalWidth > 0")
        visit.not_wider_than_the_window()
        page.evaluate("window.scrollTo(0, 0)")
        visit.shot("about-phone")
        page.set_viewport_size({"width": 1360, "height": 900})
        page.emulate_media(color_scheme="dark")
        visit.shot("about")
        visit.close()
