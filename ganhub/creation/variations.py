"""Creations that come from another one: with other seeds, near its seed, or for another verb with the same seed.

Each result is a Creation like any other, so that it can be repeated; chance is in its seeds alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from ganhub.creation._base import Creation
from ganhub.creation.edit import MIXES, NOTHING, Edit
from ganhub.creation.generate import Generate
from ganhub.creation.interpolate import Interpolate
from ganhub.creation.search import Evolve
from ganhub.creation.search.point import Point
from ganhub.creation.search.space import SEEDS as MIXED
from ganhub.creation.style import Style
from ganhub.errors import ConfigError

SEEDS = 1_000_000  # new seeds are below it, so that people can say and type them
LIKE = 0.85  # likeness of what is near a seed
FEW = 12  # pictures near a seed
CORNERS = 4  # seeds of a walk through a wall
GENERATIONS = 15  # of a search, so that it takes seconds
NOT_RANDOM = "There is nothing random in this result: change its settings, or choose another picture."
NO_SEED = "This needs a picture of one seed: choose one that a model has generated, without edits and as it is."


def new_seeds(creation: Creation, chance: random.Random, *, lock: bool = False, styles: Sequence[str] = ()) -> Creation:
    """The same with other seeds ("Surprise me").

    Args:
        chance: Where new seeds come from.
        lock: The (first) seed stays, and what else can vary does: truncation, the other seeds of a walk, what is mixed
            in.
        styles: Names of styles to choose from.

    Raises:
        ConfigError: Nothing of it is random.
    """
    seed = chance.randrange(SEEDS)
    if isinstance(creation, Generate):
        if lock:
            return replace(creation, truncation=_other_truncation(creation.truncation, chance))
        return replace(creation, seed=seed, likeness=0.0, around=0)
    if isinstance(creation, Interpolate):
        kept = creation.seeds[:1] if lock else ()
        fresh = [chance.randrange(SEEDS) for _ in creation.seeds[len(kept) :]]
        return replace(creation, seeds=(*kept, *fresh))
    if isinstance(creation, Edit):
        if lock or creation.photo:
            mixed = chance.choice([mix for mix in MIXES if mix != NOTHING])
            return replace(creation, mixed=mixed, mix_seed=seed, mix_photo="")
        return replace(creation, seed=seed)
    if isinstance(creation, Style):
        others = [name for name in styles if name != creation.styles[0][0]]
        if others and not lock:
            return replace(creation, styles=((chance.choice(others), 1.0),), seed=seed)
        return replace(creation, seed=seed)
    raise ConfigError(NOT_RANDOM)


def near(creation: Creation, chance: random.Random) -> Generate:
    """Pictures near the (first) seed of a Creation ("More like this"); of what is near a seed, nearer ones.

    Raises:
        ConfigError: It has no seed.
    """
    fresh = chance.randrange(SEEDS)
    if isinstance(creation, Generate) and creation.likeness:
        nearer = round((1 + creation.likeness) / 2, 3)
        return replace(creation, seed=fresh, count=FEW, likeness=nearer)
    seed = first_seed(creation)
    label = _label(creation)
    return Generate(
        model=creation.model, seed=seed, around=seed, count=FEW, likeness=LIKE, truncation=creation.truncation,
        labels=() if label is None else (label,),
    )  # fmt: skip


def walk(creation: Creation, chance: random.Random, other: Creation | None = None) -> Interpolate:
    """A walk that begins at a Creation's seed: through its wall, to the seed of another one, or to new seeds.

    Raises:
        ConfigError: There is no seed, or the other one is of another model.
    """
    if isinstance(creation, Interpolate) and other is None:
        return creation
    seeds = [first_seed(creation)]
    if other is not None:
        same = getattr(other, "model", None) == creation.model
        creation.require(same, f"Both pictures must be of one model: this one is of {creation.model}.")
        seeds.append(first_seed(other))
    elif isinstance(creation, Generate) and creation.count > 1:
        seeds = [creation.seed + i for i in range(min(CORNERS, creation.count))]
    else:
        seeds += [chance.randrange(SEEDS) for _ in range(2)]
    return Interpolate(model=creation.model, seeds=tuple(seeds), label=_label(creation), truncation=creation.truncation)


def edit_of(creation: Creation) -> Edit:
    """The (first) picture of a Creation, to be edited; ConfigError where it has no seed."""
    if isinstance(creation, Edit):
        return creation
    seed = first_seed(creation)
    return Edit(model=creation.model, seed=seed, label=_label(creation), truncation=creation.truncation)


def search_from(creation: Creation) -> Evolve | Point:
    """Where a search goes on from a Creation: one picture is to have children; the first seed of a wall or a film is
    mixed with those after it. ConfigError where it has none.
    """
    if isinstance(creation, Evolve | Point):
        return creation
    settings = {"seed": first_seed(creation), "label": _label(creation), "truncation": creation.truncation}
    settings["model"] = creation.model
    if isinstance(creation, Edit) or isinstance(creation, Generate) and len(creation.wanted()) == 1:
        return Point(weights=(1.0, *[0.0] * (MIXED - 1)), **settings)
    return Evolve(generations=GENERATIONS, **settings)


def first_seed(creation: Creation) -> int:
    """The seed whose picture it is, or begins with.

    Raises:
        ConfigError: There is none: a picture near a seed, or of a photo.
    """
    if isinstance(creation, Generate) and (not creation.likeness or creation.seed == creation.around):
        return creation.seed
    if isinstance(creation, Interpolate):
        return creation.seeds[0]
    if isinstance(creation, Edit) and not creation.photo:
        return creation.seed
    raise ConfigError(NO_SEED)


def _label(creation: Creation) -> str | int | None:
    """The class of the (first) picture; None for the seed's own."""
    labels = getattr(creation, "labels", ())
    return labels[0] if labels and labels[0] != "" else getattr(creation, "label", None)  # "" of a pin: the film's


def _other_truncation(now: float, chance: random.Random) -> float:
    choices = [step / 20 for step in range(8, 25) if abs(step / 20 - now) > 0.12]
    return chance.choice(choices)
