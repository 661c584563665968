"""Files that are there stay, unless somebody says yes; how samples are enlarged; what takes long is said."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ganhub import AutoModel, hub, zoo
from ganhub.cli import _forecast, cli
from ganhub.cli._enlarge import chosen
from ganhub.cli._files import may_write
from ganhub.cli.evaluate import CLASSES, table_of
from ganhub.creation.marks import enlarged
from ganhub.durations import in_words
from ganhub.errors import ConfigError, FileError, HubError
from ganhub.files import check_place
from ganhub.images import load_image, save_image
from ganhub.metrics import Evaluation
from ganhub.metrics.protocol import Protocol, Result
from ganhub.models import get_architecture
from ganhub.models.srgan import SRGAN


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for name in ("dcgan", "stylegan2", "fast-style", "pix2pix", "srgan", "inpainting"):
        get_architecture(name).tiny().save_pretrained(tmp_path / "model_cards" / f"tiny-{name}")
    style = AutoModel.from_pretrained("tiny-fast-style").style_names[0]
    Path("style.txt").write_text(style)
    save_image(torch.rand(1, 3, 24, 24) * 2 - 1, "photo.png")
    mask = -torch.ones(1, 1, 24, 24)
    mask[..., 4:9, 4:9] = 1
    save_image(mask, "mask.png")
    return tmp_path


def invoke(*arguments: str, answer: str | None = None):
    return CliRunner().invoke(cli, arguments, input=answer)


COMMANDS = {
    "sample": "sample tiny-dcgan --n 2 --out old.png",
    "walk": "walk tiny-dcgan --seeds 1,2 --frames 2 --out old.gif",
    "project": "project photo.png --model tiny-stylegan2 --steps 1 --out old",
    "style": "style photo.png --style STYLE --model tiny-fast-style --out old.png",
    "translate": "translate photo.png --model tiny-pix2pix --out old.png",
    "upscale": "upscale photo.png --model tiny-srgan --out old.png",
    "inpaint": "inpaint photo.png --mask mask.png --model tiny-inpainting --out old.png",
    "evaluate": "evaluate tiny-dcgan --data . --pairs old.png",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_there_stays_unless_forced(place: Path, command: str) -> None:
    """One rule for all commands that write; asked before a model is loaded or a picture made."""
    arguments = COMMANDS[command].replace("STYLE", Path("style.txt").read_text()).split()
    old = Path({"walk": "old.gif", "project": "old/edits.png"}.get(command, "old.png"))
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(b"my old picture")
    result = invoke(*arguments)
    assert isinstance(result.exception, ConfigError), result.output
    assert f"{old} is there already: choose another --out, or add --force" in str(result.exception)
    assert old.read_bytes() == b"my old picture"
    if command not in ("project", "evaluate"):
        result = invoke(*arguments, "--force")
        assert result.exit_code == 0 and old.read_bytes() != b"my old picture", result.exception


def test_a_person_is_asked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    said = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    for answer in (True, False):
        monkeypatch.setattr("typer.confirm", lambda text, err, answer=answer: said.append(text) or answer)
        if answer:
            may_write([Path("photo.png"), Path("new.png")], force=False)
        else:
            with pytest.raises(ConfigError, match="2 of the files to write, such as photo.png, are there already"):
                may_write([Path("photo.png"), Path("mask.png")], force=False)
    assert said[0] == "photo.png is there already. Overwrite?" and len(said) == 2
    may_write([Path("photo.png")], force=True)
    may_write([Path("new.png")], force=False)
    assert len(said) == 2, "nothing to ask"


# --- Enlarged samples -------------------------------------------------------------------


def test_samples_are_enlarged_pixel_by_pixel(place: Path) -> None:
    result = invoke("sample", "tiny-dcgan", "--n", "1", "--scale", "4", "--out", "large.png")
    assert result.exit_code == 0 and "enlarged 4 times, each pixel a square" in result.output, result.exception
    small = AutoModel.from_pretrained("tiny-dcgan").sample(1)
    wanted = small.repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert (load_image("large.png") - wanted).abs().max() < 1 / 127


def test_the_upscaler_enlarges_where_it_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the stated rule: colour, and 64 pixels a side or more; twice is its four times, halved."""
    upscaler = SRGAN(SRGAN.Config(scale=4, width=4, blocks=1))
    upscaler.save_pretrained(place / "model_cards" / "srgan-x4")
    pictures = torch.rand(2, 3, 64, 72) * 2 - 1
    for scale in (2, 4):
        name, how = chosen(scale, "auto", (64, 72), 3)
        large = enlarged(pictures, scale, AutoModel.from_pretrained(name))
        assert large.shape == (2, 3, 64 * scale, 72 * scale) and "by srgan-x4" in how
    assert (large - upscaler.eval().translate(pictures)).abs().max() < 1e-3
    assert "each pixel a square" in chosen(2, "auto", (63, 200), 3)[1], "smaller pictures"
    assert "each pixel a square" in chosen(2, "auto", (64, 64), 1)[1], "grey ones"
    assert "each pixel a square" in chosen(2, "nearest", (64, 64), 3)[1]
    assert "srgan-x4" in chosen(2, "upscaler", (8, 8), 3)[1], "asked for"
    monkeypatch.setitem(zoo.USUAL, "enlarge", ("no-such-upscaler",))
    assert "no-such-upscaler is not on this machine" in chosen(2, "auto", (64, 64), 3)[1]
    with pytest.raises(HubError, match="no-such-upscaler"):
        chosen(2, "upscaler", (64, 64), 3)
    refused = ((3, "auto", "--scale is 1, 2 or 4"), (2, "best", "--enlarge is auto, upscaler or nearest"))
    for scale, way, says in refused:
        with pytest.raises(ConfigError, match=says):
            chosen(scale, way, (64, 64), 3)


# --- How long it takes ------------------------------------------------------------------


def test_what_takes_long_is_said_once_by_measured_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten of a hundred steps of three seconds: 270 seconds are left."""
    seconds = iter(range(0, 10_000, 3))
    forecast = _forecast.Forecast("Painting", clock=lambda: next(seconds))
    for step in range(1, 10):
        forecast.at(step / 100)
    assert capsys.readouterr().err == ""
    forecast.clock = lambda: 30
    forecast.at(0.1)
    assert capsys.readouterr().err == "Painting takes about 4 minutes more, by its first 10%. Ctrl-C stops.\n"
    forecast.at(0.2, whole=True)
    quick = _forecast.Forecast("Painting", clock=lambda: 1)
    quick.at(0.5, whole=True)
    assert capsys.readouterr().err == "", "once, and only where it is worth a word"
    words = [in_words(seconds) for seconds in (0.2, 40, 300, 9000)]
    assert words == ["about a second", "about 40 seconds", "about 5 minutes", "about 2.5 hours"]


def test_evaluate_says_whose_class_accuracy_it_is() -> None:
    how = Protocol(metric="class_accuracy", extractor="vgg-lite", data="d")
    result = Result(name="class_accuracy", label="Class accuracy", value=0.5, better="higher", protocol=how)
    assert CLASSES in table_of(Evaluation([result], None, None))
    other = Result(name="kernel", label="Kernel distance", value=0.5, better="lower", protocol=how)
    assert "linear classifier" not in table_of(Evaluation([other], None, None))


# ---- places where nothing can be written


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes here")
@pytest.mark.parametrize("command", ["sample", "walk", "project", "style", "translate", "upscale", "inpaint"])
def test_what_cannot_be_written_is_known_before_the_work(place: Path, command: str) -> None:
    """No model is looked for: there is none of this name."""
    Path("link").symlink_to("link")
    words = COMMANDS[command].replace("STYLE", "dots").replace("tiny-", "no-such-").split()[:-1]
    kind = "gif" if command == "walk" else "png"
    os.mkfifo(f"pipe.{kind}")
    for out in (f"pipe.{kind}", f"photo.png/in.{kind}", f"link/in.{kind}", f"{300 * 'x'}.{kind}"):
        result = invoke(*words, out, "--force")
        assert isinstance(result.exception, ConfigError), (out, result.exception)
        assert "cannot be written" in str(result.exception)
    assert Path(f"pipe.{kind}").is_fifo()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes here")
def test_a_pipe_is_never_replaced(place: Path) -> None:
    Path("full").mkdir()
    for name in ("pipe.png", "full/config.json"):
        os.mkfifo(name)
    with pytest.raises(FileError, match=r"pipe.png cannot be written \(it is a pipe or a device\)"):
        save_image(torch.zeros(1, 3, 4, 4), "pipe.png")
    with pytest.raises(FileError, match=r"config.json cannot be written \(it is a pipe or a device\)"):
        get_architecture("dcgan").tiny().save_pretrained("full")
    with pytest.raises(HubError, match="it is no regular file"):
        AutoModel.from_pretrained("./full")
    assert Path("pipe.png").is_fifo() and Path("full/config.json").is_fifo()
    assert sorted(os.listdir("full")) == ["config.json"], "nothing is half there"
    Path("linked.png").symlink_to("photo.png")
    save_image(torch.zeros(1, 3, 4, 4), "linked.png")  # a file that a link names is a file


def test_where_files_can_be_put(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    for fine in ("a.txt", "new/folders/on/the/way.txt", "b.txt"):
        check_place(tmp_path / fine)
    for wrong, why in ((".", "it is a folder"), ("a.txt/b.txt", "Not a dir"), ("a.txt/b/c.txt", "Not a dir")):
        with pytest.raises(OSError, match=why):
            check_place(tmp_path / wrong)


@pytest.mark.parametrize(
    "line",
    [
        "train dcgan_landscapes pictures", "translate p.png --model srgan-x4", "upscale p.png",
        "inpaint p.png --mask m.png", "style p.png --style waves", "sample tiny", "walk tiny",
    ],
)  # fmt: skip
def test_an_empty_place_is_refused_by_name(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*line.split(), "--out", ""])
    assert result.exit_code == 2 and "it is empty: name a file or folder" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_an_empty_name_is_not_the_working_directory(tmp_path, monkeypatch):
    get_architecture("dcgan").tiny().save_pretrained(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert hub.find_local("") is None and hub.find_local(" ") is None and hub.find_local(".") is not None
