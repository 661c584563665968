"""Do pictures made by a GAN, or by restyling, help a classifier that has only 20 real ones of each class?

    python benchmarks/augmentation.py --glyphs $GANHUB_SHARED/data/glyphs-32.npz \\
        --emoji $GANHUB_SHARED/data/emoji-noto-64.zip --out runs/augmentation

Protocol. A seed draws 20 real pictures of each class; the test pictures are the same for every seed and touched by
nothing: every fifth font of the glyphs (62 classes), a fifth of the emoji (nine categories, on white). All at 32 px,
grey glyphs and coloured emoji. The arms:

    none        the 20 pictures
    flips       the same, each time mirrored with probability 1/2 and cropped at random after padding by an eighth
    generator   20 + 60 samples of a conditional GAN that was trained on these 20 a class and nothing else, uncurated
    style       20 + 60 restylings of these 20
    both        20 + 60 + 60

Made pictures come from the functions of ``ganhub augment``. In every arm the same small CNN takes the same number of
steps, with batches drawn from all of the arm's pictures alike and no other augmentation; a seed has one initialisation
for all arms. Reported: the mean test accuracy over the seeds, and the mean difference to "none" of the same seed, both
with 95 % intervals (Student's t over the seeds).

Everything is kept in --out and resumes: run some --seeds or --arms now and others later; the table shows what is there.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, augment, images  # noqa: E402
from ganhub.data import open_data  # noqa: E402
from ganhub.files import write_atomically  # noqa: E402
from ganhub.hub import cards  # noqa: E402
from ganhub.nn.precision import has_bf16  # noqa: E402
from ganhub.trainer import make_recipe  # noqa: E402

SIDE = 32  # pixels
REAL, MADE = 20, 60  # pictures of a class
STEPS, BATCH = 1000, 64
BUDGET = {"glyphs": 80_000, "emoji": 40_000}  # pictures that the GAN sees
ARMS = ("none", "flips", "generator", "style", "both")
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # 97.5 % quantiles, 1 to 9 degrees
Pair = tuple[Tensor, Tensor]  # uint8 pictures [N, C, H, W] and labels [N]


class Classifier(nn.Module):
    """Four convolutions with batch normalisation: [N, C, 32, 32] in [-1, 1] -> logits [N, classes]."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()

        def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
            conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

        self.body = nn.Sequential(
            block(channels, 16, 5, 2), block(16, 32), nn.MaxPool2d(2), block(32, 64), nn.MaxPool2d(2), block(64, 128)
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * (SIDE // 8) ** 2, classes))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.body(pictures)).float()


def read(data: str, path: Path) -> tuple[list[str], Pair, Pair]:
    """Class names (fit for folders), pictures to draw from, test pictures."""
    if data == "glyphs":
        with np.load(path, allow_pickle=False) as file:
            x, y = torch.from_numpy(file["x"])[:, None], torch.from_numpy(file["y"].astype(np.int64))
            order = np.argsort(np.argsort(file["fonts"]))  # font index -> its place in name order
            test = torch.from_numpy(order[file["font"]] % 5 == 4)
            names = [f"u{ord(str(c)):04x}" for c in file["chars"]]  # "a" and "A" are one folder to some systems
        return names, (x[~test], y[~test]), (x[test], y[test])
    parts = []
    for part in ("training", "holdout"):
        table = {"path": str(path), "labels": "label", "smallest_class": REAL, "holdout": 0.2, "part": part}
        pictures = open_data(make_recipe({"data": table}).data, height=SIDE, width=SIDE, channels=3, labelled=True)
        batch = pictures.batch(0, len(pictures))
        parts.append((images.to_uint8(batch.images), batch.labels))
    return list(pictures.class_names), *parts


def draw(names: list[str], pool: Pair, seed: int, folder: Path) -> augment.Labelled:
    """Write the seed's real pictures into class folders and read them as the command does."""
    x, y = pool
    random = np.random.default_rng(seed)
    for index, name in enumerate(names):
        for row in random.permutation(np.flatnonzero(y.numpy() == index))[:REAL]:
            if not (target := folder / name / f"{row:05d}.png").is_file():
                images.save_image(images.from_uint8(x[row]), target)
    labelled = augment.read_labelled(folder)
    if any(len(pictures) != REAL for pictures in labelled.classes.values()):
        raise SystemExit(f"{folder} should hold {REAL} pictures of each class: remove it and start again.")
    return labelled


def grow(arm: str, labelled: augment.Labelled, here: Path, data: str, seed: int, painter: str) -> list[Path]:
    """Make the pictures of an arm, or find them there."""
    wanted, out = dict.fromkeys(labelled.classes, MADE), here / arm
    if arm == "generator":
        plan = augment.plan_samples(labelled, wanted, seed * 1_000_000)
        augment.begin(labelled, out, {"by": arm, "seed": seed, "images": BUDGET[data]}, plan)
        side, shape = augment.generator_size(labelled)
        recipe = augment.generator_recipe(labelled, images_seen=BUDGET[data], seed=seed, side=side)
        run = augment.train_generator(labelled, here / "generator-run", recipe=recipe)
        augment.sample_into(AutoModel.from_pretrained(run), out, plan, shape)
    else:
        model = AutoModel.from_pretrained(painter)
        plan = augment.plan_restyled(labelled, wanted, model.style_names, seed * 1_000_000, 1.0)
        augment.begin(labelled, out, {"by": arm, "seed": seed, "model": painter}, plan)
        augment.restyle_into(model, out, plan, labelled, {name: name for name in model.style_names})
    return [out / new.name for new in plan]


def load(paths: list[Path], names: list[str], channels: int) -> Pair:
    """Pictures of class folders."""
    pictures = torch.cat([images.to_uint8(images.load_image(path, channels=channels)) for path in paths])
    return pictures, torch.tensor([names.index(path.parent.name) for path in paths])


def flips_and_crops(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of them; pad by an eighth of the side with what is at the rim, and crop anywhere."""
    n, _, side, _ = pictures.shape
    reach = side // 8
    pictures = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.5, pictures.flip(3), pictures)
    padded = F.pad(pictures, (reach,) * 4, mode="replicate")
    corners = torch.randint(2 * reach + 1, (n, 2), generator=generator).tolist()
    return torch.stack([p[:, t : t + side, left : left + side] for p, (t, left) in zip(padded, corners, strict=True)])


def accuracy(real: Pair, test: Pair, classes: int, seed: int, flips: bool) -> float:
    """Train the classifier on ``real``; its share of right answers on ``test``."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = real
    net = Classifier(x.shape[1], classes).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=STEPS, pct_start=0.2)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        pictures = images.from_uint8(x[rows])
        pictures = flips_and_crops(pictures, generator) if flips else pictures
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16(torch.device("cpu"))):
            loss = F.cross_entropy(net(pictures.to(memory_format=torch.channels_last)), y[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()
    with torch.inference_mode():
        read = torch.cat([net(images.from_uint8(part)).argmax(1) for part in test[0].split(500)])
    return (read == test[1]).double().mean().item()


def measure(data: str, path: Path, seed: int, arms: list[str], out: Path, painter: str) -> None:
    """The arms of one seed that are not in its results.json yet."""
    here = out / f"{data}-{seed}"
    kept = here / "results.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if not (missing := [arm for arm in arms if arm not in known]):
        return
    names, pool, test = read(data, path)
    labelled, channels = draw(names, pool, seed, here / "real"), pool[0].shape[1]
    parts = {"real": load([one.path for one in labelled.originals], names, channels)}
    for arm in missing:
        sources = {"generator": ["generator"], "style": ["style"], "both": ["generator", "style"]}.get(arm, [])
        for source in sources:
            if source not in parts:
                parts[source] = load(grow(source, labelled, here, data, seed, painter), names, channels)
        x, y = (torch.cat(both) for both in zip(*(parts[name] for name in ("real", *sources)), strict=True))
        started = time.time()
        known[arm] = accuracy((x, y), test, len(names), seed, arm == "flips")
        known["test"] = len(test[1])
        text = json.dumps(known, indent=1)
        write_atomically(kept, lambda place, text=text: place.write_text(text, encoding="utf-8"))
        print(f"{data}, seed {seed}, {arm}: {known[arm]:.4f} of {len(x):,} pictures ({time.time() - started:.0f} s)",
              flush=True)  # fmt: skip


def interval(values: list[float], sign: str = "") -> str:
    """Mean and half-width of the 95 % interval, in per cent."""
    mean = f"{statistics.mean(values) * 100:{sign}.1f}"
    if len(values) < 2:
        return f"{mean} (one seed)"
    half = STUDENT[min(len(values), 10) - 2] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean} ± {half * 100:.1f}"


def report(data: str, out: Path) -> None:
    """Print the table of what is there."""
    folders = sorted(out.glob(f"{data}-*/results.json"))
    found = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in folders}
    found = {name: result for name, result in found.items() if "none" in result}
    if not found:
        return
    runs = [cards.read_metrics(out / name / "generator-run").get("training", {}) for name in found]
    seconds = [run["seconds"] for run in runs if run]
    cost = f"; the GAN: {statistics.mean(seconds):.0f} s a seed on this machine" if seconds else ""
    tested = next(iter(found.values()))["test"]
    print(f"\n{data}: {tested:,} test pictures, {REAL} real ones a class; GAN of {BUDGET[data]:,} pictures{cost}\n")
    print("| trained on | n | test accuracy, % | difference to none |\n|---|---:|---:|---:|")
    for arm in ARMS:
        rows = [result for result in found.values() if arm in result]
        if rows:
            difference = interval([row[arm] - row["none"] for row in rows], "+") if arm != "none" else ""
            print(f"| {arm} | {len(rows)} | {interval([row[arm] for row in rows])} | {difference} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glyphs", type=Path, help="glyphs-32.npz")
    parser.add_argument("--emoji", type=Path, help="emoji-noto-64.zip")
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4], help="none: only print the table")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--painter", default="fast-style", help="a stylizer that knows styles by name")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    given = {data: path for data in BUDGET if (path := getattr(arguments, data))}
    for seed in arguments.seeds:
        for data, path in given.items():
            measure(data, path, seed, arguments.arms, arguments.out, arguments.painter)
    for data in BUDGET:
        report(data, arguments.out)


if __name__ == "__main__":
    main()
