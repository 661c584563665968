"""Named directions for a generator, from a labelled data set: "glasses", "hair colour: red", "background: blue".

    python training/find_directions.py model_cards/stylegan2-avatars training/recipes/stylegan2_avatars.toml \\
        avatars-64.npz --captions avatars-64-captions.zip --reader reader.safetensors

A small network learns to read the attributes (--reader keeps it: a second run starts with it). It then reads the
pictures of 8,000 seeds, all classes in turn. For each value of an attribute, over the classes in which the data has
both it and others:

1. w is regressed on the answers of all attributes, centred within the class, by ridge regression: what one answer adds
   to w when the class and all other answers stay. Each change is taken as it is, and sharpened by the inverse of what
   is left of w's covariance, (S + r I)^-1 ("Interpreting the Latent Space of GANs for Semantic Face Editing", Shen et
   al. 2020, arXiv:1907.10786, section 3.1: conditional manipulation).
2. Of these ways and of some lengths the one is chosen that does best on a few seeds that do not have the value yet.
3. It is measured on 500 other seeds that do not have the value: the share that has it afterwards, and for the class and
   each other attribute, where the data knows it, the share that is read as before. Where some classes do much worse
   than the others it is for the others only.

Those that change what they name in 80 % and leave everything else alone in 90 % are written to directions.json of the
model's folder; two units of an edit are the length that was measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel  # noqa: E402
from ganhub.data import Pictures, open_data  # noqa: E402
from ganhub.models import StyleGenerator  # noqa: E402
from ganhub.models._named import NamedDirection, with_named, write_named  # noqa: E402
from ganhub.nn.precision import has_bf16  # noqa: E402
from ganhub.trainer import read_recipe  # noqa: E402
from training.picture_reader import Labels, Reader, load_reader, read, save_reader, train_reader  # noqa: E402

ATTRIBUTES = ("hair_colour", "skin", "background", "glasses", "beard", "mood")
SHARE = 0.03  # of a class's pictures that must have a value, and must not, for the value to be tried in the class
FEW = 30  # seeds with a value, below which the generator does not draw it
CHANGED, KEPT = 0.8, 0.9  # what a direction must do to be kept
AMOUNT = 2.0  # units of an edit that are the measured length
LENGTHS = (1.0, 1.5, 2.2, 3.2)  # that are tried, of the distance between those with and those without
RIDGES = (None, 0.3, 0.03)  # that are tried; None: the change as it is


@dataclass(frozen=True)
class Points:
    """Seeds that were looked at.

    Attributes:
        seeds: [N].
        labels: Their classes, [N].
        w: [N, style_dim].
        read: Their answers, each [N].
    """

    seeds: Tensor
    labels: Tensor
    w: Tensor
    read: Labels

    def __getitem__(self, rows: Tensor) -> Points:
        answers = {name: values[rows] for name, values in self.read.items()}
        return Points(self.seeds[rows], self.labels[rows], self.w[rows], answers)


@dataclass(frozen=True)
class Value:
    """One value of an attribute, such as red of hair_colour, and the classes in which the data has it."""

    attribute: str
    answer: int
    word: str
    classes: tuple[int, ...]

    @property
    def name(self) -> str:
        plain = self.attribute.replace("_", " ")
        return plain if self.word == "yes" else f"{plain}: {self.word}"


class Studio:
    """A generator and the reader that looks at its pictures."""

    def __init__(self, model: StyleGenerator, reader: Reader) -> None:
        self.model, self.reader = model, reader

    @torch.inference_mode()
    def look(self, w: Tensor, seeds: Tensor) -> Labels:
        """What is read of the pictures of w [N, style_dim], each with the noise of its seed."""
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16(torch.device("cpu"))):
            pictures = self.model.from_w(w, noise=self.model.noise(seeds.tolist()))
        return read(self.reader, pictures.float())

    def draw(self, first: int, count: int) -> Points:
        """The pictures of some seeds, all classes in turn."""
        seeds = torch.arange(first, first + count)
        labels = self.model.labels(count, None, first)
        parts, answers = [], []
        for rows in torch.arange(count).split(500):
            parts.append(self.model.to_w(self.model.latent(seeds[rows].tolist()), labels[rows]))
            answers.append(self.look(parts[-1], seeds[rows]))
            print(f"looked at {int(rows[-1]) + 1} of {count} seeds", file=sys.stderr, flush=True)
        joined = {name: torch.cat([one[name] for one in answers]) for name in answers[0]}
        return Points(seeds, labels, torch.cat(parts), joined)


def shares_of(pictures: Pictures, names: Sequence[str]) -> dict[str, Tensor]:
    """For each attribute the share of each class's pictures that has each value, [classes, values]."""
    count = len(pictures)
    labels, shares = pictures.batch(0, count).labels, {}
    for name in names:
        values = pictures.attribute(name, 0, count)
        table = torch.zeros(len(pictures.class_names), len(pictures.captions.names[name]))
        table.index_put_((labels[values >= 0], values[values >= 0]), torch.ones(()), accumulate=True)
        shares[name] = table / labels.bincount(minlength=len(table))[:, None]
    return shares


def values_of(shares: dict[str, Tensor], questions: dict[str, Sequence[str]]) -> list[Value]:
    """The values that are tried: those that the data has in some class beside others."""
    values = []
    for name, table in shares.items():
        for answer, word in enumerate(questions[name]):
            others = table.sum(1) - table[:, answer]
            classes = ((table[:, answer] >= SHARE) & (others >= SHARE)).nonzero().flatten().tolist()
            if classes and word != "no":
                values.append(Value(name, answer, word, tuple(classes)))
    return values


def changes(points: Points, shares: dict[str, Tensor]) -> tuple[dict[tuple[str, int], Tensor], Tensor]:
    """What each answer adds to w within its class, (attribute, answer) -> [style_dim], and what is left, [N, D].

    Ridge regression of centred w on the centred answers of all attributes at once, in float64.
    """
    columns, keys = [], []
    for name, table in shares.items():
        known = table.sum(1)[points.labels] > SHARE  # in the other classes the answers mean nothing
        for answer in range(table.shape[1]):
            columns.append(((points.read[name] == answer) & known).double())
            keys.append((name, answer))
    x, w = (_centred(part, points.labels) for part in (torch.stack(columns, 1), points.w.double()))
    gram = x.T @ x + 1e-3 * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
    effects = torch.linalg.solve(gram, x.T @ w)
    return dict(zip(keys, effects, strict=True)), w - x @ effects


def _centred(points: Tensor, labels: Tensor) -> Tensor:
    """Points minus the mean of their class."""
    count = labels.bincount().clamp_min(1).double()
    sums = torch.zeros(len(count), points.shape[1], dtype=torch.float64).index_add_(0, labels, points.double())
    return points - (sums / count[:, None])[labels]


def ways_of(effect: Tensor, rest: Tensor) -> list[Tensor]:
    """The change as it is, and sharpened; each so long that it adds as much along the change's own boundary."""
    covariance = rest.T @ rest / len(rest)
    scale = covariance.diagonal().mean()
    ways = []
    for ridge in RIDGES:
        if ridge is None:
            ways.append(effect)
            continue
        sharpened = torch.linalg.solve(covariance + ridge * scale * torch.eye(len(effect)).double(), effect)
        ways.append(sharpened * (effect.norm() / sharpened.norm()))
    return ways


@dataclass(frozen=True)
class Measured:
    """What a step did to some pictures, one row each.

    Attributes:
        labels: Their classes, [N].
        changed: Whether the value is read now, [N].
        kept: Of the class and each other attribute whether it is read as before, and whether that counts: [N] each.
    """

    labels: Tensor
    changed: Tensor
    kept: dict[str, tuple[Tensor, Tensor]]

    def of(self, classes: Sequence[int]) -> Measured:
        """Those of some classes."""
        rows = torch.isin(self.labels, torch.tensor(classes))
        kept = {name: (same[rows], counts[rows]) for name, (same, counts) in self.kept.items()}
        return Measured(self.labels[rows], self.changed[rows], kept)

    @property
    def changes(self) -> float:
        return self.changed.float().mean().item()

    @property
    def keeps(self) -> dict[str, float]:
        """Share that is read as before, of the class and of each attribute that is known here."""
        return {name: same[counts].float().mean().item() for name, (same, counts) in self.kept.items() if counts.any()}

    @property
    def margin(self) -> float:
        """Above 0 where it does what a direction must; higher is better."""
        return min((self.changes - CHANGED) / (1 - CHANGED), (min(self.keeps.values()) - KEPT) / (1 - KEPT))


class Search:
    """Looks for the directions of one generator.

    Args:
        shares: As of :func:`shares_of`.
        points: What directions are fitted to, and chosen on.
        fresh: What they are measured on.
        few, many: How many seeds a direction is chosen and measured on.
    """

    def __init__(
        self, studio: Studio, shares: dict[str, Tensor], points: Points, fresh: Points, few: int = 48, many: int = 500
    ) -> None:
        self.studio, self.shares, self.points, self.fresh = studio, shares, points, fresh
        self.few, self.many = few, many
        self.effects, self.rest = changes(points, shares)

    def without(self, points: Points, value: Value, count: int) -> Points:
        """The first seeds in the value's classes that do not have it."""
        rows = (points.read[value.attribute] != value.answer) & torch.isin(points.labels, torch.tensor(value.classes))
        return points[rows.nonzero().flatten()[:count]]

    def try_out(self, value: Value, step: Tensor, points: Points) -> Measured:
        """Move pictures by a step in W, and read them."""
        after = self.studio.look(points.w + step.float(), points.seeds)
        kept = {"class": (after["class"] == points.read["class"], torch.ones_like(points.labels, dtype=torch.bool))}
        for name, table in self.shares.items():
            if name != value.attribute:
                kept[name] = after[name] == points.read[name], table.sum(1)[points.labels] > SHARE
        return Measured(points.labels, after[value.attribute] == value.answer, kept)

    def find(self, value: Value) -> tuple[Value, Tensor, Measured] | None:
        """The step in W that gives a value, for the classes in which it works; None where it is hardly ever drawn."""
        inside = torch.isin(self.points.labels, torch.tensor(value.classes))
        rare = int(((self.points.read[value.attribute] == value.answer) & inside).sum()) < FEW
        chosen_on, measured_on = (
            self.without(points, value, count) for points, count in ((self.points, self.few), (self.fresh, self.many))
        )
        if rare or not len(chosen_on.seeds) or not len(measured_on.seeds):
            return None
        ways = ways_of(self.effects[value.attribute, value.answer], self.rest)
        steps = [way * length for way in ways for length in LENGTHS]
        step = max(steps, key=lambda step: self.try_out(value, step, chosen_on).margin)
        measured = self.try_out(value, step, measured_on)
        good = tuple(label for label in value.classes if (part := measured.of([label])).labels.numel() and
                     part.margin >= 0)  # fmt: skip
        if measured.margin < 0 and good:
            value, measured = Value(value.attribute, value.answer, value.word, good), measured.of(good)
        return value, step, measured


def named(value: Value, step: Tensor, measured: Measured, model: StyleGenerator) -> NamedDirection:
    """A direction of which two units are the step."""
    length = step.norm()
    every = len(value.classes) == max(model.config.num_classes, 1)
    classes = () if every else tuple(model.config.class_names[label] for label in value.classes)
    keeps = measured.keeps
    success = {
        "amount": AMOUNT,
        "seeds": len(measured.labels),
        "changed": measured.changes,
        "least kept": min(keeps.values()),
        **{f"{name.replace('_', ' ')} kept": x for name, x in keeps.items()},
    }
    return NamedDirection(
        value.name, (step / length).float(), "", float(length) / AMOUNT, (0, model.layers),
        "from labels, by training/find_directions.py", classes, {k: round(float(x), 4) for k, x in success.items()},
    )  # fmt: skip


def report(found: Sequence[tuple[Value, Tensor, Measured]], model: StyleGenerator) -> None:
    """Print a table, the best first."""
    print("| direction | classes | seeds | changed | least kept | kept? |\n|---|---|---:|---:|---:|---|")
    for value, _, measured in sorted(found, key=lambda one: -one[2].margin):
        keeps = measured.keeps
        worst = min(keeps, key=keeps.__getitem__)
        names = ", ".join(model.config.class_names[label] for label in value.classes) or "all"
        row = [value.name, names, len(measured.labels), f"{measured.changes:.3f}", f"{keeps[worst]:.3f} ({worst})"]
        print("| " + " | ".join(map(str, [*row, "yes" if measured.margin >= 0 else "no"])) + " |")


def open_parts(arguments: argparse.Namespace, model: StyleGenerator) -> tuple[Pictures, Pictures]:
    """The training pictures, and those kept out of training."""
    c, parts = model.config, []
    for part in ("training", "holdout"):
        overrides = [f"data.path={arguments.data}", f"data.captions={arguments.captions}", f"data.part={part}"]
        recipe = read_recipe(arguments.recipe, overrides)
        parts.append(open_data(recipe.data, height=c.size[0], width=c.size[1], channels=c.channels, labelled=True))
    return parts[0], parts[1]


def open_reader(path: str, training: Pictures, names: Sequence[str], epochs: int) -> Reader:
    """The reader of a file, or a new one, which is kept there."""
    if path and Path(path).is_file():
        return load_reader(path)
    reader = train_reader(training, names, epochs, lambda text: print(text, file=sys.stderr, flush=True))
    if path:
        save_reader(reader, path)
    return reader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("recipe")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("--captions", required=True, help="overrides data.captions")
    parser.add_argument("--reader", default="", help="a .safetensors: read where it is there, else written")
    parser.add_argument("--epochs", type=int, default=2, help="of the network that reads class and attributes")
    parser.add_argument("--seeds", type=int, default=8000, help="that directions are fitted to")
    parser.add_argument("--fresh", type=int, default=4000, help="seeds from which those for measuring are taken")
    parser.add_argument("--dry", action="store_true", help="write nothing into the model's folder")
    arguments = parser.parse_args()
    model = AutoModel.from_pretrained(arguments.model)
    training, held = open_parts(arguments, model)
    names = [name for name in ATTRIBUTES if name in held.captions.names]
    reader = open_reader(arguments.reader, training, names, arguments.epochs)
    studio, shares = Studio(model, reader), shares_of(held, names)
    points, fresh = studio.draw(0, arguments.seeds), studio.draw(arguments.seeds, arguments.fresh)
    search, results = Search(studio, shares, points, fresh), []
    for value in values_of(shares, reader.questions):
        result = search.find(value)
        print(value.name, "" if result else "is hardly ever drawn", file=sys.stderr, flush=True)
        results += [result] if result else []
    report(results, model)
    good = [one for one in results if one[2].margin >= 0]
    print(f"{len(good)} of {len(results)} directions change what they name in {CHANGED:.0%} of the pictures and leave "
          f"class and other attributes alone in {KEPT:.0%}.")  # fmt: skip
    if not arguments.dry:
        for value, step, measured in good:
            model.named = with_named(model.named, named(value, step, measured, model))
        write_named(Path(arguments.model), model.named)


if __name__ == "__main__":
    main()
