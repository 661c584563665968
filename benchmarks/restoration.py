"""Enlarging, mending, colouring and filling, by the protocols of their fields and beside what everyone has.

    pip install opencv-python-headless
    GANHUB_SHARED=... python benchmarks/restoration.py --only enlarging --models model_cards/srgan-x4 --record
    GANHUB_SHARED=... python benchmarks/restoration.py --only mending colours holes time --sheet sheet.png

Nothing here was trained on. What a method makes is rounded to 8 bits before it is measured, as a saved file is.

enlarging: Set5 and Set14, four times, from the small pictures that come with them (MATLAB's bicubic): PSNR and SSIM on
Y, four pixels of border left out. The perceptual distance is efficientnet-lite0's, which no model was trained with.
found: kodak8 as small pictures of the web are found: blurred (deviation 1), shrunk to a quarter, with Gaussian noise of
deviation 6 (seed 0), saved as JPEG of quality 60 (Pillow, 4:2:0), and enlarged four times: PSNR and SSIM on RGB.
mending: kodak8 with Gaussian noise of deviation 25 (seed 0, clipped, 8 bits), saved as JPEG of quality 20 (Pillow,
4:2:0), and both, the noise first: PSNR and SSIM on RGB. fastNlMeansDenoisingColored gets, for each damage, the one of
five strengths with the best PSNR on the first two photos.
colours: kodak8 made grey: mean distance in a and b of CIELAB to the original, and colourfulness (Hasler and Suesstrunk
2003, "Measuring colourfulness in natural images", on RGB of 0 to 255), beside grey and beside the mean a and b of the
training pictures.
holes: kodak8 at 384 pixels, masks as in training, of other seeds, that cover 10, 25 and 50 % within two: PSNR, SSIM and
perceptual distance of the whole picture, beside both methods of cv2.inpaint with radius 3.
time: 256 x 256 to 1,024 x 1,024 on two threads, best of the turns.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, images  # noqa: E402
from ganhub.apply import translating  # noqa: E402
from ganhub.convert import open_upscaler  # noqa: E402
from ganhub.hub import cards, list_local  # noqa: E402
from ganhub.images.colour import LAB_RANGE, from_lab, to_lab  # noqa: E402
from ganhub.metrics import perceptual_distance, psnr, ssim  # noqa: E402
from ganhub.models.inpainting import free_form  # noqa: E402
from ganhub.models.srgan import enlarged  # noqa: E402
from ganhub.objectives.super_resolution import blurred  # noqa: E402

JUDGE = "efficientnet-lite0"
FAR = f"perceptual distance by {JUDGE}"
SHARED = Path(os.environ.get("GANHUB_SHARED", "shared"))
Method = Callable[[Tensor], Tensor]
Filler = Callable[[Tensor, Tensor], Tensor]


def pictures(name: str, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
    """Pictures [1, 3, H, W] of a zip, by their names."""
    with zipfile.ZipFile(SHARED / "data" / name) as archive:
        files = sorted(n for n in archive.namelist() if n.endswith((".png", ".jpg")) and wanted(n))
        return {n: images.load_image(archive.read(n)) for n in files}


def rounded(picture: Tensor) -> Tensor:
    """As a file of 8 bits keeps it."""
    return images.from_uint8(images.to_uint8(picture))


def array(picture: Tensor) -> np.ndarray:
    """[1, 3, H, W] -> bytes [H, W, 3] in OpenCV's order."""
    return np.ascontiguousarray(images.to_uint8(picture)[0].permute(1, 2, 0).numpy()[..., ::-1])


def tensor(bgr: np.ndarray) -> Tensor:
    """The way back."""
    return images.from_uint8(torch.from_numpy(np.ascontiguousarray(bgr[..., ::-1]))).permute(2, 0, 1)[None]


class Tables:
    """Prints tables, and keeps for each model what they say of it."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, dict[str, object]]] = {}

    def head(self, title: str, *names: str, how: str) -> None:
        self.title, self.names, self.how = title, names, how
        print(f"\n| {title} | " + " | ".join(names) + " |\n|" + "---|" * (1 + len(names)), flush=True)

    def row(self, name: str, *numbers: float, digits: int = 3) -> None:
        print(f"| {name} | " + " | ".join(f"{number:.{digits}f}" for number in numbers) + " |", flush=True)
        told = {word: round(number, 4) for word, number in zip(self.names, numbers, strict=True)}
        self.found.setdefault(name, {})[self.title] = {**told, "protocol": self.how}


def enlarging(tables: Tables, models: dict[str, Method], sheet: dict[str, list[Tensor]]) -> None:
    for which in ("set5", "set14"):
        small = list(pictures(f"sr-{which}.zip", lambda n: "SRF_4" in n and "_LR" in n).values())
        large = list(pictures(f"sr-{which}.zip", lambda n: "SRF_4" in n and "_HR" in n).values())
        tables.head(f"{which}, x4", "PSNR on Y", "SSIM on Y", "perceptual distance",
                    how=f"the set's own small pictures; 4 pixels of border left out; 8 bits; {FAR}")  # fmt: skip
        for name, method in {"bicubic": lambda x: enlarged(x, 4).clamp(-1, 1), **models}.items():
            made = [rounded(method(x)) for x in small]
            scores = [torch.stack([measure(a, b, channel="y", crop=4).mean() for a, b in zip(made, large, strict=True)])
                      for measure in (psnr, ssim)]  # fmt: skip
            far = [perceptual_distance(a, b, network=JUDGE).item() for a, b in zip(made, large, strict=True)]
            tables.row(name, scores[0].mean().item(), scores[1].mean().item(), sum(far) / len(far), digits=4)
            if which == "set5":
                sheet.setdefault("enlarging", []).extend(images.fit(x, 256, 256) for x in made[:4])


def noisy(picture: Tensor, deviation: float) -> Tensor:
    grain = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return rounded((picture + grain * deviation / 127.5).clamp(-1, 1))


def saved(picture: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    images.to_pil(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return images.load_image(file.getvalue())


def found(tables: Tables, models: dict[str, Method], sheet: dict[str, list[Tensor]]) -> None:
    real = list(pictures("kodak8.zip").values())
    small = [images.resize(blurred(x, torch.ones(1)), [side // 4 for side in x.shape[2:]]).clamp(-1, 1) for x in real]
    small = [saved(noisy(x, 6), 60) for x in small]
    tables.head("kodak8, as found, x4", "PSNR", "SSIM", "perceptual distance", how=f"eight photos, RGB, 8 bits; {FAR}")
    sheet["found"] = [images.fit(x, 512, 768) for x in real[:3]]
    for name, method in {"bicubic": lambda x: enlarged(x, 4).clamp(-1, 1), **models}.items():
        made = [rounded(method(x)) for x in small]
        scores = [sum(f(a, b).item() for a, b in zip(made, real, strict=True)) / len(real) for f in (psnr, ssim)]
        far = sum(perceptual_distance(a, b, network=JUDGE).item() for a, b in zip(made, real, strict=True))
        tables.row(name, *scores, far / len(real), digits=4)
        sheet["found"].extend(images.fit(x, 512, 768) for x in made[:3])


def mending(tables: Tables, models: dict[str, Method], sheet: dict[str, list[Tensor]]) -> None:
    def means(strength: int) -> Method:
        return lambda x: tensor(cv2.fastNlMeansDenoisingColored(array(x), None, strength, strength, 7, 21))

    real = list(pictures("kodak8.zip").values())
    damages = {"noise 25": lambda x: noisy(x, 25), "JPEG 20": lambda x: saved(x, 20),
               "noise 25, then JPEG 20": lambda x: saved(noisy(x, 25), 20)}  # fmt: skip
    for damage, spoil in damages.items():
        given = [spoil(x) for x in real]
        tables.head(f"kodak8, {damage}", "PSNR", "SSIM", "perceptual distance", how=f"eight photos, RGB, 8 bits; {FAR}")
        best = max((3, 6, 10, 16, 24), key=lambda h: sum(psnr(means(h)(given[k]), real[k]).item() for k in (0, 1)))
        results = {"as given": given, f"fastNlMeans, strength {best}": [means(best)(x) for x in given]}
        results |= {name: [rounded(method(x)) for x in given] for name, method in models.items()}
        for name, made in results.items():
            scores = [sum(f(a, b).item() for a, b in zip(made, real, strict=True)) / len(real) for f in (psnr, ssim)]
            far = sum(perceptual_distance(a, b, network=JUDGE).item() for a, b in zip(made, real, strict=True))
            tables.row(name, *scores, far / len(real), digits=4)
            sheet.setdefault("mending", []).append(images.fit(made[0], 256, 384))


def colours(tables: Tables, models: dict[str, Method], sheet: dict[str, list[Tensor]], data: Path) -> None:
    real = list(pictures("kodak8.zip").values())
    with zipfile.ZipFile(data) as archive:  # what was trained with, small
        seen = [images.load_image(archive.read(n), max_side=64) for n in archive.namelist() if n.endswith(".jpg")]
    mean = torch.stack([to_lab(x)[:, 1:].mean((0, 2, 3)) for x in seen]).mean(0)[None, :, None, None]

    def grey(picture: Tensor) -> Tensor:
        lightness = to_lab(picture)[:, :1]
        return from_lab(torch.cat([lightness, torch.zeros_like(picture[:, :2])], 1))

    def one_colour(picture: Tensor) -> Tensor:
        return from_lab(torch.cat([to_lab(picture)[:, :1], mean.expand_as(picture[:, :2])], 1))

    methods = {"the photos themselves": None, "grey": lambda x: x, "mean a and b of the training pictures": one_colour}
    tables.head("kodak8, from grey", "distance in a and b", "colourfulness", "its distance to the photo's", how="eight "
                "photos; CIELAB; colourfulness after Hasler and Suesstrunk 2003")  # fmt: skip
    for name, method in {**methods, **models}.items():
        made = [x if method is None else rounded(method(rounded(grey(x)))) for x in real]
        gaps = [(to_lab(a)[:, 1:] - to_lab(b)[:, 1:]).mul(LAB_RANGE[1]).square().sum(1).sqrt().mean().item()
                for a, b in zip(made, real, strict=True)]  # fmt: skip
        lively = [colourfulness(x) for x in made]
        off = [abs(a - colourfulness(b)) for a, b in zip(lively, real, strict=True)]
        tables.row(name, *(sum(values) / len(real) for values in (gaps, lively, off)))
        if name != "mean a and b of the training pictures":
            sheet.setdefault("colours", []).extend(images.fit(x, 192, 288) for x in made)


def colourfulness(picture: Tensor) -> float:
    """Hasler and Suesstrunk 2003, M3."""
    red, green, blue = ((picture[0] + 1) * 127.5).flatten(1)
    first, second = red - green, (red + green) / 2 - blue
    deviation = (first.var(correction=0) + second.var(correction=0)).sqrt()
    return (deviation + 0.3 * (first.mean() ** 2 + second.mean() ** 2).sqrt()).item()


def holes(tables: Tables, models: dict[str, Filler], sheet: dict[str, list[Tensor]]) -> None:
    def classical(kind: int) -> Filler:
        return lambda x, mask: tensor(cv2.inpaint(array(x), ((mask[0, 0] > 0) * 255).byte().numpy(), 3, kind))

    methods = {"cv2.inpaint, Telea": classical(cv2.INPAINT_TELEA),
               "cv2.inpaint, Navier-Stokes": classical(cv2.INPAINT_NS), **models}  # fmt: skip
    real = [images.resize(x, tuple(side // 2 for side in x.shape[2:])) for x in pictures("kodak8.zip").values()]
    real = [rounded(x) for x in real]
    for share in (0.10, 0.25, 0.50):
        masks = [mask(x, share, 1_000_000 + 10_000 * k) for k, x in enumerate(real)]
        tables.head(f"kodak8, holes of {share:.0%}", "PSNR", "SSIM", "perceptual distance",
                    how=f"eight photos of 384 pixels, free-form holes, the whole picture in RGB; {FAR}")  # fmt: skip
        empty = [torch.where(hole > 0, torch.zeros_like(x), x) for x, hole in zip(real, masks, strict=True)]
        for name, method in methods.items():
            made = [rounded(method(x, hole)) for x, hole in zip(empty, masks, strict=True)]
            scores = [sum(f(a, b).item() for a, b in zip(made, real, strict=True)) / len(real) for f in (psnr, ssim)]
            far = sum(perceptual_distance(a, b, network=JUDGE).item() for a, b in zip(made, real, strict=True))
            tables.row(name, *scores, far / len(real), digits=4)
            sheet.setdefault("holes", []).extend(images.fit(x, 192, 288) for x in made[:4])


def mask(picture: Tensor, share: float, seed: int) -> Tensor:
    """The first hole, from a seed on, of about that share."""
    for first in range(seed, seed + 10_000, 16):
        drawn = free_form(torch.arange(first, first + 16), *picture.shape[2:], most=min(0.9, 1.4 * share))
        for one in drawn:
            if abs(one.mean() - share) < 0.02:
                return one[None] * 2 - 1
    raise SystemExit(f"No mask of {share:.0%} was found.")


def seconds(tables: Tables, models: dict[str, Method], turns: int) -> None:
    small = images.resize(next(iter(pictures("kodak8.zip").values())), (256, 256))
    methods: dict[str, Method] = {"bicubic": lambda x: enlarged(x, 4)}
    anime = SHARED / "weights" / "imports" / "realesrgan-x4plus-anime.pth"
    if anime.is_file():
        rrdb = open_upscaler(anime).to(memory_format=torch.channels_last)
        methods["RRDB of six blocks (Real-ESRGAN, anime)"] = rrdb.translate
    methods |= models
    best = dict.fromkeys(methods, float("inf"))
    for _ in range(turns):
        for name, method in methods.items():
            start = time.perf_counter()
            method(small)
            best[name] = min(best[name], time.perf_counter() - start)
    tables.head("256 to 1,024 pixels", "seconds", "times bicubic", how="two threads, best of the turns")
    for name, taken in best.items():
        tables.row(name, taken, taken / best["bicubic"], digits=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("enlarging", "found", "mending", "colours", "holes", "time")
    parser.add_argument("--only", nargs="*", choices=parts, default=parts)
    parser.add_argument("--models", nargs="*", help="names or folders; else all that are here")
    parser.add_argument("--training-data", type=Path, default=SHARED / "data" / "wallpapers.zip")
    parser.add_argument("--sheet", type=Path, help="a .png; one for each part is written beside it")
    parser.add_argument("--record", action="store_true", help="write the numbers, not the times, into cards")
    parser.add_argument("--self-ensemble", action="store_true", help="over eight positions as well")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    loaded = {Path(name).name: AutoModel.from_pretrained(name) for name in arguments.models or list_local()}
    loaded = {name: model.to(memory_format=torch.channels_last) for name, model in loaded.items()}
    translators = {name: model for name, model in loaded.items() if model.verb == "translator"}

    def those(chosen: Callable) -> dict[str, Method]:
        wanted = {name: model for name, model in translators.items() if chosen(model)}
        once = {name: lambda x, m=m: translating.translate(m, x) for name, m in wanted.items()}
        eight = {f"{name}, self-ensemble": lambda x, m=m: translating.translate(m, x, self_ensemble=True)
                 for name, m in wanted.items() if arguments.self_ensemble}  # fmt: skip
        return once | eight

    upscalers = those(lambda m: m.scale == 4)
    menders = those(lambda m: m.scale == 1 and m.architecture == "srgan")
    colourists = those(lambda m: getattr(m.config, "colours", "") == "lab")
    fillers = {name: lambda x, hole, m=m: translating.inpaint(m, x, hole) for name, m in loaded.items()
               if m.verb == "inpainter"}  # fmt: skip
    sheet: dict[str, list[Tensor]] = {}
    tables = Tables()
    with torch.no_grad():
        if "enlarging" in arguments.only:
            enlarging(tables, upscalers, sheet)
        if "found" in arguments.only:
            found(tables, upscalers, sheet)
        if "mending" in arguments.only:
            mending(tables, menders, sheet)
        if "colours" in arguments.only:
            colours(tables, colourists, sheet, arguments.training_data)
        if "holes" in arguments.only:
            holes(tables, fillers, sheet)
        if "time" in arguments.only:
            seconds(tables, upscalers, arguments.turns)
    for name, rows in sheet.items() if arguments.sheet else ():
        columns = {"enlarging": 4, "found": 3, "mending": 2 + len(menders), "colours": 8, "holes": 4}[name]
        target = arguments.sheet.with_name(f"{arguments.sheet.stem}-{name}{arguments.sheet.suffix}")
        images.save_grid(torch.cat(rows), target, columns=columns)
    for name in arguments.models or () if arguments.record else ():
        model = loaded[Path(name).name]
        for more in ("", ", self-ensemble"):
            for title, numbers in tables.found.get(Path(name).name + more, {}).items():
                if "seconds" not in numbers:
                    key = (title + more).replace(", ", "_").replace(" ", "_")
                    cards.record(name, key, numbers, model.card_facts())


if __name__ == "__main__":
    main()
