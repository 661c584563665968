"""No command ends in a traceback: one table of bad things, driven over every option of every command.

A new command needs a row in ``ROWS``: a line that works, and quickly, with its arguments before its options. All else
follows from these.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import typing
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import typer

from ganhub.cli import cli, main
from ganhub.creation import Inputs, LocalLibrary, Translate, marks, render
from ganhub.images import save_image
from ganhub.models import get_architecture

pytest_plugins = ["tests.hub_server"]
# The Hub client hands its HTTP library bytes in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
GROUP = typer.main.get_command(cli)  # built once: else it would be built anew for each of 500 lines
COMMANDS = GROUP.commands
MODELS = {"tiny": "dcgan", "styles": "stylegan2", "painter": "gatys", "larger": "srgan", "filler": "inpainting"}
# Of each command what works; P is the folder of `place`. Files are written into P/out only.
ROWS = {
    "app": "--port 1",  # refused, as nobody may take it, or it is taken: the app never starts here
    "augment": "P/labelled --by generator --model classes --times 2 --out P/out/grown",
    "card": "P/models/tiny",
    "directions": "P/out/named --keep pca:0 --name more",
    "edit": "styles --photo P/photos/0.png --steps 1 --change pca:0=1 --mix coarse --out P/out/edited.png --force",
    "evaluate": "tiny --data P/photos --n 4 --metrics kernel --extractor vgg-lite",
    "evolve": "tiny --out P/out/evolved --score palette=1 --target P/mask.png --generations 1 --population 5 --force",
    "inpaint": "P/photos/0.png --mask P/mask.png --model filler --out P/out/filled.png --force",
    "judge": "tiny --data P/photos --n 2 --answers P/out/answers.jsonl --report",
    "list": "",
    "project": "P/photos/0.png --model styles --out P/out/projected --steps 1 --force",
    "push": "tiny someone/tiny",
    "push-space": "someone/space --models tiny",
    "reproduce": "P/made.png --input P/photos/0.png --out P/out/again.png --force",
    "sample": "tiny --n 2 --out P/out/grid.png --force",
    "style": "P/photos/0.png --style P/photos/1.png --model painter --out P/out/painted.png --force",
    "train": "P/recipe.toml P/photos --out P/out/run",
    "translate": "P/photos/0.png --model larger --out P/out/translated.png --force",
    "upscale": "P/photos/0.png --model larger --out P/out/large.png --force",
    "walk": "tiny --seeds 1,2 --frames 3 --out P/out/walk.gif --force",
}
RECIPE = """
model = {architecture = "mlp-gan", image_size = 8, channels = 3, latent_dim = 4}
objective = {name = "adversarial"}
train = {images = 8, batch_size = 4, watch = false}
data = {path = "P/photos"}
"""
NUMBERS = {int: ["-1", str(2**31), str(2**70)], float: ["nan", "inf", "-1"]}
DEVICES = ["gpu", "cuda:99", "meta"]  # no such name, not on this machine, nothing can be computed there
WORDS = ["a\nb\x1b[2J", ""]  # a line end and what clears a terminal
# Not there, in the home of somebody unknown, with a name that is a markup, no UTF-8, a line end and what clears a
# terminal; then one too long, a link to itself, a folder that is a file, a pipe that nobody uses, nothing at all.
PATHS = [os.fsdecode(b"~nobody-has-this-name/[/red]\xff\n\x1b[2J.png"), "x" * 5000, "P/loop/in.png",
         "P/mask.png/in.png", "P/pipe.png", ""]  # fmt: skip
PLACES = {"--model", "--models", "--style", "--outside", "--data", "--input"}  # may be paths, as all arguments


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tiny models, pictures, a mask, and things that cannot be used."""
    place = tmp_path_factory.mktemp("place")
    tiny = {name: get_architecture(kind).tiny() for name, kind in MODELS.items()}
    kind = get_architecture("gatys")
    tiny["painter"] = kind(kind.Config(steps=1, sizes=1))
    tiny["classes"] = get_architecture("conditional-gan").tiny()
    for name, model in tiny.items():
        model.save_pretrained(place / "models" / name)
    for i in range(4):
        save_image(torch.rand(1, 3, 16, 16) * 2 - 1, place / "photos" / f"{i}.png")
    for label in tiny["classes"].config.class_names:
        save_image(torch.rand(1, 1, 8, 8) * 2 - 1, place / "labelled" / label / "0.png")
    save_image(torch.eye(16)[None, None] * 2 - 1, place / "mask.png")
    tiny["styles"].save_pretrained(place / "out" / "named")  # what directions are named in
    _made(place)
    (place / "loop").symlink_to("loop")
    os.mkfifo(place / "pipe.png")
    (place / "recipe.toml").write_text(RECIPE.replace("P/", f"{place}/"))
    yield place


def _made(place: Path) -> None:
    """A picture that says how it was made, for ``ganhub reproduce``."""
    inputs = Inputs()
    creation = Translate(model="larger", photo=inputs.add(place / "photos" / "0.png"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANHUB_MODELS", str(place / "models"))
        library = LocalLibrary("cpu")
        made = render(creation, library, inputs=inputs)
        save_image(made.pictures, place / "made.png", mark=marks.mark_of(creation, library))


@pytest.fixture
def ganhub(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """``ganhub ...`` as the installed command runs it: exit status, output, and what the error stream holds."""
    monkeypatch.setenv("GANHUB_MODELS", str(place / "models"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("ganhub.cli.cli", GROUP)
    monkeypatch.chdir(place / "out")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ganhub", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capsys.readouterr()

    def too_long(*_: object) -> None:
        pytest.fail("this command hangs")

    before, kept = signal.signal(signal.SIGALRM, too_long), _contents(place)
    signal.alarm(100)
    try:
        yield run
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert kept.items() <= _contents(place).items(), "something that existed was lost"


def _contents(place: Path) -> dict[str, int]:
    files = (path for path in place.rglob("*") if path.is_file() and place / "out" not in path.parents)
    return {str(path): zlib.crc32(path.read_bytes()) for path in files}


def line_of(command: str, place: Path) -> list[str]:
    return [part.replace("P/", f"{place}/") for part in ROWS[command].split()]


def is_a_sentence(status: int, error: str) -> bool:
    """Whether an error stream holds what a person can read: nothing raw, and not that ganhub is at fault."""
    raw = "Traceback" in error or "fault of ganhub" in error or "\x1b" in error
    if raw or status not in (0, 1, 2):
        return False
    return status != 1 or error.splitlines()[-1].startswith("ganhub: ") or "\n  " in error


def test_every_command_has_a_row() -> None:
    assert sorted(set(COMMANDS) - set(ROWS)) == [], "add a line that works to ROWS"


@pytest.fixture
def hub(request: pytest.FixtureRequest, command: str) -> None:
    """A Hub on this machine, and somebody logged in, for the commands that push."""
    if command.startswith("push"):
        request.getfixturevalue("someone")


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"app", "judge"}))
def test_the_row_works(command: str, place: Path, ganhub: Callable, hub: None) -> None:
    status, _, error = ganhub(command, *line_of(command, place))
    assert status == 0, error


def options() -> list[tuple[str, str]]:
    """(command, option) of all that takes a value; an argument is "argument 0" and so on."""
    found = []
    for name, command in sorted(COMMANDS.items()):
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        found += [(name, f"argument {number}") for number in range(len(arguments))]
        others = [one for one in command.params if one not in arguments and not getattr(one, "is_flag", False)]
        found += [(name, one.opts[-1]) for one in others if "--host" not in one.opts]  # test_addresses.py
    return found


def bad_values(command: str, option: str) -> list[str]:
    if option == "--device":
        return DEVICES
    if option in PLACES or option.startswith("argument"):
        return PATHS
    name = next(one.name for one in COMMANDS[command].params if option in one.opts)
    kind = typing.get_type_hints(COMMANDS[command].callback).get(name)
    kinds = {kind, *typing.get_args(kind)}
    numbers = next((NUMBERS[one] for one in NUMBERS if one in kinds), None)
    return numbers or (PATHS if Path in kinds else WORDS)


@pytest.mark.parametrize(("command", "option"), options())
def test_bad_things(command: str, option: str, place: Path, ganhub: Callable, hub: None) -> None:
    wrong = []
    for value in bad_values(command, option):
        line = line_of(command, place)
        value = value.replace("P/", f"{place}/")
        if option.startswith("argument"):
            line[int(option.split()[1])] = value
        elif option in line:
            line[line.index(option) + 1] = value
        else:
            line += [option, value]
        status, _, error = ganhub(command, *line)
        if not is_a_sentence(status, error) or option == "--device" and status != 1:
            wrong.append(f"{option} {value[:40]!r}: {status} {error[-600:]}")
    assert stat.S_ISFIFO(os.stat(place / "pipe.png").st_mode), "a pipe was replaced by a file"
    assert wrong == []


@pytest.mark.parametrize("command", ["card", "evaluate", "push", "sample", "walk"])
def test_a_config_that_is_a_pipe(command: str, place: Path, ganhub: Callable, hub: None) -> None:
    folder = place / "out" / "piped"
    if not folder.is_dir():
        folder.mkdir()
        os.mkfifo(folder / "config.json")
    status, _, error = ganhub(command, str(folder), *line_of(command, place)[1:])
    assert status == 1 and is_a_sentence(status, error) and "config.json" in error, error


def test_a_film_that_is_a_pipe(place: Path, ganhub: Callable) -> None:
    if not (film := place / "out" / "film.mp4").exists():
        os.mkfifo(film)
    status, _, error = ganhub("reproduce", str(film))
    assert status == 1 and is_a_sentence(status, error) and "film.mp4" in error, error
    (place / "out" / "empty.mp4").touch()
    status, _, error = ganhub("reproduce", str(place / "out" / "empty.mp4"))
    assert status == 1 and is_a_sentence(status, error) and "empty.mp4" in error, error
