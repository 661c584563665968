"""Numbers from class outputs and from labels: Inception score, accuracy of a classifier, variety within a class."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.metrics._base import FeatureMetric, FeatureSets, Number
from ganhub.metrics.distances import canonical
from ganhub.metrics.manifold import squared_distances


class ScoreEstimate(NamedTuple):
    """A score and the standard error of its mean over the splits (None for one split)."""

    value: float
    error: float | None


def inception_score(logits: Tensor, splits: int = 10, *, seed: int = 0) -> ScoreEstimate:
    """exp of the mean divergence KL(p(y|x) || p(y)), the mean over disjoint splits.

    "Improved Techniques for Training GANs" (Salimans et al. 2016, arXiv:1606.03498, section 4). It is the Inception
    score only for the logits of "inception"; by another network it is a class score. From 1 to the number of classes;
    too small for few pictures per split. It sees no real picture. torch-fidelity's own gives the spread of the splits,
    and depends on the order of the pictures: here they are put into a canonical order and shuffled by ``seed``.

    Args:
        logits: [N, classes], class outputs before the softmax.
        splits: Number of parts, of N / splits pictures each.
        seed: The seed of the shuffle.

    Raises:
        MetricError: For another shape, NaN, or fewer than two pictures per split.
    """
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise MetricError(f"Class outputs are [N, classes] with 2 classes or more, not {list(logits.shape)}.")
    if splits < 1 or len(logits) < 2 * splits:
        raise MetricError(
            f"{len(logits)} pictures don't make {splits} splits of 2 or more: give more, or fewer splits."
        )
    if not logits.isfinite().all():
        raise MetricError("The class outputs hold NaN or infinite values: check the pictures.")
    rows = canonical(logits.detach().to("cpu", torch.float64))
    rows = rows[np.random.RandomState(seed).permutation(len(rows))]
    scores = []
    for part in rows.tensor_split(splits):
        log_each = part.log_softmax(1)
        log_all = log_each.logsumexp(0) - math.log(len(part))
        scores.append((log_each.exp() * (log_each - log_all)).sum(1).mean().exp())
    values = torch.stack(scores)
    return ScoreEstimate(values.mean().item(), (values.std() / math.sqrt(splits)).item() if splits > 1 else None)


class Score(FeatureMetric, name="score"):
    """:func:`inception_score` of the network's class outputs."""

    key, label, proper, better = "class_score", "Class score", "Inception score", "higher"
    paired, seeded = False, True

    def of(self, sets: FeatureSets) -> Number:
        value, error = inception_score(sets.network.logits_of(sets.made), sets.splits, seed=sets.seed)
        return Number(value, error, settings=f"{sets.splits} splits")


def intra_class_diversity(features: Tensor, labels: Tensor) -> float:
    """Mean distance between two pictures of one class, averaged over the classes.

    Zero for a model that knows one picture per class (conditional collapse; "Mode Seeking Generative Adversarial
    Networks", Mao et al. 2019, arXiv:1903.05628, section 4.1, measures it so, by LPIPS). Compare it with the same of
    the real pictures.

    Args:
        features: [N, D] of any float type; the distance is Euclidean.
        labels: [N], integers. A class with one picture has no pair and is left out.

    Returns:
        In units of the features, 0 or more.

    Raises:
        MetricError: When the shapes don't fit, for NaN, or when no class has two pictures.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise MetricError(f"Give features [N, D] and labels [N], not {list(features.shape)} and {list(labels.shape)}.")
    if not features.isfinite().all():
        raise MetricError("The features hold NaN or infinite values: check the pictures.")
    features, labels = features.detach().to("cpu", torch.float64), labels.cpu()
    means = []
    for label in labels.unique().tolist():
        members = canonical(features[labels == label])
        count = len(members)
        if count < 2:
            continue
        members = members - members.mean(0)
        total = 0.0
        for rows, columns, distances in squared_distances(members, members):
            total += distances.sqrt().sum().item() * (1 if rows == columns else 2)
        means.append(total / (count * (count - 1)))
    if not means:
        raise MetricError("No class has two pictures: make at least two of each class.")
    return sum(means) / len(means)


def class_accuracy(predicted: Tensor, asked: Tensor) -> float:
    """Share of made pictures that a classifier takes for the class that was asked for.

    Args:
        predicted: Class outputs [N, classes], or classes [N] as integers.
        asked: Classes [N], integers.

    Returns:
        From 0 to 1.

    Raises:
        MetricError: When the shapes don't fit, there is no picture, or the outputs are NaN.
    """
    if predicted.ndim not in (1, 2) or asked.ndim != 1 or len(predicted) != len(asked) or not len(asked):
        raise MetricError(
            f"Give classes [N] or outputs [N, classes], and the N asked classes, not {list(predicted.shape)} and "
            f"{list(asked.shape)}."
        )
    if predicted.is_floating_point() and not predicted.isfinite().all():
        raise MetricError("The classifier's outputs hold NaN or infinite values: check the pictures.")
    answers = predicted.argmax(1) if predicted.ndim == 2 else predicted
    return (answers.cpu() == asked.cpu()).double().mean().item()
