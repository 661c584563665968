"""How long the app takes to start, and to show its first wall: ``python benchmarks/app_start.py``.

Both against ``python -c "import gradio, torch"`` in the same run, so that a busy or slow machine cancels out. Writes
Markdown.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def imports() -> float:
    """Seconds of the two imports that no Gradio app on torch can do without."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio, torch"], check=True)
    return time.perf_counter() - began


def start(pictures: int, model: str | None) -> tuple[float, float, float]:
    """Seconds from ``python app.py`` to the first HTTP 200, of the first wall after it, and of the second."""
    from gradio_client import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, "GRADIO_SERVER_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit("app.py ended; run it by hand to see why.")
            try:
                with urllib.request.urlopen(url, timeout=30) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.01)
        started = time.perf_counter() - began
        client = Client(url, verbose=False)
        walls = []
        for seed in (0, 1000):
            clicked = time.perf_counter()
            client.predict(model or first_model(client), pictures, seed, 1.0, api_name="/generate")
            walls.append(time.perf_counter() - clicked)
        return started, *walls
    finally:
        process.kill()
        process.wait()


def first_model(client: object) -> str:
    """The model that the Generate tab opens with."""
    menu = next(c for c in client.config["components"] if c["props"].get("elem_id") == "generate-model")
    return menu["props"]["value"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--pictures", type=int, default=8)
    options.add_argument("--model", help="what the Generate tab opens with, unless given")
    given = options.parse_args()
    rows = [(imports(), *start(given.pictures, given.model)) for _ in range(given.runs)]
    bare, ready, first, again = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in rows)
    print("| what | seconds (median) | ratio |\n|---|---|---|")
    print(f'| `python -c "import gradio, torch"` | {bare:.2f} | 1 |')
    print(f"| `python app.py` to the first HTTP 200 | {ready:.2f} | {ratio:.2f} (goal: at most 2.0) |")
    print(f"| click to the first wall of {given.pictures} after start | {first:.2f} | {first / bare:.2f} |")
    print(f"| click to the second wall | {again:.2f} | {again / bare:.2f} |")


if __name__ == "__main__":
    main()
