"""Evaluating, judging and redrawing a card read real pictures without Accelerate and without the training loop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganhub.images import save_image
from ganhub.models import get_architecture

ROOT = Path(__file__).resolve().parent.parent

# Runs a command where Accelerate cannot be imported, and says which modules of the trainer were.
SCRIPT = """
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "accelerate":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from ganhub.cli import cli
cli(sys.argv[1:], standalone_mode=False)
assert "accelerate" not in sys.modules
print("TRAINER", sorted(name for name in sys.modules if name.startswith("ganhub.trainer")))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A model with the log of its run, and pictures."""
    folder = tmp_path_factory.mktemp("place")
    get_architecture("dcgan").tiny().save_pretrained(folder / "tiny")
    lines = ('{"images": 8, "generator/loss": 1.0}', '{"images": 16, "generator/loss": 2.0}')
    (folder / "tiny" / "log.jsonl").write_text("\n".join(lines) + "\n")
    generator = torch.Generator().manual_seed(0)
    for k in range(24):
        save_image(torch.rand((1, 3, 16, 16), generator=generator) * 2 - 1, folder / "pictures" / f"{k}.png")
    return folder


def run(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], cwd=place, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_evaluate_reads_pictures_by_ganhub_data_alone(place: Path) -> None:
    said = run(place, "evaluate", "tiny", "--data", "pictures", "--n", "24", "--extractor", "vgg-lite",
               "data.flip=true", "data.holdout=0.1", "--metrics", "kernel,precision")  # fmt: skip
    assert "Kernel distance (vgg-lite)" in said and "TRAINER []" in said


def test_a_card_is_redrawn_with_its_plot(place: Path) -> None:
    said = run(place, "card", "tiny")
    assert (place / "tiny" / "README.md").is_file() and (place / "tiny" / "curves.png").is_file()
    assert "ganhub.trainer.loop" not in said and "TRAINER" in said


def test_judging_reads_pictures_by_ganhub_data_alone(place: Path) -> None:
    """Everything but the page's server, which would wait for people."""
    script = SCRIPT.replace("cli(sys.argv[1:], standalone_mode=False)", '''
from pathlib import Path
from ganhub import AutoModel
from ganhub.cli._inputs import data_config
from ganhub.cli.judge import prepare
from ganhub.metrics.judging import plan
panel = prepare("real-or-made", [AutoModel.from_pretrained("tiny")], ["tiny"], data_config("pictures", []),
              plan("real-or-made", 4, 0), 0, Path("answers.jsonl"))
assert len(panel.pictures) == 4
''')  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=place, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0 and "TRAINER []" in done.stdout, done.stdout + done.stderr
