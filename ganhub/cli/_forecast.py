"""How long a command takes: measured on its own first steps, and said before the rest of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from ganhub.cli._inputs import say
from ganhub.durations import in_words

STEPS = 10  # measured ones
LEAST = 30.0  # seconds that are worth a word


class Forecast:
    """Says once how long the rest takes, where that is longer than ``least`` seconds.

    Args:
        what: The subject of the sentence: "Painting".
        steps: So many calls of :meth:`at` are measured.
        least: Seconds below which nothing is said.
        clock: Seconds, as ``time.monotonic`` gives them.
    """

    def __init__(
        self, what: str, *, steps: int = STEPS, least: float = LEAST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what, self.steps, self.least, self.clock = what, steps, least, clock
        self._seen, self._said = 0, False
        self._began = clock()

    def at(self, share: float, *, whole: bool = False) -> None:
        """Tell that one more step is done.

        Args:
            share: Share of the work that is done, in [0, 1].
            whole: It was a large step, such as a whole photo, which alone is enough to go by.
        """
        self._seen += 1
        if self._said or not 0 < share < 1 or not (whole or self._seen >= self.steps):
            return
        self._said = True
        left = (self.clock() - self._began) * (1 - share) / share
        if left >= self.least:
            say(f"{self.what} takes {in_words(left)} more, by its first {share:.0%}. Ctrl-C stops.", err=True)
