"""How many of 1,000 modes does each adversarial objective cover, on the same small generator? One command, one table.

    python benchmarks/stacked_mnist.py --mnist $GANHUB_SHARED/data/mnist-28.npz --out runs/stacked

Protocol (Srivastava et al. 2017, arXiv:1705.07761, section 3.3.1, as later papers use it): three digits stacked in the
colour channels make 1,000 modes. Every objective trains the generator and adversary of
training/recipes/stacked_mnist.toml from the same seed, on the same pictures in the same order, for as many of them.
26,000 samples of the averaged weights are read channel by channel by a small CNN trained on real digits
(benchmarks/classifiers.py); a mode is covered when one sample is read as it. KL is that of the samples' distribution
over modes from the uniform one, in nats (the data's own comes from 26,000 drawn triples, read by the same CNN). Runs
resume; finished ones are only measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from classifiers import classifier, pixels, predict, read  # noqa: E402

from training.stacked_mnist import stack  # noqa: E402

SAMPLES = 26_000
OBJECTIVES = {
    "minimax": {"name": "adversarial", "generator_loss": "minimax"},
    "non-saturating": {"name": "adversarial"},
    "non-saturating + lazy R1": {"name": "adversarial", "r1_gamma": 1.0, "r1_every": 4},
    "non-saturating + mode-seeking": {"name": "adversarial", "mode_seeking": 0.1},
    "wasserstein + gradient penalty": {"name": "wasserstein", "critic_turns": 5},
    "relativistic": {"name": "relativistic", "gamma": 0.0},
    "relativistic + R1 + R2": {"name": "relativistic", "gamma": 1.0},
}


def modes(net: torch.nn.Module, pictures: Tensor) -> Tensor:
    """The class 0 to 999 that the digit classifier reads in each picture, [N, 3, 28, 28] in [-1, 1]."""
    digits = [predict(net, pictures[:, channel : channel + 1]) for channel in range(3)]
    return digits[0] * 100 + digits[1] * 10 + digits[2]


def coverage(found: Tensor) -> tuple[int, float]:
    """Number of modes seen, and KL(seen || uniform) in nats."""
    share = torch.bincount(found, minlength=1000).double() / len(found)
    seen = share[share > 0]
    return len(seen), (seen * (seen * 1000).log()).sum().item()


def train(name: str, data: Path, out: Path, overrides: dict) -> Path:
    """Run (or resume) the recipe with one objective; returns the run's folder."""
    from ganhub.hub import cards
    from ganhub.trainer import Trainer, make_recipe

    tables = tomllib.loads((ROOT / "training/recipes/stacked_mnist.toml").read_text(encoding="utf-8"))
    tables["objective"] = OBJECTIVES[name]
    tables["data"]["path"] = str(data)
    tables["train"] |= overrides
    folder = out / name.replace(" + ", "-").replace(", ", "-").replace(" ", "-")
    done = cards.read_metrics(folder).get("training", {})
    if done.get("images_seen", 0) < overrides["images"] or done["seed"] != overrides["seed"]:
        Trainer(make_recipe(tables, name=f"stacked_mnist ({name})"), folder).run()
    return folder


def main() -> None:
    from ganhub import AutoModel

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/stacked"))
    parser.add_argument("--images", type=int, default=250_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/ganhub/classifiers")
    parser.add_argument("--only", nargs="*", help="names of objectives, of: " + "; ".join(OBJECTIVES))
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    data = arguments.out / "stacked-mnist-28.npz"
    with np.load(arguments.mnist, allow_pickle=False) as file:
        if not data.is_file():
            pictures, classes = stack(file["train_x"], file["train_y"], 60_000, 0)
            np.savez_compressed(data, train_x=pictures, train_y=classes)
        held, _ = stack(file["test_x"], file["test_y"], SAMPLES, 1)
    net = classifier(arguments.mnist, read(arguments.mnist), arguments.cache, None)
    rows = {"data (test digits)": (*coverage(modes(net, pixels(torch.from_numpy(held).permute(0, 3, 1, 2)))), 0, 0)}
    settings = {"images": arguments.images, "cooldown": arguments.images // 3, "seed": arguments.seed}
    for name in arguments.only or OBJECTIVES:
        folder = train(name, data, arguments.out, settings)
        model = AutoModel.from_pretrained(folder)
        found = torch.cat([modes(net, model.sample(1000, seed=s)) for s in range(0, SAMPLES, 1000)])
        run = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["training"]
        rows[name] = (*coverage(found), run["images_seen"], run["seconds"] / 60)
        print(f"{name}: {rows[name][0]} modes, KL {rows[name][1]:.3f}", flush=True)
    print("\n| objective | modes of 1,000 | KL | pictures seen | minutes |\n|---|---:|---:|---:|---:|")
    for name, (count, divergence, images, minutes) in rows.items():
        print(f"| {name} | {count} | {divergence:.3f} | {images:,} | {minutes:.0f} |")


if __name__ == "__main__":
    main()
