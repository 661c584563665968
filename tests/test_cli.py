"""The command line, as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ganhub.cli import cli, main
from ganhub.images import load_image
from ganhub.models import get_architecture, list_architectures


@pytest.fixture
def tiny(models_folder: Path) -> Path:
    for name in ("conditional-gan", "dcgan", "gatys"):
        get_architecture(name).tiny().save_pretrained(models_folder / f"tiny-{name}")
    return models_folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["ganhub", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("ganhub: ") and "Traceback" not in error
    return error


def test_list(tiny: Path) -> None:
    output = run("list")
    line = next(line for line in output.splitlines() if "tiny-conditional-gan" in line)
    assert line.split() == ["tiny-conditional-gan", "conditional-gan", "latent_generator", "8", "px", "3", "classes"]
    for name in list_architectures():
        assert f"  {name}" in output


def test_sample_writes_what_the_model_samples(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    arguments = ["sample", "tiny-dcgan", "--n", "4", "--seed", "9", "--columns", "2", "--out", str(out)]
    assert "seeds 9 to 12" in run(*arguments)
    expected = get_architecture("dcgan").from_folder(tiny / "tiny-dcgan").sample(4, seed=9)
    grid = load_image(out)
    assert grid.shape == (1, 3, 34, 34)
    assert (grid[0, :, 18:, 18:] - expected[3]).abs().max() < 1 / 127.5
    before = out.read_bytes()
    run(*arguments, "--force")
    assert out.read_bytes() == before


@pytest.mark.parametrize("label", ["cross", None])
def test_sample_of_a_class(tiny: Path, tmp_path: Path, label: str | None) -> None:
    out = tmp_path / "grid.png"
    run("sample", "tiny-conditional-gan", "--n", "3", "--out", str(out), *(["--label", label] if label else []))
    expected = get_architecture("conditional-gan").from_folder(tiny / "tiny-conditional-gan").sample(3, label=label)
    grid = load_image(out, channels=1)[0]
    assert torch.allclose(grid[:, :8, 10:18], expected[1], atol=1 / 127.5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiny-dcgn",), "There is no model 'tiny-dcgn'"),
        (("tiny-conditional-gan", "--label", "crss"), "Did you mean 'cross'"),
        (("tiny-dcgan", "--label", "3"), "leave the label out"),
        (("tiny-dcgan", "--n", "0"), "--n must be from 1"),
        (("tiny-dcgan", "--seed", "-1"), "seed must be from 0"),
        (("tiny-dcgan", "--truncation", "9"), "truncation must be from 0 to 1.5"),
        (("tiny-dcgan", "--out", "grid.tiff"), "end --out in .png"),
        (("tiny-gatys",), "run `ganhub style PHOTO --style PAINTING --model tiny-gatys --out painted.png`"),
    ],
)
def test_refusals(
    tiny: Path, arguments: tuple, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert says in refused("sample", *arguments, capsys=capsys, monkeypatch=monkeypatch)


def test_python_m_ganhub(tiny: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganhub", "list"], cwd=root, env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "tiny-dcgan" in done.stdout, done.stderr


def test_the_command_line_does_not_wait_for_gradio() -> None:
    code = "import sys, ganhub.cli; sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
