"""Perceptual path length against the derivative that it approximates."""

from __future__ import annotations

import pytest
import torch

from ganhub.errors import ConfigError, MetricError
from ganhub.metrics import compare, path_length
from ganhub.metrics.path_length import PLACE_STREAM
from ganhub.models import get_architecture
from ganhub.nn.features import feature_network
from ganhub.nn.random import uniform
from tests.latent_toy import Toy, toy


def speed(model: Toy, space: str, seed: int) -> float:
    """Mean squared speed of the unit features on the way from seed to seed + 1, by central differences in float64."""
    network = feature_network("vgg-lite").double()
    model = model.double()
    noise = model.noise([seed]).double()
    label = None if not model.config.num_classes else torch.tensor([seed // 2 % model.config.num_classes])
    ends = [model.latent([s]).double() for s in (seed, seed + 1)]
    if space == "w":
        ends = [model.map(z, label) for z in ends]

    def features(t: torch.Tensor) -> list[torch.Tensor]:
        if space == "z":  # White's formula, written anew
            unit = [z / z.norm() for z in ends]
            omega = torch.arccos((unit[0] * unit[1]).sum())
            arc = torch.sin((1 - t) * omega) * unit[0] + torch.sin(t * omega) * unit[1]
            radius = (1 - t) * ends[0].norm() + t * ends[1].norm()
            w = model.map(arc / torch.sin(omega) * radius, label)
        else:
            w = (1 - t) * ends[0] + t * ends[1]
        maps = network(model.synthesise(model.per_layer(w), noise), network.layers)
        return [x / x.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10) for x in maps.values()]

    t, h = uniform([seed], stream=PLACE_STREAM)[0].double(), 1e-6
    with torch.no_grad():
        changes = [(after - before) / (2 * h) for after, before in zip(features(t + h), features(t - h), strict=True)]
    return torch.stack([change.square().sum(1).mean() for change in changes]).mean().item()


@pytest.mark.parametrize("space", ["z", "w"])
def test_it_is_the_squared_speed_of_the_features(space):
    model = toy(num_classes=3)
    found = path_length(model, space=space, n=6, seed=0)
    expected = [speed(model, space, 2 * i) for i in range(6)]
    expected = torch.tensor(expected)
    assert found.value == pytest.approx(float(expected.mean()), rel=0.02)
    assert found.error == pytest.approx(float(expected.std()) / 6**0.5, rel=0.05)


def test_a_generator_that_ignores_its_latent_has_none():
    model = toy()
    with torch.no_grad():
        model.waves.zero_()
    assert path_length(model, n=4).value == 0


def test_the_result_says_how_it_was_measured():
    stylegan = get_architecture("stylegan2").tiny().eval()
    z, w = (path_length(stylegan, space=space, n=3) for space in "zw")
    assert z.name == "path_length_z" and w.name == "path_length_w" and w.better == "lower"
    assert w.protocol.made == 6 and "straight lines between w, epsilon 0.0001" in w.protocol.settings
    assert len(w.protocol.weights) == 12 and "float32" in str(w)
    assert path_length(stylegan, space="w", n=3).value == w.value
    with pytest.raises(MetricError, match="cannot be compared"):
        compare(z, w)


def test_bfloat16_is_kept_out():
    """Where the model would choose it by itself, or autocast is on: the rounding would be thousands of times larger."""
    stylegan = get_architecture("stylegan2").tiny().eval()
    expected = path_length(stylegan.double().float(), n=3).value
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert path_length(stylegan, n=3).value == pytest.approx(expected, rel=1e-3)


def test_plain_models_rgba_and_sentences():
    for model in (get_architecture("dcgan").tiny().eval(), toy(channels=4), toy(channels=1)):
        assert path_length(model, n=2).value > 0
    conditional = toy(num_classes=2)
    assert "class 1" in path_length(conditional, n=2, label=1).protocol.settings
    with pytest.raises(ConfigError, match="no class '7'"):
        path_length(conditional, n=2, label=7)
    for model, arguments, says in (
        (get_architecture("dcgan").tiny(), {"space": "w"}, "dcgan has no space 'w'"),
        (toy(), {"space": "w+"}, "Choose: z, w"),
        (toy(), {"n": 1}, "2 to"),
        (toy().to(torch.bfloat16), {"n": 2}, "float32"),
        (toy(), {"network": "vgg"}, "no perceptual network"),
    ):
        with pytest.raises(MetricError, match=says):
            path_length(model, **arguments)
