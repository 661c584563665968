"""Pictures of seeds that several visitors ask for at the same time, drawn in one batch.

A picture is the same to the last bit whatever is drawn beside it (:func:`ganhub.creation.generate.draw`), so nobody
sees whom he shared a batch with. There is no timer: while one batch is drawn, those who come wait, and the next batch
is all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from torch import Tensor

from ganhub.creation.generate import Near, Wanted, at_once, draw
from ganhub.models import LatentGenerator

Manner = tuple[float, Near]  # truncation, and what the pictures are near
Key = tuple[Manner, Wanted]  # and (seed, class)


class Batches:
    """Draws what its callers ask for; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._desks: WeakKeyDictionary[LatentGenerator, Desk] = WeakKeyDictionary()

    def draw(
        self, generator: LatentGenerator, wanted: Sequence[Wanted], truncation: float, near: Near = None
    ) -> list[Tensor]:
        """Pictures [C, H, W] in [-1, 1] of seeds and classes, on the CPU; at most ``at_once`` of them."""
        with self._lock:
            desk = self._desks.setdefault(generator, Desk())
        return desk.draw(generator, [((truncation, near), one) for one in wanted])


class Desk:
    """What is asked of one model just now. Whoever finds it free draws the next batch, for others too."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked: dict[Key, Picture] = {}  # in the order in which they were asked for, drawn ones left out
        self._busy = False

    def draw(self, generator: LatentGenerator, keys: Sequence[Key]) -> list[Tensor]:
        """The pictures of these keys, drawn here or by another caller; what went wrong with them is raised."""
        with self._changed:
            own = [self._asked.setdefault(key, Picture()) for key in keys]
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._busy or all(one.done for one in own))
                if all(one.done for one in own):
                    break
                batch = self._next_batch(at_once(generator))
                self._busy = True
            try:
                self._fill(generator, batch)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
        for one in own:
            if one.error is not None:
                raise one.error
        return [one.pixels for one in own]

    def _next_batch(self, most: int) -> dict[Key, Picture]:
        """The first that were asked for, and others that are drawn in the same manner."""
        manner = next(iter(self._asked))[0]
        alike = [key for key in self._asked if key[0] == manner]
        return {key: self._asked.pop(key) for key in alike[:most]}

    def _fill(self, generator: LatentGenerator, batch: dict[Key, Picture]) -> None:
        try:
            truncation, near = next(iter(batch))[0]
            pixels = draw(generator, [wanted for _, wanted in batch], truncation, near)
            for picture, one in zip(batch.values(), pixels, strict=True):
                picture.pixels = one
        except Exception as error:
            for key, picture in batch.items():  # alone, so that one caller's mistake is not another's
                if len(batch) > 1:
                    self._fill(generator, {key: picture})
                else:
                    picture.error = error
        finally:
            for picture in batch.values():
                picture.done = True


class Picture:
    """A picture that was asked for: its pixels once it is drawn, or what went wrong."""

    def __init__(self) -> None:
        self.pixels: Tensor | None = None
        self.error: Exception | None = None
        self.done = False
