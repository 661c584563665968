"""Layers with an equalised learning rate, and their companions, from "Progressive Growing of GANs for Improved Quality,
Stability, and Variation" (Karras et al. 2018, arXiv:1710.10196), which StyleGAN and its successors kept.

Weights start from N(0, 1) and are scaled at run time by He's constant 1 / sqrt(fan_in) (section 4.1), so that Adam,
whose steps do not depend on the scale of a weight, moves all of them equally fast.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_GAIN = math.sqrt(2)  # keeps the variance behind a leaky ReLU of slope 0.2 (He et al. 2015), near enough


class EqualisedLinear(nn.Module):
    """Vectors [N, in_dim] -> [N, out_dim].

    Args:
        bias: Value that the biases start from; None for no bias.
        rate: Factor of the learning rate, the lambda of StyleGAN's mapping network (0.01).
    """

    def __init__(self, in_dim: int, out_dim: int, *, bias: float | None = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(out_dim, in_dim), std=1 / rate))
        self.bias = None if bias is None else nn.Parameter(torch.full((out_dim,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(in_dim), rate

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else (self.bias * self.rate).to(x.dtype)
        return F.linear(x * self.scale, self.weight.to(x.dtype), bias)


class EqualisedConv2d(nn.Module):
    """Pictures [N, in_channels, H, W] -> [N, out_channels, H', W'].

    Args:
        padding: Zeros on each side; None keeps the size at stride 1.
        bias: Whether the channels have one, starting from 0.
        gain: Factor of the result.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale, self.gain = gain / math.sqrt(in_channels * kernel_size**2), gain
        self.stride, self.padding = stride, kernel_size // 2 if padding is None else padding

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else (self.bias * self.gain).to(x.dtype)
        return F.conv2d(x, (self.weight * self.scale).to(x.dtype), bias, self.stride, self.padding)


def pixel_norm(x: Tensor) -> Tensor:
    """Give each pixel's vector (dimension 1) the mean square 1: section 4.2 of Karras et al. 2018. Any [N, C, ...]."""
    return x * (x.float().square().mean(dim=1, keepdim=True) + 1e-8).rsqrt().to(x.dtype)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """Add one channel that tells how different the pictures of a group are: section 3 of Karras et al. 2018.

    Args:
        x: [N, C, H, W].
        group: Pictures per group, as many as divide N at most.

    Returns:
        [N, C + 1, H, W]; the new channel is the standard deviation over the group, averaged over channels and places.
    """
    n = len(x)
    group = next(size for size in range(min(group, n), 0, -1) if n % size == 0)
    # Pictures i, i + n / group, ... make up group i.
    grouped = x.float().reshape(group, n // group, *x.shape[1:])
    deviation = ((grouped - grouped.mean(0)).square().mean(0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    channel = deviation.repeat(group).view(n, 1, 1, 1).expand(n, 1, *x.shape[2:])
    return torch.cat([x, channel.to(x.dtype)], dim=1)
