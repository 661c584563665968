"""A new metric, objective, family, tab, command or score is one new file: in a copy of the package, each is usable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganhub.errors import MetricError
from ganhub.metrics import (
    FeatureMetric,
    get_metric,
    list_feature_metrics,
    list_metrics,
    list_pair_metrics,
)
from ganhub.models import get_architecture, list_architectures
from ganhub.objectives import get_objective, list_objectives

ROOT = Path(__file__).resolve().parent.parent

METRIC = '''
"""How far apart two sets of pictures are in their mean brightness."""

from ganhub.metrics._base import Findings, Metric, Seen
from ganhub.metrics.protocol import Result


class Brightness(Metric, name="brightness"):
    """The difference of the means."""

    def measure(self, seen: Seen) -> Findings:
        value = abs(seen.samples.mean() - seen.pictures.mean()).item()
        protocol = seen.protocol("brightness", extractor="", weights="", resize="")
        return Findings([Result(name="brightness", label="Brightness", value=value, protocol=protocol)])
'''

OBJECTIVE = '''
"""The generator learns nothing but the mean brightness of the data."""

from dataclasses import dataclass

from torch import nn

from ganhub.config import BaseConfig
from ganhub.objectives._base import BaseObjective, Batch, Phase


@dataclass(frozen=True, kw_only=True)
class BrightnessConfig(BaseConfig):
    """Attributes:
    weight: Of the loss.
    """

    weight: float = 1.0


class Brightness(BaseObjective, name="brightness"):
    """One player."""

    Config = BrightnessConfig

    def players(self) -> dict[str, list[nn.Module]]:
        return {"generator": [self.model]}

    def phases(self) -> list[Phase]:
        return [Phase(player="generator", loss=self.loss)]

    def loss(self, batch: Batch) -> dict:
        fake = self.model.make(batch.seeds, batch.labels)
        return {"loss": self.config.weight * (fake.mean() - batch.images.mean()).square()}
'''

SCRIPT = """
import sys
from pathlib import Path

import torch
from typer.testing import CliRunner

import ganhub
from ganhub.cli import cli
from ganhub.images import save_image
from ganhub.metrics import list_metrics
from ganhub.objectives import list_objectives
from ganhub.trainer import Trainer, make_recipe

assert Path(ganhub.__file__).is_relative_to(sys.argv[1]), ganhub.__file__
assert "brightness" in list_metrics() and "brightness" in list_objectives()
generator = torch.Generator().manual_seed(0)
for k in range(24):
    save_image(torch.rand((1, 3, 16, 16), generator=generator) * 2 - 1, Path("pictures") / f"{k}.png")
config = ganhub.models.get_architecture("dcgan").tiny().config.to_dict()
tables = {
    "model": {"architecture": "dcgan", **config}, "objective": {"name": "brightness", "weight": 2.0},
    "train": {"images": 16, "batch_size": 8, "watch": False}, "data": {"path": "pictures"},
}
Trainer(make_recipe(tables), "run", quiet=True).run()
options = ["--data", "pictures", "--metrics", "brightness", "--n", "24", "--extractor", "vgg-lite", "--record"]
result = CliRunner().invoke(cli, ["evaluate", "run", *options], catch_exceptions=False)
assert result.exit_code == 0 and "Brightness" in result.output, result.output
assert "brightness" in Path("run/metrics.json").read_text("utf-8")
"""


def test_a_new_metric_and_a_new_objective_are_one_file_each(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "ganhub", tmp_path / "ganhub", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "ganhub" / "metrics" / "brightness.py").write_text(METRIC.lstrip())
    (tmp_path / "ganhub" / "objectives" / "brightness.py").write_text(OBJECTIVE.lstrip())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "GANHUB_MODELS": str(ROOT / "model_cards")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lists_hold_what_each_file_declares() -> None:
    assert list_metrics() == [
        "kernel", "frechet", "precision", "recall", "density", "coverage", "score", "classes", "memorisation"
    ]  # fmt: skip
    assert list_metrics(usual=False) == ["frechet", "score"]
    assert list_feature_metrics() == [name for name in list_metrics() if isinstance(get_metric(name), FeatureMetric)]
    assert list_pair_metrics() == ["psnr", "ssim", "perceptual", "lpips"]
    assert all(get_objective(name).name == name for name in list_objectives())
    families = [get_architecture(name) for name in list_architectures()]
    assert {family.default_objective for family in families} - {""} <= set(list_objectives())


def test_an_unknown_metric_is_told_the_nearest_and_a_name_is_taken_once() -> None:
    with pytest.raises(MetricError, match="no metric 'kernle'. Did you mean 'kernel'"):
        get_metric("kernle")
    with pytest.raises(MetricError, match="Two metrics are called 'kernel'"):
        type("Again", (FeatureMetric,), {}, name="kernel")


FAMILY = """
\"\"\"One linear layer, from a latent to a picture.\"\"\"

from dataclasses import dataclass

from torch import Tensor, nn

from ganhub.models._verbs import LatentConfig, LatentGenerator


@dataclass(frozen=True, kw_only=True)
class LinearConfig(LatentConfig):
    \"\"\"Nothing but the sizes.\"\"\"

    image_size: int = 8
    channels: int = 3
    latent_dim: int = 8


class Linear(LatentGenerator, architecture="linear-gan"):
    \"\"\"A linear layer and a tanh.\"\"\"

    Config = LinearConfig
    paper = "Nobody's (2026, arXiv:0000.00000)"
    default_objective = "adversarial"

    def __init__(self, config: LinearConfig | None = None) -> None:
        super().__init__(config)
        self.layer = nn.Linear(self.config.latent_dim, self.config.channels * self.config.image_size**2)

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        return self.layer(z).tanh().view(-1, self.config.channels, *self.config.size)

    def adversary(self) -> nn.Module:
        return Judge(self.config)

    @classmethod
    def tiny(cls) -> "Linear":
        return cls(LinearConfig())


class Judge(nn.Module):
    \"\"\"[N, C, H, W] -> scores [N].\"\"\"

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.layer = nn.Linear(config.channels * config.image_size**2, 1)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return self.layer(images.flatten(1)).squeeze(1)
"""
TAB = """
\"\"\"Greets.\"\"\"

import gradio as gr

from ganhub.app.declared import Bench, Built, Tab


def run(name: str) -> str:
    \"\"\"Greet somebody.\"\"\"
    return f"Hello {name}"


def build(bench: Bench) -> Built:
    \"\"\"A box and a button.\"\"\"
    name, answer = gr.Textbox(), gr.Textbox(elem_id="greet-answer")
    gr.Button("Greet").click(run, name, answer, api_name="greet")
    return Built()


TAB = Tab("greet", "Greet", 1000, build)
"""
COMMAND = """
\"\"\"``ganhub greet``.\"\"\"

import typer

PLACE = 5


def greet(name: str) -> None:
    \"\"\"Greet somebody.\"\"\"
    typer.echo(f"Hello {name}")


def add_to(cli: typer.Typer) -> None:
    \"\"\"Register it.\"\"\"
    cli.command("greet")(greet)
"""
SCORE = """
\"\"\"How light a picture is.\"\"\"

from torch import Tensor

from ganhub.creation.search.scores import score


@score("Light", "light pictures")
def brightness(pictures: Tensor) -> Tensor:
    \"\"\"The mean, from 0 to 1.\"\"\"
    return (pictures.mean((1, 2, 3)) + 1) / 2
"""
USE = """
import sys
from pathlib import Path

from typer.testing import CliRunner

import torch

import ganhub
from ganhub.app import create_app
from ganhub.app.tabs import evolve
from ganhub.cli import cli
from ganhub.creation.search import Judge

assert Path(ganhub.__file__).is_relative_to(sys.argv[1]), ganhub.__file__
assert "linear-gan" in ganhub.list_architectures()
ganhub.models.get_architecture("linear-gan").tiny().save_pretrained("linear")
run = lambda *line: CliRunner().invoke(cli, list(line), catch_exceptions=False)
assert run("sample", "./linear", "--n", "4", "--out", "grid.png").exit_code == 0 and Path("grid.png").is_file()
assert run("greet", "you").output == "Hello you\\n"
assert "greet" in run("--help").output
page = create_app()
assert "greet" in [fn.api_name for fn in page.fns.values()]
assert any(block.get_config().get("label") == "Greet" for block in page.blocks.values())
assert "brightness" in evolve.ALONE and "brightness" in evolve.SCORES
assert Judge((("brightness", 1.0),))(torch.full((1, 3, 8, 8), 0.5)).item() == 0.75
"""


def test_a_new_family_tab_command_and_score_are_one_file_each(tmp_path: Path) -> None:
    """They are listed and usable, and the contract tests cover the family, with no other file touched."""
    for name in ("ganhub", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "ganhub" / "models" / "linear_gan.py").write_text(FAMILY.lstrip())
    (tmp_path / "ganhub" / "app" / "tabs" / "greet.py").write_text(TAB.lstrip())
    (tmp_path / "ganhub" / "cli" / "greet.py").write_text(COMMAND.lstrip())
    (tmp_path / "ganhub" / "creation" / "search" / "scores" / "brightness.py").write_text(SCORE.lstrip())
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "GANHUB_MODELS": str(ROOT / "model_cards")}
    contract = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_models.py", "-k", "linear"]
    for line in (["-W", "ignore", "-c", USE, str(tmp_path)], contract):
        done = subprocess.run([sys.executable, *line], cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 5, done.stdout
