"""Data: a batch is a function of its position, from whatever kind of collection it comes."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganhub import images
from ganhub.data import DataConfig, Pictures, open_data
from ganhub.errors import ConfigError, DataError
from ganhub.models import get_architecture
from ganhub.trainer.watchdog import Watchdog

SHARED = Path(os.environ["GANHUB_SHARED"]) / "data" if "GANHUB_SHARED" in os.environ else None
needs_shared = pytest.mark.skipif(not (SHARED and SHARED.is_dir()), reason="GANHUB_SHARED is not set")


def flat(value, size=(12, 12), mode="L"):
    return Image.new(mode, size, value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve grey pictures in three classes; grey value 10 k tells picture k apart."""
    root = tmp_path / "pictures"
    for k in range(12):
        place = root / "cab"[k % 3]
        place.mkdir(parents=True, exist_ok=True)
        flat(10 * k).save(place / f"{k:02}.png")
    return root


def open_small(path, *, side=8, channels=1, labelled=False, **options) -> Pictures:
    return open_data(
        DataConfig(path=str(path), **options), height=side, width=side, channels=channels, labelled=labelled
    )


def values(batch) -> list[int]:
    """Return the grey value of each flat picture."""
    return images.to_uint8(batch.images)[:, 0, 0, 0].tolist()


def equal(a, b) -> bool:
    labels = a.labels is b.labels is None or torch.equal(a.labels, b.labels)
    return torch.equal(a.images, b.images) and torch.equal(a.seeds, b.seeds) and labels


def joined(*batches):
    return type(batches[0])(*(torch.cat([getattr(b, f) for b in batches]) for f in ("images", "labels", "seeds")))


def textured(root: Path, count=7) -> Path:
    root.mkdir()
    noise = np.random.default_rng(0)
    for k in range(count):
        shape = (20 + 3 * k, 31 - 2 * k, 3)
        Image.fromarray(noise.integers(0, 256, shape, np.uint8)).save(root / f"{k}.png")
    return root


# Positions


@pytest.mark.parametrize("memory_gb", [2.0, 0.0], ids=["in memory", "on the fly"])
def test_a_batch_is_a_function_of_its_position(tmp_path, memory_gb):
    root = textured(tmp_path / "noise")
    options = {"channels": 3, "crop": "random", "zoom": 1.5, "flip": True, "memory_gb": memory_gb, "seed": 3}
    whole = open_small(root, **options).batch(0, 20)
    parts = open_small(root, **options)
    later, earlier = parts.batch(10, 10), parts.batch(0, 10)
    assert torch.equal(torch.cat([earlier.images, later.images]), whole.images)
    assert torch.equal(torch.cat([earlier.seeds, later.seeds]), whole.seeds)
    steady = open_small(root, **options)  # read in steps: what was prefetched is what was asked for
    assert torch.equal(torch.cat([steady.batch(4 * k, 4).images for k in range(5)]), whole.images)
    assert whole.seeds.unique().numel() == 20 and whole.seeds.dtype == torch.int64


def test_memory_does_not_change_a_picture(tmp_path):
    root = textured(tmp_path / "noise")
    options = {"channels": 3, "crop": "random", "zoom": 1.2, "flip": True}
    assert equal(open_small(root, **options).batch(3, 9), open_small(root, memory_gb=0.0, **options).batch(3, 9))


def test_each_epoch_holds_every_picture_once_in_a_new_order(folder):
    data = open_small(folder)
    assert len(data) == 12
    epochs = [values(data.batch(12 * k, 12)) for k in range(3)]
    assert all(sorted(epoch) == [10 * k for k in range(12)] for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    other = values(open_small(folder, seed=1).batch(0, 12))
    assert other != epochs[0]
    assert values(data.batch(7, 20)) == (epochs[0] + epochs[1] + epochs[2])[7:27]  # over two borders


def test_random_crops_and_flips_are_windows_of_the_picture(tmp_path):
    ramp = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16)
    (tmp_path / "one").mkdir()
    Image.fromarray(ramp).save(tmp_path / "one" / "ramp.png")
    data = open_small(tmp_path / "one", crop="random", zoom=2.0, flip=True)
    found = set()
    for window in images.to_uint8(data.batch(0, 64).images)[:, 0].numpy():
        flipped = window[0, 0] > window[0, 1]
        window = window[:, ::-1] if flipped else window
        top, left = divmod(int(window[0, 0]), 16)
        assert np.array_equal(window, ramp[top : top + 8, left : left + 8])
        found.add((top, left, bool(flipped)))
    assert len(found) > 40
    assert {True, False} == {f for *_, f in found}
    assert {0, 8} <= {t for t, *_ in found} and {0, 8} <= {left for _, left, _ in found}


# Kinds of collections


def test_labels_belong_to_their_pictures(folder):
    data = open_small(folder, labelled=True)
    batch = data.batch(0, 24)
    assert data.class_names == ("a", "b", "c")
    assert batch.labels.dtype == torch.int64
    assert all("cab"[v // 10 % 3] == "abc"[y] for v, y in zip(values(batch), batch.labels, strict=True))
    assert open_small(folder).batch(0, 2).labels is None


def test_a_zip_equals_its_folder(folder, tmp_path):
    archive = tmp_path / "pictures [1].zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.png"), reverse=True):
            file.write(path, path.relative_to(folder))
    zipped, plain = open_small(archive, labelled=True), open_small(folder, labelled=True)
    assert zipped.class_names == plain.class_names
    assert equal(zipped.batch(5, 15), plain.batch(5, 15))


def test_folder_names_with_glob_signs_are_read(folder, tmp_path):
    odd = tmp_path / "what [2]? *"
    folder.rename(odd)
    assert len(open_small(odd)) == 12


def test_metadata_columns_are_labels(tmp_path):
    root = tmp_path / "meta"
    root.mkdir()
    lines = ["file_name,label,kind"]
    for k in range(6):
        flat(10 * k).save(root / f"{k}.png")
        lines.append(f"{k}.png,{('even', 'odd')[k % 2]},{k}")
    (root / "metadata.csv").write_text("\n".join(lines))
    data = open_small(root, labelled=True)
    batch = data.batch(0, 6)
    assert data.class_names == ("even", "odd")
    assert [v // 10 % 2 for v in values(batch)] == batch.labels.tolist()
    assert open_small(root, labelled=True, labels="kind").class_names == tuple("012345")
    with pytest.raises(DataError, match='no column "colour".*label, kind'):
        open_small(root, labelled=True, labels="colour")


def test_split_folders_and_patterns_choose(tmp_path):
    for name, value in {"train/x/1": 10, "train/y/2": 20, "test/x/3": 30}.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        flat(value).save(tmp_path / "d" / f"{name}.png")
    train = open_small(tmp_path / "d", labelled=True)
    assert sorted(values(train.batch(0, 2))) == [10, 20] and train.class_names == ("x", "y")
    assert values(open_small(tmp_path / "d", split="test").batch(0, 1)) == [30]
    assert values(open_small(tmp_path / "d", only="*/y/*").batch(0, 1)) == [20]
    with pytest.raises(DataError, match='no folder "validation"'):
        open_small(tmp_path / "d", split="validation")
    with pytest.raises(DataError, match="no pictures that match data.only"):
        open_small(tmp_path / "d", only="nothing*")


def test_limit_is_evenly_spaced(folder):
    data = open_small(folder, labelled=True, limit=3)
    assert len(data) == 3 and data.class_names == ("a", "b", "c")
    assert sorted(data.batch(0, 3).labels.tolist()) == [0, 1, 2]


@pytest.mark.parametrize("share, count", [(0.25, 3), (0.5, 6), (0.04, 0)])
def test_held_out_pictures_are_never_trained_on(folder, share, count):
    def part(name, **options):
        return open_small(folder, holdout=share, part=name, **options)

    if not count:
        with pytest.raises(DataError, match="too few pictures for data.holdout"):
            part("holdout")
        return
    held, trained = (part(name) for name in ("holdout", "training"))
    assert len(held) == count and len(trained) == 12 - count
    seen = set(values(trained.batch(0, 48)))
    assert len(seen) == 12 - count and not seen & set(values(held.batch(0, count)))
    again = part("holdout", seed=9)
    assert sorted(values(again.batch(0, count))) == sorted(values(held.batch(0, count))), "whatever the seed"


def test_classes_of_few_pictures_are_left_out_for_every_model(folder, tmp_path):
    for name in ("00.png", "03.png"):  # class c keeps two of four
        (folder / "c" / name).unlink()
    data = open_small(folder, labelled=True, smallest_class=3)
    batch = data.batch(0, 8)
    assert data.class_names == ("a", "b") and sorted(values(batch)) == [10, 20, 40, 50, 70, 80, 100, 110]
    assert [data.class_names[label] for label in batch.labels] == ["cab"[v // 10 % 3] for v in values(batch)]
    plain = open_small(folder, smallest_class=3, holdout=0.5)
    labelled = open_small(folder, labelled=True, smallest_class=3, holdout=0.5)
    assert plain.class_names == () and plain.batch(0, 4).labels is None
    assert torch.equal(plain.batch(0, 4).images, labelled.batch(0, 4).images)
    x, y = np.zeros((9, 8, 8), np.uint8) + 10 * np.arange(9, dtype=np.uint8)[:, None, None], np.array([0, 1, 2] * 3)
    np.savez(tmp_path / "few.npz", x=x[:8], y=y[:8])
    array = open_small(tmp_path / "few.npz", labelled=True, smallest_class=3)
    assert array.class_names == ("0", "1") and sorted(values(array.batch(0, 6))) == [0, 10, 30, 40, 60, 70]
    with pytest.raises(DataError, match="No class has 9 pictures"):
        open_small(folder, labelled=True, smallest_class=9)


def test_npz_with_splits_and_class_names(tmp_path):
    x = np.arange(6, dtype=np.uint8)[:, None, None] * np.full((1, 8, 8), 10, np.uint8)
    y = np.array([2, 1, 0, 2, 1, 0])
    path = tmp_path / "d.npz"
    np.savez(path, train_x=x, train_y=y, test_x=x[:2], test_y=y[:2], names=np.array(["p", "q", "r"]))
    data = open_small(path, labelled=True)
    batch = data.batch(0, 12)
    assert data.class_names == ("p", "q", "r")
    assert [y[v // 10] for v in values(batch)] == batch.labels.tolist()
    assert len(open_small(path, split="test")) == 2
    colour = open_small(path, channels=3, side=6).batch(0, 2)
    assert colour.images.shape == (2, 3, 6, 6)
    with pytest.raises(DataError, match="no array z; it has"):
        open_small(path, images="z")
    with pytest.raises(DataError, match="data.memory_gb"):
        open_small(path, memory_gb=1e-9)


def test_npz_that_would_run_code_or_is_none(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="other than plain arrays"):
        open_small(path)
    np.savez(path, x=np.zeros((2, 8, 8)))
    with pytest.raises(DataError, match="must be uint8"):
        open_small(path)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match="no readable .npz"):
        open_small(path)


@pytest.fixture
def parquet(tmp_path) -> Path:
    """What a Hub dataset is on disk: parquet with an image column and a ClassLabel; row 3 is no picture."""
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as ImageColumn

    rows = []
    for k in range(10):
        encoded = images.encode_png(images.from_pil(flat(10 * k), channels=1))
        rows.append({"path": f"{k}.png", "bytes": b"broken" if k == 3 else encoded})
    features = Features({"picture": ImageColumn(), "label": ClassLabel(names=["low", "high"])})
    data = Dataset.from_dict({"picture": rows, "label": [int(k >= 5) for k in range(10)]}, features=features)
    (tmp_path / "hub").mkdir()
    data.to_parquet(tmp_path / "hub" / "train.parquet")
    return tmp_path / "hub"


def test_a_dataset_is_indexed(parquet):
    data = open_small(parquet, labelled=True)
    batch = data.batch(0, 9)
    assert data.class_names == ("low", "high") and len(data) == 9
    assert sorted(values(batch)) == [0, 10, 20, 40, 50, 60, 70, 80, 90]
    assert [int(v >= 50) for v in values(batch)] == batch.labels.tolist()
    assert data.skipped[0].startswith("3.png: ")


def test_a_streamed_dataset_has_the_same_interface(parquet):
    def stream():
        return open_small(parquet, labelled=True, streaming=True, flip=True)

    whole = stream().batch(0, 25)
    steady, skipping, backwards = stream(), stream(), stream()
    assert equal(joined(*(steady.batch(5 * k, 5) for k in range(5))), whole)
    late = skipping.batch(13, 12)
    assert equal(joined(backwards.batch(0, 13), late), whole)
    assert equal(joined(skipping.batch(0, 13), late), whole)  # back to the start
    assert set(values(whole)) == {0, 10, 20, 40, 50, 60, 70, 80, 90}
    assert [int(v >= 50) for v in values(whole)] == whole.labels.tolist()
    assert values(whole)[:10] != values(whole)[10:20]
    assert len(steady.skipped) == 1


def test_the_watchdog_reads_a_stream_once(parquet):
    data = open_small(parquet, streaming=True, channels=3)
    model = get_architecture("dcgan").tiny()
    dog = Watchdog(data, 1000, budget=1.0)
    after = data._tape._position
    assert data.streamed and after >= 512 and not open_small(parquet).streamed
    assert dog.look(model, 500, {})["watch/spread"] >= 0 and dog.check(model, 1e6).error > 0
    assert data._tape._position == after, "looking back would read the whole stream again"


# Pictures of all kinds


def test_transparency_lies_on_the_stated_background(tmp_path):
    (tmp_path / "d").mkdir()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "d" / "clear.png")
    for background, expected in (("white", (255, 255, 255)), ("#102030", (16, 32, 48))):
        pixel = open_small(tmp_path / "d", channels=3, background=background).batch(0, 1).images[0, :, 3, 3]
        assert tuple(images.to_uint8(pixel[None, :, None, None]).flatten().tolist()) == expected
    kept = open_small(tmp_path / "d", channels=4).batch(0, 1).images
    assert kept.shape[1] == 4 and (kept[:, 3] == -1).all()


def test_many_sizes_and_modes(tmp_path):
    root = tmp_path / "mixed"
    root.mkdir()
    for k, mode in enumerate(["L", "RGB", "RGBA", "P", "CMYK", "1", "LA", "I;16"]):
        size = (5 + 11 * k, 40 - 3 * k)
        grey = Image.new("I;16", size, 30000) if mode == "I;16" else Image.new("L", size, 128).convert(mode)
        grey.save(root / f"{k}.{'jpg' if mode == 'CMYK' else 'png'}")
    for crop in ("centre", "random"):
        data = open_small(root, channels=3, crop=crop)
        assert len(data) == 8 and not data.skipped
        batch = data.batch(0, 8).images
        assert batch.shape == (8, 3, 8, 8) and batch.dtype == torch.float32
        assert -1 <= batch.min() and batch.max() <= 1


def test_a_centre_crop_of_a_wide_picture(tmp_path):
    (tmp_path / "d").mkdir()
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    Image.fromarray(wide).save(tmp_path / "d" / "wide.png")
    assert set(images.to_uint8(open_small(tmp_path / "d").batch(0, 1).images).flatten().tolist()) == {200}


@pytest.mark.parametrize("memory_gb", [2.0, 0.0], ids=["in memory", "on the fly"])
def test_a_broken_picture_is_named_and_skipped(folder, memory_gb):
    (folder / "a" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    (folder / "b" / "empty.jpg").write_bytes(b"")
    data = open_small(folder, labelled=True, memory_gb=memory_gb)
    batch = data.batch(0, 28)
    assert set(values(batch)) == {10 * k for k in range(12)}
    assert all("cab"[v // 10 % 3] == "abc"[y] for v, y in zip(values(batch), batch.labels, strict=True))
    assert len(data.skipped) == 2
    assert {note.split(":")[0] for note in data.skipped} == {"a/bad.png", "b/empty.jpg"}
    assert len(data) == (12 if memory_gb else 14)


# Bad input


def test_no_pictures_no_folder_no_labels(tmp_path, folder):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match="holds no pictures.*PNG"):
        open_small(tmp_path / "none")
    with pytest.raises(DataError, match="does not exist"):
        open_small(tmp_path / "nowhere")
    with pytest.raises(DataError, match="neither a folder nor"):
        open_small(tmp_path / "none" / "notes.txt")
    flat(0).save(folder / "loose.png")
    with pytest.raises(DataError, match="loose.png.*lies in no class folder"):
        open_small(folder, labelled=True)
    only_bad = tmp_path / "bad"
    only_bad.mkdir()
    (only_bad / "x.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match="None of the pictures.*x.png"):
        open_small(only_bad)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match="broken.zip"):
        open_small(broken)


def test_a_dataset_that_cannot_be_loaded_is_a_sentence(parquet):
    with pytest.raises(DataError, match="split validation.* cannot be loaded: "):
        open_small(parquet, split="validation")
    with pytest.raises(DataError, match="no picture column photo; its columns are picture, label"):
        open_small(parquet, images="photo")
    with pytest.raises(DataError, match="A streamed dataset is not counted"):
        open_small(parquet, streaming=True, holdout=0.5)
    with pytest.raises(DataError, match="no column kind"):
        open_small(parquet, labelled=True, labels="kind")


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"path": ""}, "data.path is empty"),
        ({"crop": "left"}, 'crop must be "centre" or "random"'),
        ({"zoom": 1.25}, "random"),
        ({"crop": "random", "zoom": 0.5}, "zoom must be from 1 to 8"),
        ({"limit": -1}, "limit must be"),
        ({"holdout": 1.0}, "holdout is a share"),
        ({"part": "holdout"}, "where holdout is above 0"),
        ({"smallest_class": -1}, "smallest_class must be"),
    ],
)
def test_a_config_that_cannot_work(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        DataConfig(**({"path": "x"} | options))


# Real collections


@needs_shared
@pytest.mark.parametrize(
    "name, side, channels, classes, count",
    [
        ("mnist-28.npz", 28, 1, 10, 60000),
        ("glyphs-32.npz", 32, 1, 62, 16926),
        ("emoji-noto-64.zip", 32, 3, 10, 1720),
    ],
)
def test_real_labelled_collections(name, side, channels, classes, count):
    data = open_data(DataConfig(path=str(SHARED / name)), height=side, width=side, channels=channels, labelled=True)
    assert len(data) == count and len(data.class_names) == classes and not data.skipped
    batch = data.batch(10**9, 16)
    assert batch.images.shape == (16, channels, side, side) and batch.labels.max() < classes
    assert batch.images.std() > 0.1


@needs_shared
def test_real_landscapes_are_read_by_folder():
    data = open_data(
        DataConfig(path=str(SHARED / "landscapes-288.zip"), crop="random", zoom=1.25, only="song/*", limit=20),
        height=64, width=64, channels=3, labelled=False,
    )  # fmt: skip
    assert len(data) == 20 and data.batch(0, 4).images.shape == (4, 3, 64, 64)


def test_metadata_beside_the_pictures_is_no_broken_picture(tmp_path):
    for number in range(3):
        images.save_image(torch.zeros(1, 3, 8, 8), tmp_path / f"{number}.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\n0.png,a\n1.png,b\n2.png,a\n")
    data = open_data(DataConfig(path=str(tmp_path)), height=8, width=8, channels=3, labelled=False)
    assert len(data) == 3 and data.skipped == []
