"""Progressive GAN: the schedule of the growth, the fade-in, and a run that stops half-way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganhub import AutoModel
from ganhub.errors import ConfigError
from ganhub.hub.folder import read_tensors
from ganhub.models import get_architecture
from ganhub.models.progressive_gan import (
    Critic,
    ProgressiveConfig,
    ProgressiveGAN,
    ProgressiveGANConfig,
    ProgressiveObjective,
)
from ganhub.objectives import Batch
from ganhub.trainer import Trainer, make_recipe

CONFIG = ProgressiveGANConfig(image_size=16, channels=1, latent_dim=8, channel_base=64, max_channels=8,
                              stable_images=40, fade_images=80)  # fmt: skip
STARTS = {0: 0, 1: 40, 2: 160}  # where each level of CONFIG begins


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, atol=1e-5)


def test_the_schedule_of_the_paper():
    paper = ProgressiveGANConfig(image_size=1024, channel_base=16_384, max_channels=512, stable_images=800_000,
                                 fade_images=800_000)  # fmt: skip
    assert paper.sizes == (4, 8, 16, 32, 64, 128, 256, 512, 1024)
    assert paper.widths == (512, 512, 512, 512, 256, 128, 64, 32, 16)  # table 2
    assert paper.growth(0) == paper.growth(799_999) == (0, 1.0)
    assert paper.growth(800_000) == (1, 0.0) and paper.growth(1_000_000) == (1, 0.25)
    assert paper.growth(1_600_000) == paper.growth(2_399_999) == (1, 1.0)
    assert paper.grown_at == 12_800_000  # eight doublings of 1.6 M pictures
    assert paper.growth(paper.grown_at - 1) == (8, pytest.approx(1, abs=1e-5)) and paper.growth(10**9) == (8, 1.0)
    at_once = replace(CONFIG, fade_images=0)
    assert [at_once.growth(n) for n in (39, 40, 79, 80)] == [(0, 1.0), (1, 1.0), (1, 1.0), (2, 1.0)]
    assert replace(CONFIG, image_size=28).sizes == (7, 14, 28)


def test_real_pictures_shrink_and_fade_like_the_made_ones():
    x = torch.rand(2, 1, 16, 16)
    assert close(CONFIG.shown(x, 0), x.reshape(2, 1, 4, 4, 4, 4).mean((3, 5)))
    assert torch.equal(CONFIG.shown(x, CONFIG.grown_at), x)
    half = CONFIG.shown(x, 80)  # level 1, alpha 1/2
    fine = x.reshape(2, 1, 8, 2, 8, 2).mean((3, 5))
    coarse = x.reshape(2, 1, 4, 4, 4, 4).mean((3, 5)).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert close(half, (fine + coarse) / 2)


@pytest.mark.parametrize("level", [1, 2])
def test_a_new_level_begins_as_the_one_below(level):
    """At alpha 0 both players compute what they computed before they grew; at alpha 1 the old path is gone."""
    model, critic = ProgressiveGAN(CONFIG), Critic(CONFIG)
    z, x = torch.randn(4, 8), torch.randn(4, 1, CONFIG.sizes[level], CONFIG.sizes[level])

    def at(images_seen):
        model.grow_to(images_seen), critic.grow_to(images_seen)
        assert model.generator.growth == critic.growth == CONFIG.growth(images_seen)

    at(STARTS[level] - 1)
    small, verdict = model.generator(z), critic(F.avg_pool2d(x, 2))
    assert small.shape[-1] == CONFIG.sizes[level - 1], "a small stage runs at its small size"
    at(STARTS[level])
    assert close(model.generator(z), F.interpolate(small, scale_factor=2)) and close(critic(x), verdict)
    at(STARTS[level] + 40)
    half = model.generator(z)
    assert not close(half, F.interpolate(small, scale_factor=2)) and not close(critic(x), verdict)
    at(STARTS[level] + 80)
    full = model.generator(z)
    assert close(half, (full + F.interpolate(small, scale_factor=2)) / 2)


def test_latents_lie_on_a_sphere_and_truncation_goes_inside():
    model = ProgressiveGAN(CONFIG).eval()
    z = torch.randn(3, 8)
    assert close(model(z), model(3 * z))
    torch.nn.init.normal_(model.generator.dense.bias)
    spread = [model.sample(8, truncation=t).std(0).mean() for t in (0.0, 0.5, 1.0)]
    assert spread[0] < 1e-6 < spread[1] < spread[2]


def test_a_half_grown_model_is_saved_as_what_it_is(tmp_path):
    model = ProgressiveGAN(CONFIG).eval()
    model.grow_to(100)
    model.save_pretrained(tmp_path / "m", dtype=torch.float16)
    assert read_tensors(tmp_path / "m")["generator.images_seen"].item() == 100
    again = AutoModel.from_pretrained(tmp_path / "m")
    pictures = again.sample(3)
    assert pictures.shape == (3, 1, 16, 16) and (pictures - model.sample(3)).abs().max() < 0.02
    assert torch.equal(pictures, F.interpolate(pictures[:, :, ::2, ::2], scale_factor=2)), "8 x 8, twice enlarged"
    assert again.adversary().growth == (1, 0.75)
    assert ProgressiveGAN(CONFIG).generator.growth == (2, 1.0), "a new model is fully grown"


def objective(**fields: object) -> ProgressiveObjective:
    torch.manual_seed(0)
    return ProgressiveObjective(ProgressiveGAN(CONFIG), ProgressiveConfig(**fields))


def test_the_loss_is_the_paper_s():
    batch = Batch(torch.rand(4, 1, 16, 16) * 2 - 1, None, torch.arange(4))
    losses = {}
    for drift in (0.0, 0.5):
        game = objective(drift=drift)
        game.at(130)
        losses[drift] = game.critic_loss(batch)
    plain = losses[0.0]
    assert plain["loss"].item() == pytest.approx((10 * plain["penalty"] - plain["distance"]).item(), rel=1e-5)
    scores = game.critic(CONFIG.shown(batch.images, 130))
    assert (losses[0.5]["loss"] - plain["loss"]).item() == pytest.approx(0.5 * scores.square().mean().item(), rel=1e-4)
    assert game.generator_loss(batch)["loss"].item() == pytest.approx(
        -game.critic(game.model.make(batch.seeds)).mean().item(), rel=1e-4
    )
    assert [phase.repeat for phase in game.phases()] == [1, 1]


def test_growth_follows_the_run_unless_told_not_to():
    game = objective()
    game.at(0)
    assert game.model.make([0, 1]).shape == (2, 1, 4, 4) and game.critic.growth == (0, 1.0)
    game.at(10**12)
    assert game.model.make([0, 1]).shape == (2, 1, 16, 16)
    still = objective(grow=False)
    still.at(0)
    assert still.model.generator.growth == still.critic.growth == (2, 1.0)


def trainer(folder: Path, out: Path) -> Trainer:
    data = folder / "x.npz"
    np.savez(data, x=np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1), dtype=np.uint8))
    model = {k: v for k, v in CONFIG.to_dict().items() if k != "class_names"}
    settings = {"images": 320, "batch_size": 8, "watch": False}
    tables = {"model": {"architecture": "progressive-gan", **model}, "train": settings}
    return Trainer(make_recipe({**tables, "data": {"path": str(data), "images": "x"}}), out, quiet=True)


def run_to(run: Trainer, images: int) -> Trainer:
    while run.images_seen < images:
        run._step()
    return run


def test_resume_is_exact_at_any_point_of_the_growth(tmp_path):
    def same(a, b):
        a, b = a.state_dict(), b.state_dict()
        return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)

    whole = trainer(tmp_path, tmp_path / "whole")
    untouched = {k: v.clone() for k, v in whole.model.generator.levels[2].state_dict().items()}
    run_to(whole, 160)
    assert all(torch.equal(v, untouched[k]) for k, v in whole.model.generator.levels[2].state_dict().items())
    assert not whole.optimizers["generator"].state[whole.model.generator.levels[2][0].weight], "no moments yet"
    run_to(whole, 320)
    for stop in (24, 72, 168, 200):  # level 0, a fade, the start of the next, its middle
        parts = run_to(trainer(tmp_path, tmp_path / f"parts{stop}"), stop)
        assert parts.ema.module.generator.images_seen == parts.model.generator.images_seen == stop - 8
        parts.save()
        rest = trainer(tmp_path, parts.out)
        rest._resume()
        run_to(rest, 320)
        assert same(whole.model, rest.model) and same(whole.objective, rest.objective)
        assert same(whole.ema.module, rest.ema.module)
    assert rest.model.generator.growth == (2, 1.0)


def test_mistakes_are_named():
    tiny = ProgressiveGAN.tiny()
    with pytest.raises(ConfigError, match="give each picture a label"):
        tiny(torch.randn(1, 8))
    with pytest.raises(ConfigError, match="4, 8, 16 pixels a side, not 12 x 12"):
        Critic(CONFIG)(torch.zeros(1, 1, 12, 12))
    with pytest.raises(ConfigError, match="take 32 or 40"):
        ProgressiveGANConfig(image_size=36)
    with pytest.raises(ConfigError, match="channel_base must be from image_size"):
        ProgressiveGANConfig(image_size=64, channel_base=32)
    with pytest.raises(ConfigError, match="trains a progressive-gan"):
        ProgressiveObjective(get_architecture("dcgan").tiny(), ProgressiveConfig())
