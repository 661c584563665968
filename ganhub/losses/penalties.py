"""Gradient penalties: how steep a discriminator may be, and where."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]


def wgan_gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Penalise a critic whose slope between real and fake samples differs from 1.

    Equation 3 of "Improved Training of Wasserstein GANs" (Gulrajani et al. 2017, arXiv:1704.00028):
    E[(||grad D(x)|| - 1)^2], x uniform on the line between a real and a fake sample.

    Args:
        critic: Maps images [N, C, H, W] to scores [N].
        real: Images in [-1, 1], [N, C, H, W].
        fake: Same shape as ``real``, detached from the generator.
        mix: Position on the line, uniform in [0, 1), [N]; 1 is the real end.

    Returns:
        Scalar, before the factor lambda (10 in the paper).

    Raises:
        ValueError: If ``real`` and ``fake`` differ in shape.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real {tuple(real.shape)} and fake {tuple(fake.shape)} must have the same shape.")
    line = torch.lerp(fake, real, mix.to(real).view(-1, *[1] * (real.dim() - 1))).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(line).float().sum(), line, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """Penalise the discriminator's slope at real samples.

    Equation 9 of "Which Training Methods for GANs do actually Converge?" (Mescheder et al. 2018,
    arXiv:1801.04406): E[||grad D(x)||^2].

    Args:
        critic: Maps images [N, C, H, W] to scores [N].
        real: Images in [-1, 1], [N, C, H, W].

    Returns:
        Scalar, before the factor gamma / 2.
    """
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(real).float().sum(), real, create_graph=True)
    return slope.flatten(1).square().sum(1).mean()
