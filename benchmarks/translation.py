"""Translations measured on pictures that training never saw.

    GANHUB_SHARED=... python benchmarks/translation.py --pairs pix2pix-sketch2emoji --data openmoji-line2color-128.zip
    GANHUB_SHARED=... python benchmarks/translation.py --pairs pix2pix-noto2twemoji --data emoji-noto-64.zip \\
        --other emoji-twemoji-64.zip
    python benchmarks/translation.py --pairs pix2pix-portraits --holdout 0.1 --data portraits-128-lines.npz \\
        --other portraits-128.npz
    GANHUB_SHARED=... python benchmarks/translation.py --unpaired cyclegan-monet --photos photos-256.zip \\
        --paintings monet-256.zip

Pairs: the share that the recipe holds out. L1 is the mean absolute difference of colours, in 255ths, over the pixels
where sketch and drawing differ by more than 8; beside "copy the picture" and "paint the class mean", the mean drawing
of the training pairs of the same group (of all, where there are none). Kernel distance (efficientnet-lite0) between
what is made and the drawings. Canvas to picture: a drawing of 512 x 512, read from its file, translated, written, on
two threads.

Unpaired: photos that no model was trained with, translated, against the held-out paintings: kernel distances, and
content as the relative squared distance of vgg-lite's relu4_1 to the photo, beside that to another photo.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, images  # noqa: E402
from ganhub.apply import translating  # noqa: E402
from ganhub.data import DataConfig, Pictures, open_data  # noqa: E402
from ganhub.hub import cards  # noqa: E402
from ganhub.losses.perceptual import content_distance  # noqa: E402
from ganhub.metrics import extractor, kernel_distance  # noqa: E402
from ganhub.models import Translator  # noqa: E402
from ganhub.nn.features import feature_network  # noqa: E402

DIFFER = 8 / 127.5


def shared(name: str) -> str:
    """A path, or a name in the shared folder."""
    return name if Path(name).exists() else str(Path(os.environ["GANHUB_SHARED"]) / "data" / name)


def all_of(pictures: Pictures) -> tuple[Tensor, Tensor | None]:
    """Every picture of a collection once, and the other side of each; in a fixed order."""
    batch = pictures.batch(0, len(pictures))
    return batch.images, None if batch.other is None else batch.other.images


@torch.no_grad()
def translated(model: Translator, pictures: Tensor) -> Tensor:
    return torch.cat([model.translate(x) for x in pictures.split(16)])


def distance(made: Tensor, real: Tensor) -> str:
    network = extractor("efficientnet-lite0")
    first, second = (torch.cat([network(part) for part in x.split(32)]) for x in (real, made))
    estimate = kernel_distance(first, second)
    return f"{estimate.value:.4f} ± {estimate.error:.4f}"


def pairs(name: str, data: str, other: str | None, holdout: float, sheet: Path | None, record: bool) -> None:
    given, wanted = ({"only": "line/*"}, {"path": data, "only": "color/*"}) if other is None else ({}, {"path": other})
    model = AutoModel.from_pretrained(name).to(memory_format=torch.channels_last)
    sides = {}
    for part in ("training", "holdout"):
        own = {"labels": "file"} if zipfile.is_zipfile(data) and not data.endswith(".npz") else {}
        config = DataConfig(path=data, holdout=holdout, part=part, pairing="name", other=wanted, **own, **given)
        size = model.config.image_size
        pictures = open_data(config, height=size, width=size, channels=3, labelled=bool(own))
        batch = pictures.batch(0, len(pictures))
        names = [pictures.class_names[label] for label in batch.labels.tolist()] if own else [""] * len(pictures)
        sides[part] = batch.images, batch.other.images, groups_of(data, names) if own else names
    members = defaultdict(list)
    for colour, group in zip(sides["training"][1], sides["training"][2], strict=True):
        members[group].append(colour)
    means = {group: torch.stack(drawings).mean(0) for group, drawings in members.items()}
    line, colour, groups = sides["holdout"]
    there = ((line - colour).abs().amax(1, keepdim=True) > DIFFER).expand_as(line)
    rows = {"copy the picture": line, "paint the class mean": torch.stack([means[group] for group in groups]),
            name: translated(model, line)}  # fmt: skip
    print(f"\n| {len(line)} held-out pairs | L1, of 255 | kernel distance |\n|---|---|---|")
    for label, made in rows.items():
        error = (made - colour).abs()[there].mean().item() * 127.5
        far = distance(made, colour) if len(made.unique(dim=0)) > 1 else "always one picture"
        print(f"| {label} | {error:.2f} | {far} |", flush=True)
    if record and not far.startswith("always"):
        how = (f"{len(line)} pairs kept out of training; L1 of 255 over the pixels where the two differ; "
               "kernel distance by efficientnet-lite0")  # fmt: skip
        numbers = {"l1": round(error, 2), "kernel_distance": float(far.split()[0]), "protocol": how}
        cards.record(name, "held-out_pairs", numbers, model.card_facts())
    if sheet:
        images.save_grid(torch.stack([line[:24], rows[name][:24], colour[:24]], 1).flatten(0, 1), sheet, columns=12)
    print(f"\ncanvas to picture: {canvas(model, line[0]) * 1000:.0f} ms")


def groups_of(data: str, names: list[str]) -> list[str]:
    """The category of each picture of a zip, by its metadata.csv."""
    with zipfile.ZipFile(data) as archive:
        rows = csv.DictReader(io.StringIO(archive.read("metadata.csv").decode()))
        groups = {Path(row["file_name"]).stem: row["label"] for row in rows}
    return [groups[Path(name).stem] for name in names]


def canvas(model: Translator, drawing: Tensor) -> float:
    """Best seconds of twenty, from file to file."""
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder, "canvas.png"), []
        images.save_image(images.resize(drawing[None], (512, 512)), given)
        for _ in range(20):
            start = time.perf_counter()
            images.save_image(translating.translate(model, images.load_image(given)), Path(folder, "made.png"))
            taken.append(time.perf_counter() - start)
    return min(taken)


def unpaired(name: str, photos: str, paintings: str, holdout: float, count: int, sheet: Path | None,
             record: bool) -> None:  # fmt: skip
    model, side = AutoModel.from_pretrained(name).to(memory_format=torch.channels_last), 128
    real, _ = all_of(open_data(DataConfig(path=photos, limit=count), height=side, width=side, channels=3,
                               labelled=False))  # fmt: skip
    wanted, _ = all_of(open_data(DataConfig(path=paintings, holdout=holdout, part="holdout" if holdout else "training"),
                                 height=side, width=side, channels=3, labelled=False))  # fmt: skip
    made, network = translated(model, real), feature_network("vgg-lite")

    @torch.no_grad()
    def far(first: Tensor, second: Tensor) -> float:
        a, b = (torch.cat([network(part, ("relu4_1",))["relu4_1"] for part in x.split(32)]) for x in (first, second))
        return (content_distance(a, b) / b.square().mean((1, 2, 3))).mean().item()

    print(f"\n| {len(real)} photos, {len(wanted)} paintings | kernel distance to the paintings | content: distance to "
          "the photo |\n|---|---|---|")  # fmt: skip
    for label, pictures in {"the photos": real, "other photos": real.roll(1, 0), name: made}.items():
        near, content = distance(pictures, wanted), far(pictures, real)
        print(f"| {label} | {near} | {content:.3f} |", flush=True)
    if record:
        how = (f"{len(real)} photos that were not trained with, against {len(wanted)} paintings kept out of training; "
               "kernel distance by efficientnet-lite0; content by vgg-lite, relative")  # fmt: skip
        numbers = {"kernel_distance": float(near.split()[0]), "content_distance": round(content, 3), "protocol": how}
        cards.record(name, "held-out_photos", numbers, model.card_facts())
    if sheet:
        images.save_grid(torch.stack([real[:32], made[:32]], 1).flatten(0, 1), sheet, columns=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", help="a model that was trained on pairs")
    parser.add_argument("--data", default="openmoji-line2color-128.zip", help="with folders line and color, or "
                        "--other has the drawings")  # fmt: skip
    parser.add_argument("--other", help="drawings of the same names as the pictures in --data")
    parser.add_argument("--unpaired", help="a model that was trained on two collections")
    parser.add_argument("--photos", default="photos-256.zip")
    parser.add_argument("--paintings", default="monet-256.zip")
    parser.add_argument("--holdout", type=float, default=0.15, help="the recipe's data.holdout (0.2 for paintings)")
    parser.add_argument("--count", type=int, default=400, help="photos")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--record", action="store_true", help="write the numbers into the card")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.pairs:
        pairs(arguments.pairs, shared(arguments.data), arguments.other and shared(arguments.other), arguments.holdout,
              arguments.sheet, arguments.record)  # fmt: skip
    if arguments.unpaired:
        unpaired(arguments.unpaired, shared(arguments.photos), shared(arguments.paintings), arguments.holdout,
                 arguments.count, arguments.sheet, arguments.record)  # fmt: skip


if __name__ == "__main__":
    main()
