"""Inpainting with gated convolutions: each place learns how far what it sees is to be trusted.

"Free-Form Image Inpainting with Gated Convolution" (Yu et al. 2019, arXiv:1806.03589): a gate, computed beside every
feature, tells holes from pictures softly and layer by layer; a discriminator with spectral normalisation judges every
patch. Of the paper's two networks, coarse and refining, one is left, and for its contextual attention stand dilated
convolutions: what fits on two processor cores. It is a convolution throughout, so any size will do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import hinge_loss, score_statistics
from ganhub.models._inpainter import Inpainter
from ganhub.nn.random import Seeds, uniform
from ganhub.nn.vgg_lite import reflect
from ganhub.objectives._base import Batch, LateGame


@dataclass(frozen=True, kw_only=True)
class InpaintingConfig(BaseConfig):
    """Sizes of both players.

    Attributes:
        width: Channels at full size; doubled at each of two halvings.
        dilations: Dilations of the convolutions at a quarter of the side.
        discriminator_width: Channels of its first layer.
    """

    width: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1)
    discriminator_width: int = 32

    def __post_init__(self) -> None:
        self.require_range(4, 256, "width", "discriminator_width")
        self.require(all(1 <= d <= 32 for d in self.dilations), "dilations must be whole numbers from 1 to 32.")


class GatedConv(nn.Module):
    """ELU(features) * sigmoid(gates), both by one convolution (equation 3); [N, C, H, W] -> [N, channels, ...]."""

    def __init__(self, inputs: int, channels: int, *, size: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.reach = dilation * (size // 2)
        self.conv = nn.Conv2d(inputs, 2 * channels, size, stride, dilation=dilation)
        nn.init.kaiming_normal_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        mode = "reflect" if min(x.shape[2:]) > self.reach else "replicate"
        features, gates = self.conv(F.pad(x, (self.reach,) * 4, mode=mode)).chunk(2, 1)
        return F.elu(features) * gates.sigmoid()


class Generator(nn.Module):
    """What is seen [N, 3, H, W], 0 in the hole, and the hole [N, 1, H, W] -> pictures [N, 3, H, W] in [-1, 1]."""

    def __init__(self, config: InpaintingConfig) -> None:
        super().__init__()
        w = config.width
        self.at_full = GatedConv(4, w, size=5)
        self.at_half = nn.Sequential(GatedConv(w, 2 * w, stride=2), GatedConv(2 * w, 2 * w))
        self.at_quarter = GatedConv(2 * w, 4 * w, stride=2)
        self.dilated = nn.ModuleList(GatedConv(4 * w, 4 * w, dilation=d) for d in config.dilations)
        self.to_half, self.to_full = GatedConv(6 * w, 2 * w), GatedConv(3 * w, w)
        self.out = nn.Conv2d(w, 3, 3)

    def forward(self, seen: Tensor, holes: Tensor) -> Tensor:
        full = self.at_full(torch.cat([seen, holes * 2 - 1], 1))
        half = self.at_half(full)
        x = self.at_quarter(half)
        for layer in self.dilated:
            x = x + layer(x)
        x = self.to_half(torch.cat([F.interpolate(x, scale_factor=2), half], 1))
        x = self.to_full(torch.cat([F.interpolate(x, scale_factor=2), full], 1))
        return self.out(reflect(x)).tanh()


class PatchDiscriminator(nn.Module):
    """Pictures [N, 3, H, W] and holes [N, 1, H, W] -> scores [N, C, h, w] of every place and channel: SN-PatchGAN."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [4, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [spectral_norm(nn.Conv2d(before, after, 5, 2, 2)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, images: Tensor, holes: Tensor) -> Tensor:
        return self.layers(torch.cat([images, holes], 1))


class Inpainting(Inpainter, architecture="inpainting"):
    """Yu et al. 2019: holes of any form, filled."""

    Config = InpaintingConfig
    paper = "Free-Form Image Inpainting with Gated Convolution (Yu et al. 2019, arXiv:1806.03589)"
    default_objective = "inpainting"
    reach = 16
    config: InpaintingConfig

    def __init__(self, config: InpaintingConfig | None = None) -> None:
        super().__init__(config)
        self.generator = Generator(self.config)

    @classmethod
    def tiny(cls) -> Self:
        """Untrained."""
        return cls(InpaintingConfig(width=4, dilations=(1, 2), discriminator_width=4))

    def adversary(self) -> PatchDiscriminator:
        return PatchDiscriminator(self.config.discriminator_width)

    def fill(self, images: Tensor, holes: Tensor) -> Tensor:
        return torch.lerp(images, self.generator(images * (1 - holes), holes).to(images), holes)


MASK_STREAM = 0x701  # keeps a seed's mask apart from what else is drawn of it
STROKES, TURNS = 5, 6  # at most, and of each


def free_form(seeds: Seeds, height: int, width: int, *, most: float = 0.5) -> Tensor:
    """Masks [N, 1, H, W], 1 in the hole and 0 outside, that cover at most about ``most`` of each picture.

    After algorithm 1 of the paper: strokes of a random walk that turns as it goes. Rectangles and corners are added to
    some, as the paper joins masks of both kinds.
    Each seed draws how much it covers, evenly, and gets strokes until that is reached, or a rectangle and strokes.
    """
    draws = uniform(seeds, 4 + STROKES * (4 + 2 * TURNS), stream=MASK_STREAM)
    middles = [torch.arange(side, dtype=torch.float32, device="cpu") + 0.5 for side in (height, width)]
    places = torch.stack(torch.meshgrid(*middles, indexing="ij"), -1)
    return torch.stack([_one(row, places, most) for row in draws])[:, None]


def _one(draws: Tensor, places: Tensor, most: float) -> Tensor:
    height, width = places.shape[:2]
    side = min(height, width)
    share, kind, *corner = draws[:4].tolist()
    wanted = most * (0.1 + 0.9 * share)
    mask = torch.zeros(height, width, dtype=torch.float32, device="cpu")
    if kind < 0.4:  # a rectangle, of half the hole; half of them in a corner
        down, across = (max(1, round(s * math.sqrt(wanted / 2))) for s in (height, width))
        top, left = round(corner[0] * (height - down)), round(corner[1] * (width - across))
        if kind < 0.2:
            top, left = (height - down) * round(corner[0]), (width - across) * round(corner[1])
        mask[top : top + down, left : left + across] = 1
    for stroke in draws[4:].view(STROKES, -1).tolist():
        if mask.mean() >= wanted:
            break
        mask = torch.maximum(mask, _stroke(stroke, places, side * math.sqrt(wanted / 0.5)))
    return mask


def _stroke(draws: list[float], places: Tensor, side: float) -> Tensor:
    height, width = places.shape[:2]
    y, x, brush, angle = draws[0] * height, draws[1] * width, draws[2], draws[3] * 2 * math.pi
    reach = max(1.0, side * (0.02 + 0.06 * brush))  # half the brush's width
    covered = torch.zeros(height, width, dtype=torch.bool, device="cpu")
    for k in range(TURNS):
        angle += (draws[4 + 2 * k] - 0.5) * math.pi
        length = side * (0.1 + 0.3 * draws[5 + 2 * k])
        start = torch.tensor([y, x], dtype=torch.float32, device="cpu")
        y = min(max(y + length * math.sin(angle), 0.0), float(height))
        x = min(max(x + length * math.cos(angle), 0.0), float(width))
        line = torch.tensor([y, x], dtype=torch.float32, device="cpu") - start
        along = ((places - start) @ line / line.square().sum().clamp_min(1e-6)).clamp(0, 1)
        covered |= (places - start - along[..., None] * line).norm(dim=-1) <= reach
    return covered.float()


@dataclass(frozen=True, kw_only=True)
class InpaintingObjectiveConfig(BaseConfig):
    """Settings of :class:`InpaintingObjective`.

    Attributes:
        l1_weight: Weight of the absolute difference in the hole.
        outside_weight: Weight of the difference outside, which the result does not show.
        adversarial_weight: Weight of the discriminator's scores.
        adversarial_from: Pictures seen before the discriminator plays; differences alone until then cost less.
        largest_hole: Share of a picture that masks cover at most.
    """

    l1_weight: float = 10.0
    outside_weight: float = 2.0
    adversarial_weight: float = 0.1
    adversarial_from: int = 0
    largest_hole: float = 0.5

    def __post_init__(self) -> None:
        self.require_range(0, 1e6, "l1_weight", "outside_weight", "adversarial_weight")
        self.require(self.adversarial_from >= 0, "adversarial_from must be 0 (at once) or more.")
        self.require_range(0.05, 0.9, "largest_hole")


class InpaintingObjective(LateGame, name="inpainting"):
    """Section 3.3: hinge losses over all patches (equation 4), and absolute differences."""

    Config = InpaintingObjectiveConfig

    def __init__(self, model: nn.Module, config: InpaintingObjectiveConfig) -> None:
        if not isinstance(model, Inpainter):
            raise ConfigError('The objective "inpainting" trains inpainters.')
        super().__init__(model, config, joins_at=config.adversarial_from)

    def sides(self) -> tuple[int, int]:
        return 32, self.model.multiple

    def holes(self, batch: Batch) -> Tensor:
        """The hole of each picture's seed, [N, 1, H, W]."""
        return free_form(batch.seeds, *batch.images.shape[2:], most=self.config.largest_hole).to(batch.images)

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G))]."""
        holes = self.holes(batch)
        with torch.no_grad():
            fake = self.model.fill(batch.images, holes)
        real_scores, fake_scores = (self.discriminator(x, holes).float() for x in (batch.images, fake))
        statistics = score_statistics(real_scores.flatten(), fake_scores.flatten())
        return {"loss": hinge_loss(real_scores, fake_scores), **statistics}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """-E[D(G)], and the absolute differences in the hole and outside."""
        config, holes = self.config, self.holes(batch)
        fake = self.model.generator(batch.images * (1 - holes), holes)
        error = (fake.float() - batch.images).abs()
        inside = (error * holes).sum() / (3 * holes.sum()).clamp_min(1)
        outside = (error * (1 - holes)).sum() / (3 * (1 - holes).sum()).clamp_min(1)
        loss = config.l1_weight * inside + config.outside_weight * outside
        numbers = {"inside": inside.detach(), "outside": outside.detach()}
        if self.playing:
            scores = self.discriminator(torch.lerp(batch.images, fake.to(batch.images), holes), holes).float().mean()
            loss, numbers["score"] = loss - config.adversarial_weight * scores, scores.detach()
        return {"loss": loss, **numbers}
