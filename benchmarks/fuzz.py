"""Foreign files, broken at random: how many of them raise an error that is not ganhub's own, and does code of one run?

    python benchmarks/fuzz.py --seconds 60 [--kinds configs safetensors folders pickles pictures npz hub] [--seed 0]

Each kind runs for so many seconds, one after the other; case number n of a seed is the same case on every machine. The
kinds are in ``tests/fuzzing.py``; ``hub`` asks a Hub on loopback for repositories that lie about themselves. Exit
status 1 when there was a raw error, or when the canary (code in a pickle) ran.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
# Some packages install a top-level "tests" of their own, which would hide the folder here.
sys.modules["tests"] = types.ModuleType("tests")
sys.modules["tests"].__path__ = [str(ROOT / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402

from tests import fuzzing, fuzzing_hub  # noqa: E402


def main() -> None:
    """Run the kinds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for each kind")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    said = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where libtiff writes about each broken file
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # many small files
    bad = False
    print("| kind | cases | loaded | refused in a sentence | raw errors | slowest, s | code ran |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory(prefix="ganhub-fuzz-", dir=memory) as folder:
            count = fuzzing.run(kind, Path(folder), KINDS[kind], seed=arguments.seed, seconds=arguments.seconds)
        raw = sum(count.raw.values())
        bad |= bool(raw) or count.canary
        print(
            f"| {kind} | {count.cases:,} | {count.loaded:,} | {count.refused:,} | {raw:,} | {count.slowest:.1f} | "
            f"{'yes' if count.canary else 'no'} |",
            flush=True,
        )
        for text, times in count.raw.most_common(20):
            print(f"    {times} x {text}", file=said, flush=True)
    sys.exit(bad)


KINDS = {**fuzzing.KINDS, "hub": fuzzing_hub.repositories}

if __name__ == "__main__":
    main()
