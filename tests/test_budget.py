"""A run that ends in time, and the threads that it takes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time

import pytest
import torch

from ganhub.errors import ConfigError
from ganhub.trainer.budget import Budget, free_threads, take_threads


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
    budget.writing = 30
    assert budget.pictures_left(6_000) == pytest.approx(10 * (600 - 60 - 160)), "a slow disk needs a longer reserve"
    clock[0] += 1000
    assert budget.pictures_left(9_000) == 0


def test_a_budget_that_is_over_before_the_first_step_is_a_sentence(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budget = Budget(0.5)
    clock[0] += 45
    with pytest.raises(ConfigError, match=r"train.minutes = 0.5 is over before the first step.*at least 2 minutes"):
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
