"""Ctrl-C and SIGTERM: a run ends after its step, saved, on one process or on several."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_ECHO = 1.0  # seconds


@dataclass
class Stop:
    """Whether a run is to end after its step.

    Attributes:
        asked: This process was asked, by a signal, by the end of its time or by its watchdog.
        agreed: One of several processes was asked; all of them know it after the same step.
    """

    asked: bool = False
    agreed: bool = False


@contextmanager
def stop_when_asked(stop: Stop, *, several: bool = False, say: bool = True):
    """The first Ctrl-C or SIGTERM sets ``stop.asked``; the second raises KeyboardInterrupt at once.

    A run that ends by itself, at the end of its time or by its watchdog, has had no signal yet.

    Args:
        several: Whether a launcher has started more than one process.
        say: Whether this process prints that it stops.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first_signal: float | None = None  # when it came

    def ask(number: int, frame: Any) -> None:
        nonlocal first_signal
        if first_signal is not None:
            # torchrun passes on a Ctrl-C that the terminal has sent to every process already
            if several and time.monotonic() - first_signal < _ECHO:
                return
            raise KeyboardInterrupt
        stop.asked, first_signal = True, time.monotonic()
        if say:
            print("\nStopping after this step ...", file=sys.stderr)

    previous = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) is ask:
                signal.signal(number, handler)


def ignore_sigterm() -> None:
    """Let no SIGTERM end this process before it has saved and printed what happened.

    When one process has died, the launcher stops the others within a tenth of a second.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
