"""Lanes: so many jobs of a kind work at a time, the others wait in line and are told their place.

A slow job waits in a lane of its own, so it never stands before a quick one.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping

from ganhub import zoo
from ganhub.creation import Creation, Edit, Generate, Interpolate, Style
from ganhub.errors import GanhubError
from ganhub.models import Stylizer

FULL = "Many people are here just now, and the queue is full: try again in a minute."
FULL_ADDRESS = "Too many jobs of your network are waiting: try again in a minute."
CORES = os.cpu_count() or 1
# "quick": pictures of seeds, which share their batches. "film" and "photo": seconds. "slow": minutes.
PLACES = {"quick": 16, "film": max(1, CORES // 2), "photo": max(1, CORES // 2), "slow": max(1, CORES // 4)}


class QueueFull(GanhubError):
    """There is no place in line."""


class Lanes:
    """Places to work, by lane; safe to use from many threads.

    Args:
        places: Lane -> how many jobs work at a time; a lane that is not listed has no bounds.
        waiting: How many jobs of a lane wait at most.
        own: How many of these one address may have.
        own_slow: The same in the lane "slow", counting those that work.
    """

    def __init__(
        self, places: Mapping[str, int] = PLACES, *, waiting: int = 256, own: int = 64, own_slow: int = 8
    ) -> None:
        self.places, self.waiting, self.own, self.own_slow = dict(places), waiting, own, own_slow
        self._changed = threading.Condition()
        self._line: dict[str, deque[Ticket]] = {}
        self._working: dict[str, set[Ticket]] = {}

    def enter(self, lane: str, who: str = "") -> Ticket:
        """Stand in line.

        Args:
            who: The visitor's address, of which so many may wait; "" for callers who are not counted.

        Raises:
            QueueFull: There is no place.
        """
        ticket = Ticket(self, lane, who)
        with self._changed:
            line = self._line.setdefault(lane, deque())
            if lane in self.places and len(line) >= self.waiting:
                raise QueueFull(FULL)
            slow = self._working.get(lane, ()) if lane == "slow" else ()
            if who and sum(one.who == who for one in (*line, *slow)) >= (self.own_slow if lane == "slow" else self.own):
                raise QueueFull(FULL_ADDRESS)
            line.append(ticket)
        return ticket


class Ticket:
    """A place in the line of a lane; the holder calls :meth:`begins` until it is true, and at the end :meth:`leave`."""

    def __init__(self, lanes: Lanes, lane: str, who: str) -> None:
        self.lanes, self.lane, self.who = lanes, lane, who

    @property
    def ahead(self) -> int:
        """How many stand before this one in line; 0 once it works."""
        with self.lanes._changed:
            line = self.lanes._line.get(self.lane, ())
            return line.index(self) if self in line else 0

    def begins(self, seconds: float) -> bool:
        """Wait at most so long for a place to work; whether there is one now."""
        lanes = self.lanes
        with lanes._changed:
            working = lanes._working.setdefault(self.lane, set())
            if not lanes._changed.wait_for(self._is_next, timeout=seconds):
                return False
            lanes._line[self.lane].remove(self)
            working.add(self)
            lanes._changed.notify_all()
        return True

    def leave(self) -> None:
        """Give the place in line, or the one at work, to the next."""
        with self.lanes._changed:
            line = self.lanes._line.get(self.lane, deque())
            if self in line:
                line.remove(self)
            self.lanes._working.get(self.lane, set()).discard(self)
            self.lanes._changed.notify_all()

    def _is_next(self) -> bool:
        lanes = self.lanes
        free = lanes.places.get(self.lane, len(lanes._working[self.lane]) + 1) - len(lanes._working[self.lane])
        return free > 0 and lanes._line[self.lane].index(self) < free


def lane_of(creation: Creation) -> str:
    """Where a Creation waits: pictures of seeds share batches, films and photos take seconds, others minutes."""
    if isinstance(creation, Generate):
        return "quick"
    if isinstance(creation, Interpolate):
        return "film"
    if isinstance(creation, Style):
        return lane_of_style(creation.model)
    if isinstance(creation, Edit):
        return "slow" if creation.projects else "photo"
    return "photo" if creation.verb in ("translate", "restore", "inpaint", "point") else "slow"


def lane_of_style(model: object) -> str:
    """Where a painting waits: a model that optimises the picture step by step takes minutes, as one of the Hub may."""
    entry = zoo.entry_of(model)
    return "photo" if entry and issubclass(entry.model_class, Stylizer) and entry.model_class.tiles else "slow"
