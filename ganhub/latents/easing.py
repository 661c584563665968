"""How a walk moves between two points: each easing is a function of time, found by its name.

An easing takes the share of a leg's time that has passed, a tensor in [0, 1], and gives the share of the way: 0 at the
beginning, 1 at the end, and never back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import ConfigError

HELD = 0.5  # share of a leg's time that "hold" stays


@dataclass(frozen=True)
class Easing:
    """An easing by its name.

    Attributes:
        name: How it is asked for.
        title: What a visitor reads.
        function: Share of the time -> share of the way.
    """

    name: str
    title: str
    function: Callable[[Tensor], Tensor]

    def __call__(self, time: Tensor) -> Tensor:
        return self.function(time)


_EASINGS: dict[str, Easing] = {}


def easing(title: str) -> Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]:
    """Register a function as the easing of its own name; ConfigError for a name that is taken."""

    def register(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        name = function.__name__
        if name in _EASINGS:
            raise ConfigError(f"Two easings are called '{name}': rename one.")
        _EASINGS[name] = Easing(name, title, function)
        return function

    return register


def list_easings() -> list[Easing]:
    """All easings, the usual one first."""
    return list(_EASINGS.values())


def get_easing(name: str) -> Easing:
    """The easing of a name; ConfigError where there is none."""
    if name not in _EASINGS:
        raise ConfigError(f"There is no easing {name!r}.{nearest(name, _EASINGS)} Known: {', '.join(_EASINGS)}.")
    return _EASINGS[name]


@easing("Constant speed")
def linear(time: Tensor) -> Tensor:
    """The same speed all the way."""
    return time


@easing("Slow at each pin")
def smooth(time: Tensor) -> Tensor:
    """Smoothstep, 3 t^2 - 2 t^3: the speed is 0 at both ends."""
    return time * time * (3 - 2 * time)


@easing("Stay at each pin, then go")
def hold(time: Tensor) -> Tensor:
    """Stays for half of the time, then goes as :func:`smooth` does."""
    return smooth(((time - HELD) / (1 - HELD)).clamp(min=0))
