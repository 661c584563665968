"""Losses on the features of a fixed network.

Unless a function names another paper, equation numbers are those of "Image Style Transfer Using Convolutional Neural
Networks" (Gatys, Ecker and Bethge 2016, CVPR). Features are [N, C, H, W]: N_l of the paper is C, M_l is H * W.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def gram(features: Tensor) -> Tensor:
    """Correlations between channels, blind to where in the picture something is: equation 3, normalised.

    The paper's G_ij = sum_k F_ik F_jk is divided here by C * H * W, so that the value does not grow with the size of
    the picture or the number of channels, and styles of another size than the picture can be compared.

    Args:
        features: [N, C, H, W]; bfloat16 and float16 are summed in float32.

    Returns:
        [N, C, C], symmetric and positive semi-definite; float32, or float64 for float64 features.
    """
    wide = features if features.dtype == torch.float64 else features.float()
    # [N, H * W, C]: the gradient comes back in the channels-last order of the networks, which saves a third of a step.
    flat = wide.movedim(1, -1).flatten(1, 2)
    with torch.autocast(features.device.type, enabled=False):
        return flat.transpose(1, 2) @ flat / features[0].numel()


def gram_distance(first: Tensor, second: Tensor) -> Tensor:
    """Squared distance between Gram matrices, picture by picture: equation 4 for :func:`gram`'s normalisation.

    With G = C H W gram, the paper's E_l = sum_ij (G_ij - A_ij)^2 / (4 C^2 (H W)^2) is a quarter of
    sum_ij (gram_ij - gram'_ij)^2 when both pictures have one size. The mean over i and j is taken instead, which makes
    layers with different channel counts comparable: E_l = C^2 / 4 times this.

    Args:
        first: Gram matrices [N, C, C].
        second: [N, C, C], or [1, C, C] against every one of ``first``.

    Returns:
        [N], zero where the two are equal.
    """
    return (first - second).square().mean((-2, -1))


def content_distance(first: Tensor, second: Tensor) -> Tensor:
    """Squared distance between features, place by place: equation 1 with a mean for the sum.

    The paper's L_content = 1/2 sum_ij (F_ij - P_ij)^2 is C H W / 2 times this; the mean does not grow with the size of
    the picture.

    Args:
        first: Features [N, C, H, W].
        second: The same shape, or [1, C, H, W] against every one of ``first``.

    Returns:
        [N], zero where the two are equal.
    """
    return (first - second).square().mean((-3, -2, -1))


def unit_distance(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Tensor:
    """Squared distance of features that are scaled to length 1 at each place, averaged over the layers.

    Equation 1 of "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (Zhang et al. 2018,
    arXiv:1801.03924) with w = 1: the direction counts and the length does not, so that layers can be added up.

    Args:
        first: Features [N, C, H, W] by layer.
        second: The same.

    Returns:
        [N], float32, from 0 for equal features to 4.
    """
    each = []
    for a, b in zip(first.values(), second.values(), strict=True):
        a, b = (x.float() / x.float().square().sum(1, keepdim=True).sqrt().clamp_min(1e-10) for x in (a, b))
        each.append((a - b).square().sum(1).mean((1, 2)))
    return torch.stack(each).mean(0)


def relative_distance(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Tensor:
    """Mean absolute difference of features over the mean of what they should be, the sum of the layers.

    Args:
        first: Features [N, C, H, W] by layer.
        second: Those that are wanted.

    Returns:
        Scalar in float32; 0 for equal features, about 1 for each layer where ``first`` is 0.
    """
    pairs = [(a.float(), b.float()) for a, b in zip(first.values(), second.values(), strict=True)]
    return torch.stack([(a - b).abs().mean() / (b.abs().mean() + 1e-3) for a, b in pairs]).sum()
