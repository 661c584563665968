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
        asked: Of this process, by a signal, by the end of its time or by its watchdog.
        agreed: By one of several processes; all of them know it after the same step.
    """

    asked: bool = False
    agreed: bool = False


@contextmanager
def stop_when_asked(stop: Stop, *, several: bool = False, say: bool = True):
    """Ctrl-C (and SIGTERM) set ``stop.asked``; a second Ctrl-C ends the process at once.

    Args:
        several: Whether a launcher has started more than one process.
        say: Whether this process says that it was heard.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked_at = 0.0

    def ask(number: int, frame: Any) -> None:
        nonlocal asked_at
        if stop.asked:
            # torchrun passes on a Ctrl-C that the terminal has told every process already
            if several and time.monotonic() - asked_at < _ECHO:
                return
            raise KeyboardInterrupt
        stop.asked, asked_at = True, time.monotonic()
        if say:
            print("\nStopping after this step ...", file=sys.stderr)

    previous = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) is ask:
                signal.signal(number, handler)


def ignore_kill() -> None:
    """Let no SIGTERM end this process before it has saved and said what happened.

    When one process has died, the launcher stops the others within a tenth of a second.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
