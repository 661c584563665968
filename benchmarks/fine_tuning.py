"""Is a quarter of an hour of fine-tuning worth more than a quarter of an hour from scratch? One table.

    python benchmarks/fine_tuning.py --init model_cards/stylegan2-landscapes --data monet-256.zip --out runs/monet

Protocol: both follow training/recipes/stylegan2_monet.toml for equally many pictures, ``--minutes`` at the rate in
benchmarks/art.py's OUT/rates.json (``--rate``), from the same seed, on the same pictures in the same order;
one starts from the weights of ``--init`` (adversary included), the other from random ones. A fifth of the pictures is
held out; distances as in benchmarks/art.py.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from art import distance, features, interval, samples  # noqa: E402

from ganhub.data import open_data  # noqa: E402
from ganhub.hub import cards  # noqa: E402
from ganhub.trainer import Trainer, make_recipe  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/fine-tuning"))
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--rate", type=float, required=True, help="images a second")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", choices=("fine-tuned", "from scratch"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    text = (ROOT / "training/recipes/stylegan2_monet.toml").read_text(encoding="utf-8")
    images = round(args.minutes * 60 * args.rate)
    runs = {}
    for seed in args.seeds:
        for name, init in (("from scratch", ""), ("fine-tuned", str(args.init))):
            if args.only not in (None, name):
                continue
            tables = tomllib.loads(text)
            tables["train"] |= {"init": init, "images": images, "seed": seed, "watch": False}
            tables["data"]["path"] = str(args.data)
            folder = args.out / f"{name.replace(' ', '-')}-{seed}"
            runs[name, seed] = folder
            done = cards.read_metrics(folder).get("training", {}).get("images_seen", 0) if folder.is_dir() else 0
            if done < images - tables["train"]["batch_size"]:
                Trainer(make_recipe(tables, name=folder.name), folder).run()
    config = replace(make_recipe(tables).data, flip=False)
    real = {}
    for part in ("holdout", "training"):
        pictures = open_data(replace(config, part=part), height=64, width=64, channels=3, labelled=False)
        real[part] = features(pictures.batch(0, len(pictures)).images)
    print(f"{images:,} pictures seen each. Distance between training and held-out pictures: "
          f"{interval(*distance(real['holdout'], real['training']))}\n")  # fmt: skip
    print("| run | seed | to held-out | to training |\n|---|---|---:|---:|")
    for (name, seed), folder in {("stylegan2-landscapes as it is", "-"): args.init, **runs}.items():
        made = features(samples(folder, None))
        to = {part: interval(*distance(real[part], made)) for part in real}
        print(f"| {name} | {seed} | {to['holdout']} | {to['training']} |", flush=True)


if __name__ == "__main__":
    main()
