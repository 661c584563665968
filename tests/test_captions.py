"""Captions and attributes of a collection."""

from __future__ import annotations

import json
import zipfile

import pytest

from ganhub.errors import DataError
from ganhub.trainer.captions import read_captions

ENTRIES = {
    "caption_en": ["a sad cat", "a cat with glasses", "a cat"],
    "caption_zh": ["悲伤的猫", "戴眼镜的猫", "猫"],
    "attributes": [{"mood": "sad", "glasses": False}, {"glasses": True}, {"mood": "", "glasses": None}],
}


def test_captions_come_from_json_or_from_a_zip_of_it(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(ENTRIES), encoding="utf-8-sig")  # as some editors save it
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(tmp_path / "c.json", "captions.json")
    one, other = (read_captions(tmp_path / name, 3) for name in ("c.json", "c.zip"))
    assert one == other and len(one) == 3
    assert one.texts["zh"][1] == "戴眼镜的猫"
    assert one.names == {"glasses": ("no", "yes"), "mood": ("sad",)}
    assert one.labels("glasses") == (("no", "yes"), [0, 1, -1])
    assert one.labels("mood") == (("sad",), [0, -1, -1])
    assert one.part([2, 0]).texts["en"] == ("a cat", "a sad cat")


@pytest.mark.parametrize(
    "data, says",
    [({**ENTRIES, "caption_en": ["one"]}, "caption_en has 1 entries, and there are 3 pictures"),
     ({**ENTRIES, "attributes": ENTRIES["attributes"][:2]}, "attributes has 2 entries, and there are 3 pictures"),
     ({"caption_en": "a cat"}, "caption_en has no list"),
     ({"caption_en": [1, 2, 3]}, "every caption must be text"),
     ({"attributes": ["sad", "sad", "sad"]}, "every entry of attributes must look like"),
     ([1, 2], "must hold")],
)  # fmt: skip
def test_captions_that_do_not_fit_get_a_sentence(data, says, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DataError, match=says):
        read_captions(path, 3)


def test_files_that_hold_no_captions_get_a_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be read.*data.captions"):
        read_captions(tmp_path / "no.json", 1)
    (tmp_path / "c.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="no captions that can be read"):
        read_captions(tmp_path / "c.json", 1)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.json", "{}"), archive.writestr("b.json", "{}")
    with pytest.raises(DataError, match="one .json file.*it holds 2"):
        read_captions(tmp_path / "two.zip", 1)


def test_an_unknown_attribute_names_those_there_are(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(ENTRIES), encoding="utf-8")
    with pytest.raises(DataError, match="no attribute 'beard'; there are glasses, mood"):
        read_captions(path, 3).labels("beard")
