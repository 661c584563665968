"""The portraits of training/draw_avatars.py: packed from tiny blocks, and drawn where node is there."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ganhub.data.captions import read_captions

TRAINING = Path(__file__).resolve().parent.parent / "training"
spec = importlib.util.spec_from_file_location("draw_avatars", TRAINING / "draw_avatars.py")
draw_avatars = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw_avatars)
words = draw_avatars.avatar_words

SIDE, COUNT = 4, 3
# What DiceBear says of a portrait of each style; the mouth or face follows the number.
PORTRAITS = {
    "adventurer": {"hair": "long07", "hairColor": "#85c2c6", "skinColor": "#763900", "features": "mustache"},
    "big-smile": {"hair": "bunHair", "hairColor": "#d56c0c", "skinColor": "#a47539", "accessories": "sunglasses",
                  "mouth": "openSad"},
    "dylan": {"hair": "spiky", "hairColor": "#000000", "skinColor": "#ffd6c0", "mood": "angry"},
    "lorelei": {"hair": "variant01", "hairColor": "#000000", "glasses": "variant02", "mouth": "happy03"},
    "micah": {"hair": "turban", "hairColor": "#000000", "baseColor": "#ac6651", "facialHair": "scruff",
              "mouth": "pucker"},
    "open-peeps": {"head": "noHair1", "skinColor": "#694d3d", "accessories": "eyepatch", "face": "monster"},
    "personas": {"hair": "pigtails", "hairColor": "#e15c66", "skinColor": "#eeb4a4", "eyes": "glasses",
                 "mouth": "pacifier"},
    "toon-head": {"hair": "sideComed", "rearHair": "longWavy", "hairColor": "#724133", "skinColor": "#5c3829",
                  "mouth": "agape"},
}  # fmt: skip


def known(style: str) -> dict:
    return words.attributes(style, {"primaryBackgroundColor": "#c0aede", **PORTRAITS[style]})


@pytest.fixture
def parts(tmp_path) -> Path:
    """Blocks of flat pictures: red is the style, green the portrait's number, blue 200 in line drawings."""
    backgrounds = list(words.BACKGROUNDS)
    for s, style in enumerate(draw_avatars.STYLES):
        for kind in ("", "lines"):
            path = draw_avatars.block_path(tmp_path, style, 0, COUNT, SIDE, kind)
            x = np.zeros((COUNT, SIDE, SIDE, 3), np.uint8)
            x[..., 0], x[..., 1], x[..., 2] = s, np.arange(COUNT)[:, None, None], 200 * bool(kind)
            x.tofile(f"{path}.rgb")
            said = [{**PORTRAITS[style], "primaryBackgroundColor": f"#{backgrounds[i]}"} for i in range(COUNT)]
            Path(f"{path}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said), "utf-8")
    return tmp_path


def test_pictures_captions_and_line_drawings_are_packed_in_one_order(parts, tmp_path):
    written = draw_avatars.pack(parts, tmp_path / "a.npz", 0, COUNT, SIDE, lines=True)
    assert [path.name for path in written] == ["a.npz", "a-captions.json", "a-lines.npz"]
    colour, lines = (np.load(path) for path in (written[0], written[2]))
    x, y, n = colour["x"], colour["y"], len(draw_avatars.STYLES) * COUNT
    assert x.shape == (n, SIDE, SIDE, 3) and x.dtype == np.uint8 and tuple(colour["names"]) == draw_avatars.STYLES
    assert (np.bincount(y) == COUNT).all() and (np.diff(y) < 0).any(), "shuffled"
    assert (x[:, 0, 0, 0] == y).all(), "the label is the style"
    assert (lines["x"][..., :2] == x[..., :2]).all() and (lines["x"][..., 2] == 200).all()
    read = read_captions(written[1], n)
    styles, of = read.labels("style")
    assert [styles[i] for i in of] == [draw_avatars.STYLES[i] for i in y]
    grounds = list(words.BACKGROUNDS.values())
    assert [one["background"] for one in read.attributes] == [grounds[i] for i in x[:, 0, 0, 1]]
    assert set(read.texts) == {"en", "zh"}


def test_the_same_seed_packs_the_same_arrays_and_another_seed_needs_other_portraits(parts, tmp_path):
    outs = (tmp_path / "a.npz", tmp_path / "b.npz")
    first, again = (draw_avatars.pack(parts, out, 0, COUNT, SIDE, lines=False) for out in outs)
    assert all(np.array_equal(np.load(first[0])[key], np.load(again[0])[key]) for key in ("x", "y", "names"))
    assert first[1].read_bytes() == again[1].read_bytes()
    with pytest.raises(SystemExit, match="adventurer-4-1-4.*not whole"):
        draw_avatars.pack(parts, tmp_path / "c.npz", 1, COUNT, SIDE, lines=False)


def test_only_blocks_that_are_not_whole_are_drawn_again(parts, monkeypatch):
    asked = []
    monkeypatch.setattr(draw_avatars, "draw_block", lambda path, *_: asked.append(path.name))
    draw_avatars.draw(parts, 0, COUNT, SIDE, ["", "lines"])
    assert asked == []
    pixels = parts / f"dylan-{SIDE}-0-{COUNT}.rgb"
    pixels.write_bytes(pixels.read_bytes()[:-1])
    (parts / f"micah-lines-{SIDE}-0-{COUNT}.jsonl").write_text('{"hair": "tur', "utf-8")
    draw_avatars.draw(parts, 0, COUNT, SIDE, ["", "lines"])
    assert asked == [f"dylan-{SIDE}-0-{COUNT}", f"micah-lines-{SIDE}-0-{COUNT}"]


def test_blocks_cover_every_number_once():
    covered = [number for first, last in draw_avatars.blocks(7, 600) for number in range(first, last)]
    assert covered == list(range(7, 607))


def test_the_words_of_a_portrait():
    said = [words.english(known(style)).removesuffix(" style") for style in draw_avatars.STYLES]
    assert said == [
        "a person with long turquoise hair, a beard and dark skin, lilac background, comic",
        "a sad person with an orange bun, glasses and medium skin, lilac background, big-smile",
        "an angry person with spiky black hair and light skin, lilac background, round-head",
        "a smiling person with black hair and glasses, lilac background, ink",
        "a kissing person with a turban, a beard and medium skin, lilac background, outline",
        "a person with no hair and dark skin, lilac background, sketch",
        "a person with a pacifier with pink pigtails, glasses and light skin, lilac background, flat",
        "a surprised person with long brown hair and dark skin, lilac background, toon",
    ]
    assert words.chinese(known("personas")) == "粉色双马尾、戴眼镜、浅肤色的含奶嘴的人，淡紫色背景，扁平风格"
    assert words.chinese(known("lorelei")) == "黑色头发、戴眼镜的微笑的人，淡紫色背景，水墨线描风格"


def test_what_is_not_known_is_left_out():
    assert "mood" not in known("open-peeps") and "hair_colour" not in known("open-peeps")
    assert "skin" not in known("lorelei") and "mood" not in known("adventurer")
    assert known("open-peeps")["glasses"] is False, "an eyepatch is not glasses"


@pytest.mark.parametrize("wrong", [["--count", "0"], ["--count", "two"], ["--seed", "-1"], ["--side", "100000"]])
def test_numbers_out_of_range_are_refused_before_anything_is_drawn(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit):
        draw_avatars.main(["--out", str(tmp_path / "a.npz"), *wrong])
    assert "is not a whole number from" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_machine_without_node_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="node is not there: install Node.js"):
        draw_avatars.draw_block(tmp_path / "block", "dylan", 0, 1, SIDE, "")


@pytest.mark.skipif(not shutil.which("node"), reason="node is not there")
def test_missing_packages_are_named(tmp_path, monkeypatch):
    shutil.copy(TRAINING / "draw_avatars.mjs", tmp_path)
    monkeypatch.setattr(draw_avatars, "HERE", tmp_path)
    with pytest.raises(SystemExit, match="npm install --prefix training"):
        draw_avatars.draw_block(tmp_path / "block", "dylan", 0, 1, SIDE, "")


@pytest.mark.skipif(
    not shutil.which("node") or not (TRAINING / "node_modules" / "@dicebear").is_dir(),
    reason="needs node and  npm install --prefix training",
)
def test_node_draws_the_same_portrait_for_the_same_number_and_lines_without_colour(tmp_path):
    for name, first, kind in (("a", 5, ""), ("b", 4, ""), ("c", 5, "lines")):
        draw_avatars.draw_block(tmp_path / name, "toon-head", first, 6, 32, kind)
    (a, parts), (b, _), (c, drawn) = (
        draw_avatars.read_block(tmp_path / name, count, 32) for name, count in (("a", 1), ("b", 2), ("c", 1))
    )
    assert np.array_equal(a[0], b[1]) and not np.array_equal(b[0], b[1])
    assert drawn == parts, "the line drawing is of the same portrait"
    assert tuple(a[0, 0, 0]) == (255, 255, 255) and words.attributes("toon-head", parts[0])["background"] == "white"
    assert np.ptp(a.astype(int), axis=-1).max() > 30 and np.ptp(c.astype(int), axis=-1).max() == 0, "grey lines"
    assert c.min() < 80 and (c > 200).mean() > 0.5


def test_hints_are_dabs_of_what_is_not_as_usual():
    usual = np.zeros((40, 32, 32, 3), np.uint8)
    usual[:, :, :16], usual[:, :, 16:] = (250, 0, 0), (0, 0, 250)
    pictures = usual.copy()
    pictures[20:, :, 16:] = (0, 200, 0)  # the second half of the pictures has another right side
    drawings = np.full_like(pictures, 255)
    drawings[:, 10] = 0  # a black line
    plain = drawings.copy()
    draw_avatars.add_hints(drawings, pictures, usual, seed=0)
    dabbed = (drawings != plain).any(3)
    assert dabbed[20:, :, 16:].any((1, 2)).all()
    assert 0 < dabbed[:20].any((1, 2)).mean() < 1  # some have dabs of what is usual
    assert (drawings[dabbed] == pictures[dabbed]).all()  # on white: the colour that lies there
    again = plain.copy()
    draw_avatars.add_hints(again, pictures, usual, seed=0)
    assert (again == drawings).all()
