"""The contract that every registered objective keeps, with every family that trains by it. A new one is tested by being
there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganhub import list_architectures
from ganhub.models import LatentGenerator, Model, get_architecture
from ganhub.nn.random import uniform
from ganhub.objectives import BaseObjective, Batch, get_objective

FAMILIES = [get_architecture(name) for name in list_architectures()]
N = 4


def named(cls: type[BaseObjective] = BaseObjective) -> set[str]:
    """Names of all objectives of the package."""
    children = [child for child in cls.__subclasses__() if child.__module__.startswith("ganhub.")]
    return {child.name for child in children if child.name}.union(*map(named, children))


def families(name: str) -> list[type[Model]]:
    """Who trains by an objective: by default, or as it stands in the same file; a DCGAN where it is for any."""
    module = get_objective(name).__module__
    mine = [cls for cls in FAMILIES if cls.default_objective == name or cls.__module__ == module]
    return mine or [get_architecture("dcgan")]


PAIRS = [(name, cls) for name in sorted(named()) for cls in families(name)]
every = pytest.mark.parametrize(("name", "cls"), PAIRS, ids=lambda x: x if isinstance(x, str) else x.architecture)


def built(name: str, cls: type[Model]) -> BaseObjective:
    torch.manual_seed(0)
    objective = get_objective(name)(cls.tiny().train(), get_objective(name).Config())
    objective.check(*side(objective.model), paired=True, count=N)
    objective.at(10**9)  # whatever begins late or grows has done so
    return objective.train()


def side(model: Model) -> tuple[int, int]:
    return model.config.size if isinstance(model, LatentGenerator) else (64, 64)


def batch_for(model: Model) -> Batch:
    """Pictures with a partner each; labels where there are classes, or styles by name."""
    seeds, channels = torch.arange(N), getattr(model.config, "channels", 3)
    classes = getattr(model.config, "num_classes", 0)
    styles = len(getattr(model.config, "style_names", ()))

    def pictures(stream: int) -> Tensor:
        height, width = side(model)
        return uniform(seeds, channels, height, width, stream=stream) * 2 - 1

    labels = seeds % classes if classes else None
    other = Batch(pictures(2), seeds % styles if styles else labels, seeds)
    return Batch(pictures(1), labels, seeds, other)


def gradients(networks: list[nn.Module]) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for network in networks for p in network.parameters())


@every
def test_every_phase_moves_its_own_player_and_no_other(name: str, cls: type[Model]) -> None:
    objective = built(name, cls)
    players, batch = objective.players(), batch_for(objective.model)
    assert {phase.player for phase in objective.phases()} <= set(players)
    for phase in objective.phases():
        for player, networks in players.items():
            for network in networks:
                network.zero_grad(set_to_none=True)
                network.requires_grad_(player == phase.player)
        numbers = phase.loss(batch)
        assert all(value.numel() == 1 and bool(value.isfinite()) for value in numbers.values()), phase.player
        numbers["loss"].backward()
        assert {player for player, networks in players.items() if gradients(networks)} == {phase.player}


@every
def test_the_adversaries_alone_are_its_state(name: str, cls: type[Model]) -> None:
    objective = built(name, cls)
    model = {id(p) for p in objective.model.parameters()}
    assert not any(id(p) in model for p in objective.parameters())
    trained = {id(p) for networks in objective.players().values() for net in networks for p in net.parameters()}
    assert {id(p) for p in objective.parameters()} <= trained, "a frozen network in the state dict"
    again = get_objective(name)(cls.tiny().train(), objective.config)
    again.load_state_dict(objective.state_dict(), strict=True)


@every
def test_its_settings_are_a_config_of_its_own(name: str, cls: type[Model]) -> None:
    config = get_objective(name).Config
    assert config.from_dict(config().to_dict()) == config()
    assert get_objective(name).__doc__
