"""Every latent generator is called alike: forward(z, label=None, noise=None)."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor

from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator, get_architecture, list_architectures
from ganhub.models._style import MappedConfig, MappedGenerator, Mapping

FAMILIES = [name for name in list_architectures() if issubclass(get_architecture(name), LatentGenerator)]


@pytest.mark.parametrize("name", FAMILIES)
def test_forward_takes_z_label_and_noise(name):
    parameters = inspect.signature(get_architecture(name).forward).parameters
    assert list(parameters) == ["self", "z", "label", "noise"]
    assert parameters["label"].default is None and parameters["noise"].default is None


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_forward_gives_the_pictures_of_sample(name):
    model = get_architecture(name).tiny().eval()
    seeds = range(5, 8)
    label = model.labels(3, None, 5)
    pictures = model(model.latent(seeds), label, model.noise(seeds))
    torch.testing.assert_close(pictures.clamp(-1, 1), model.sample(3, seed=5))
    first = model(model.latent(seeds), label)
    torch.testing.assert_close(first, model(model.latent(seeds), label, model.noise([0, 0, 0])))


class Plain(MappedGenerator):
    """A mapped generator in a few lines: the picture is what two layers paint, and two noise maps."""

    Config = MappedConfig
    layers = 2

    def __init__(self, config: MappedConfig) -> None:
        super().__init__(config)
        self.paint = torch.nn.Linear(config.style_dim, 3)
        self.noise_shapes = [(2, 3), (4, 4)]

    def synthesise(self, w: Tensor, noise: Tensor) -> Tensor:
        small, large = self.noise_maps(noise)
        assert small.shape[1:] == (1, 2, 3)
        return self.paint(w.mean(1))[:, :, None, None] + large + small.mean((2, 3), keepdim=True)


def test_the_mapping_rate_changes_how_fast_the_network_learns_and_not_what_it_starts_as():
    """One step of SGD: the weights' share of the result moves by the square of the rate."""
    moved = {}
    for rate in (0.01, 1.0):
        torch.manual_seed(0)
        mapping = Mapping(MappedConfig(image_size=4, latent_dim=6, style_dim=5, mapping_layers=2, mapping_rate=rate))
        z = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
        before = mapping(z, None)
        before.sum().backward()
        with torch.no_grad():
            for p in mapping.parameters():
                p -= 1e-3 * p.grad
        moved[rate] = before.detach(), (mapping(z, None) - before).abs().mean().item()
    torch.testing.assert_close(moved[0.01][0], moved[1.0][0], atol=1e-5, rtol=1e-5)
    assert moved[1.0][1] == pytest.approx(1e4 * moved[0.01][1], rel=0.05)
    with pytest.raises(ConfigError, match="mapping_rate must be from"):
        MappedConfig(mapping_rate=2.0)


def test_a_new_style_family_gets_mapping_mixing_noise_and_the_mean_of_w():
    config = MappedConfig(image_size=4, latent_dim=6, style_dim=5, mapping_layers=2, num_classes=2, mixing=1.0)
    model = Plain(config)
    assert model.noise_dim == 22 and model.style_mean.shape == (2, 5)
    label = torch.tensor([0, 1, 1])
    mixed = model.train().make([7, 8, 9], label)
    assert model.style_mean.abs().sum() > 0
    plain = model.eval().make([7, 8, 9], label)
    assert mixed.shape == plain.shape == (3, 3, 4, 4) and not torch.allclose(mixed, plain)
    torch.testing.assert_close(plain.clamp(-1, 1), model.sample(3, label=label, seed=7))
