"""The parts of a search by themselves: scores against closed forms, algorithms on a known function, breeding."""

from __future__ import annotations

import importlib.util
import math
import sys

import numpy as np
import pytest
import torch

from ganhub.creation.search import (
    Enough,
    Judge,
    Point,
    Search,
    Space,
    Task,
    algorithm,
    breed,
    get_algorithm,
    get_score,
    list_algorithms,
    list_scores,
    read_scores,
    score,
)
from ganhub.creation.search.evolve import bred_points, points_of
from ganhub.creation.search.scores import likeness, looks, wishes
from ganhub.creation.search.wall import Wall
from ganhub.errors import ConfigError
from ganhub.extras import MissingPackage
from ganhub.latents import Direction
from ganhub.models import get_architecture
from ganhub.nn.random import uniform
from tests.latent_toy import toy

needs_pygmo = pytest.mark.skipif(
    not importlib.util.find_spec("pygmo"), reason="needs pygmo, which pip has for Linux only"
)
WAYS = [pytest.param(name, marks=[] if name == "random" else needs_pygmo) for name in list_algorithms()]


def noise(side: int = 32, seed: int = 0) -> torch.Tensor:
    return uniform([seed], 3, side, side) * 2 - 1


def flat(*colour: float, side: int = 16) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, side, side)


# ---- scores


def test_colourfulness() -> None:
    """A grey picture has none. One flat colour has no deviation, and 0.3 times its distance from grey."""
    assert looks.colourfulness(noise().mean(1, keepdim=True).expand(-1, 3, -1, -1)).item() == pytest.approx(0, abs=1e-5)
    red = looks.colourfulness(flat(1, -1, -1)).item()
    assert red == pytest.approx(0.3 * 255 * math.hypot(1, 0.5) / 109)
    halves = torch.cat([flat(1, -1, -1), flat(-1, 1, 1)], 3)  # R - G is +-255, yellow - blue 127.5 and -127.5
    assert looks.colourfulness(halves).item() == pytest.approx(math.hypot(255, 127.5) / 109, rel=1e-6)


def test_contrast_is_the_deviation_of_the_luminance() -> None:
    halves = torch.cat([flat(1, 1, 1), flat(-1, -1, -1)], 3)
    assert looks.contrast(halves).item() == pytest.approx(1) and looks.contrast(flat(1, 0, 1)).item() == pytest.approx(
        0
    )
    assert looks.contrast(halves * 0.25).item() == pytest.approx(0.25)


def test_symmetry() -> None:
    half = noise()[:, :, :, :16]
    mirrored, turned = torch.cat([half, half.flip(3)], 3), torch.cat([half, -half.flip(3)], 3)
    assert looks.symmetry(mirrored).item() == pytest.approx(1) and looks.symmetry(flat(1, 0, 1)).item() == 1
    assert looks.symmetry(mirrored * 0.1 + 0.3).item() == pytest.approx(1)
    assert looks.symmetry(turned).item() == 0 and looks.symmetry(noise(128)).item() < 0.05


def test_sharpness_of_a_chessboard() -> None:
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32).expand(1, 3, 64, 64)
    inner = looks.sharpness(board).item()
    assert 4 / 4.2 * 0.98 < inner < 4 / 4.2  # the Laplacian is 4 everywhere but on the border
    soft = torch.nn.functional.avg_pool2d(noise(64), 5, 1)
    assert looks.sharpness(flat(0, 1, 0)).item() == 0 and looks.sharpness(soft) < looks.sharpness(noise(60))


def test_complexity() -> None:
    """Noise of all bytes cannot be compressed, one colour almost to nothing; a ramp is one difference."""
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    plain, straight, wild = (looks.complexity(one).item() for one in (flat(0, 1, 0, side=64), ramp, noise(64)))
    assert plain < 0.02 and straight < 0.05 and wild > 0.95


def test_palette_is_of_colours_not_of_places() -> None:
    picture = noise()
    shuffled = picture.flatten(2)[:, :, torch.randperm(32 * 32)].view_as(picture)
    larger = picture.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert likeness.palette(shuffled, picture).item() == pytest.approx(1, abs=1e-6)
    assert likeness.palette(larger, picture).item() > 0.99
    black, white = flat(-1, -1, -1), flat(1, 1, 1)
    assert likeness.palette(black, white).item() < 0.05 and likeness.palette(flat(1, -1, -1), flat(-1, -1, 1)) < 0.2
    both = likeness.palette(torch.cat([black, white]), white)
    assert both[1].item() == pytest.approx(1) and both[0] < both[1]


def test_similarity_and_novelty() -> None:
    picture, other = noise(seed=1), flat(0.5, -0.2, 0.1, side=32)
    same, near, far = likeness.similarity(torch.cat([picture, 0.9 * picture, other]), picture).tolist()
    assert same == pytest.approx(1, abs=1e-3) and 1 > near > far >= 0
    archive = likeness.describe(torch.cat([noise(seed=seed) for seed in range(8)]))
    assert archive.shape[0] == 8 and archive.norm(dim=1).sub(1).abs().max() < 1e-6
    known, new = likeness.novelty(torch.cat([picture, other]), archive).tolist()
    assert 0 <= known < new <= 1
    assert likeness.novelty(other, likeness.describe(other.expand(5, -1, -1, -1))).item() == pytest.approx(0, abs=1e-3)


def test_a_wish_goes_by_deviations() -> None:
    way = Direction("hat", torch.tensor([0.0, 1.0, 0.0]), 2.0, (0, 1), "test")
    w = torch.tensor([[5.0, 0.0, 1.0], [0.0, 2.0, 0.0], [3.0, -2.0, 0.0]])
    assert wishes.wish(w, way).tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-1)), 1 / (1 + math.e)])


def test_weighted_sums() -> None:
    assert read_scores(" contrast = 1, symmetry=-0.5,sharpness") == (
        ("contrast", 1.0), ("symmetry", -0.5), ("sharpness", 1.0)
    )  # fmt: skip
    pictures = torch.cat([noise(), noise(seed=5) * 0.3])
    judged = Judge((("contrast", 3.0), ("symmetry", -1.0), ("complexity", 0.0)))(pictures)
    assert torch.allclose(judged, (3 * looks.contrast(pictures) - looks.symmetry(pictures)) / 4)
    names = [one.name for one in list_scores()]
    assert len(set(names)) == len(names) >= 9 and all(get_score(name).name == name for name in names if name != "wish")
    assert get_score("wish:pca:0").needs == ("w", "direction")


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ("colorfulness=1", "Did you mean 'colourfulness'"), ("contrast=x", "write NAME=WEIGHT"),
        ("contrast=0", "nothing to look for"), ("contrast=1,contrast=2", "each once"), ("wish=1", "write wish:NAME"),
        ("contrast:a=1", "write contrast alone"), ("contrast=nan", "must be a number"),
        ("contrast=1000", "must be from -100 to 100"),
    ],
)  # fmt: skip
def test_sums_that_are_none(shares: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Judge(read_scores(shares))


def test_a_name_is_taken_once_and_a_parameter_must_be_known() -> None:
    with pytest.raises(ConfigError, match="Two scores are called 'contrast'"):
        score("Again", "again")(looks.contrast)
    with pytest.raises(ConfigError, match="asks for 'sound'"):
        score("Loud", "noise")(lambda sound: sound)
    with pytest.raises(ConfigError, match="Two algorithms are called 'random'"):
        algorithm("Again", "again")(get_algorithm("random").run)


def test_a_score_that_is_no_number_is_one_sentence() -> None:
    """As of a broken model, whose pictures hold NaN."""
    pictures = torch.stack([noise()[0], torch.full((3, 32, 32), math.nan)])
    with pytest.raises(ConfigError, match="symmetry is no number for one of the pictures: the model may be broken"):
        Judge(read_scores("symmetry=1,contrast=-1"))(pictures)


# ---- algorithms


def solve(name: str, seed: int, evaluations: int = 500) -> list[np.ndarray]:
    """Maximise -|x - 0.3|^2 / 20 over 20 numbers; the points that were asked for, in batches."""
    asked: list[np.ndarray] = []

    def scored(points: np.ndarray) -> np.ndarray:
        points = points[: evaluations - sum(map(len, asked))]
        if not len(points):
            raise Enough
        asked.append(points.copy())
        return worth(points)

    fresh = lambda count, random: random.normal(0, 0.4, (count, 20)).clip(-1, 1)  # noqa: E731
    with pytest.raises(Enough):
        get_algorithm(name).run(Task(20, 20, evaluations, seed, fresh, scored))
    return asked


def worth(points: np.ndarray) -> np.ndarray:
    return -np.square(points - 0.3).mean(1)


@pytest.mark.parametrize("name", WAYS)
def test_each_algorithm_improves_and_repeats_itself(name: str) -> None:
    asked = solve(name, 1)
    points = np.concatenate(asked)
    assert len(points) == 500 and np.abs(points).max() <= 1
    assert np.array_equal(points, np.concatenate(solve(name, 1)))
    assert not np.array_equal(points, np.concatenate(solve(name, 2)))
    first, best = worth(points[:20]).max(), worth(points).max()
    assert best > first
    if name != "random":
        assert best > 0.75 * worth(np.concatenate(solve("random", 1))).max()  # both are below 0
        assert np.array_equal(points[:20], np.concatenate(solve("random", 1))[:20])  # the same start for all
    assert [len(batch) for batch in asked] == ([20] + [1] * 480 if name == "annealing" else [20] * 25)


def test_without_the_package_a_sentence_says_how_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygmo", None)
    with pytest.raises(
        MissingPackage, match=r'This way to search needs the package pygmo.*pip install "ganhub\[search\]"'
    ):
        get_algorithm("genetic").run(Task(2, 5, 10, 0, lambda count, random: np.zeros((count, 2)), worth))
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(MissingPackage, match="conda install -c conda-forge pygmo"):
        get_algorithm("ants").run(Task(2, 5, 10, 0, lambda count, random: np.zeros((count, 2)), worth))


# ---- the space, the wall, breeding


def test_a_point_with_one_weight_is_that_seed() -> None:
    model = toy()
    eye = np.eye(4)[:3] * 0.25
    for space in ("z", "w"):
        pictures = Space(model, seed=7, count=4, space=space).pictures(eye)
        assert torch.allclose(pictures, model.generate(model.latent([7, 8, 9])), atol=1e-5)


@pytest.mark.parametrize("name", ["stylegan2", "conditional-gan"])
def test_a_picture_does_not_depend_on_its_neighbours(name: str) -> None:
    """To the last bit, so that a picture of the wall and its Creation alone are the same."""
    model = get_architecture(name).tiny().eval()
    for space in ("z", "w") if name == "stylegan2" else ("z",):
        searched = Space(model, count=8, space=space)
        points = searched.fresh(11, np.random.default_rng(0))
        together = searched.pictures(points)
        assert torch.equal(together, torch.cat([searched.pictures(points[i : i + 1]) for i in range(11)]))


@pytest.mark.parametrize("space", ["z", "w"])
def test_random_points_are_as_typical_as_seeds(space: str) -> None:
    """z of any point is N(0, I) over the seeds that are mixed; w has the deviations of W."""
    model = toy(num_classes=3)
    points = [Space(model, seed=100 * i, count=16, label=1, space=space) for i in range(300)]
    weights = np.linspace(-1, 1, 16)[None]
    latents = torch.cat([one.latents(weights) for one in points]).double()
    z = model.latent(range(5000))
    usual = z if space == "z" else model.to_w(z, torch.ones(5000, dtype=torch.int64))
    assert torch.allclose(latents.mean(0), usual.double().mean(0), atol=0.5)
    assert torch.allclose(latents.std(0) / usual.double().std(0), torch.ones(latents.shape[1]).double(), atol=0.15)


def test_classes_are_searched_where_none_is_given() -> None:
    model = get_architecture("conditional-gan").tiny()
    count = model.config.num_classes
    space, one = Space(model, count=4), Space(model, count=4, label=count - 1)
    points = space.fresh(400, np.random.default_rng(0))
    assert space.dims == 5 and one.dims == 4 and set(space.labels(points).tolist()) == set(range(count))
    assert set(one.labels(points[:, :4]).tolist()) == {count - 1}
    creations = points_of(space, "m", points[:20])
    assert torch.equal(space.labels(bred_points(space, "m", creations)), space.labels(points[:20]))
    assert Space(get_architecture("dcgan").tiny(), count=4).labels(points[:, :4]) is None


def test_the_wall_holds_the_best_that_look_different() -> None:
    wall = Wall(most=3, apart=0.2)
    pictures = torch.stack([torch.full((3, 4, 4), value) for value in (0.0, 0.05, 0.5, 1.0, -0.5, 0.45)])
    wall.add(np.arange(6.0)[:, None], pictures, np.array([0.3, 0.4, 0.1, 0.2, 0.35, 0.6]))
    assert [(entry.point.item(), entry.score) for entry in wall.entries] == [(5, 0.6), (1, 0.4), (4, 0.35)]


def test_children_are_of_their_parents() -> None:
    space = Space(toy(num_classes=4), count=8)
    parents = space.fresh(2, np.random.default_rng(1))
    wall = breed(space, parents, 3, change=0.0)
    assert np.array_equal(wall[:2], parents) and wall.shape == (12, 9)
    assert all(((child == parents[0]) | (child == parents[1])).all() for child in wall)
    assert len({child.tobytes() for child in wall}) > 8
    assert np.array_equal(breed(space, parents, 3), breed(space, parents, 3))
    assert not np.array_equal(breed(space, parents, 4), breed(space, parents, 3))
    changed = breed(space, parents[:1], 3, change=0.1)
    near = np.abs(changed[1:10] - parents[0]).max(1)  # the last two are strangers, for something to mix
    assert (near > 0).all() and (near < 0.6).all() and (changed[1:10, -1] == parents[0, -1]).all()
    assert breed(space, parents[:0], 3).shape == (12, 9)


def test_pictures_of_two_walls_do_not_mix() -> None:
    space = Space(toy(), seed=5, count=2)
    fits = Point(model="m", weights=(0.5, 1), seed=5)
    assert bred_points(space, "m", [fits]).tolist() == [[0.5, 1.0]]
    for other in (Point(model="n", weights=(0.5, 1), seed=5), Point(model="m", weights=(0.5, 1), seed=6)):
        with pytest.raises(ConfigError, match="choose from one wall"):
            bred_points(space, "m", [fits, other])


def test_a_search_scores_what_it_shows() -> None:
    space = Space(toy(), count=6)
    search = Search(space, Judge((("contrast", 1.0),)), algorithm="random", population=10, generations=3)
    search.run()
    pictures = space.pictures(np.stack([entry.point for entry in search.wall.entries]))
    assert torch.allclose(looks.contrast(pictures), torch.tensor([e.score for e in search.wall.entries]).double())
    assert search.wall.entries[0].score == max(search.tape) == search.progress()[-1][0] and len(search.tape) == 30
