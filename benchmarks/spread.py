"""How varied are a generator's pictures, beside the pictures it learned from? A first, cheap look at collapse.

    python benchmarks/spread.py runs/dcgan-landscapes training/recipes/dcgan_landscapes.toml PICTURES --json

Protocol: n made pictures (seeds 0 to n - 1, truncation 1) and n pictures of the recipe's data, prepared as the recipe
says. Spread is the mean Euclidean distance between two different pictures of a set, in pixels in [-1, 1]; the ratio
made/data is 1 for a generator as varied as its data and 0 for one that draws a single picture. "Nearest" is the mean
distance of a made picture to the nearest of those data pictures, over the same mean for one half of the data against
the other half: far below 1 hints at copies.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ganhub import AutoModel
from ganhub.data import open_data
from ganhub.hub import cards
from ganhub.trainer import read_recipe


def spread(images: Tensor) -> float:
    """Mean distance between two different rows of [N, ...]."""
    distances = torch.cdist(images.flatten(1), images.flatten(1))
    return (distances.sum() / (len(images) * (len(images) - 1))).item()


def nearest(images: Tensor, among: Tensor) -> float:
    """Mean distance of each image to the nearest of ``among``."""
    return torch.cdist(images.flatten(1), among.flatten(1)).amin(1).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("recipe")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="merge into MODEL/metrics.json")
    arguments = parser.parse_args()

    model = AutoModel.from_pretrained(arguments.model)
    c, recipe = model.config, read_recipe(arguments.recipe, [f"data.path={arguments.data}"])
    pictures = open_data(recipe.data, height=c.image_size, width=c.image_size, channels=c.channels, labelled=False)
    n = min(arguments.n, len(pictures))
    real, made = pictures.batch(0, n).images, model.sample(n, seed=0)
    half = n // 2
    numbers = {
        "made_over_data": round(spread(made) / spread(real), 3),
        "nearest_over_data": round(nearest(made[:half], real[:half]) / nearest(real[half:], real[:half]), 3),
        "n": n,
        "protocol": f"mean pixel distance, {n} seeds from 0, {n} pictures of the training data (benchmarks/spread.py)",
    }
    print(f"| {Path(arguments.model).name} | {numbers['made_over_data']} | {numbers['nearest_over_data']} | {n} |")
    if arguments.json:
        cards.record(arguments.model, "spread", numbers, model.card_facts())


if __name__ == "__main__":
    main()
