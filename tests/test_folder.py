"""Local model folders: what is written comes back, and nothing else is believed or run."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganhub import files, hub
from ganhub.errors import FileError, HubError
from ganhub.hub import visitors
from ganhub.trainer.checkpoint import save_checkpoint


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    return {
        "weight": torch.randn(5, 3, generator=generator),
        "half": torch.randn(4, generator=generator).half(),
        "count": torch.tensor(3),
    }


def sentence(error: pytest.ExceptionInfo[HubError]) -> str:
    """The message: one line that ends in a full stop."""
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 400
    return text


def half_files(where: Path) -> list[Path]:
    return [path for path in where.rglob("*") if path.suffix in (".incomplete", ".tmp")]


def test_folder_round_trip(tmp_path: Path) -> None:
    path = hub.write_folder(tmp_path / "a" / "b", {"width": 3, "name": "é"}, tensors())
    assert hub.read_config(path) == {"width": 3, "name": "é"}
    back = hub.read_tensors(path)
    assert back.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert back[name].dtype == tensor.dtype and torch.equal(back[name], tensor)
    assert hub.read_shapes(path) == {name: (tuple(t.shape), t.dtype) for name, t in tensors().items()}
    assert half_files(path) == []


def test_folder_of_a_model_without_weights(tmp_path: Path) -> None:
    path = hub.write_folder(tmp_path / "empty", {"architecture": "x"}, {})
    assert hub.read_tensors(path) == {} and hub.read_shapes(path) == {}


def test_tied_and_strided_tensors_are_stored(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    path = hub.write_folder(tmp_path / "m", {}, {"a": base, "tied": base, "turned": base.T, "row": base[1]})
    back = hub.read_tensors(path)
    assert torch.equal(back["tied"], base) and torch.equal(back["turned"], base.T) and torch.equal(back["row"], base[1])


def test_dtype_and_variant(tmp_path: Path) -> None:
    """Half precision is stored for floating-point tensors only, beside the full one."""
    path = hub.write_folder(tmp_path / "m", {}, tensors())
    hub.write_folder(path, {}, tensors(), variant="fp16", dtype=torch.float16)
    assert sorted(p.name for p in path.iterdir()) == ["config.json", "model.fp16.safetensors", "model.safetensors"]
    assert {t.dtype for t in hub.read_tensors(path, "fp16").values()} == {torch.float16, torch.int64}
    assert hub.read_tensors(path)["weight"].dtype == torch.float32
    with pytest.raises(HubError, match="no model.bf16.safetensors, but model.fp16.safetensors, model.safetensors"):
        hub.read_tensors(path, "bf16")


@pytest.mark.parametrize("index", ["model.safetensors.index.json", "model.safetensors.index.fp16.json"])
def test_shards_are_read(tmp_path: Path, index: str) -> None:
    variant = "fp16" if "fp16" in index else None
    stem = "model.fp16" if variant else "model"
    for number, (name, tensor) in enumerate(tensors().items(), 1):
        hub.write_folder(tmp_path / "one", {}, {name: tensor})
        os.renames(tmp_path / "one" / "model.safetensors", tmp_path / "m" / f"{stem}-0000{number}-of-00003.safetensors")
    files = {name: f"{stem}-0000{i}-of-00003.safetensors" for i, name in enumerate(tensors(), 1)}
    (tmp_path / "m" / index).write_text(json.dumps({"weight_map": files}))
    assert hub.read_tensors(tmp_path / "m", variant).keys() == tensors().keys()
    (tmp_path / "m" / f"{stem}-00002-of-00003.safetensors").unlink()
    with pytest.raises(HubError, match="lacks .*00002-of-00003"):
        hub.read_tensors(tmp_path / "m", variant)
    (tmp_path / "m" / index).write_text(json.dumps({"weight_map": {"a": "../one/model.safetensors"}}))
    with pytest.raises(HubError, match="no safetensors file beside it"):
        hub.read_tensors(tmp_path / "m", variant)


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def test_pickles_are_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = hub.write_folder(tmp_path / "m", {}, {})
    weights = path / "model.safetensors"
    for protocol in range(6):
        weights.write_bytes(pickle.dumps(Bomb(), protocol=protocol))
        for read in (hub.read_tensors, hub.read_shapes):
            with pytest.raises(HubError, match="no safetensors file") as error:
                read(path)
            assert "ask the author for safetensors" in sentence(error)
            assert "this is a pickle" in str(error.value) or protocol < 2
    torch.save({"weight": Bomb()}, weights)
    with pytest.raises(HubError, match="this is a pickle"):
        hub.read_tensors(path)
    torch.save({"weight": Bomb()}, weights, _use_new_zipfile_serialization=False)
    with pytest.raises(HubError, match="this is a pickle"):
        hub.read_tensors(path)
    weights.rename(path / "pytorch_model.bin")
    with pytest.raises(HubError, match="only pytorch_model.bin: this is a pickle"):
        hub.read_tensors(path)
    assert not Path("exploded").exists()
    pickle.loads(pickle.dumps(Bomb()))  # the bomb itself works
    assert Path("exploded").exists()


def test_a_header_that_looks_like_a_pickle_is_read(tmp_path: Path) -> None:
    """A header of 640 bytes makes the file begin like a pickle of protocol 2."""
    entry = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps(entry).encode().ljust(640)
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", 640) + header + struct.pack("<f", 2.5))
    assert hub.read_tensors(tmp_path)["a"].tolist() == [2.5]


def header(entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def tensor_entry(shape: list, stop: int, dtype: str = "F32", start: int = 0) -> dict:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}}


BROKEN = {
    "empty": (b"", "truncated"),
    "seven bytes": (b"1234567", "truncated"),
    "header cut": (header(tensor_entry([1], 4))[:-3], "truncated"),
    "header of a petabyte": (struct.pack("<Q", 10**15) + b"{}", "content is something else"),
    "terabyte promised": (header(tensor_entry([10**6, 10**6], 4 * 10**12)) + b"1234", "truncated"),
    "bytes do not fit": (header(tensor_entry([3], 4)) + b"1234", "do not fit its shape"),
    "negative side": (header(tensor_entry([-1, -1], 4)) + b"1234", "shape"),
    "overflowing sides": (header(tensor_entry([2**40, 2**40], 4)) + b"1234", "do not fit its shape"),
    "a hole": (header(tensor_entry([1], 8, start=4)) + b"12345678", "do not fit its shape"),
    "text for a shape": (header({"a": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}}) + b"1234", "shape"),
    "no offsets": (header({"a": {"dtype": "F32", "shape": [1]}}) + b"1234", "broken safetensors header"),
    "a list": (header([1, 2]), "no safetensors file"),
    "unknown dtype": (header(tensor_entry([1], 4, "F31")) + b"1234", "F31"),
    "more bytes than promised": (header(tensor_entry([1], 4)) + b"123456", "bytes"),
    "deep nesting": (struct.pack("<Q", 200_000) + b'{"a":' * 40_000, "broken safetensors header"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    "a page": (b"<!DOCTYPE html><html>404</html>", "web page"),
    "zip": (b"PK\x03\x04" + bytes(100), "pickle"),
    "gzip": (b"\x1f\x8b" + bytes(100), "something else"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_weights_are_a_sentence(tmp_path: Path, name: str) -> None:
    data, words = BROKEN[name]
    (tmp_path / "model.safetensors").write_bytes(data)
    for read in (hub.read_shapes, hub.read_tensors):
        with pytest.raises(HubError, match=words) as error:
            read(tmp_path)
        sentence(error)


def test_truncation_at_every_length_is_noticed(tmp_path: Path) -> None:
    folder = hub.write_folder(tmp_path / "m", {}, tensors())
    data = (folder / "model.safetensors").read_bytes()
    for length in range(len(data)):
        (folder / "model.safetensors").write_bytes(data[:length])
        with pytest.raises(HubError):
            hub.read_tensors(folder)


def test_broken_config_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="There is no folder"):
        hub.read_config(tmp_path / "none")
    with pytest.raises(HubError, match="has no config.json"):
        hub.read_config(tmp_path)
    for text in (b"{", b"", b"\xff\xfe\x00", b"[1]", b"3", b"[" * 100_000):
        (tmp_path / "config.json").write_bytes(text)
        with pytest.raises(HubError, match="JSON") as error:
            hub.read_config(tmp_path)
        sentence(error)


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """A real write error from the system, in both writers: for a while no file may grow beyond 8 kB."""
    resource = pytest.importorskip("resource")
    folder = hub.write_folder(tmp_path / "m", {"width": 3}, tensors())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    errors = []
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # Python ignores the signal that comes with it
    try:
        for size, text in ((4096, ""), (4, "x" * 9000)):
            with pytest.raises(FileError) as error:
                hub.write_folder(folder, {"text": text}, {"weight": torch.ones(size)})
            errors.append(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for error, name in zip(errors, ("model.safetensors", "config.json"), strict=True):
        text = sentence(error)
        assert "disk is full" in text and "untouched" in text and name in text
    assert hub.read_config(folder) == {"width": 3}
    assert hub.read_shapes(folder)["weight"][0] == (5, 3), "weights and config change together or not at all"
    assert half_files(folder) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match="cannot be made"):
        hub.write_folder(tmp_path / "file" / "m", {}, {})


@pytest.mark.parametrize("text", ["a/b", "some-one/stylegan2.v1_x", "A1/b-c", "x" * 90 + "/y"])
def test_repo_ids(text: str) -> None:
    assert hub.is_repo_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a/b/c", "/a", "a/", "/etc/passwd", "../b", "a/..", "./b", "a/.b", "~/b", "a/b\n", "a\\b", "C:/b",
     "a b/c", "a/b.git", "a/b--c", "a/b..c", "a//b", "-a/b", "a/b-", "hf://a/b", "https://x.y/a/b", "a/b?c", "a/%2e",
     "é/b", "a/" + "b" * 200, None, 3, Path("a/b")],
)  # fmt: skip
def test_what_is_no_repo_id(text: object) -> None:
    assert not hub.is_repo_id(text)
    with pytest.raises(HubError, match="owner/name"):
        visitors.locate_repo(text)


def test_local_places_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_folder: Path) -> None:
    """A folder, then ./model_cards, $GANHUB_MODELS, and what came with ganhub."""
    monkeypatch.chdir(tmp_path)
    hub.write_folder(models_folder / "toy", {"from": "environment"}, {})
    assert hub.read_config(hub.locate("toy")) == {"from": "environment"}
    hub.write_folder("model_cards/toy", {"from": "cards"}, {})
    assert hub.read_config(hub.locate("toy")) == {"from": "cards"}
    assert hub.read_config(hub.list_local()["toy"]) == {"from": "cards"}
    hub.write_folder("toy", {"from": "here"}, {})
    assert hub.read_config(hub.locate("toy")) == hub.read_config(hub.locate(Path("toy"))) == {"from": "here"}
    hub.write_folder("toy/generator", {"from": "below"}, {})
    assert hub.read_config(hub.locate("toy", subfolder="generator")) == {"from": "below"}


def test_a_name_that_is_nowhere(tmp_path: Path, models_folder: Path) -> None:
    hub.write_folder(models_folder / "toy", {}, {})
    with pytest.raises(HubError, match="no model 'toi'. Did you mean 'toy'") as error:
        hub.locate("toi")
    sentence(error)
    for source in (Path("someone/toy"), tmp_path / "none", "../none", "/none"):
        with pytest.raises(HubError, match="There is no model"):
            hub.locate(source)
    for subfolder in ("..", "/etc", "a/../b", "none"):
        with pytest.raises(HubError, match="subfolder"):
            hub.locate("toy", subfolder=subfolder)
    with pytest.raises(HubError, match="without revisions"):
        hub.locate("toy", revision="main")


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """By the next save into that folder; neither what a living process writes nor what somebody else calls alike."""
    folder = hub.write_folder(tmp_path / "m", {}, tensors())
    code = (
        "import runpy, sys\nfrom pathlib import Path\n"  # torch is not needed, and takes its time
        "put_in_place = runpy.run_path(sys.argv[2])['put_in_place']\n"
        "def write(part):\n    part.write_bytes(b'x' * 9)\n    print(part, flush=True)\n    sys.stdin.read()\n"
        "put_in_place({Path(sys.argv[1]) / 'model.safetensors': write})"
    )
    command = [sys.executable, "-c", code, str(folder), files.__file__]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    parts = [Path(one.stdout.readline().strip()) for one in running]
    others = [folder / ".model.tmp", folder / "x.tmp", folder / ".ganhub-me.tmp"]
    for path in others:
        path.write_text("mine")
    running[0].kill()
    running[0].wait()
    assert parts[0].is_file() and parts[1].is_file()
    hub.write_folder(folder, {"saved": "again"}, tensors())
    assert not parts[0].parent.exists() and parts[1].is_file()
    assert all(path.read_text() == "mine" for path in others)
    running[1].communicate()
    assert (folder / "model.safetensors").read_bytes() == b"x" * 9 and not parts[1].parent.exists()
    for one in running:
        one.stdin.close()
        one.stdout.close()


def test_old_temporary_folders_of_other_machines_are_removed(tmp_path: Path) -> None:
    """Whether a process of another machine lives cannot be asked: a day later it does not write any more."""
    new, old = (tmp_path / f".ganhub-0badcafe-{number}-01234567.tmp" for number in (1, 2))
    for path in (new, old):
        path.mkdir()
        (path / "model.safetensors").write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    hub.write_folder(tmp_path, {}, tensors())
    assert new.is_dir() and not old.exists()


def test_parts_of_checkpoints_are_removed(tmp_path: Path) -> None:
    """Those that the trainer named itself, by the next checkpoint; no file that somebody else put there."""
    left, other = tmp_path / f"{8:012d}.pt.part", tmp_path / "mine.pt.part"
    for path in (left, other):
        path.write_bytes(b"half")
    save_checkpoint(tmp_path, 16, {"x": torch.ones(1)}, keep=2)
    assert not left.exists() and other.read_bytes() == b"half"


def test_half_precision_makes_no_number_infinite(tmp_path):
    """Sums over a run, say: those alone stay as they are."""
    given = {"sums": torch.tensor([1.0, 1e6]), "weight": torch.tensor([1.0, 2.0])}
    hub.write_folder(tmp_path / "m", {}, given, dtype=torch.float16)
    held = hub.read_tensors(tmp_path / "m")
    assert torch.equal(held["sums"], given["sums"]) and held["weight"].dtype == torch.float16
