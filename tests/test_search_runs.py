"""Whole searches: the Creation, its file, what a stopped one is resumed from, and ``ganhub evolve``."""

from __future__ import annotations

import importlib.util
import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from ganhub.cli import cli
from ganhub.creation import Creation, Evolve, Inputs, LocalLibrary, Point, render
from ganhub.creation.reproduce import read_creation
from ganhub.creation.search import Search, list_algorithms
from ganhub.creation.search.evolve import points_of, wished
from ganhub.creation.search.plot import progress_svg
from ganhub.creation.search.state import load_state, save_state
from ganhub.errors import ConfigError, FileError
from ganhub.images import encode_png
from ganhub.models import get_architecture
from ganhub.models._named import NamedDirection

needs_pygmo = pytest.mark.skipif(
    not importlib.util.find_spec("pygmo"), reason="needs pygmo, which pip has for Linux only"
)
WAYS = [pytest.param(name, marks=[] if name == "random" else needs_pygmo) for name in list_algorithms()]


@pytest.fixture
def library(tiny_models: Callable) -> LocalLibrary:
    tiny_models("conditional-gan", "stylegan2", "dcgan")
    return LocalLibrary("cpu")


class Stopped(Exception):
    pass


def stop_after(pictures: int) -> Any:
    def scored(search: Search) -> None:
        if len(search.tape) >= pictures:
            raise Stopped

    return scored


@pytest.mark.parametrize("name", WAYS)
def test_a_stopped_search_goes_on_as_if_it_had_not_stopped(name: str, library: LocalLibrary, tmp_path: Path) -> None:
    """In the middle of a generation, or at the end of fewer of them; and each is what :func:`render` gives."""
    asked = Evolve(model="tiny-conditional-gan", scores="contrast=1", algorithm=name, generations=6, population=8)
    whole = render(asked, library)
    for pictures in (8, 21, 40):
        shorter = replace(asked, generations=pictures // 8) if pictures == 40 else asked
        first = shorter.begin(library, Inputs())
        with pytest.raises(Stopped) if shorter == asked else nullcontext():
            first.run(stop_after(pictures) if shorter == asked else None)
        assert pictures <= len(first.tape) < 48
        save_state(tmp_path / "state.json", asked, first.state())
        second = asked.begin(library, Inputs(), load_state(tmp_path / "state.json", asked))
        second.run()
        assert second.tape[: len(first.tape)] == first.tape and len(second.tape) == 48
        found = asked.result(second)
        assert torch.equal(found.tensors["points"], whole.tensors["points"])
        assert torch.equal(found.pictures, whole.pictures) and found.text == whole.text


def test_the_same_seed_finds_the_same_and_each_picture_alone_is_the_same(library: LocalLibrary) -> None:
    asked = Evolve(
        model="tiny-stylegan2", scores="contrast=1,symmetry=0.5", algorithm="random", generations=3, population=5
    )
    found, again = render(asked, library), render(Creation.from_json(asked.to_json()), library)
    assert torch.equal(found.pictures, again.pictures)
    assert not torch.equal(found.pictures, render(replace(asked, seed=1), library).pictures)
    search = asked.begin(library, Inputs())
    points = points_of(search.space, "tiny-stylegan2", found.tensors["points"].numpy())
    for picture, point in zip(found.pictures, points, strict=True):
        assert torch.equal(render(Point.from_json(point.to_json()), library).pictures[0], picture)
    assert found.tensors["scores"].diff().le(0).all() and "of 15 pictures" in found.text


def test_early_looks_are_the_best_so_far(library: LocalLibrary) -> None:
    seen: list[tuple[int, int, Any]] = []
    asked = Evolve(model="tiny-dcgan", scores="sharpness=1", algorithm="random", generations=3, population=5)
    found = render(asked, library, lambda *step: seen.append(step))
    looks = [(step, len(look)) for step, _, look in seen if look is not None]
    assert [step for step, _ in looks] == [1, 2, 3] and {steps for _, steps, _ in seen[1:]} == {3}
    assert torch.equal(seen[-1][2], found.pictures)


def test_wishes_palettes_and_novelty_reach_their_scores(library: LocalLibrary) -> None:
    inputs = Inputs()
    target = inputs.add(encode_png(torch.full((3, 20, 30), -0.5)))
    usual = Evolve(model="tiny-stylegan2", algorithm="random", generations=2, population=5, target=target)
    for scores, space in (
        ("wish:pca:0=1", "z"),
        ("wish:pca:0=1", "w"),
        ("palette=1,similarity=1", "z"),
        ("novelty=1", "z"),
    ):
        asked = replace(usual, scores=scores, space=space)
        found = render(asked, library, inputs=inputs)
        assert 0 < found.tensors["scores"][0] < 1
    with pytest.raises(ConfigError, match="dcgan has no space W, so it has no wishes"):
        render(replace(usual, model="tiny-dcgan", scores="wish:pca:0=1"), library, inputs=inputs)
    with pytest.raises(ConfigError, match="dcgan has no space W: search z"):
        render(replace(usual, model="tiny-dcgan", space="w"), library, inputs=inputs)
    with pytest.raises(ConfigError, match="The target is not here"):
        render(replace(usual, scores="palette=1"), library)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scores": "palette=1"}, "palette compares with a picture"),
        ({"algorithm": "genetics"}, "Did you mean 'genetic'"),
        ({"generations": 10_000, "population": 1000}, "at most 200000 pictures"),
        ({"population": 1}, "population must be"),
        ({"scores": ()}, "nothing to look for"), ({"scores": (("contrast",),)}, "scores must hold 2 values each"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Evolve(model="m", **fields)


def test_a_wish_is_for_the_class_that_is_searched() -> None:
    kind = get_architecture("stylegan2")
    model = kind(kind.Config.from_dict(kind.tiny().config.to_dict() | {"num_classes": 2, "class_names": ["a", "b"]}))
    axes, depth = torch.eye(model.style_mean.shape[1]), (0, model.layers)
    model.named = tuple(NamedDirection("hat", axes[i], "", 1.0, depth, classes=(name,)) for i, name in enumerate("ab"))
    assert torch.equal(wished(model, "hat", "b").vector, axes[1])
    with pytest.raises(ConfigError, match="differs from class to class: name one of a, b"):
        wished(model, "hat", None)


# ---- the file


def test_what_is_no_search_is_refused(library: LocalLibrary, tmp_path: Path) -> None:
    asked = Evolve(model="tiny-dcgan", scores="contrast=1", algorithm="random", generations=2, population=5)
    search = asked.begin(library, Inputs())
    search.run()
    path = save_state(tmp_path / "state.json", asked, search.state())
    assert load_state(path, replace(asked, generations=9)) == search.state()
    with pytest.raises(ConfigError, match=r"another search \(not the same: scores, seed\)"):
        load_state(path, replace(asked, scores="symmetry=1", seed=3))
    with pytest.raises(ConfigError, match="ask for more generations"):
        asked.begin(library, Inputs(), load_state(path, asked)).__class__(
            search.space, search.judge, population=5, generations=1, state=search.state()
        )
    good = json.loads(path.read_text())
    for change in ({"version": 2}, {"tape": [0.1, "x"]}, {"tape": []}, {"wall": [{"point": [1]}]}, {"digest": 3},
                   {"creation": {"verb": "generate", "model": "m"}}):  # fmt: skip
        path.write_text(json.dumps({**good, **change}))
        with pytest.raises(FileError, match="holds no search that can go on"):
            load_state(path, asked)
    for text in ("", "[]", "{", '{"version":1,"tape":[NaN]}', "[" * 5000):
        path.write_text(text)
        with pytest.raises(FileError, match="holds no search that can go on"):
            load_state(path, asked)


def test_scores_of_other_points_are_noticed(library: LocalLibrary) -> None:
    """As after another version of NumPy, which draws other numbers."""
    asked = Evolve(model="tiny-dcgan", scores="contrast=1", algorithm="random", generations=4, population=5)
    search = asked.begin(library, Inputs())
    with pytest.raises(Stopped):
        search.run(stop_after(10))
    with pytest.raises(ConfigError, match="cannot go on from where it was"):
        replace(asked, seed=1).begin(library, Inputs(), search.state()).run()


# ---- the command


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["evolve", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", [pytest.param("genetic", marks=needs_pygmo), "random"])
def test_the_command_writes_and_goes_on(name: str, library: LocalLibrary, tmp_path: Path) -> None:
    out = tmp_path / "found"
    options = [
        "tiny-conditional-gan",
        "--score",
        "contrast=1",
        "--algorithm",
        name,
        "--population",
        "6",
        "--device",
        "cpu",
    ]
    assert "Best score" in run(*options, "--generations", "2", "--out", str(out))
    said = run(*options, "--generations", "4", "--out", str(out))
    assert "12 of 24 pictures are scored already" in said and "of 24 pictures" in said
    run(*options, "--generations", "4", "--out", str(tmp_path / "at-once"))
    for file in ("wall.png", "best-01.png", "progress.svg"):
        assert (out / file).read_bytes() == (tmp_path / "at-once" / file).read_bytes()
    point = read_creation(out / "best-01.png")
    tensors = load_file(out / "latents.safetensors")
    assert torch.allclose(render(point, library).tensors["z"][0], tensors["z"][0])
    with pytest.raises(ConfigError, match=r"another search \(not the same: seed\)"):
        run(*options, "--generations", "4", "--seed", "5", "--out", str(out))
    (out / "best-12.png").write_bytes(b"of a longer wall")
    run(*options, "--generations", "2", "--seed", "5", "--out", str(out), "--force")
    assert json.loads((out / "search.json").read_text())["creation"]["seed"] == 5
    assert len(list(out.glob("best-*.png"))) == len(load_file(out / "latents.safetensors")["points"]) < 12
    torch.manual_seed(1)
    get_architecture("conditional-gan").tiny().save_pretrained(os.path.join(os.environ["GANHUB_MODELS"], options[0]))
    with pytest.raises(ConfigError, match="not the same: version of the model"):
        run(*options, "--generations", "4", "--seed", "5", "--out", str(out))


def test_the_plot_is_svg_with_a_title() -> None:
    for progress in ([(0.5, 0.5)], [(0.4, 0.2), (0.9, 0.3), (0.9, 0.8)]):
        root = ET.fromstring(progress_svg(progress, 20))
        lines = [one for one in root.iter() if one.tag.endswith("polyline")]
        assert len(lines) == 2 and f"{progress[-1][0]:.3f} after {20 * len(progress)} pictures" in root[0].text
        points = [tuple(map(float, pair.split(","))) for pair in lines[1].get("points").split()]
        assert len(points) == max(len(progress), 2) and all(0 <= x <= 640 and 0 <= y <= 240 for x, y in points)
