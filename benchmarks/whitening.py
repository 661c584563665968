"""Whitening: one linear map after which a network's features have mean 0 and covariance 1 over real pictures.

Features of a pretrained network have a large mean, and most of their variance lies in few directions. A layer under
spectral norm hears the other directions a hundred times too softly, and so learns from them a hundred times too slowly
("Efficient BackProp", LeCun et al. 1998, section 4.3, on why inputs should be decorrelated). Batch norm would mend a
part of it, but hides what all pictures of a batch have in common; this map is the same for real and made pictures.

It is no part of the library: heads learn several times as fast with it (benchmarks/heads.py), and a generator that
learns from them draws no nearer to the data (benchmarks/cures.py, "palette-white").
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENOUGH = 4_096  # real pictures, after which the map stays as it is
FLOOR = 0.01  # of the mean variance, added to each: what is fainter is mostly rounding


class Whitening(nn.Module):
    """Features [N, C, h, w] -> W (x - m) at each place, W C W^T about 1, with m and C of the real pictures seen.

    W is the symmetric one (ZCA), so that channels stay what they were as far as they can. It is renewed after 1, 2, 4,
    8 ... batches, so that what learns on top of it seldom has to follow. Before the first it changes nothing.
    """

    count: Tensor
    mean: Tensor
    products: Tensor
    weight: Tensor
    shift: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))  # pictures seen
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("products", torch.zeros(channels, channels))  # their mean, E x x^T
        self.register_buffer("weight", torch.eye(channels))
        self.register_buffer("shift", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x.float() - self.shift[:, None, None]  # in full precision: the mean may be large
        return F.conv2d(centred, self.weight[:, :, None, None])

    @torch.no_grad()
    def measure(self, x: Tensor) -> None:
        """Take features [N, C, h, w] of real pictures into account, until there are enough."""
        if self.count >= ENOUGH:
            return
        with torch.autocast(x.device.type, enabled=False):
            places = x.float().permute(1, 0, 2, 3).flatten(1)
            seen = len(x) / places.shape[1] * torch.cat([places.sum(1, keepdim=True), places @ places.t()], dim=1)
        number, before = len(x), self.count.item()
        self.count += number
        share = number / (before + number)
        self.mean.lerp_(seen[:, 0] / number, share)
        self.products.lerp_(seen[:, 1:] / number, share)
        batches = round((before + number) / number)
        if batches & (batches - 1) == 0 or self.count >= ENOUGH:
            self._renew()

    def _renew(self) -> None:
        mean, products = self.mean.double().cpu(), self.products.double().cpu()
        sizes, directions = torch.linalg.eigh(products - mean.outer(mean))
        scales = (sizes.clamp(min=0) + FLOOR * sizes.mean()).rsqrt()
        self.weight.copy_((directions * scales) @ directions.t())
        self.shift.copy_(self.mean)
