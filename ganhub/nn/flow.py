"""A flow from noise to codes: "Flow Matching for Generative Modeling" (Lipman et al. 2023, arXiv:2210.02747).

A small network says at which velocity points move, of each class; to follow it from noise for a time of 1 gives codes,
of all the kinds that it has learned. A mapping network of plain layers has to tell all kinds apart in one pass.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FREQUENCIES = 32  # of the time's sines and cosines, from half a turn on
FASTEST = 100.0


class Block(nn.Module):
    """A residual block, told the time and the class."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.told = nn.LayerNorm(width), nn.Linear(width, width)
        self.wide, self.back = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        return x + self.back(F.silu(self.wide(self.norm(x) + self.told(told))))


class Velocity(nn.Module):
    """Velocities [N, dim] of points [N, dim] at times [N] in [0, 1], of classes [N].

    Args:
        dim: Numbers of a code, each of about variance 1.
        num_classes: 0 where there are none.
        width, blocks: Of the network.
    """

    def __init__(self, dim: int, num_classes: int, width: int, blocks: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.enter, self.told = nn.Linear(dim, width), nn.Linear(2 * FREQUENCIES + num_classes, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.leave = nn.Linear(width, dim)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None) -> Tensor:
        turns = torch.exp(torch.linspace(0, math.log(FASTEST), FREQUENCIES, device=x.device, dtype=x.dtype)) * math.pi
        angles = time[:, None] * turns
        told = torch.cat([angles.sin(), angles.cos()], dim=1)
        if self.num_classes:
            told = torch.cat([told, F.one_hot(label.long(), self.num_classes).to(told)], dim=1)
        told, x = F.silu(self.told(told)), self.enter(x)
        for block in self.blocks:
            x = block(x, told)
        return self.leave(x)


def follow(velocity: Velocity, x: Tensor, label: Tensor | None, steps: int) -> Tensor:
    """Codes [N, dim] at the end of the way from noise x [N, dim], by Heun's method: two evaluations a step."""
    width = 1 / steps
    for step in range(steps):
        now = x.new_full((len(x),), step * width)
        speed = velocity(x, now, label)
        ahead = velocity(x + width * speed, now + width, label)
        x = x + width * (speed + ahead) / 2
    return x


class FlowMapping(nn.Module):
    """z [N, latent_dim] and label [N] -> w [N, style_dim], in float32: along a flow to codes, then to W.

    Args:
        latent_dim: Length of z, of which no more numbers than w has are used.
        style_dim: Length of w.
        num_classes: 0 where there are none.
        steps: Of the flow.
        blocks: Of the network that says the velocity; it is as wide as w.
    """

    def __init__(self, latent_dim: int, style_dim: int, num_classes: int, steps: int, blocks: int) -> None:
        super().__init__()
        self.steps, self.dim = steps, min(latent_dim, style_dim)
        self.velocity = Velocity(self.dim, num_classes, style_dim, blocks)
        self.arrive = nn.Linear(self.dim, style_dim)

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            return self.arrive(follow(self.velocity, z[:, : self.dim], label, self.steps))
