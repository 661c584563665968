"""How long a run may take, and on how many threads: for rented machines and for busy ones."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganhub.errors import ConfigError

RESERVE = 0.03  # share of the time that is kept for writing the run's folder


class Budget:
    """The minutes of ``train.minutes``, counted from when it is made; 0 is without end.

    Args:
        minutes: The time from now to the finished folder.
    """

    def __init__(self, minutes: float) -> None:
        self.began = time.monotonic()
        self.seconds = minutes * 60 or math.inf
        self.wrote = 0.0  # seconds that the slowest checkpoint took, with its check
        self._first: tuple[float, int] | None = None

    @property
    def seconds_left(self) -> float:
        """Until training must end, so that the folder is written in time."""
        return self.seconds - max(RESERVE * self.seconds, 2 * self.wrote) - (time.monotonic() - self.began)

    @property
    def over(self) -> bool:
        """Whether the time is used up, but for what the folder needs."""
        return self.seconds_left <= 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around the writing of a checkpoint: the end needs as much time once more."""
        began = time.monotonic()
        yield
        self.wrote = max(self.wrote, time.monotonic() - began)

    def start(self, images_seen: int) -> None:
        """Training begins after so many pictures.

        Raises:
            ConfigError: When getting ready took all the time there was.
        """
        if self.over:
            took = time.monotonic() - self.began
            raise ConfigError(
                f"train.minutes = {self.seconds / 60:g} is over before the first step: reading the data and building "
                f"the networks took {took:.0f} s. Set train.minutes={max(math.ceil(took / 30), 1)} or more."
            )
        self._first = time.monotonic(), images_seen

    def pictures_left(self, images_seen: int) -> float:
        """How many pictures the time still allows at the speed so far; infinite without an end."""
        if math.isinf(self.seconds):
            return math.inf
        began, first = self._first or (self.began, images_seen)
        if images_seen <= first:
            return math.inf
        speed = (images_seen - first) / max(time.monotonic() - began, 1e-9)
        return max(self.seconds_left, 0.0) * speed


def free_threads() -> int:
    """Threads of this machine that nothing else keeps busy now, at least 1.

    Two threads beside other work wait for each other at every operation: on two cores that were both busy, two threads
    trained at a seventh of the speed of one.
    """
    most = torch.get_num_threads()
    try:
        busy, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # no such thing on Windows; no affinities on macOS
        return most
    return max(1, min(most, math.floor(most * (1 - busy / cores) + 0.5)))


def take_threads(asked: int) -> str:
    """Let torch use so many threads, or those that are free for 0, and return what to tell the user, or "".

    OMP_NUM_THREADS in the environment counts as asked for.
    """
    most = torch.get_num_threads()
    if asked or "OMP_NUM_THREADS" in os.environ:
        if asked:
            torch.set_num_threads(asked)
        return ""
    free = free_threads()
    torch.set_num_threads(free)
    if free == most:
        return ""
    return (
        f"Other work keeps this machine busy, so training takes {free} of {most} threads: more would wait for each "
        f"other. train.threads={most} takes all."
    )
