"""A program that asks for large pages starts once more, with its arguments and streams, and then has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganhub import pages

PROGRAM = """
from ganhub.pages import ask_for_large_pages
ask_for_large_pages()
import json, os, re, sys
held = bytearray(b"1") * (64 << 20)
table = open("/proc/self/smaps_rollup").read() if os.path.exists("/proc/self/smaps_rollup") else ""
large = re.search(r"AnonHugePages: +([0-9]+) kB", table)
print(json.dumps({
    "tunables": os.environ.get("GLIBC_TUNABLES"), "arguments": sys.argv[1:], "process": os.getpid(),
    "read": sys.stdin.read(), "torch": "torch" in sys.modules, "megabytes": int(large[1]) / 1024 if large else 0,
}))
"""


def ran(folder: Path, tunables: str | None = None) -> tuple[dict, int]:
    """What the program says, and the number of the process that was started."""
    (folder / "program.py").write_text(PROGRAM)
    kept = {name: value for name, value in os.environ.items() if name != pages.VARIABLE}
    env = kept if tunables is None else kept | {pages.VARIABLE: tunables}
    command = [sys.executable, "program.py", "one", "two words", '"']
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True, cwd=folder
    ) as process:
        out, _ = process.communicate("what stands in the pipe")
        assert process.returncode == 0
        return json.loads(out), process.pid


@pytest.fixture
def here(monkeypatch) -> None:
    monkeypatch.delenv(pages.VARIABLE, raising=False)
    if not pages.of_use():
        pytest.skip("this machine has no large pages to ask for")


def test_a_program_starts_once_more_and_is_the_same(here, tmp_path):
    told, number = ran(tmp_path)
    assert told["process"] == number and told["read"] == "what stands in the pipe"
    assert told["arguments"] == ["one", "two words", '"'] and told["tunables"] == "glibc.malloc.hugetlb=1"
    assert told["megabytes"] >= 32, "half of what it holds at least"
    assert not told["torch"], "nothing that takes time is loaded twice"
    assert ran(tmp_path, "glibc.malloc.perturb=0")[0]["tunables"] == "glibc.malloc.perturb=0:glibc.malloc.hugetlb=1"


def test_who_has_decided_is_left_alone(here, tmp_path):
    told, _ = ran(tmp_path, "glibc.malloc.hugetlb=0")
    assert told["tunables"] == "glibc.malloc.hugetlb=0" and told["megabytes"] < 32


def test_another_machine_goes_without(here, monkeypatch, tmp_path):
    for mode in ("always madvise [never]", "[always] madvise never"):
        (tmp_path / "enabled").write_text(mode)
        monkeypatch.setattr(pages, "MODE", tmp_path / "enabled")
        assert not pages.of_use()
    monkeypatch.setattr(pages, "MODE", tmp_path / "nothing")
    assert not pages.of_use(), "a kernel without them"
    monkeypatch.undo()
    monkeypatch.delenv(pages.VARIABLE, raising=False)
    monkeypatch.setattr(pages, "FIRST", (99, 0))
    assert not pages.of_use(), "an older glibc"


def test_what_is_no_program_of_its_own_is_left_alone(here, tmp_path):
    """As in a notebook: who runs ganhub's file would lose all that was there before, and a pipe is read once only."""
    env = {name: value for name, value in os.environ.items() if name != pages.VARIABLE}
    (tmp_path / "program.py").write_text(PROGRAM)
    lines = "import runpy, sys; print('once', flush=True); sys.argv = ['program.py', 'a']; runpy.run_path('program.py')"
    options = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True, "check": True}
    for command, text in ((["-"], lines), ([], lines), (["-c", lines], None)):
        done = subprocess.run([sys.executable, *command], input=text, **options)
        before, told = done.stdout.splitlines()
        assert before == "once" and json.loads(told)["tunables"] is None and json.loads(told)["arguments"] == ["a"]
    traced = subprocess.run(
        [sys.executable, "-m", "trace", "--count", "-C", "counts", "program.py"], **options, input=""
    )
    assert json.loads(traced.stdout.splitlines()[0])["tunables"] is None, "a debugger keeps what was typed into it"


@pytest.mark.parametrize("command", (["-m", "ganhub", "--version"], ["training/train.py", "--help"]))
def test_the_commands_ask(here, command):
    env = {name: value for name, value in os.environ.items() if name != pages.VARIABLE}
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command], cwd=root, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout and done.stderr.count("| ganhub.pages\n") == 2, "the second time with large pages"
