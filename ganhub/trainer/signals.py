"""Ctrl-C and polite kills: a run ends after its step, saved, on one process or on several."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganhub.trainer.loop import Trainer

_ECHO = 1.0  # seconds


@contextmanager
def stop_when_asked(trainer: Trainer):
    """Ctrl-C (and a polite kill) set ``trainer.stop_asked``; a second Ctrl-C ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked_at = 0.0

    def ask(number: int, frame: Any) -> None:
        nonlocal asked_at
        if trainer.stop_asked:
            # torchrun passes on a Ctrl-C that the terminal has told every process already
            if trainer.world > 1 and time.monotonic() - asked_at < _ECHO:
                return
            raise KeyboardInterrupt
        trainer.stop_asked, asked_at = True, time.monotonic()
        if trainer.main:
            print("\nStopping after this step ...", file=sys.stderr)

    previous = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) is ask:
                signal.signal(number, handler)


def ignore_kill() -> None:
    """Let no polite kill end this process before it has saved and said what happened.

    When one process has died, the launcher stops the others within a tenth of a second.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
