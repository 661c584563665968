"""Every latent generator is called alike: forward(z, label=None, noise=None)."""

from __future__ import annotations

import inspect

import pytest
import torch

from ganhub.models import LatentGenerator, get_architecture, list_architectures

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
