"""Measure vgg-lite beside the network that it was distilled from, and write the figures into its Hub folder.

    GANHUB_SHARED=... python benchmarks/features.py

Relative feature error ||student - teacher|| / ||teacher|| per picture, averaged; Spearman's rank correlation between
student's and teacher's Gram distances over 200 pairs of pictures; time per picture. None of the pictures was trained
on: kodak8, style-paintings, the held-out tenth of monet-256 and of landscapes-288.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from ganhub import images
from ganhub.errors import DataError
from ganhub.hub import cards
from ganhub.losses.perceptual import gram, gram_distance
from ganhub.nn.features import FeatureNetwork, build_vgg19, load_vgg_lite
from ganhub.nn.vgg_lite import LAYERS

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from distill_vgg_lite import card_facts, held_out, load_teacher, read_zip  # noqa: E402

LONG_SIDE = 512


def read(shared: Path, name: str, keep=lambda name: True) -> list[Tensor]:
    """Return the pictures [1, 3, H, W] of a zip, no side longer than 512."""
    blobs = (blob for _, blob in read_zip(shared / "data" / f"{name}.zip", keep))
    return [images.load_image(blob, max_side=LONG_SIDE) for blob in blobs]


def feature_errors(student: FeatureNetwork, teacher, pictures: list[Tensor]) -> dict[str, float]:
    """Return {layer: mean over the pictures of ||student - teacher|| / ||teacher||}."""
    sums = dict.fromkeys(LAYERS, 0.0)
    for picture in pictures:
        mine, targets = student(picture, LAYERS), teacher(picture)
        for name, target in targets.items():
            sums[name] += ((mine[name] - target).norm() / target.norm()).item() / len(pictures)
    return sums


def ranks(values: Tensor) -> Tensor:
    """Return the rank of each value of [n], 0 for the least (no ties among measured distances)."""
    return values.argsort().argsort().double()


def spearman(first: Tensor, second: Tensor) -> float:
    """Return Spearman's rank correlation of two vectors [n]."""
    return torch.corrcoef(torch.stack([ranks(first), ranks(second)]))[0, 1].item()


def gram_spearman(student: FeatureNetwork, teacher, pictures: list[Tensor], pairs: int, seed: int) -> dict[str, float]:
    """Return Spearman per layer, and of the sum over layers of Gatys's E_l with equal weights."""
    grams = []  # per picture: (student's, teacher's) by layer
    for picture in pictures:
        square = images.fit(picture, 256, 256)
        mine, targets = student(square, LAYERS), teacher(square)
        grams.append(({n: gram(f) for n, f in mine.items()}, {n: gram(f) for n, f in targets.items()}))
    generator = torch.Generator().manual_seed(seed)
    every = torch.combinations(torch.arange(len(pictures)))
    chosen = every[torch.randperm(len(every), generator=generator)[:pairs]].tolist()
    distances = torch.tensor(
        [
            [[gram_distance(grams[a][who][n], grams[b][who][n]).item() for n in LAYERS] for a, b in chosen]
            for who in (0, 1)
        ],
        dtype=torch.float64,
    )  # [2, pairs, layers]
    result = {name: spearman(distances[0, :, i], distances[1, :, i]) for i, name in enumerate(LAYERS)}
    weights = torch.tensor([64.0, 128.0, 256.0, 512.0, 512.0], dtype=torch.float64) ** 2 / 4  # E_l of equation 4
    total = (distances * weights).sum(-1)
    return {**result, "summed": spearman(total[0], total[1])}


def milliseconds(network, picture: Tensor, repeats: int = 7) -> float:
    """Return the least of some timings: other work on the machine only ever adds."""
    network(picture)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        network(picture)
        times.append(time.perf_counter() - started)
    return 1000 * min(times)


@torch.inference_mode()
def measure(folder: Path, shared: Path, pairs: int, seed: int) -> dict[str, dict[str, object]]:
    """Return the groups of figures that go into metrics.json."""
    student = load_vgg_lite(folder)
    weights = shared / "weights" / "vgg19-16x"
    teacher = load_teacher(weights / "encoder5.pth")
    kodak = read(shared, "kodak8")
    paintings = read(shared, "style-paintings") + read(shared, "monet-256", held_out)
    paintings += read(shared, "landscapes-288", held_out)
    what = "mean of ||student - teacher|| / ||teacher||"
    shorter = load_teacher(weights / "encoder4.pth")  # the same authors' distillation of the same network, to relu4_1
    apart = feature_errors(lambda x, _: shorter(x), lambda x: first_four(teacher(x)), kodak)
    return {
        "relative_feature_error_kodak8": {
            **feature_errors(student, teacher, kodak),
            "protocol": f"{what}, {len(kodak)} photos, long side {LONG_SIDE}",
        },
        "relative_feature_error_paintings": {
            **feature_errors(student, teacher, paintings),
            "protocol": f"{what}, {len(paintings)} paintings that were not trained on",
        },
        "yardstick": {
            **{f"encoder4 {name}": value for name, value in apart.items() if name != "relu5_1"},
            "protocol": "relative difference of two teachers (vgg19-16x encoder4 and encoder5), kodak8",
        },
        "gram_spearman": {
            **gram_spearman(student, teacher, kodak + paintings, pairs, seed),
            "protocol": f"{pairs} pairs of kodak8 and the paintings, 256 x 256, seed {seed}",
        },
        "milliseconds": speeds(student, teacher),
    }


def first_four(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: features[name] for name in LAYERS[:4]}


def speeds(student: FeatureNetwork, teacher) -> dict[str, object]:
    """Return the time of one 512 x 512 picture, float32, one thread; VGG-19's own shape has random weights."""
    torch.set_num_threads(1)
    vgg19 = build_vgg19(random_vgg19())
    picture = torch.rand(1, 3, 512, 512) * 2 - 1
    return {
        "vgg-lite": milliseconds(lambda x: student(x, LAYERS), picture),
        "teacher": milliseconds(teacher, picture),
        "vgg19": milliseconds(lambda x: vgg19(x, LAYERS), picture, repeats=3),
        "protocol": "one 512 x 512 picture, relu1_1 .. relu5_1, float32, one CPU thread, least of a few",
    }


def random_vgg19() -> dict[str, Tensor]:
    """Return tensors of VGG-19's shape: speed does not depend on their values."""
    tensors: dict[str, Tensor] = {}
    channels, index = 3, 0
    for depth, width in ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)):
        for _ in range(depth):
            tensors[f"features.{index}.weight"] = torch.randn(width, channels, 3, 3) * (2 / (9 * channels)) ** 0.5
            tensors[f"features.{index}.bias"] = torch.zeros(width)
            channels, index = width, index + 2
        index += 1
    return tensors


def markdown(groups: dict[str, dict[str, object]]) -> str:
    """Return a table with a row per group and a column per layer."""
    columns = (*LAYERS, "summed")
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for group, values in groups.items():
        named = {name.split()[-1]: value for name, value in values.items()}
        if "relu1_1" in named:
            cells = (f"{named[c]:.3f}" if c in named else "" for c in columns)
            lines.append(f"| {group.replace('_', ' ')} | " + " | ".join(cells) + " |")
    speed = groups["milliseconds"]
    lines += ["", ", ".join(f"{k} {v:.0f} ms" for k, v in speed.items() if k != "protocol") + f" ({speed['protocol']})"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("model_cards/vgg-lite"))
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry-run", action="store_true", help="print, and leave metrics.json and the card alone")
    args = parser.parse_args()
    if "GANHUB_SHARED" not in os.environ:
        raise DataError("Set GANHUB_SHARED to the folder that holds data/ and weights/vgg19-16x/.")
    groups = measure(args.folder, Path(os.environ["GANHUB_SHARED"]), args.pairs, args.seed)
    print(markdown(groups))
    if args.dry_run:
        return
    path = args.folder / "metrics.json"
    old = json.loads(path.read_text()) if path.exists() else {}
    rounded = {
        group: {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
        for group, values in groups.items()
    }
    path.write_text(json.dumps({"training": old.get("training", {}), **rounded}, indent=2) + "\n")
    cards.write_card(args.folder, card_facts(load_vgg_lite(args.folder)))


if __name__ == "__main__":
    main()
