"""Perceptual losses: a network learns to paint in one pass what the loss of Gatys et al. 2016 asks for.

"Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155),
equations 2 to 5. Distances are relative, as in ``gatys``: each is divided by the size of what it is compared with, so
that the weights mean the same for every layer, every style and every picture. A part of each batch is painted with
strength 0, where the network has to give the picture back: so it learns what lies between picture and painting.
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
from ganhub.nn.features import feature_network
from ganhub.nn.random import normal
from ganhub.objectives._base import BaseObjective, Batch, Phase

GRAIN = 0x501  # keeps a seed's grain apart from what else is drawn of it


@dataclass(frozen=True, kw_only=True)
class StyleConfig(BaseConfig):
    """Settings of :class:`StyleObjective`.

    Attributes:
        network: The loss network: "vgg-lite" or "vgg19".
        content_layer: Compared place by place.
        style_layers: Their Gram matrices are compared.
        content_weight, style_weight: Of the two distances.
        variation_weight: Of the total variation.
        scales: Style is compared at so many sizes, each half of the one before: fine grain alone, which would do at
            the full size, is gone at half of it ("Multimodal Transfer", Wang et al. 2017, arXiv:1612.01895).
        grain: Deviation of the noise on the pictures to be painted.
        plain_share: Share of a batch that is painted with strength 0.
        plain_weight: Of its squared error.
    """

    network: str = "vgg-lite"
    content_layer: str = "relu4_1"
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    content_weight: float = 1.0
    style_weight: float = 5.0
    variation_weight: float = 2.0
    scales: int = 2
    grain: float = 0.03
    plain_share: float = 0.25
    plain_weight: float = 10.0

    def __post_init__(self) -> None:
        self.require(len(self.style_layers) > 0, "style_layers must name at least one layer.")
        self.require_range(0, 1e6, "content_weight", "style_weight", "variation_weight", "plain_weight")
        self.require_range(0, 0.9, "plain_share")
        self.require_range(1, 4, "scales")


class StyleObjective(BaseObjective, name="style"):
    """Johnson et al. 2016 for a model with a ``painter``, a ``read`` of styles and ``learners``."""

    Config = StyleConfig

    def __init__(self, model: nn.Module, config: StyleConfig) -> None:
        super().__init__(model, config)
        if not hasattr(model, "painter"):
            raise ConfigError('The objective "style" trains networks that paint in one pass, such as fast-style.')
        with torch.random.fork_rng(devices=[]):
            self._network = [feature_network(config.network)]  # frozen: no part of the state dict
        self.layers = tuple(dict.fromkeys((*config.style_layers, config.content_layer)))

    def _apply(self, fn, recurse: bool = True):
        self._network[0]._apply(fn)  # it goes where the objective goes
        return super()._apply(fn, recurse)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"painter": self.model.learners()}

    def phases(self) -> Sequence[Phase]:
        return [Phase(player="painter", loss=self.loss)]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Content, style and variation of what is painted, and the error of what should come out as it was."""
        if batch.other is None:
            raise ConfigError("Style training needs pictures of styles: name their folder in data.other.path.")
        config, styles = self.config, batch.other
        plain = round(len(batch.images) * config.plain_share)
        strength = torch.ones(len(batch.images), device=batch.images.device)
        strength[:plain] = 0
        # Of a flat picture every layer's deviation would be 0, and its gradient grow a hundredfold from layer to layer.
        grain = normal(batch.seeds, *batch.images.shape[1:], stream=GRAIN).to(batch.images) * config.grain
        painted = self.model.painter(batch.images + grain, self.model.read(styles.images, styles.labels), strength)
        with torch.no_grad():
            wanted = self.look(batch.images[plain:], (config.content_layer,))[config.content_layer]
        seen = self.look(painted[plain:], self.layers)
        content = content_distance(seen[config.content_layer].float(), wanted.float())
        content = (content / wanted.float().square().mean((1, 2, 3)).clamp_min(1e-8)).mean()
        style = self.style_distance(seen, styles.images[plain:])
        for scale in range(1, config.scales):
            smaller, manner = (F.avg_pool2d(x[plain:], 2**scale) for x in (painted, styles.images))
            style = style + self.style_distance(self.look(smaller, config.style_layers), manner)
        style = style / config.scales
        strokes = painted[plain:].float()
        variation = strokes.diff(dim=-1).square().mean() + strokes.diff(dim=-2).square().mean()
        error = (painted[:plain].float() - batch.images[:plain]).square().sum() / max(1, batch.images[:plain].numel())
        loss = config.content_weight * content + config.style_weight * style
        loss = loss + config.variation_weight * variation + config.plain_weight * error
        numbers = {"content": content, "style": style, "variation": variation, "plain_error": error}
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}

    def style_distance(self, seen: dict[str, Tensor], styles: Tensor) -> Tensor:
        """Mean relative distance of Gram matrices between features of what is painted and pictures of the styles."""
        with torch.no_grad():
            grams = {name: gram(x) for name, x in self.look(styles, self.config.style_layers).items()}
        return torch.stack([
            gram_distance(gram(seen[name]), wanted) / wanted.square().mean((1, 2)).clamp_min(1e-16)
            for name, wanted in grams.items()
        ]).mean()  # fmt: skip

    def look(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Features of the loss network's trunk: vgg-lite's heads only widen what it knows to VGG-19's channels."""
        network = self._network[0]
        return getattr(network.body, "trunk", network)(images.contiguous(memory_format=torch.channels_last), layers)
