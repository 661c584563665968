"""FIR resampling: the blur that keeps up- and downsampling from aliasing.

The binomial filter [1, 3, 3, 1] of "Making Convolutional Networks Shift-Invariant Again" (Zhang 2019,
arXiv:1904.11486), which "A Style-Based Generator Architecture" (Karras et al. 2019, arXiv:1812.04948, section 2.2) and
its successors use around every change of resolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = (1.0, 3.0, 3.0, 1.0)


def blur(images: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """Filter each channel with the outer product of [1, 3, 3, 1] / 8 with itself; zeros beyond the border.

    Args:
        images: [N, C, H, W], any floating type.
        padding: Zeros on each side, 1 or 2.
        gain: Factor of the result; 4 after zeros were put between the pixels.

    Returns:
        [N, C, H + 2 padding - 3, W + 2 padding - 3], same type and memory format. Differentiable any number of times.
    """
    return _Blur.apply(images, padding, gain)


class _Blur(torch.autograd.Function):
    """The filter is symmetric, so the adjoint of a blur is a blur: far cheaper than a depthwise convolution's own."""

    @staticmethod
    def forward(ctx, images: Tensor, padding: int, gain: float) -> Tensor:
        ctx.padding, ctx.gain = padding, gain
        taps = torch.tensor(TAPS, dtype=images.dtype, device=images.device) / 8
        channels = images.shape[1]
        kernel = (taps[:, None] * taps * gain).expand(channels, 1, 4, 4)
        with torch.autocast(images.device.type, enabled=False):
            return F.conv2d(images, kernel.to(images.dtype).contiguous(), padding=padding, groups=channels)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Blur.apply(gradient, 3 - ctx.padding, ctx.gain), None, None


def downsample(images: Tensor) -> Tensor:
    """Halve both sides, [N, C, H, W] -> [N, C, H / 2, W / 2], without aliasing."""
    return blur(images, 1)[:, :, ::2, ::2]


def upsample(images: Tensor) -> Tensor:
    """Double both sides, [N, C, H, W] -> [N, C, 2 H, 2 W]: zeros between the pixels, then the filter.

    As two products with a narrow matrix, which for the few channels of a picture is many times faster than a
    convolution.
    """
    height, width = images.shape[2:]
    with torch.autocast(images.device.type, enabled=False):
        rows, columns = _doubling(height, images), _doubling(width, images)
        return rows @ images.contiguous() @ columns.t()


def _doubling(size: int, like: Tensor) -> Tensor:
    """[2 size, size]: each pixel's three quarters in two places, and a quarter in the two beside them."""
    near = torch.eye(size, dtype=like.dtype, device=like.device)
    far = torch.zeros_like(near)
    above, below = far.clone(), far.clone()
    above[1:, :-1], below[:-1, 1:] = near[1:, 1:], near[1:, 1:]
    return torch.stack([0.75 * near + 0.25 * above, 0.75 * near + 0.25 * below], dim=1).reshape(2 * size, size)
