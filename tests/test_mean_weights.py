"""training/mean_weights.py: means, louder votes, another learning rate of the mapping network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganhub import AutoModel
from ganhub.models.stylegan2 import StyleGAN2, StyleGAN2Config

ROOT = Path(__file__).resolve().parent.parent


def build(folder: Path, seed: int, **changes) -> StyleGAN2:
    torch.manual_seed(seed)
    model = StyleGAN2(StyleGAN2Config.from_dict({**StyleGAN2.tiny().config.to_dict(), **changes})).eval()
    model.save_pretrained(folder)
    return model


def run(*arguments: object) -> str:
    command = [sys.executable, str(ROOT / "training" / "mean_weights.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stderr.strip()


def test_the_mean_counts_shares_and_takes_the_averaged_weights_of_checkpoints(tmp_path):
    first, second = build(tmp_path / "a", 0, palette=4), build(tmp_path / "b", 1, palette=4)
    torch.save({"ema": second.state_dict(), "model": {}}, tmp_path / "000000000064.pt")
    parts = [f"3:{tmp_path / 'a'}", f"1:{tmp_path / '000000000064.pt'}"]
    assert run(*parts, "--votes", 1.5, "--out", tmp_path / "mean") == ""
    made = AutoModel.from_pretrained(tmp_path / "mean")
    assert made.config == first.config
    ours, theirs = first.state_dict(), second.state_dict()
    for name, x in made.state_dict().items():
        factor = 1.5 if name in ("blocks.2.to_picture.weight", "blocks.2.to_picture.bias") else 1.0
        torch.testing.assert_close(x, factor * (0.75 * ours[name] + 0.25 * theirs[name]), atol=0, rtol=2e-3)


def test_another_mapping_rate_is_the_same_model(tmp_path):
    old = build(tmp_path / "old", 0)
    assert run(f"1:{tmp_path / 'old'}", "--mapping-rate", 0.5, "--out", tmp_path / "new") == ""
    new = AutoModel.from_pretrained(tmp_path / "new")
    assert new.config.mapping_rate == 0.5 and old.config.mapping_rate == 0.01
    z = old.latent(range(4))
    torch.testing.assert_close(new.to_w(z), old.to_w(z), atol=5e-3, rtol=5e-3)  # kept in half precision
    assert new.mapping.layers[0].weight.std() < 0.1 * old.mapping.layers[0].weight.std()


@pytest.mark.parametrize("votes, says", [(1.0, "other weights"), (2.0, "a palette")])
def test_what_cannot_be_mixed_gets_a_sentence(tmp_path, votes, says):
    build(tmp_path / "a", 0)
    build(tmp_path / "b", 1, style_dim=4)
    other = tmp_path / ("b" if votes == 1 else "a")
    assert says in run(f"1:{tmp_path / 'a'}", f"1:{other}", "--votes", votes, "--out", tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
