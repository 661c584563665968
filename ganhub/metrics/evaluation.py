"""Evaluating a model from end to end: pictures, features, distances, memorisation; see :func:`evaluate`."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.files import put_in_place, sweep
from ganhub.images import to_uint8
from ganhub.metrics.accumulate import METRICS, FeatureStore
from ganhub.metrics.extractors import DEFAULT, Extractor
from ganhub.metrics.memorisation import Memorisation, memorisation, worst_pairs
from ganhub.metrics.protocol import Protocol as HowMeasured
from ganhub.metrics.protocol import Result
from ganhub.metrics.scores import class_accuracy, intra_class_diversity
from ganhub.models import LatentGenerator

BATCH = 64
USUAL = ("kernel", "precision", "recall", "density", "coverage")
KNOWN = (*METRICS, "classes", "memorisation")
MOST_PICTURES = 1_000_000  # generated ones; more would take days
MOST_PIXELS = 600_000_000  # of training pictures that are searched for copies


class Collection(Protocol):
    """Real pictures, as :class:`ganhub.trainer.Pictures` gives them."""

    def __len__(self) -> int: ...

    def batch(self, first: int, count: int) -> Any:
        """Pictures ``first`` to ``first + count - 1``: an object with ``images`` and ``labels``."""


@dataclass(frozen=True)
class Evaluation:
    """What :func:`evaluate` found.

    Attributes:
        results: One per number, each with its protocol.
        memorisation: The report, or None where it was not asked for.
        pairs: The worst samples and, below, the training pictures they are closest to, [16, C, H, W]; or None.
    """

    results: list[Result]
    memorisation: Memorisation | None
    pairs: Tensor | None

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        report = self.memorisation
        verdict = {} if report is None else {"copying": report.copying, "memorisation": report.sentence()}
        results = [{**r.to_dict(), "measured": r.protocol.sentence(named=False)} for r in self.results]
        return {"results": results, **verdict}


def evaluate(
    model: LatentGenerator,
    real: Collection,
    *,
    metrics: Sequence[str] = (),
    n: int = 2000,
    network: str = DEFAULT,
    held_out: Collection | None = None,
    data: str = "",
    split: str = "",
    seed: int = 0,
    force: bool = False,
    cache: Path | None = None,
    on_step: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Evaluation:
    """Measure a generator against real pictures.

    Args:
        model: Sampled at truncation 1; classes take turns.
        real: What it was trained on, or a test split of it, prepared for the model's size.
        metrics: Out of "kernel", "frechet", "precision", "recall", "density", "coverage", "score", "classes" (for
            conditional models) and "memorisation" (``real`` must then be the training pictures). None named: all but
            "frechet" and "score", as far as they apply.
        n: Made pictures, and real ones as far as there are so many.
        network: The extractor; see :func:`ganhub.metrics.extractor`.
        held_out: Real pictures that were not trained on, for memorisation; None: leave-one-out.
        data: Name of the real pictures, for the protocol.
        split: Which part of them.
        seed: Of the first made picture and of the metrics' own draws.
        force: Take a Frechet distance of too few pictures.
        cache: Folder where features of real pictures are kept; :func:`feature_cache` by default.
        on_step: Called with (what is being done, pictures so far, pictures in all).

    Raises:
        MetricError: For an unknown metric, too few pictures, or pictures that cannot be measured.
    """
    conditional = bool(model.config.num_classes)
    asked = tuple(metrics) or (*USUAL, *(("classes",) if conditional else ()), "memorisation")
    for name in asked:
        if name not in KNOWN:
            raise MetricError(f"There is no metric '{name}'. Choose from: {', '.join(KNOWN)}.")
    if "classes" in asked and not conditional:
        raise MetricError(f"This {model.architecture} knows no classes: leave the metric 'classes' out.")
    if not 2 <= n <= MOST_PICTURES:
        raise MetricError(f"Measuring takes from 2 to {MOST_PICTURES:,} pictures, not {n}.")
    store = FeatureStore(network)
    count = min(n, len(real)) if len(real) else n
    pictures, labels = read(real, count, "reading pictures", on_step)
    store.add_features(features_of(pictures, store.extractor, cache, on_step), "real")
    made = []
    for first in range(0, n, BATCH):
        made.append(model.sample(min(BATCH, n - first), seed=seed + first).cpu())
        store.add(made[-1], "made")
        on_step("making and measuring pictures", min(first + BATCH, n), n)
    samples = torch.cat(made)

    distances = [name for name in asked if name in METRICS]
    results = store.results(distances, data=data, split=split, seed=seed, force=force) if distances else []
    if "classes" in asked:
        chosen = model.labels(n, seed=seed)
        results += _classes(store, labels, chosen, data, split)
    report = pairs = None
    if "memorisation" in asked:
        limit = MOST_PIXELS // pictures[0].numel()
        every = min(len(real) or count, max(limit, count))
        train = pictures if every == count else read(real, every, "reading all training pictures", on_step)[0]
        held = held_features = None
        if held_out is not None:
            held, _ = read(held_out, min(len(held_out) or 1000, 1000), "reading held-out pictures", on_step)
            held_features = features_of(held, store.extractor, cache, on_step)
        some = samples[:1000]
        on_step("looking for copies", 0, 1)
        near = (store.features("made")[: len(some)], store.features("real"), held_features)
        report = memorisation(some, train, held, features=near)
        on_step("looking for copies", 1, 1)
        pairs = worst_pairs(report, some, train)
        against = "training pictures, each against all others"
        if held is not None:
            config = getattr(held_out, "config", None)
            part = "" if getattr(config, "part", "") == "holdout" else getattr(config, "split", "")
            against = f"{len(held):,} held-out pictures" + (f", split {part}" if part else "")
        searched = HowMeasured(
            metric="", data=data, split=split, real=len(train), made=len(some),
            settings=f"nearest after mirroring, shift up to 3 px and light; set against {against}",
        )  # fmt: skip
        network = store.extractor
        in_features = HowMeasured(
            metric="", extractor=network.name, weights=network.weights, resize=network.resize, data=data, split=split,
            real=count, made=len(some), settings=f"Euclidean, not aligned; set against {against}",
        )  # fmt: skip
        results += _memorisation_results(report, searched, in_features)
        if getattr(getattr(real, "config", None), "crop", "") == "random":
            note = "Each training picture was looked at in one of its random crops: copies of others count in part."
            results = [dataclasses.replace(r, note=note) if r.name == "near_copies" else r for r in results]
    seeded = [dataclasses.replace(r, protocol=dataclasses.replace(r.protocol, seed=seed)) for r in results]
    return Evaluation(seeded, report, pairs)


def read(
    source: Collection, count: int, what: str, on_step: Callable[[str, int, int], None]
) -> tuple[Tensor, Tensor | None]:
    """The first ``count`` pictures of a collection and their classes, batch by batch."""
    images, labels = [], []
    for first in range(0, count, BATCH):
        batch = source.batch(first, min(BATCH, count - first))
        images.append(batch.images)
        labels.append(batch.labels)
        on_step(what, min(first + BATCH, count), count)
    if not images:
        raise MetricError("The collection holds no pictures: check --data.")
    return torch.cat(images), None if labels[0] is None else torch.cat(labels)


def feature_cache() -> Path | None:
    """Where features of real pictures are kept: $GANHUB_CACHE/features, or ~/.cache/ganhub/features.

    None where nobody knows the user's home: then they are computed each time.
    """
    home = os.path.expanduser("~")
    if folder := os.environ.get("GANHUB_CACHE") or ("" if home == "~" else os.path.join(home, ".cache", "ganhub")):
        return Path(os.path.expanduser(folder)) / "features"
    return None


def features_of(
    pictures: Tensor, network: Extractor, cache: Path | None, on_step: Callable[[str, int, int], None]
) -> Tensor:
    """Features [N, dim] of pictures, computed once for each content: the cache's key is a hash of all pixels."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    digest = hashlib.sha256(f"{network.name} {network.weights} {network.resize} {tuple(pictures.shape)}".encode())
    for part in pictures.split(256):
        digest.update(to_uint8(part).numpy().tobytes())
    folder = cache or feature_cache()
    path = folder and folder / f"{network.name}-{digest.hexdigest()[:32]}.safetensors"
    with suppress(OSError, SafetensorError, KeyError):  # not there yet, or cut off
        found = load_file(path)["features"] if path else torch.empty(0)
        if found.shape == (len(pictures), network.dim):
            return found
    rows = []
    for first in range(0, len(pictures), BATCH):
        rows.append(network(pictures[first : first + BATCH]))
        on_step("measuring real pictures", min(first + BATCH, len(pictures)), len(pictures))
    features = torch.cat(rows)
    if path is None:
        return features
    # A full or read-only disk costs the next run its time, nothing else.
    with suppress(OSError, SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        put_in_place({path: lambda part: save_file({"features": features}, part)})
    return features


def _classes(store: FeatureStore, labels: Tensor | None, asked: Tensor, data: str, split: str) -> list[Result]:
    """Accuracy by a linear classifier on the features, its accuracy on real pictures, and variety within classes."""
    if labels is None:
        raise MetricError("The real pictures have no classes: leave the metric 'classes' out, or name data.labels.")
    real, made, network = store.features("real"), store.features("made"), store.extractor
    held = torch.arange(len(real), device="cpu") % 5 == 4
    if len(set(labels[~held].tolist())) < 2 or not held.any():
        raise MetricError("Judging classes takes real pictures of two classes or more: raise --n.")
    classify = _linear_classifier(real[~held], labels[~held])
    numbers = [
        ("class_accuracy", "Class accuracy", class_accuracy(classify(made), asked)),
        ("class_accuracy_real", "Class accuracy of real pictures", class_accuracy(classify(real[held]), labels[held])),
    ]
    varied = min(torch.bincount(part).max() for part in (labels, asked)) >= 2
    if varied and (spread := intra_class_diversity(real, labels)) > 0:
        ratio = intra_class_diversity(made, asked) / spread
        numbers.append(("class_variety_ratio", "Variety within a class, the data's being 1", ratio))
    settings = {
        "class_accuracy": "ridge regression on the features of four fifths of the real pictures",
        "class_accuracy_real": "the same on the other fifth",
        "class_variety_ratio": "mean pairwise distance of the features within a class, over the real pictures'",
    }
    return [
        Result(
            name=name, label=f"{label} ({network.name})", value=value, better="higher",
            protocol=HowMeasured(
                metric=name, extractor=network.name, weights=network.weights, resize=network.resize, data=data,
                split=split, real=len(real), made=len(made), settings=settings[name],
            ),
        )
        for name, label, value in numbers
    ]  # fmt: skip


def _linear_classifier(features: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """Regularised least squares on one-hot classes, in closed form: quick, and the same on every machine."""
    mean, scale = features.double().mean(0), features.double().std(0).clamp_min(1e-6)

    def prepare(rows: Tensor) -> Tensor:
        return torch.nn.functional.pad((rows.double() - mean) / scale, (0, 1), value=1.0)

    x = prepare(features)
    target = torch.nn.functional.one_hot(labels).double()
    gram = x.T @ x + 0.1 * len(x) * torch.eye(x.shape[1], dtype=torch.float64, device="cpu")
    weights = torch.linalg.solve(gram, x.T @ target)
    return lambda rows: (prepare(rows) @ weights).argmax(1)


def _memorisation_results(report: Memorisation, searched: HowMeasured, in_features: HowMeasured) -> list[Result]:
    closer = "Closer to the training pictures than real ones (0.5 expected)"
    numbers = [
        ("closer_to_training", closer, report.closer, searched),
        ("near_copies", "Near-copies of training pictures", report.copies, searched),
        ("near_copies_real", "Near-copies among real pictures", report.held_copies, searched),
        ("nearest_distance", "Distance to the nearest training picture", report.distance, searched),
        ("nearest_distance_real", "The same distance of real pictures", report.held_distance, searched),
    ]
    if report.feature_distance is not None:
        near, real, by = report.feature_distance, report.held_feature_distance, in_features.extractor
        numbers += [
            ("nearest_feature_distance", f"Nearest training picture in features ({by})", near, in_features),
            ("nearest_feature_distance_real", f"The same for real pictures ({by})", real, in_features),
        ]
    return [
        Result(
            name=name, label=label, value=value, protocol=dataclasses.replace(protocol, metric=name),
            better="higher" if "distance" in name else "lower",
        )
        for name, label, value, protocol in numbers
    ]  # fmt: skip
