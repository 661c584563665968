"""Large pages of memory: training and drawing take up to a quarter less time with them (benchmarks/RESULTS.md).

A processor keeps a short list of where pages of memory lie. With pages of 4 kB a step of training runs through more of
them than the list holds, and Linux has to hand out thousands anew; with pages of 2 MB hardly any. glibc asks Linux for
large ones if an environment variable says so when a program starts:
https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
So a program that computes for long starts once more with that variable, before it has loaded anything. It keeps its
number, its arguments and its streams.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE, TUNABLE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
FIRST = (2, 35)  # version of glibc that knows it
MODE = Path("/sys/kernel/mm/transparent_hugepage/enabled")  # "[madvise]": to those who ask; else to all, or none


def is_program() -> bool:
    """Whether this process runs one program from its first line, as a shell started it: no notebook, nothing that came
    through a pipe or ``-c``, no debugger."""
    first = len(sys.orig_argv) - len(sys.argv)
    if first < 1 or sys.gettrace() or sys.orig_argv[first + 1 :] != sys.argv[1:]:
        return False
    by_name = sys.orig_argv[first - 1 : first + 1] == ["-m", "ganhub"]
    return by_name or sys.orig_argv[first] == sys.argv[0] != "-"


def of_use() -> bool:
    """Whether Linux gives large pages to those who ask, glibc can ask, and nobody has decided it yet."""
    if not sys.platform.startswith("linux") or not sys.executable or "SPACES_ZERO_GPU" in os.environ:
        return False  # the last: there a GPU draws, and the process belongs to the Space
    if TUNABLE in os.environ.get(VARIABLE, ""):
        return False
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        return name == "glibc" and tuple(map(int, version.split("."))) >= FIRST and "[madvise]" in MODE.read_text()
    except (OSError, ValueError):  # another library of C, no such setting
        return False


def ask_for_large_pages() -> None:
    """Start this program again with them, where that is of use; call it before anything else.

    For a program's own first lines: a library must not start the program again that uses it. To go without, set
    ``GLIBC_TUNABLES=glibc.malloc.hugetlb=0``; to have them in a script of your own, ``=1``.
    """
    if not is_program() or not of_use():
        return
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ":".join(filter(None, (before, f"{TUNABLE}=1")))
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    except OSError:  # not allowed here: without, then
        os.environ[VARIABLE] = before or ""
