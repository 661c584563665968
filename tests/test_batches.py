"""A picture is the same to the last bit whatever is drawn beside it: alone, on a wall, in a stranger's batch."""

from __future__ import annotations

import random

import pytest
import torch

from ganhub import zoo
from ganhub.creation import Generate, LocalLibrary, render
from ganhub.creation.generate import at_once, draw
from ganhub.models import LatentGenerator, get_architecture, list_architectures

TINY = [name for name in list_architectures() if issubclass(get_architecture(name), LatentGenerator)]


def same_alone_and_together(generator: LatentGenerator) -> None:
    wanted = [(seed, None) for seed in range(13)]
    alone = [draw(generator, [one], 0.9)[0] for one in wanted]
    for count in (2, 3, 4, 5, 7, 8, 13):
        assert all(map(torch.equal, draw(generator, wanted[:count], 0.9), alone)), count
    order = random.Random(1).sample(range(13), 13)
    assert all(map(torch.equal, draw(generator, [wanted[i] for i in order], 0.9), [alone[i] for i in order]))


@pytest.mark.parametrize("architecture", TINY)
def test_tiny_models(architecture: str) -> None:
    torch.manual_seed(1)
    same_alone_and_together(get_architecture(architecture).tiny().eval())


@pytest.mark.parametrize("name", zoo.names(LatentGenerator))
def test_published_models(name: str) -> None:
    same_alone_and_together(LocalLibrary("cpu").open(name, LatentGenerator))


def test_large_pictures_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = get_architecture("dcgan").tiny().eval()
    monkeypatch.setattr("ganhub.creation.generate.PIXELS_AT_ONCE", 1)
    assert at_once(generator) == 1
    same_alone_and_together(generator)


def test_a_wall_holds_the_pictures_that_its_seeds_have_alone() -> None:
    library, name = LocalLibrary("cpu"), "stylegan2-landscapes"
    wall = render(Generate(model=name, seed=3, count=6), library).pictures
    for place, picture in enumerate(wall):
        assert torch.equal(render(Generate(model=name, seed=3 + place), library).pictures[0], picture)
