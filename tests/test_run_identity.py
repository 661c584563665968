"""A run goes on as what it was begun as, alone in its folder, and loses nothing that it did not write itself."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganhub.data import DataConfig, open_data
from ganhub.errors import ConfigError, GanhubError, TrainingError
from ganhub.images import load_image, save_image
from ganhub.models import get_architecture
from ganhub.trainer import TrainConfig, Trainer, identity, make_recipe, statement
from ganhub.trainer.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from ganhub.trainer.log import append_line, read_log

ROOT = Path(__file__).resolve().parent.parent


def shells(folder: Path, names: tuple[str, ...] = ("cone", "fan"), count: int = 3, seed: int = 0) -> Path:
    """``count`` noisy pictures in each class folder."""
    generator = torch.Generator().manual_seed(seed)
    for name in names:
        for k in range(count):
            save_image(torch.rand((1, 3, 20, 20), generator=generator) * 2 - 1, folder / name / f"{k}.png")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return shells(tmp_path / "shells")


def trainer(out: Path, path: Path, architecture: str = "dcgan", **tables: dict) -> Trainer:
    config = get_architecture(architecture).tiny().config.to_dict() | {"class_names": []} | tables.pop("model", {})
    config["num_classes"] = 2 if config["num_classes"] else 0
    train = {"images": 16, "batch_size": 4, "log_every": 4, "checkpoint_every": 8, "watch": False}
    recipe = {"model": {"architecture": architecture, **config}, "data": {"path": str(path), **tables.pop("data", {})}}
    return Trainer(make_recipe({**recipe, "train": train | tables.pop("train", {}), **tables}), out, quiet=True)


def files(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def refusal(run: Trainer) -> str:
    before = files(run.out)
    with pytest.raises(ConfigError, match="begun with something else.*take a new --out folder") as error:
        run.run()
    assert files(run.out) == before
    return str(error.value)


def test_a_finished_run_that_is_called_again_changes_nothing(data, tmp_path, capsys):
    out = trainer(tmp_path / "run", data).run()
    before = files(out)
    capsys.readouterr()
    trainer(out, data).run()
    trainer(out, data, train={"images": 8, "betas": [0.1, 0.2]}).run()
    assert files(out) == before
    said = capsys.readouterr().out
    assert said.count("is finished, after 16 pictures. Nothing was changed.") == 2 and "Resuming" not in said
    (out / "README.md").unlink()  # as if it had been killed before its end
    trainer(out, data).run()
    assert (out / "README.md").is_file()


def test_other_pictures_are_refused_by_what_differs(data, tmp_path):
    out, later = trainer(tmp_path / "run", data).run(), {"images": 32}
    more = shutil.copytree(data, tmp_path / "more")
    shutil.copy(more / "fan" / "0.png", more / "fan" / "9.png")
    assert "other pictures in data.path (there were 6 and are 7 now)" in refusal(trainer(out, more, train=later))
    other = shells(tmp_path / "other", seed=1)
    assert "of the same names, with other contents" in refusal(trainer(out, other, train=later))
    renamed = shells(tmp_path / "renamed", ("cone", "spiral"))
    assert "under other names or in other classes" in refusal(trainer(out, renamed, train=later))
    said = refusal(trainer(out, data, train=later, data={"limit": 4}))
    assert "there were 6 and are 4 now; data.limit was 0 and is 4 now" in said
    moved = Path(shutil.make_archive(str(tmp_path / "moved"), "zip", data))
    assert trainer(out, moved, train=later).run() == out, "the same pictures in another place are the same pictures"


def test_other_classes_are_refused_by_name(data, tmp_path):
    out = trainer(tmp_path / "run", data, "conditional-gan").run()
    other = shutil.copytree(data, tmp_path / "other")
    (other / "fan").rename(other / "bell")
    said = refusal(trainer(out, other, "conditional-gan"))
    assert "the classes were cone, fan and are bell, cone now" in said


def test_settings_that_cannot_be_applied_are_refused_by_name(data, tmp_path):
    out = trainer(tmp_path / "run", data).run()
    assert 'another [objective] (name was "adversarial" and is "relativistic" now)' in refusal(
        trainer(out, data, objective={"name": "relativistic"})
    )
    assert "another [objective] (r1_gamma was 0.0 and is 2.5 now)" in refusal(
        trainer(out, data, objective={"r1_gamma": 2.5})
    )
    assert "another [model] (width was " in refusal(trainer(out, data, model={"width": 8}))
    assert "train.seed was 0 and is 5 now" in refusal(trainer(out, data, train={"seed": 5}))
    assert 'train.init was "" and is "run" now' in refusal(trainer(out, data, train={"init": str(out)}))
    assert 'data.half was "" and is "left" now' in refusal(trainer(out, data, data={"half": "left"}))


def test_settings_that_can_be_applied_are_applied_and_said(data, tmp_path, capsys):
    out = trainer(tmp_path / "run", data).run()
    capsys.readouterr()
    run = trainer(out, data, train={"images": 24, "betas": [0.8, 0.9], "log_every": 8}, data={"flip": True})
    run.run()
    said = capsys.readouterr().out
    assert "after 16 pictures. From here on: train.images was 16 and is 24 now; train.betas was [0.5, 0.999]" in said
    assert "data.flip was false and is true now" in said and "log_every" not in said
    state = load_checkpoint(out / "checkpoints")
    assert all(tuple(one["param_groups"][0]["betas"]) == (0.8, 0.9) for one in state["optimizers"].values())
    assert "| Changed on the way | after 16 pictures: train.images was 16" in (out / "README.md").read_text("utf-8")
    assert run.data.config.flip and run.state.fingerprint()["train"]["betas"] == [0.8, 0.9]


def test_every_setting_is_applied_said_or_refused():
    """A new field of [train] or [data] must be put where it belongs when a run goes on, and for the card."""
    train = {field.name for field in dataclasses.fields(TrainConfig)}
    kinds = identity.FIXED, identity.TOLD, identity.SILENT
    assert train <= set().union(*kinds) and sum(map(len, kinds)) == len(set().union(*kinds))
    nothing = {"path", "memory_gb", "streaming", "other", "captions"}  # paths, and what changes no picture
    data = {field.name for field in dataclasses.fields(DataConfig)} - nothing
    kinds = identity.FIXED_DATA, identity.TOLD_DATA, identity.CHOOSING
    assert data == set().union(*kinds) and sum(map(len, kinds)) == len(data)
    assert identity.CHOOSING | identity.FIXED_DATA <= statement.OTHER_PICTURES | statement.OTHER_CHOICE


def test_a_checkpoint_without_a_fingerprint_goes_on_and_that_is_said(data, tmp_path, capsys):
    whole = trainer(tmp_path / "whole", data, train={"images": 32})
    whole.run()
    out = trainer(tmp_path / "run", data).run()
    (path,) = list_checkpoints(out / "checkpoints")[-1:]
    state = torch.load(path, weights_only=True)
    del state["fingerprint"], state["record"]  # as ganhub 0.5 wrote them
    torch.save(state, path)
    again = trainer(out, data, train={"images": 32})
    again.run()
    assert "has no fingerprint (ganhub 0.5 wrote none)" in capsys.readouterr().out
    for one, other in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert "fingerprint" in load_checkpoint(out / "checkpoints")


def test_files_of_other_names_are_neither_rotated_nor_resumed(data, tmp_path):
    out = trainer(tmp_path / "run", data, train={"images": 8}).run()
    folder = out / "checkpoints"
    for name in ("best so far.pt", "0000000000010.pt", "900000000000.pt.bak", "z.pt"):
        shutil.copy(folder / "000000000008.pt", folder / name)
    trainer(out, data, train={"images": 32, "checkpoint_every": 4, "keep_checkpoints": 1}).run()
    assert {path.name for path in folder.glob("*.pt*")} == {
        "best so far.pt", "0000000000010.pt", "900000000000.pt.bak", "z.pt", "000000000032.pt"
    }  # fmt: skip


def test_a_damaged_newer_checkpoint_does_not_cost_the_good_ones(tmp_path, capsys):
    save_checkpoint(tmp_path, 8, {"n": 8}, keep=1)
    (tmp_path / "000000000900.pt").write_bytes(b"cut short")
    save_checkpoint(tmp_path, 16, {"n": 16}, keep=1)
    assert load_checkpoint(tmp_path) == {"n": 16} and not (tmp_path / "000000000008.pt").exists()
    (tmp_path / "000000000016.pt").write_bytes(b"")
    with pytest.raises(TrainingError, match="None of the 2 checkpoints .* can be read: put back a copy"):
        load_checkpoint(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_the_second_trainer_of_a_folder_is_told_and_a_killed_one_leaves_no_lock(data, tmp_path):
    out = tmp_path / "run"
    first = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path\n"
         "from ganhub.trainer.lock import hold\n"
         "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)",
         str(out)],
        stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(TrainingError, match="Another run trains in .*run at this moment: wait for it"):
            trainer(out, data).run()
        assert not (out / "log.jsonl").exists()
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stdout.close()
    second = trainer(out, data)
    assert second.run() == out
    log = read_log(out)
    assert [line["images"] for line in log] == [4, 8, 12, 16]


def test_what_another_run_left_is_not_taken_for_this_one_s(data, tmp_path):
    """Its best weights, lines of its log, its model."""
    out = tmp_path / "run"
    old = trainer(out, data, train={"watch": True})
    old.watchdog.budget = 1.0
    old.run()
    best = json.loads((out / "best" / "metrics.json").read_text())
    best["watch"]["value"] = -1.0  # closer to its data than anything can come
    (out / "best" / "metrics.json").write_text(json.dumps(best))
    shutil.rmtree(out / "checkpoints")
    before = files(out)
    with pytest.raises(TrainingError, match="holds a model and no checkpoints"):
        trainer(out, data).run()
    assert {path: x for path, x in files(out).items() if path.name != ".lock"} == before
    (out / "model.safetensors").unlink()
    (out / "log.jsonl").write_text('{"images": 4, "x": 1}\n{"loss": 3}\n{"images": "many"}\n[1]\n{"images": 9')
    new = trainer(out, data, train={"watch": True})
    new.watchdog.budget = 1.0
    new.run()
    told = json.loads((out / "best" / "metrics.json").read_text())["watch"]
    assert told["run"] == new.state.record["id"] != best["watch"]["run"] and told["value"] >= 0
    assert all("x" not in line for line in read_log(out))


def test_the_log_is_trimmed_whole_or_not_at_all(data, tmp_path):
    out = trainer(tmp_path / "run", data).run()
    kept = tmp_path / "elsewhere.jsonl"
    (out / "log.jsonl").rename(kept)
    (out / "log.jsonl").symlink_to(kept)
    with kept.open("a") as file:
        file.write('{"images": 20, "crashed": true}\n{"images": 2')
    trainer(out, data, train={"images": 24}).run()
    assert (out / "log.jsonl").is_symlink(), "a log that was put on another disk stays there"
    assert [line["images"] for line in read_log(out)] == [4, 8, 12, 16, 20, 24]
    assert "crashed" not in kept.read_text() and not list(tmp_path.glob(".*.tmp"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full, which Linux has")
def test_a_place_that_cannot_be_written_is_a_sentence(data, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "log.jsonl").symlink_to("/dev/full")
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "grids").write_text("mine")
    for name, why in (("file/run", "cannot be written"), ("file", "cannot be written"), ("full", "the disk is full"),
                      ("blocked", "grids cannot be made")):  # fmt: skip
        with pytest.raises(GanhubError, match=why) as error:
            trainer(tmp_path / name, data).run()
        assert str(error.value).count("\n") == 0
    assert (tmp_path / "file").read_text() == (tmp_path / "blocked" / "grids").read_text() == "mine"
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_any_whole_number_is_a_seed(seed, data, tmp_path):
    config = DataConfig(path=str(data), seed=seed, crop="random", zoom=1.5, flip=True)
    batches = [open_data(config, height=16, width=16, channels=3, labelled=True).batch(0, 12) for _ in range(2)]
    assert torch.equal(batches[0].images, batches[1].images) and len(set(batches[0].seeds.tolist())) == 12
    run = trainer(tmp_path / "run", data, train={"images": 4, "seed": seed}, data={"seed": seed})
    assert json.loads((run.run() / "metrics.json").read_text())["training"]["seed"] == seed


def test_a_run_on_two_collections_looks_at_both(data, tmp_path):
    beside = shells(tmp_path / "beside", ("left",))
    tables = {"model": {"architecture": "cyclegan", "width": 4, "blocks": 1, "discriminator_width": 4}}
    tables["train"] = {"images": 4, "batch_size": 2}

    def run(other: Path | None, **fields: object) -> Trainer:
        data_table = {"path": str(data), "size": 32, "other": {"path": str(other), **fields}}
        return Trainer(make_recipe({**tables, "data": data_table}), tmp_path / "run", quiet=True)

    run(beside).run()
    assert "other pictures in data.other.path (there were 3 and are 2 now" in refusal(run(beside, limit=2))
    picture = load_image(beside / "left" / "1.png")
    save_image(-picture, beside / "left" / "1.png")
    assert "data.other.path (as many and of the same names, with other contents)" in refusal(run(beside))


def test_data_identity_of_arrays_is_of_their_contents(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x)
    np.savez(tmp_path / "b.npz", x=x[::-1])
    first, second = (
        identity.data_identity(open_data(DataConfig(path=str(tmp_path / name)), height=8, width=8, channels=1,
                                         labelled=False))
        for name in ("a.npz", "b.npz")
    )  # fmt: skip
    assert first["count"] == second["count"] == 40 and first["names"] == second["names"]
    assert first["sample"] != second["sample"] and len(first["sample"]) == identity.SAMPLE
    assert first == json.loads(json.dumps(first))


def test_another_number_of_channels_is_not_told_as_other_pictures(tmp_path, data):
    trainer(tmp_path / "run", data, model={"channels": 1}).run()
    said = refusal(trainer(tmp_path / "run", data, model={"channels": 3}, train={"images": 24}))
    assert "channels was 1 and is 3 now" in said and "other pictures" not in said
    shells(tmp_path / "others", seed=9)
    said = refusal(trainer(tmp_path / "run", tmp_path / "others", model={"channels": 1}, train={"images": 24}))
    assert "with other contents" in said


def test_a_run_does_not_begin_among_the_pictures_that_it_learns_from(tmp_path, data):
    """Its grids would be pictures of the collection when it goes on."""
    before = files(data)
    for out in (data, data / "run", data / "cone" / "run"):
        with pytest.raises(TrainingError, match="lies in .*shells, so what the run draws .* take an --out folder"):
            trainer(out, data).run()
        assert {name: kept for name, kept in files(data).items() if name.name != ".lock"} == before
    trainer(data / "run", data, data={"only": "cone/*"}).run()  # here its grids are none of them
    trainer(data / "run", data, data={"only": "cone/*"}, train={"images": 24}).run()
    trainer(tmp_path, data).run()  # around the pictures is no harm: the listing begins below
    with pytest.raises(TrainingError, match="would be taken for pictures"):
        trainer(data / "cone" / "run", data, data={"only": "cone/*"}).run()


def test_a_run_may_lie_beside_the_pictures_where_its_own_are_not_taken_for_them(tmp_path, data):
    """Beside folders that are parts, in a hidden folder, and where a table says which pictures there are."""
    beside = shells(tmp_path / "parted" / "train").parent
    shells(beside / "test")
    for out, path in ((beside / "run", beside), (data / ".run", data)):
        trainer(out, path).run()
        trainer(out, path, train={"images": 24}).run()  # which would refuse other pictures
    alone = shells(tmp_path / "alone", ("train",))
    with pytest.raises(TrainingError, match="would be taken for pictures"):
        trainer(alone / "run", alone).run()  # beside a second folder "train" would be a class
    rows = "".join(f"{path.relative_to(data).as_posix()},{path.parent.name}\n" for path in data.glob("*/*.png"))
    (data / "metadata.csv").write_text("file_name,label\n" + rows)
    trainer(data / "run", data, "conditional-gan").run()
    with pytest.raises(TrainingError, match="would be taken for pictures"):
        trainer(data / "other", data).run()  # without classes it does not read the table


def test_random_numbers_that_cannot_be_put_back_are_not_told_as_another_model(data, tmp_path):
    out = trainer(tmp_path / "run", data).run()
    path = list_checkpoints(out / "checkpoints")[-1]
    torch.save({**load_checkpoint(out / "checkpoints"), "random": torch.zeros(5, dtype=torch.uint8)}, path)
    with pytest.raises(TrainingError, match="The random numbers of the checkpoint cannot be put back here"):
        trainer(out, data, train={"images": 24}).run()


def test_a_log_whose_folder_cannot_be_made_ends_the_run_in_its_own_sentence(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrainingError, match="so the run stops; its last checkpoint is good"):
        append_line(tmp_path / "file" / "run", {"images": 1})
