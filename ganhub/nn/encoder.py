"""A plain convolutional encoder: from a picture to a point of a latent space, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8  # of group normalisation
HIDDEN = 512
SMALLEST = 4  # pixels: a map with a shorter side below it is not halved any more
LEAST, MOST = -7.0, 1.0  # of the logarithm of a deviation


class Encoder(nn.Module):
    """Pictures [N, C, H, W] -> mean and logarithm of the deviation of their codes, [N, dim] each, in float32.

    Each convolution with a stride of 2 follows one that keeps the size, with group normalisation ("Group
    Normalization", Wu and He 2018, arXiv:1803.08494): what it gives for a picture does not depend on its batch.

    Args:
        size: Height and width, even numbers.
        channels: Of the pictures.
        dim: Length of a code.
        widths: Channels at a half, a quarter ... of the size, multiples of 8; smaller maps have the last number.
    """

    def __init__(self, size: tuple[int, int], channels: int, dim: int, widths: Sequence[int]) -> None:
        super().__init__()
        height, width, before = size[0] // 2, size[1] // 2, 4 * channels
        layers: list[nn.Module] = []
        while min(height, width) >= SMALLEST:
            halvings = len(layers) // 5
            after = widths[min(halvings, len(widths) - 1)]
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(GROUPS, after), nn.SiLU()]
            layers += [nn.Conv2d(after, after, 3, stride=2, padding=1), nn.SiLU()]
            height, width, before = -(-height // 2), -(-width // 2), after
        self.body = nn.Sequential(*layers)
        self.hidden = nn.Linear(before * height * width, HIDDEN)
        self.code = nn.Linear(HIDDEN, 2 * dim)
        nn.init.normal_(self.code.weight, std=0.01)
        self.code.bias.data[dim:] = -1.0  # sure enough from the first step that something is learnt

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(F.pixel_unshuffle(images, 2)).flatten(1)
        mean, log_deviation = self.code(F.silu(self.hidden(features))).float().chunk(2, dim=1)
        return mean, log_deviation.clamp(LEAST, MOST)
