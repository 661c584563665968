"""The tab "Real or generated?": whose pictures it shows, what it gives away, and how it counts."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganhub import zoo
from ganhub.app import Library
from ganhub.app.declared import Bench
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs
from ganhub.app.tabs import quiz
from ganhub.creation import Generate
from ganhub.creation.reproduce import read_creation
from ganhub.data import DataConfig, open_data
from ganhub.errors import GanhubError, HubError
from ganhub.hub.real_pictures import MAX_BYTES, REAL, read_real_pictures, write_real_pictures
from ganhub.images import load_image, to_uint8
from ganhub.models import get_architecture
from tests.app_server import Server
from tests.browser import MARKS, Watched

pytest_plugins = ["tests.app_server", "tests.browser"]
ROOT = Path(__file__).resolve().parent.parent
SIDE = get_architecture("conditional-gan").tiny().config.size[0]


def sheet_of(count: int) -> torch.Tensor:
    """Grey pictures, each of a level of its own."""
    levels = torch.linspace(-1, 1, count).mul(127.5).round().div(127.5)
    return levels[:, None, None, None].expand(count, 3, SIDE, SIDE).clone()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "made"))
    monkeypatch.setenv("GANHUB_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "models" / "tiny"
    get_architecture("conditional-gan").tiny().save_pretrained(folder)
    write_real_pictures(folder, sheet_of(16), source="sixteen greys", licence="cc0-1.0")
    return Bench(Library(device="cpu"), Jobs(), Drawings())


@pytest.fixture
def game(bench: Bench) -> quiz.Game:
    return quiz.draw(bench, zoo.entry_of("tiny"), seed=5)


def decoded(address: str) -> Image.Image:
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    picture.load()
    return picture


def play(game: quiz.Game, right: int) -> quiz.Game:
    """To the end, with so many right answers."""
    for number, one in enumerate(game.rounds):
        *_, game = quiz.answer(one.is_real == (number < right), game)
        if not game.is_over:
            *_, game = quiz.go_on(game)
    return game


# ---- the sheet


def test_a_sheet_is_read_as_it_was_written(tmp_path: Path) -> None:
    pictures = sheet_of(16)
    path = write_real_pictures(tmp_path, pictures, source="sixteen greys", licence="cc0-1.0")
    assert torch.equal(to_uint8(read_real_pictures(tmp_path, (SIDE, SIDE))), to_uint8(pictures))
    with Image.open(path) as sheet:
        assert sheet.text == {"Source": "sixteen greys", "Copyright": "cc0-1.0"}
    clear = torch.cat([pictures, -torch.ones(16, 1, SIDE, SIDE)], 1)
    write_real_pictures(tmp_path, clear, source="nothing", licence="cc0-1.0")
    assert (read_real_pictures(tmp_path, (SIDE, SIDE)) == 1).all(), "what is transparent lies on white"


def test_a_sheet_that_cannot_be_used_is_refused(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(HubError, match="15 do not fill"):
        write_real_pictures(tmp_path, sheet_of(15), source="", licence="")
    noise = torch.rand(64, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with pytest.raises(HubError, match="take fewer"):
        write_real_pictures(tmp_path, noise, source="", licence="")
    entry = zoo.entry_of("tiny")
    with pytest.raises(HubError, match="does not hold pictures of 7 x 7"):
        read_real_pictures(entry.folder, (7, 7))
    write_real_pictures(entry.folder, sheet_of(8), source="", licence="")
    with pytest.raises(GanhubError, match="8 real pictures, too few"):
        quiz.draw(bench, entry, seed=0)
    (entry.folder / REAL).write_bytes(b"no picture")
    with pytest.raises(GanhubError, match="training/quiz_pictures.py"):
        quiz.draw(bench, entry, seed=0)


def test_the_script_takes_pictures_that_training_never_saw(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("quiz_pictures", ROOT / "training" / "quiz_pictures.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder, data = zoo.entry_of("tiny").folder, tmp_path / "data.npz"
    channels = zoo.entry_of("tiny").config.channels
    x = np.broadcast_to(np.arange(240, dtype=np.uint8)[:, None, None, None], (240, SIDE, SIDE, channels))
    np.savez(data, x=x, y=np.arange(240) % 2)
    (folder / "metrics.json").write_text(json.dumps({"training": {"dataset": "all greys", "licence": "cc0-1.0"}}))
    monkeypatch.setattr(sys, "argv", ["quiz_pictures.py", str(folder), str(data), "--count", "16"])
    script.main()
    levels = set(to_uint8(read_real_pictures(folder, (SIDE, SIDE)))[:, 0, 0, 0].tolist())
    held = open_data(DataConfig(path=str(data), holdout=0.1, part="holdout"), height=SIDE, width=SIDE,
                     channels=channels, labelled=False)  # fmt: skip
    assert len(levels) == 16 and levels <= set(held.chosen.tolist()) and len(held.chosen) == 24


@pytest.mark.parametrize("folder", sorted(ROOT.glob(f"model_cards/*/{REAL}")), ids=lambda path: path.parent.name)
def test_published_sheets_are_small_and_name_their_source(folder: Path) -> None:
    entry = zoo.read_entry(folder.parent.name, folder.parent)
    assert folder.stat().st_size <= MAX_BYTES
    assert len(read_real_pictures(entry.folder, entry.config.size)) >= 4 * quiz.ROUNDS
    with Image.open(folder) as sheet:
        assert sheet.text["Source"] and sheet.text["Copyright"]


# ---- a game


def test_a_game_shows_the_models_pictures_and_real_ones(bench: Bench, game: quiz.Game, tmp_path: Path) -> None:
    real = {decoded(one.picture).getpixel((0, 0)) for one in game.rounds if one.is_real}
    assert real <= {(level,) * 3 for level in to_uint8(sheet_of(16))[:, 0, 0, 0].tolist()}
    assert len(real) == sum(one.is_real for one in game.rounds), "none comes twice"
    generator = bench.library.open("tiny")
    for one in (one for one in game.rounds if not one.is_real):
        expected = to_uint8(generator.sample(1, seed=one.seed).expand(1, 3, -1, -1))
        assert torch.equal(to_uint8(load_image(decoded(one.picture))), expected)
        file = tmp_path / f"{one.seed}.png"
        file.write_bytes(base64.b64decode(one.answer.partition(",")[2]))
        stated = replace(read_creation(file), revision="")
        assert stated == Generate(model="tiny", seed=one.seed, count=1), "with the answer it has its mark"
    again = quiz.draw(bench, zoo.entry_of("tiny"), seed=5)
    assert again.rounds == game.rounds and quiz.draw(bench, zoo.entry_of("tiny"), seed=6).rounds != game.rounds
    truths = {tuple(one.is_real for one in quiz.draw(bench, zoo.entry_of("tiny"), seed).rounds) for seed in range(6)}
    assert len({sum(one) for one in truths}) > 1, "whoever counts must not know the last ones"


def test_before_the_answer_a_picture_is_its_pixels_alone(game: quiz.Game) -> None:
    for one in game.rounds:
        picture = decoded(one.picture)
        assert (picture.mode, picture.size, picture.info) == ("RGB", (SIDE, SIDE), {})
    one, page = game.rounds[0], quiz.question(game)
    words = page.replace(one.picture, "").lower()
    assert one.picture in page and not any(word in words for word in ("real", "seed", "generated"))
    assert one.is_real or one.answer not in page


def test_the_score_is_of_right_answers(game: quiz.Game) -> None:
    *_, game = quiz.answer(game.rounds[0].is_real, game)
    assert "Right." in quiz.answered(game) and "1 of 1 right" in quiz.answered(game)
    *_, game = quiz.go_on(game)
    *_, game = quiz.answer(not game.rounds[1].is_real, game)
    assert "Wrong." in quiz.answered(game) and "1 of 2 right" in quiz.answered(game)
    what = "It is real." if game.rounds[1].is_real else f"from seed {game.rounds[1].seed}"
    assert what in quiz.answered(game)


@pytest.mark.parametrize("right", [0, 7, 10])
def test_the_end_is_a_plain_sentence(game: quiz.Game, right: int) -> None:
    ended = play(game, right)
    stage, choices, onward, again = quiz.shown(ended)
    assert f"You were right in {right} of 10; guessing alone gives 5." in stage
    assert stage.count("<figure") == 10 and stage.count("✓") == right
    assert ("one game of a hundred" in stage) == (right >= 9)
    assert [row.visible for row in (choices, onward, again)] == [False, False, True]


def test_a_second_press_changes_nothing(game: quiz.Game) -> None:
    def is_kept(values: tuple) -> bool:
        return all(isinstance(value, dict) and value["__type__"] == "update" and len(value) == 1 for value in values)

    assert is_kept(quiz.answer(True, play(game, 0))) and is_kept(quiz.go_on(play(game, 0)))
    *_, game = quiz.answer(True, game)
    assert is_kept(quiz.answer(False, game)) and is_kept(quiz.answer(True, None)) and is_kept(quiz.go_on(None))
    *_, game = quiz.go_on(game)
    assert is_kept(quiz.go_on(game)) and len(game.answers) == 1


def test_a_model_without_real_pictures_is_not_offered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tiny" in [entry.name for entry in quiz.offered()]
    entry = zoo.entry_of("tiny")
    (entry.folder / REAL).unlink()
    monkeypatch.setattr(zoo, "entries", lambda *_: [entry])
    assert quiz.offered() == [] and not quiz.TAB.able()
    with pytest.raises(GanhubError, match="choose another one"):
        list(quiz.run(bench, "tiny", None))


# ---- in a browser


def presses(page: Any, keys: str) -> None:
    """A game by keys alone."""
    for number, key in enumerate(keys, 1):
        page.keyboard.press(key)
        if number < quiz.ROUNDS:
            page.locator("#quiz-next").wait_for()
            page.keyboard.press("ArrowRight")
            page.locator("#quiz-stage", has_text=f"Picture {number + 1} of 10").wait_for()


class TestInABrowser:
    pytestmark = MARKS

    def test_two_visitors_play_by_keys_and_do_not_meet(self, browser: Any, server: Server, shots: Path) -> None:
        one = Watched(browser, server.url, shots, color_scheme="dark")
        one.page.goto(f"{server.url}?tab=quiz")
        one.page.locator("#quiz-stage", has_text="Picture 1 of 10").wait_for()
        one.shot("quiz")
        one.page.keyboard.press("r")
        one.page.locator("#quiz-stage", has_text="of 1 right").wait_for()
        one.shot("quiz-answered")
        other = Watched(browser, server.url, shots, viewport={"width": 390, "height": 844})
        other.page.goto(f"{server.url}?tab=quiz")
        other.page.locator("#quiz-stage", has_text="Picture 1 of 10").wait_for()
        other.shot("quiz-phone")
        presses(other.page, "rgrgrgrgrg")
        other.page.locator("#quiz-again").wait_for()
        assert "guessing alone gives 5" in other.page.locator("#quiz-stage").inner_text()
        other.not_wider_than_the_window()
        other.shot("quiz-ended-phone")
        assert "of 1 right" in one.page.locator("#quiz-stage").inner_text()
        other.page.locator("#quiz-again").click()
        other.page.locator("#quiz-stage", has_text="Picture 1 of 10").wait_for()
        other.close()
        one.close()
