"""Evolve: the pictures of a generator that score best, found by a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ganhub import images, latents
from ganhub.creation._base import Creation, Library, OnStep, Result, bounded, choice, picture
from ganhub.creation.checks import MAX_SEED
from ganhub.creation.edit import details_of
from ganhub.creation.inputs import Inputs
from ganhub.creation.search.algorithms import get_algorithm
from ganhub.creation.search.point import Point
from ganhub.creation.search.scores import Judge, Shares, get_score, read_scores
from ganhub.creation.search.scores._base import check_scores
from ganhub.creation.search.scores.likeness import describe
from ganhub.creation.search.search import Search, State
from ganhub.creation.search.space import SEEDS, SPACES, Points, Space, as_points
from ganhub.errors import ConfigError
from ganhub.images import provenance
from ganhub.models import LatentGenerator, StyleGenerator

MOST = 200_000  # pictures that one search may look at
USUAL = 64  # of the model's pictures, from seed 0 on, which novelty is measured against


@dataclass(frozen=True, kw_only=True)
class Evolve(Creation, verb="evolve"):
    """The best pictures of a search through mixtures of seeds.

    Attributes:
        model: A latent generator.
        scores: (name, weight) of what is looked for, or text such as "colourfulness=1,symmetry=0.5".
        algorithm: Name of the search.
        generations: How often it goes on.
        population: Pictures of a generation.
        seed: Of the first of the seeds that are mixed, and of the search.
        label: Name or index of a class; None searches all of them.
        space: What is mixed: "z" or "w".
        truncation: Below 1: more typical.
        target: sha256 of a picture, for the scores that compare with one.
    """

    model: str
    scores: Shares = (("colourfulness", 1.0),)
    algorithm: str = "genetic"
    generations: int = bounded(1, 10_000, 25)
    population: int = bounded(5, 1000, 20)
    seed: int = bounded(0, MAX_SEED, 0)
    label: str | int | None = bounded(0, 1_000_000, None)
    space: str = choice(*SPACES)
    truncation: float = bounded(0, 1.5, 1.0)
    target: str = picture("")
    has_details = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", read_scores(self.scores))
        super().__post_init__()

    def check(self) -> None:
        get_algorithm(self.algorithm)
        check_scores(self.scores)
        wanting = [name for name, weight in self.scores if weight and "target" in get_score(name).needs]
        self.require(not wanting or bool(self.target), f"{''.join(wanting[:1])} compares with a picture: give one.")
        count = self.generations * self.population
        self.require(count <= MOST, f"Ask for at most {MOST} pictures (generations x population), not {count}.")

    def source_type(self, library: Library) -> str:
        return provenance.GENERATED  # the target is looked at, nothing of it is in the pictures

    def details(self, library: Library) -> str:
        wishes = [name.partition(":") for name, weight in self.scores if weight]
        return details_of(self.model, [rest for kind, _, rest in wishes if kind == "wish"], library)

    def begin(self, library: Library, inputs: Inputs, state: State | None = None) -> Search:
        """The search, before its first step or where ``state`` says; what is wrong is said here."""
        generator = library.open(self.model, LatentGenerator)
        space = Space(generator, self.seed, SEEDS, self.label, self.space, self.truncation)
        judge = Judge(self.scores, self._given(generator, inputs))
        return Search(
            space, judge, algorithm=self.algorithm, population=self.population, generations=self.generations,
            seed=self.seed, state=state,
        )  # fmt: skip

    def _given(self, generator: LatentGenerator, inputs: Inputs) -> dict[str, Any]:
        """What the scores look at beside pictures."""
        given: dict[str, Any] = {}
        needs = {need for name, weight in self.scores if weight for need in get_score(name).needs}
        if "target" in needs:
            shown = images.load_image(inputs.find(self.target, "target"), channels=4)
            given["target"] = images.fit(images.on_white(shown), *generator.config.size)
        if "archive" in needs:
            given["archive"] = describe(images.on_white(generator.sample(USUAL, label=self.label).cpu()))
        for name, weight in self.scores:
            if weight and "direction" in get_score(name).needs:
                given[name] = wished(generator, name.partition(":")[2].strip(), self.label)
        return given

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        on_step(0, 0, None)
        search, seen = self.begin(library, inputs), [0]

        def scored(search: Search) -> None:
            look = None
            if search.generation > seen[0]:
                seen[0], look = search.generation, torch.stack([entry.picture for entry in search.wall.entries])
            on_step(search.generation, self.generations, look)

        search.run(scored)
        return self.result(search)

    def result(self, search: Search) -> Result:
        """What a search has found so far, best first."""
        entries = search.wall.entries
        points = torch.tensor([entry.point.tolist() for entry in entries], dtype=torch.float64)
        tensors = {
            self.space: search.space.latents(points.numpy()), "points": points,
            "scores": torch.tensor([entry.score for entry in entries], dtype=torch.float64),
        }  # fmt: skip
        first, (best, _) = search.progress()[0][0], search.progress()[-1]
        text = (
            f"Best score {best:.3f} of {len(search.tape)} pictures; the best of the first generation had {first:.3f}."
        )
        return Result(pictures=torch.stack([entry.picture for entry in entries]), text=text, tensors=tensors)


def points_of(space: Space, model: str, points: Points | Sequence[Points]) -> list[Point]:
    """Creations of points of a space of the model of that name: each needs no search to be made again."""
    points = as_points(points)
    labels, names = space.labels(points), space.generator.config.class_names
    classes = [None] * len(points) if labels is None else [names[i] if names else i for i in labels.tolist()]
    return [
        Point(model=model, weights=row[: space.count].tolist(), seed=space.seed, label=label, space=space.space,
              truncation=space.truncation)
        for row, label in zip(points, classes, strict=True)
    ]  # fmt: skip


def bred_points(space: Space, model: str, creations: Sequence[Point]) -> Points:
    """The inverse of :func:`points_of`.

    Raises:
        ConfigError: A picture of another model, or of other seeds, than those of the space.
    """
    rows, classes, generator = [], space.classes, space.generator
    for one in creations:
        if one.model != model:
            raise ConfigError(f"One of these pictures is of {one.model}, not of {model}: choose from one wall.")
        if (one.seed, len(one.weights), one.space) != (space.seed, space.count, space.space):
            raise ConfigError("These pictures are mixed from different seeds: choose from one wall.")
        index = generator.class_index(0 if one.label is None else one.label) if classes else 0
        rows.append([*one.weights, *([2 * (index + 0.5) / classes - 1] if classes else [])])
    return as_points(rows) if rows else np.zeros((0, space.dims))


def wished(generator: LatentGenerator, name: str, label: str | int | None) -> latents.Direction:
    """The direction that a wish names, for the class that is searched; ConfigError where there is none, or no W."""
    if not isinstance(generator, StyleGenerator):
        raise ConfigError(f"This {generator.architecture} has no space W, so it has no wishes: leave wish:{name} out.")
    return latents.direction(generator, name, label)
