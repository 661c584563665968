"""The page loops over declared tabs; what it looks like and what its scripts do lie in assets."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ganhub.app import page
from ganhub.app.declared import ASSETS, press_once, script, take_the_brush
from ganhub.space import space_files

TABS = [path for path in (ASSETS.parent / "tabs").glob("*.py") if not path.name.startswith("_")]
SCRIPTS = sorted(ASSETS.glob("*.js"))
OF_THE_HEAD = {"languages", "calls_in_turn"}  # they run by themselves, before the page is there


def test_each_file_of_tabs_declares_a_tab() -> None:
    tabs = page.list_tabs()
    assert [tab.name for tab in tabs] == [
        "generate", "style", "interpolate", "evolve", "translate", "restore", "conditional", "edit", "quiz", "about"
    ]  # fmt: skip
    assert {tab.name for tab in tabs} == {path.stem for path in TABS} and len({tab.place for tab in tabs}) == len(tabs)


@pytest.mark.parametrize("path", TABS, ids=lambda path: path.stem)
def test_a_tab_has_its_run_at_the_top_of_the_file(path: Path) -> None:
    """Listeners are functions of the module; inside of a function there are only small ones."""
    module = ast.parse(path.read_text("utf-8"))
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    assert "build" in functions and {"run", "start_from_photo"} & set(functions)
    for name, node in functions.items():
        assert node.end_lineno - node.lineno < 60, f"{name} is longer than a screen"
        inner = [one for one in ast.walk(node) if isinstance(one, ast.FunctionDef) and one is not node]
        assert not [one.name for one in inner if one.end_lineno - one.lineno > 25]
        assert not (inner and any("request" in [a.arg for a in one.args.args] for one in inner)), "a handler inside"


def test_the_package_ships_its_assets() -> None:
    shipped = space_files(["gatys"])
    for path in ASSETS.iterdir():
        assert f"ganhub/app/assets/{path.name}" in shipped
    assert shipped["app.py"] == (ASSETS.parents[2] / "app.py").read_bytes(), "a Space starts as a clone does"


def test_styles_and_scripts_are_in_assets() -> None:
    for path in ASSETS.parent.rglob("*.py"):
        text = path.read_text("utf-8")
        assert not re.search(r"document\.|querySelector|setTimeout|!important", text), path.name


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.stem not in OF_THE_HEAD], ids=lambda path: path.name)
def test_scripts_are_functions(path: Path) -> None:
    test = f"if (typeof ({path.read_text('utf-8').strip()}) !== 'function') process.exit(1)"
    assert subprocess.run(["node", "-e", test], timeout=60).returncode == 0


def test_a_script_is_called_with_texts() -> None:
    assert script("take_the_brush", 'a"b').endswith(')("a\\"b")')
    assert press_once("style", "painting").endswith('("#style-run", "#style-painting img")')
    assert "#x button[aria-label=Brush]" in take_the_brush("x")
