"""Evaluating a model from end to end: pictures, features, distances, memorisation; see :func:`evaluate`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganhub.data import Pictures
from ganhub.errors import MetricError
from ganhub.metrics._base import FeatureMetric, Findings, Metric, OnStep, Seen, get_metric, list_metrics
from ganhub.metrics.accumulate import FeatureStore
from ganhub.metrics.extractors import DEFAULT
from ganhub.metrics.memorisation import Memorisation
from ganhub.metrics.protocol import Result
from ganhub.metrics.reading import BATCH, features_of, read
from ganhub.models import LatentGenerator

MOST_PICTURES = 1_000_000  # generated ones; more would take days


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`evaluate`.

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
    real: Pictures,
    *,
    metrics: Sequence[str] = (),
    n: int = 2000,
    network: str = DEFAULT,
    held_out: Pictures | None = None,
    data: str = "",
    split: str = "",
    seed: int = 0,
    force: bool = False,
    cache: Path | None = None,
    on_step: OnStep = lambda what, done, total: None,
) -> Evaluation:
    """Measure a generator against real pictures.

    Args:
        model: Sampled at truncation 1; classes take turns.
        real: What it was trained on, or a test split of it, opened for the model's size by
            :func:`ganhub.data.open_data`: how it crops belongs to the report on memorisation.
        metrics: Names of :func:`ganhub.metrics.list_metrics`; for "memorisation" ``real`` must be the training
            pictures, for "classes" the model conditional. None named: the usual ones, as far as they apply.
        n: Generated pictures, and real ones as far as there are so many.
        network: The extractor; see :func:`ganhub.metrics.extractor`.
        held_out: Real pictures that were not trained on, opened likewise, for memorisation; None: leave-one-out.
        data: Name of the real pictures, for the protocol.
        split: Which part of them.
        seed: That of the first generated picture and of the metrics' own draws.
        force: Take a Frechet distance of too few pictures.
        cache: Folder where features of real pictures are kept; by default that of
            :func:`~ganhub.metrics.reading.feature_cache`.
        on_step: Called with (what is being done, pictures so far, pictures in all).

    Raises:
        MetricError: For another collection than :class:`ganhub.data.Pictures`, an unknown metric, too few pictures, or
            pictures that cannot be measured.
    """
    if not (isinstance(real, Pictures) and isinstance(held_out, Pictures | None)):
        raise MetricError("Real pictures are measured as ganhub.data.open_data opens them: pass what it returns.")
    asked = _asked(metrics, model)
    if not 2 <= n <= MOST_PICTURES:
        raise MetricError(f"Measuring takes from 2 to {MOST_PICTURES:,} pictures, not {n}.")
    store = FeatureStore(network)
    count = min(n, len(real)) if len(real) else n
    pictures, labels = read(real, count, "reading pictures", on_step)
    store.add_features(features_of(pictures, store.extractor, cache, on_step), "real")
    samples = []
    for first in range(0, n, BATCH):
        samples.append(model.sample(min(BATCH, n - first), seed=seed + first).cpu())
        store.add(samples[-1], "made")
        on_step("making and measuring pictures", min(first + BATCH, n), n)
    seen = Seen(
        model=model, real=real, held_out=held_out, pictures=pictures, labels=labels, samples=torch.cat(samples),
        sets=store.sets(seed=seed, force=force), data=data, split=split, seed=seed, cache=cache, on_step=on_step,
    )  # fmt: skip
    return _joined([metric.measure(seen) for metric in asked], seed)


def _joined(findings: Sequence[Findings], seed: int) -> Evaluation:
    """All numbers, each with the seed in its protocol, and the first report and pairs."""
    results = [result for one in findings for result in one.results]
    seeded = [dataclasses.replace(r, protocol=dataclasses.replace(r.protocol, seed=seed)) for r in results]
    report = next((one.report for one in findings if one.report is not None), None)
    return Evaluation(seeded, report, next((one.pairs for one in findings if one.pairs is not None), None))


def _asked(names: Sequence[str], model: LatentGenerator) -> list[Metric]:
    """The metrics of these names (of none: the usual ones that apply), those of features first."""
    chosen = {name: get_metric(name) for name in names or list_metrics(usual=True)}
    refused = {name: sentence for name, metric in chosen.items() if (sentence := metric.refusal(model))}
    if names and refused:
        raise MetricError(next(iter(refused.values())))
    order = [name for name in chosen if isinstance(chosen[name], FeatureMetric)]
    order += [name for name in list_metrics() if name in chosen and name not in order]
    return [chosen[name] for name in order if name not in refused]
