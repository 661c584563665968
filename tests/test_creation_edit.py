"""Edits by name, and styles of another picture: against what ganhub.latents gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganhub import latents
from ganhub.creation import Creation, Edit, Evolve, Generate, Inputs, LocalLibrary, Project, render
from ganhub.creation.edit import cached_direction, in_words, require_direction
from ganhub.errors import ConfigError, HubError
from ganhub.images import save_image
from ganhub.latents.named import name_direction
from ganhub.models import get_architecture
from ganhub.models._named import NamedDirection
from ganhub.nn.random import uniform


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with two classes: "hat" is another direction in each, "glasses" is for the first alone."""
    monkeypatch.chdir(tmp_path)
    kind = get_architecture("stylegan2")
    model = kind(kind.Config.from_dict(kind.tiny().config.to_dict() | {"num_classes": 2, "class_names": ["a", "b"]}))
    width, depth = model.style_mean.shape[1], (0, model.layers)
    axes = torch.eye(width)
    model.named = (
        NamedDirection("hat", axes[0], "", 1.0, depth, classes=("a",)),
        NamedDirection("hat", axes[1], "", 2.0, depth, classes=("b",)),
        NamedDirection("glasses", axes[2], "", 3.0, depth, classes=("a",)),
    )
    return model.save_pretrained(tmp_path / "model_cards" / "named")


@pytest.fixture
def library() -> LocalLibrary:
    return LocalLibrary("cpu")


def moved(library: LocalLibrary, **fields: object) -> torch.Tensor:
    """How far w+ moves in the first layer."""
    start = render(Edit(model="named", seed=fields["seed"]), library).tensors["w"]
    return (render(Edit(model="named", **fields), library).tensors["w"] - start)[0, 0]


def test_a_name_means_the_direction_of_the_picture_s_class(place: Path, library: LocalLibrary) -> None:
    for seed, axis, amount in ((4, 0, 1.5), (5, 1, 3.0)):  # seeds take classes in turn
        step = moved(library, seed=seed, directions=(("Hat", 1.5),))
        assert step[axis] == pytest.approx(amount, abs=1e-5) and step.norm() == pytest.approx(amount, abs=1e-5)
    asked = Edit(model="named", seed=4, directions=(("glasses", -1.0), ("pca:0", 1.0)))
    assert render(asked, library).notes == ["glasses -1.0", "Change 1 +1.0"]
    with pytest.raises(ConfigError, match="'glasses' is not known for the class b: it is for a"):
        render(replace(asked, seed=5), library)


def test_a_slip_in_a_name_is_said_before_the_projection(place: Path, library: LocalLibrary, photo: Path) -> None:
    inputs = Inputs()
    asked = Edit(model="named", photo=inputs.add(photo), steps=10_000, directions=(("hut", 1.0),))
    with pytest.raises(ConfigError, match="There is no direction 'hut'. Did you mean 'hat'"):
        render(asked, library, inputs=inputs)
    model = library.open("named")
    require_direction(model, "hat", None)  # the class will be known after the projection
    with pytest.raises(ConfigError, match="not known for the class b"):
        require_direction(model, "glasses", "b")


def test_an_edit_names_the_version_of_the_directions_that_it_uses(place: Path, library: LocalLibrary) -> None:
    computed = Edit(model="named", seed=4, directions=(("pca:0", 1.0), ("class:a>b", 1.0)))
    asked = Edit(model="named", seed=4, directions=(("HAT@coarse", 1.5), ("pca:0", 1.0)))
    pinned = asked.pinned(library)
    assert "." not in computed.pinned(library).revision and pinned.revision.count(".") == 1
    assert pinned == Creation.from_json(pinned.to_json()) == asked.pinned(LocalLibrary("cpu"))
    picture = render(pinned, library).pictures
    model = library.open("named")
    name_direction(model, place, "beard", "pca:1")  # another direction: nothing changes for this edit
    for again in (library, LocalLibrary("cpu")):
        assert asked.pinned(again) == pinned and torch.equal(render(pinned, again).pictures, picture)
    name_direction(model, place, "hat", "pca:2")
    for again in (library, LocalLibrary("cpu")):
        assert not torch.equal(render(asked, again).pictures, picture), "the name means something else now"
        with pytest.raises(HubError, match="directions.json of named is another version here"):
            render(pinned, again)
        assert render(replace(pinned, revision=pinned.revision.partition(".")[0]), again).notes
    with pytest.raises(ConfigError, match="revision must name 1 version, not 2"):
        Generate(model="named", revision=pinned.revision)
    assert render(computed.pinned(library), library).pictures is not None


def test_a_search_for_a_wish_names_the_version_of_its_direction(place: Path, library: LocalLibrary) -> None:
    name_direction(library.open("named"), place, "beard", "pca:1")
    wish = Evolve(model="named", scores="wish:beard=1", generations=1, population=5)
    pinned = wish.pinned(library)
    assert pinned.revision.count(".") == 1 and render(pinned, library).pictures is not None
    assert "." not in replace(wish, scores="colourfulness=1").pinned(library).revision
    name_direction(library.open("named"), place, "beard", "pca:0")
    with pytest.raises(HubError, match="directions.json of named is another version here"):
        render(pinned, library)


def test_changes_of_one_picture_are_bounded() -> None:
    with pytest.raises(ConfigError, match="at most 64 directions, not 3000"):
        Edit(model="named", directions=tuple((f"pca:{i}", 1.0) for i in range(3000)))


def test_what_a_person_has_named_is_computed_once(place: Path, library: LocalLibrary) -> None:
    model = library.open("named")
    name_direction(model, place, "louder", "pca:1@fine")
    first, again = cached_direction(model, "louder", 0), cached_direction(model, "Louder", 1)
    assert again.vector is first.vector and first.layers == latents.layer_range("fine", model.layers)
    assert torch.allclose(first.vector, latents.direction(model, "louder").vector, atol=1e-5)
    assert cached_direction(model, "louder@coarse").layers == latents.layer_range("coarse", model.layers)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    save_image(uniform([1], 3, 24, 24) * 2 - 1, tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_several_parts_of_another_seed(place: Path, library: LocalLibrary) -> None:
    made = render(Edit(model="named", seed=2, mixed="coarse+fine", mix_seed=8), library)
    model = library.open("named")
    label = torch.tensor([0])
    first, other = (model.per_layer(model.to_w(model.latent([seed]), label)) for seed in (2, 8))
    middle = slice(*latents.layer_range("middle", model.layers))
    assert torch.allclose(made.tensors["w"][:, middle], first[:, middle], atol=1e-6)
    wanted = other.clone()
    wanted[:, middle] = first[:, middle]
    assert torch.allclose(made.tensors["w"], wanted, atol=1e-6)
    assert made.notes == ["shape and colours of seed 8"]
    made = render(Edit(model="named", seed=2, mixed="coarse", mix_seed=8, mix_label="b"), library)
    other = model.per_layer(model.to_w(model.latent([8]), torch.tensor([1])))
    coarse = slice(*latents.layer_range("coarse", model.layers))
    assert torch.allclose(made.tensors["w"][:, coarse], other[:, coarse], atol=1e-6)


def test_styles_of_another_photo_are_projected_once(
    place: Path, library: LocalLibrary, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projections = []
    monkeypatch.setattr(
        Project, "projection",
        lambda self, *given, compute=Project.projection: projections.append(self) or compute(self, *given),
    )  # fmt: skip
    other = tmp_path / "other.png"
    save_image(uniform([2], 3, 24, 24) * 2 - 1, other)
    inputs = Inputs()
    first = Edit(model="named", photo=inputs.add(photo), steps=3, mix_photo=inputs.add(other), mixed="coarse")
    made = render(first, library, inputs=inputs)
    assert len(projections) == 2 and made.notes == ["shape of another photo"]
    points = [render(Edit(model="named", photo=Inputs().add(path), steps=3), library, inputs=Inputs(path)).tensors["w"]
              for path in (photo, other)]  # fmt: skip
    wanted = latents.mix(library.open("named"), *points, "coarse")
    assert torch.allclose(made.tensors["w"], wanted, atol=1e-5)
    del projections[:]
    photo.unlink()
    other.unlink()  # neither is needed again, also after nothing was mixed
    without = replace(first, mixed="nothing", mix_photo="")  # a slider that was moved while the other photo was found
    for again in (replace(first, mixed="nothing"), replace(first, directions=(("pca:0", 1.0),)), without, first):
        last = render(again, library, inputs=inputs)
    assert not projections and torch.equal(last.pictures, made.pictures) and len(inputs.kept) == 2
    with pytest.raises(ConfigError, match="The other photo is not here"):
        render(replace(first, mix_photo="0" * 64), library, inputs=inputs)
    for seed in range(3, 8):
        render(Edit(model="named", seed=seed), library, inputs=inputs)
    assert len(inputs.kept) == 3, "what is of no use any more is dropped"


def test_directions_in_words() -> None:
    names = ("pca:0", "sefa:3", "class:cat>dog", "pca:0@fine", "pca:1@0-3", "hair colour: red", "glasses@coarse")
    assert [in_words(name) for name in names] == [
        "Change 1", "Other change 4", "cat to dog", "Change 1 (colours)", "Change 2 (layers 0-3)", "hair colour: red",
        "glasses (shape)",
    ]  # fmt: skip
