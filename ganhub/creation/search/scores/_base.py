"""What a score is: a function that names what it looks at by its parameters, found by its name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ganhub.config import nearest
from ganhub.creation import checks
from ganhub.errors import ConfigError

# What a score may look at, by the name of its parameter.
SEEN = {
    "pictures": "[N, 3, H, W] in [-1, 1], on white",
    "target": "the given picture, [1, 3, H, W] in [-1, 1]",
    "archive": "features of the pictures that it shall differ from, [M, D]",
    "w": "points of W, as their way from the mean of W, [N, style_dim] on the CPU",
    "direction": "the direction of W that is wished for",
}
MOST = 12  # scores in one sum
LARGEST = 100.0  # weight
Shares = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Score:
    """A score by its name.

    Attributes:
        name: How it is asked for.
        title: What a visitor reads.
        says: What it prefers, in a few words.
        function: Gives [N], in about [0, 1]; more is better.
        needs: Names of its parameters, keys of :data:`SEEN`.
    """

    name: str
    title: str
    says: str
    function: Callable[..., Tensor]
    needs: tuple[str, ...]

    @property
    def usage(self) -> str:
        """How it is written: ``contrast``, ``wish:NAME``."""
        return f"{self.name}:NAME" if "direction" in self.needs else self.name

    def __call__(self, seen: Mapping[str, Any]) -> Tensor:
        return self.function(**{name: seen[name] for name in self.needs})


_SCORES: dict[str, Score] = {}


def score(title: str, says: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a function as the score of its own name.

    Raises:
        ConfigError: A name that is taken, or a parameter that nobody can give.
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        name, needs = function.__name__, tuple(inspect.signature(function).parameters)
        if name in _SCORES:
            raise ConfigError(f"Two scores are called '{name}': rename one.")
        if unknown := [need for need in needs if need not in SEEN]:
            raise ConfigError(f"The score '{name}' asks for '{unknown[0]}'; it may ask for {', '.join(SEEN)}.")
        _SCORES[name] = Score(name, title, says, function, needs)
        return function

    return register


def list_scores() -> list[Score]:
    """All scores, by the order of their files."""
    return list(_SCORES.values())


def get_score(name: str) -> Score:
    """The score of a name; of ``wish:hat`` that is ``wish``.

    Raises:
        ConfigError: There is none, or what is wished for is not said.
    """
    kind, colon, rest = name.partition(":")
    named = _SCORES.get(kind)
    if named is None:
        shown = checks.shown(name)
        raise ConfigError(f"There is no score '{shown}'.{nearest(shown, _SCORES)} Known: {', '.join(_SCORES)}.")
    if ("direction" in named.needs) != bool(rest.strip()) or bool(colon) != bool(rest.strip()):
        example = f", as in {kind}:pca:0" if "direction" in named.needs else " alone"
        advice = f"write {named.usage}{example}"
        raise ConfigError(f"'{checks.shown(name)}' is no score: {advice}.")
    return named


def read_scores(text: Any) -> Any:
    """Read ``colourfulness=1,symmetry=0.5`` as ((name, weight), ...); a name alone weighs 1. What is no text stays.

    Raises:
        ConfigError: A part that is none of both.
    """
    if not isinstance(text, str):
        return tuple(text.items()) if isinstance(text, Mapping) else text
    pairs = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, weight = part.rpartition("=")
        name, weight = (name, weight) if equals else (part, "1")
        try:
            pairs.append((name.strip(), float(weight)))
        except ValueError:
            shown = checks.shown(part)
            raise ConfigError(f"'{shown}' is no score: write NAME=WEIGHT, as in symmetry=0.5.") from None
    return tuple(pairs)


def check_scores(shares: Shares) -> None:
    """Require scores that exist, each once, with weights that make a sum; ConfigError otherwise."""
    names = [name for name, _ in shares]
    if not any(weight for _, weight in shares):
        raise ConfigError("There is nothing to look for: give a score a weight, as in colourfulness=1.")
    if len(names) > MOST or len(set(names)) < len(names):
        raise ConfigError(f"Give at most {MOST} scores, each once.")
    for name, weight in shares:
        get_score(name)
        checks.number(f"The weight of {name}", weight, -LARGEST, LARGEST)


def written_scores(shares: Shares) -> str:
    """The inverse of :func:`read_scores`."""
    return ",".join(f"{name}={weight:g}" for name, weight in shares)


class Judge:
    """The weighted sum of scores, over the sum of the weights' sizes: in about [0, 1] where no weight is below 0.

    Args:
        shares: (name, weight) pairs; a weight below 0 prefers less.
        given: What scores look at beside pictures and w: "target", "archive", and for each wish its own name.
    """

    def __init__(self, shares: Shares, given: Mapping[str, Any] | None = None) -> None:
        check_scores(shares)
        self.parts = [(name, get_score(name), weight) for name, weight in shares if weight]
        self.total = math.fsum(abs(weight) for _, _, weight in self.parts)
        self.given = given or {}

    @property
    def needs(self) -> set[str]:
        """What its scores look at, as keys of :data:`SEEN`."""
        return {need for _, score, _ in self.parts for need in score.needs}

    def __call__(self, pictures: Tensor, w: Tensor | None = None) -> Tensor:
        """Pictures [N, 3, H, W] in [-1, 1] -> [N], float64 on the CPU.

        Raises:
            ConfigError: A score that is no number, as of a broken model, whose pictures hold NaN.
        """
        seen, total = {**self.given, "pictures": pictures, "w": w}, 0.0
        for name, score, weight in self.parts:
            values = score({**seen, "direction": self.given.get(name)}).double().cpu()
            if not values.isfinite().all():
                raise ConfigError(
                    f"{name} is no number for one of the pictures: the model may be broken; try another model or score."
                )
            total = total + values * (weight / self.total)
        return total
