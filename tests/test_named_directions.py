"""directions.json: names that survive saving and loading, mean what they say, and are checked when read."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from ganhub import latents
from ganhub.cli import cli
from ganhub.errors import ConfigError, HubError
from ganhub.hub.uploads import pushed_files
from ganhub.images import load_image
from ganhub.latents.named import forget_direction, name_direction
from ganhub.models import AutoModel, get_architecture
from ganhub.models._named import NamedDirection

CLASSES = ("cat", "dog")


def model_with_classes():
    kind = get_architecture("stylegan2")
    config = kind.tiny().config.to_dict() | {"num_classes": 2, "class_names": CLASSES}
    return kind(kind.Config.from_dict(config)).eval()


def unit(width: int, seed: int) -> torch.Tensor:
    vector = torch.randn(width, generator=torch.Generator().manual_seed(seed))
    return vector / vector.norm()


@pytest.fixture
def folder(tmp_path):
    """A saved model with a direction for all classes, one for each of two, and one by reference."""
    model = model_with_classes()
    width, depth = model.style_mean.shape[1], model.layers
    model.named = (
        NamedDirection("Glasses", unit(width, 0), "", 1.5, (0, depth), "labels", (), {"amount": 2.0, "changed": 0.93}),
        NamedDirection("hair colour: red", unit(width, 1), "", 2.5, (1, 2), "labels", ("cat",)),
        NamedDirection("hair colour: red", unit(width, 2), "", 3.5, (0, depth), "labels", ("dog",)),
        NamedDirection("più grande", reference="pca:1@coarse", source="named by a person"),
    )
    return model.save_pretrained(tmp_path / "model"), model


def test_names_survive_saving_loading_and_pushing(folder):
    place, model = folder
    assert "directions.json" in pushed_files(place)
    again = AutoModel.from_pretrained(place)
    assert [one.name for one in again.named] == [one.name for one in model.named]
    for one, other in zip(model.named, again.named, strict=True):
        if one.vector is None:
            assert other.vector is None and other.reference == one.reference
        else:
            assert torch.allclose(one.vector, other.vector, atol=1e-6) and other.deviation == one.deviation
            assert other.layers == one.layers
        assert (other.source, other.classes, other.success) == (one.source, one.classes, one.success)
    copy = again.save_pretrained(place.parent / "copy")
    assert (copy / "directions.json").read_bytes() == (place / "directions.json").read_bytes()


def test_a_name_finds_its_direction(folder):
    place, _ = folder
    model = AutoModel.from_pretrained(place)
    width, depth = model.style_mean.shape[1], model.layers
    found = latents.direction(model, " glasses ", "dog")
    assert found.name == "Glasses" and found.deviation == 1.5 and found.layers == (0, depth) == (0, found.depth)
    w = model.to_w(model.latent([1]), torch.tensor([0]))
    moved = latents.edit(w, found, 2.0)
    assert torch.allclose(moved - w, 3.0 * unit(width, 0), atol=1e-5)
    assert latents.direction(model, "glasses@fine").layers == latents.layer_range("fine", depth)
    for label, seed in (("cat", 1), (1, 2)):
        assert torch.allclose(latents.direction(model, "hair colour: red", label).vector, unit(width, seed), atol=1e-6)
    named, computed = latents.direction(model, "più grande", 0), latents.direction(model, "pca:1@coarse")
    assert named.name == "più grande" and torch.equal(named.vector, computed.vector)
    assert (named.layers, named.deviation) == (computed.layers, computed.deviation)


@pytest.mark.parametrize(
    ("name", "label", "says"),
    [
        ("hair colour: red", None, "differs from class to class: name one of cat, dog"),
        ("hair colour: rad", 0, "Did you mean 'hair colour: red'.*There are Glasses, hair colour: red"),
        ("glasses", "owl", "no class 'owl'"),
        ("glasses@99-100", None, "do not exist"),
    ],
)
def test_sentences_on_names(folder, name, label, says):
    with pytest.raises(ConfigError, match=says):
        latents.direction(AutoModel.from_pretrained(folder[0]), name, label)


def test_a_direction_of_one_class_is_not_used_for_another(folder):
    model = AutoModel.from_pretrained(folder[0])
    model.named = model.named[:2]
    assert latents.direction(model, "hair colour: red").deviation == 2.5  # one alone needs no class
    with pytest.raises(ConfigError, match="not known for the class dog: it is for cat"):
        latents.direction(model, "hair colour: red", "dog")


def test_a_person_names_a_computed_direction(folder):
    place, _ = folder
    model = AutoModel.from_pretrained(place)
    name_direction(model, place, " glasses ", "sefa:0@fine")  # takes the place of the one of that name
    name_direction(model, place, "bigger", "class:cat>dog")
    names = [one.name for one in AutoModel.from_pretrained(place).named]
    assert names == ["hair colour: red", "hair colour: red", "più grande", "glasses", "bigger"]
    assert forget_direction(model, place, "Hair Colour: Red") == 2
    assert [one.name for one in AutoModel.from_pretrained(place).named] == ["più grande", "glasses", "bigger"]
    with pytest.raises(ConfigError, match="No direction is called 'nose' here. Named directions: più grande, gla"):
        forget_direction(model, place, "nose")


def test_two_who_name_at_the_same_time_both_keep_their_names(folder):
    place, _ = folder
    one, other = AutoModel.from_pretrained(place), AutoModel.from_pretrained(place)
    name_direction(one, place, "bigger", "pca:0")
    name_direction(other, place, "warmer", "pca:1")
    forget_direction(one, place, "glasses")
    names = [one.name for one in AutoModel.from_pretrained(place).named]
    assert names == ["hair colour: red", "hair colour: red", "più grande", "bigger", "warmer"]


@pytest.mark.parametrize(
    ("name", "reference", "says"),
    [
        ("", "pca:0", "1 to 60 letters"),
        ("x" * 61, "pca:0", "1 to 60 letters"),
        ("two\nlines", "pca:0", "1 to 60 letters"),
        (None, "pca:0", "1 to 60 letters"),
        ("pca:7", "pca:0", "do not begin it with pca:"),
        ("Class: red", "pca:0", "do not begin it with pca:"),
        ("hair@fine", "pca:0", "leave out @"),
        ("hair", "glasses", "no computed direction"),
        ("hair", "pca:999999", "There is no direction 'pca:999999'"),
        ("hair", "class:cat>owl", "no class 'owl'"),
    ],
)
def test_what_cannot_be_named(folder, name, reference, says):
    place, model = folder
    before = (place / "directions.json").read_bytes()
    with pytest.raises(ConfigError, match=says):
        name_direction(model, place, name, reference)
    assert (place / "directions.json").read_bytes() == before


def broken(entry: dict, **changes) -> dict:
    changed = {**entry, **changes}
    return {key: value for key, value in changed.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "a@b"}, "leave out @"),
        ({"name": 7}, "1 to 60 letters"),
        ({"vector": [1.0, 0.0]}, "has 2 numbers, and this model's have"),
        ({"vector": "long"}, "has no numbers"),
        ({"vector": ...}, "either a vector or a reference"),
        ({"reference": "pca:0"}, "either a vector or a reference"),
        ({"vector": ..., "reference": "pca:0"}, "no deviation and no layers of its own"),
        ({"vector": ..., "deviation": ..., "layers": ..., "reference": "../x"}, "no computed direction"),
        ({"deviation": 0}, "above 0"),
        ({"deviation": -1}, "above 0"),
        ({"deviation": "1"}, "must be a number"),
        ({"deviation": True}, "must be a number"),
        ({"deviation": ...}, "must be a number"),
        ({"layers": [0, 99]}, "must be two numbers"),
        ({"layers": [1, 1]}, "must be two numbers"),
        ({"layers": [0.0, 1]}, "must be two numbers"),
        ({"classes": ["owl"]}, "the class 'owl', which this model does not have"),
        ({"classes": "cat"}, "list of names"),
        ({"classes": [3]}, "list of names"),
        ({"source": "x" * 301}, "at most 300"),
        ({"source": "\x1b[31m"}, "must be text"),
        ({"success": {"changed": "most"}}, "must be a number"),
        ({"success": [1]}, "must be a table"),
        ({"success": {str(i): i for i in range(21)}}, "at most 20"),
        ({"deviatoin": 1}, "no field 'deviatoin'.* Did you mean 'deviation'"),
    ],
)
def test_a_file_from_outside_is_checked(folder, changes, says):
    place, _ = folder
    path = place / "directions.json"
    entry = json.loads(path.read_text("utf-8"))["directions"][0]
    path.write_text(json.dumps({"version": 1, "directions": [broken(entry, **changes)]}), "utf-8")
    with pytest.raises(HubError, match=f"directions.json cannot be used: .*{says}"):
        AutoModel.from_pretrained(place)


def test_vectors_have_length_1_and_finite_numbers(folder):
    place, _ = folder
    path = place / "directions.json"
    entry = json.loads(path.read_text("utf-8"))["directions"][0]
    for vector, says in (
        ([2 * x for x in entry["vector"]], "has the length 2, not 1"),
        ([0.0 for _ in entry["vector"]], "has the length 0, not 1"),
        ([None, *entry["vector"][1:]], "must be a number"),
        ([1e38, *entry["vector"][1:]], "must be a number"),
        ([10**39, *entry["vector"][1:]], "must be a number"),
    ):
        path.write_text(json.dumps({"version": 1, "directions": [{**entry, "vector": vector}]}), "utf-8")
        with pytest.raises(HubError, match=says):
            AutoModel.from_pretrained(place)
    path.write_text('{"version": 1, "directions": [{"name": "a", "vector": [NaN]}]}', "utf-8")
    with pytest.raises(HubError, match="NaN is no number"):
        AutoModel.from_pretrained(place)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds a list instead"),
        ('{"version": 2, "directions": []}', "its version is 2, not 1: upgrade"),
        ('{"directions": []}', "its version is None"),
        ('{"version": 1, "directions": {}}', "a list of at most 500"),
        ('{"version": 1, "directions": [], "more": 1}', "a list of at most 500"),
        ('{"version": 1, "directions": [7]}', "must be a table"),
        (json.dumps({"version": 1, "directions": [{}] * 501}), "a list of at most 500"),
        (json.dumps({"version": 1, "directions": [{"name": "a", "reference": "pca:0"}] * 2}), "in it twice"),
        (" " * 5_000_001, "larger than 5 MB"),
    ],
)
def test_a_file_that_is_none(folder, text, says):
    (folder[0] / "directions.json").write_text(text, "utf-8")
    with pytest.raises(HubError, match=says):
        AutoModel.from_pretrained(folder[0])


def test_the_command_lists_names_and_forgets(folder):
    place = str(folder[0])

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["directions", place, *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    listed = run()
    assert "Glasses" in listed and "does so in 93%" in listed and "pca:1@coarse" in listed and "cat" in listed
    assert "sefa:0@coarse is called 'warmer'" in run("--keep", "sefa:0@coarse", "--name", "warmer")
    assert "warmer" in run() and "is removed" in run("--remove", "warmer")
    assert "warmer" not in run()
    error = CliRunner().invoke(cli, ["directions", place, "--keep", "pca:0"]).exception
    assert isinstance(error, ConfigError) and "go together" in str(error)


def test_models_without_names_have_no_file(tmp_path):
    place = model_with_classes().save_pretrained(tmp_path / "model")
    assert not (place / "directions.json").exists() and AutoModel.from_pretrained(place).named == ()


def test_the_command_edits_by_name(folder, tmp_path):
    place, out = str(folder[0]), tmp_path / "edited.png"

    def run(*arguments: str):
        return CliRunner().invoke(cli, ["edit", place, "--seed", "4", "--out", str(out), "--device", "cpu", *arguments])

    result = run("--change", "glasses=2", "--change", "pca:0=-1.5", "--mix", "coarse+fine", "--mix-seed", "9")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "This is seed 4. shape and colours of seed 9, glasses +2.0, Change 1 -1.5" in said
    model = AutoModel.from_pretrained(place)
    w, noise = latents.load_w(out.with_suffix(".safetensors"), model)
    assert (load_image(out) - model.from_w(w, noise=noise)).abs().max() < 1 / 127.5
    start, label = model.to_w(model.latent([4]), torch.tensor([0])), torch.tensor([0])
    mixed = start
    for part in ("coarse", "fine"):
        mixed = latents.mix(model, mixed, model.to_w(model.latent([9]), label), part)
    for name, amount in (("glasses", 2.0), ("pca:0", -1.5)):
        mixed = latents.edit(mixed, latents.direction(model, name), amount)
    assert torch.allclose(w, mixed, atol=1e-4)
    for arguments, says in ((("--change", "glasses"), "is no change"), (("--change", "nose=1"), "no direction 'nose'")):
        error = run("--force", *arguments).exception
        assert isinstance(error, ConfigError) and says in str(error)
