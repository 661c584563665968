"""A streamed dataset as if it could be read from any position."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from itertools import count as count_from

import numpy as np

from ganhub.data.sources import Entry, Stream
from ganhub.errors import DataError


class Tape:
    """A streamed dataset that can be read from any position: forward by skipping, back by starting again.

    Position p is the p-th row of all epochs laid end to end; a broken row stands for the next readable one.
    """

    def __init__(self, stream: Stream, seed: int, decode: Callable[[Entry], np.ndarray | None], pool: Executor):
        self._stream, self._seed, self._decode, self._pool = stream, seed, decode, pool
        self._rewind()

    def _rewind(self) -> None:
        self._position, self._rows = 0, self._all_rows()
        self._peeked: deque[Entry] = deque()

    def _all_rows(self) -> Iterator[Entry]:
        for epoch in count_from(0):
            rows = 0
            for rows, entry in enumerate(self._stream.epoch(self._seed + epoch), start=1):  # noqa: B007
                yield entry
            if not rows:
                raise DataError("The dataset holds no pictures.")

    def read(self, first: int, count: int) -> tuple[list[np.ndarray], list[int]]:
        """Return the stored pictures and labels at positions ``first`` to ``first + count - 1``."""
        if first < self._position:
            self._rewind()
        for _ in range(first - self._position):
            self._next()
        entries = [self._next() for _ in range(count)]
        self._position = first + count
        stored = list(self._pool.map(self._decode, entries))
        labels = [entry.label for entry in entries]
        for k in range(count - 1, -1, -1):  # from the end, so that a run of broken rows takes what follows it
            if stored[k] is None:
                later = (stored[k + 1], labels[k + 1]) if k + 1 < count else self._first_readable()
                stored[k], labels[k] = later
        return stored, labels

    def _next(self) -> Entry:
        return self._peeked.popleft() if self._peeked else next(self._rows)

    def _first_readable(self) -> tuple[np.ndarray, int]:
        for k in range(1000):
            if k == len(self._peeked):
                self._peeked.append(next(self._rows))
            stored = self._decode(self._peeked[k])
            if stored is not None:
                return stored, self._peeked[k].label
        raise DataError("A thousand pictures in a row cannot be read; see the first reasons in the log.")
