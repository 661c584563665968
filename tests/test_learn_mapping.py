"""From noise to codes: a flow in place of the mapping network learns a distribution that is known."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganhub import AutoModel
from ganhub.hub.folder import write_folder
from ganhub.models import get_architecture
from ganhub.nn.flow import Velocity
from ganhub.objectives import AutoencodingConfig, AutoencodingObjective
from ganhub.trainer import Trainer, make_recipe
from tests.scripts import ROOT, Finished, run_script
from tests.test_projected import pictures
from training.learn_mapping import Codes, learn_flow, opened, read_codes, set_means, spread_classes, with_flow


def test_a_flow_learns_how_often_each_kind_comes() -> None:
    """Class 0: -1 or 1, 1 three times as often. Class 1: 0."""
    torch.manual_seed(0)
    classes = torch.arange(4000) % 2
    means = torch.where(torch.rand(4000) < 0.75, 1.0, -1.0) * (classes == 0)
    means = torch.stack([means, torch.zeros(4000)], dim=1)
    codes = Codes.of(means, torch.full((4000, 2), 0.1), classes, most=2)
    model = with_flow(styled(latent_dim=4, style_dim=2), codes, steps=8, blocks=2)
    model.mapping.velocity = Velocity(2, 2, 64, 2)  # w has two numbers, too few for a network as wide as w
    learn_flow(model.mapping.velocity, codes, 600, batch_size=256)
    with torch.no_grad():
        w = model.map(torch.randn(4000, 4), classes)
    first = w[classes == 0, 0]
    assert (first > 0).float().mean().item() == pytest.approx(0.75, abs=0.06)
    assert (first.abs() - 1).abs().mean().item() < 0.25, "it comes to the kinds, not between them"
    assert w[classes == 1, 0].abs().mean().item() < 0.25
    assert w[:, 1].std().item() == pytest.approx(0.1, rel=0.3)
    set_means(model)
    assert model.style_mean[0, 0].item() == pytest.approx(0.5, abs=0.15)
    assert model.style_mean[1].abs().max().item() < 0.1


def test_directions_are_those_in_which_pictures_differ() -> None:
    torch.manual_seed(0)
    means, deviations = torch.zeros(4000, 6), torch.full((4000, 6), 0.2)
    means[:, 2], means[:, 4] = 3 * torch.randn(4000), 1 + 0.5 * torch.randn(4000)
    codes = Codes.of(means, deviations, torch.zeros(4000, dtype=torch.int64), most=2)
    assert codes.directions.abs().argmax(0).tolist() == [2, 4]
    assert codes.spread.tolist() == pytest.approx([(15**2 + 1) ** 0.5, (2.5**2 + 1) ** 0.5], rel=0.05)
    drawn, _ = codes.draw(20_000)
    assert drawn.std(0).tolist() == pytest.approx([1, 1], abs=0.05)
    mapping = with_flow(styled(latent_dim=2, style_dim=6), codes, steps=2, blocks=1).mapping
    with torch.no_grad():
        w = mapping(drawn, torch.zeros(20_000, dtype=torch.int64))  # a flow that stands still
    assert w[:, 4].mean().item() == pytest.approx(1, abs=0.02) and w[:, 2].std().item() == pytest.approx(3, rel=0.05)
    assert w[:, [0, 1, 3, 5]].abs().max().item() < 0.05


def styled(latent_dim: int = 8, style_dim: int = 16):
    torch.manual_seed(0)
    model = get_architecture("stylegan2").tiny()
    return type(model)(replace(model.config, latent_dim=latent_dim, style_dim=style_dim, num_classes=2))


def test_the_generator_stays_what_it_was() -> None:
    model = styled()
    codes = Codes.of(torch.randn(50, 16), torch.full((50, 16), 0.3), torch.arange(50) % 2, most=8)
    new = with_flow(model, codes, steps=5, blocks=3)
    w, noise = torch.randn(2, 16), model.noise([0, 1])
    assert torch.equal(new.eval().from_w(w, noise=noise), model.eval().from_w(w, noise=noise))
    assert (new.config.flow_steps, new.config.mapping_layers, len(new.mapping.velocity.blocks)) == (5, 3, 3)


def test_an_encoder_reads_all_pictures() -> None:
    model = styled()
    objective = AutoencodingObjective(model, AutoencodingConfig(widths=(8,))).eval()

    class Some:
        images = pictures(450, 3, 16, 16)

        def __len__(self) -> int:
            return 450

        def batch(self, start: int, count: int):
            images = self.images[torch.arange(start, start + count) % 450]
            return type("Part", (), {"images": images, "labels": torch.full((count,), 1)})

    codes = read_codes(objective, Some(), 8, 0.5)
    assert codes.means.shape == (450, 16) and codes.classes.tolist() == [1] * 450
    mean, log_deviation = objective.encoder(Some.images[440:])
    assert torch.allclose(codes.means[440:], mean, atol=1e-5)
    assert torch.allclose(codes.deviations[440:], 0.5 * log_deviation.exp(), atol=1e-5)
    twice = read_codes(objective, Some(), 8, 0.5, passes=2)
    assert twice.means.shape == (900, 16) and torch.allclose(twice.means[450:], codes.means, atol=1e-5)


def test_classes_move_away_from_each_other() -> None:
    objective = AutoencodingObjective(styled(), AutoencodingConfig(widths=(8,), own_codes=4))
    codes = objective.class_codes.weight
    with pytest.raises(SystemExit, match="all classes are the same"):
        spread_classes(objective, 2.0)
    with torch.no_grad():
        codes[0], codes[1] = 1.0, 3.0
    spread_classes(objective, 2.0)
    assert torch.equal(codes, torch.tensor([[0.0], [4.0]]).expand(2, 16))


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

    def learn(codes: str, out: Path, *words: object) -> Finished:
        return run_script("learn_mapping.py", tmp_path / codes, recipe, tmp_path / "pictures.npz", "--out", out, *words)

    done = learn("codes", tmp_path / "mapped", "--flow-steps", 3, "--steps", 3)
    assert done.returncode == 0, done.stderr
    before, after = (AutoModel.from_pretrained(tmp_path / name) for name in ("codes", "mapped"))
    assert after.config.flow_steps == 3 and after.style_mean.any()
    sheets = [(tmp_path / name / "samples.png").read_bytes() for name in ("codes", "mapped")]
    assert sheets[0] != sheets[1]
    kept = {k: x for k, x in before.state_dict().items() if not k.startswith("mapping.") and k != "style_mean"}
    assert all(torch.equal(after.state_dict()[k], x.half().float()) for k, x in kept.items())
    command = [sys.executable, ROOT / "training/learn_mapping.py", "codes", recipe, "pictures.npz", "--out", "mapped"]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert again.returncode != 0 and "is there already" in again.stderr
    other = learn("none", tmp_path / "new")
    assert other.returncode != 0 and "There is no folder" in other.stderr
    inside = learn("codes", tmp_path / "codes/mapped")
    assert inside.returncode != 0 and "lies in" in inside.stderr and "steps, loss" not in inside.stdout
    below = learn("codes", recipe / "mapped")
    assert below.returncode != 0 and "is a file" in below.stderr and "steps, loss" not in below.stdout
    for factor, sentence in (
        (2, "for runs with codes of classes"),
        (0, "above 0"),
        (11, "at most 10"),
        ("nan", "above 0"),
    ):
        spread = learn("codes", tmp_path / "new", "--class-spread", factor)
        assert spread.returncode != 0 and sentence in spread.stderr and "steps, loss" not in spread.stdout
    said = tmp_path / "codes/training/config.json"
    settings = json.loads(said.read_text())
    said.write_text(json.dumps(settings | {"own_codes": 64}))
    without = learn("codes", tmp_path / "new")
    assert without.returncode != 0 and "does not fit its config.json" in without.stderr
    said.write_text('{"objective": "projected"}')
    refused = learn("codes", tmp_path / "new")
    assert refused.returncode != 0 and '"autoencoding"' in refused.stderr and not (tmp_path / "new").exists()


def test_a_run_from_before_there_were_codes_of_classes_is_read(tmp_path: Path) -> None:
    model = styled()
    config = AutoencodingConfig(widths=(8,), own_codes=4)
    whole = AutoencodingObjective(model, config).state_dict()
    model.save_pretrained(tmp_path)
    older = {name: x for name, x in whole.items() if not name.startswith("class_codes.")}
    write_folder(tmp_path / "training", {"objective": "autoencoding", **config.to_dict()}, older)
    assert not opened(tmp_path)[1].class_codes.weight.any()
    broken = {name: x for name, x in whole.items() if not name.startswith("corrections.")}
    write_folder(tmp_path / "training", {"objective": "autoencoding", **config.to_dict()}, broken)
    with pytest.raises(SystemExit, match="does not fit"):
        opened(tmp_path)
