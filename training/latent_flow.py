"""A flow that turns noise into codes: "Flow Matching for Generative Modeling" (Lipman et al. 2023, arXiv:2210.02747).

A small network learns the velocity at which points move on straight lines from noise to codes, of each class. To follow
it from noise gives new codes, of all kinds that there are. That takes some thirty evaluations of the network, cheap
enough for a teacher: ``training/learn_mapping.py`` teaches a mapping network to arrive in one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FREQUENCIES = 32  # of the time's sines and cosines, from half a turn on
FASTEST = 100.0
HALF_LIFE = 140  # steps, of the averaged weights
RATE = 1e-3


class Block(nn.Module):
    """A residual block, told the time and the class."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.told, self.wide, self.back = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        return x + self.back(F.silu(self.wide(self.norm(x) + self.told(told))))


class Flow(nn.Module):
    """Velocities [N, dim] of points [N, dim] at times [N] in [0, 1], of classes [N].

    Args:
        dim: Numbers of a code, each of about variance 1.
        num_classes: 1 where there are none.
    """

    def __init__(self, dim: int, num_classes: int, width: int = 512, blocks: int = 4) -> None:
        super().__init__()
        self.dim, self.num_classes = dim, num_classes
        self.enter, self.told = nn.Linear(dim, width), nn.Linear(2 * FREQUENCIES + num_classes, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.leave = nn.Linear(width, dim)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        turns = torch.exp(torch.linspace(0, math.log(FASTEST), FREQUENCIES)) * math.pi
        self.register_buffer("turns", turns, persistent=False)

    def forward(self, x: Tensor, time: Tensor, classes: Tensor) -> Tensor:
        angles = time[:, None] * self.turns
        told = torch.cat([angles.sin(), angles.cos(), F.one_hot(classes, self.num_classes)], dim=1)
        told, x = F.silu(self.told(told)), self.enter(x)
        for block in self.blocks:
            x = block(x, told)
        return self.leave(x)


def learn_flow(
    flow: Flow,
    draw: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
    *,
    batch_size: int = 1024,
    bf16: bool = False,
    say: Callable[[str], None] = print,
) -> Flow:
    """Equation 23 of the paper with its optimal-transport paths, times drawn most often from the middle.

    Args:
        flow: Learns; what comes back is its average over the last steps.
        draw: Gives so many codes [N, dim] and their classes [N].
        steps: Of Adam; its rate falls to 0 over the second half.
    """
    optimiser = torch.optim.AdamW(flow.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average, losses = copy.deepcopy(flow), []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 200, 2 * (1 - step / steps))
        codes, classes = draw(batch_size)
        noise, time = torch.randn_like(codes), torch.sigmoid(torch.randn(len(codes)))
        between = torch.lerp(noise, codes, time[:, None])
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            velocity = flow(between, time, classes)
        loss = (velocity.float() - (codes - noise)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        follow(average, flow, HALF_LIFE)
        if (step + 1) % max(steps // 10, 1) == 0:
            say(f"flow: {step + 1:,} of {steps:,} steps, loss {sum(losses) / len(losses):.3f}")
            losses.clear()
    return average


@torch.no_grad()
def follow(average: nn.Module, learner: nn.Module, half_life: float) -> None:
    """Move averaged weights towards those of a step."""
    share = 1 - 0.5 ** (1 / half_life)
    for kept, new in zip(average.parameters(), learner.parameters(), strict=True):
        kept.lerp_(new, share)


@torch.no_grad()
def flow_from(flow: Flow, noise: Tensor, classes: Tensor, *, steps: int = 16, bf16: bool = False) -> Tensor:
    """Codes [N, dim] at the end of the way from noise [N, dim], by Heun's method."""
    x, width = noise, 1 / steps
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for step in range(steps):
            now = torch.full((len(x),), step * width)
            velocity = flow(x, now, classes).float()
            ahead = flow(x + width * velocity, now + width, classes).float()
            x = x + width * (velocity + ahead) / 2
    return x
