"""A search at work: every score that was given is kept, in order, on a tape.

An algorithm asks for the same points whenever it gets the same scores. So a search is resumed by asking its algorithm
from the start and answering from the tape, which takes no time, until the tape ends; no algorithm has to be saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ganhub.creation.search.algorithms import Enough, Task, get_algorithm
from ganhub.creation.search.scores import Judge
from ganhub.creation.search.space import Points, Space, rounded
from ganhub.creation.search.wall import Entry, Wall
from ganhub.errors import ConfigError
from ganhub.images import on_white

OnScored = Callable[["Search"], None]


@dataclass(frozen=True)
class State:
    """What a search is resumed from.

    Attributes:
        tape: The scores so far, in the order in which they were asked for.
        digest: sha256 of the points that they belong to.
        wall: Point and score of each picture of the wall, best first.
    """

    tape: tuple[float, ...] = ()
    digest: str = ""
    wall: tuple[tuple[tuple[float, ...], float], ...] = ()


class Search:
    """Looks for the points of a space that a judge likes best.

    Args:
        space: Where.
        judge: What for.
        algorithm: How, by its name.
        population: Points of a generation.
        generations: How many; population x generations points are scored in all.
        seed: Of the algorithm.
        state: Where an earlier run of the same search ended.
    """

    def __init__(
        self, space: Space, judge: Judge, *, algorithm: str = "genetic", population: int = 20, generations: int = 25,
        seed: int = 0, state: State | None = None,
    ) -> None:  # fmt: skip
        state = state or State()
        self.space, self.judge, self.algorithm, self.seed = space, judge, get_algorithm(algorithm), seed
        self.population, self.evaluations = population, population * generations
        self.tape, self._replayed, self._digest = list(state.tape), len(state.tape), state.digest
        self.wall = Wall()
        self._asked, self._points = 0, hashlib.sha256()
        if len(self.tape) > self.evaluations:
            raise ConfigError(f"This search has scored {len(self.tape)} pictures already: ask for more generations.")
        if state.wall:
            points = np.asarray([point for point, _ in state.wall])
            pictures, scores = space.pictures(points), [score for _, score in state.wall]
            self.wall.entries = [Entry(*entry) for entry in zip(pictures, points, scores, strict=True)]

    def run(self, on_scored: OnScored | None = None) -> None:
        """Search until the evaluations are used up. ``on_scored(self)`` is called after every few new scores; what it
        raises ends the work, and :meth:`state` then says where it was.

        Raises:
            ConfigError: The state is that of another search.
            MissingPackage: The algorithm's package is not installed.
        """
        self._on_scored = on_scored or (lambda search: None)
        self._asked, self._points = 0, hashlib.sha256()
        task = Task(
            self.space.dims, self.population, self.evaluations, self.seed, fresh=self.space.fresh, score=self._score
        )
        try:
            self.algorithm.run(task)
        except Enough:
            pass

    def _score(self, points: Points) -> np.ndarray:
        """Scores of points; from the tape where they were scored before."""
        points = rounded(points)[: self.evaluations - self._asked]
        if not len(points):
            raise Enough
        start, self._asked = self._asked, self._asked + len(points)
        scores = self.tape[start : self._asked]
        for place in range(start, self._asked):
            if place == self._replayed:
                self._compare()
            self._points.update(points[place - start].tobytes())
        if len(scores) < len(points):
            fresh = points[len(scores) :]
            scores = [*scores, *self._look(fresh)]
            self._on_scored(self)
        if self._asked >= self.evaluations:
            self._compare() if self._asked == self._replayed else None
            raise Enough
        return np.asarray(scores)

    def _look(self, points: Points) -> list[float]:
        """Draw new points and score them."""
        pictures = self.space.pictures(points)
        ways = self.space.ways(points) if "w" in self.judge.needs else None
        scores = self.judge(on_white(pictures), ways).numpy()
        self.wall.add(points, pictures, scores)
        self.tape += scores.tolist()
        return scores.tolist()

    def _compare(self) -> None:
        """Require that the points of the tape are those that its scores were given for."""
        if self._digest and self._points.hexdigest() != self._digest:
            raise ConfigError(
                "This search cannot go on from where it was: its values, or the versions of pygmo and NumPy, are "
                "others now. Begin it anew."
            )

    def state(self) -> State:
        """What it can be resumed from."""
        wall = tuple((tuple(entry.point.tolist()), entry.score) for entry in self.wall.entries)
        return State(tuple(self.tape), self._points.hexdigest(), wall)

    @property
    def generation(self) -> int:
        """Generations that are done."""
        return len(self.tape) // self.population

    def progress(self) -> list[tuple[float, float]]:
        """(best so far, mean) of each generation, the last of which may not be whole."""
        return progress_of(self.tape, self.population)


def progress_of(tape: Sequence[float], population: int) -> list[tuple[float, float]]:
    """(best so far, mean of the generation) after each generation of a tape."""
    parts = [tape[start : start + population] for start in range(0, len(tape), population)]
    best = np.maximum.accumulate([max(part) for part in parts]) if parts else []
    return [(float(top), float(np.mean(part))) for top, part in zip(best, parts, strict=True)]
