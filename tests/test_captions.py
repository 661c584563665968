"""Captions and attributes of a collection."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from ganhub.data import DataConfig, open_data
from ganhub.data.captions import read_captions
from ganhub.errors import ConfigError, DataError
from ganhub.images import to_uint8

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


def test_attributes_follow_their_pictures_through_holdout_and_order(tmp_path):
    """The brightness of each picture says its number."""
    x = np.arange(40, dtype=np.uint8)[:, None, None].repeat(16, 1).repeat(16, 2)
    np.savez(tmp_path / "d.npz", x=x)
    attributes = [{"parity": "odd" if i % 2 else "even"} if i != 7 else {} for i in range(40)]
    (tmp_path / "c.json").write_text(json.dumps({"attributes": attributes}))
    config = {"path": str(tmp_path / "d.npz"), "captions": str(tmp_path / "c.json"), "holdout": 0.25}
    for part, count in (("training", 30), ("holdout", 10)):
        config = DataConfig.from_dict({**config, "part": part})
        pictures = open_data(config, height=16, width=16, channels=1, labelled=False)
        batch = pictures.batch(5, count)
        numbers = to_uint8(batch.images)[:, 0, 0, 0].tolist()
        wanted = [-1 if i == 7 else i % 2 for i in numbers]
        assert pictures.attribute("parity", 5, count).tolist() == wanted
        config = config.to_dict()
    with pytest.raises(DataError, match="no attribute 'hair'; there are parity"):
        pictures.attribute("hair", 0, 1)


def test_captions_of_other_pictures_and_none_at_all_get_a_sentence(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 16, 16), np.uint8))
    (tmp_path / "c.json").write_text(json.dumps(ENTRIES))
    plain = {"path": str(tmp_path / "d.npz")}
    with pytest.raises(DataError, match="caption_en has 3 entries, and there are 4 pictures"):
        open_data(DataConfig.from_dict({**plain, "captions": str(tmp_path / "c.json")}),
                  height=16, width=16, channels=1, labelled=False)  # fmt: skip
    pictures = open_data(DataConfig.from_dict(plain), height=16, width=16, channels=1, labelled=False)
    with pytest.raises(DataError, match="have no captions.*set data.captions"):
        pictures.attribute("mood", 0, 1)
    with pytest.raises(ConfigError, match="smallest_class would separate pictures from their captions"):
        DataConfig.from_dict({**plain, "captions": "c.json", "smallest_class": 2})
