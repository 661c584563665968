"""Batch normalisation over the whole batch, also where several processes have a part of it each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganhub.nn.processes import process_count, process_index, total


class BatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` whose statistics in training are those of the batches of all processes together.

    "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift" (Ioffe, Szegedy 2015,
    arXiv:1502.03167), algorithm 1, so that n processes with N/n pictures each follow one process with N. Works on
    any device and can be differentiated twice (torch's SyncBatchNorm: GPUs only, once). With one process, and in
    evaluation, it is ``nn.BatchNorm2d`` bit for bit, and its state dict is the same always.

    Every process has to call it with the same number of pictures. Shapes: [N, C, H, W] -> [N, C, H, W].
    """

    def forward(self, images: Tensor) -> Tensor:
        if not self.training or process_count() == 1:
            return super().forward(images)
        self._check_input_dim(images)
        x = images.float()  # statistics of bf16 would be too coarse
        mean, variance = self._moments(x)
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1] * process_count())
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        x = (x - _per_channel(mean)) * _per_channel(scale)
        if self.affine:
            x = x + _per_channel(self.bias)
        return x.to(images.dtype)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance [C] over all processes, in one message."""
        mean = x.mean((0, 2, 3))
        variance = (x - _per_channel(mean)).square().mean((0, 2, 3))
        own = x.new_zeros(process_count(), 1, 1)
        own[process_index()] = 1
        # Each process fills a row of its own: the sum shows all of them to everybody.
        means, variances = total(own * torch.stack([mean, variance])).unbind(1)
        mean = means.mean(0)
        # Within and between. E[x^2] - E[x]^2 would be one line and lose the digits of a mean that is large.
        return mean, (variances + (means - mean).square()).mean(0)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics, with the unbiased variance as torch has it."""
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.item()
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), share)


def _per_channel(vector: Tensor) -> Tensor:
    return vector.view(1, -1, 1, 1)
