"""Perceptual losses: a network learns to paint in one pass what the loss of Gatys et al. 2016 asks for.

"Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155),
equations 2 to 5, with two changes that let a network learn in thousands of pictures what took hundreds of thousands:

- Distances of Gram matrices are relative, as in ``gatys``, and not squared: neither the few pictures that are still far
  from their style nor the layers of the largest features decide where a step goes.
- Features of the content are compared after what belongs to the style, each channel's mean and the contrast of all, was
  taken out of both, as instance normalisation does in "Instance Normalization" (Ulyanov et al. 2016, arXiv:1607.08022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.losses.perceptual import content_distance, gram, gram_distance
from ganhub.nn.features import Frozen, feature_network
from ganhub.nn.random import normal
from ganhub.objectives._base import BaseObjective, Batch, Phase

UNSTYLED = "Style training needs pictures of styles: name their folder in data.other.path."
ROUND = 1e-4  # rounds the tip of a norm at 0, where its gradient would jump
GRAIN = 0x501  # keeps a seed's grain apart from what else is drawn of it


@dataclass(frozen=True, kw_only=True)
class StyleConfig(BaseConfig):
    """Settings of :class:`StyleObjective`.

    Attributes:
        network: The loss network: "vgg-lite" or "vgg19".
        content_layer: Compared place by place.
        style_layers: Their Gram matrices are compared.
        content_weight, style_weight: Weights of the two distances.
        variation_weight: Weight of the total variation.
        scales: Style is compared at so many sizes, each half of the one before: fine grain alone, which would do at
            the full size, is gone at half of it ("Multimodal Transfer", Wang et al. 2017, arXiv:1612.01895).
        grain: Deviation of the noise on the pictures to be painted.
    """

    network: str = "vgg-lite"
    content_layer: str = "relu4_1"
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    content_weight: float = 2.5
    style_weight: float = 5.0
    variation_weight: float = 1.0
    scales: int = 1
    grain: float = 0.03

    def __post_init__(self) -> None:
        self.require(len(self.style_layers) > 0, "style_layers must name at least one layer.")
        self.require_range(0, 1e6, "content_weight", "style_weight", "variation_weight")
        self.require_range(1, 4, "scales")


class StyleObjective(BaseObjective, name="style"):
    """Johnson et al. 2016 for a model with a ``painter``, a ``read`` of styles and ``learners``."""

    Config = StyleConfig

    def __init__(self, model: nn.Module, config: StyleConfig) -> None:
        super().__init__(model, config)
        if not hasattr(model, "painter"):
            raise ConfigError('The objective "style" trains networks that paint in one pass, such as fast-style.')
        self.features = Frozen(feature_network(config.network))
        self._known: dict[tuple[int, int], dict[str, Tensor]] = {}  # Gram matrices by label and scale
        self.layers = tuple(dict.fromkeys((*config.style_layers, config.content_layer)))

    def players(self) -> dict[str, list[nn.Module]]:
        return {"painter": self.model.learners()}

    def phases(self) -> Sequence[Phase]:
        return [Phase(player="painter", loss=self.loss)]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Content, style and variation of what is painted."""
        config, styles = self.config, batch.partner(UNSTYLED)
        # Of a flat picture every layer's deviation would be 0, and its gradient grow a hundredfold from layer to layer.
        grain = normal(batch.seeds, *batch.images.shape[1:], stream=GRAIN).to(batch.images) * config.grain
        painted = self.model.painter(batch.images + grain, self.model.read(styles.images, styles.labels))
        with torch.no_grad():
            wanted = self.look(batch.images, (config.content_layer,))[config.content_layer]
        seen = self.look(painted, self.layers)
        content = content_distance(freed(seen[config.content_layer]), freed(wanted)).mean()
        style = self.style_distance(seen, self.style_grams(styles, 0))
        for scale in range(1, config.scales):
            smaller = self.look(F.avg_pool2d(painted, 2**scale), config.style_layers)
            style = style + self.style_distance(smaller, self.style_grams(styles, scale))
        style = style / config.scales
        strokes = painted.float()
        variation = strokes.diff(dim=-1).square().mean() + strokes.diff(dim=-2).square().mean()
        loss = config.content_weight * content + config.style_weight * style + config.variation_weight * variation
        numbers = {"content": content, "style": style, "variation": variation}
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}

    def style_distance(self, seen: dict[str, Tensor], grams: dict[str, Tensor]) -> Tensor:
        """Mean over layers and pictures of |G - A| / |A|, Frobenius norms of Gram matrices G wanted to be A."""
        relative = [
            gram_distance(gram(seen[name]), wanted) / wanted.square().mean((1, 2)).clamp_min(1e-16)
            for name, wanted in grams.items()
        ]
        return (torch.stack(relative) + ROUND).sqrt().mean()

    @torch.no_grad()
    def style_grams(self, styles: Batch, scale: int) -> dict[str, Tensor]:
        """Gram matrices [N, C, C] by layer of the styles' pictures, their side divided by 2^scale.

        A style with a label is one picture: its matrices are computed once.
        """
        if styles.labels is None:
            return self._grams(styles.images, scale)
        labels = styles.labels.tolist()
        for label, picture in zip(labels, styles.images.split(1), strict=True):
            if (label, scale) not in self._known:
                self._known[label, scale] = self._grams(picture, scale)
        grams_of = [self._known[label, scale] for label in labels]
        return {name: torch.cat([grams[name] for grams in grams_of]) for name in self.config.style_layers}

    def _grams(self, pictures: Tensor, scale: int) -> dict[str, Tensor]:
        seen = self.look(F.avg_pool2d(pictures, 2**scale) if scale else pictures, self.config.style_layers)
        return {name: gram(x) for name, x in seen.items()}

    def look(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Features of the loss network's trunk."""
        return self.features.network.trunk(images.contiguous(memory_format=torch.channels_last), layers)


def freed(features: Tensor) -> Tensor:
    """Features [N, C, H, W] less each channel's mean, over the deviation of all of a picture: free of its style."""
    x = features.float()
    x = x - x.mean((2, 3), keepdim=True)
    return x / (x.square().mean((1, 2, 3), keepdim=True) + 1e-3).sqrt()
