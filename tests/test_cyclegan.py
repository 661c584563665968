"""CycleGAN: losses against plain arithmetic, the pool, and a run that is stopped, resumed and published both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from ganhub import AutoModel
from ganhub.errors import ConfigError
from ganhub.images import save_image
from ganhub.models import get_architecture
from ganhub.models.cyclegan import CycleGAN, CycleObjective, ImagePool
from ganhub.nn.random import uniform
from ganhub.objectives import Batch
from ganhub.trainer import Trainer, make_recipe


def pictures(*seeds: int) -> torch.Tensor:
    return F.interpolate(uniform(list(seeds), 3, 6, 6) * 2 - 1, (32, 32), mode="bilinear", align_corners=False)


def test_losses_are_the_paper_s():
    torch.manual_seed(0)
    settings = {"cycle_weight": 4.0, "identity_weight": 0.25, "pool": 0}
    objective = CycleObjective(CycleGAN.tiny(), CycleObjective.Config(**settings))
    x, y = pictures(1, 2), pictures(3, 4)
    batch = Batch(x, None, torch.arange(2), Batch(y, None, torch.arange(2)))
    there, back = objective.model, objective.reverse
    l1 = torch.nn.L1Loss()
    fooled = (objective.there(there(x)) - 1).square().mean() + (objective.back(back(y)) - 1).square().mean()
    cycle, same = l1(back(there(x)), x) + l1(there(back(y)), y), l1(there(y), y) + l1(back(x), x)
    wanted = (fooled + 4 * cycle + 4 * 0.25 * same).item()
    assert objective.generator_loss(batch)["loss"].item() == pytest.approx(wanted, rel=1e-4)
    wanted = sum(
        (judge(real) - 1).square().mean() / 2 + judge(made).square().mean() / 2
        for judge, real, made in ((objective.there, y, there(x)), (objective.back, x, back(y)))
    ).item()
    assert objective.discriminator_loss(batch)["loss"].item() == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(ConfigError, match="data.other.path"):
        objective.generator_loss(Batch(x, None, batch.seeds))
    with pytest.raises(ConfigError, match='"cyclegan" alone'):
        CycleObjective(get_architecture("pix2pix").tiny(), CycleObjective.Config())


def test_a_pool_fills_then_gives_back_half_old_ones():
    pool = ImagePool(6)
    first = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 2, 2)
    assert torch.equal(pool(first, torch.arange(6)), first) and len(pool.pictures) == 6
    made = torch.arange(100.0, 140).view(40, 1, 1, 1).expand(40, 3, 2, 2)
    shown = pool(made, torch.arange(40))
    old = (shown != made).flatten(1).any(1)
    assert 10 < old.sum() < 30, "about half"
    values = [*shown[:, 0, 0, 0].tolist(), *pool.pictures[:, 0, 0, 0].tolist()]
    assert sorted(values) == sorted([*range(6), *range(100, 140)]), "each is shown once or waits"
    again = ImagePool(6)
    again.load_state_dict(pool.state_dict())
    assert torch.equal(again(made, torch.arange(40)), pool(made, torch.arange(40)))
    assert ImagePool(0)(made, torch.arange(40)) is made


@pytest.fixture
def recipe(tmp_path: Path) -> dict:
    for k in range(6):
        save_image(pictures(k), tmp_path / f"photos/{k}.png")
        save_image(-pictures(k + 20), tmp_path / f"paintings/{k}.png")
    return {
        "model": {"architecture": "cyclegan", "width": 4, "blocks": 1, "discriminator_width": 4},
        "objective": {"pool": 5},
        "train": {"images": 24, "batch_size": 2, "checkpoint_every": 8, "log_every": 8, "licence": "mit"},
        "data": {"path": str(tmp_path / "photos"), "size": 32, "other": {"path": str(tmp_path / "paintings")}},
    }


def test_it_resumes_bit_for_bit_and_publishes_both_directions(recipe, tmp_path):
    whole = Trainer(make_recipe(recipe), tmp_path / "whole", quiet=True)
    whole.run()
    short = {**recipe, "train": {**recipe["train"], "images": 16}}
    Trainer(make_recipe(short), tmp_path / "parts", quiet=True).run()
    resumed = Trainer(make_recipe(recipe), tmp_path / "parts", quiet=True)
    resumed.run()
    for first, second in ((whole.model, resumed.model), (whole.objective, resumed.objective)):
        pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert len(whole.objective.pools[0].pictures) == 5
    there, back = AutoModel.from_pretrained(tmp_path / "parts"), AutoModel.from_pretrained(tmp_path / "parts/reverse")
    assert isinstance(there, CycleGAN) and isinstance(back, CycleGAN)
    for name, tensor in resumed.ema.companions["reverse"].state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], tensor.half().float())
    now, average = resumed.objective.reverse.state_dict(), resumed.ema.companions["reverse"].state_dict()
    assert any(not torch.equal(now[name], average[name]) for name in now), "published is the moving average"
    kept = [whole.ema.state_dict(), resumed.ema.state_dict()]
    assert kept[0].keys() == kept[1].keys() and all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])
    made = back.translate(there.translate(pictures(9)))
    assert made.shape == (1, 3, 32, 32) and made.isfinite().all()
    published = load_file(tmp_path / "parts/training/model.safetensors")
    assert not any(name.startswith("pools") for name in published)
    further = {**recipe, "train": {**recipe["train"], "images": 2, "init": str(tmp_path / "parts")}}
    started = Trainer(make_recipe(further), tmp_path / "further", quiet=True)
    torch.testing.assert_close(started.objective.there.layers[0].weight, published["there.layers.0.weight"].float())
