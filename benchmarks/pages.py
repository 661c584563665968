"""What large pages of memory give (ganhub/pages.py): ``python benchmarks/pages.py [--threads 1] [--turns 4]``.

Each task runs in processes of its own, with and without them in turns; the best turn of each counts. Writes Markdown.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
TASKS = (
    "train stylegan2_heroes", "train stylegan2_avatars", "sample stylegan2-heroes", "sample stylegan2-avatars",
    "translate srgan-x4", "translate cut-monet", "stylize arbitrary-style",
)  # fmt: skip
REPEATS = 8


def task_of(name: str) -> Callable[[], object]:
    """One step of training, 16 samples, or the work on a photo of 256 x 256 pixels."""
    import torch

    verb, model = name.split()
    if verb == "train":
        from stylegan2 import projected_step

        return projected_step(ROOT / f"training/recipes/{model}.toml", full_size=False)[0]
    from ganhub import AutoModel

    network = AutoModel.from_pretrained(ROOT / "model_cards" / model)
    photo = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    photos = {"sample": (16,), "stylize": (photo, photo.flip(3))}.get(verb, (photo,))
    return lambda: getattr(network, verb)(*photos)


def measure(name: str, threads: int) -> None:
    """Print the seconds of the best repeat, and the most memory in MB."""
    import torch

    torch.set_num_threads(threads)
    run = task_of(name)
    run(), run()
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    print(best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        measure(arguments.task, arguments.threads)
        return
    print(f"{arguments.threads} thread(s), best of {arguments.turns} turns:\n")
    print("| task | ms, small pages | ms, large | ratio | MB, small | MB, large |\n|---|---:|---:|---:|---:|---:|")
    for task in TASKS:
        found: dict[str, list[tuple[float, float]]] = {"0": [], "1": []}
        for _ in range(arguments.turns):
            for large, runs in found.items():
                command = [sys.executable, __file__, "--task", task, "--threads", str(arguments.threads)]
                env = os.environ | {"GLIBC_TUNABLES": f"glibc.malloc.hugetlb={large}"}
                done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
                seconds, megabytes = map(float, done.stdout.split())
                runs.append((seconds, megabytes))
        (small, little), (large, much) = (tuple(map(min, zip(*runs, strict=True))) for runs in found.values())
        print(f"| {task} | {small * 1e3:.1f} | {large * 1e3:.1f} | {small / large:.2f} | {little:.0f} | {much:.0f} |",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
