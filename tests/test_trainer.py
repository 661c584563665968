"""The loop: exact resume, crashes at the worst moment, bad numbers, starting from published weights."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ganhub import AutoModel, list_architectures
from ganhub.errors import ConfigError, GanhubError, TrainingError
from ganhub.hub.folder import read_tensors
from ganhub.images import from_uint8, load_image, save_image
from ganhub.models import LatentGenerator, get_architecture
from ganhub.trainer import Trainer, make_recipe, read_recipe
from ganhub.trainer.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from ganhub.trainer.ema import EMA

ROOT = Path(__file__).resolve().parent.parent
LIMITS = "It knows noise alone."
TRAINED = [name for name in list_architectures() if issubclass(get_architecture(name), LatentGenerator)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """120 small grey and coloured pictures of three classes in one npz per channel count."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    for channels in (1, 3):
        x = generator.integers(0, 256, (120, 16, 16, channels), dtype=np.uint8)
        np.savez(folder / f"c{channels}.npz", x=x, y=np.arange(120) % 3)
    return folder


def tables(architecture: str, pictures: Path, **train: object) -> dict:
    """A recipe for the architecture's tiny model: 20 steps of 8 pictures."""
    config = get_architecture(architecture).tiny().config.to_dict()
    config.pop("class_names")
    settings = {"images": 160, "batch_size": 8, "log_every": 40, "checkpoint_every": 80, "grid_every": 10_000}
    data = {"path": str(pictures / f"c{config['channels']}.npz"), "images": "x", "labels": "y", "flip": True}
    if not config["num_classes"]:
        data.pop("labels")
    return {"model": {"architecture": architecture, **config}, "train": {**settings, **train}, "data": data}


def trainer(architecture: str, pictures: Path, out: Path, **train: object) -> Trainer:
    return Trainer(make_recipe(tables(architecture, pictures, **train)), out, quiet=True)


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("architecture, objective", [*((name, "") for name in TRAINED), ("stylegan2", "stylegan2")])
def test_resume_is_exact_bit_for_bit(architecture, objective, pictures, tmp_path):
    recipe = tables(architecture, pictures) | ({"objective": {"name": objective}} if objective else {})

    def start(out: str) -> Trainer:
        return Trainer(make_recipe(recipe), tmp_path / out, quiet=True)

    whole = start("whole")
    whole.run()
    first = start("parts")
    while first.images_seen < 80:
        first._step()
    first.save()
    second = start("parts")
    second.run()
    assert second.images_seen == whole.images_seen and second.state.step == whole.state.step
    for part in ("model", "objective"):
        assert same(getattr(whole, part).state_dict(), getattr(second, part).state_dict())
    assert same(whole.ema.module.state_dict(), second.ema.module.state_dict())
    # and the published files are the same bytes
    assert same(read_tensors(tmp_path / "whole"), read_tensors(tmp_path / "parts"))


@pytest.mark.parametrize("architecture", TRAINED)
def test_a_run_ends_as_a_hub_folder(architecture, pictures, tmp_path):
    run = trainer(architecture, pictures, tmp_path / "run", licence="cc0-1.0", dataset="noise", limits=LIMITS)
    run.watchdog.budget = 1.0
    out = run.run()
    assert {"config.json", "model.safetensors", "README.md", "metrics.json", "samples.png", "training"} <= {
        p.name for p in out.iterdir()
    }
    model = AutoModel.from_pretrained(out)
    assert model.architecture == architecture and model.sample(2).isfinite().all()
    if model.config.num_classes:
        assert model.config.class_names == ("0", "1", "2")
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    told = [line for line in log if any(key.endswith("/loss") for key in line)]  # the watchdog's lines have none
    assert log[-1]["images"] == told[-1]["images"] >= 160
    short = [json.loads(line) for line in (out / "training" / "log.jsonl").read_text().splitlines()]
    assert short == log, "a short log is published whole"
    assert load_image(out / "curves.png").shape == (1, 3, 700, 1400)
    training = json.loads((out / "metrics.json").read_text())["training"]
    assert training["losses"].items() <= told[-1].items() and training["losses"]
    assert training["images_seen"] >= 160 and training["images_per_second"] > 0
    card = (out / "README.md").read_text()
    assert "cc0-1.0" in card and "library_name: ganhub" in card and "](curves.png)" in card
    assert "The watchdog raised" in card and "**Limits.** It knows noise alone." in card
    distances = [line for line in log if "watch/distance" in line]
    assert [line["images"] for line in distances] == [80, 160] and all(line["step"] for line in distances)
    best = json.loads((out / "best" / "metrics.json").read_text())["watch"]
    assert best["value"] == pytest.approx(min(line["watch/distance"] for line in distances), rel=1e-5)
    assert "| Kernel distance (vgg-lite) ↓ |" in (out / "best" / "README.md").read_text(encoding="utf-8")


def test_accumulation_changes_memory_and_not_the_result(pictures, tmp_path):
    # mlp-gan has no batch norm, so the parts of a batch do not see each other
    one = trainer("mlp-gan", pictures, tmp_path / "one", precision="fp32")
    two = trainer("mlp-gan", pictures, tmp_path / "two", precision="fp32", accumulate=2)
    for _ in range(3):
        one._step(), two._step()
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_start_from_published_weights_and_their_adversary(pictures, tmp_path, capsys):
    source = trainer("dcgan", pictures, tmp_path / "source", half=False).run()
    start = trainer("dcgan", pictures, tmp_path / "next", init=str(source))
    assert same(start.model.state_dict(), read_tensors(source))
    assert same(start.objective.state_dict(), read_tensors(source / "training"))
    assert "adversary" not in capsys.readouterr().out
    for file in (source / "training").iterdir():
        file.unlink()
    third = make_recipe(tables("dcgan", pictures, init=str(source)))
    Trainer(third, tmp_path / "third").run()
    assert "holds no adversary" in capsys.readouterr().out
    Trainer(third, tmp_path / "third")
    assert "holds no adversary" not in capsys.readouterr().out, "a run that goes on has its own"
    misfit = trainer("dcgan", pictures, tmp_path / "source-2", half=False).run()
    recipe = tables("dcgan", pictures, init=str(misfit))
    recipe["objective"] = {"augment": "ada"}
    begun = Trainer(make_recipe(recipe), tmp_path / "begun").objective.state_dict()
    assert "holds no adversary" in capsys.readouterr().out
    published = read_tensors(misfit / "training")
    weights = [name for name in published if name.endswith("weight") and published[name].dim() > 1]
    assert weights and not any(torch.equal(begun[name], published[name]) for name in weights), "no part was copied"
    recipe = tables("dcgan", pictures, init=str(source))
    recipe["model"]["discriminator_width"] = 8
    wider = Trainer(make_recipe(recipe), tmp_path / "wider", quiet=True)
    assert wider.model.config.discriminator_width == 8 and same(wider.model.state_dict(), read_tensors(source))
    assert next(wider.objective.parameters()).shape[0] == 8
    with pytest.raises(ConfigError, match="width = 4, the recipe asks for 8"):
        recipe = tables("dcgan", pictures, init=str(source))
        recipe["model"]["width"] = 8
        Trainer(make_recipe(recipe), tmp_path / "fourth", quiet=True)


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(pictures, tmp_path):
    run = trainer("dcgan", pictures, tmp_path / "run", checkpoint_every=8)
    for _ in range(3):
        run._step()
    good = run.save()
    with torch.no_grad():
        next(run.objective.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="not a finite number after 24 pictures.*learning_rate"):
        run._step()
    assert list_checkpoints(tmp_path / "run" / "checkpoints") == [good]
    assert all(v.isfinite().all() for v in load_checkpoint(good.parent)["model"].values())


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path):
    """As with a full disk the kernel refuses the write, of which a limit on the size of files is one kind."""
    resource = pytest.importorskip("resource", reason="limits on files are POSIX")
    folder = tmp_path / "checkpoints"
    save_checkpoint(folder, 1, {"x": torch.ones(3)}, keep=2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # Python ignores the signal that comes with it
    try:
        with pytest.raises(TrainingError, match="disk is full.*Earlier checkpoints are kept"):
            save_checkpoint(folder, 2, {"x": torch.ones(300_000)}, keep=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert torch.equal(load_checkpoint(folder)["x"], torch.ones(3))
    assert [path.name for path in folder.iterdir()] == ["000000000001.pt"]


def test_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, capsys):
    save_checkpoint(tmp_path, 1, {"n": 1}, keep=3)
    path = save_checkpoint(tmp_path, 2, {"n": 2}, keep=3)
    path.write_bytes(path.read_bytes()[:100])
    assert load_checkpoint(tmp_path) == {"n": 1} and "damaged" in capsys.readouterr().out
    for n in range(3, 8):
        save_checkpoint(tmp_path, n, {"n": n}, keep=2)
    assert [p.stem for p in list_checkpoints(tmp_path)] == ["000000000006", "000000000007"]


def write_recipe(path: Path, content: dict) -> Path:
    def line(key: str, value: object) -> str:
        return f"{key} = {json.dumps(value)}\n"

    path.write_text("".join(f"[{t}]\n" + "".join(line(k, v) for k, v in c.items()) for t, c in content.items()))
    return path


def start_run(recipe: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, str(ROOT / "training" / "train.py"), str(recipe), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=out.parent)


def wait_for(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the run did not get there"
        time.sleep(0.005)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_sigkill_in_the_middle_of_a_checkpoint_resumes_from_the_one_before(pictures, tmp_path):
    content = tables("dcgan", pictures, images=10**9, checkpoint_every=8, keep_checkpoints=2)
    # wide enough that writing takes a while
    content["model"] |= {"width": 128, "max_width": 512, "image_size": 16}
    out = tmp_path / "run"
    process = start_run(write_recipe(tmp_path / "r.toml", content), out)
    folder = out / "checkpoints"
    wait_for(lambda: len(list_checkpoints(folder)) >= 1)
    wait_for(lambda: any(folder.glob(".ganhub-*.tmp/*")))
    process.kill()
    process.communicate()
    before = load_checkpoint(folder)
    assert any(folder.glob(".ganhub-*.tmp/*")), "the kill did not hit a write"
    resumed = Trainer(make_recipe(content), out, quiet=True)
    resumed._resume()
    assert resumed.images_seen == before["images_seen"] >= 8
    resumed._step()
    resumed.save()
    assert not any(folder.glob(".ganhub-*.tmp")), "the next checkpoint removes what the killed run left"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_saves_says_how_to_go_on_and_goes_on(pictures, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", tables("mlp-gan", pictures, images=10**9))
    out = tmp_path / "run"
    process = start_run(recipe, out)
    wait_for(lambda: list_checkpoints(out / "checkpoints"))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0 and "Run the same command again to go on" in said
    seen = int(re.search(r"Stopped after ([\d,]+)", said)[1].replace(",", ""))
    assert load_checkpoint(out / "checkpoints")["images_seen"] == seen
    assert AutoModel.from_pretrained(out).architecture == "mlp-gan"


def test_another_model_in_the_same_folder_is_refused(pictures, tmp_path):
    trainer("dcgan", pictures, tmp_path / "run", images=16).run()
    with pytest.raises(ConfigError, match="another \\[model\\]"):
        trainer("mlp-gan", pictures, tmp_path / "run").run()


def test_classes_must_match_the_data(pictures, tmp_path):
    content = tables("conditional-gan", pictures)
    content["model"]["num_classes"] = 7
    with pytest.raises(ConfigError, match="The data has 3 classes, the model num_classes = 7"):
        Trainer(make_recipe(content), tmp_path / "run", quiet=True)


def test_compile_goes_on_without_a_compiler(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("CXX", "/nonexistent/g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_FX_GRAPH_CACHE", "0")
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", ("/nonexistent/g++",))
    run = trainer("mlp-gan", pictures, tmp_path / "run", images=16, compile=True)
    run.run()
    assert "training goes on without it" in capsys.readouterr().out


def test_ema_half_life_counts_pictures():
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    ema = EMA(module, half_life=100)
    nn.init.ones_(module.weight)
    for _ in range(10):
        ema.update(images_seen=10**6, batch_size=10)
    assert ema.module.weight.item() == pytest.approx(0.5, abs=1e-6)
    early = EMA(module, half_life=100)
    nn.init.zeros_(module.weight)
    early.update(images_seen=20, batch_size=10)  # ramp-up: a half-life of one picture
    assert early.module.weight.item() == pytest.approx(0.5**10, abs=1e-6)


RECIPES = sorted((ROOT / "training" / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_takes_two_steps(path, tmp_path, monkeypatch):
    recipe = read_recipe(path, [f"data.path={tmp_path / 'pictures'}"])
    model = {k: v for k, v in recipe.model.items() if k != "architecture"}
    c = get_architecture(recipe.model["architecture"]).Config.from_dict(model)
    small = min(recipe.data.size or 0, 64)
    size, channels = getattr(c, "size", (small, small)), getattr(c, "channels", 3)
    x = np.random.default_rng(0).integers(0, 256, (256, *size, channels), dtype=np.uint8)
    np.savez(tmp_path / "pictures.npz", train_x=x, train_y=np.arange(256) % max(getattr(c, "num_classes", 0), 1))
    overrides = [f"data.path={tmp_path / 'pictures.npz'}", "data.images=", "data.labels=", "data.only="]
    overrides += ["data.split=train"] + [f"data.size={small}"] * bool(small) + ["train.batch_size=4", "train.images=8"]
    if recipe.data.pairing:  # two folders of pictures with the same names
        sides = (recipe.data.only or "one/*", recipe.data.other.get("only", "two/*"))
        for i, only in product(range(8), sides):
            picture = from_uint8(torch.from_numpy(x[i : i + 1])).permute(0, 3, 1, 2)
            save_image(picture, tmp_path / "pairs" / only.replace("*", f"{i}.png"))
        overrides = [f"data.{key}={tmp_path / 'pairs'}" for key in ("path", "other.path")] + overrides[-2:]
        overrides += [f"data.only={sides[0]}", f"data.other.only={sides[1]}"]
    elif recipe.data.other:
        for i, name in enumerate(getattr(c, "style_names", ("one", "two"))):
            save_image(from_uint8(torch.from_numpy(x[i : i + 1])).permute(0, 3, 1, 2), tmp_path / f"styles/{name}.png")
        overrides += [f"data.other.path={tmp_path / 'styles'}", "data.crop=centre", "data.zoom=1"]
    monkeypatch.chdir(ROOT)  # what a recipe begins with is published here
    trainer = Trainer(read_recipe(path, overrides), tmp_path / "run", quiet=True)
    for _ in range(2):
        numbers = trainer._step()
    assert all(value.isfinite() for value in numbers.values())
    assert recipe.train.licence and recipe.train.dataset
    # Late in the run all its players have begun; and where bfloat16 is native, that is what they play in.
    trainer.state.images_seen, trainer.state.step, trainer.bf16 = max(p.start for p in trainer.phases), 0, True
    numbers = trainer._step()
    assert all(value.isfinite() for value in numbers.values())
    assert {f"{phase.player}/loss" for phase in trainer.phases} <= numbers.keys()


def test_recipe_errors_say_what_to_type(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('[modl]\narchitecture = "dcgan"\n')
    with pytest.raises(ConfigError, match="Did you mean 'model'"):
        read_recipe(path)
    path.write_text("[model\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_recipe(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(tmp_path / "missing.toml")
    path.write_text('[data]\npath = "x"\n')
    with pytest.raises(ConfigError, match="table.key=value"):
        read_recipe(path, ["images=3"])
    with pytest.raises(ConfigError, match="Did you mean 'images'"):
        read_recipe(path, ["train.imges=3"])
    assert read_recipe(path, ["train.images=3", "data.path=some where"]).data.path == "some where"
    assert read_recipe(path, ["train.learning_rate.critic=1e-4"]).train.learning_rate == {"critic": 1e-4}
    with pytest.raises(GanhubError):
        Trainer(read_recipe(path), tmp_path / "run")


def test_trackio_gets_the_log_when_asked(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    script = (
        "from ganhub.trainer import Trainer, read_recipe; import sys; "
        "Trainer(read_recipe(sys.argv[1]), sys.argv[2], quiet=True).run()"
    )  # a process of its own: trackio reads its folder at import
    recipe = write_recipe(tmp_path / "r.toml", tables("mlp-gan", pictures, images=32, log_every=8, tracker="trackio"))
    command = [sys.executable, "-c", script, str(recipe), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "trackio" / "ganhub.db") as database:
        names = database.execute("select distinct run_name from metrics").fetchall()
        count = database.execute("select count(*) from metrics").fetchone()[0]
    assert names == [("run",)] and count == 4
