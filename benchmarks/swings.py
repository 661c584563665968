"""How far are a run's weights of a step from the data, and how far is their average? The colours of each class say it.

    python benchmarks/swings.py training/recipes/stylegan2_avatars.toml avatars-64.npz RUN/checkpoints/000000056000.pt

Protocol: 2,000 pictures of the part kept out of training, and 2,000 samples (their classes, seeds 0 ..) of the weights
as they were at that step and of their running average; 2,000 more real pictures are what all are compared with. All
shrunk to 4 x 4 pixels; energy distance within each class, which grows with the square of a small shift; the mean of the
classes. The first row is what two sets of real pictures have. Live weights that are much further away swing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel  # noqa: E402
from ganhub.console import in_sentences  # noqa: E402
from ganhub.data import open_data  # noqa: E402
from ganhub.models import Model  # noqa: E402
from ganhub.objectives._colours import shrink  # noqa: E402
from ganhub.trainer import read_recipe  # noqa: E402

COUNT = 2000
BATCH = 100


def energy_distance(a: Tensor, b: Tensor) -> float:
    """Of two sets of vectors [N, D] and [M, D], without the bias of pairs of one and the same (Szekely and Rizzo)."""
    return (2 * torch.cdist(a, b).mean() - torch.pdist(a).mean() - torch.pdist(b).mean()).item()


def apart(a: Tensor, b: Tensor, classes_a: Tensor, classes_b: Tensor) -> float:
    """Energy distance of the colours of each class, the mean of the classes that both have twice."""
    a, b = shrink(a), shrink(b)
    classes = [c for c in classes_a.unique() if min((classes_a == c).sum(), (classes_b == c).sum()) > 1]
    return sum(energy_distance(a[classes_a == c], b[classes_b == c]) for c in classes) / len(classes)


def models_of(path: Path) -> dict[str, Model]:
    """The averaged and the live weights of a checkpoint."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    config = {k: v for k, v in state["fingerprint"]["model"].items() if not k.startswith("discriminator")}
    models = {}
    for name, key in (("averaged", "ema"), ("live", "model")):
        models[name] = AutoModel.from_config(config)
        models[name].load_state_dict({k: x for k, x in state[key].items() if k in models[name].state_dict()})
    return models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    arguments = parser.parse_args()
    recipe = read_recipe(arguments.recipe, [f"data.path={arguments.data}", "data.part=holdout", "data.captions="])
    c = models_of(arguments.checkpoints[0])["live"].config
    if not c.num_classes:
        sys.exit("Take a run with classes.")
    held = open_data(recipe.data, height=c.size[0], width=c.size[1], channels=c.channels, labelled=True)
    if len(held) < 2 * COUNT:
        sys.exit(f"The part kept out of training has {len(held)} pictures, and {2 * COUNT} are needed.")
    batch = held.batch(0, 2 * COUNT)
    (some, real), (asked, classes) = batch.images.split(COUNT), batch.labels.split(COUNT)
    print("| weights | colours of a class apart |\n|---|---|")
    print(f"| real pictures | {apart(some, real, asked, classes):.3f} |", flush=True)
    for path in arguments.checkpoints:
        for name, model in models_of(path).items():
            made = [model.sample(len(x), label=x, seed=i * BATCH) for i, x in enumerate(asked.split(BATCH))]
            distance = apart(torch.cat(made), real, asked, classes)
            print(f"| {path.parent.parent.name}, {path.stem}, {name} | {distance:.3f} |", flush=True)


if __name__ == "__main__":
    with in_sentences():
        main()
