"""How good are the show-pieces? One table, each figure beside the real pictures' own.

    python benchmarks/showpieces.py model_cards/stylegan2-heroes training/recipes/stylegan2_heroes.toml heroes-32.npz
    python benchmarks/showpieces.py model_cards/stylegan2-avatars training/recipes/stylegan2_avatars.toml \\
        avatars-64.npz --captions avatars-64-captions.zip

Protocol: 5,000 samples, seeds 0 to 4,999, truncation 1, classes in the proportions of the held-out pictures. Real are
the pictures that the recipe's ``data.holdout`` kept out of training; "real" figures are those of one half of them
against the other. Class and attributes are read by one convolutional network with a head for each, trained on the
training pictures alone (its accuracy on held-out ones is stated; ``--reader FILE`` keeps it, so that several runs are
read by the same one); the shares that it reads in samples are compared with those that it reads in held-out pictures of
the same classes (total variation: half the sum of the differences), and once more class by class, the mean of which
shows what shares over all classes hide: one background for each class.
Within-class distance: mean Euclidean distance between two pictures of a class, in pixels, transparent parts on white.
Precision, recall and kernel distance: features of efficientnet-lite0, k = 3. Near-copies: ganhub.metrics.memorisation.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, images  # noqa: E402
from ganhub.data import Pictures, open_data  # noqa: E402
from ganhub.hub import cards  # noqa: E402
from ganhub.images import on_white  # noqa: E402
from ganhub.images.colour import flatness  # noqa: E402
from ganhub.metrics import extractor  # noqa: E402
from ganhub.metrics.distances import kernel_distance  # noqa: E402
from ganhub.metrics.manifold import manifold  # noqa: E402
from ganhub.metrics.memorisation import memorisation, worst_pairs  # noqa: E402
from ganhub.metrics.scores import intra_class_diversity  # noqa: E402
from ganhub.trainer import read_recipe  # noqa: E402
from training.picture_reader import Labels, Reader, answers, open_reader, read, right, train_reader  # noqa: E402

ON_CARDS = ("class read right", "within-class distance over the data's", "precision", "recall", "kernel distance")
ATTRIBUTES = ("hair_colour", "skin", "background", "glasses", "beard", "mood")


def variation(first: Tensor, second: Tensor) -> float:
    """Total variation between the shares of the values of two lists; nan where one of them is empty."""
    if not len(first) or not len(second):
        return math.nan
    most = int(max(first.max(), second.max())) + 1
    shares = [torch.bincount(x, minlength=most) / len(x) for x in (first, second)]
    return (shares[0] - shares[1]).abs().sum().item() / 2


def half_transparent(pictures: Tensor) -> float:
    """Share of alpha strictly between 0.05 and 0.95 of 1."""
    alpha = (pictures[:, 3] + 1) / 2
    return ((alpha > 0.05) & (alpha < 0.95)).float().mean().item()


def within_classes(first: Tensor, second: Tensor, classes: tuple[Tensor, Tensor]) -> float:
    """Mean of the total variation within each class that both have; nan where there is none."""
    both = set(classes[0].tolist()) & set(classes[1].tolist())
    each = [variation(first[classes[0] == c], second[classes[1] == c]) for c in both]
    return sum(each) / len(each) if each else math.nan


def shares(found: Labels, own: Labels, asked: Tensor, known: Labels, name: str) -> dict[str, tuple[float, float]]:
    """How far the shares of an attribute are off: over all classes in which it is known, and class by class."""
    there = known[name] >= 0
    real, classes = own[name][there], known["class"][there]
    asked_for = torch.isin(asked, classes.unique())
    samples, half = found[name][asked_for], len(real) // 2
    asked = asked[asked_for]
    halves = classes[:half], classes[half:]
    return {
        f"{name}: total variation (read right: {right(own[name], known[name]):.3f})": (
            variation(samples, real), variation(real[:half], real[half:]),
        ),
        f"{name}: the same class by class": (
            within_classes(samples, real, (asked, classes)), within_classes(real[:half], real[half:], halves),
        ),
    }  # fmt: skip


def attributes_of(held: Pictures) -> list[str]:
    """Those that are measured, as far as the pictures have them."""
    return [name for name in ATTRIBUTES if held.captions and name in held.captions.names]


def measure(model, reader: Reader, training: Pictures, held: Pictures, n: int) -> dict:
    """All figures as {name: (samples, real)}, and the pictures for a look."""
    names = attributes_of(held)
    real, known = answers(held, 0, len(held), names)
    asked = known["class"].repeat(n // len(real) + 1)[:n]
    samples = torch.cat([model.sample(len(part), label=part, seed=i * 250) for i, part in enumerate(asked.split(250))])
    half = len(real) // 2
    found, own = read(reader, samples), read(reader, real)
    result = {"class read right": (right(found["class"], asked), right(own["class"], known["class"]))}
    for name in names:
        result |= shares(found, own, asked, known, name)
    flat, flat_real = on_white(samples).flatten(1), on_white(real).flatten(1)
    spread = intra_class_diversity(flat_real, known["class"])
    result["within-class distance over the data's"] = intra_class_diversity(flat, asked) / spread, 1.0
    if samples.shape[1] == 4:
        result["half-transparent share of alpha"] = half_transparent(samples), half_transparent(real)
    result["neighbouring pixels alike"] = tuple(flatness(on_white(x)).mean().item() for x in (samples, real))
    network = extractor()
    features = [torch.cat([network(on_white(part)) for part in x.split(64)]) for x in (samples, real)]
    mine, theirs = manifold(features[1], features[0]), manifold(features[1][:half], features[1][half:])
    result["precision"], result["recall"] = (mine.precision, theirs.precision), (mine.recall, theirs.recall)
    result["kernel distance"] = tuple(
        kernel_distance(a, b).value for a, b in ((features[1], features[0]), (features[1][:half], features[1][half:]))
    )
    trained = torch.cat([training.batch(i, min(500, len(training) - i)).images for i in range(0, len(training), 500)])
    report = memorisation(on_white(samples[:1000]), on_white(trained), on_white(real[:1000]))
    result["near-copies"] = report.copies, report.held_copies
    return {"figures": result, "beside": worst_pairs(report, samples[:1000], trained, 16)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("recipe")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("--captions", default="", help="overrides data.captions")
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=3, help="of the network that reads classes and attributes")
    parser.add_argument("--reader", default="", help="a .safetensors: read where it is there, else written")
    parser.add_argument("--json", action="store_true", help="write the figures into MODEL/metrics.json and its card")
    arguments = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    model = AutoModel.from_pretrained(arguments.model)
    c, overrides = model.config, [f"data.path={arguments.data}", f"data.captions={arguments.captions}"]
    parts = []
    for part in ("training", "holdout"):
        recipe = read_recipe(arguments.recipe, [*overrides, f"data.part={part}"])
        size = {"height": c.size[0], "width": c.size[1], "channels": c.channels}
        parts.append(open_data(recipe.data, **size, labelled=True))
    training, held = parts
    reader = open_reader(
        arguments.reader, held, attributes_of(held),
        lambda: train_reader(training, attributes_of(held), arguments.epochs, say),
    )  # fmt: skip
    measured = measure(model, reader, training, held, arguments.n)
    print(f"| {Path(arguments.model).name} | samples | real |\n|---|---:|---:|")
    for name, (samples, real) in measured["figures"].items():
        print(f"| {name} | {samples:.4f} | {real:.4f} |")
    images.save_grid(measured["beside"], Path(arguments.model) / "nearest.png", columns=16)
    if arguments.json:
        protocol = (
            f"{arguments.n:,} samples (seeds from 0, truncation 1) beside {len(parts[1]):,} pictures kept out of "
            "training; features of efficientnet-lite0, k = 3 (benchmarks/showpieces.py; the limits below tell the rest)"
        )
        numbers = {name: round(samples, 4) for name, (samples, _) in measured["figures"].items() if name in ON_CARDS}
        cards.record(arguments.model, "held-out", {**numbers, "protocol": protocol}, model.card_facts())


if __name__ == "__main__":
    main()
