"""Any style from one picture: the content's features take on the mean and deviation of the style's.

"Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization" (Huang, Belongie 2017, arXiv:1703.06868):
a frozen encoder (here the trunk of vgg-lite), one layer that renormalises each channel, and a decoder, the encoder's
mirror image, which alone is trained. The paper encodes up to relu4_1; vgg-lite's has let go of most colours by then, so
relu3_1 is the layer unless the config names the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.models._stylizer import OnStep, Stylizer, at_scale, style_at
from ganhub.nn.features import VGGLiteTrunk
from ganhub.nn.instance_norm import InstanceNorm, moments
from ganhub.nn.vgg_lite import reflect
from ganhub.objectives._base import BaseObjective, Batch, Phase

LAYERS = VGGLiteTrunk.LAYERS
UNSTYLED = "AdaIN learns from contents and styles: name the styles' folder in data.other.path."
FOLD = 8  # three poolings at most: sides are padded to a multiple of this


@dataclass(frozen=True, kw_only=True)
class AdaINConfig(BaseConfig):
    """Settings of :class:`AdaIN`.

    Attributes:
        style_size: Short side, in pixels, in which a style picture is read.
        layer: How far the encoder goes: "relu2_1", "relu3_1" or "relu4_1".
        decoder_width: Channels of the decoder relative to the encoder's.
    """

    style_size: int = 256
    layer: str = "relu3_1"
    decoder_width: float = 1.0

    def __post_init__(self) -> None:
        self.require_range(64, 1024, "style_size")
        self.require(self.layer in LAYERS[1:], f"layer must be one of: {', '.join(LAYERS[1:])}.")
        self.require_range(0.1, 8, "decoder_width")


class Decoder(nn.Module):
    """The trunk's features, relu3_1 [N, 80, h, w] -> pictures [N, 3, 4h, 4w]: section 6.1, nearest upsampling, no
    norms."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], factor: float) -> None:
        super().__init__()
        inputs = widths[-1]
        self.stages = nn.ModuleList()
        for width, depth in zip(reversed(widths[:-1]), reversed(depths[:-1]), strict=True):
            channels = max(1, round(width * factor))
            self.stages.append(nn.ModuleList(nn.Conv2d(inputs if i == 0 else channels, channels, 3)
                                             for i in range(depth)))  # fmt: skip
            inputs = channels
        self.out = nn.Conv2d(inputs, 3, 3)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):  # without norms, PyTorch's own start would lose the picture on the way
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage[0](reflect(x)).relu_()
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            for convolution in stage[1:]:
                x = convolution(reflect(x)).relu_()
        return self.out(reflect(x))


class AdaIN(Stylizer, architecture="adain"):
    """Huang and Belongie 2017, with vgg-lite's trunk as the encoder."""

    Config = AdaINConfig
    paper = (
        "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization "
        "(Huang, Belongie 2017, arXiv:1703.06868)"
    )
    default_objective = "adain"
    config: AdaINConfig

    def __init__(self, config: AdaINConfig | None = None) -> None:
        super().__init__(config)
        self.trunk = VGGLiteTrunk()
        blocks = self.trunk.blocks[: LAYERS.index(self.config.layer) + 1]
        widths, depths = [block[0].out_channels for block in blocks], [len(block) for block in blocks]
        self.decoder = Decoder(widths, depths, self.config.decoder_width)
        self.norm = InstanceNorm()

    @classmethod
    def tiny(cls) -> Self:
        """Untrained."""
        return cls(AdaINConfig(style_size=64, decoder_width=0.25))

    def encode(self, images: Tensor) -> Tensor:
        """Features at the config's layer, relu3_1 [N, 80, H/4, W/4]."""
        images = images.contiguous(memory_format=torch.channels_last)
        return self.trunk(images, (self.config.layer,))[self.config.layer]

    def restyle(self, content: Tensor, style: tuple[Tensor, Tensor], strength: float = 1.0) -> Tensor:
        """Equation 8, and equation 14 for what lies between content and style."""
        mean, deviation = style
        restyled = self.norm(content) * deviation + mean
        return torch.lerp(content, restyled, strength)

    @torch.no_grad()
    def _paint(self, content: Tensor, styles: list[tuple[Tensor, float]], strength: float, scale: float, seed: int,
               on_step: OnStep | None) -> Tensor:  # fmt: skip
        content = content.to(self.device, self.dtype)
        pictures = [style_at(picture.to(content), self.config.style_size) for picture, _ in styles]
        seen = [moments(self.encode(picture)) for picture in pictures]
        # Equation 15 mixes decoded features; mixing their moments before decoding is the same line, decoded once.
        mixed = tuple(
            sum(weight * numbers[k] for (_, weight), numbers in zip(styles, seen, strict=True)) for k in (0, 1)
        )
        painted = at_scale(lambda x: self._decoded(x, mixed, strength), content, scale)
        if on_step is not None:
            on_step(1, 1, painted)
        return painted

    def _decoded(self, content: Tensor, style: tuple[Tensor, Tensor], strength: float) -> Tensor:
        height, width = content.shape[2:]
        padded = F.pad(content, (0, -width % FOLD, 0, -height % FOLD), mode="replicate")
        return self.decoder(self.restyle(self.encode(padded), style, strength))[..., :height, :width].clamp(-1, 1)


@dataclass(frozen=True, kw_only=True)
class AdaINObjectiveConfig(BaseConfig):
    """Settings of :class:`AdaINObjective`.

    Attributes:
        style_weight: lambda of equation 11.
        plain_share: Share of a batch that is decoded as it is, without the style.
        plain_weight: Weight of its squared error.
    """

    style_weight: float = 5.0
    plain_share: float = 0.25
    plain_weight: float = 10.0

    def __post_init__(self) -> None:
        self.require_range(0, 1e6, "style_weight", "plain_weight")
        self.require_range(0, 0.9, "plain_share")


class AdaINObjective(BaseObjective, name="adain"):
    """Equations 11 to 13; distances relative to the size of what is compared, so that layers count alike."""

    Config = AdaINObjectiveConfig

    def __init__(self, model: nn.Module, config: AdaINObjectiveConfig) -> None:
        super().__init__(model, config)
        if not isinstance(model, AdaIN):
            raise ConfigError('The objective "adain" trains the architecture "adain" alone.')

    def players(self) -> dict[str, list[nn.Module]]:
        return {"decoder": [self.model.decoder]}

    def phases(self) -> Sequence[Phase]:
        return [Phase(player="decoder", loss=self.loss)]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 11, and the error of what is decoded without a style."""
        contents, styles = batch.pair(UNSTYLED)
        model, config = self.model, self.config
        plain = round(len(contents) * config.plain_share)
        with torch.no_grad():
            features = model.encode(contents)
            wanted = {name: moments(x) for name, x in model.trunk(styles[plain:]).items()}
            target = model.restyle(features[plain:], wanted[model.config.layer])
        decoded = model.decoder(torch.cat([features[:plain], target]))
        seen = model.trunk(decoded[plain:].contiguous(memory_format=torch.channels_last))
        content = _relative(seen[model.config.layer], target)
        style = torch.stack([
            _relative(fake_moment, style_moment)
            for name, x in seen.items()
            for fake_moment, style_moment in zip(moments(x), wanted[name], strict=True)
        ]).mean()  # fmt: skip
        error = (decoded[:plain].float() - contents[:plain]).square().sum() / max(1, contents[:plain].numel())
        excess = (decoded.float().abs() - 1).relu().square().mean()  # what the picture's range will cut off
        loss = content + config.style_weight * style + config.plain_weight * (error + excess)
        numbers = {"content": content, "style": style, "plain_error": error}
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}


def _relative(fake: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of the squared distance over the squared length of the target."""
    distance = (fake.float() - target.float()).square().mean((1, 2, 3))
    return (distance / target.float().square().mean((1, 2, 3)).clamp_min(1e-8)).mean()
