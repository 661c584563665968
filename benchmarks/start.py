"""How long the app takes to be built, against the imports that it cannot do without: ``python benchmarks/start.py``.

Prints ``create_app()`` over ``import gradio, torch``, in seconds of the processor, so that a busy machine cancels out;
wanted is at most 2.0. ``benchmarks/app_start.py`` measures the whole way to the first picture.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = "import gradio, torch"
APP = "from ganhub.app import create_app; create_app()"


def seconds(code: str) -> float:
    """Processor seconds of a new Python that runs ``code``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    pairs = [(seconds(IMPORTS), seconds(APP)) for _ in range(parser.parse_args().runs)]
    imports, app = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(app / imports for imports, app in pairs)
    print(f"{IMPORTS}: {imports:.2f} s; create_app(): {app:.2f} s; ratio {ratio:.2f} (wanted: at most 2.0)")


if __name__ == "__main__":
    main()
