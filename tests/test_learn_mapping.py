"""From noise to codes: a flow learns a distribution that is known, and a mapping network its ways."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganhub import AutoModel
from ganhub.models import get_architecture
from ganhub.objectives import AutoencodingConfig, AutoencodingObjective
from ganhub.trainer import Trainer, make_recipe
from tests.test_projected import pictures
from training.latent_flow import Flow, flow_from, learn_flow
from training.learn_mapping import Codes, learn_ways, read_codes, set_means, ways

ROOT = Path(__file__).resolve().parent.parent


def two_kinds(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Class 0: -1 or 1, 1 three times as often. Class 1: 0. Both with a deviation of 0.1, and a second number 0.5."""
    classes = torch.arange(count) % 2
    kinds = torch.where(torch.rand(count) < 0.75, 1.0, -1.0) * (classes == 0)
    return torch.stack([kinds + 0.1 * torch.randn(count), torch.full((count,), 0.5)], dim=1), classes


def test_a_flow_learns_how_often_each_kind_comes() -> None:
    torch.manual_seed(0)
    flow = learn_flow(Flow(2, 2, width=64, blocks=2), two_kinds, 600, batch_size=256, say=lambda text: None)
    classes = torch.arange(2000) % 2
    codes = flow_from(flow, torch.randn(2000, 2), classes)
    first = codes[classes == 0, 0]
    assert (first > 0).float().mean().item() == pytest.approx(0.75, abs=0.06)
    assert (first.abs() - 1).abs().mean().item() < 0.25, "it comes to the kinds, not between them"
    assert codes[classes == 1, 0].abs().mean().item() < 0.2
    assert (codes[:, 1] - 0.5).abs().mean().item() < 0.1


def test_a_flow_that_knows_nothing_leaves_noise_where_it_is() -> None:
    noise = torch.randn(5, 3)
    assert torch.equal(flow_from(Flow(3, 1, width=16, blocks=1), noise, torch.zeros(5, dtype=torch.int64)), noise)


def test_directions_are_those_in_which_pictures_differ() -> None:
    torch.manual_seed(0)
    means, deviations = torch.zeros(4000, 6), torch.full((4000, 6), 0.2)
    means[:, 2], means[:, 4] = 3 * torch.randn(4000), 1 + 0.5 * torch.randn(4000)
    codes = Codes.of(means, deviations, torch.zeros(4000, dtype=torch.int64), most=128)
    assert codes.directions.shape == (6, 2)
    assert codes.directions.abs().argmax(0).tolist() == [2, 4]
    assert codes.spread.tolist() == pytest.approx([(15**2 + 1) ** 0.5, (2.5**2 + 1) ** 0.5], rel=0.05)
    drawn, _ = codes.draw(20_000)
    assert drawn.std(0).tolist() == pytest.approx([1, 1], abs=0.05)
    w = codes.to_w(drawn)
    assert w[:, 4].mean().item() == pytest.approx(1, abs=0.02) and w[:, 2].std().item() == pytest.approx(3, rel=0.05)
    assert w[:, [0, 1, 3, 5]].abs().max().item() < 0.05
    assert Codes.of(means, deviations, torch.zeros(4000, dtype=torch.int64), most=1).directions.shape == (6, 1)


def styled():
    torch.manual_seed(0)
    model = get_architecture("stylegan2").tiny()
    return type(model)(replace(model.config, mapping_rate=1.0, style_dim=64, num_classes=2))


def test_the_mapping_network_arrives_where_ways_end() -> None:
    """A flow that stands still leads from z to z: the mapping network learns a linear function of what it sees."""
    model = styled()
    means = torch.randn(500, 64)
    codes = Codes.of(means, torch.full((500, 64), 0.3), torch.arange(500) % 2, most=model.config.latent_dim)
    flow = Flow(codes.directions.shape[1], 2, width=16, blocks=1)
    found = ways(flow, codes, model.config.latent_dim, 5000, bf16=False)
    assert [len(x) for x in found] == [5000, 5000, 5000]
    before = ((model.map(found[0], found[1]) - found[2]) / codes.noise).square().mean()
    missed = learn_ways(model, found, codes.noise, 800)
    after = ((model.map(found[0], found[1]) - found[2]) / codes.noise).square().mean()
    assert after < 0.4 * before and missed < 0.4
    set_means(model)
    expected = torch.stack([found[2][found[1] == label].mean(0) for label in range(2)])
    assert torch.allclose(model.style_mean, expected, atol=0.3)


def test_an_encoder_reads_all_pictures() -> None:
    model = styled()
    objective = AutoencodingObjective(model, AutoencodingConfig(widths=(8,))).eval()

    class Some:
        images = pictures(450, 3, 16, 16)

        def __len__(self) -> int:
            return 450

        def batch(self, start: int, count: int):
            return type("Part", (), {"images": self.images[start : start + count], "labels": torch.full((count,), 1)})

    codes = read_codes(objective, Some(), 8)
    assert codes.means.shape == (450, 64) and codes.classes.tolist() == [1] * 450
    mean, log_deviation = objective.encoder(Some.images[440:])
    assert torch.allclose(codes.means[440:], mean, atol=1e-5)
    assert torch.allclose(codes.deviations[440:], log_deviation.exp(), atol=1e-5)


def script(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "training/learn_mapping.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_from_a_run_to_a_folder(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", x=(pictures(64, 3, 16, 16).permute(0, 2, 3, 1) * 127.5 + 127.5).byte().numpy())
    settings = get_architecture("stylegan2").tiny().config.to_dict() | {"architecture": "stylegan2"}
    settings.pop("class_names")
    tables = {
        "model": settings,
        "objective": {"name": "autoencoding", "widths": [8, 16]},
        "train": {"images": 64, "batch_size": 16},
        "data": {"path": str(tmp_path / "pictures.npz"), "images": "x"},
    }
    Trainer(make_recipe(tables), tmp_path / "codes", quiet=True).run()
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [
            f"{key} = {repr(value).replace('True', 'true').replace('False', 'false')}" for key, value in table.items()
        ]
    recipe = tmp_path / "toy.toml"
    recipe.write_text("\n".join(lines).replace("'", '"'))
    words = ("--flow-steps", 3, "--ways", 100, "--steps", 3)
    done = script(tmp_path / "codes", recipe, tmp_path / "pictures.npz", "--out", tmp_path / "mapped", *words)
    assert done.returncode == 0, done.stderr
    assert "64 pictures differ" in done.stdout and "misses" in done.stdout
    before, after = (AutoModel.from_pretrained(tmp_path / name) for name in ("codes", "mapped"))
    changed = {k for k, x in after.state_dict().items() if not torch.equal(x, before.state_dict()[k].half().float())}
    assert changed and all(k.startswith("mapping.") or k == "style_mean" for k in changed)
    again = script(tmp_path / "codes", recipe, tmp_path / "pictures.npz", "--out", tmp_path / "mapped")
    assert again.returncode != 0 and "is there already" in again.stderr
    other = script(tmp_path / "none", recipe, tmp_path / "pictures.npz", "--out", tmp_path / "new")
    assert other.returncode != 0 and "There is no folder" in other.stderr
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(recipe.read_text().replace("autoencoding", "projected").replace("widths = [8, 16]", "width = 8"))
    refused = script(tmp_path / "codes", wrong, tmp_path / "pictures.npz", "--out", tmp_path / "new")
    assert refused.returncode != 0 and "autoencoding" in refused.stderr and not (tmp_path / "new").exists()
