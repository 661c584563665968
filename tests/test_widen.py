"""training/widen.py: more channels, the same pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganhub import AutoModel
from ganhub.models import get_architecture
from ganhub.models.stylegan2 import StyleGAN2, StyleGAN2Config
from tests.scripts import run_script


def build(folder: Path, **changes) -> StyleGAN2:
    """A model none of whose parameters is 0."""
    torch.manual_seed(0)
    model = StyleGAN2(StyleGAN2Config.from_dict({**StyleGAN2.tiny().config.to_dict(), **changes})).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    model.half().float().save_pretrained(folder)
    return model


def run(*arguments: object) -> str:
    return run_script("widen.py", *arguments).stderr.strip()


@pytest.mark.parametrize("changes", [{}, {"palette": 5, "num_classes": 2, "supersampling": 2}])
def test_a_wider_model_draws_the_same_and_its_new_channels_learn(tmp_path, changes):
    old = build(tmp_path / "old", **changes)
    c = old.config
    old.save_pretrained(tmp_path / "old", variant="fp16")
    sizes = {"channel_base": 2 * c.channel_base, "max_channels": 2 * c.max_channels}
    flags = "--channel-base", sizes["channel_base"], "--max-channels", sizes["max_channels"]
    assert run(tmp_path / "old", *flags, "--out", tmp_path / "new") == ""
    new = AutoModel.from_pretrained(tmp_path / "new").float()
    assert new.config.to_dict() == {**c.to_dict(), **sizes}
    assert new.card_facts()["parameters"] > 2 * old.card_facts()["parameters"]
    assert not (tmp_path / "new" / "model.fp16.safetensors").exists()  # the old weights under the new config
    label = torch.tensor([0, 1, 1]) if c.num_classes else None
    torch.testing.assert_close(
        new.sample(3, label=label, seed=1), old.sample(3, label=label, seed=1), atol=5e-3, rtol=0
    )

    new.train().requires_grad_(True)
    new(
        torch.randn(4, c.latent_dim), label=torch.tensor([0, 1, 0, 1]) if c.num_classes else None
    ).square().sum().backward()
    for block, before in zip(new.blocks, old.blocks, strict=True):
        layer, width = block.second, before.second.weight.shape[1]
        assert not layer.weight[:width, width:].any()  # nobody hears them yet
        assert layer.weight.grad[:width, width:].any() and layer.weight[width:].any()


def test_what_cannot_be_made_wider_gets_a_sentence(tmp_path):
    model = build(tmp_path / "old")
    get_architecture("dcgan").tiny().save_pretrained(tmp_path / "dcgan")
    (tmp_path / "there").mkdir()
    base = model.config.channel_base
    wide = "--channel-base", 2 * base
    for given, said in {
        (tmp_path / "old", "--out", tmp_path / "new"): "Name --channel-base or --max-channels.",
        (tmp_path / "old", *wide, "--out", tmp_path / "there"): "is there already",
        (tmp_path / "old", "--channel-base", base // 2, "--out", tmp_path / "new"): "would be smaller than it is",
        (tmp_path / "old", "--channel-base", -8, "--out", tmp_path / "new"): "channel_base must be",
        (tmp_path / "old", "--channel-base", base, "--out", tmp_path / "new"): "No layer would be wider",
        (tmp_path / "old", "--channel-base", 0, "--out", tmp_path / "new"): "channel_base must be",
        (tmp_path / "old", *wide, "--out", tmp_path / "old" / "training" / "new"): "lies in",
        (tmp_path / "dcgan", *wide, "--out", tmp_path / "new"): "is a dcgan: take a stylegan2",
        (tmp_path / "none", *wide, "--out", tmp_path / "new"): "There is no folder",
    }.items():
        message = run(*given)
        assert said in message and "fault of ganhub" not in message, message
    assert not (tmp_path / "new").exists()
