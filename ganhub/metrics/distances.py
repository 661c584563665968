"""Distances between two sets of features: Frechet's and the kernel distance. Pure functions, in float64.

Features are rows [N, D] of any float type, one per picture (:mod:`ganhub.metrics.extractors`). Neither the order of the
rows nor how they were batched changes a result. Only with the extractor "inception" are these FID and KID.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.metrics._base import FeatureMetric, FeatureSets, Number


class KernelEstimate(NamedTuple):
    """An estimate and its standard error."""

    value: float
    error: float


def checked(real: Tensor, fake: Tensor, least: int = 2) -> tuple[Tensor, Tensor]:
    """Return two sets of features in float64 on the CPU and in canonical order, each fit to be measured.

    Raises:
        MetricError: For another shape than [N, D], different D, fewer than ``least`` rows, NaN, or a set of several
            rows that are all the same.
    """
    for kind, features in (("real", real), ("made", fake)):
        if features.ndim != 2 or 0 in features.shape[1:]:
            raise MetricError(f"Features are [N, D], one row per picture, not {list(features.shape)} ({kind}).")
        if len(features) < least:
            counted = f"{len(features)} {kind} picture" + "s" * (len(features) != 1)
            raise MetricError(
                f"{counted} cannot be measured: give at least {least}, and thousands to quote the number."
            )
        if not features.isfinite().all():
            raise MetricError(f"The features of the {kind} pictures hold NaN or infinite values: check the pictures.")
        if len(features) > 1 and bool((features == features[:1]).all()):
            raise MetricError(
                f"All {len(features):,} {kind} pictures have the same features, as constant or repeated pictures do: "
                "a distance to them means nothing. Look at the pictures."
            )
    if real.shape[1] != fake.shape[1]:
        raise MetricError(
            f"The real pictures have {real.shape[1]} features and the made ones {fake.shape[1]}: "
            "measure both with one extractor."
        )
    real, fake = (canonical(features.detach().to("cpu", torch.float64)) for features in (real, fake))
    return real, fake


def canonical(features: Tensor) -> Tensor:
    """Sort rows [N, D] into an order that depends on their values alone, so that "the first row" means one thing."""
    # Big-endian bytes sort as the numbers do (the negative ones backwards, which is an order as well).
    keys = features.numpy().astype(">f8")
    order = sorted(range(len(keys)), key=lambda i: keys[i].tobytes())
    return features[order]


# --- Frechet ----------------------------------------------------------------------------


def frechet_distance(real: Tensor, fake: Tensor, *, force: bool = False) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets of features.

    "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium" (Heusel et al. 2017,
    arXiv:1706.08500, equation 6). With N pictures it is too large by about a constant over N, and with N <= D the
    covariance is singular, which makes it hopeless: the kernel distance has no such bias.

    Args:
        real: [N, D].
        fake: [M, D].
        force: Measure although N or M is not above D.

    Returns:
        The distance, 0 or more, in squared units of the features.

    Raises:
        MetricError: When N or M is not above D and ``force`` is off; for features that cannot be measured.
    """
    real, fake = checked(real, fake)
    needed = real.shape[1] + 1
    fewest = min(len(real), len(fake))
    if fewest < needed and not force:
        raise MetricError(
            f"A Frechet distance of {real.shape[1]:,} features needs at least {needed:,} pictures on each side, and "
            f"there are {len(real):,} real and {len(fake):,} made: give more pictures, use the kernel distance, or "
            "force it and live with the bias."
        )
    return frechet_from_moments(*moments(real), *moments(fake))


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean [D] and the covariance [D, D] (divided by N - 1) of features [N, D], in float64."""
    features = features.double()
    mean = features.mean(0)
    centred = (features - mean).cpu().numpy()
    return mean, torch.from_numpy(centred.T @ centred) / (len(features) - 1)  # numpy halves the work, torch doesn't


def frechet_from_moments(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Squared Frechet distance between two Gaussians: |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)).

    The trace of the root is that of (R C' R)^(1/2) with R = C^(1/2), both roots of symmetric matrices: quicker and
    better conditioned than the root of C C', which scipy's sqrtm and torch-fidelity's eigvals (a third of this speed)
    take, and never complex. Heusel et al. 2017, equation 6; Dowson and Landau 1982, equation 4.

    Args:
        mean: [D].
        covariance: [D, D], symmetric and positive semi-definite.
        other_mean: [D].
        other_covariance: [D, D].

    Raises:
        MetricError: When the shapes do not fit each other, or for NaN.
    """
    dim = len(mean)
    shapes = [list(t.shape) for t in (mean, covariance, other_mean, other_covariance)]
    if shapes != [[dim], [dim, dim], [dim], [dim, dim]]:
        raise MetricError(f"Moments are [D], [D, D], [D], [D, D] with one D, not {', '.join(map(str, shapes))}.")
    mean, covariance, other_mean, other_covariance = (
        t.detach().to("cpu", torch.float64) for t in (mean, covariance, other_mean, other_covariance)
    )
    if not all(t.isfinite().all() for t in (mean, covariance, other_mean, other_covariance)):
        raise MetricError("The moments hold NaN or infinite values: check the pictures they were taken from.")
    shift = (mean - other_mean).square().sum()
    if torch.equal(covariance, other_covariance):  # the traces cancel; rounding would leave 1e-13 of them
        return shift.item()
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    middle = root @ other_covariance @ root
    cross = torch.linalg.eigvalsh((middle + middle.T) / 2).clamp_min(0).sqrt().sum()
    distance = shift + covariance.trace() + other_covariance.trace() - 2 * cross
    return max(distance.item(), 0.0)


# --- Kernel -----------------------------------------------------------------------------


def kernel_distance(
    real: Tensor, fake: Tensor, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> KernelEstimate:
    """Squared maximum mean discrepancy with the kernel k(x, y) = (x . y / D + 1)^3, unbiased.

    "Demystifying MMD GANs" (Binkowski et al. 2018, arXiv:1801.01401, section 4 and equation 4): the mean of the
    unbiased estimate over random subsets. Being unbiased it may come out below zero for sets that are alike. Where one
    subset would hold all rows of both sides, they are measured once. Rows are put into a canonical order first and the
    subsets drawn as torch-fidelity draws them, whose value this is on rows in that order; its function computes in the
    features' own type and gives the spread between overlapping subsets, which is no error of their mean.

    Args:
        real: [N, D].
        fake: [M, D].
        subsets: Number of subsets.
        subset_size: Rows of each side in a subset, at most N and M.
        seed: The seed of the draw of the subsets.

    Returns:
        The estimate and its standard error: over draws of the pictures, and of the subsets.

    Raises:
        MetricError: For features that cannot be measured, or numbers that are too small.
    """
    if subsets < 1 or subset_size < 4:
        raise MetricError(f"Take at least 1 subset of 4 pictures, not {subsets} of {subset_size}.")
    # Products of float32 features are taken in float32, twice as fast: their rounding errors average out over a
    # subset's million pairs, to about a millionth of the standard error. Powers and sums are in float64 always.
    products = np.float64 if torch.float64 in (real.dtype, fake.dtype) else np.float32
    pair = checked(real, fake, least=4)
    if torch.equal(*pair):  # one and the same set: the estimate, which expects two draws, would fall below zero
        return KernelEstimate(0.0, 0.0)
    x, y = (rows.numpy().astype(products, copy=False) for rows in pair)
    if max(len(x), len(y)) <= subset_size:
        value, *spreads = _discrepancy(x, y)
        return KernelEstimate(value, math.sqrt(_variance(spreads, len(x), len(y))))
    size = min(subset_size, len(x), len(y))
    random = np.random.RandomState(seed)
    estimates = np.array([
        _discrepancy(
            x[random.choice(len(x), size, replace=False)],
            y[random.choice(len(y), size, replace=False)],
        )
        for _ in range(subsets)
    ])  # fmt: skip
    value, *spreads = estimates.mean(0)
    if subsets == 1:
        return KernelEstimate(float(value), math.sqrt(_variance(spreads, size, size)))
    # Given the pictures, subsets are independent draws around the estimate from all of them.
    draw = estimates[:, 0].var(ddof=1) / subsets
    return KernelEstimate(float(value), math.sqrt(_variance(spreads, len(x), len(y)) + draw))


class Kernel(FeatureMetric, name="kernel"):
    """:func:`kernel_distance`; KID by Inception."""

    key, label, proper = "kernel_distance", "Kernel distance", "KID"
    usual = seeded = True

    def of(self, sets: FeatureSets) -> Number:
        real, fake, size = len(sets.real), len(sets.made), sets.subset_size
        value, error = kernel_distance(sets.real, sets.made, subsets=sets.subsets, subset_size=size, seed=sets.seed)
        parts = f"{sets.subsets:,} subsets of {min(size, real, fake):,}"
        return Number(
            value, error, settings=f"cubic kernel, {'all pictures once' if max(real, fake) <= size else parts}"
        )


class Frechet(FeatureMetric, name="frechet"):
    """:func:`frechet_distance`; FID by Inception."""

    key, label, proper = "frechet_distance", "Frechet distance", "FID"

    def of(self, sets: FeatureSets) -> Number:
        value, dim = frechet_distance(sets.real, sets.made, force=sets.force), sets.network.dim
        fewest, note = min(len(sets.real), len(sets.made)), ""
        if fewest <= dim:
            note = (
                f"Biased upwards: forced on {fewest:,} pictures, fewer than the {dim + 1:,} that {dim:,} features need."
            )
        return Number(value, note=note)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = (x @ y.T).astype(np.float64, copy=False)  # numpy halves the work where y is x
    base /= x.shape[1]
    base += 1
    cube = base * base
    cube *= base
    return cube


def _discrepancy(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float, float, float]:
    """The unbiased estimate, and the five variances that its own variance is made of (see :func:`_variance`)."""
    n, m = len(x), len(y)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    np.fill_diagonal(xx, 0)
    np.fill_diagonal(yy, 0)
    row_xx, row_yy = xx.sum(1) / (n - 1), yy.sum(1) / (m - 1)
    row_xy, column_xy = xy.mean(1), xy.mean(0)
    mean_xx, mean_yy, mean_xy = row_xx.mean(), row_yy.mean(), row_xy.mean()

    # Second order: the kernel's variance less that of its row and column means, each freed of the other's share.
    def within(kernel: np.ndarray, rows: np.ndarray, mean: float) -> float:
        count = len(rows)
        whole = np.vdot(kernel, kernel) / (count * (count - 1)) - mean**2
        return max(whole - 2 * rows.var(ddof=1), 0.0) / (1 - 2 / (count - 1))

    second_xx, second_yy = within(xx, row_xx, mean_xx), within(yy, row_yy, mean_yy)
    whole = np.vdot(xy, xy) / (n * m) - mean_xy**2
    second_xy = max(whole - row_xy.var(ddof=1) - column_xy.var(ddof=1), 0.0) / (1 - 1 / n - 1 / m)
    first_x = (row_xx - row_xy).var(ddof=1) - second_xx / (n - 1) - second_xy / m
    first_y = (row_yy - column_xy).var(ddof=1) - second_yy / (m - 1) - second_xy / n
    return mean_xx + mean_yy - 2 * mean_xy, first_x, first_y, second_xx, second_yy, second_xy


def _variance(spreads: list[float], n: int, m: int) -> float:
    """The variance of the estimate from n and m rows, by its Hoeffding decomposition (Serfling 1980, section 5.2).

    The first order vanishes where both sets come from one distribution; the second is all there is then.
    """
    first_x, first_y, second_xx, second_yy, second_xy = spreads
    first = 4 * max(first_x, 0.0) / n + 4 * max(first_y, 0.0) / m
    return first + 2 * second_xx / (n * (n - 1)) + 2 * second_yy / (m * (m - 1)) + 4 * second_xy / (n * m)
