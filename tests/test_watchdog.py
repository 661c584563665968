"""The watchdog: it notices runs that were broken on purpose, leaves healthy ones alone, and changes nothing."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganhub import AutoModel
from ganhub.errors import ConfigError
from ganhub.hub.cards import read_metrics
from ganhub.trainer import TrainConfig, Trainer, make_recipe
from ganhub.trainer.log import read_log
from ganhub.trainer.watchdog import LOOK, Watchdog, judge

ROOT = Path(__file__).resolve().parent.parent
IMAGES, RATE = 12_000, 2e-3
CAUSES = ("generator learning rate", "discriminator learning rate", "one z")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    """512 discs and squares of random colour, place and size on random grounds, 16 px."""
    random = np.random.default_rng(0)
    down, right = np.mgrid[:16, :16]
    pictures = np.zeros((512, 16, 16, 3), np.uint8)
    for picture in pictures:
        ground, ink = random.integers(0, 256, (2, 3))
        x, y, radius = *random.integers(4, 12, 2), random.integers(3, 6)
        disc = (right - x) ** 2 + (down - y) ** 2 < radius**2
        square = (abs(right - x) < radius) & (abs(down - y) < radius)
        picture[:] = np.where((disc if random.integers(2) else square)[..., None], ink, ground)
    path = tmp_path_factory.mktemp("shapes") / "shapes.npz"
    np.savez(path, x=pictures)
    return path


def recipe(shapes: Path, seed: int = 0, model: dict | None = None, **train: object):
    """A vanilla GAN that learns the shapes in a few seconds."""
    model = model or {"architecture": "mlp-gan", "hidden_dim": 256, "maxout_dim": 64, "maxout_pieces": 3}
    settings = {"images": IMAGES, "batch_size": 32, "learning_rate": RATE, "betas": [0.0, 0.99], "seed": seed,
                "precision": "fp32", "log_every": 240, "checkpoint_every": IMAGES, "grid_every": IMAGES}  # fmt: skip
    return make_recipe({
        "model": {"image_size": 16, "channels": 3, "latent_dim": 16, **model},
        "objective": {"name": "adversarial", "r1_gamma": 0.3, "r1_every": 4},
        "train": settings | train,
        "data": {"path": str(shapes), "images": "x", "seed": seed},
    })  # fmt: skip


def watched(run: Trainer, share: float) -> Watchdog:
    """Train that share of the run with a dog that never rests; stop early once it barks."""
    dog = Watchdog(run.data, run.train.images, budget=1.0)
    numbers: dict[str, list[float]] = {}
    while run.images_seen < share * run.train.images:
        for name, value in run._step().items():
            numbers.setdefault(name, []).append(float(value))
        if dog.look(run.model, run.images_seen, {k: sum(v) / len(v) for k, v in numbers.items()}):
            numbers.clear()
        if dog.alarms:
            break
    return dog


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cause", CAUSES)
def test_collapse_is_noticed_within_a_fifth_of_the_run(shapes, tmp_path, cause, seed):
    rates = {"generator": RATE, "discriminator": RATE}
    if cause.endswith("rate"):
        rates[cause.split()[0]] *= 50
    run = Trainer(recipe(shapes, seed, learning_rate=rates), tmp_path, quiet=True)
    if cause == "one z":
        latent = run.model.latent
        run.model.latent = lambda seeds: latent([0] * len(seeds))
    dog = watched(run, 0.2)
    assert dog.alarms, f"{cause}: {[round(look['watch/spread'], 3) for look in dog.history]}"
    assert dog.news == dog.alarms


@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_run_is_left_alone(shapes, tmp_path, seed):
    dog = watched(Trainer(recipe(shapes, seed), tmp_path, quiet=True), 0.6)
    assert dog.alarms == [], [round(look["watch/spread"], 3) for look in dog.history]
    assert len(dog.history) >= 20


def test_it_changes_nothing_and_keeps_the_best(shapes, tmp_path, capsys):
    few = {"images": 640, "checkpoint_every": 160, "log_every": 64, "half": False}
    runs = {w: Trainer(recipe(shapes, watch=w, **few), tmp_path / str(w), quiet=True) for w in (True, False)}
    runs[True].watchdog.budget = 1.0
    for run in runs.values():
        run.run()
    for name, tensor in runs[True].model.state_dict().items():
        assert torch.equal(tensor, runs[False].model.state_dict()[name])
    assert not (tmp_path / "False" / "best").exists()
    looks = [line for line in read_log(tmp_path / "True") if "watch/spread" in line]
    assert len(looks) == 10 and all(line["watch/spread"] > 0 and line["watch/seconds"] > 0 for line in looks)
    best = read_metrics(tmp_path / "True" / "best")["watch"]
    assert best["protocol"]["extractor"] == "vgg-lite" and best["protocol"]["made"] >= LOOK
    said = [float(word.split()[0]) for word in capsys.readouterr().out.split("Kernel distance (vgg-lite) ")[1:]]
    assert len(said) == 4 and best["value"] == pytest.approx(min(said), rel=1e-3)
    assert AutoModel.from_pretrained(tmp_path / "True" / "best").sample(2).isfinite().all()


def test_a_lost_run_is_stopped_when_that_is_asked_for(shapes, tmp_path, capsys):
    rates = {"generator": 50 * RATE, "discriminator": RATE}
    run = Trainer(recipe(shapes, learning_rate=rates, stop_when_lost=True), tmp_path, quiet=True)
    run.watchdog.budget = 1.0
    run.run()
    assert run.images_seen < IMAGES / 2
    said = capsys.readouterr().out
    assert "because the run is lost: the generator repeats itself" in said and "another --out" in said
    assert "Alarm after" in said and "the generator repeats itself: pairwise distance is 0.0" in said
    assert said.count("pictures: the generator repeats itself") == 1, "an alarm is said once"
    assert any("repeats itself" in alarm for line in read_log(tmp_path) for alarm in line.get("alarms", []))
    again = Trainer(recipe(shapes, learning_rate=rates), tmp_path, quiet=True)
    again._resume()
    again.watchdog.remember(read_log(tmp_path))
    assert len(again.watchdog.history) >= 5 and again.watchdog.alarms and not again.watchdog.news


def test_to_stop_a_lost_run_takes_the_watchdog():
    with pytest.raises(ConfigError, match="stop_when_lost needs the watchdog"):
        TrainConfig(watch=False, stop_when_lost=True)


def test_sameness_within_classes_is_an_alarm_of_its_own(tmp_path):
    """Grounds of four colours with a disc anywhere, one z for all: classes differ, and pictures of a class do not."""
    random = np.random.default_rng(0)
    down, right = np.mgrid[:16, :16]
    labels = random.integers(0, 4, 512)
    pictures = np.zeros((512, 16, 16, 3), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        x, y = random.integers(3, 13, 2)
        disc = ((right - x) ** 2 + (down - y) ** 2 < 9)[..., None]
        picture[:] = np.where(disc, 255, [(230, 30, 30), (30, 230, 30), (30, 30, 230), (10, 10, 10)][label])
    np.savez(tmp_path / "discs.npz", x=pictures, y=labels)
    tables = recipe(tmp_path / "discs.npz", model={"architecture": "conditional-gan", "num_classes": 4}).tables
    tables = {**tables, "data": {**tables["data"], "labels": "y"}}
    run = Trainer(make_recipe(tables), tmp_path / "run", quiet=True)
    latent = run.model.latent
    run.model.latent = lambda seeds: latent([0] * len(seeds))
    dog = watched(run, 0.45)
    seen = [(round(look["watch/spread"], 2), round(look["watch/within_classes"], 2)) for look in dog.history]
    assert [alarm.partition(":")[0] for alarm in dog.alarms] == ["the generator draws one picture for each class"], seen
    assert all(spread > 0.3 > within for spread, within in seen[-3:]), seen


def looks(spreads: list[float], **more: float) -> list[dict[str, float]]:
    return [{"images": 100 * (i + 1), "watch/spread": s, "watch/dead": 0.0, **more} for i, s in enumerate(spreads)]


def test_what_it_says():
    assert judge(looks([0.01] * 3), 10_000) == [], "too early to tell"
    assert judge(looks([0.05] * 12), 10_000) == [], "slow starters recover"
    (alike,) = judge(looks([0.05] * 19), 10_000)
    assert alike == "the generator repeats itself: pairwise distance is 0.05 of the data's"
    fallen = looks([0.9] * 30 + [0.25] * 3)
    assert judge(fallen, 10_000) == [
        "the generator has begun to repeat itself: pairwise distance is 0.25 of the data's, it was 0.90"
    ]
    assert judge(looks([0.9] * 30 + [0.25]), 10_000) == [], "one look is no trend"
    (blank,) = judge(looks([0.9] * 20, **{"watch/dead": 0.8}), 10_000)
    assert blank == "the generator draws nothing: 80% of its pictures are blank"
    (one_each,) = judge(looks([0.9] * 40, **{"watch/within_classes": 0.1}), 10_000)
    sentence = "the generator draws one picture for each class: pairwise distance within classes is 0.10 of the data's"
    assert one_each == sentence
    assert judge(looks([0.9] * 20, **{"watch/within_classes": 0.1}), 10_000) == [], "classes come before variety"
    (still,) = judge(looks([0.9] * 20, **{"generator/gradient_norm": 1e-9}), 10_000)
    assert "no longer learns" in still
    (wild,) = judge(looks([0.9] * 20, **{"critic/gradient_norm": 54_321.0}), 10_000)
    assert wild == "the critic is out of control: its gradient norm is 54,321"


def test_alarms_reach_trackio(shapes, tmp_path, monkeypatch):
    """A real run in a process of its own (trackio reads its folder at import), and trackio's own database."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    rates = {"generator": 50 * RATE, "discriminator": RATE}
    tables = recipe(shapes, learning_rate=rates, images=4000, log_every=80, tracker="trackio").tables
    script = (
        "import json, sys; from ganhub.trainer import Trainer, make_recipe; "
        "run = Trainer(make_recipe(json.loads(sys.argv[1])), sys.argv[2], quiet=True); "
        "run.watchdog.budget = 1.0; run.run()"
    )
    command = [sys.executable, "-c", script, json.dumps(tables), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "trackio" / "ganhub.db") as database:
        alerts = database.execute("select title, text from alerts").fetchall()
    text = dict(alerts)["run: the generator repeats itself"]
    assert text.startswith("the generator repeats itself: pairwise distance is 0.0")


def test_weights_that_are_no_numbers_do_not_stop_the_dog(shapes, tmp_path):
    run = Trainer(recipe(shapes), tmp_path, quiet=True)
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("nan"))
    dog = Watchdog(run.data, IMAGES, budget=1.0)
    assert dog.check(run.model.eval(), 1e6) is None
    assert dog.look(run.model, IMAGES, {})["watch/dead"] == 1
