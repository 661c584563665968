"""The energy distance: how far apart two distributions are, without a network that has to learn it."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_distances(x: Tensor, others: Tensor, comparable: Tensor) -> Tensor:
    """The mean over N vectors of E|x - y|, the mean distance to those of M others that each may be compared with.

    Args:
        x: [N, D].
        others: [M, D].
        comparable: Bool [N, M]; a row without any is left out.

    Returns:
        Scalar; distances are root mean squares over the D numbers. 0 where nothing may be compared.
    """
    with torch.autocast(x.device.type, enabled=False):  # small differences of large squares
        x, others = x.float(), others.float()
        squared = x.square().sum(1, keepdim=True) + others.square().sum(1) - 2 * x @ others.T
        distances = (squared.clamp(min=0) / x.shape[1] + 1e-6).sqrt()  # a slope also where they meet
    counts = comparable.sum(1)
    means = (distances * comparable).sum(1) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)


def energy_distance(
    made: Tensor, real: Tensor, made_before: Tensor, real_before: Tensor, labels: Tensor, labels_before: Tensor
) -> tuple[Tensor, Tensor]:
    """The energy distance between generated and real vectors of each class, of a batch against what came before it.

    D^2 = 2 E|X - Y| - E|X - X'| - E|Y - Y'| (Szekely and Rizzo 2013, "Energy statistics"; as a loss
    of generators: Bellemare et al. 2017, arXiv:1705.10743). It is 0 only where both distributions are the same. A batch
    holds too few vectors of a class to tell how often each kind comes, so X' and Y' are those of earlier batches.

    Args:
        made, real: [N, D] of this batch, generated and real, both of the classes ``labels`` [N].
        made_before, real_before: [M, D] of earlier batches, both of the classes ``labels_before`` [M].

    Returns:
        What a generator minimises, whose gradient is half of the distance's (X' does not move), and the distance.
    """
    same = labels[:, None] == labels_before
    to_real, to_made = mean_distances(made, real_before, same), mean_distances(made, made_before, same)
    with torch.no_grad():
        distance = 2 * to_real - to_made - mean_distances(real, real_before, same)
    return to_real - to_made, distance
