"""Visitors who ask at the same time share batches, and get what each would get alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ganhub.app import batching
from ganhub.app.batching import Batches
from ganhub.creation.generate import draw
from ganhub.errors import ConfigError
from ganhub.models import get_architecture


@pytest.fixture
def generator():
    return get_architecture("conditional-gan").tiny().eval()


def together(batches: Batches, generator, asks: list) -> list:
    """What callers who come at the same moment get, or their errors."""
    gate = threading.Barrier(len(asks))

    def call(ask):
        gate.wait(timeout=30)
        try:
            return batches.draw(generator, *ask)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(call, asks))


def wait_until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.001)


def slowly(monkeypatch, sizes: list[int], hold: threading.Event | None = None) -> None:
    """Note the size of each batch; the first is drawn once ``hold`` is set."""

    def watched(generator, wanted, truncation, near):
        sizes.append(len(wanted))
        if hold is not None and len(sizes) == 1:
            assert hold.wait(30)
        return draw(generator, wanted, truncation, near)

    monkeypatch.setattr(batching, "draw", watched)


def test_those_who_come_while_a_batch_is_drawn_are_the_next_batch(generator, monkeypatch):
    sizes, hold, batches = [], threading.Event(), Batches()
    slowly(monkeypatch, sizes, hold)
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(batches.draw, generator, [(0, None)], 1.0)
        wait_until(lambda: sizes)
        rest = [pool.submit(batches.draw, generator, [(seed, None)], 1.0) for seed in range(1, 9)]
        desk = batches._desks[generator]
        wait_until(lambda: len(desk._asked) == 8)
        hold.set()
        drawn = [one.result(30)[0] for one in (first, *rest)]
    assert sizes == [1, 8]
    assert all(torch.equal(one, draw(generator, [(seed, None)], 1.0)[0]) for seed, one in enumerate(drawn))
    assert not desk._asked


def test_many_callers_each_get_their_own_pictures(generator):
    asks = [([(seed, seed % 2), (seed + 1, None)], 0.5 + seed % 3 / 4) for seed in range(24)]
    for (wanted, truncation), pictures in zip(asks, together(Batches(), generator, asks), strict=True):
        expected = draw(generator, wanted, truncation)
        assert all(map(torch.equal, pictures, expected))


def test_the_same_picture_is_drawn_once_for_all(generator, monkeypatch):
    sizes, hold, batches = [], threading.Event(), Batches()
    slowly(monkeypatch, sizes, hold)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batches.draw, generator, [(0, None)], 1.0)
        wait_until(lambda: sizes)
        rest = [pool.submit(batches.draw, generator, [(5, None)], 1.0) for _ in range(5)]
        wait_until(lambda: batches._desks[generator]._asked)
        hold.set()
        pictures = [one.result(30)[0] for one in (first, *rest)][1:]
    assert sum(sizes) <= 1 + 5 and all(torch.equal(one, pictures[0]) for one in pictures)


def test_one_caller_s_mistake_is_his_own(generator):
    asks = [([(seed, None if seed else "no such class")], 1.0) for seed in range(6)]
    wrong, *right = together(Batches(), generator, asks)
    assert isinstance(wrong, ConfigError)
    assert all(torch.equal(one[0], draw(generator, [(seed, None)], 1.0)[0]) for seed, one in enumerate(right, 1))
