"""Which art generator is nearest to pictures it never saw, after the same time on the same two cores? One table.

    python benchmarks/art.py --data landscapes=$GANHUB_SHARED/data/landscapes-288.zip \\
        emoji=$GANHUB_SHARED/data/emoji-noto-64.zip --out runs/art

Protocol: 64 px; a fifth of the pictures is kept out of training. The budget is a time, ``--minutes`` on this machine
with nothing else running. So that a run may be broken off, resumed, or share the machine, the time is turned into
pictures first: every contender trains for bursts of a few seconds in turns (``--rates``, once, at rest; the rates are
kept in OUT/rates.json), and its budget is its rate times the time. Then each trains for its budget from ``--seeds``,
with a cooldown over the last quarter where its recipe has one, and 1,000 samples of the averaged weights (seeds 0 to
999; classes in the proportions of the training pictures) are compared with the held-out and with the training pictures
by kernel distance in the features of efficientnet-lite0, a network that no contender trained with. Intervals: 95 % of
200 random halves of both sides (delete-half jackknife). Runs resume; finished ones are only measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel  # noqa: E402
from ganhub.data import open_data  # noqa: E402
from ganhub.hub import cards  # noqa: E402
from ganhub.metrics import extractor  # noqa: E402
from ganhub.metrics.distances import kernel_distance  # noqa: E402
from ganhub.trainer import Trainer, make_recipe  # noqa: E402

SAMPLES, HALVES = 1000, 200
HELD = 0.2
DATA = {
    "landscapes": {"crop": "random", "zoom": 1.15, "flip": True},
    "emoji": {"crop": "centre", "zoom": 1.0, "flip": False, "labels": "label", "smallest_class": 20},
}
PAPERS = {"learning_rate": 2e-3, "batch_size": 32}  # Karras et al. 2020
# Name: recipe, and what is put in place of its [objective], and into its [train].
CONTENDERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dcgan": ("dcgan_landscapes", {}, {}),
    "stylegan2, non-saturating + R1": (
        "stylegan2_landscapes", {"name": "stylegan2", "r1_gamma": 0.1, "path_weight": 0.0}, PAPERS),
    "stylegan2, with path length and ADA": (
        "stylegan2_landscapes", {"name": "stylegan2", "r1_gamma": 0.1, "augment": "ada:50000"}, PAPERS),
    "stylegan2, relativistic + R1 + R2": (
        "stylegan2_landscapes",
        {"name": "relativistic", "gamma": 0.1, "penalty_every": 4, "augment": "colour,translation,cutout"}, PAPERS),
    "stylegan2, projected": ("stylegan2_landscapes", {}, {}),
    "fastgan": ("fastgan_landscapes", {}, {}),
    "fastgan, projected": ("fastgan_landscapes", {"name": "projected", "width": 32}, {}),
}  # fmt: skip


def tables_of(name: str, data: str, path: Path, seed: int) -> dict[str, Any]:
    """The recipe of a contender on a data set."""
    recipe, objective, train = CONTENDERS[name]
    tables = tomllib.loads((ROOT / f"training/recipes/{recipe}.toml").read_text(encoding="utf-8"))
    tables["objective"] = objective or tables["objective"]
    tables["data"] = {"path": str(path), "holdout": HELD, **DATA[data]}
    tables["train"] |= {**train, "seed": seed, "watch": False}
    if data == "emoji" and tables["model"]["architecture"] == "stylegan2":
        tables["model"]["num_classes"] = 9
    return tables


def folder_of(out: Path, name: str, data: str, seed: int) -> Path:
    """Where a run lies."""
    words = "".join(c if c.isalnum() else " " for c in name).split()
    return out / f"{data}-{'-'.join(words)}-{seed}"


def rates(names: list[str], data: str, path: Path, seconds: float, turns: int) -> dict[str, float]:
    """Images a second of each contender, trained in turns; the best turn counts."""
    trainers = {}
    for name in names:
        recipe = make_recipe(tables_of(name, data, path, 0), name=name)
        trainers[name] = Trainer(recipe, Path("unused"), quiet=True)
    best = dict.fromkeys(names, 0.0)
    for turn in range(turns + 1):
        for name, trainer in trainers.items():
            seen, started = trainer.images_seen, time.perf_counter()
            while time.perf_counter() - started < (seconds if turn else 1):
                for _ in range(16):  # lazy penalties come every 4th or 16th step: whole rounds of them
                    trainer._step()
            if turn:
                best[name] = max(best[name], (trainer.images_seen - seen) / (time.perf_counter() - started))
    return best


def train(name: str, data: str, path: Path, seed: int, images: int, out: Path) -> Path:
    """Run or resume a contender; returns its folder."""
    tables, folder = tables_of(name, data, path, seed), folder_of(out, name, data, seed)
    tables["train"] |= {"images": images, "checkpoint_every": 10_000, "grid_every": 10_000}
    if tables["train"].get("cooldown"):
        tables["train"]["cooldown"] = images // 4
    done = cards.read_metrics(folder).get("training", {}).get("images_seen", 0) if folder.is_dir() else 0
    if done < images - tables["train"]["batch_size"]:
        Trainer(make_recipe(tables, name=folder.name), folder).run()
    return folder


def features(pictures: Tensor) -> Tensor:
    """[N, C, H, W] -> efficientnet-lite0's features [N, D]."""
    network = extractor("efficientnet-lite0")
    return torch.cat([network(part) for part in pictures.split(64)])


def samples(folder: Path, proportions: Tensor | None) -> Tensor:
    """SAMPLES pictures of a run, seeds from 0."""
    model = AutoModel.from_pretrained(folder)
    if not model.config.num_classes:
        return model.sample(SAMPLES, seed=0)
    generator = torch.Generator().manual_seed(0)
    labels = torch.multinomial(proportions, SAMPLES, replacement=True, generator=generator)
    return model.sample(SAMPLES, seed=0, label=labels)


def distance(real: Tensor, made: Tensor) -> tuple[float, list[float]]:
    """Kernel distance, and that of HALVES halves of both sides."""
    generator, halves = torch.Generator().manual_seed(0), []
    for _ in range(HALVES):
        r, m = (torch.randperm(len(x), generator=generator)[: len(x) // 2] for x in (real, made))
        halves.append(kernel_distance(real[r], made[m]).value)
    return kernel_distance(real, made).value, halves


def interval(value: float, halves: list[float]) -> str:
    """Value and 95 % interval."""
    spread = torch.tensor(halves, dtype=torch.float64).sub(value).abs().quantile(0.95).item()
    return f"{value:.4f} ± {spread:.4f}"


def report(data: str, path: Path, runs: dict[tuple[str, int], Path]) -> None:
    """Print the table of one data set."""
    tables = tables_of("stylegan2, projected", data, path, 0)
    config = make_recipe(tables).data
    labelled = data == "emoji"
    shape = {"height": 64, "width": 64, "channels": 3, "labelled": labelled}
    plain = replace(config, flip=False)
    parts = {part: open_data(replace(plain, part=part), **shape) for part in ("holdout", "training")}
    batches = {part: pictures.batch(0, len(pictures)) for part, pictures in parts.items()}
    real = {part: features(batch.images) for part, batch in batches.items()}
    proportions = torch.bincount(batches["training"].labels).float() if labelled else None
    floor = distance(real["holdout"], real["training"])
    print(f"\n{data}: {len(real['training'])} training and {len(real['holdout'])} held-out pictures; distance between "
          f"the two: {interval(*floor)}\n")  # fmt: skip
    print("| contender | seed | pictures seen | to held-out | to training | of dcgan's |")
    print("|---|---|---:|---:|---:|---:|")
    reference: float | None = None
    for (name, seed), folder in runs.items():
        made = features(samples(folder, proportions))
        held, train_ = distance(real["holdout"], made), distance(real["training"], made)
        reference = held[0] if name == "dcgan" and reference is None else reference
        seen = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["training"]["images_seen"]
        share = f"{held[0] / reference:.2f}" if reference else "-"
        print(f"| {name} | {seed} | {seen:,} | {interval(*held)} | {interval(*train_)} | {share} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="NAME=PATH, of " + ", ".join(DATA))
    parser.add_argument("--out", type=Path, default=Path("runs/art"))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--rates", action="store_true", help="measure the rates now, at rest, and stop")
    parser.add_argument("--seconds", type=float, default=8, help="of a burst of --rates")
    parser.add_argument("--turns", type=int, default=3, help="bursts of each contender")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = {name: Path(path) for name, path in (pair.split("=", 1) for pair in arguments.data)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "rates.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if missing := arguments.only if arguments.rates else [name for name in arguments.only if name not in known]:
        known |= rates(missing, *next(iter(data.items())), arguments.seconds, arguments.turns)
        kept.write_text(json.dumps(known, indent=1), encoding="utf-8")
    for name in arguments.only:
        budget = known[name] * arguments.minutes * 60
        print(f"{name}: {known[name]:.1f} images/s, {budget:,.0f} in the budget", flush=True)
    if arguments.rates:
        return
    for each, path in data.items():
        runs = {}
        for seed in arguments.seeds:
            for name in arguments.only:
                images = round(known[name] * arguments.minutes * 60)
                runs[name, seed] = train(name, each, path, seed, images, arguments.out)
        report(each, path, runs)


if __name__ == "__main__":
    main()
