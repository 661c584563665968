"""Large pictures in tiles: time, memory, and whether anyone could tell.

    GANHUB_SHARED=... python benchmarks/large_pictures.py --models fast-style arbitrary-style adain

Each style network paints a photo of kodak8, enlarged, in tiles: time and peak memory at 3, 12 and 24 megapixels, each
in a process of its own (interpreter, libraries, the photo and the result included), strokes as ``ganhub style`` chooses
them. Below that, the same photo at 1.4 megapixels painted as one and in tiles of 512 pixels: mean and largest
difference in 255ths, at strength 1 and strokes of scale 1. Two threads.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, images  # noqa: E402
from ganhub.apply import styling  # noqa: E402

SIZES = ((1500, 2000), (3000, 4000), (4000, 6000))
WHOLE = (960, 1440)


def picture(archive: str, height: int, width: int) -> Tensor:
    """The first picture of a zip, [1, 3, height, width]."""
    with zipfile.ZipFile(Path(os.environ["GANHUB_SHARED"]) / "data" / archive) as file:
        name = min(n for n in file.namelist() if n.endswith((".png", ".jpg")))
        return images.fit(images.load_image(file.read(name)), height, width)


def style_for(model) -> Tensor | str:
    """A painting, or for a network that knows names alone its first one."""
    return picture("style-paintings.zip", 384, 512) if model.reads_pictures else model.style_names[0]


def alone(name: str, height: int, width: int) -> None:
    """Paint one, and print seconds and peak MB."""
    model = AutoModel.from_pretrained(name)
    photo, style = picture("kodak8.zip", height, width), style_for(model)
    started = time.perf_counter()
    styling.paint(model, photo, style, scale=None)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text().splitlines()
    print(seconds, next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["fast-style", "arbitrary-style", "adain"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.alone:
        name, height, width = arguments.alone
        return alone(name, int(height), int(width))
    print("| model | " + " | ".join(f"{w:,} x {h:,}: s | peak MB" for h, w in SIZES) + " |")
    print("|---|" + "---:|---:|" * len(SIZES))
    for name in arguments.models:
        cells = []
        for height, width in SIZES:
            command = [sys.executable, __file__, "--alone", name, str(height), str(width)]
            command += ["--threads", str(arguments.threads)]
            seconds, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-2:]
            cells.append(f"{float(seconds):.1f} | {float(peak):,.0f}")
        print(f"| {Path(name).name} | " + " | ".join(cells) + " |", flush=True)
    print("\n| model | tiled against whole, mean of 255 | largest |\n|---|---:|---:|")
    for name in arguments.models:
        model = AutoModel.from_pretrained(name)
        photo, style = picture("kodak8.zip", *WHOLE), style_for(model)
        whole, tiled = (styling.paint(model, photo, style, tile=tile) for tile in (0, 512))
        difference = (whole - tiled).abs() * 127.5
        print(f"| {Path(name).name} | {difference.mean():.3f} | {difference.max():.1f} |", flush=True)


if __name__ == "__main__":
    main()
