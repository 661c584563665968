"""The energy distance beside closed forms, and what it teaches: how often each colour comes."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from ganhub.errors import ConfigError, ProcessDied
from ganhub.losses.energy import energy_distance, mean_distances
from ganhub.models import get_architecture
from ganhub.objectives import Batch, _colours
from ganhub.objectives._colours import LEAST, MOST, ColourEnergy, shrink
from ganhub.objectives.projected import ProjectedObjective
from ganhub.trainer import Trainer, make_recipe
from ganhub.trainer.checkpoint import load_checkpoint
from tests.test_projected import pictures


def spots(share: float, n: int, d: int = 3) -> torch.Tensor:
    """[n, d] of which a share is 1 and the others are 0."""
    return (torch.arange(n) < round(share * n)).float()[:, None].expand(n, d).clone()


def test_it_is_the_closed_form_for_two_colours():
    """1 with probability p, or q, and else 0: E|X - Y| = p (1 - q) + q (1 - p), so D^2 = 2 (p - q)^2."""
    p, q, n, labels = 0.2, 0.7, 1000, torch.zeros(1000)
    x, y = spots(p, n), spots(q, n)
    same = torch.ones(n, n, dtype=torch.bool)
    assert mean_distances(x, y, same).item() == pytest.approx(p * (1 - q) + q * (1 - p), abs=2e-3)
    loss, distance = energy_distance(x, y, x, y, labels, labels)
    assert distance.item() == pytest.approx(2 * (p - q) ** 2, abs=5e-3)
    assert loss.item() == pytest.approx(p * (1 - q) + q * (1 - p) - 2 * p * (1 - p), abs=5e-3)
    assert energy_distance(y, y, y, y, labels, labels)[1].item() == pytest.approx(0, abs=1e-5)


def test_half_precision_around_it_changes_nothing():
    """Pictures that hardly differ: their squares are large, and the differences between them small."""
    x = 0.95 + 0.02 * pictures(32, 3, 4, 4).flatten(1)
    others, same = x.roll(1, 0) + 0.05, torch.ones(32, 32, dtype=torch.bool)
    apart = torch.cdist(x.double(), others.double()).mean().item() / 48**0.5
    with torch.autocast("cpu", torch.bfloat16):
        assert mean_distances(x, others, same).item() == pytest.approx(apart, rel=1e-3)


def test_classes_are_compared_with_their_own():
    """Two classes whose colours are exchanged look alike together, and are as far apart as can be one by one."""
    x, labels = spots(0.5, 100), (torch.arange(100) < 50).long()
    swapped = 1 - x
    everything = torch.zeros(100)
    assert energy_distance(x, swapped, x, swapped, everything, everything)[1].item() == pytest.approx(0, abs=1e-2)
    assert energy_distance(x, swapped, x, swapped, labels, labels)[1].item() == pytest.approx(2, abs=1e-2)
    assert mean_distances(x[:2], x, torch.zeros(2, 100, dtype=torch.bool)).item() == 0  # a class not seen before


def test_descent_brings_each_colour_as_often_as_it_comes():
    """128 grey pictures become the data's: a quarter black, three quarters white."""
    seen = torch.arange(128) % 4 < 3
    real = torch.where(seen, 1.0, -1.0)[:, None, None, None].expand(128, 1, 8, 8)
    made = torch.nn.Parameter(pictures(128, 1, 8, 8) * 0.3)
    energy, optimiser = ColourEnergy(), torch.optim.Adam([made], lr=0.05)
    distances = []
    for _ in range(400):
        loss, distance = energy(made, real, None)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        distances.append(distance.item())
    shades = made.detach().mean((1, 2, 3))
    assert (shades > 0.8).float().mean().item() == pytest.approx(0.75, abs=0.05)
    assert (shades < -0.8).float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert distances[0] == 0 and max(distances) > 1 and distances[-1] < 0.2


def test_what_is_remembered_is_bounded_and_part_of_the_state():
    energy = ColourEnergy()
    for turn in range(MOST // 500 + 2):
        found = energy(pictures(500, 3, 8, 8).requires_grad_(), -pictures(500, 3, 8, 8), torch.arange(500) % 7)
        assert bool(found[1]) == (500 * turn >= LEAST)
        assert found[0].requires_grad
    assert len(energy.real) == len(energy.made) == len(energy.labels) == MOST
    assert not energy.made.requires_grad and energy.real.shape[1] == 48
    again = ColourEnergy()
    again.load_state_dict(energy.state_dict(), strict=True)
    some = pictures(9, 3, 8, 8), -pictures(9, 3, 8, 8), torch.arange(9) % 7
    assert again(*some)[0] == energy(*some)[0]


def test_hidden_colours_do_not_count():
    """What lies under full transparency is not seen, and alpha is."""
    clear = torch.cat([pictures(2, 3, 8, 8), torch.full((2, 1, 8, 8), -1.0)], 1)
    assert torch.equal(shrink(clear)[:, :48], torch.ones(2, 48)) and shrink(clear).shape == (2, 64)
    solid = torch.cat([clear[:, :3], torch.ones(2, 1, 8, 8)], 1)
    assert shrink(solid)[:, :48].sub(shrink(solid[:, :3])).abs().max() < 1e-6
    assert (shrink(solid)[:, 48:] == 1).all()


def test_an_objective_with_it(monkeypatch):
    """It joins the generator's loss by its weight, is not published, and 0 is off."""
    monkeypatch.setattr(_colours, "LEAST", 4)
    model = get_architecture("conditional-gan").tiny()
    model = type(model)(type(model).Config.from_dict(model.config.to_dict() | {"image_size": 16})).train()
    config = ProjectedObjective.Config.from_dict({"width": 8, "augment": "", "colour_weight": 3.0})
    objective = ProjectedObjective(model, config)
    objective.discriminator.eval()  # the spectral norms stand still
    labels = torch.arange(4) % model.config.num_classes
    batch = Batch(pictures(4, model.config.channels, 16, 16), labels, torch.arange(4))
    before = objective.generator_loss(batch)
    after = objective.generator_loss(batch)
    assert before["colour_distance"] == 0 and after["colour_distance"].isfinite()
    made, real = (shrink(x) for x in (model.make(batch.seeds, labels), batch.images))
    added = 3 * energy_distance(made, real, made, real, labels, labels)[0]
    assert (after["loss"] - before["loss"]).item() == pytest.approx(added.item(), abs=1e-4)
    assert all(name.startswith(objective.transient) for name in objective.state_dict() if "colours" in name)
    assert ProjectedObjective(model, ProjectedObjective.Config(width=8)).colours is None
    with pytest.raises(ConfigError, match="colour_weight must be 0"):
        ProjectedObjective.Config(colour_weight=-1.0)


# ---- in a run


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Ten steps of 8 pictures, of which the later ones have a memory to compare with."""
    monkeypatch.setattr(_colours, "LEAST", 16)
    model = get_architecture("dcgan").tiny().config.to_dict() | {"image_size": 16}
    model.pop("class_names")
    shades = (pictures(40, model["channels"], 16, 16).permute(0, 2, 3, 1) * 127.5 + 127.5).byte().numpy()
    np.savez(tmp_path / "pictures.npz", x=shades)
    return {
        "model": {"architecture": "dcgan", **model},
        "objective": {"name": "projected", "width": 8, "colour_weight": 1.0},
        "train": {"images": 80, "batch_size": 8, "log_every": 40, "checkpoint_every": 40, "grid_every": 10_000},
        "data": {"path": str(tmp_path / "pictures.npz"), "images": "x"},
    }


def whole_and_in_parts(recipe: dict, tmp_path: Path) -> tuple[Trainer, Trainer]:
    """The same run twice, once stopped after five steps and taken up by another trainer."""
    whole, first = (Trainer(make_recipe(recipe), tmp_path / out, quiet=True) for out in ("whole", "parts"))
    whole.run()
    for _ in range(5):
        first._step()
    first.save()
    second = Trainer(make_recipe(recipe), tmp_path / "parts", quiet=True)
    second.run()
    return whole, second


def test_a_run_goes_on_bit_for_bit(recipe, tmp_path):
    whole, second = whole_and_in_parts(recipe, tmp_path)
    for part in ("model", "objective"):
        ours, theirs = getattr(whole, part).state_dict(), getattr(second, part).state_dict()
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert len(second.objective.colours.real) == 80


def test_a_broken_step_is_taken_back(recipe, tmp_path, monkeypatch):
    """Another process dies in a step: what the step changed is not saved, also a memory that it replaced."""
    run = Trainer(make_recipe(recipe), tmp_path / "run", quiet=True)
    run._step()

    def dies() -> None:
        run.objective.colours.real = torch.zeros(99, 48)
        raise ProcessDied("gone")

    monkeypatch.setattr(run, "_step", dies)
    run.world = 2
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(ProcessDied, match="go on from the checkpoint"):
            run._whole_step()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(load_checkpoint(tmp_path / "run/checkpoints")["objective"]["colours.real"]) == 8
