"""Named directions for a generator, from a labelled data set: "glasses", "hair colour: red", "background: blue".

    python training/find_directions.py model_cards/stylegan2-avatars training/recipes/stylegan2_avatars.toml \\
        avatars-64.npz --captions avatars-64-captions.zip --reader reader.safetensors

A small network learns to read the attributes (--reader keeps it: a second run starts with it). It then reads the
pictures of some thousand seeds, all classes in turn. For each value of an attribute, over the classes in which the data
has both it and others:

1. A start. w is regressed on the answers of all attributes, centred within the class, by ridge regression: what this
   value adds to w when the class and all other answers stay (the boundaries of "Interpreting the Latent Space of GANs
   for Semantic Face Editing", Shen et al. 2020, arXiv:1907.10786, all of them at once).
2. One step in W for all pictures is learned by gradient descent through generator and reader: the value shall be read,
   and the class and all other attributes as before (as in "On the steerability of generative adversarial networks",
   Jahanian et al. 2020, arXiv:1907.07171, with the reader as the judge). Boundaries alone change much else along. So
   is another one for the last layer alone, which mixes colours and leaves shapes as they are.
3. Of some lengths of both steps that one is chosen which does best on a few seeds that do not have the value yet, and
   the classes in which it works there; each other class gets a step of its own where time is left (--minutes).
4. It is measured on up to 500 fresh seeds of its classes that do not have the value: the share that has it afterwards,
   and for the class and each other attribute, where the data knows it and the reader was sure before (a probability of
   at least 0.8, for at least a twentieth of the pictures), the share that is read as before.

Those that change what they name in 80 % and leave everything else alone in 90 % are written to directions.json of the
model's folder; two units of an edit are the length that was measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel, hub  # noqa: E402
from ganhub.console import in_sentences  # noqa: E402
from ganhub.data import Pictures, open_data  # noqa: E402
from ganhub.errors import ConfigError  # noqa: E402
from ganhub.models import StyleGenerator  # noqa: E402
from ganhub.models._named import NamedDirection, with_named, write_named  # noqa: E402
from ganhub.trainer import read_recipe  # noqa: E402
from training.picture_reader import Points, Reader, Studio, open_reader, questions_of, train_reader  # noqa: E402

# The first ones first, as time is short; where the data has none of these, all that it has.
ATTRIBUTES = ("glasses", "beard", "hair_colour", "background", "skin", "mood")
SHARE = 0.03  # of a class's pictures that must have a value, and must not, for the value to be tried in the class
FEW = 15  # seeds with a value, below which the generator does not draw it
SOURCE = "from labels, by training/find_directions.py"
CHANGED, KEPT = 0.8, 0.9  # what a direction must do to be kept
AMOUNT = 2.0  # units of an edit that are the measured length
LENGTHS = (0.7, 0.85, 1.0, 1.2)  # that are tried, of what was learned
WEIGHT = 1.5  # of each answer that shall stay, beside the one that shall change
BATCH, RATE = 12, 0.15  # pictures a step of the descent, and Adam's rate in standard deviations of w


@dataclass(frozen=True)
class Value:
    """One value of an attribute, such as red of hair_colour, and the classes in which the data has it."""

    attribute: str
    answer: int
    word: str
    classes: tuple[int, ...]

    def of(self, classes: tuple[int, ...]) -> Value:
        """The same in some classes only."""
        return replace(self, classes=classes)

    @property
    def name(self) -> str:
        plain = self.attribute.replace("_", " ")
        return plain if self.word == "yes" else f"{plain}: {self.word}"


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


def changes(points: Points, shares: dict[str, Tensor]) -> dict[tuple[str, int], Tensor]:
    """What each answer adds to w within its class, (attribute, answer) -> [style_dim].

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
    return dict(zip(keys, torch.linalg.solve(gram, x.T @ w).float(), strict=True))


def _centred(points: Tensor, labels: Tensor) -> Tensor:
    """Points minus the mean of their class."""
    count = labels.bincount().clamp_min(1).double()
    sums = torch.zeros(len(count), points.shape[1], dtype=torch.float64).index_add_(0, labels, points.double())
    return points - (sums / count[:, None])[labels]


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
        """Share that is read as before, of the class and of each attribute that is known of enough pictures here."""
        enough = max(5, len(self.labels) // 20)
        counted = {name: same[counts] for name, (same, counts) in self.kept.items() if int(counts.sum()) >= enough}
        return {name: same.float().mean().item() for name, same in counted.items()} or {"class": 0.0}

    @property
    def margin(self) -> float:
        """Above 0 where it does what a direction must; higher is better."""
        return min((self.changes - CHANGED) / (1 - CHANGED), (min(self.keeps.values()) - KEPT) / (1 - KEPT))


@dataclass(frozen=True, eq=False)
class Candidate:
    """A step in W that gives a value, from which layer on, and what it did on fresh seeds."""

    value: Value
    step: Tensor
    start: int
    measured: Measured


class Search:
    """Looks for the directions of one generator.

    Args:
        shares: As of :func:`shares_of`.
        points: What directions are learned from, and chosen on.
        fresh: What they are measured on.
        steps: Of the descent.
        few, more, many: How many seeds a direction's length and classes are chosen on, and it is measured on.
    """

    def __init__(
        self, studio: Studio, shares: dict[str, Tensor], points: Points, fresh: Points, *, steps: int = 40,
        few: int = 48, more: int = 160, many: int = 500,
    ) -> None:  # fmt: skip
        self.studio, self.shares, self.points, self.fresh = studio, shares, points, fresh
        self.steps, self.few, self.more, self.many = steps, few, more, many
        self.effects = changes(points, shares)
        self.deviation = float((points.w - points.w.mean(0)).square().mean().sqrt())

    def without(self, points: Points, value: Value) -> Points:
        """The seeds in the value's classes that do not have it."""
        rows = (points.read[value.attribute] != value.answer) & torch.isin(points.labels, torch.tensor(value.classes))
        return points[rows.nonzero().flatten()]

    def counts(self, points: Points, name: str) -> Tensor:
        """Where an answer that changes says something: the data knows the attribute there, and the reader was sure."""
        known = True if name == "class" else self.shares[name].sum(1)[points.labels] > SHARE
        return points.sure[name] & known

    def moved(self, w: Tensor, step: Tensor, start: int) -> Tensor:
        """w [N, style_dim] -> w+ [N, L, style_dim] with a step in the layers from ``start`` on."""
        there = torch.arange(self.studio.model.layers)[:, None] >= start
        return self.studio.model.per_layer(w) + there * step

    def learn(self, value: Value, start: int, points: Points) -> Tensor:
        """The step in W, [style_dim], that gives the value and leaves the rest as it is."""
        draws = torch.Generator().manual_seed(0)
        x = (self.effects[value.attribute, value.answer] / (2 * self.deviation)).requires_grad_()
        adam = torch.optim.Adam([x], lr=RATE, betas=(0.8, 0.95))
        wanted = torch.full((BATCH,), value.answer)
        for i in range(self.steps):
            adam.param_groups[0]["lr"] = RATE * (1 - i / self.steps)
            batch = points[torch.randint(len(points.seeds), (BATCH,), generator=draws)]
            logits = self.studio.logits(self.moved(batch.w, x * self.deviation, start), batch.seeds)
            loss = F.cross_entropy(logits.pop(value.attribute), wanted) + 1e-4 * x.square().sum()
            for name, given in logits.items():
                rows = self.counts(batch, name)
                left_alone = F.cross_entropy(given, batch.read[name], reduction="none")[rows].sum() / BATCH
                loss = loss + WEIGHT * left_alone
            (x.grad,) = torch.autograd.grad(loss, [x])
            adam.step()
        return x.detach() * self.deviation

    def try_out(self, value: Value, step: Tensor, start: int, points: Points) -> Measured:
        """Move pictures by a step in W, and read them."""
        after, _ = self.studio.look(self.moved(points.w, step, start), points.seeds)
        others = [name for name in after if name != value.attribute]
        kept = {name: (after[name] == points.read[name], self.counts(points, name)) for name in others}
        return Measured(points.labels, after[value.attribute] == value.answer, kept)

    def find(self, value: Value) -> Candidate | None:
        """The step in W that gives a value, for the classes in which it works; None where it is hardly ever drawn."""
        here = self.without(self.points, value)
        inside = torch.isin(self.points.labels, torch.tensor(value.classes))
        if int(inside.sum()) - len(here.seeds) < FEW or not len(here.seeds):
            return None
        few, more = here.first(self.few), here.first(self.more)
        learned = [(self.learn(value, start, here), start) for start in (0, self.studio.model.layers - 1)]
        steps = [(step * length, start) for step, start in learned for length in LENGTHS]
        step, start = max(steps, key=lambda one: self.try_out(value, *one, few).margin)
        tried = self.try_out(value, step, start, more)
        parts = {label: tried.of([label]) for label in value.classes if (tried.labels == label).any()}
        good = tuple(label for label, part in parts.items() if part.margin >= 0)
        chosen = value.of(good) if good and tried.margin < 0 else value
        fresh = self.without(self.fresh, chosen).first(self.many)
        return Candidate(chosen, step, start, self.try_out(chosen, step, start, fresh)) if len(fresh.seeds) else None

    def find_all(self, values: Sequence[Value], until: float) -> list[Candidate]:
        """Those of all values, then of each class for which none works yet, until a time of ``time.monotonic``."""
        candidates, left = [], []
        for value in values:
            one = self._find(value, until)
            candidates += [one] if one else []
            works = one.value.classes if one and one.measured.margin >= 0 else ()
            rest = [label for label in value.classes if label not in works]
            left += [value.of((label,)) for label in rest if one and len(value.classes) > 1]
        return candidates + [one for value in left if (one := self._find(value, until))]

    def _find(self, value: Value, until: float) -> Candidate | None:
        """:meth:`find`, with a line on the error stream; None where no time is left."""
        late = time.monotonic() > until
        one = None if late else self.find(value)
        figures = f"{one.measured.changes:.2f}, {min(one.measured.keeps.values()):.2f}" if one else "hardly ever drawn"
        print(
            f"{value.name} ({len(value.classes)} classes): {'no time' if late else figures}",
            file=sys.stderr,
            flush=True,
        )
        return one


def named(candidate: Candidate, model: StyleGenerator) -> NamedDirection:
    """A direction of which two units are the step."""
    length, measured, classes = candidate.step.norm(), candidate.measured, candidate.value.classes
    every = len(classes) == max(model.config.num_classes, 1)
    keeps = {f"{name.replace('_', ' ')} kept": share for name, share in measured.keeps.items()}
    success = {"amount": AMOUNT, "seeds": len(measured.labels), "changed": measured.changes,
               "least kept": min(keeps.values()), **keeps}  # fmt: skip
    return NamedDirection(
        candidate.value.name, (candidate.step / length).float(), "", float(length) / AMOUNT,
        (candidate.start, model.layers), SOURCE, () if every else names_of(classes, model),
        {key: round(float(number), 4) for key, number in success.items()},
    )  # fmt: skip


def names_of(classes: Sequence[int], model: StyleGenerator) -> tuple[str, ...]:
    """Names of classes, or the indices as text."""
    return tuple(model.config.class_names[label] if model.config.class_names else str(label) for label in classes)


def staying(named: Sequence[NamedDirection], only: Sequence[str]) -> tuple[NamedDirection, ...]:
    """Of those that a model has, the ones that were named by others, or that ``--only`` left out."""
    return tuple(one for one in named if one.source != SOURCE or not asked_for(one.name, only))


def asked_for(name: str, only: Sequence[str]) -> bool:
    """Whether ``--only`` names a direction, such as "hair colour: red", or its attribute; all, where it names none."""
    searched, name = {one.replace("_", " ") for one in only}, name.replace("_", " ")
    return not searched or name in searched or name.partition(":")[0] in searched


def in_turn(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best of each attribute first, then the second best: menus begin with the first ones."""
    best, place = sorted(candidates, key=lambda one: -one.measured.margin), Counter()
    places = []
    for one in best:
        place[one.value.attribute] += 1
        places.append((place[one.value.attribute], one.value.attribute))
    return [one for _, one in sorted(zip(places, best, strict=True), key=lambda pair: pair[0])]


def report(candidates: Sequence[Candidate], model: StyleGenerator) -> None:
    """Print a table, the best first."""
    print(
        "| direction | classes | from layer | seeds | changed | least kept | kept? |\n|---|---|---:|---:|---:|---:|---|"
    )
    for one in sorted(candidates, key=lambda one: -one.measured.margin):
        measured, keeps = one.measured, one.measured.keeps
        worst, classes = min(keeps, key=keeps.__getitem__), ", ".join(names_of(one.value.classes, model))
        figures = [f"{measured.changes:.3f}", f"{keeps[worst]:.3f} ({worst})"]
        row = [one.value.name, classes, one.start, len(measured.labels), *figures]
        print("| " + " | ".join(map(str, [*row, "yes" if measured.margin >= 0 else "no"])) + " |")


def open_part(part: str, arguments: argparse.Namespace, model: StyleGenerator) -> Pictures:
    """The pictures of the recipe's "training", or its "holdout"."""
    c = model.config
    overrides = [f"data.path={arguments.data}", f"data.captions={arguments.captions}", f"data.part={part}"]
    recipe = read_recipe(arguments.recipe, overrides)
    return open_data(recipe.data, height=c.size[0], width=c.size[1], channels=c.channels, labelled=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("recipe")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("--captions", required=True, help="overrides data.captions")
    parser.add_argument("--reader", default="", help="a .safetensors: read where it is there, else written")
    parser.add_argument("--epochs", type=int, default=2, help="of the network that reads class and attributes")
    parser.add_argument("--seeds", type=int, default=2400, help="that directions are learned from")
    parser.add_argument("--fresh", type=int, default=4000, help="seeds from which those for measuring are taken")
    parser.add_argument("--steps", type=int, default=40, help="of each descent; 100 for models with a palette")
    parser.add_argument("--only", nargs="*", default=[], help='attributes, or "hair colour: red"; others stay as found')
    parser.add_argument("--minutes", type=float, default=7, help="after which no other direction is begun")
    parser.add_argument("--dry", action="store_true", help="write nothing into the model's folder")
    arguments, began = parser.parse_args(), time.monotonic()
    folder = hub.find_local(arguments.model)
    if folder is None:
        raise ConfigError(f"{arguments.model} is no folder on this machine, so no direction can be kept in it.")
    model = AutoModel.from_pretrained(folder)
    held = open_part("holdout", arguments, model)
    model.accept(held)  # other classes would be mistaken for its own
    names = [name for name in ATTRIBUTES if name in held.captions.names] or list(held.captions.names)

    def learn() -> Reader:
        pictures = open_part("training", arguments, model)
        return train_reader(pictures, names, arguments.epochs, lambda text: print(text, file=sys.stderr, flush=True))

    shares = shares_of(held, names)
    values = values_of(shares, questions_of(held, names))
    for one in arguments.only:
        if not any(asked_for(value.name, [one]) for value in values):
            known = f"{', '.join(names)}, or a value such as {values[0].name!r}"
            raise ConfigError(f"--only {one!r} is no attribute of these pictures, nor a value of some: take {known}.")
    reader = open_reader(arguments.reader, held, names, learn)
    studio = Studio(model, reader)
    points, fresh = studio.draw(0, arguments.seeds), studio.draw(arguments.seeds, arguments.fresh)
    search = Search(studio, shares, points, fresh, steps=arguments.steps)
    values = [one for one in values if asked_for(one.name, arguments.only)]
    results = search.find_all(values, began + 60 * arguments.minutes)
    report(results, model)
    good = [one for one in results if one.measured.margin >= 0]
    print(f"{len(good)} of {len(results)} directions change what they name in {CHANGED:.0%} of the pictures and leave "
          f"class and other attributes alone in {KEPT:.0%}; in {time.monotonic() - began:.0f} s.")  # fmt: skip
    if not arguments.dry:
        model.read_beside(folder)  # somebody may have named one in the meantime
        kept = staying(model.named, arguments.only)
        for one in in_turn(good):
            kept = with_named(kept, named(one, model))
        if kept or model.named:
            write_named(folder, kept)


if __name__ == "__main__":
    with in_sentences():
        main()
