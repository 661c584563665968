"""Folders and zips as others leave them: what is a picture, what is a class, what is said of the rest."""

from __future__ import annotations

import io
import json
import os
import unicodedata
import warnings
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from ganhub.data import DataConfig, collection, open_data
from ganhub.data.collection import list_pictures
from ganhub.data.layout import parts_in, split_named
from ganhub.data.opening import open_source
from ganhub.data.sources import Source
from ganhub.errors import DataError


def encoded(value: int = 0, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), value).save(file, kind)
    return file.getvalue()


PNG = encoded()


def laid(root: Path, *names: str, data: bytes = PNG) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def packed(path: Path, *names: str, data: bytes = PNG) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two entries of one name
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"" if name.endswith("/") else data)
    return path


def opened(path: Path, labelled: bool = True, **fields) -> Source:
    return open_source(DataConfig(path=str(path), **fields), 1, labelled)


def both(tmp_path: Path, *names: str) -> list[Path]:
    """The same files as a folder and as a zip."""
    root = tmp_path / "folder"
    for name in names:
        laid(root, name) if not name.endswith("/") else (root / name).mkdir(parents=True)
    return [root, packed(tmp_path / "packed.zip", *names)]


# What is a picture


def test_what_is_no_picture_is_passed_over_and_said(tmp_path):
    names = ["owl/1.png", "owl/2.JPEG", "hen/3.jfif", "hen/4.Jpe", "hen/5.tif", "hen/6.pgm"]
    stray = ["pets.tar.gz", "owl/more.zip"]
    junk = ["hen/7.heic", "README.txt", "hen/Thumbs.db", "owl/._1.png", ".git/x.png", "__MACOSX/owl/1.png", "gnu/"]
    for path in both(tmp_path, *names, *stray, *junk):
        found = opened(path)
        assert [entry.name for entry in found] == sorted(names) and found.class_names == ("hen", "owl")
        assert all(entry.read().shape == (1, 1, 8, 8) for entry in found)
        said, empty = found.notes
        assert said.startswith("8 files or folders of ") and "hen/7.heic (HEIC: save it as PNG or JPEG first)" in said
        assert "owl/more.zip (an archive" in said and said.endswith(" and 3 more.") and said.count("(") == 3
        assert "gnu" in empty and "no such class" in empty
        assert opened(path, labelled=False).notes == (said,)


def test_a_clean_folder_is_not_spoken_of(tmp_path):
    for path in both(tmp_path, "a/1.png", "b/2.png"):
        assert opened(path).notes == ()


def test_nothing_but_pictures_of_other_kinds_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no pictures.*1 file or folder.*x\.HEIC \(HEIC: save it"):
        opened(laid(tmp_path / "phone", "x.HEIC"))


def test_links_are_followed_and_circles_end(tmp_path):
    stock = laid(tmp_path / "stock", "many/1.png", "many/deep/2.png")
    root = laid(tmp_path / "set", "own/3.png")
    try:
        os.symlink(stock / "many", root / "linked", target_is_directory=True)
        os.symlink(root, root / "own" / "back", target_is_directory=True)
        os.symlink(root / "gone.png", root / "own" / "4.png")
    except OSError:
        pytest.skip("links need a permission on this system")
    found = opened(root)
    assert [entry.name for entry in found] == ["linked/1.png", "linked/deep/2.png", "own/3.png"]
    assert found.class_names == ("linked", "own")
    assert "own/4.png (a broken link" in found.notes[0] and "own/back/ (leads back" in found.notes[0]


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may enter all")
def test_a_folder_that_may_not_be_entered_is_named(tmp_path):
    root = laid(tmp_path / "set", "a/1.png", "closed/2.png")
    (root / "closed").chmod(0)
    try:
        assert "closed/ (cannot be entered)" in opened(root).notes[0]
    finally:
        (root / "closed").chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be on Windows")
def test_names_stay_as_they_are_stored(tmp_path):
    names = ["a::b/[1] *.png", "c\\d/2.png", "e?/3 (x).png"]
    found = opened(laid(tmp_path / "odd :: names.zip", *names))
    assert [entry.name for entry in found] == names and found.class_names == ("a::b", "c\\d", "e?")
    assert [entry.read().shape[0] for entry in found] == [1, 1, 1]


def test_one_accent_written_in_two_forms_is_one_class(tmp_path):
    forms = [unicodedata.normalize(form, "Grün") for form in ("NFC", "NFD")]
    for path in both(tmp_path, f"{forms[0]}/1.png", f"{forms[1]}/2.png", "Rot/3.png"):
        assert opened(path).class_names == (forms[0], "Rot")
        assert len(opened(path, only=f"{forms[1]}/*")) == 2


# Zips


def test_names_in_zips_lead_nowhere_but_into_the_zip(tmp_path):
    path = packed(tmp_path / "z.zip", "hen\\1.png", "/owl/2.png", "../../owl/3.png", "C:\\hen\\4.png")
    found = opened(path)
    assert found.class_names == ("hen", "owl") and sorted(entry.label for entry in found) == [0, 0, 1, 1]
    assert all(entry.read().shape == (1, 1, 8, 8) for entry in found)
    assert sorted(tmp_path.iterdir()) == [path]


def test_of_two_entries_with_one_name_the_later_counts(tmp_path):
    path = tmp_path / "z.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a/1.png", encoded(0))
        archive.writestr("a/1.png", encoded(255))
    found = opened(path)
    assert len(found) == 1 and found[0].read().min() == 1 and "older version" in found.notes[0]


def test_utf8_names_without_the_flag_are_understood(tmp_path):
    path = packed(tmp_path / "z.zip", "猫/1.png", "犬/2.png")
    flagged = path.read_bytes()
    data = bytearray(flagged)
    for mark, at in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            data[start + at] &= ~8
    path.write_bytes(data)
    assert data != flagged and set(opened(path).class_names) == {"猫", "犬"}


def test_a_locked_zip_and_a_damaged_picture_are_sentences(tmp_path):
    path = packed(tmp_path / "z.zip", "a/1.png", "b/2.png")
    whole = path.read_bytes()
    locked = bytearray(whole)
    locked[whole.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(DataError, match="locked with a password"):
        opened(path)
    damaged = bytearray(whole)
    damaged[whole.find(PNG) + 40] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="cannot be unpacked"):
        opened(path)[0].read()


def test_long_lists_of_files_are_refused_before_they_fill_the_memory(tmp_path, monkeypatch):
    path = packed(tmp_path / "z.zip", *(f"a/{number}.png" for number in range(50)))
    root = laid(tmp_path / "d", *(f"a/{number}.png" for number in range(50)))
    assert len(list_pictures(path).pictures) == 50
    monkeypatch.setattr(collection, "MOST_FILES", 40)
    for place in (path, root):
        with pytest.raises(DataError, match="more than 40 files"):
            list_pictures(place)
    monkeypatch.setattr(collection, "INDEX_BYTES", 1000)
    with pytest.raises(DataError, match="list of files takes more"):
        list_pictures(path)


# Classes


@pytest.mark.parametrize("train, test", [("TRAIN", "Valid"), ("training-set", "testing_set"), ("train2017", "dev")])
def test_parts_are_no_classes(tmp_path, train, test):
    for path in both(tmp_path, f"{train}/b/1.png", f"{train}/c/2.png", f"{test}/b/3.png", f"{test}/d/4.png"):
        found = opened(path)
        assert found.class_names == ("b", "c") and len(found) == 2
        assert train in found.notes[0] and "without 2 pictures of the other parts" in found.notes[0]
        kind = split_named(test)
        assert opened(path, split=kind).class_names == opened(path, split=test).class_names == ("b", "d")
        absent = ({"test", "validation"} - {kind}).pop()
        with pytest.raises(DataError, match=f'no folder "{absent}" for data.split; it has'):
            opened(path, split=absent)


def test_a_collection_without_a_training_part_is_not_read_for_training(tmp_path):
    with pytest.raises(DataError, match='no folder "train".*test, val: name one'):
        opened(laid(tmp_path / "d", "test/a/1.png", "val/a/2.png"))


def test_classes_may_be_called_like_parts(tmp_path):
    vehicles = laid(tmp_path / "vehicles", "train/1.png", "bus/2.png", "car/3.png")
    assert opened(vehicles).class_names == ("bus", "car", "train")
    assert len(opened(vehicles, labelled=False)) == 3
    assert opened(laid(tmp_path / "checked", "valid/1.png", "invalid/2.png")).class_names == ("invalid", "valid")
    assert opened(laid(tmp_path / "more", "train/a/1.png", "train/b/2.png", "extra/3.png")).class_names == ("a", "b")
    assert [split_named(name) for name in ("station", "trains", "contrast", "trainA", "device")] == [""] * 5
    assert parts_in(list_pictures(vehicles).pictures) == {}


def test_a_folder_around_everything_is_no_class(tmp_path):
    for path in both(tmp_path, "download/pets/hen/1.png", "download/pets/owl/deep/2.png", "download/README", "x.txt"):
        found = opened(path)
        assert found.class_names == ("hen", "owl") and '"download/pets"' in found.notes[1]
        assert len(opened(path, only="hen/*")) == len(opened(path, only="download/pets/owl/*")) == 1
    for path in both(tmp_path / "parted", "pets/train/hen/1.png", "pets/train/owl/2.png", "pets/test/owl/3.png"):
        assert opened(path).class_names == ("hen", "owl") and len(opened(path, split="test")) == 1
    assert opened(laid(tmp_path / "alone", "hen/1.png", "hen/2.png")).class_names == ("hen",)


def test_numbers_come_in_their_order(tmp_path):
    names = ["0", "2", "10", "-1", "007", "x"]
    for path in both(tmp_path, *(f"{name}/1.png" for name in names)):
        found = opened(path)
        assert found.class_names == ("-1", "0", "2", "007", "10", "x")
        assert [found.class_names[entry.label] for entry in found] == [entry.name.split("/")[0] for entry in found]


# Tables


def labelled_by(tmp_path: Path, table: str, text: str | bytes, **fields) -> Source:
    root = laid(tmp_path / "set", "1.png", "2.png", "in/3.png")
    (root / table).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return opened(root, **fields)


def test_labels_are_text_as_it_was_typed(tmp_path):
    rows = "file_name,label\n1.png,{}\n2.png,{}\nin/3.png,x\n"
    for first, second in (("NA", "null"), ("1e3", "1000"), ("007", "7"), ("true", "True"), ("2024", "2024-05-01")):
        found = labelled_by(tmp_path, "metadata.csv", rows.format(first, second))
        assert set(found.class_names) == {first, second, "x"}, (first, second)
    lines = ['"1.png", "label": 1.50', '"2.png", "label": true', '"in\\\\3.png", "label": 10']
    (tmp_path / "set/metadata.csv").unlink()
    found = labelled_by(tmp_path, "metadata.jsonl", "\n".join(f'{{"file_name": {line}}}' for line in lines))
    assert [found.class_names[entry.label] for entry in found] == ["1.50", "true", "10"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_spreadsheets(tmp_path, separator):
    rows = [["file_name", "label", "kind"], ["1.png", "é", "q"], ["2.png", '"a,b;c"', "r"], ["./in/3.png", "z", "r"]]
    text = "\r\n".join(separator.join(row) for row in rows)
    found = labelled_by(tmp_path, "metadata.csv", b"\xef\xbb\xbf" + text.encode())
    assert found.class_names == ("a,b;c", "z", "é")
    assert opened(tmp_path / "set", labels="kind").class_names == ("q", "r")


def test_what_a_table_leaves_out_is_said(tmp_path):
    found = labelled_by(tmp_path, "metadata.csv", "file_name,label\n1.png,a\nin/3.png,b\nlost.png,c\n")
    assert found.class_names == ("a", "b") and [entry.name for entry in found] == ["1.png", "in/3.png"]
    assert "does not name 1 picture of 3, left out here: 2.png" in found.notes[0]
    assert "names 1 picture that cannot be found: lost.png" in found.notes[1]
    assert len(opened(tmp_path / "set", labelled=False)) == 3


@pytest.mark.parametrize(
    "table, text, sentence",
    [
        ("metadata.jsonl", '{"file_name": "1.png", "label": ["a", "b"]}', "more than one value"),
        ("metadata.jsonl", '{"file_name": "1.png", "label": {"a": 1}}', "more than one value"),
        ("metadata.jsonl", '{"file_name": "1.png", "label": null}', r"no label in metadata.jsonl \(1: 1.png\)"),
        ("metadata.jsonl", '{"label": "a"}', "must be an object with"),
        ("metadata.jsonl", "[" * 20_000, "Line 1 of metadata.jsonl .* no valid JSON"),
        ("metadata.csv", "file_name,label\n1.png,a\n2.png\n", "no label in metadata.csv"),
        ("metadata.csv", "file_name,label\n1.png,a\n1.png,b\n", "two labels, 'a' and 'b'"),
        ("metadata.csv", "file_name,label\nq.png,a\n", "names none of its pictures: it names q.png"),
        ("metadata.csv", "picture,label\n1.png,a\n", r'no column "file_name" \(it has: picture, label\): give'),
        ("metadata.csv", "File;label\n1.png;a\n", r'no column "file_name" \(it has: File, label\)'),
        ("metadata.csv", "file_name,label\n1.png,ä\n".encode("latin-1"), "not UTF-8 text"),
        ("metadata.csv", "file_name,label\n1.png," + "a" * 200_000, "no readable table"),
        ("dataset.json", '{"labels": null}', "dataset.json of .* has none"),
        ("dataset.json", '{"labels": {"1.png": 0}}', "must be a list"),
        ("dataset.json", '{"labels": [["1.png", [0.5, 1]]]}', "more than one value"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used_are_sentences(tmp_path, table, text, sentence):
    with pytest.raises(DataError, match=sentence):
        labelled_by(tmp_path, table, text)


def test_the_data_sets_of_stylegan_are_read_with_their_labels(tmp_path):
    names = [f"{number // 5:05d}/img{number:08d}.png" for number in range(12)]
    table = json.dumps({"labels": [[name, 10 - number % 3 * 5] for number, name in enumerate(names)]})
    for around in ("", "ffhq/"):
        root = laid(tmp_path / f"set{around}", *(around + name for name in names))
        (root / around / "dataset.json").write_text(table)
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (file for file in root.rglob("*") if file.is_file()):
                archive.write(file, file.relative_to(root).as_posix())
        for place in (root, path):
            found = opened(place)
            assert found.class_names == ("0", "5", "10") and len(found) == 12 and found.notes == ()
            assert [entry.label for entry in found][:4] == [2, 1, 0, 2]
            assert opened(place, labels="folder").class_names == ("00000", "00001", "00002")
    (root / around / "dataset.json").write_text('{"images": [], "annotations": []}')  # another format of that name
    assert opened(root).class_names == ("00000", "00001", "00002")


def test_a_path_that_looks_like_a_name_on_the_hub_is_told_to_be_missing(monkeypatch):
    import datasets

    def unreachable(path: str, **_: object) -> None:
        raise ConnectionError(f"Couldn't reach '{path}' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset_builder", unreachable)  # else it would be asked for
    with pytest.raises(DataError, match="There is no folder or file photos/cats here, and as a dataset of the Hub it"):
        opened(Path("photos/cats"))
    for name in ("photos/cats.zip", "photos/cats.NPZ"):  # a file, which the Hub is not asked for
        with pytest.raises(DataError, match=f"{name} does not exist; set data.path to"):
            opened(Path(name))


def test_broken_pictures_are_listed_without_double_stops(tmp_path):
    laid(laid(tmp_path, "1.png", "2.png"), "a.png", "b.png", data=b"")
    pictures = open_data(DataConfig(path=str(tmp_path)), height=8, width=8, channels=1, labelled=False)
    (remark,) = pictures.remarks()
    assert remark.startswith("2 of the pictures cannot be used") and ".;" not in remark and remark.endswith("picture.")
