"""npz files as MedMNIST, Keras, numpy and others write them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganhub import images
from ganhub.data import DataConfig, open_data
from ganhub.data.opening import open_source
from ganhub.errors import DataError

NOISE = np.random.default_rng(5)
X = NOISE.integers(0, 256, (8, 6, 7, 3), dtype=np.uint8)
Y = np.array([2, 0, 1, 1, 0, 2, 2, 0])


def opened(path: Path, channels: int = 3, labelled: bool = True, **fields):
    return open_source(DataConfig(path=str(path), **fields), channels, labelled)


def saved(tmp_path: Path, name: str = "set.npz", **arrays: np.ndarray) -> Path:
    with (tmp_path / name).open("wb") as file:  # savez would put .npz behind .NPZ
        np.savez_compressed(file, **arrays)
    return tmp_path / name


def labels_of(source) -> list[str]:
    return [source.class_names[entry.label] for entry in source]


MEDMNIST = {f"{part}_images": X[: 8 - 2 * k] for k, part in enumerate(("train", "val", "test"))} | {
    f"{part}_labels": Y[: 8 - 2 * k, None].astype(np.uint8) for k, part in enumerate(("train", "val", "test"))
}
KERAS = {"x_train": X, "y_train": Y, "x_test": X[:6], "y_test": Y[:6]}


@pytest.mark.parametrize(
    "arrays, fields, count",
    [
        (MEDMNIST, {}, 8),
        (MEDMNIST, {"split": "validation"}, 6),
        (MEDMNIST, {"split": "test"}, 4),
        (MEDMNIST, {"images": "val_images"}, 6),
        (KERAS, {}, 8),
        (KERAS, {"split": "test"}, 6),
        (KERAS, {"images": "x_train"}, 8),
        ({"X_train": X, "Y_train": Y}, {}, 8),
        ({"X": X, "y": Y}, {}, 8),
        ({"images": X, "targets": Y}, {}, 8),
        ({"arr_0": X, "arr_1": Y}, {}, 8),
        ({"x": X, "y": np.eye(3)[Y]}, {}, 8),
        ({"x": X, "y": Y.astype(np.float32)[:, None]}, {}, 8),
        ({"a": X, "b": Y}, {"images": "a", "labels": "b"}, 8),
    ],
)
def test_names_and_shapes_that_others_give(tmp_path, arrays, fields, count):
    found = opened(saved(tmp_path, "SET.NPZ", **arrays), **fields)
    assert labels_of(found) == [str(label) for label in Y[:count]]
    assert np.array_equal(images.to_uint8(found[1].read())[0].permute(1, 2, 0).numpy(), X[1])


def test_labels_in_words(tmp_path):
    for words in (np.array(["NA", "köter", "10"]), np.char.encode(np.array(["NA", "köter", "10"]), "utf-8")):
        assert labels_of(opened(saved(tmp_path, x=X, y=words[Y]))) == [("NA", "köter", "10")[label] for label in Y]
        named = opened(saved(tmp_path, x=X, y=Y, a_note=np.array(["p", "q", "r"]), names=words))
        assert named.class_names == ("NA", "köter", "10")
    assert opened(saved(tmp_path, x=X, y=np.array(["10", "9", "x"])[Y])).class_names == ("9", "10", "x")


@pytest.mark.parametrize(
    "arrays, fields, sentence",
    [
        ({"x": X}, {}, 'no array of labels for "x" .such as y, labels, .*; it has x. Name one in data.labels'),
        ({"x_train": X}, {}, "such as y_train, .*; it has x_train"),
        ({"x": X, "y": Y}, {"labels": "x"}, "which are the pictures"),
        ({"x": X, "y": Y}, {"split": "test"}, 'no array of pictures of the part "test" .such as test_x, .*data.images'),
        ({"x": X, "y": np.ones((8, 3))}, {}, "one for each picture, not shape"),
        ({"x": X, "y": Y[:5]}, {}, "must hold 8 labels, not shape"),
        ({"x": X, "y": Y - 1}, {}, "class indices from 0, not -1"),
        ({"x": X, "y": Y + 10**12}, {}, "these are too many"),
        ({"x": X, "y": np.where(Y == 1, np.nan, Y)}, {}, "have no label"),
        ({"x": X[..., :2], "y": Y}, {}, r"has the shape .*4 \(with alpha\)"),
    ],
)
def test_arrays_that_cannot_be_used_are_sentences(tmp_path, arrays, fields, sentence):
    with pytest.raises(DataError, match=sentence):
        opened(saved(tmp_path, **arrays), **fields)


@pytest.mark.parametrize("have", [1, 3, 4])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_are_converted_as_those_of_files(tmp_path, have, channels):
    array = NOISE.integers(0, 256, (4, 6, 7, have), dtype=np.uint8)
    stored = array if have > 1 else array[..., 0]
    for k, picture in enumerate(stored):
        (tmp_path / "set").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "set" / f"{k}.png")
    for background in ("white", "#204060"):
        options = {"channels": channels, "labelled": False, "background": background}
        files = opened(tmp_path / "set", **options)
        for layout in (array, array.transpose(0, 3, 1, 2)):
            arrays = opened(saved(tmp_path, x=layout), **options)
            for one, other in zip(files, arrays, strict=True):
                apart = images.to_uint8(one.read()).int() - images.to_uint8(other.read()).int()
                assert apart.abs().max() <= 1, "but for rounding"


def test_members_may_be_packed_by_lzma(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_LZMA) as archive:
        for name, array in {"x": X, "y": Y, "names": np.array(["p", "q", "r"])}.items():
            file = io.BytesIO()
            np.lib.format.write_array(file, array)
            archive.writestr(f"{name}.npy", file.getvalue())
    found = opened(tmp_path / "set.npz", channels=4)
    assert labels_of(found) == ["pqr"[label] for label in Y] and (found[0].read()[:, 3] == 1).all()


def test_sizes_are_checked_before_anything_is_read(tmp_path):
    def written(shape: tuple[int, ...], content: bytes) -> Path:
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", file.getvalue() + content)
        return tmp_path / "set.npz"

    for shape in ((10**12, 8, 8, 3), (2**40, 2**40, 2**40)):
        with pytest.raises(DataError, match="do not fit into its"):
            opened(written(shape, b"few"), labelled=False)
    packed = written((1000, 64, 64), bytes(1000 * 64 * 64))
    assert packed.stat().st_size < 10_000
    one, three = (opened(packed, channels=1, labelled=False, memory_gb=0.005), {"channels": 3, "memory_gb": 0.005})
    assert len(one) == 1000
    with pytest.raises(DataError, match="raise data.memory_gb"):  # for three channels it is kept threefold
        opened(packed, labelled=False, **three)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00v\x00", b"\x93NUMPY\x01\x00\xff\xff{'d'"])
def test_members_that_are_no_arrays(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(DataError, match='"x" of .* is no readable array'):
        opened(tmp_path / "set.npz", labelled=False)


def test_small_classes_leave_an_array_as_they_leave_a_folder(tmp_path):
    from ganhub.data import open_data

    config = DataConfig(path=str(saved(tmp_path, x=X, y=Y)), smallest_class=3)
    data = open_data(config, height=6, width=6, channels=3, labelled=True)
    assert data.class_names == ("0", "2") and len(data) == 6


def test_arrays_that_are_no_pictures_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"not float32 \(8, 6, 7, 3\): save them again with values from 0 to 255, by"):
        opened(saved(tmp_path, x=X / np.float32(255)), labelled=False)
    with pytest.raises(DataError, match=r"has the shape \(8, 6, 7, 2\); pictures are \[N, H, W, C\] with C = 1"):
        opened(saved(tmp_path, x=X[..., :2]), labelled=False)


def test_classes_without_pictures_are_said_and_can_be_left_out(tmp_path):
    """Labels that count from 1, as those of EMNIST's letters do."""
    path = saved(tmp_path, x=X, y=Y + 1)
    (note,) = opened(path).notes
    assert "has no pictures of 1 of its 4 classes (0)" in note and "data.smallest_class=1" in note
    assert opened(saved(tmp_path, x=X, y=Y)).notes == () == opened(path, labelled=False).notes
    path = saved(tmp_path, x=X, y=Y + 1)
    fewer = open_data(DataConfig(path=str(path), smallest_class=1), height=6, width=6, channels=3, labelled=True)
    assert fewer.class_names == ("1", "2", "3") and fewer.remarks() == []


def test_transparency_that_the_model_cannot_show_is_said(tmp_path):
    clear, full = np.zeros((8, 6, 7, 4), np.uint8), np.full((8, 6, 7, 4), 255, np.uint8)
    for layout in (clear, clear.transpose(0, 3, 1, 2)):
        (note,) = opened(saved(tmp_path, x=layout), labelled=False, background="pink").notes
        assert "has transparency and the model has none" in note and "pink (data.background)" in note
    assert opened(saved(tmp_path, x=clear), channels=4, labelled=False).notes == ()
    config = DataConfig(path=str(saved(tmp_path, x=clear, y=np.array([0] * 7 + [1]))), smallest_class=2)
    (remark,) = open_data(config, height=6, width=7, channels=3, labelled=True).remarks()
    assert "has transparency" in remark, "of a part of the pictures, too"
    assert opened(saved(tmp_path, x=full), labelled=False).notes == ()


def test_transparency_of_files_is_said_once(tmp_path):
    def remarks(folder: str, *pictures: Image.Image, channels: int = 3, **options) -> list[str]:
        (tmp_path / folder).mkdir()
        for k, picture in enumerate(pictures):
            picture.save(tmp_path / folder / f"{k}.png")
        config = DataConfig(path=str(tmp_path / folder), **options)
        data = open_data(config, height=8, width=8, channels=channels, labelled=False)
        data.batch(0, 3)
        return data.remarks()

    clear, faint = Image.new("RGBA", (8, 8), (255, 0, 0, 0)), Image.new("LA", (8, 8), (9, 254))
    full, keyed = Image.new("RGBA", (8, 8), (255, 0, 0, 255)), Image.new("RGB", (8, 8), (1, 2, 3))
    keyed.info["transparency"] = (1, 2, 3)
    for k, picture in enumerate((clear, faint, keyed)):
        (remark,) = remarks(f"some{k}", full, picture, picture, background="pink")
        assert "has transparency and the model has none" in remark and "pink (data.background)" in remark
    assert remarks("kept", clear, full, channels=4) == remarks("opaque", full, full.convert("RGB")) == []
    (remark,) = remarks("late", full, clear, clear, memory_gb=0, limit=2)
    assert "has transparency" in remark, "of pictures that are read as they come, and of a part of them, too"
