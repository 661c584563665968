"""Neural style transfer by optimising the picture itself.

"Image Style Transfer Using Convolutional Neural Networks" (Gatys, Ecker, Bethge 2016, CVPR; first as "A Neural
Algorithm of Artistic Style", arXiv:1508.06576). There is nothing to train: a feature network looks at the picture,
and the picture changes until its deep features are those of the content (equation 1) and the correlations of its
features, layer by layer, those of the style (equations 3 to 5).

Coarse to fine, as in section 6 of "Controlling Perceptual Factors in Neural Style Transfer" (Gatys 2017,
arXiv:1611.07865): large strokes are found in a small picture, where steps are cheap, and refined in larger ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.images import resize
from ganhub.images.colour import recoloured
from ganhub.losses.perceptual import content_distance, gram, gram_distance
from ganhub.models._stylizer import SMALLEST_SIDE, OnStep, Stylizer
from ganhub.nn.features import Frozen, feature_network
from ganhub.nn.precision import has_bf16
from ganhub.nn.random import normal

SMALLEST = 48  # pixels of the short side below which coarse sizes are left out


@dataclass(frozen=True, kw_only=True)
class GatysConfig(BaseConfig):
    """What is compared, and how hard the optimiser tries.

    Distances are relative: a squared distance divided by the squared length of what it is compared with. So the
    weights mean the same for every layer and every feature network.

    Attributes:
        feature_network: Name for ``ganhub.nn.features.feature_network``: "vgg-lite" or "vgg19" (the paper's).
        content_layer: Compared place by place; the paper takes relu4_2.
        style_layers: Their Gram matrices are compared.
        style_layer_weights: w_l of equation 5, one for each style layer.
        content_weight: alpha of equation 7.
        style_weight: beta of equation 7.
        variation_weight: Weight of the total variation, which keeps noise down; not in the paper.
        optimizer: "lbfgs" (the paper's) or "adam".
        learning_rate: Adam's, in units of [-1, 1]; L-BFGS's length of a step, 1 in theory.
        steps: Evaluations of the loss, over all sizes together.
        sizes: How many picture sizes, each twice the one before; the last is the content's own.
        finest_share: Share of the steps spent at the full size; the rest is shared by the smaller ones.
        init: "content"; "recoloured", the content with the mean and covariance of the style's colours, which
            saves the many steps that they take otherwise; or "noise", white noise of the seed.
        preview_every: Steps between two early looks.
    """

    feature_network: str = "vgg-lite"
    content_layer: str = "relu4_1"
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    style_layer_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    content_weight: float = 1.0
    style_weight: float = 30.0
    variation_weight: float = 1.0
    optimizer: str = "lbfgs"
    learning_rate: float = 1.0
    steps: int = 200
    sizes: int = 3
    finest_share: float = 0.2
    init: str = "recoloured"
    preview_every: int = 10

    def __post_init__(self) -> None:
        self.require(len(self.style_layers) > 0, "style_layers must name at least one layer.")
        self.require(
            len(self.style_layer_weights) == len(self.style_layers),
            f"style_layer_weights has {len(self.style_layer_weights)} numbers for "
            f"{len(self.style_layers)} style_layers: give one for each.",
        )
        self.require(min(self.style_layer_weights) >= 0, "style_layer_weights must not be negative.")
        self.require(sum(self.style_layer_weights) > 0, "One of style_layer_weights must be above 0.")
        self.require_range(0, 1e12, "content_weight", "style_weight", "variation_weight")
        self.require_range(1e-6, 100, "learning_rate")
        self.require_range(1, 100_000, "steps", "preview_every")
        self.require_range(1, 6, "sizes")
        self.require_range(0, 1, "finest_share")
        self.require(self.optimizer in ("lbfgs", "adam"), f"optimizer is 'lbfgs' or 'adam', not {self.optimizer!r}.")
        inits = ("content", "recoloured", "noise")
        self.require(self.init in inits, f"init is 'content', 'recoloured' or 'noise', not {self.init!r}.")


class Gatys(Stylizer, architecture="gatys"):
    """Optimises the picture. Holds no weights: the feature network is looked up by its name in the config."""

    Config = GatysConfig
    paper = (
        "Image Style Transfer Using Convolutional Neural Networks (Gatys, Ecker, Bethge 2016, CVPR, arXiv:1508.06576)"
    )
    tiles = False  # the picture is optimised as one
    config: GatysConfig

    def __init__(self, config: GatysConfig | None = None, features: nn.Module | None = None) -> None:
        super().__init__(config)
        # Not saved; it only goes where the model is sent, so that a model without weights knows its device.
        self.register_buffer("_place", torch.empty(0), persistent=False)
        self._features = None if features is None else Frozen(features)  # None: read when it is first needed

    @classmethod
    def tiny(cls) -> Self:
        """A few steps on two sizes."""
        return cls(GatysConfig(steps=6, sizes=2, preview_every=2))

    @property
    def device(self) -> torch.device:
        """Where pictures are optimised."""
        return self._place.device

    @property
    def features(self) -> nn.Module:
        """The feature network: (images [N, 3, H, W] in [-1, 1], layers) -> {layer: [N, C, H', W']}."""
        if self._features is None:
            self._features = Frozen(feature_network(self.config.feature_network))
        return self._features.network

    @property
    def steps(self) -> int:
        return self.config.steps

    def _paint(
        self,
        content: Tensor,
        styles: list[tuple[Tensor, float]],
        strength: float,
        scale: float,
        seed: int,
        on_step: OnStep | None,
    ) -> Tensor:
        """Strength 1 is equation 7 with the config's weights; ``scale`` 1 gives style and content one area.

        The seed is that of the noise, with ``init = "noise"``; otherwise nothing is random. The picture is shown as an
        early look every ``preview_every`` steps and after the last.
        """
        return torch.cat([self._optimise(one, styles, strength, scale, seed, on_step) for one in content.split(1)])

    def _optimise(
        self,
        content: Tensor,
        styles: list[tuple[Tensor, float]],
        strength: float,
        scale: float,
        seed: int,
        on_step: OnStep | None,
    ) -> Tensor:
        full = content.detach().to(self.device, torch.float32)
        plan = self._plan(*full.shape[-2:])
        network = self.features.to(self.device, memory_format=torch.channels_last)
        done, change = 0, None  # change: what the smaller size made of its content
        for (height, width), steps in plan:
            target = resize(full, (height, width))
            if change is not None:
                start = (target + resize_freely(change, height, width)).clamp(-1, 1)
            elif self.config.init == "noise":
                start = (normal([seed], 3, height, width) * 0.5).clamp(-1, 1).to(self.device)
            elif self.config.init == "recoloured":
                start = torch.lerp(target, recoloured(target, styles), strength)
            else:
                start = target
            loss = _Loss(self.config, network, target, styles, strength, scale)
            picture = start.clone(memory_format=torch.contiguous_format).requires_grad_()
            optimiser = self._optimiser(picture)
            best, lowest, first = start, math.inf, math.inf
            for step in range(steps):
                before = picture.detach().clone()
                with torch.enable_grad():
                    value = float(optimiser.step(lambda p=picture, o=optimiser, f=loss: _closure(p, o, f)))
                first = value if step == 0 else first
                if value < lowest:
                    best, lowest = before, value
                if step == steps - 1:  # the one update that no further evaluation judges
                    with torch.no_grad():
                        value = float(loss(picture))
                if not value <= 4 * first:  # L-BFGS searches no line: a step went astray, even to NaN
                    picture.data.copy_(best)
                    optimiser = self._optimiser(picture)
                done += 1
                if on_step is not None:
                    look = done % self.config.preview_every == 0 or done == self.config.steps
                    on_step(done, self.config.steps, _shown(picture) if look else None)
            change = picture.detach() - target
        return _shown(picture)

    def _plan(self, height: int, width: int) -> list[tuple[tuple[int, int], int]]:
        """Sizes from coarse to fine, and the steps of each."""
        config = self.config
        halvings = min(config.sizes - 1, max(0, int(math.log2(min(height, width) / SMALLEST))))
        shapes = [(round(height / 2**k), round(width / 2**k)) for k in range(halvings, -1, -1)]
        if halvings == 0:
            return [(shapes[0], config.steps)]
        finest = max(1, round(config.steps * config.finest_share))
        coarse = config.steps - finest
        shares = [coarse * (k + 1) // halvings - coarse * k // halvings for k in range(halvings)]
        return [(shape, steps) for shape, steps in zip(shapes, [*shares, finest], strict=True) if steps]

    def _optimiser(self, picture: Tensor) -> torch.optim.Optimizer:
        rate = self.config.learning_rate
        if self.config.optimizer == "adam":
            return torch.optim.Adam([picture], lr=rate, betas=(0.9, 0.99))
        # One iteration a call, so that each step is one evaluation and can be watched or stopped.
        return torch.optim.LBFGS([picture], lr=rate, max_iter=1, history_size=30, tolerance_grad=0, tolerance_change=0)


def _closure(picture: Tensor, optimiser: torch.optim.Optimizer, loss: _Loss) -> Tensor:
    optimiser.zero_grad()
    value = loss(picture)
    value.backward()
    return value.detach()


class _Loss:
    """Equation 7, with strength, for one size of the picture."""

    def __init__(
        self,
        config: GatysConfig,
        network: nn.Module,
        content: Tensor,
        styles: list[tuple[Tensor, float]],
        strength: float,
        scale: float,
    ) -> None:
        self.config, self.network = config, network
        self.layers = [*dict.fromkeys([*config.style_layers, config.content_layer])]
        share = strength**4  # ratios count by their magnitude: even steps of strength look even
        self.style_weight = config.style_weight * share
        self.variation_weight = config.variation_weight * share
        with torch.no_grad():
            self.content = self.look(content, [config.content_layer])[config.content_layer].float()
            self.content_size = self.content.square().mean().clamp_min(1e-12)
            # |G - A|^2 summed over styles with weights that sum to 1 is |G - mean A|^2 and a constant.
            self.grams: dict[str, Tensor] = {}
            for picture, weight in styles:
                seen = self.look(_sized(picture.to(content), content, scale), config.style_layers)
                for name in config.style_layers:
                    self.grams[name] = self.grams.get(name, 0) + weight * gram(seen[name])
            self.gram_sizes = {name: g.square().mean().clamp_min(1e-24) for name, g in self.grams.items()}

    def look(self, picture: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        device = picture.device
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device)):
            return self.network(picture.contiguous(memory_format=torch.channels_last), layers)

    def __call__(self, picture: Tensor) -> Tensor:
        config = self.config
        seen = self.look(picture, self.layers)
        content = content_distance(seen[config.content_layer].float(), self.content).sum() / self.content_size
        style = sum(
            weight * gram_distance(gram(seen[name]), self.grams[name]).sum() / self.gram_sizes[name]
            for name, weight in zip(config.style_layers, config.style_layer_weights, strict=True)
        ) / sum(config.style_layer_weights)
        variation = picture.diff(dim=-1).square().mean() + picture.diff(dim=-2).square().mean()
        return config.content_weight * content + self.style_weight * style + self.variation_weight * variation


def _sized(style: Tensor, content: Tensor, scale: float) -> Tensor:
    """The style picture with ``scale``^2 times the area of the content, its own proportions kept."""
    height, width = style.shape[-2:]
    factor = scale * math.sqrt(content.shape[-2] * content.shape[-1] / (height * width))
    return resize(style, (max(SMALLEST_SIDE, round(height * factor)), max(SMALLEST_SIDE, round(width * factor))))


def resize_freely(change: Tensor, height: int, width: int) -> Tensor:
    """Enlarge a difference of pictures, which lies in [-2, 2]."""
    return resize(change / 2, (height, width)) * 2


def _shown(picture: Tensor) -> Tensor:
    return picture.detach().clamp(-1, 1).contiguous()
