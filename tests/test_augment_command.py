"""``ganhub augment``: labels and originals stay, the same command makes the same files, bad input gets a sentence."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from ganhub import AutoModel, images
from ganhub.augment import begin, counts, generator_size, plan_restyled, plan_samples, read_labelled, restyle
from ganhub.cli import cli, main
from ganhub.data import open_data
from ganhub.errors import ConfigError, DataError
from ganhub.images.colour import luminance
from ganhub.models import get_architecture
from ganhub.trainer import make_recipe


def picture(seed: int, channels: int = 3, height: int = 12, width: int = 12) -> Tensor:
    """Coarse coloured noise."""
    noise = torch.rand(1, channels, 3, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return images.resize(noise, (height, width))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of a cat, two of a dog, one of a newt, one of them a JPEG in a folder below."""
    for name, count in (("cat", 3), ("dog", 2), ("newt", 1)):
        for k in range(count):
            images.save_image(picture(len(name) * 10 + k), tmp_path / "pets" / name / f"{k}.png")
    images.save_image(picture(7), tmp_path / "pets/dog/old/0.jpg")
    return tmp_path / "pets"


@pytest.fixture
def models(models_folder: Path) -> Path:
    """Tiny real models: two that paint, two that sample."""
    for name in ("fast-style", "gatys", "conditional-gan", "dcgan"):
        torch.manual_seed(0)
        get_architecture(name).tiny().save_pretrained(models_folder / f"tiny-{name}")
    return models_folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, ["augment", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def class_counts(folder: Path) -> dict[str, int]:
    """Pictures of each class as the trainer reads the folder."""
    config = make_recipe({"data": {"path": str(folder), "labels": "folder"}}).data
    data = open_data(config, height=12, width=12, channels=3, labelled=True)
    assert not data.skipped
    labels = data.batch(0, len(data)).labels
    return dict(zip(data.class_names, torch.bincount(labels).tolist(), strict=True))


def test_restyling_keeps_labels_and_originals(folder: Path, models: Path, tmp_path: Path) -> None:
    before, out = contents(folder), tmp_path / "grown"
    command = (folder, "--by", "style", "--model", "tiny-fast-style", "--per-class", 5, "--out", out, "--seed", 3)
    assert "7 originals and 8 new pictures of 3 classes" in run(*command)
    after = contents(out)
    assert contents(folder) == before
    assert {name: after[name] for name in before} == before
    assert class_counts(out) == {"cat": 5, "dog": 5, "newt": 5}
    record = json.loads(after["augment.json"])
    assert set(record["made"]) == set(after) - set(before) - {"augment.json"}
    painter = AutoModel.from_pretrained(models / "tiny-fast-style")
    for name, how in record["made"].items():
        assert how["from"].split("/")[0] == name.split("/")[0]
        assert how["style"] in painter.style_names and f".style-{how['style']}-" in name
        assert 0.5 <= how["strength"] <= 1
        content = images.load_image(folder / how["from"])
        made = images.load_image(out / name)
        expected = restyle(painter, content, how["style"], how["strength"], how["seed"])
        assert made.shape == content.shape and (made - expected).abs().max() < 0.01
        assert (made - content).abs().mean() > 0.02
    # The one newt goes through all styles before it repeats one, and no two of its pictures are alike.
    newts = [how["style"] for name, how in record["made"].items() if name.startswith("newt")]
    assert len(set(newts)) == min(len(newts), len(painter.style_names))
    assert len({after[name] for name in record["made"]}) == 8


def test_the_same_command_makes_the_same_files_and_goes_on(folder: Path, models: Path, tmp_path: Path) -> None:
    command = (folder, "--by", "style", "--model", "tiny-fast-style", "--times", 2)
    run(*command, "--out", tmp_path / "a")
    run(*command, "--out", tmp_path / "b")
    first = contents(tmp_path / "a")
    assert contents(tmp_path / "b") == first
    made = sorted(json.loads(first["augment.json"])["made"])
    (tmp_path / "b" / made[0]).unlink()  # as if the run had been broken off before it
    (tmp_path / "b/cat/0.png").write_bytes(b"half a copy")
    stamp = (tmp_path / "b" / made[1]).stat().st_mtime_ns
    assert "(6 of them were there)" in run(*command, "--out", tmp_path / "b")
    assert contents(tmp_path / "b") == first
    assert (tmp_path / "b" / made[1]).stat().st_mtime_ns == stamp
    run(*command, "--out", tmp_path / "c", "--seed", 1)
    assert contents(tmp_path / "c") != first


def test_styles_may_be_pictures(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    images.save_image(picture(1), folder / "newt/0.png")
    images.save_image(picture(1, height=8, width=40), tmp_path / "My Waves.png")  # smaller than networks can read
    style, out = tmp_path / "My Waves.png", tmp_path / "grown"
    run(folder, "--by", "style", "--model", "tiny-gatys", "--times", 2, "--style", style, "--out", out)
    assert (out / "newt/0.style-my-waves-1.png").is_file()
    text = (out / "augment.json").read_text("utf-8")
    assert str(tmp_path) not in text and "My Waves.png" in json.loads(text)["style_files"]


def test_a_generator_is_trained_on_the_folder_alone(folder: Path, tmp_path: Path) -> None:
    before, out = contents(folder), tmp_path / "grown"
    command = (folder, "--by", "generator", "--images", 128, "--per-class", 4, "--out", out, "--seed", 5)
    assert "has one or two pictures: expect copies" in run(*command)
    after = contents(out)
    assert {name: after[name] for name in before} == before == contents(folder)
    assert class_counts(out) == {"cat": 4, "dog": 4, "newt": 4}
    generator = AutoModel.from_pretrained(tmp_path / "grown-generator")
    assert generator.config.class_names == ("cat", "dog", "newt")
    made = json.loads(after["augment.json"])["made"]
    for name, how in made.items():
        expected = generator.sample(1, label=how["label"], seed=how["seed"])
        assert name.startswith(how["label"] + "/generated-")
        assert (images.load_image(out / name) - expected).abs().max() < 0.01
    (out / next(iter(made))).unlink()  # as if it had been broken off while sampling: nothing is trained again
    assert f"({len(made) - 1} of them were there)" in run(*command)
    assert contents(out) == after
    run(*command[:-3], tmp_path / "again", "--seed", 5)
    assert contents(tmp_path / "again") == after


def test_a_stopped_training_goes_on(folder: Path, tmp_path: Path) -> None:
    """Two halves end in the weights of a whole."""
    from ganhub.augment import generator_recipe, train_generator
    from ganhub.trainer import Trainer

    labelled = read_labelled(folder)
    recipe = generator_recipe(labelled, images_seen=192, side=8)
    whole = train_generator(labelled, tmp_path / "whole", recipe=recipe, quiet=True)
    step = Trainer._step

    def stop_after(trainer: Trainer) -> dict[str, Tensor]:
        trainer.stop.asked = trainer.images_seen >= 64
        return step(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", stop_after)  # what Ctrl-C does
        with pytest.raises(ValueError, match="stopped after 128 of 192 pictures; the same command goes on"):
            train_generator(labelled, tmp_path / "halves", recipe=recipe, quiet=True)
    halves = train_generator(labelled, tmp_path / "halves", recipe=recipe, quiet=True)
    assert (halves / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    images.save_image(picture(99), folder / "cat/0.png")  # a run is never taken for one of other pictures
    with pytest.raises(ConfigError, match="a run of other pictures"):
        train_generator(read_labelled(folder), tmp_path / "halves", recipe=recipe, quiet=True)


def test_a_model_that_knows_the_classes(models: Path, tmp_path: Path) -> None:
    for label in ("ring", "cross"):
        images.save_image(picture(1, channels=1, height=8, width=8), tmp_path / "signs" / label / "a.png")
    command = (tmp_path / "signs", "--by", "generator", "--model", "tiny-conditional-gan", "--out", tmp_path / "out")
    run(*command, "--per-class", 3)
    model = AutoModel.from_pretrained(models / "tiny-conditional-gan")
    made = json.loads((tmp_path / "out/augment.json").read_text("utf-8"))["made"]
    assert len(made) == 4
    for name, how in made.items():
        expected = model.sample(1, label=how["label"], seed=how["seed"])
        assert (images.load_image(tmp_path / "out" / name, channels=1) - expected).abs().max() < 0.01
    assert not (tmp_path / "out-generator").exists()


def test_grey_stays_grey_and_alpha_what_it_was(models: Path, tmp_path: Path) -> None:
    grey, alpha = picture(1, channels=1, height=20, width=30), picture(2, channels=4, height=20, width=30)
    images.save_image(grey, tmp_path / "d/x/grey.png")
    images.save_image(alpha, tmp_path / "d/x/alpha.png")
    images.open_image(tmp_path / "d/x/alpha.png").convert("LA").save(tmp_path / "d/x/both.png")
    command = ("--by", "style", "--model", "tiny-fast-style", "--out", tmp_path / "out")
    run(tmp_path / "d", *command)
    opened = {}
    for name, how in json.loads((tmp_path / "out/augment.json").read_text("utf-8"))["made"].items():
        opened[how["from"]] = images.open_image(tmp_path / "out" / name)
    assert [opened[f"x/{name}.png"].mode for name in ("grey", "alpha", "both")] == ["L", "RGBA", "RGBA"]
    before = images.load_image(tmp_path / "d/x/alpha.png", channels=4)
    after = {name: images.from_pil(one, channels=4) for name, one in opened.items()}
    assert torch.equal(after["x/alpha.png"][:, 3:], before[:, 3:])
    assert torch.equal(after["x/both.png"][:, 3:], before[:, 3:])
    assert (after["x/both.png"][:, :3] - after["x/both.png"][:, :1]).abs().max() == 0
    assert (after["x/alpha.png"][:, :3] - before[:, :3]).abs().mean() > 0.02


def test_colours_can_be_kept(models: Path) -> None:
    painter, content = AutoModel.from_pretrained(models / "tiny-fast-style"), picture(5, height=24, width=16) * 0.3
    name = painter.style_names[0]
    kept = restyle(painter, content, name, 1.0, 0, keep_colours=True)
    painted = restyle(painter, content, name, 1.0, 0)
    inside = kept.abs().amax(1, keepdim=True) < 1  # what was not cut off at black or white
    assert inside.any() and kept.shape == content.shape
    shift = (kept - content).masked_select(inside.expand_as(kept)).view(3, -1)
    assert (shift - shift[:1]).abs().max() < 1e-5
    assert (luminance(kept) - luminance(painted))[inside].abs().max() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (1500, 40)])
def test_any_shape_can_be_painted(models: Path, size: tuple[int, int]) -> None:
    painter = AutoModel.from_pretrained(models / "tiny-fast-style")
    made = restyle(painter, torch.zeros(1, 3, *size), painter.style_names[0], 1.0, 0)
    assert made.shape[-2:] == (size if max(size) <= 1024 else (1024, 27))


def test_new_names_are_never_those_of_originals(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png", "b.style-wave-1.png", "Generated-000000.png"):
        images.save_image(picture(1), tmp_path / "d/{x}" / name)
    labelled = read_labelled(tmp_path / "d")
    plans = plan_restyled(labelled, {"{x}": 20}, ["wave"], 0, 1.0), plan_samples(labelled, {"{x}": 3}, 0)
    for plan in plans:
        names = [new.name.lower() for new in plan] + [one.name.lower() for one in labelled.originals]
        assert len(set(names)) == len(names) and all(name.startswith("{x}/") for name in names)
    assert "{x}/a.jpg.style-wave-1.png" in [new.name for new in plans[0]]


def test_sizes_of_generators(tmp_path: Path) -> None:
    for k, (height, width) in enumerate([(30, 30), (90, 60), (300, 200)]):
        images.save_image(picture(k, height=height, width=width), tmp_path / f"d{k}/x/a.png")
    found = [generator_size(read_labelled(tmp_path / f"d{k}")) for k in range(3)]
    assert found == [(28, (30, 30)), (56, (90, 60)), (64, (96, 64))]


def test_counts(folder: Path) -> None:
    labelled = read_labelled(folder)
    assert counts(labelled, times=3) == {"cat": 6, "dog": 6, "newt": 2}
    assert counts(labelled, per_class=3) == {"cat": 0, "dog": 0, "newt": 2}
    with pytest.raises(ConfigError, match="more than 100,000"):
        counts(labelled, times=50_000)


def test_full_classes_and_broken_pictures_are_named(folder: Path, models: Path, tmp_path: Path) -> None:
    (folder / "cat/broken.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    said = run(folder, "--by", "style", "--model", "tiny-fast-style", "--per-class", 2, "--out", out)
    assert "Each of 2 classes ('cat', 'dog') has 2 pictures or more: all are kept, none is added." in said
    assert "1 of the pictures cannot be read and are left out: cat/broken.png" in said
    assert class_counts(out) == {"cat": 3, "dog": 3, "newt": 2}


STYLE = ("--by", "style", "--model", "tiny-fast-style")
SAMPLED = ("--by", "generator", "--images", "64")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--by", "styl"), "Did you mean 'style'"),
        ((*STYLE, "--per-class", "1"), "Each class has 1 to 3 pictures already, so 1 per class adds none"),
        ((*STYLE, "--per-class", "-4"), "ask for more than 1"),
        ((*STYLE, "--times", "1"), "times must be 2 or more"),
        ((*STYLE, "--times", "2", "--per-class", "9"), "either how many pictures"),
        ((*STYLE, "--strength", "0"), "strength must be above 0"),
        ((*STYLE, "--seed", "-1"), "--seed must be from 0"),
        ((*STYLE, "--style", "nowhere.png"), "no style and no picture file 'nowhere.png'"),
        ((*STYLE, "--style", "pets/cat/0.png"), "paints the styles it was trained on"),
        ((*STYLE, "--images", "64"), "--images is for a generator that is trained here"),
        (("--by", "style", "--model", "tiny-gatys"), "--style FILE"),
        (("--by", "style", "--model", "tiny-dcgan"), "does not paint"),
        ((*SAMPLED, "--style", "x"), "belong to --by style"),
        (("--by", "generator", "--images", "3"), "--images must be 64 or more"),
        (("--by", "generator", "--model", "tiny-gatys"), "is a stylizer, which does not do this"),
        (("--by", "generator", "--model", "tiny-dcgan"), "knows no classes"),
        (("--by", "generator", "--model", "tiny-conditional-gan"), "The model knows no class 'cat'"),
        ((*STYLE, "--out", "pets"), "lies in the folder that is to grow"),
        ((*STYLE, "--out", "pets/new/deep"), "lies in the folder that is to grow"),
        ((*STYLE, "--out", "full"), "is no run of this command"),
        (("--by", "generator", "--out", "old", "--images", "64"), "was begun with other settings (by 'style'"),
    ],
)
def test_refusals(
    folder: Path, models: Path, arguments: tuple, says: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder.parent)
    (folder.parent / "full").mkdir()
    (folder.parent / "full/letter.txt").write_text("mine", encoding="utf-8")
    if "old" in arguments:
        run("pets", *STYLE, "--out", "old")
    before = contents(folder.parent)
    error = refused(["pets", "--out", "new", *arguments], capsys, monkeypatch)
    assert says in error
    assert contents(folder.parent) == before, "nothing is written before all is checked"


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["ganhub", "augment", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    error = capsys.readouterr().err
    assert stop.value.code == 1 and "Traceback" not in error
    return error


def test_folders_that_cannot_grow(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    def says(where: Path) -> str:
        with pytest.raises(DataError) as error:
            read_labelled(where)
        return str(error.value)

    assert "does not exist" in says(tmp_path / "nowhere")
    assert "is no folder: unpack it" in says(folder / "cat/0.png")
    (tmp_path / "nothing").mkdir()
    assert "has no class folders" in says(tmp_path / "nothing")
    assert "0.png of" in says(folder / "newt") and "lies in no class folder" in says(folder / "newt")
    (folder / "owl").mkdir()
    assert "The class 'owl'" in says(folder) and "holds no picture that can be read" in says(folder)
    (folder / "owl/1.png").write_bytes(b"")
    assert "owl/1.png" in says(folder)
    images.save_image(picture(1), tmp_path / "sets/train/cat/a.png")
    assert "which are no classes: name one of them" in says(tmp_path / "sets")
    images.save_image(picture(1), tmp_path / "one/cat/a.png")
    error = refused([str(tmp_path / "one"), "--out", str(tmp_path / "o"), *SAMPLED], capsys, monkeypatch)
    assert "holds one class only, 'cat'" in error and not (tmp_path / "o").exists()


def test_a_changed_folder_is_noticed(folder: Path, tmp_path: Path) -> None:
    before = read_labelled(folder)
    begin(before, tmp_path / "out", {"by": "style"}, [])
    images.save_image(picture(99), folder / "cat/0.png")
    with pytest.raises(ConfigError, match="pictures have changed"):
        begin(read_labelled(folder), tmp_path / "out", {"by": "style"}, [])
    (tmp_path / "out/augment.json").write_text("[", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        begin(before, tmp_path / "out", {"by": "style"}, [])
