"""Accumulators: pictures go in batch by batch, results with their protocols come out.

:class:`FeatureStore` for distances between sets of pictures, :class:`PairStore` for pictures with a reference each.
Batches and their order don't change a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import MetricError
from ganhub.metrics import perceptual, pixels
from ganhub.metrics.distances import frechet_distance, kernel_distance
from ganhub.metrics.extractors import DEFAULT, Extractor, extractor
from ganhub.metrics.manifold import DENSITY_K, PRECISION_K, manifold
from ganhub.metrics.protocol import Protocol, Result
from ganhub.metrics.scores import inception_score

# name of a metric in results() -> machine key, label by any network, label by Inception where that has its own name
METRICS = {
    "kernel": ("kernel_distance", "Kernel distance", "KID"),
    "frechet": ("frechet_distance", "Frechet distance", "FID"),
    "precision": ("precision", "Precision", ""),
    "recall": ("recall", "Recall", ""),
    "density": ("density", "Density", ""),
    "coverage": ("coverage", "Coverage", ""),
    "score": ("class_score", "Class score", "Inception score"),
}
PAIR_METRICS = ("psnr", "ssim", "perceptual", "lpips")


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
            metrics: Out of "kernel", "frechet", "precision", "recall", "density", "coverage" and "score".
            data: What the real pictures are, for the protocol.
            split: Which part of them, for the protocol.
            seed: Of the kernel distance's subsets and the score's splits.
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
        metrics = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        for name in metrics:
            if name not in METRICS:
                known = ", ".join(METRICS)
                raise MetricError(f"There is no metric '{name}'.{nearest(name, METRICS)} Choose from: {known}.")
        real, made = self.features("real"), self.features("made")
        network = self.extractor
        balls = (
            manifold(real, made, k=k)._asdict() if set(metrics) & {"precision", "recall", "density", "coverage"} else {}
        )
        results = []
        for name in metrics:
            key, label, proper = METRICS[name]
            error, note, settings = None, "", ""
            if name == "kernel":
                value, error = kernel_distance(real, made, subsets=subsets, subset_size=subset_size, seed=seed)
                size = min(subset_size, len(real), len(made))
                once = max(len(real), len(made)) <= subset_size
                settings = "cubic kernel, " + ("all pictures once" if once else f"{subsets:,} subsets of {size:,}")
            elif name == "frechet":
                value = frechet_distance(real, made, force=force)
                fewest = min(len(real), len(made))
                if fewest <= network.dim:
                    note = (
                        f"Biased upwards: forced on {fewest:,} pictures, fewer than the {network.dim + 1:,} that "
                        f"{network.dim:,} features need."
                    )
            elif name == "score":
                value, error = inception_score(network.logits_of(made), splits, seed=seed)
                settings = f"{splits} splits"
            else:
                value = balls[name]
                settings = f"k = {k or (PRECISION_K if name in ('precision', 'recall') else DENSITY_K)}"
            unpaired = name == "score"  # it sees no real picture
            protocol = Protocol(
                metric=key,
                extractor=network.name,
                weights=network.weights,
                resize=network.resize,
                settings=settings,
                data="" if unpaired else data,
                split="" if unpaired else split,
                real=0 if unpaired else len(real),
                made=len(made),
                seed=seed if name in ("kernel", "score") else 0,
            )
            named = proper if network.name == "inception" and proper else f"{label} ({network.name})"
            better = "lower" if name in ("kernel", "frechet") else "higher"
            results.append(
                Result(name=key, label=named, value=value, error=error, better=better, note=note, protocol=protocol)
            )
        return results

    def _of(self, kind: str) -> list[Tensor]:
        if kind not in self._rows:
            raise MetricError(f"Pictures are 'real' or 'made', not {kind!r}.")
        return self._rows[kind]


class PairStore:
    """Measures pictures against a reference each; a result is the mean over the pictures.

    Args:
        metrics: Out of "psnr", "ssim", "perceptual" and "lpips".
        channel: "rgb" or "y", of PSNR and SSIM.
        crop: Pixels cut off each border, for PSNR and SSIM.
        network: Of the perceptual distance.
        backbone: Of LPIPS.
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
        self.metrics = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        for name in self.metrics:
            if name not in PAIR_METRICS:
                hint = nearest(name, PAIR_METRICS)
                raise MetricError(f"There is no metric '{name}'.{hint} Choose from: {', '.join(PAIR_METRICS)}.")
        self.channel, self.crop, self.network, self.backbone = channel, crop, network, backbone
        self._values: dict[str, list[float]] = {name: [] for name in self.metrics}

    def add(self, images: Tensor, references: Tensor) -> None:
        """Measure a batch: both [N, C, H, W] in [-1, 1], C = 1 or 3; sizes may differ between batches.

        Raises:
            MetricError: As the functions of :mod:`~ganhub.metrics.pixels` and :mod:`~ganhub.metrics.perceptual` say.
        """
        measure: dict[str, Callable[[], Tensor]] = {
            "psnr": lambda: pixels.psnr(images, references, channel=self.channel, crop=self.crop),
            "ssim": lambda: pixels.ssim(images, references, channel=self.channel, crop=self.crop),
            "perceptual": lambda: perceptual.perceptual_distance(images, references, network=self.network),
            "lpips": lambda: perceptual.lpips(images, references, backbone=self.backbone),
        }
        new = {name: measure[name]().tolist() for name in self.metrics}  # all or none, should one of them raise
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
        network, weights, settings = "", "", ""
        if name in ("psnr", "ssim"):
            span = "luma 16 to 235 of BT.601, range 255" if self.channel == "y" else "RGB"
            settings = f"{span}, {self.crop} pixels cut off each border"
            label = name.upper() + (" (Y)" if self.channel == "y" else "")
        elif name == "perceptual":
            network, weights = self.network, extractor(self.network).weights
            settings = "unit-normalised features, mean over layers, not calibrated"
            label = f"Perceptual distance ({network})"
        else:
            network, weights = self.backbone, perceptual.lpips_network(self.backbone)[1]
            label = f"LPIPS ({network})"
        key = "perceptual_distance" if name == "perceptual" else name
        count = len(values)
        protocol = Protocol(
            metric=key, extractor=network, weights=weights, settings=settings, data=data, split=split, real=count,
            made=count,
        )  # fmt: skip
        better = "higher" if name in ("psnr", "ssim") else "lower"
        return Result(name=key, label=label, value=mean, error=error, better=better, protocol=protocol)


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
