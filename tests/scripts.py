"""A script of training/ as ``python training/NAME`` runs it, in this process: torch is imported once."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finished:
    """What a program left: its status and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run_script(name: str, *arguments: object) -> Finished:
    """Run ``training/NAME``. Afterwards torch's random state, the arguments and paths of Python are as before."""
    said, complained, code = io.StringIO(), io.StringIO(), 0
    path = str(ROOT / "training" / name)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sys, "argv", [path, *map(str, arguments)])
        patch.setattr(sys, "path", [str(Path(path).parent), *sys.path])
        stack.enter_context(contextlib.redirect_stdout(said))
        stack.enter_context(contextlib.redirect_stderr(complained))
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:  # a sentence is printed and counts as 1, as python does it
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Finished(code, said.getvalue(), complained.getvalue())
