"""What folders hold besides pictures, in every command that works through folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ganhub.augment import read_labelled
from ganhub.cli import cli
from ganhub.errors import DataError
from ganhub.models.mlp_gan import MLPGAN
from ganhub.models.srgan import SRGAN
from ganhub.trainer import Trainer, make_recipe


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    SRGAN.tiny().save_pretrained(tmp_path / "large")
    return tmp_path


def picture(path: str, kind: str = "PNG") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((20, 16), 60).convert("RGB").save(path, kind)


def run(*arguments: str, says: str = "", code: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments)
    text = result.output + str(result.exception or "")
    assert (result.exit_code != 0) == bool(code), text
    assert says in text, text
    return text


def test_every_kind_of_picture_is_worked_on_and_the_rest_is_named(place):
    for number, suffix in enumerate((".PNG", ".jfif", ".jpe", ".ppm", ".dib")):
        picture(f"photos/{number}{suffix}", {".PNG": "PNG", ".ppm": "PPM", ".dib": "BMP"}.get(suffix, "JPEG"))
    picture("photos/._5.png")
    picture("photos/inner/6.png")
    for name in ("7.HEIC", "8.mp4", "notes.txt", "metadata.csv"):
        Path("photos", name).write_bytes(b"")
    said = run("upscale", "photos", "--model", "large", "--out", "out", says="6 files or folders of photos are passed")
    assert all(name in said for name in ("7.HEIC (HEIC: save it as PNG", "8.mp4", "inner/", "metadata.csv"))
    assert {path.stem for path in Path("out").iterdir()} == set("01234")
    said = run("upscale", "photos/[5-8n]*", "--model", "large", "--out", "more", code=1)
    assert "no photos in the pattern" in said and "7.HEIC (HEIC" in said
    run("upscale", "photos/[0n]*", "--model", "large", "--out", "more", says="notes.txt")
    assert [path.name for path in Path("more").iterdir()] == ["0.PNG"]


def test_of_a_folder_the_out_is_a_folder_whatever_its_name(place):
    picture("photos/a.png")
    for number, photos in enumerate(("photos", "photos/*.png")):
        run("upscale", photos, "--model", "large", "--out", f"v{number}.2", says=str(Path(f"v{number}.2", "a.png")))
        assert Path(f"v{number}.2", "a.png").is_file()
    run("upscale", "photos/a.png", "--model", "large", "--out", "v3.2", code=1, says="end --out in .png")
    run("upscale", "photos", "--model", "large", "--out", "one.png")
    assert Path("one.png").is_file()


def test_growing_goes_by_the_same_list(place):
    for name in ("10/a.jfif", "9/a.png", "9/b.pbm"):
        picture(f"set/{name}", {".jfif": "JPEG", ".png": "PNG", ".pbm": "PPM"}[Path(name).suffix])
    Path("set/9/c.heic").write_bytes(b"")
    Path("set/set.zip").write_bytes(b"PK")
    found = read_labelled("set")
    assert {label: len(pictures) for label, pictures in found.classes.items()} == {"9": 2, "10": 1}
    assert list(found.classes) == ["9", "10"] and "9/c.heic (HEIC" in found.notes[0] and "set.zip" in found.notes[0]
    picture("around/set/9/a.png")
    with pytest.raises(DataError, match="lies in one folder: name .*around.set"):
        read_labelled("around")
    for part in ("Training", "TEST_set"):
        picture(f"parted/{part}/cat/a.png")
    with pytest.raises(DataError, match="no classes: name one of them"):
        read_labelled("parted")
    try:
        os.symlink(place / "set/9", place / "around/nine", target_is_directory=True)
    except OSError:
        return
    assert [one.name for one in read_labelled("around").classes["nine"]] == ["nine/a.png", "nine/b.pbm"]


def test_training_says_once_what_it_leaves_out(place, capsys):
    for name in ("train/a.png", "train/b.png", "test/c.png"):
        picture(f"set/{name}")
    Path("set/train/d.heic").write_bytes(b"")
    Path("set/train/e.png").write_bytes(b"none")
    model = MLPGAN.tiny().config.to_dict()
    tables = {"model": {"architecture": "mlp-gan", **model}, "train": {"watch": False}, "data": {"path": "set"}}
    recipe = make_recipe(tables)
    trainer = Trainer(recipe, place / "run")
    said = capsys.readouterr().out
    assert len(trainer.data) == 2 and trainer.data.config.path == "set"
    assert said.count("train/d.heic (HEIC") == 1 and said.count("the part train is read") == 1
    assert said.count("1 of the pictures cannot be used and are left out: train/e.png") == 1


def test_training_says_what_turns_out_of_pictures_that_are_read_as_they_come(place, capfd):
    for name in "abcd":
        picture(f"set/{name}.png")
    Path("set/e.png").write_bytes(b"none")
    Image.new("RGBA", (8, 8)).save("set/f.png")
    model = MLPGAN.tiny().config.to_dict()
    tables = {"model": {"architecture": "mlp-gan", **model}, "data": {"path": "set", "memory_gb": 0},
              "train": {"images": 48, "batch_size": 6, "log_every": 6, "watch": False}}  # fmt: skip
    Trainer(make_recipe(tables), place / "run").run()
    said = "".join(capfd.readouterr())
    assert said.count("1 of the pictures cannot be used and are left out: e.png") == 1
    assert said.count("has transparency and the model has none") == 1


def test_measuring_says_it_too(place):
    torch.manual_seed(0)
    model = MLPGAN.tiny()
    model.save_pretrained("small")
    for number in range(6):
        picture(f"set/{number}.png")
    Path("set/x.heic").write_bytes(b"")
    said = run("evaluate", "small", "--data", "set", "--metrics", "kernel", "--n", "6", "--extractor", "vgg-lite")
    assert "1 file or folder of set is passed over" in said and "x.heic (HEIC" in said
