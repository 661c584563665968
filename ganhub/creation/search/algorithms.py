"""How a search goes on: genetic algorithm, simulated annealing, ant colony and CMA-ES of pygmo, and random search.

Each is a function of a :class:`Task` that asks ``task.score`` for points until the evaluations are used up, which
:class:`Enough` says. Given the same task and the same scores it asks for the same points: that is all that a search
needs to be reproduced, and resumed.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganhub.config import nearest
from ganhub.creation.search.space import Points
from ganhub.errors import ConfigError
from ganhub.extras import needed_for

WARM, COLD = 0.02, 0.0005  # temperatures of the annealing, in units of the score
ROUNDS = 15  # of one cooling; each changes every number once


class Enough(Exception):
    """All evaluations are used up."""


@dataclass(frozen=True)
class Task:
    """What an algorithm is given.

    Attributes:
        dims: Numbers of a point, each in [-1, 1].
        population: Points of a generation.
        evaluations: Points that may be scored in all.
        seed: Of whatever is random.
        fresh: (count, random) -> random points [count, dims].
        score: Points [N, dims] -> [N], more is better; raises Enough after the last evaluation.
    """

    dims: int
    population: int
    evaluations: int
    seed: int
    fresh: Callable[[int, np.random.Generator], Points]
    score: Callable[[Points], np.ndarray]

    def first(self) -> Points:
        """The random points that every algorithm begins with."""
        return self.fresh(self.population, np.random.default_rng(self.seed))


@dataclass(frozen=True)
class Algorithm:
    """An algorithm: its name, what a visitor reads of it in a few words, its function, and the package it needs."""

    name: str
    title: str
    says: str
    run: Callable[[Task], None]
    package: str = "pygmo"

    @property
    def is_here(self) -> bool:
        """Whether its package is installed."""
        return not self.package or importlib.util.find_spec(self.package) is not None


_ALGORITHMS: dict[str, Algorithm] = {}


def algorithm(
    title: str, says: str, package: str = "pygmo"
) -> Callable[[Callable[[Task], None]], Callable[[Task], None]]:
    """Register a function as the algorithm of its own name; ConfigError for a name that is taken."""

    def register(function: Callable[[Task], None]) -> Callable[[Task], None]:
        if function.__name__ in _ALGORITHMS:
            raise ConfigError(f"Two algorithms are called '{function.__name__}': rename one.")
        _ALGORITHMS[function.__name__] = Algorithm(function.__name__, title, says, function, package)
        return function

    return register


def list_algorithms() -> list[str]:
    """Names of all algorithms."""
    return list(_ALGORITHMS)


def get_algorithm(name: str) -> Algorithm:
    """The algorithm of a name; ConfigError with the nearest where there is none."""
    if name not in _ALGORITHMS:
        names = ", ".join(_ALGORITHMS)
        raise ConfigError(f"There is no algorithm '{name[:40]}'.{nearest(name, _ALGORITHMS)} Known: {names}.")
    return _ALGORITHMS[name]


@algorithm("Genetic", "the best have children: mixed from two, and changed a little")
def genetic(task: Task) -> None:
    """pygmo's simple genetic algorithm: the better of two is a parent, children take a run of numbers from another."""
    pygmo = _pygmo()
    _evolve(task, pygmo.sga(
        gen=1, cr=0.7, crossover="exponential", m=0.1, mutation="gaussian", param_m=0.2, selection="tournament",
        param_s=2, seed=task.seed,
    ), ahead=True)  # fmt: skip


@algorithm("Annealing", "one picture changes step by step; bad steps are allowed while it is warm")
def annealing(task: Task) -> None:
    """pygmo's simulated annealing (Corana et al. 1987): one number changes at a time, the steps adapt.

    When it is cold it is warmed up again, at the best point so far. The number of evaluations does not change the
    length of a cooling, so that a search can be prolonged.
    """
    pygmo = _pygmo()
    _evolve(task, pygmo.simulated_annealing(
        Ts=WARM, Tf=COLD, n_T_adj=ROUNDS, n_range_adj=1, bin_size=1, start_range=0.5, seed=task.seed,
    ))  # fmt: skip


@algorithm("Ants", "many walk where others found good pictures, in a narrowing circle")
def ants(task: Task) -> None:
    """pygmo's extended ant-colony optimisation (Schlueter et al. 2009): points are drawn around a ranked archive."""
    pygmo = _pygmo()
    colony = pygmo.gaco(
        gen=1, ker=task.population, q=0.1, oracle=-1.0, acc=0.01, threshold=1, n_gen_mark=20, memory=True,
        seed=task.seed,
    )  # fmt: skip
    colony.set_bfe(pygmo.bfe(pygmo.member_bfe()))
    _evolve(task, colony)


@algorithm("CMA-ES", "learns in which directions the score grows")
def cmaes(task: Task) -> None:
    """pygmo's CMA-ES ("The CMA Evolution Strategy: a Comparing Review", Hansen 2006)."""
    pygmo = _pygmo()
    _evolve(task, pygmo.cmaes(gen=1, sigma0=0.3, memory=True, force_bounds=True, seed=task.seed), ahead=True)


@algorithm("Random", "looks at random pictures: what the others are compared with", package="")
def random(task: Task) -> None:
    """Fresh points, a population at a time."""
    drawn = np.random.default_rng(task.seed)
    while True:
        task.score(task.fresh(task.population, drawn))


def _pygmo() -> Any:
    with needed_for("This way to search"):
        import pygmo

        return pygmo


class _Problem:
    """A task as pygmo asks for it: minus the score, to be minimised."""

    def __init__(self, task: Task) -> None:
        self.task, self.scores, self.asked = task, {}, None

    def __deepcopy__(self, memo: dict) -> _Problem:
        return self  # pygmo copies its problems, and this one counts

    def get_bounds(self) -> tuple[list[float], list[float]]:
        """Of each number."""
        return [-1.0] * self.task.dims, [1.0] * self.task.dims

    def fitness(self, point: np.ndarray) -> np.ndarray:
        """Of one point."""
        if self.asked is not None:
            self.asked.append(point)
            return np.zeros(1)
        value = self.scores.get(point.tobytes())
        return -(self.task.score(point[None]) if value is None else np.array([value]))

    def batch_fitness(self, points: np.ndarray) -> np.ndarray:
        """Of points one after the other in one row of numbers."""
        return -self.task.score(np.asarray(points).reshape(-1, self.task.dims))

    def look_ahead(self, evolve: Callable[[], object]) -> None:
        """Score the points that a step will ask for, all at once: it is done twice, the first time for nothing."""
        self.asked = []
        evolve()
        asked, self.asked = np.array(self.asked), None
        scores = self.task.score(asked)
        self.scores = {point.tobytes(): value for point, value in zip(asked, scores, strict=True)}


def _evolve(task: Task, method: Any, *, ahead: bool = False) -> None:
    """Let a pygmo algorithm work on a population, one generation at a time.

    Args:
        ahead: Whether it chooses all points of a generation before it sees the score of the first: these are then
            drawn in one batch, which is three times faster.
    """
    pygmo, problem = _pygmo(), _Problem(task)
    population = pygmo.population(pygmo.problem(problem), 0, seed=task.seed)
    first = task.first()
    for point, value in zip(first, task.score(first), strict=True):
        population.push_back(point, [-value])
    worker = pygmo.algorithm(method)
    while True:
        if ahead:
            twin = copy.deepcopy(worker)
            problem.look_ahead(lambda twin=twin: twin.evolve(population))  # noqa: B023
        population = worker.evolve(population)
