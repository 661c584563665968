"""The page in other languages: the dictionaries hold what the page says, and the page says it in the browser's."""

from __future__ import annotations

import ast
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from ganhub import zoo
from ganhub.app import create_app, languages
from ganhub.creation.edit import KINDS
from ganhub.hub.folder import DIRECTIONS
from ganhub.models import StyleGenerator
from tests.app_server import ROOT, Server
from tests.browser import MARKS, Watched

pytest_plugins = ["tests.app_server", "tests.browser"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
LANGUAGES = languages.read_dictionaries()
SAME = {"ganhub", "MP4", "GIF", "WebM", "stylegan2"}  # names, which are the same in every language
FRONT = "templates/frontend/assets"  # Gradio's page
HOLE = re.compile(r"\{[^{}]*\}")


@pytest.fixture(scope="module")
def app() -> gr.Blocks:
    return create_app()


def shown_texts(app: gr.Blocks) -> set[str]:
    titles = {entry.model_class.paper for entry in zoo.entries()}
    of_facts = re.compile(
        r"\d+ × \d+ pixels|\d+ classes|[A-Z]\w+ \d{4}|(ganhub|torch|gradio) [\d.]+\S*|The real pictures: .*"
    )  # sentences with numbers and names, and versions
    names = {name for block in app.blocks.values() for name, value in languages.list_choices(block) if is_model(value)}
    texts = languages.list_texts(app) - SAME - titles - names
    return {text for text in texts if not of_facts.fullmatch(text)}


def is_model(value: Any) -> bool:
    return isinstance(value, str) and zoo.entry_of(value) is not None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_page_has_its_entry(app: gr.Blocks, language: str) -> None:
    entries = {english for part in languages.PARTS for english in LANGUAGES[language][part]}
    assert shown_texts(app) - entries == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_entry_is_unused(app: gr.Blocks, language: str) -> None:
    one, shown, written = LANGUAGES[language], shown_texts(app), sentences()
    names = {name for block in app.blocks.values() for name, _ in languages.list_choices(block)}
    sizes = set(re.findall(r"<option>([^<]+)", "".join(str(b.value) for b in app.blocks.values() if is_html(b))))
    empty = languages.read_html("".join(literals(ROOT / "ganhub/app/tabs/_edit_layout.py")))
    assert one["texts"].keys() - shown - empty - written == set()
    assert one["choices"].keys() - names - sizes == set()
    assert one["descriptions"].keys() - {entry.draws for entry in zoo.entries()} == set()
    assert one["changes"].keys() - named_changes() == set()
    assert one["sentences"].keys() - written == set()
    front = "".join(path.read_text("utf-8") for path in (Path(gr.__file__).parent / FRONT).glob("*.js"))
    assert {word for word in one["gradio"] if f"`{word}`" not in front and f'"{word}"' not in front} == set()


def is_html(block: Any) -> bool:
    return isinstance(block, gr.HTML)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_models_draw_has_its_entry(language: str) -> None:
    # Feature networks draw nothing, and no menu has them.
    draws = {entry.draws for entry in zoo.entries() if entry.draws and not entry.draws.startswith("Draws nothing")}
    assert draws - LANGUAGES[language]["descriptions"].keys() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_named_changes_have_their_entries(language: str) -> None:
    folders = [entry.folder for entry in zoo.entries(StyleGenerator) if entry.level]
    names = {one["name"].capitalize() for folder in folders for one in read_directions(folder)}
    assert names and names - LANGUAGES[language]["changes"].keys() == set()


def read_directions(folder: Path) -> list[dict]:
    path = folder / DIRECTIONS
    return json.loads(path.read_text("utf-8"))["directions"] if path.is_file() else []


def named_changes() -> set[str]:
    """What changes of portraits can be called: a model keeps those that work."""
    words = runpy.run_path(str(ROOT / "training/avatar_words.py"))
    values = {
        "Hair colour": words["CHINESE_COLOURS"], "Background": words["BACKGROUNDS"].values(),
        "Skin": words["CHINESE_SKINS"], "Mood": words["CHINESE_MOODS"],
    }  # fmt: skip
    return {f"{name}: {word}" for name, known in values.items() for word in known} | {"Glasses", "Beard"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_fill_the_same_holes(language: str) -> None:
    for part in languages.PARTS:
        for english, text in LANGUAGES[language][part].items():
            holes = HOLE.findall(text)
            numbered = [hole for hole in holes if hole != "{}"]
            count = english.count("{}")
            assert numbered in ([], holes), f"{text}: number all of them, or none"
            expected = [f"{{{place}}}" for place in range(count)] if numbered else ["{}"] * count
            assert sorted(holes) == sorted(expected), text


def test_gradio_replaces_no_value_of_a_form(app: gr.Blocks) -> None:
    """It looks every text of a component up, also what stands in a box and goes to Python."""
    entries = languages.i18n().translations
    boxes = (gr.Dropdown, gr.Radio, gr.CheckboxGroup, gr.Textbox)
    for block in app.blocks.values():
        if isinstance(block, boxes):
            values = block.value if isinstance(block.value, list) else [block.value]
            assert not any(value in one for one in entries.values() for value in values), values


# ---- the sentences that the code can say


def sentences() -> set[str]:
    """Texts of the program, with {} for what changes; those of HTML without their tags."""
    found: set[str] = set()
    for path in (ROOT / "ganhub").rglob("*.py"):
        found.update(literals(path))
    for path in (ROOT / "ganhub/app/assets").glob("*.js"):
        text = path.read_text(encoding="utf-8")
        found.update(re.sub(r"\$\{[^{}]*\}", "{}", one) for one in re.findall(r"`([^`]*)`", text))
        found.update(re.findall(r'"([^"\n]*)"', text))
    plain = {" ".join(text.split()) for text in found}
    pieces = {piece.strip() for text in plain for piece in re.split(r"<[^>]*>|·", text)}
    named = {name for text in plain for name in re.findall(r'(?:alt|title|aria-label)="([^"]*)"', text)}
    alone = {text.removeprefix("{} ") for text in plain}  # where another sentence may stand before it
    return plain | pieces | named | alone | {f"{word} {{}}" for word in KINDS.values()}


def literals(path: Path) -> Iterator[str]:
    """Each text of a module; what :func:`follow` is told to count, as it is told."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "noun" and isinstance(node.value, ast.Constant):
            yield f"{node.value.value} {{}} of {{}}"
        text = literal(node)
        if text is not None:
            yield HOLE.sub("{}", text)


def literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = literal(node.left), literal(node.right)
        return None if left is None else left + ("{}" if right is None else right)
    return None


# ---- in a browser


class Visit(Watched):
    """A page, once it shows something."""

    def __init__(self, browser: Any, server: Server, shots: Path, locale: str) -> None:
        super().__init__(browser, server.url, shots, locale=locale)
        self.page.wait_for_function("window.ganhub?.now && window.ganhub.going !== true")

    def generate(self) -> str:
        """Ask for two pictures of a tiny model, and wait for the sentence about them."""
        box = self.page.locator("#generate-model input")
        box.fill("tiny-dcgan")
        box.press("Enter")
        self.page.locator("#generate-count input[type=number]").fill("2")
        self.page.locator("#generate-seed input").fill("7")
        self.page.locator("#generate-run").click()
        status = self.page.locator("#generate-status")
        self.page.wait_for_function("/7.*8/.test(document.querySelector('#generate-status').innerText)")
        return status.inner_text().strip().splitlines()[-1]  # Gradio's clock may stand before it

    def tabs(self) -> list[str]:
        return [text.strip() for text in self.page.locator("[role=tab]:visible").all_inner_texts()]


def in_browser(test: Any) -> Any:
    for mark in MARKS:
        test = mark(test)
    return test


@in_browser
def test_a_chinese_browser_reads_chinese(browser: Any, server: Server, shots: Path) -> None:
    visit = Visit(browser, server, shots, "zh-CN")
    page = visit.page
    assert visit.tabs()[:4] == ["生成", "风格", "插值", "进化"]
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.locator("#generate-run").inner_text() == "生成"
    assert "第一个种子" in page.locator("#generate-seed").inner_text()
    assert page.locator("#tray h2").inner_text() == "你的图片"
    assert page.locator("#tray [data-note]").get_attribute("placeholder") == "想记住的内容"
    assert visit.generate() == "种子 7 到 8。点一张图片来保留它。"
    assert page.locator("#generate-wall .caption-label").first.text_content().strip() == "种子 7"
    # A size is chosen in Chinese, and asked for in English.
    assert page.locator("#tray [data-size]").evaluate("one => [one.value, one.selectedOptions[0].text]") == [
        "as it is", "原样",
    ]  # fmt: skip
    # A sentence of an error, and one of a limit.
    box = page.locator("#generate-model input")
    box.fill("tiny-dcgam")
    box.press("Enter")
    page.locator("#generate-run").click()
    toast = page.locator("[data-testid=toast-body]").first
    toast.wait_for()
    toast.get_by_text("没有成功").wait_for()
    said = toast.inner_text()
    assert "这里没有模型“tiny-dcgam”。你是想说“tiny-dcgan”吗？Hub 的回答：无法连接 Hub" in said and "Error" not in said
    full = "Many people are here just now, and the queue is full: try again in a minute."
    assert page.evaluate("text => window.ganhubTranslate(text)", full) == "现在人很多，队列已满：请一分钟后再试。"
    changed = page.evaluate("text => window.ganhubTranslate(text)", "Seed 4 · hair colour: blond +2.0 · Change 2 -1.5")
    assert changed == "种子 4 · 发色：金色 +2.0 · 变化 2 -1.5"
    assert page.evaluate("text => window.ganhubTranslate(text)", "A sentence that is new.") == "A sentence that is new."
    visit.shot("chinese")
    visit.close()


@in_browser
def test_the_names_of_a_menu_are_chinese_and_its_values_english(browser: Any, server: Server, shots: Path) -> None:
    visit = Visit(browser, server, shots, "zh-CN")
    page = visit.page
    page.get_by_role("tab", name="风格").click()
    page.get_by_text("画法与大小").click()
    colours = page.get_by_label("颜色", exact=True).first
    assert colours.input_value() == "风格的颜色"
    shown = page.evaluate("window.gradio_config.components.find(one => one.props.label === 'Colours').props")
    assert shown["value"] == "the style's" and ["风格的颜色", "the style's"] in shown["choices"]
    visit.close()


@in_browser
def test_another_browser_reads_english(browser: Any, server: Server, shots: Path) -> None:
    visit = Visit(browser, server, shots, "en-US")
    assert visit.tabs()[:4] == ["Generate", "Style", "Interpolate", "Evolve"]
    assert visit.generate() == "Seeds 7 to 8. Click one to keep it."
    assert visit.page.locator("#tray h2").inner_text() == "Your pictures"
    visit.close()
