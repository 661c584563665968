"""training/find_directions.py and its reader: on pictures and a generator of which everything is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganhub.data import DataConfig, open_data
from ganhub.errors import DataError
from ganhub.models import get_architecture
from ganhub.models._named import NamedDirection, read_named, write_named
from training import find_directions as script
from training.picture_reader import Reader, answers, load_reader, questions_of, read, right, save_reader, train_reader

SIDE, COUNT = 16, 600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, dark and bright; half of all pictures have a white patch: the attribute "hat". "tail" is known of
    the first class alone."""
    folder = tmp_path_factory.mktemp("data")
    draws = np.random.default_rng(0)
    labels, hats = draws.integers(0, 2, COUNT), draws.integers(0, 2, COUNT).astype(bool)
    pictures = np.where(labels[:, None, None, None] == 1, 150, 60) + draws.integers(-30, 30, (COUNT, SIDE, SIDE, 3))
    pictures[hats, 2:8, 4:12] = 255
    np.savez(folder / "pictures.npz", x=pictures.astype(np.uint8), y=labels, names=np.array(["dark", "bright"]))
    known = [{"hat": bool(hat), **({"tail": "long"} if not label else {})} for hat, label in zip(hats, labels)]  # noqa: B905
    (folder / "captions.json").write_text(json.dumps({"attributes": known}))
    return folder


def opened(data: Path, part: str = "training"):
    config = DataConfig(path=str(data / "pictures.npz"), captions=str(data / "captions.json"), holdout=0.2, part=part)
    return open_data(config, height=SIDE, width=SIDE, channels=3, labelled=True)


def test_a_reader_learns_what_the_pictures_show_and_keeps_it(data: Path, tmp_path: Path) -> None:
    training, held = opened(data), opened(data, "holdout")
    names = ["hat", "tail"]
    assert dict(questions_of(training, names)) == {"class": ("dark", "bright"), "hat": ("no", "yes"), "tail": ("long",)}
    said: list[str] = []
    reader = train_reader(training, names, 8, said.append)
    pictures, known = answers(held, 0, len(held), names)
    found = read(reader, pictures)
    assert right(found["class"], known["class"]) > 0.97 and right(found["hat"], known["hat"]) > 0.97
    assert said[0].startswith("reader: step 0 of")
    save_reader(reader, tmp_path / "reader.safetensors")
    again = load_reader(tmp_path / "reader.safetensors")
    assert again.questions == reader.questions
    assert all(torch.equal(read(again, pictures)[name], found[name]) for name in found)
    assert script.open_reader(str(tmp_path / "reader.safetensors"), held, names, None).questions == reader.questions
    assert script.open_reader(str(tmp_path / "new.safetensors"), held, names, lambda: reader) is reader
    assert load_reader(tmp_path / "new.safetensors").questions == reader.questions
    with pytest.raises(DataError, match="reads other classes or attributes"):
        script.open_reader(str(tmp_path / "reader.safetensors"), held, ["hat"], None)
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for path in ("broken.safetensors", "missing.safetensors"):
        with pytest.raises(DataError, match="holds no reader"):
            load_reader(tmp_path / path)


def test_colours_below_what_is_transparent_are_not_read() -> None:
    torch.manual_seed(0)
    reader = Reader(4, {"class": ("a", "b")}).eval()
    pictures, other = torch.rand(2, 6, 4, SIDE, SIDE) * 2 - 1
    pictures[:, 3] = torch.where(pictures[:, 3] > 0, 1.0, -1.0)
    other[:, 3] = pictures[:, 3]
    below = torch.where(pictures[:, 3:] > 0, pictures, other)
    assert not torch.equal(below, pictures)
    logits = reader(pictures)["class"]
    assert torch.equal(reader(below)["class"], logits)
    black = torch.where(pictures[:, 3:] > 0, pictures, -1.0)
    assert torch.equal(reader(black)["class"], logits) and not torch.allclose(reader(other)["class"], logits)


def test_shares_and_values_are_those_of_the_data(data: Path) -> None:
    held = opened(data, "holdout")
    shares = script.shares_of(held, ["hat", "tail"])
    _, known = answers(held, 0, len(held), ["hat", "tail"])
    for label in (0, 1):
        mine = known["hat"][known["class"] == label]
        assert shares["hat"][label].tolist() == pytest.approx([(mine == i).float().mean().item() for i in (0, 1)])
    assert shares["tail"].flatten().tolist() == [1.0, 0.0]
    values = script.values_of(shares, {"hat": ("no", "yes"), "tail": ("long",)})
    assert [(value.name, value.classes) for value in values] == [("hat", (0, 1))], "tail has no other value"
    colour = script.values_of(
        {"hair_colour": torch.tensor([[0.5, 0.5], [0.99, 0.01]])}, {"hair_colour": ("red", "blue")}
    )
    assert [(value.name, value.classes) for value in colour] == [
        ("hair colour: red", (0,)),
        ("hair colour: blue", (0,)),
    ]


class Eyes(nn.Module):
    """Reads the class by nothing, "red" by the mean of the first channel, and "blue" by that of the last."""

    questions = {"class": ("a", "b"), "red": ("no", "yes"), "blue": ("no", "yes")}

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        red, blue = (pictures[:, channel].mean((1, 2)) * 40 for channel in (0, -1))
        return {"class": torch.zeros(len(pictures), 2) + torch.tensor([9.0, 0.0]),
                "red": torch.stack([-red, red], 1), "blue": torch.stack([-blue, blue], 1)}  # fmt: skip


def test_a_direction_changes_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    kind = get_architecture("stylegan2")
    torch.manual_seed(3)
    model = kind(kind.Config.from_dict(kind.tiny().config.to_dict() | {"num_classes": 2, "class_names": ["a", "b"]}))
    model = model.eval()
    studio = script.Studio(model, Eyes())
    points, fresh = studio.draw(0, 300), studio.draw(300, 300)
    w = model.to_w(model.latent([4]), torch.tensor([0]))
    assert torch.allclose(points.w[4:5], w, atol=1e-5) and points.labels[:4].tolist() == [0, 1, 0, 1]
    pictures = model.from_w(points.w[:20], noise=model.noise(range(20)))
    sure = Eyes()(pictures)["red"].softmax(1).max(1).values
    assert ((sure >= 0.8) == points.sure["red"][:20]).float().mean() > 0.9
    shares = {"red": torch.full((2, 2), 0.5), "blue": torch.tensor([[0.5, 0.5], [0.0, 0.0]])}
    search = script.Search(studio, shares, points, fresh, steps=60, few=32, more=64, many=200)
    found = search.find(script.Value("red", 1, "yes", (0, 1)))
    assert found is not None
    value, step, measured = found.value, found.step, found.measured
    assert measured.changes >= 0.8 and measured.keeps["class"] == 1.0 and measured.keeps["blue"] >= 0.75
    there = search.moved(points.w[:3], step, model.layers - 1)
    assert torch.equal(there[:, :-1], model.per_layer(points.w[:3])[:, :-1]), "the last layer alone"
    assert torch.allclose(there[:, -1], points.w[:3] + step)
    assert torch.allclose(search.moved(points.w[:3], step, 0), model.per_layer(points.w[:3] + step))
    nothing = search.try_out(value, torch.zeros_like(step), 0, search.without(fresh, value))
    assert nothing.changes == 0 and set(nothing.keeps.values()) == {1.0}
    counted = measured.kept["blue"][1]
    assert not counted[measured.labels == 1].any(), "the data knows no blue of the second class"
    direction = script.named(found, model)
    moved = direction.vector * direction.deviation * script.AMOUNT
    assert torch.allclose(moved, step, atol=1e-5) and direction.success["changed"] == pytest.approx(
        measured.changes, abs=1e-4
    )
    write_named(tmp_path, [direction])
    assert read_named(tmp_path, len(step), model.layers, ("a", "b"))[0].name == "red"
    assert search.find(script.Value("red", 1, "yes", ())) is None, "in no class is it ever drawn"
    assert search.find_all([value], until=0) == [], "no time is left"


def test_a_search_for_one_attribute_leaves_the_others() -> None:
    by_hand = NamedDirection("older", reference="pca:0", source="by hand")
    found = [NamedDirection(name, reference="pca:1", source=script.SOURCE) for name in ("hair colour: red", "glasses")]
    assert script.staying([by_hand, *found], []) == (by_hand,)
    assert script.staying([by_hand, *found], ["hair_colour"]) == (by_hand, found[1])
    assert script.staying([by_hand, *found], ["hair colour: blue"]) == (by_hand, *found)
    assert script.staying([by_hand, *found], ["hair colour: red"]) == (by_hand, found[1])


def test_menus_begin_with_the_best_of_each_attribute() -> None:
    def found(attribute: str, word: str, changed: float) -> script.Candidate:
        rows = torch.arange(100)
        kept = {"class": (rows >= 0, rows >= 0)}
        value = script.Value(attribute, 0, word, (0,))
        return script.Candidate(value, torch.zeros(2), 0, script.Measured(rows * 0, rows < 100 * changed, kept))

    given = [
        found("hair", "red", 0.85),
        found("hair", "blue", 0.95),
        found("glasses", "yes", 0.82),
        found("skin", "dark", 0.9),
    ]
    assert [one.value.name for one in script.in_turn(given)] == ["glasses", "hair: blue", "skin: dark", "hair: red"]
