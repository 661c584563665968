"""Accumulators: pictures go in batch by batch, results with their protocols come out.

:class:`FeatureStore` for distances between sets of pictures, :class:`PairStore` for pictures with a reference each.
Batches and their order don't change a result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.metrics._base import FeatureSets, PairOptions, get_feature_metric, get_pair_metric
from ganhub.metrics.extractors import DEFAULT, Extractor, extractor
from ganhub.metrics.protocol import Protocol, Result


class FeatureStore:
    """Keeps the features of real and made pictures: one pass of the network serves every metric.

    Args:
        network: Name of an extractor, or one.
    """

    def __init__(self, network: str | Extractor = DEFAULT) -> None:
        self.extractor = extractor(network) if isinstance(network, str) else network
        self._rows: dict[str, list[Tensor]] = {"real": [], "made": []}
        self._size: tuple[int, ...] | None = None

    def add(self, images: Tensor, kind: str = "made") -> None:
        """Add pictures.

        Args:
            images: [N, C, H, W] in [-1, 1], C = 1, 3 or 4. The network works in batches of 16: multiples are quickest.
            kind: "real" or "made".

        Raises:
            MetricError: For NaN, another shape, or another size than the pictures before.
        """
        rows = self._of(kind)
        features = self.extractor(images)
        size = tuple(images.shape[-2:])
        if self._size not in (None, size):
            raise MetricError(
                f"The {kind} pictures are {size[0]} x {size[1]} and those before {self._size[0]} x {self._size[1]}: "
                "bring all to one size first (ganhub.images.fit), or the size is what is measured."
            )
        self._size = size
        rows.append(features)

    def add_features(self, features: Tensor, kind: str = "made") -> None:
        """Add rows [N, dim] that this extractor computed before, such as those of the real pictures.

        Raises:
            MetricError: When they are of another shape.
        """
        rows = self._of(kind)
        if features.ndim != 2 or features.shape[1] != self.extractor.dim:
            raise MetricError(
                f"{self.extractor.name} has features [N, {self.extractor.dim}], not {list(features.shape)}: "
                "give those of the same extractor."
            )
        rows.append(features.detach().float().cpu())

    def features(self, kind: str = "made") -> Tensor:
        """Return all features of one kind, [N, dim] in the order in which they were added."""
        rows = self._of(kind)
        return torch.cat(rows) if rows else torch.empty(0, self.extractor.dim, device="cpu")

    def results(
        self,
        metrics: Sequence[str] = ("kernel",),
        *,
        data: str = "",
        split: str = "",
        seed: int = 0,
        subsets: int = 100,
        subset_size: int = 1000,
        k: int | None = None,
        splits: int = 10,
        force: bool = False,
    ) -> list[Result]:
        """Measure.

        Args:
            metrics: Names of :func:`ganhub.metrics.list_feature_metrics`.
            data: What the real pictures are, for the protocol.
            split: Which part of them, for the protocol.
            seed: The seed of the kernel distance's subsets and the score's splits.
            subsets: See :func:`~ganhub.metrics.distances.kernel_distance`.
            subset_size: See there.
            k: See :func:`~ganhub.metrics.manifold.manifold`.
            splits: See :func:`~ganhub.metrics.scores.inception_score`.
            force: Take a Frechet distance of too few pictures; the result's note then says so.

        Returns:
            One result per metric, in the order asked.

        Raises:
            MetricError: For an unknown metric, or pictures that cannot be measured.
        """
        chosen = [get_feature_metric(name) for name in ((metrics,) if isinstance(metrics, str) else metrics)]
        sets = self.sets(seed=seed, subsets=subsets, subset_size=subset_size, k=k, splits=splits, force=force)
        return [metric.result(sets, data, split) for metric in chosen]

    def sets(self, **options: Any) -> FeatureSets:
        """What was added so far, as metrics take it; ``options`` are the other fields of :class:`FeatureSets`."""
        return FeatureSets(real=self.features("real"), made=self.features("made"), network=self.extractor, **options)

    def _of(self, kind: str) -> list[Tensor]:
        if kind not in self._rows:
            raise MetricError(f"Pictures are 'real' or 'made', not {kind!r}.")
        return self._rows[kind]


class PairStore:
    """Measures pictures against a reference each; a result is the mean over the pictures.

    Args:
        metrics: Names of :func:`ganhub.metrics.list_pair_metrics`.
        channel: "rgb" or "y", of PSNR and SSIM.
        crop: Pixels cut off each border, for PSNR and SSIM.
        network: The perceptual distance's feature network.
        backbone: The network whose features LPIPS compares.
    """

    def __init__(
        self,
        metrics: Sequence[str] = ("psnr", "ssim"),
        *,
        channel: str = "rgb",
        crop: int = 0,
        network: str = "vgg-lite",
        backbone: str = "alex",
    ) -> None:
        names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        self.metrics = {name: get_pair_metric(name) for name in names}
        self.options = PairOptions(channel=channel, crop=crop, network=network, backbone=backbone)
        self._values: dict[str, list[float]] = {name: [] for name in self.metrics}

    def add(self, images: Tensor, references: Tensor) -> None:
        """Measure a batch: both [N, C, H, W] in [-1, 1], C = 1 or 3; sizes may differ between batches.

        Raises:
            MetricError: As the functions of :mod:`~ganhub.metrics.pixels` and :mod:`~ganhub.metrics.perceptual` say.
        """
        # All or none, should one of them raise.
        new = {name: one.of(images, references, self.options).tolist() for name, one in self.metrics.items()}
        for name, values in new.items():
            self._values[name] += values

    def results(self, *, data: str = "", split: str = "") -> list[Result]:
        """Return the means and their standard errors over pictures, in the order of ``metrics``.

        Raises:
            MetricError: When nothing was added, or a PSNR is infinite.
        """
        return [self._result(name, values, data, split) for name, values in self._values.items()]

    def _result(self, name: str, values: list[float], data: str, split: str) -> Result:
        equal = sum(map(math.isinf, values))
        if equal:
            raise MetricError(
                f"{equal} of {len(values)} pictures equal their references, which makes the mean PSNR infinite: "
                "leave them out."
            )
        mean, error = mean_and_error(values)
        metric, count = self.metrics[name], len(values)
        key, how = metric.key or name, metric.protocol(self.options)
        protocol = Protocol(metric=key, data=data, split=split, real=count, made=count, **how)
        label = metric.label(self.options)
        return Result(name=key, label=label, value=mean, error=error, better=metric.better, protocol=protocol)


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and its standard error (None for one value); the order of the values doesn't matter.

    Raises:
        MetricError: When there is no value.
    """
    if not values:
        raise MetricError("There is nothing to measure: add pictures first.")
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)
