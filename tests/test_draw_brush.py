"""The pairs of training/draw_brush.py: the middle of a stroke, black on white, and what a font lacks."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from ganhub.images.lettering import glyph

TRAINING = Path(__file__).resolve().parent.parent / "training"
spec = importlib.util.spec_from_file_location("draw_brush", TRAINING / "draw_brush.py")
draw_brush = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw_brush)


def test_the_line_is_the_middle_of_the_stroke(monkeypatch):
    monkeypatch.setattr(draw_brush, "BENT", (0.0, 7.0))
    ink = np.zeros((64, 64), np.float32)
    ink[20:31, 8:56] = 1  # its middle is row 25
    line = draw_brush.lines_of(ink, 1.0, np.random.default_rng(0))
    rows = np.flatnonzero(line[:, 32] > 0.05)
    assert 1 <= len(rows) <= 5 and abs(np.average(rows, weights=line[rows, 32]) - 25) <= 0.5
    assert line[:, 2].max() == 0 and line[40:].max() == 0


def test_lines_stray_a_little_and_the_seed_decides_how():
    ink = np.zeros((128, 128), np.float32)
    ink[60:71, 10:118] = 1
    one, again, other = (draw_brush.lines_of(ink, 1.0, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (one == again).all() and (one != other).any()
    middles = [np.average(np.arange(128), weights=one[:, x]) for x in range(20, 108) if one[:, x].sum() > 0.3]
    assert 0.2 < np.std(middles) < 6


def test_ink_becomes_black_on_white():
    ink = np.zeros((8, 8), np.float32)
    ink[:4, :4] = 1
    ink[4:6, 4:6] = 0.5
    small = draw_brush.smaller(ink, 4)
    assert small.shape == (4, 4, 3) and small.dtype == np.uint8
    assert small[0, 0].tolist() == [0] * 3 and small[3, 0].tolist() == [255] * 3 and small[2, 2].tolist() == [128] * 3


def test_what_a_font_lacks_is_left_out():
    ink = glyph("H", None, 40, 64)
    assert ink.max() > 0.9 and ink.min() == 0
    rows, columns = (ink > 0.5).nonzero().unbind(1)
    assert abs((rows.min() + rows.max()) / 2 - 31.5) <= 1 and abs((columns.min() + columns.max()) / 2 - 31.5) <= 1
    moved = glyph("H", None, 40, 64, (5, -3))
    assert (moved.roll((3, -5), (0, 1)) == ink).all()
    assert glyph("\u9f98", None, 40, 64) is None  # a box stands for it


def test_only_chinese_characters_of_files_that_are_there(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "ma-shan-zheng-4-400-normal.woff2").touch()
    ranges = {"[4]": "U+4e00-4e02, U+41,U+9f98", "[5]": "U+4e10"}
    (tmp_path / "unicode.json").write_text(json.dumps(ranges), "utf-8")
    [(path, held)] = draw_brush.characters(tmp_path)
    assert path.name == "ma-shan-zheng-4-400-normal.woff2" and held == "\u4e00\u4e01\u4e02\u9f98"
    with pytest.raises(SystemExit, match="npm install"):
        next(draw_brush.characters(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--side", "0"], "not a whole number from 16"),
        (["--limit", "-1"], "not a whole number from 0"),
        (["--out", "a.zip"], "must end in .npz"),
        (["--out", "nowhere/a.npz"], "make it first"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_drawn(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["draw_brush.py", *arguments])
    with pytest.raises(SystemExit):
        draw_brush.main()
    assert says in capsys.readouterr().err


def test_a_font_without_chinese_is_a_sentence(tmp_path):
    (tmp_path / "unicode.json").write_text("{}", "utf-8")
    with pytest.raises(SystemExit, match="install it again"):
        draw_brush.pairs(tmp_path, 32, 0, 0)
