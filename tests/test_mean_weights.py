"""training/mean_weights.py: means, louder votes, another learning rate of the mapping network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganhub import AutoModel
from ganhub.models import get_architecture
from ganhub.models.stylegan2 import StyleGAN2, StyleGAN2Config
from tests.scripts import run_script


def build(folder: Path, seed: int, **changes) -> StyleGAN2:
    """A model with two classes, none of whose parameters is 0."""
    torch.manual_seed(seed)
    fields = {**StyleGAN2.tiny().config.to_dict(), "num_classes": 2, **changes}
    model = StyleGAN2(StyleGAN2Config.from_dict(fields)).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model


def run(*arguments: object) -> str:
    return run_script("mean_weights.py", *arguments).stderr.strip()


def checkpoint(path: Path, model: StyleGAN2) -> Path:
    """What of a run's checkpoint counts here."""
    torch.save({"ema": model.state_dict(), "fingerprint": {"model": model.config.to_dict()}, "model": {}}, path)
    return path


def test_the_mean_counts_shares_and_takes_the_averaged_weights_of_checkpoints(tmp_path):
    first, second = build(tmp_path / "a", 0, palette=4), build(tmp_path / "b", 1, palette=4)
    parts = [f"3:{tmp_path / 'a'}", f"1:{checkpoint(tmp_path / '000000000064.pt', second)}"]
    assert run(*parts, "--votes", 1.5, "--out", tmp_path / "mean") == ""
    made = AutoModel.from_pretrained(tmp_path / "mean")
    assert made.config == first.config
    ours, theirs = first.state_dict(), second.state_dict()
    for name, x in made.state_dict().items():
        factor = 1.5 if name in ("blocks.2.to_picture.weight", "blocks.2.to_picture.bias") else 1.0
        torch.testing.assert_close(x, factor * (0.75 * ours[name] + 0.25 * theirs[name]), atol=1e-6, rtol=2e-3)


def test_another_mapping_rate_is_the_same_model_and_parts_may_differ_in_it(tmp_path):
    old = build(tmp_path / "old", 0)
    assert run(f"1:{tmp_path / 'old'}", "--mapping-rate", 0.5, "--out", tmp_path / "new") == ""
    new = AutoModel.from_pretrained(tmp_path / "new")
    assert new.config.mapping_rate == 0.5 and old.config.mapping_rate == 0.01
    fast = checkpoint(tmp_path / "fast.pt", new)
    assert run(f"1:{tmp_path / 'old'}", f"1:{fast}", f"1:{tmp_path / 'new'}", "--out", tmp_path / "both") == ""
    both = AutoModel.from_pretrained(tmp_path / "both")
    assert both.config.mapping_rate == 0.01
    z, labels = old.latent(range(4)), torch.tensor([0, 1, 0, 1])
    for model in (new, both):
        torch.testing.assert_close(model.to_w(z, labels), old.to_w(z, labels), atol=5e-3, rtol=5e-3)  # half precision
    assert new.mapping.layers[0].weight.std() < 0.1 * old.mapping.layers[0].weight.std()


def test_what_cannot_be_mixed_gets_a_sentence(tmp_path):
    a, other, b, flow = (tmp_path / name for name in ("a", "other", "b", "flow"))
    build(a, 0)
    build(b, 1, style_dim=4)
    build(flow, 2, flow_steps=2)
    get_architecture("dcgan").tiny().save_pretrained(other)
    (tmp_path / "junk.pt").write_bytes(b"junk")
    torch.save({"model": {}}, tmp_path / "bare.pt")
    for arguments, says in {
        (f"1:{a}", f"1:{b}"): "has other weights",
        (f"1:{a}", "--votes", "2"): "a palette",
        (f"1:{other}", "--mapping-rate", "1"): "a mapping network",
        (f"1:{flow}", "--mapping-rate", "1"): "has a flow",
        (f"1:{a}", "--mapping-rate", "5"): "mapping_rate must be from",
        (f"1:{a}", "--mapping-rate", "0"): "no number above 0",
        (f"1:{a}", "--votes", "loud"): "no number above 0",
        (f"0:{a}", f"0:{a}"): "all 0",
        (f"nan:{a}",): "no SHARE:PATH",
        (str(a),): "no SHARE:PATH",
        (f"1:{a}", f"1:{tmp_path / 'nowhere'}"): "there is no",
        (f"1:{tmp_path / 'bare.pt'}",): "one folder at least",
        (f"1:{a}", f"1:{tmp_path / 'bare.pt'}"): "no checkpoint of a run",
        (f"1:{a}", f"1:{tmp_path / 'junk.pt'}"): "no checkpoint of a run",
    }.items():
        said = run(*arguments, "--out", tmp_path / "mean")
        assert says in said and "Traceback" not in said, (arguments, said)
        assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize("out", ["a", "note.txt"])
def test_what_is_there_is_not_written_over(tmp_path, out):
    build(tmp_path / "a", 0)
    (tmp_path / "note.txt").write_text("mine")
    before = (tmp_path / "a" / "model.safetensors").read_bytes()
    assert "is there already" in run(f"1:{tmp_path / 'a'}", "--out", tmp_path / out)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == before
