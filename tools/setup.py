"""Set up the environment that `make app` and `make test` run in: find a Python, make .venv, fill it.

Run as `python tools/setup.py app` or `python tools/setup.py test`. Any Python from 3.7 can run this file; it
looks for one that is new enough. Nothing outside the checkout changes, except that `test` installs Debian's
chromium (and both may install python3-venv) where it is missing and this user may without a password.

A second call only compares a stamp. An environment that was left half-made is repaired. A pair of torch and
torchvision that is there and works together is kept: a CPU build in .venv, or the pair of the Python itself.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, *(["Scripts", "python.exe"] if os.name == "nt" else ["bin", "python"]))
FLOOR = (3, 11)
TORCH_FLOOR = (2, 8)
NAMES = ["python3.12", "python3.13", "python3.14", "python3.15", "python3.11", "python3", "python"]
HOMES = ["~/.pyenv/versions/*/bin/python3", "~/.local/share/uv/python/*/bin/python3"]  # beside the PATH
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]

# Runs in other Pythons, old ones too. A virtual environment answers for the Python it was made from.
PROBE = """
import json, sys
try:
    import ensurepip, venv
    complete = True
except ImportError:
    complete = False
print(json.dumps([sys.version_info[:2], getattr(sys, "_base_executable", sys.executable), complete]))
"""
PAIR = """
import importlib.util, json, sys
if not (importlib.util.find_spec("torch") and importlib.util.find_spec("torchvision")):
    sys.exit(1)
import torch, torchvision
print(json.dumps([int(part) for part in torch.__version__.split(".")[:2]]))
"""
# A package that pip was stopped in the middle of has no RECORD, or files that don't agree with it. Without
# its dist-info, pip installs it again over what is there.
MEND = """
import csv, os, shutil, sysconfig
site = sysconfig.get_paths()["purelib"]
def whole(folder):
    try:
        with open(os.path.join(folder, "RECORD"), encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row and row[0] and not row[0].endswith(".pyc")]
        return all(os.path.getsize(os.path.join(site, row[0])) == int(row[2] or -1) for row in rows if row[2])
    except OSError:
        return False
for name in os.listdir(site):
    folder = os.path.join(site, name)
    if name.startswith("~") or (name.endswith(".dist-info") and not whole(folder)):
        print("repairing " + name.split("-")[0])
        shutil.rmtree(folder, ignore_errors=True)
"""


def say(sentence: str) -> None:
    """Print one line of progress."""
    print(f"[set-up] {sentence}", flush=True)


def stop(sentence: str) -> None:
    """End with a sentence that says what to do."""
    sys.exit(f"[set-up] {sentence}")


def run(*command: str) -> bool:
    """Run a command without its output; return whether it worked."""
    quiet = subprocess.DEVNULL
    return subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet).returncode == 0


def ask(python: str, script: str) -> list | None:
    """Run a script in another Python and return the JSON it prints, or None where it fails."""
    try:
        result = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=120)
        return json.loads(result.stdout) if result.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def has_pair(python: str) -> bool:
    """Whether this Python has a new enough torch and a torchvision that imports beside it."""
    version = ask(python, PAIR)
    return version is not None and tuple(version) >= TORCH_FLOOR


def apt_install(package: str) -> bool:
    """Install a Debian package if this user may without a password; return whether it worked."""
    if not shutil.which("apt-get"):
        return False
    rights = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if rights and not (shutil.which("sudo") and run(*rights, "true")):
        return False
    say(f"installing Debian's {package}")
    apt_get = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    install = [*apt_get, "install", "-y", "--no-install-recommends", package]
    return run(*install) or (run(*apt_get, "update") and run(*install))


def find_python() -> tuple[str, bool]:
    """Return the Python to build on and whether its own torch and torchvision are to be used."""
    wanted = os.environ.get("PYTHON")
    elsewhere = [path for home in HOMES for path in sorted(glob.glob(os.path.expanduser(home)))]
    found = {}
    for path in filter(None, map(shutil.which, [wanted] if wanted else [*NAMES, sys.executable, *elsewhere])):
        answer = ask(path, PROBE)  # a name on the PATH may be an empty shim: only an answer counts
        if answer and tuple(answer[0]) >= FLOOR:
            found.setdefault(answer[1], answer)
    if not found:
        stop(
            f"{wanted or 'No Python here'} is not Python {FLOOR[0]}.{FLOOR[1]} or newer. Install Python 3.12 "
            "(Debian and Ubuntu: apt-get install python3 python3-venv) and run the same command again."
        )
    for path in found:
        if has_pair(path):
            return path, True
    for path, (_, _, complete) in found.items():
        if complete:
            return path, False
    path, (version, _, _) = next(iter(found.items()))
    package = "python{}.{}-venv".format(*version)
    if not apt_install(package) or not ask(path, PROBE)[2]:
        stop(f"{path} cannot make virtual environments. Install {package} and run the same command again.")
    return path, False


def make_environment() -> None:
    """Make .venv, or keep the one that is there if its Python runs and is new enough."""
    answer = ask(PYTHON, PROBE)
    if answer and tuple(answer[0]) >= FLOOR:
        if not run(PYTHON, "-m", "pip", "--version"):
            subprocess.run([PYTHON, "-m", "ensurepip", "--upgrade"], check=True)
        subprocess.run([PYTHON, "-c", MEND], check=True)
        return
    if os.path.lexists(VENV):
        say(f".venv has no working Python {FLOOR[0]}.{FLOOR[1]} or newer: making it anew")
        shutil.rmtree(VENV)
    python, reuse = find_python()
    say(f"making .venv with {python}" + (", whose torch and torchvision are used" if reuse else ""))
    subprocess.run([python, "-m", "venv", *(["--system-site-packages"] if reuse else []), VENV], check=True)


def pip_install(*arguments: str) -> None:
    """Run pip in .venv, or end with a sentence."""
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check"]
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    if subprocess.run([*pip, *quiet, *arguments], cwd=ROOT).returncode:
        stop(
            "Installing the packages failed; pip says above why (often: no network, or a full disk: PyTorch "
            "takes 5 GB). Nothing is lost: run the same command again to go on."
        )


def fill_environment(kind: str) -> None:
    """Install what the app needs, or app and tests, and see that torch and torchvision fit each other."""
    say("installing the packages; the first time takes some minutes (PyTorch is large)")
    pip_install("-e", ".[train,eval,dev]" if kind == "test" else ".")
    if not has_pair(PYTHON):
        say("torch and torchvision don't fit each other: installing both again, together")
        pip_install("--force-reinstall", "torch", "torchvision")
        if not has_pair(PYTHON):
            stop("torch and torchvision still don't import together: remove the folder .venv and try again.")


def stamp_path(kind: str) -> str:
    """Where the stamp of a finished set-up of this kind lies."""
    return os.path.join(VENV, f".ganhub-{kind}")


def fingerprint(kind: str) -> str:
    """Hash of everything that decides what is installed."""
    names = ["requirements.txt", "tools/setup.py", "pyproject.toml"]
    digest = hashlib.sha256((ROOT + kind).encode())
    for name in names:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def how_to_use() -> str:
    """How ganhub is used outside of make, for the system at hand."""
    folder = os.path.dirname(PYTHON)
    activate = os.path.join(folder, "activate") if os.name == "nt" else f"source {os.path.join(folder, 'activate')}"
    return (
        f"The command line: {os.path.join(folder, 'ganhub')} list. In Python: {PYTHON} -c 'from ganhub import "
        f"AutoModel'. After `{activate}`, ganhub and python work so from any folder. "
        'To train, in this folder: pip install -e ".[train]"'
    )


def is_ready(kind: str) -> bool:
    """Whether .venv was finished for exactly these requirements and its Python still runs."""
    try:
        with open(stamp_path(kind)) as file:
            return file.read() == fingerprint(kind) and run(PYTHON, "-c", "")
    except OSError:
        return False


@contextlib.contextmanager
def one_at_a_time():
    """Let a second set-up in the same checkout wait for the first."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(__file__, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def browser() -> None:
    """See that the browser tests have a browser, or say that they will be skipped."""
    if any(map(shutil.which, BROWSERS)) or sys.platform != "linux":
        return
    if not apt_install("chromium"):
        say("no chromium here, and it could not be installed: the browser tests will be skipped")


def main(kind: str) -> None:
    """Do what is still to be done for ``kind``, "app" or "test"."""
    if not is_ready(kind):
        with one_at_a_time():
            if not is_ready(kind):
                make_environment()
                fill_environment(kind)
                for done in {"app", kind}:
                    with open(stamp_path(done), "w") as file:
                        file.write(fingerprint(done))
                say("done. " + how_to_use())
    if kind == "test":
        browser()


if __name__ == "__main__":
    if sys.argv[1:] not in (["app"], ["test"]):
        stop("Say what to set up: python tools/setup.py app, or python tools/setup.py test.")
    main(sys.argv[1])
