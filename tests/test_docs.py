"""The pages for readers: short, true, and those that a script writes are as it writes them today."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
import typer.main

import ganhub
from ganhub.cli import cli
from ganhub.models import list_architectures

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "README.zh-CN.md"]


@pytest.fixture(scope="module")
def write_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "tools" / "write_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["docs/zoo.md", "docs/families.md"])
def test_the_generated_pages_are_up_to_date(write_docs: ModuleType, name: str) -> None:
    written = write_docs.PAGES[name]()
    assert (ROOT / name).read_text("utf-8") == written, f"{name} is stale: run `make docs`"


def test_the_zoo_shows_every_model_and_the_families_every_architecture() -> None:
    zoo, families = ((ROOT / "docs" / name).read_text("utf-8") for name in ("zoo.md", "families.md"))
    for folder in (path for path in (ROOT / "model_cards").iterdir() if path.is_dir()):
        assert f"### [{folder.name}](../model_cards/{folder.name})" in zoo
        assert (folder / "samples.png").is_file() == (f"model_cards/{folder.name}/samples.png" in zoo)
    for name in list_architectures():
        assert f"| `{name}` |" in families


def test_a_changed_number_makes_the_zoo_stale(write_docs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "zoo.md").read_text("utf-8")
    monkeypatch.setattr(write_docs, "NUMBERS", write_docs.NUMBERS - 1)
    assert write_docs.zoo() != page


def test_the_readme_is_short() -> None:
    """At most 900 words after the front matter that a Space reads; what is longer goes to docs/."""
    body = (ROOT / "README.md").read_text("utf-8").split("---\n", 2)[2]
    assert len(body.split()) <= 900


@pytest.mark.parametrize("name", READMES)
def test_the_readmes_list_every_command(name: str) -> None:
    table = re.findall(r"^\| `ganhub ([\w-]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    assert sorted(table) == sorted(typer.main.get_command(cli).commands)


def test_the_chinese_readme_has_the_same_code_and_links() -> None:
    def parts(name: str) -> list[str]:
        text = (ROOT / name).read_text("utf-8")
        code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        return [*code, *re.findall(r"\]\((?!README)([^)]+)\)", text), *re.findall(r"^\| `(ganhub [^`]+)`", text, re.M)]

    assert parts("README.md") == parts("README.zh-CN.md")


def test_the_python_lines_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a reader runs them: short names, the published weights, pictures on the disk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANHUB_MODELS", str(ROOT / "model_cards"))
    photo = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for name in ("cat.jpg", "monet.jpg", "small.png", "old.jpg"):
        ganhub.save_image(photo, name)
    mask = torch.full((1, 1, 32, 32), -1.0)
    mask[..., 8:12, 8:20] = 1
    ganhub.save_image(mask, "scratches.png")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 4, "one for each verb"
    shared: dict[str, object] = {}
    for block in blocks:
        assert len(block.split("\n\n")[-1].splitlines()) <= 3
        exec(block, shared)
    assert ganhub.load_image("large.png").shape[-2:] == (128, 128)
    assert ganhub.load_image("painted.png").shape == ganhub.load_image("filled.png").shape == (1, 3, 32, 32)
    outside = (mask < 0).expand_as(photo)
    filled, old = ganhub.load_image("filled.png"), ganhub.load_image("old.jpg")
    assert torch.equal(filled[outside], old[outside]) and not torch.equal(filled, old)
