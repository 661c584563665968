"""The paper dolls of training/draw_heroes.py, from a tiny set of parts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from ganhub.images import save_image

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("draw_heroes", ROOT / "training" / "draw_heroes.py")
draw_heroes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw_heroes)


@pytest.fixture
def parts(tmp_path) -> Path:
    """One base for each people, two pieces for each other layer, each a stripe of its own colour."""
    names = {"base": [f"{people}_m" for people in draw_heroes.PEOPLES] + ["naga_blue_f"]}
    for i, (layer, _) in enumerate(draw_heroes.LAYERS):
        for j, name in enumerate(names.get(layer, ["one", "two"])):
            picture = -torch.ones(1, 4, 32, 32)
            picture[:, 3, 3 * i : 3 * i + 3, j : j + 8] = 1.0
            picture[:, 0] = j / 10
            folder = tmp_path / "player" / layer
            folder.mkdir(parents=True, exist_ok=True)
            save_image(picture, folder / f"{name}.png")
    return tmp_path


def test_the_same_seed_draws_the_same_heroes_and_each_is_its_people(parts):
    pieces = draw_heroes.read_parts(parts)
    x, y = draw_heroes.draw(pieces, 60, seed=3)
    again, labels = draw_heroes.draw(pieces, 60, seed=3)
    assert np.array_equal(x, again) and np.array_equal(y, labels)
    assert x.shape == (60, 32, 32, 4) and x.dtype == np.uint8
    assert len({hero.tobytes() for hero in x}) == 60, "no hero twice"
    at = 3 * [layer for layer, _ in draw_heroes.LAYERS].index("base") + 1
    for hero, people in zip(x, y, strict=True):  # the base's stripe begins where its people's number says
        assert hero[at, :, 3].argmax() == sorted(f"{p}_m" for p in draw_heroes.PEOPLES).index(
            f"{draw_heroes.PEOPLES[people]}_m"
        )


def test_a_base_belongs_to_one_people_or_to_none():
    people = draw_heroes.people_of
    assert [people(name) for name in ("human_m", "demonspawn_red_f", "lorc_m3", "ghoul2_f", "deep_elf_m")] == [
        "human", "demonspawn", "orc", "ghoul", "deep_elf"]  # fmt: skip
    assert people("naga_blue_f") == people("centaur_brown_m") == people("shadow") == ""


def test_parts_that_are_not_there_are_named(tmp_path):
    with pytest.raises(SystemExit, match="the parts lack deep_dwarf.*cloak.*player/ in it"):
        draw_heroes.draw(draw_heroes.read_parts(tmp_path), 4, seed=0)
