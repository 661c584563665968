"""A flow in place of the mapping network: what it computes, and that it is a mapping network like any other."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganhub import AutoModel
from ganhub.errors import ConfigError
from ganhub.models import get_architecture
from ganhub.nn.flow import FlowMapping, Velocity, follow


class Growth(Velocity):
    """dx/dt = x - t, of which the solution is (x0 - 1) e^t + t + 1."""

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None) -> Tensor:
        return x - time[:, None]


def tiny(num_classes: int = 2):
    torch.manual_seed(0)
    cls = get_architecture("stylegan2")
    model = cls(replace(cls.tiny().config, num_classes=num_classes, flow_steps=3))
    torch.nn.init.normal_(model.mapping.velocity.leave.weight, std=0.3)  # it starts from standing still
    return model.eval()


def test_a_way_is_the_solution_of_its_equation() -> None:
    x = torch.linspace(-2, 2, 6, dtype=torch.float64).view(3, 2)
    exact = (x - 1) * math.e + 2
    errors = [(follow(Growth(2, 0, 8, 1), x, None, steps) - exact).abs().max().item() for steps in (8, 16, 32)]
    assert errors[2] < 3e-3
    assert errors[0] / errors[1] == pytest.approx(4, abs=0.6) and errors[1] / errors[2] == pytest.approx(4, abs=0.4)


def test_a_flow_that_knows_nothing_leaves_noise_where_it_is() -> None:
    noise = torch.randn(5, 3)
    assert torch.equal(follow(Velocity(3, 2, 16, 2), noise, torch.zeros(5, dtype=torch.int64), 4), noise)


def test_the_velocity_hears_time_and_class() -> None:
    torch.manual_seed(0)
    velocity, x, label = Velocity(3, 2, 16, 2), torch.randn(2, 3), torch.tensor([0, 0])
    torch.nn.init.normal_(velocity.leave.weight)
    now = velocity(x, torch.tensor([0.2, 0.2]), label)
    assert not torch.allclose(now, velocity(x, torch.tensor([0.3, 0.2]), label)[[1, 0]][[1, 0]])
    assert torch.equal(now[1], velocity(x, torch.tensor([0.3, 0.2]), label)[1]), "each picture by itself"
    assert not torch.allclose(now, velocity(x, torch.tensor([0.2, 0.2]), 1 - label))


@pytest.mark.parametrize("num_classes", [0, 2])
def test_a_model_with_it_draws_saves_and_loads(num_classes: int, tmp_path: Path) -> None:
    model = tiny(num_classes)
    assert isinstance(model.mapping, FlowMapping)
    pictures = model.sample(4, seed=3)
    assert torch.allclose(model.sample(1, seed=5, label=1 if num_classes else None), pictures[2:3], atol=2e-3) or (
        num_classes and model.labels(4, seed=3)[2] != 1
    )
    assert not torch.allclose(pictures[0], pictures[2], atol=1e-3)
    model.save_pretrained(tmp_path / "model")
    again = AutoModel.from_pretrained(tmp_path / "model")
    assert again.config.flow_steps == 3 and torch.equal(again.sample(4, seed=3), pictures)
    if num_classes:
        with pytest.raises(ConfigError, match="give each"):
            model.map(model.latent([0]))


def test_gradients_reach_its_first_layer_and_truncation_its_mean() -> None:
    model = tiny()
    label = torch.tensor([0, 1])
    model.map(model.latent([0, 1]), label).sum().backward()
    assert model.mapping.velocity.enter.weight.grad.any() and model.mapping.arrive.weight.grad.any()
    model.style_mean.copy_(torch.randn_like(model.style_mean))
    assert torch.allclose(model.to_w(model.latent([0, 1]), label, truncation=0), model.style_mean)


def test_a_flow_of_too_many_steps_is_refused() -> None:
    cls = get_architecture("stylegan2")
    with pytest.raises(ConfigError, match="flow_steps"):
        replace(cls.tiny().config, flow_steps=65)
