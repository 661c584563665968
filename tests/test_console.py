"""Streams and errors: no character, no closed pipe and no full disk ends a command in a traceback or loses numbers."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ganhub import AutoModel, hub
from ganhub.cli import main
from ganhub.console import in_sentences, printable
from ganhub.errors import ConfigError, GanhubError
from ganhub.hub import cards
from ganhub.images import save_image
from ganhub.metrics.reading import feature_cache
from ganhub.models import get_architecture
from ganhub.nn.devices import choose_device
from ganhub.trainer import read_recipe
from ganhub.trainer.log import read_log

MARK = b"\xef\xbb\xbf"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """``ganhub ...`` with streams of an encoding: exit status, output, error stream."""

    def run(*arguments: object, encoding: str = "cp1252") -> tuple[int, str, str]:
        out, error = io.TextIOWrapper(io.BytesIO(), encoding), io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", error)
        monkeypatch.setattr(sys, "argv", ["ganhub", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        error.flush()
        return stop.value.code, *(one.buffer.getvalue().decode(encoding) for one in (out, error))

    return run


@pytest.fixture
def model(models_folder: Path) -> Path:
    get_architecture("dcgan").tiny().save_pretrained(models_folder / "tiny")
    return models_folder / "tiny"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a-写真.png", "b-→\u202e.png", "c[red].png", "d\n\x1b[31m.png"):
        save_image(torch.rand(1, 3, 16, 16) * 2 - 1, tmp_path / "photos" / name)
    return tmp_path / "photos"


# ---- characters and streams


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-8"])
def test_every_photo_is_worked_on_whatever_its_name(
    encoding: str, photos: Path, models_folder: Path, tmp_path: Path, run: Callable
) -> None:
    get_architecture("srgan").tiny().save_pretrained(models_folder / "larger")
    status, out, error = run("upscale", photos, "--model", "larger", "--out", tmp_path / "large", encoding=encoding)
    assert status == 0, error
    assert sorted(path.name for path in (tmp_path / "large").iterdir()) == sorted(os.listdir(photos))
    assert len(out.splitlines()) == 4 and "\x1b" not in out and "\u202e" not in out
    assert (("写真" if encoding == "utf-8" else "??") + ".png") in out


def test_numbers_are_recorded_before_they_are_printed(
    model: Path, photos: Path, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("evaluate", model, "--data", photos, "--n", 4, "--metrics", "kernel", "--extractor", "vgg-lite", "--record")
    status, out, error = run(*line)
    assert status == 0 and "Kernel distance" in out, error
    (model / "metrics.json").unlink()
    if not os.path.exists("/dev/full"):
        return
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["ganhub", *map(str, line)])
        with pytest.raises(SystemExit) as stop:
            main()
    assert stop.value.code == 1
    assert json.loads((model / "metrics.json").read_text())["evaluation"]["results"]


def test_a_reader_that_leaves_early() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ganhub", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    with process.stderr:
        error = process.stderr.read()
    assert process.wait(timeout=120) in (0, 1) and error == ""


def test_training_and_the_app_speak_in_sentences_too(root: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "ガン.toml"
    recipe.write_bytes(MARK + '[model]\narchitecture = "写真"\n[data]\npath = "x"\n'.encode())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "GRADIO_SERVER_PORT": "写"}
    for line in (["training/train.py", str(recipe), "--out", str(tmp_path / "run")], ["app.py"]):
        done = subprocess.run([sys.executable, *line], cwd=root, env=environment, capture_output=True, timeout=200)
        assert done.returncode == 1 and done.stderr.isascii() and len(done.stderr.splitlines()) == 1, done.stderr
        assert b"?" in done.stderr and b"Traceback" not in done.stderr


def test_printable() -> None:
    assert printable("a b\u3000é写👩\u200d🎨") == "a b\u3000é写👩\u200d🎨"
    assert printable("a\nb\x1b[2J\udcff\u2028\u202e") == "a\\nb\\x1b[2J\\udcff\\u2028\\u202e"


# ---- errors


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ConfigError("Say it\nplainly."), 1, "ganhub: Say it\\nplainly.\n"),
        (ConfigError("Two:\n  a\n  b"), 1, "ganhub: Two:\n  a\n  b\n"),
        (OSError(errno.ENOSPC, "No space left on device", "a\x1bb"), 1, "ganhub: a\\x1bb: No space left on device. "),
        (OSError("odd"), 1, "ganhub: odd. "),
        (MemoryError(), 1, "ganhub: There is not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory."), 1, "ganhub: There is not enough memory"),
        (ModuleNotFoundError("No module named 'x'", name="x"), 1, "ganhub: The Python package x is missing"),
        (KeyboardInterrupt(), 130, "ganhub: Stopped.\n"),
        (TypeError("oh\nno"), 1, "ganhub: This is a fault of ganhub (TypeError: oh). Please report it"),
    ],
)
def test_every_error_is_a_sentence(
    error: BaseException, status: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANHUB_TRACEBACK", raising=False)
    for wanted in (False, True):
        with pytest.raises(SystemExit) as stop, in_sentences():
            raise error
        said = capsys.readouterr().err
        assert stop.value.code == status and said[said.index("ganhub: ") :].startswith(says)
        assert ("Traceback" in said) is wanted
        monkeypatch.setenv("GANHUB_TRACEBACK", "1")


@pytest.mark.parametrize("name", ["gpu", "cuda:77", "CPU ", "", "meta", "cpu:x", "xpu:5"])
def test_a_device_that_is_not_there(name: str, model: Path) -> None:
    with pytest.raises(ConfigError, match="There is no "):
        choose_device(name)
    with pytest.raises(ConfigError, match="There is no "):
        AutoModel.from_pretrained(model, device=name)
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")


# ---- folders, homes and marks


@contextmanager
def without_rights() -> Iterator[None]:
    """Root may enter everything: be nobody for a while."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
def test_a_folder_that_may_not_be_entered(monkeypatch: pytest.MonkeyPatch, run: Callable) -> None:
    with tempfile.TemporaryDirectory() as name:
        shelf = Path(name)
        for one in ("mine", "theirs"):
            get_architecture("dcgan").tiny().save_pretrained(shelf / one)
        shelf.chmod(0o755)
        (shelf / "theirs").chmod(0)
        monkeypatch.setenv("GANHUB_MODELS", name)
        try:
            with without_rights():
                found = hub.list_local()
                status, out, _ = run("list")
                with pytest.raises(GanhubError):
                    AutoModel.from_pretrained(shelf / "theirs")
                shelf_alone = str(shelf / "theirs" / "deeper")
                monkeypatch.setenv("GANHUB_MODELS", shelf_alone)
                assert "mine" not in hub.list_local()
        finally:
            (shelf / "theirs").chmod(0o755)
    assert "mine" in found and "theirs" not in found
    assert status == 0 and "mine" in out


def test_a_home_that_nobody_knows(model: Path, run: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def nobody(key: object) -> None:
        raise KeyError(key)

    for name in ("HOME", "GANHUB_CACHE"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", nobody)  # what a container does whose user has no entry
    assert feature_cache() is None
    line = ("evaluate", model, "--data", photos, "--n", 4, "--metrics", "kernel", "--extractor", "vgg-lite")
    assert run(*line)[0] == 0
    status, _, error = run("sample", "~/model")
    assert status == 1 and "There is no model" in error


def test_files_that_begin_with_a_mark(model: Path, tmp_path: Path) -> None:
    facts = AutoModel.from_pretrained(model).card_facts()
    cards.record(model, "training", {"images_seen": 7, "licence": "mit"}, facts)
    (model / "log.jsonl").write_text('{"images": 1}\n{"images": 2}\n')
    for name in ("config.json", "metrics.json", "README.md", "log.jsonl"):
        (model / name).write_bytes(MARK + (model / name).read_bytes())
    assert AutoModel.from_pretrained(model).config == get_architecture("dcgan").tiny().config
    assert cards.read_metrics(model)["training"]["images_seen"] == 7
    assert [line["images"] for line in read_log(model)] == [1, 2]
    cards.write_card(model, facts)
    assert cards.read_card(model / "README.md").count("library_name: ganhub") == 1
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(MARK + b'[model]\r\narchitecture = "dcgan"\r\n[data]\r\npath = "x"\r\n')
    assert read_recipe(recipe).data.path == "x"
    recipe.write_bytes('[model]\narchitecture = "dcgan"\n'.encode("utf-16"))
    with pytest.raises(ConfigError, match="not valid TOML in UTF-8"):
        read_recipe(recipe)


@pytest.mark.parametrize("blank", ["\n", "\r\n \t\r\n", "\ufeff\n\n", "  "])
def test_front_matter_below_blank_lines(blank: str, model: Path) -> None:
    path = model / "README.md"
    path.write_bytes((blank + path.read_text(encoding="utf-8").replace("---\n", "---\nlicense: mit\n", 1)).encode())
    cards.write_card(model, AutoModel.from_pretrained(model).card_facts())
    front, body = cards.split_front_matter(path.read_text(encoding="utf-8"))
    assert front["license"] == "mit" and not body.lstrip().startswith("---")


def test_the_line_of_a_mistake_below_blank_lines() -> None:
    with pytest.raises(GanhubError, match="in line 6"):
        cards.split_front_matter("\n\n---\na: 1\nb: [\n---\ntext")
