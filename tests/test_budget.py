"""A run that ends in time, and the threads that it takes."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from ganhub.errors import ConfigError
from ganhub.models import get_architecture
from ganhub.trainer import Trainer, make_recipe
from ganhub.trainer.budget import Budget, free_threads, take_threads
from ganhub.trainer.signals import Stop, stop_when_asked


def test_without_minutes_there_is_no_end():
    budget = Budget(0)
    budget.start(0)
    assert budget.pictures_left(0) == budget.pictures_left(1000) == math.inf


def test_the_pictures_left_follow_the_speed_of_this_call_alone(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budget = Budget(10)  # minutes, of which 18 seconds are kept for the folder
    clock[0] += 60  # reading the data
    budget.start(5_000)  # a resumed run
    clock[0] += 100
    assert budget.pictures_left(6_000) == pytest.approx(10 * (600 - 18 - 160))
    with budget.writing():
        clock[0] += 30
    speed = 1_000 / 130
    assert budget.pictures_left(6_000) == pytest.approx(speed * (600 - 60 - 190)), "a slow disk needs a longer reserve"
    assert not budget.over
    clock[0] += 1000
    assert budget.pictures_left(9_000) == 0 and budget.over


def test_a_budget_that_is_over_before_the_first_step_is_a_sentence(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budget = Budget(0.5)
    clock[0] += 45
    with pytest.raises(ConfigError, match=r"0.5 is over before the first step.*Set train.minutes=2 or more"):
        budget.start(0)


def test_threads_are_those_that_are_free(monkeypatch):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not say which cores are ours")
    cores, most = len(os.sched_getaffinity(0)), torch.get_num_threads()
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0, 0), raising=False)
    assert free_threads() == most
    monkeypatch.setattr(os, "getloadavg", lambda: (cores * 3.0, 0, 0))
    assert free_threads() == 1


def test_asked_for_or_set_outside_threads_are_left_as_they_are(monkeypatch):
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert take_threads(0) == "" and torch.get_num_threads() == before
        assert take_threads(1) == "" and torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_busy_machine_is_said():
    code = (
        "import os, torch\n"
        "os.getloadavg = lambda: (64.0, 64.0, 64.0)\n"
        "torch.set_num_threads(4)\n"
        "from ganhub.trainer.budget import take_threads\n"
        "print(take_threads(0), torch.get_num_threads())\n"
    )
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not say which cores are ours")
    quiet = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=quiet, check=True)
    assert "takes 1 of 4 threads" in done.stdout and "train.threads=4 takes all. 1" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_only_a_second_signal_ends_the_process_at_once(number):
    """A run that is at its end of time anyway lets the first Ctrl-C save, as any other run does."""
    stop = Stop(asked=True)  # by train.minutes or stop_when_lost
    with stop_when_asked(stop, say=False):
        signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert stop.asked


def test_a_run_that_is_asked_to_stop_in_its_last_step_is_complete(tmp_path, capsys):
    np.savez(tmp_path / "d.npz", x=np.zeros((8, 28, 28), np.uint8))
    model = get_architecture("mlp-gan").tiny().config.to_dict()
    tables = {"model": {"architecture": "mlp-gan", **model, "image_size": 28},
              "train": {"images": 8, "batch_size": 8, "watch": False},
              "data": {"path": str(tmp_path / "d.npz")}}  # fmt: skip
    trainer = Trainer(make_recipe(tables), tmp_path / "run", quiet=True)
    trainer.stop.asked = True
    trainer.run()
    assert trainer.images_seen == 8 and "Stopped" not in capsys.readouterr().out


def test_a_run_ends_in_time_with_a_whole_folder_and_goes_on(tmp_path, capsys):
    """The rate falls over the last pictures that the time allows, although ``images`` are far away."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.integers(0, 256, (64, 28, 28), dtype=np.uint8))
    model = get_architecture("mlp-gan").tiny().config.to_dict()
    tables = {"model": {"architecture": "mlp-gan", **model, "image_size": 28},
              "train": {"images": 10**9, "minutes": 0.1, "batch_size": 8, "cooldown": 10**6, "watch": False},
              "data": {"path": str(tmp_path / "d.npz")}}  # fmt: skip
    trainer = Trainer(make_recipe(tables), tmp_path / "run", quiet=True)
    trainer.budget = Budget(0.1)  # a busy machine may need longer to get here
    began = time.monotonic()
    out = trainer.run()
    assert time.monotonic() - began < 60, "not a billion pictures"
    assert "Stopped at the end of its 0.1 minutes after" in capsys.readouterr().out
    assert (out / "model.safetensors").is_file() and list((out / "checkpoints").glob("*.pt"))
    rates = [group["lr"] for optimizer in trainer.optimizers.values() for group in optimizer.param_groups]
    assert all(0 <= rate < 0.01 * 2e-4 for rate in rates), "nearly nothing at the end"
    first = trainer.images_seen
    again = Trainer(make_recipe(tables), tmp_path / "run", quiet=True)
    again.budget = Budget(0.1)
    again.run()
    assert again.images_seen > first
