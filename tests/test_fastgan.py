"""FastGAN: skip-layer excitation, noise, and the discriminator that redraws what it sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganhub.errors import ConfigError
from ganhub.images import on_white
from ganhub.models import get_architecture
from ganhub.models.fastgan import (
    Discriminator,
    FastGAN,
    FastGANConfig,
    FastGANObjective,
    FastGANObjectiveConfig,
    SkipExcitation,
    _crop,
    _gated,
)
from ganhub.objectives import Batch
from ganhub.trainer import Trainer, make_recipe


def config(size: int = 32, **fields: object) -> FastGANConfig:
    return FastGANConfig(image_size=size, latent_dim=8, channel_base=128, max_channels=8,
                         discriminator_channel_base=128, discriminator_max_channels=8, **fields)  # fmt: skip


def test_the_gated_unit_is_torch_s():
    x = torch.randn(2, 6, 5, 5, requires_grad=True)
    (slope,) = torch.autograd.grad(_gated(x).square().sum(), x)
    (expected,) = torch.autograd.grad(F.glu(x, dim=1).square().sum(), x)
    assert torch.allclose(_gated(x), F.glu(x, dim=1)) and torch.allclose(slope, expected, atol=1e-6)


def test_skip_excitation_opens_and_shuts_whole_channels():
    skip = SkipExcitation(3, 5)
    small, large = torch.randn(2, 3, 7, 7, requires_grad=True), torch.rand(2, 5, 20, 20) + 1
    gates = skip(small, large) / large
    assert torch.allclose(gates, gates[:, :, :1, :1].expand_as(gates)) and 0 < gates.min() < gates.max() < 1
    assert torch.autograd.grad(gates.sum(), small)[0].abs().sum() > 0
    torch.nn.init.constant_(skip.gate.bias, 100)
    assert torch.allclose(skip(small, large), large)


@pytest.mark.parametrize("size, skips", [(32, 1), (40, 1), (64, 1), (128, 2), (256, 3)])
def test_sizes_and_the_span_of_the_skips(size, skips):
    """From 64 pixels on a skip spans four doublings, as the paper's 8 -> 128 does."""
    model = FastGAN(config(size)).eval()
    assert model.sample(1).shape == (1, 3, size, size) and len(model.generator.skips) == skips
    regions, fine, coarse = Discriminator(model.config).judge(torch.zeros(2, 3, size, size))
    base = model.config.sizes[0]
    assert fine.shape[-1] == 4 * base and coarse.shape[-1] == 2 * base
    assert regions.shape == (2, 2 * base - 3, 2 * base - 3)


def test_noise_belongs_to_the_seed_and_starts_silent():
    model = FastGAN(config()).eval()
    z = model.latent(range(4))
    assert model.noise_dim == 8**2 + 16**2 + 32**2
    assert torch.equal(model(z, None, model.noise(range(4))), model(z)), "the strengths start from zero"
    for block in model.generator.blocks:
        torch.nn.init.ones_(block.strength)
    assert not torch.allclose(model(z, None, model.noise(range(4))), model(z), atol=1e-3)
    whole = model.sample(4, seed=3)
    assert torch.allclose(whole[2:], model.sample(2, seed=5), atol=1e-5)
    assert torch.allclose(model.make(range(3, 7)).detach(), whole, atol=1e-5)


def objective(channels: int = 3, **fields: object) -> FastGANObjective:
    torch.manual_seed(0)
    return FastGANObjective(FastGAN(config(channels=channels)), FastGANObjectiveConfig(**fields))


def batch(channels: int = 3, n: int = 4) -> Batch:
    smooth = F.interpolate(torch.rand(n, channels, 4, 4) * 2 - 1, size=32, mode="bilinear")
    return Batch(smooth, None, torch.arange(n))


def test_the_game_is_a_hinge_over_regions():
    game, pictures = objective(augment="", reconstruction=0.0), batch()
    game.discriminator.eval(), game.model.eval()
    real = game.discriminator.judge(pictures.images)[0]
    fake = game.discriminator.judge(game.model.make(pictures.seeds))[0]
    expected = (1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean()
    assert torch.allclose(game.discriminator_loss(pictures)["loss"], expected, atol=1e-6)
    assert torch.allclose(game.generator_loss(pictures)["loss"], -fake.mean(), atol=1e-6)


def test_features_and_pictures_are_cropped_at_the_same_place():
    images = torch.rand(3, 2, 32, 32)
    features = F.avg_pool2d(images, 2)
    places = [(0, 0), (8, 3), (5, 8)]
    cropped = _crop(images, [(2 * y, 2 * x) for y, x in places], 16)
    assert torch.allclose(_crop(features, places, 8), F.avg_pool2d(cropped, 2))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_discriminator_learns_to_redraw(channels):
    game, pictures = objective(channels, augment=""), batch(channels)
    assert game._distance(pictures.images, pictures.images).item() == pytest.approx(0, abs=1e-6)
    assert not any("judges" in name for name in game.state_dict()), "the frozen network stays out of the checkpoint"
    parameters = [p for network in game.players()["discriminator"] for p in network.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    errors = []
    for _ in range(25):
        numbers = game.discriminator_loss(pictures)
        optimizer.zero_grad()
        (numbers["loss"]).backward()
        optimizer.step()
        errors.append(numbers["reconstruction"].item())
    assert all(p.grad is not None for p in parameters)
    assert errors[-1] < 0.75 * errors[0]


def test_a_transparent_picture_is_judged_on_white():
    rgba = torch.tensor([0.5, -0.5, 0.0, -1.0]).view(1, 4, 1, 1)
    assert torch.equal(on_white(rgba), torch.ones(1, 3, 1, 1))
    rgba[:, 3] = 1
    assert torch.equal(on_white(rgba), rgba[:, :3])


@pytest.mark.parametrize("name", ["fastgan", "adversarial", "projected"])
def test_it_trains_with_its_own_and_with_shared_objectives(name, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x)
    fields = {k: v for k, v in config().to_dict().items() if k != "class_names"}
    tables = {
        "model": {"architecture": "fastgan", **fields}, "objective": {"name": name},
        "train": {"images": 16, "batch_size": 8, "watch": False}, "data": {"path": str(tmp_path / "x.npz")},
    }  # fmt: skip
    run = Trainer(make_recipe(tables), tmp_path / "run", quiet=True)
    before = run.model.generator.to_image.weight.detach().clone()
    for _ in range(2):
        assert all(value.isfinite() for value in run._step().values())
    assert not torch.equal(before, run.model.generator.to_image.weight)


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="32 pixels or more, not 16"):
        config(16)
    with pytest.raises(ConfigError, match="knows no classes"):
        config(num_classes=3)
    with pytest.raises(ConfigError, match='"projected" trains any model'):
        FastGANObjective(get_architecture("dcgan").tiny(), FastGANObjectiveConfig())
