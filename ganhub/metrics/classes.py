"""Does a conditional generator draw the class that it was asked for, and how varied is it within one?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.metrics._base import Findings, Metric, Seen
from ganhub.metrics.protocol import Result
from ganhub.metrics.scores import class_accuracy, intra_class_diversity
from ganhub.models import LatentGenerator


class Classes(Metric, name="classes"):
    """Accuracy by a linear classifier on the features, its accuracy on real pictures, and variety within classes."""

    usual = True

    def refusal(self, model: LatentGenerator) -> str:
        if model.config.num_classes:
            return ""
        return f"This {model.architecture} knows no classes: leave the metric 'classes' out."

    def measure(self, seen: Seen) -> Findings:
        asked = seen.model.labels(len(seen.samples), seed=seen.seed)
        return Findings(_results(seen, seen.labels, asked))


def _results(seen: Seen, labels: Tensor | None, asked: Tensor) -> list[Result]:
    if labels is None:
        raise MetricError("The real pictures have no classes: leave the metric 'classes' out, or name data.labels.")
    real, made, network = seen.sets.real, seen.sets.made, seen.sets.network
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
            protocol=seen.protocol(name, settings=settings[name]),
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
