"""Does a conditional model draw the category it was asked for? A linear classifier on features says.

    python benchmarks/categories.py runs/stylegan2-emoji --data emoji-noto-64.zip

Protocol: the pictures and their split come from the model's recipe (the 80 % that it was trained on, the fifth held
out; categories of fewer than 20 pictures left out). The classifier is multinomial logistic regression (L2, its weight
chosen by five-fold cross-validation within the training pictures) on features of efficientnet-lite0, a network that
neither player saw. a is its accuracy on samples, drawn in the proportions of the held-out pictures; c that on the
held-out pictures themselves; k the share of the largest category, what guessing gets. (a - k) / (c - k) is 0 for a
model that ignores its label and 1 for one as readable as real pictures. The interval is 95 % over 1,000 bootstrap
resamplings of samples and of held-out pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from art import DATA, HELD, features  # noqa: E402

from ganhub import AutoModel  # noqa: E402
from ganhub.data import open_data  # noqa: E402
from ganhub.hub import cards  # noqa: E402
from ganhub.trainer import make_recipe  # noqa: E402

WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1)  # of the L2 penalty


def fit(x: Tensor, y: Tensor, classes: int, weight: float) -> Tensor:
    """Logistic regression [D + 1, classes] by L-BFGS in float64; the bias is not penalised."""
    x = F.pad(x, (0, 1), value=1.0)
    w = torch.zeros(x.shape[1], classes, dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(x @ w, y) + weight * w[:-1].square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return w.detach()


def right(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Whether each row is read as its class, float [N]."""
    return ((F.pad(x, (0, 1), value=1.0) @ w).argmax(1) == y).double()


def train(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """The regression whose penalty did best in cross-validation."""
    fold = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)) % 5
    scores = {}
    for weight in WEIGHTS:
        parts = [right(fit(x[fold != k], y[fold != k], classes, weight), x[fold == k], y[fold == k]) for k in range(5)]
        scores[weight] = torch.cat(parts).mean().item()
    return fit(x, y, classes, max(scores, key=scores.get))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a model trained on emoji categories")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="merge the numbers into MODEL/metrics.json")
    args = parser.parse_args()

    table = {"path": str(args.data), "holdout": HELD, **DATA["emoji"]}
    real = {}
    for part in ("training", "holdout"):
        config = make_recipe({"data": {**table, "part": part}}).data
        pictures = open_data(config, height=64, width=64, channels=3, labelled=True)
        batch = pictures.batch(0, len(pictures))
        real[part] = features(batch.images), batch.labels
    names = pictures.class_names
    (x, y), (held, held_y) = real["training"], real["holdout"]
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    w = train(((x - mean) / deviation).double(), y, len(names))

    model = AutoModel.from_pretrained(args.model)
    if tuple(model.config.class_names) != tuple(names):
        raise SystemExit(f"The model's classes {model.config.class_names} are not those of the data, {names}.")
    order = torch.randperm(len(held_y), generator=torch.Generator().manual_seed(0))
    asked = held_y[order].repeat(args.n // len(held_y) + 1)[: args.n]
    made = features(model.sample(args.n, label=asked, seed=args.seed))
    ours = right(w, ((made - mean) / deviation).double(), asked)
    theirs = right(w, ((held - mean) / deviation).double(), held_y)
    k = torch.bincount(held_y).max().item() / len(held_y)
    a, c = ours.mean().item(), theirs.mean().item()

    generator, ratios = torch.Generator().manual_seed(0), []
    for _ in range(1000):
        one, other = (v[torch.randint(len(v), (len(v),), generator=generator)].mean() for v in (ours, theirs))
        ratios.append(((one - k) / (other - k)).item())
    low, high = torch.tensor(ratios).quantile(torch.tensor([0.025, 0.975])).tolist()
    result = {"samples": args.n, "accuracy": a, "accuracy_on_real": c, "largest_category": k,
              "above_guessing": (a - k) / (c - k), "interval": [low, high]}  # fmt: skip
    print("| a, samples | c, held-out | k, largest | (a - k) / (c - k) | 95 % |\n|---:|---:|---:|---:|---|")
    print(f"| {a:.4f} | {c:.4f} | {k:.4f} | {result['above_guessing']:.3f} | {low:.3f} to {high:.3f} |\n")
    print("| category | samples read right | held-out read right |\n|---|---:|---:|")
    for index, name in enumerate(names):
        mine, its = ours[asked == index].mean(), theirs[held_y == index].mean()
        print(f"| {name} | {mine:.2f} | {its:.2f} |")
    if args.json:
        result["protocol"] = (
            f"{args.n} samples in the proportions of {len(held_y)} held-out emoji, seeds from {args.seed}, truncation "
            "1, "
            "read by logistic regression on efficientnet-lite0 features of training emoji (benchmarks/categories.py)"
        )
        cards.record(args.model, "categories", result, model.card_facts())


if __name__ == "__main__":
    main()
