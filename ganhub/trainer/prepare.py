"""From a recipe to a run that is ready for its first step: model, pictures, objective, optimisers, top to bottom."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ganhub.config import BaseConfig, nearest
from ganhub.data.pictures import Pictures, open_data
from ganhub.errors import ConfigError
from ganhub.models import Model, get_architecture
from ganhub.objectives import BaseObjective, get_objective
from ganhub.trainer.ema import EMA
from ganhub.trainer.identity import fingerprint
from ganhub.trainer.recipe import Recipe
from ganhub.trainer.report import hardware, load_adversary
from ganhub.trainer.state import RunState
from ganhub.trainer.statement import started_from

ANY_SIDE = 256  # pixels in which pictures are read for a model that takes any size, unless data.size says otherwise


def prepare(
    recipe: Recipe,
    device: torch.device,
    *,
    data: Pictures | None = None,
    processes: int = 1,
    bf16: bool = False,
    begins: bool = True,
    say: Callable[[str], None] = print,
) -> tuple[RunState, Pictures]:
    """Build everything that a recipe names.

    Args:
        device: Where model and objective go.
        data: Pictures to use instead of those that the recipe names.
        processes: That train together, for the record.
        bf16: Whether the run computes in bfloat16, for the record.
        begins: Whether no checkpoint will take the place of these weights: what starts untrained is said.
        say: Takes remarks on the pictures and on the start, a sentence each.

    Returns:
        The state before the first step, and the pictures.

    Raises:
        ConfigError, HubError: Something of the recipe does not fit, or ``train.init`` cannot be read.
        DataError: The pictures cannot be read.
    """
    train = recipe.train
    check_batch(train.batch_size, train.accumulate, processes)
    torch.manual_seed(train.seed % 2**64)

    say_of_start = say if begins else lambda text: None
    model = build_model(recipe, say_of_start)
    needs = model.needs(recipe.data.size or ANY_SIDE)
    data = data or open_data(recipe.data, **needs)
    for remark in data.remarks():
        say(remark)
    model.config = model.accept(data)
    model = model.to(device, memory_format=torch.channels_last).train()

    objective = _build_objective(recipe, model).to(device, memory_format=torch.channels_last)
    objective.check(needs["height"], needs["width"], data.paired, len(data) if data.unaltered else 0)
    if not (train.init and load_adversary(train.init, objective)) and begins:
        _start_from_scratch(objective, train.init, say)

    optimizers = {
        player: torch.optim.Adam(
            [parameter for network in networks for parameter in network.parameters()],
            lr=train.rate_of(player), betas=train.betas, fused=True,
        )
        for player, networks in objective.players().items()
    }  # fmt: skip
    state = RunState(
        model=model, objective=objective, ema=EMA(model, train.ema_half_life, objective.companions()),
        optimizers=optimizers, identity=partial(fingerprint, model, objective, train, data),
        record=_begin_record(device, processes, bf16, train.init),
    )  # fmt: skip
    return state, data


def _start_from_scratch(objective: BaseObjective, init: str, say: Callable[[str], None]) -> None:
    objective.start_from_scratch()
    if init:
        say(f"{init} holds no adversary that fits (training/): the adversary starts from scratch.")


def _begin_record(device: torch.device, processes: int, bf16: bool, init: str) -> dict[str, Any]:
    """What the card tells of a run beside its settings; it lies in the checkpoint and grows when the run goes on."""
    return {
        "id": uuid.uuid4().hex[:16],
        "hardware": [(f"{processes} x " if processes > 1 else "") + hardware(device)],
        "precision": ["bf16" if bf16 else "fp32"],
        "changes": [],
        "started_from": started_from(init),
    }


def build_model(recipe: Recipe, say: Callable[[str], None] = print) -> Model:
    """The model of the recipe, untrained or from ``train.init``; ``say`` takes what starts untrained there."""
    fields = dict(recipe.model)
    architecture = fields.pop("architecture", None)
    if not recipe.train.init:
        if architecture is None:
            raise ConfigError('The recipe\'s [model] needs an architecture, for example architecture = "dcgan".')
        model_class = get_architecture(architecture)
        return model_class.build(model_class.Config.from_dict(fields))
    model = Model.from_pretrained(recipe.train.init)
    if architecture not in (None, model.architecture):
        raise ConfigError(f"train.init holds a {model.architecture}, the recipe asks for a {architecture}.")
    held, untrained, changes = model.config.to_dict(), [], []
    for key, value in fields.items():
        if key not in held:
            raise ConfigError(f"[model] has no field '{key}'.{nearest(key, held)}")
        if key.startswith("discriminator"):  # of the adversary, which starts from scratch where it does not fit
            held[key] = value
        elif list(value) != held[key] if isinstance(value, list) else value != held[key]:
            if key not in model.renewable:
                raise ConfigError(f"train.init was trained with {key} = {held[key]!r}, the recipe asks for {value!r}.")
            if parts := model.renewable[key]:
                untrained.extend(parts)
                changes.append(f"{key} was {held[key]!r} in train.init and is {value!r} now")
            held[key] = value
    config = type(model.config).from_dict(held)
    if untrained:
        say(f"{', '.join(changes)}: the layers that depend on it start untrained, and named directions are left out.")
        return _renewed(model, config, untrained)
    model.config = config
    return model


def _renewed(model: Model, config: BaseConfig, untrained: list[str]) -> Model:
    """A model of another config with the weights of ``model``, but for tensors with one of these in their names."""
    new = type(model).build(config)
    given = {name: x for name, x in model.state_dict().items() if not any(part in name for part in untrained)}
    new.load_state_dict(new.state_dict() | given)
    return new


def _build_objective(recipe: Recipe, model: Model) -> BaseObjective:
    fields = dict(recipe.objective)
    objective_class = get_objective(fields.pop("name", model.default_objective))
    return objective_class(model, objective_class.Config.from_dict(fields))


def check_batch(batch_size: int, accumulate: int, processes: int) -> None:
    """Raise ConfigError unless the batch can be shared evenly by all parts of all processes."""
    parts = accumulate * processes
    if batch_size % parts:
        near = max(batch_size // parts, 1) * parts
        raise ConfigError(
            f"train.batch_size is {batch_size}, which {processes} processes times train.accumulate = {accumulate} "
            f"cannot share evenly; take {near} or {near + parts}."
        )
