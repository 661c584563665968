"""``ganhub train``: recipes by name, somebody's own pictures, what `auto` chooses for them, how long it takes."""

from __future__ import annotations

import re
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from typer.testing import CliRunner

from ganhub import AutoModel
from ganhub.cli import cli, main
from ganhub.errors import ConfigError, DataError
from ganhub.images import save_image
from ganhub.images.colour import flatness
from ganhub.nn.random import uniform
from ganhub.trainer import Trainer, auto, estimate, make_recipe, shelf

TINY = """
[model]
architecture = "mlp-gan"
image_size = 8
channels = 3
latent_dim = 4
[objective]
name = "adversarial"
[train]
images = 640
batch_size = 8
checkpoint_every = 320
grid_every = 640
watch = false
[data]
path = "pictures-of-the-recipe.zip"
"""


def paint(folder: Path, count: int, size: tuple[int, int] = (80, 90), channels: int = 3) -> Path:
    """Distinct noise pictures, grey ones with one channel, transparent ones with four."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        save_image(uniform([number], channels, *size) * 2 - 1, folder / f"{number:03d}.png")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY)
    paint(Path("mine"), 20, (10, 12))
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["train", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_recipe_and_pictures_become_a_model(here: Path) -> None:
    """The time is said before it begins, by measured steps of a copy: the weights are those of an unmeasured run."""
    Path("mine/broken.png").write_bytes(b"no picture")
    said = run("tiny.toml", "mine", "--out", "run", "train.seed=3")
    assert said.count("left out: broken.png") == 1, "the copy that is measured has no remarks of its own"
    assert re.search(r"640 pictures take about .* here \(.* a second, by 10 measured steps\)\. Ctrl-C", said), said
    assert AutoModel.from_pretrained("run").sample(1).shape == (1, 3, 8, 8)
    before = Path("run/model.safetensors").read_bytes()
    Trainer(shelf.own_recipe("tiny.toml", "mine", ["train.seed=3"]), "plain", quiet=True).run()
    assert Path("plain/model.safetensors").read_bytes() == before
    assert "measured" not in run("tiny.toml", "mine", "--out", "run", "train.seed=3"), "nothing is left to do"
    assert Path("run/model.safetensors").read_bytes() == before


def test_a_run_that_goes_on_is_known_by_its_log(here: Path) -> None:
    recipe = shelf.own_recipe("tiny.toml", "mine", ["train.images=320"])
    Trainer(recipe, "run", quiet=True).run()
    longer = Trainer(shelf.own_recipe("tiny.toml", "mine"), "run", quiet=True)
    speed, why = estimate.expected_speed(longer)
    assert why == "by its log" and speed > 0 and estimate.images_done(longer) == 320
    short = make_recipe({**tomllib.loads(TINY), "data": {"path": "mine"}, "train": {"images": 64, "batch_size": 8}})
    assert estimate.expected_speed(Trainer(short, "other", quiet=True)) is None, "shorter than its measuring"


def test_recipes_have_names(here: Path) -> None:
    known = shelf.list_recipes()
    assert {"stylegan2_monet", "dcgan_landscapes", "srgan_x4"} <= set(known)
    assert shelf.find_recipe("stylegan2-monet") == shelf.find_recipe("stylegan2_monet.toml") == known["stylegan2_monet"]
    assert shelf.find_recipe("tiny.toml") == Path("tiny.toml")
    with pytest.raises(ConfigError, match="Did you mean 'stylegan2_monet'.*auto, .*dcgan_landscapes"):
        shelf.find_recipe("stylegan2_monnet")


def test_data_is_the_data_path(here: Path) -> None:
    """Also a name like a number, and of both sides where the recipe takes them from one place."""
    assert shelf.own_recipe("tiny.toml", "2024").data.path == "2024"
    assert shelf.own_recipe("tiny.toml").data.path == "pictures-of-the-recipe.zip"
    assert shelf.own_recipe("tiny.toml", "a", ["data.path=b"]).data.path == "b", "key=value wins"
    both = shelf.own_recipe("pix2pix_sketch2emoji", 'my "own".zip').data
    assert both.path == both.other["path"] == 'my "own".zip'
    one = shelf.own_recipe("cut_monet", "photos-of-mine").data
    assert one.path == "photos-of-mine" != one.other["path"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiny.toml", "mine", "more", "--out", "r"), "one place with pictures, not mine and more"),
        (("auto", "--out", "r"), "Say where your pictures lie"),
        (("auto", "nowhere", "--out", "r"), "nowhere does not exist"),
        (("tiny.tml", "mine", "--out", "r"), "There is no file and no recipe 'tiny.tml'"),
        (("tiny.toml", "mine", "--out", "r", "train.imges=3"), "Did you mean 'images'"),
    ],
)
def test_what_cannot_be_trained(here: Path, arguments: tuple, says: str, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ganhub", "train", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    error = capsys.readouterr().err
    assert stop.value.code == 1 and error.startswith("ganhub: ") and says in error, error
    assert not Path("r").exists()


# --- auto: what is seen, and what is chosen for it ----------------------------------------


def paint_flat(folder: Path, count: int, *, grey: bool = False) -> Path:
    """Drawings: a box of one colour on another."""
    folder.mkdir()
    for number in range(count):
        picture = torch.full((3, 48, 48), 0.5) if grey else torch.tensor([0.5, number / 20 - 1, -0.3]).repeat(48, 48, 1)
        picture = picture if grey else picture.permute(2, 0, 1).clone()
        picture[:, 8:30, 8 : 30 + number % 10] = -0.7 if grey else torch.tensor([-0.7, 0.2, 0.9])[:, None, None]
        save_image(picture, folder / f"{number:03d}.png")
    return folder


def test_auto_sees_colours_sizes_and_transparency(tmp_path: Path) -> None:
    found = auto.look_at(str(paint(tmp_path / "a", 20, (70, 100))))
    assert (found.count, found.sides, found.grey, found.alpha, found.classes) == (20, (70, 100), False, False, {})
    assert found.wide == pytest.approx(100 / 70) and not found.halves
    assert auto.look_at(str(paint(tmp_path / "b", 20, (30, 30), channels=1))).grey
    assert auto.look_at(str(paint(tmp_path / "c", 20, (30, 30), channels=4))).alpha
    assert auto.look_at(str(paint(tmp_path / "d", 20, (30, 60)))).halves
    assert found.flat < 0.1 and not found.drawn
    drawn = auto.look_at(str(paint_flat(tmp_path / "e", 20)))
    assert drawn.flat > 0.9 and drawn.drawn and "drawn in flat colours" in drawn.sentence()
    assert not auto.look_at(str(paint_flat(tmp_path / "f", 20, grey=True))).drawn
    large = F.interpolate(uniform([0], 3, 9, 9) * 2 - 1, size=(900, 900), mode="bicubic").clamp(-1, 1)[0]
    assert flatness(large) > 0.9, "a smooth photo: at its own size neighbours are alike"
    assert flatness(auto._small(large)) < 0.3
    sprite = torch.cat([uniform([0], 3, 48, 48)[0] * 2 - 1, -torch.ones(1, 48, 48)])  # noise that nobody sees
    sprite[:, 20:30, 20:30] = torch.tensor([0.5, 0.2, -0.3, 1.0])[:, None, None]
    assert flatness(sprite) < 0.1 and flatness(auto._small(sprite)) > 0.9
    (tmp_path / "a" / "000.png").write_bytes(b"broken")
    found = auto.look_at(str(tmp_path / "a"))
    assert len(found.unread) == 1 and "1 of 20 looked at cannot be read" in found.sentence()
    for number in range(1, 10):
        (tmp_path / "a" / f"{number:03d}.png").unlink()
    with pytest.raises(DataError, match="11 pictures; 16 or more"):
        auto.look_at(str(tmp_path / "a"))


def test_auto_sees_classes_and_pairs(tmp_path: Path) -> None:
    for name, count in {"cat": 22, "dog": 24, "newt": 3}.items():
        paint(tmp_path / "pets" / name, count, (20, 20))
    found = auto.look_at(str(tmp_path / "pets"))
    assert found.classes == {"cat": 22, "dog": 24, "newt": 3} and not found.sides_of_pairs
    for name in ("A", "B"):
        paint(tmp_path / "sides" / name, 16, (20, 20))
    assert auto.look_at(str(tmp_path / "sides")).sides_of_pairs == ("A", "B")
    with zipfile.ZipFile(tmp_path / "sides.zip", "w") as archive:
        for path in sorted((tmp_path / "sides").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "sides").as_posix())
    assert auto.look_at(str(tmp_path / "sides.zip")).sides_of_pairs == ("A", "B")
    (tmp_path / "sides/B/000.png").unlink()
    assert not auto.look_at(str(tmp_path / "sides")).sides_of_pairs, "one has no partner: no pairs"
    np.savez(tmp_path / "digits.npz", x=np.zeros((30, 28, 28), np.uint8), y=np.arange(30) % 3)
    found = auto.look_at(str(tmp_path / "digits.npz"))
    assert found.grey and found.sides == (28, 28) and found.classes == {"0": 10, "1": 10, "2": 10}


CLASSES = {"a": 300, "b": 40, "c": 5}
SMALL = dict(count=345, sides=(28, 28), grey=True)
PAIRS = "pix2pix_sketch2emoji"


@pytest.mark.parametrize(
    ("found", "recipe", "has", "says"),
    [
        (dict(count=216, sides=(256, 300)), "stylegan2_monet", ["train.init=stylegan2-landscapes"], "quickest"),
        (dict(count=3000, sides=(256, 300)), "stylegan2_landscapes", ["data.zoom=1.15", "data.holdout=0.2"], "noise"),
        (dict(count=90, sides=(32, 32)), "stylegan2_landscapes", ["model.image_size=32"], "no room"),
        (dict(count=345, sides=(90, 90), classes=CLASSES), "stylegan2_emoji", ["model.num_classes=2"], "left out (1)"),
        (dict(SMALL, classes=CLASSES), "conditional_gan_glyphs", ["data.flip=false"], "asked for a class"),
        (SMALL, "dcgan_landscapes", ["model.channels=1"], "Small grey"),
        (dict(count=400, sides=(99, 99), sides_of_pairs=("A", "B")), PAIRS, ['data.only="A/*"'], "A to B"),
        (dict(count=400, sides=(99, 198), halves=True), PAIRS, ["data.half=left"], "left half"),
        (dict(count=300, sides=(64, 64), flat=0.8), "stylegan2_landscapes", ["model.palette=32"], "flat colours"),
        (dict(count=300, sides=(64, 64), flat=0.4), "stylegan2_monet", ["model.image_size=64"], "quickest"),
        (dict(count=345, sides=(90, 90), classes=CLASSES, flat=0.6), "stylegan2_emoji", ["model.palette=32"], "flat"),
        (dict(count=300, sides=(64, 64), flat=0.9, grey=True), "stylegan2_monet", ["data.flip=true"], "quickest"),
        (dict(SMALL, flat=0.9), "dcgan_landscapes", ["model.channels=1"], "Small grey"),
        (dict(count=216, sides=(99, 300), wide=3.0, alpha=True), "stylegan2_monet", ["data.flip=true"], "oblong"),
    ],
)  # fmt: skip
def test_auto_chooses_by_its_rules(found: dict, recipe: str, has: list[str], says: str) -> None:
    """Each choice is a recipe that reads, for a model and objective that can be built."""
    choice = auto.choose(auto.Overview(path="pictures", **found))
    assert choice.recipe == recipe and set(has) <= set(choice.overrides), choice
    assert says in " ".join(choice.reasons), choice.reasons
    assert ("model.palette=32" in choice.overrides) == (
        found.get("flat", 0) > 0.5 and recipe.startswith("stylegan2") and not found.get("grey", False)
    )
    ready = shelf.own_recipe(choice.recipe, "pictures", choice.overrides)
    AutoModel.from_config(ready.model)
    assert 1000 <= ready.train.images <= 4 * 450_000 and ready.train.cooldown <= ready.train.images


def test_auto_leaves_the_palette_of_weights_that_somebody_names(tmp_path: Path) -> None:
    path = str(paint_flat(tmp_path / "drawn", 20))
    for started in (False, True):
        found, choice = auto.auto_recipe(path, started=started)
        assert found.drawn and ("model.palette=32" in choice.overrides) != started


def test_auto_trains_longer_on_more_pictures() -> None:
    lengths = [auto._length(1000, count, 500) for count in (20, 125, 500, 2000, 10**6)]
    assert lengths == [500, 500, 1000, 2000, 4000] and all(type(length) is int for length in lengths)
    assert set(auto.USUAL) <= set(shelf.list_recipes())


def test_auto_without_published_weights_starts_from_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "START", "no-such-model")
    choice = auto.choose(auto.Overview(path="p", count=216, sides=(256, 300)))
    assert choice.recipe == "stylegan2_landscapes" and not [o for o in choice.overrides if "init" in o]


def test_train_auto_from_pictures_to_a_model(here: Path) -> None:
    """Small, so that it ends: what it found, why, and the same command without auto are all said."""
    paint(Path("grey"), 20, (12, 12), channels=1)
    small = ["model.image_size=8", "model.width=4", "model.max_width=8", "model.discriminator_width=4",
             "train.images=64", "train.batch_size=8", "train.watch=false", "objective.augment="]  # fmt: skip
    said = run("auto", "grey", "--out", "run", *small)
    assert "20 pictures in grey: 12 pixels a side" in said and "Small grey pictures" in said
    assert "The same without auto: ganhub train dcgan_landscapes grey --out run model.channels=1" in said
    assert AutoModel.from_pretrained("run").config.channels == 1


def test_the_end_of_a_run_says_what_is_there_and_how_to_look_at_it(here: Path) -> None:
    said = run("tiny.toml", "mine", "--out", "a run", "train.images=16")
    assert "Finished: a run is a model folder. Try it: ganhub sample 'a run' --out grid.png" in said
    assert "Finished:" not in run("tiny.toml", "mine", "--out", "a run", "train.images=16")


def test_auto_names_each_setting_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganhub.cli import train

    spoken: list[str] = []
    monkeypatch.setattr(train, "say", lambda text, err=False: spoken.append(text))
    paint(Path("buttons"), 20, (9, 9))
    _, changed = train._choose("buttons", ["train.images=64", "data.flip=false"], Path("run"))
    keys = [text.partition("=")[0] for text in changed]
    assert len(set(keys)) == len(keys) and "train.images=64" in changed and "data.flip=false" in changed
    assert any("32 x 32 pixels, enlarged from 9," in text for text in spoken)
