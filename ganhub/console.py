"""What ``ganhub``, ``training/train.py`` and ``app.py`` do alike: output on any stream, every error as one sentence."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterator

from ganhub import extras
from ganhub.errors import GanhubError

TRACEBACK = "GANHUB_TRACEBACK"  # set to 1: where an error happened is printed, too
LIST = "\n  "  # begins a line of a list in a sentence of ours; any other line end comes from outside
_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, directions of writing, halves of surrogate pairs, line ends
_JOINERS = "\u200c\u200d"  # of Persian and Indian words, and of emoji


def printable(text: object) -> str:
    """Text from outside, such as a file name, on one line: what would move the cursor or hide text is escaped."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in _ESCAPED and letter not in _JOINERS
        else letter
        for letter in str(text)
    )


def sentence(error: BaseException) -> str:
    """What is wrong and what to do, for the person in front of the screen; of any error."""
    if isinstance(error, GanhubError):
        return LIST.join(map(printable, str(error).split(LIST)))
    first_line = printable((str(error).strip() or type(error).__name__).splitlines()[0][:300])
    if isinstance(error, KeyboardInterrupt):
        return "Stopped."
    if isinstance(error, MemoryError) or _out_of_memory(error):
        return "There is not enough memory for this: ask for smaller or fewer pictures, or close other programs."
    if isinstance(error, OSError):
        where = "".join(f"{printable(os.fspath(name))}: " for name in (error.filename, error.filename2) if name)
        why = error.strerror or first_line
        return f"{where}{why}. Check that the place is there, that you may use it, and that the disk is not full."
    if isinstance(error, ImportError) and (missing := extras.missing(error)):
        return printable(missing)
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("ganhub"):
        return f'The Python package {error.name} is missing: install it, or all by pip install "ganhub[train,eval]".'
    return (
        f"This is a fault of ganhub ({type(error).__name__}: {first_line}). Please report it with the command that you "
        f"ran; with {TRACEBACK}=1 in the environment the command prints where it happened."
    )


@contextlib.contextmanager
def in_sentences(prefix: str = "ganhub", aloud: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Run a program: characters that a stream lacks become "?", and an error one sentence and exit status 1.

    Args:
        prefix: Stands before the sentence.
        aloud: Whether this process is the one to print it, where several run together.
    """
    forgive_characters()
    try:
        try:
            yield
        finally:
            _flush()
    except BrokenPipeError:  # `ganhub list | head -1`: nobody reads any more
        sys.exit(1)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get(TRACEBACK, "0") not in ("", "0"):
            traceback.print_exception(error)
        if aloud():
            print(f"{prefix}: {sentence(error)}", file=sys.stderr, flush=True)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


def forgive_characters() -> None:
    """Let no character end a program: one that a stream's encoding lacks is printed as "?"."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # none, closed, or something else's
            stream.reconfigure(errors="replace")


def _flush() -> None:
    """Find out here, not when Python ends, that output cannot be written."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # else Python would try again when it ends, and complain
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            raise
        raise OSError(error.errno, error.strerror, "The output") from error


def _out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in text or "out of memory" in text
    )
