"""StyleGAN2: a generator steered layer by layer through an intermediate latent space W.

"Analyzing and Improving the Image Quality of StyleGAN" (Karras et al. 2020, arXiv:1912.04958), on the ideas of "A
Style-Based Generator Architecture for Generative Adversarial Networks" (Karras et al. 2019, arXiv:1812.04948). A
mapping network bends z into w; each convolution's input channels are scaled by an affine function of w (a style), and
its output is divided by what that does to its variance (demodulation). Noise adds what is random in a picture. The
pictures of all resolutions are summed up (skip generator); the discriminator is residual.

Written from the papers in plain PyTorch. The convolution's weights are never scaled for each picture: scaling the
activations before and after one shared convolution is the same function, and one convolution serves the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.models._style import MappedConfig, MappedGenerator
from ganhub.models._verbs import require_label
from ganhub.nn.blocks import oblong_pyramid
from ganhub.nn.equalised import LEAKY_GAIN, EqualisedConv2d, EqualisedLinear, minibatch_deviation
from ganhub.nn.precision import has_bf16, why_no_compiler
from ganhub.nn.processes import process_count, total
from ganhub.nn.random import normal
from ganhub.nn.resample import blur, downsample, upsample
from ganhub.objectives import AdversarialConfig, AdversarialObjective, Batch, Phase

PALETTE_GAIN = 4.0  # of the votes for a colour: layers learn differences of one, a pixel is sure from about five
PATH_STREAM = 0x9A7  # keeps what the path length draws apart from z and noise of the same seeds

Prepared = tuple[Tensor, Tensor]  # of a layer: see StyledConv.prepare


@dataclass(frozen=True, kw_only=True)
class StyleGAN2Config(MappedConfig):
    """Sizes of both players, beside those of the mapping network.

    Attributes:
        image_size: Height; 4 to 7 times a power of two, and so is the shorter side of an oblong picture.
        image_width: Width; 0 makes square pictures. Height and width must halve equally often: 96 x 128, 64 x 160.
        channel_base: Channels at a resolution of r pixels: channel_base / r, at most ``max_channels``.
        max_channels: See ``channel_base``.
        discriminator_channel_base, discriminator_max_channels: The same for the discriminator.
        alpha_gain: Of pictures with transparency: alpha a becomes tanh(alpha_gain a), so that a pixel is there or not,
            as in sprites and emoji, and no haze is left in between; 3 is plenty. 0 leaves alpha as it is, for smoke
            and glass.
        palette: Colours of a picture, from 2 to 64: w chooses them for each picture, and each pixel mixes them by a
            softmax, so that flat areas are flat and edges are sharp. For drawings, sprites and emoji: 16 or 32. With 0,
            the paper's generator, a pixel has any colour.
        supersampling: With a palette, the side of the square of points in each pixel at which votes are counted; the
            pixel is the mean of their colours (before ``alpha_gain``), so that edges are smooth however sure the votes
            are. 2 for smooth drawings, which takes longer; 1 for sprites, whose pixels are one colour each.
    """

    image_size: int = 256
    image_width: int = 0
    channel_base: int = 16_384
    max_channels: int = 512
    discriminator_channel_base: int = 16_384
    discriminator_max_channels: int = 512
    alpha_gain: float = 0.0
    palette: int = 0
    supersampling: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range(0, 4096, "image_width")
        self.require_range(0, 100, "alpha_gain")
        self.require(self.palette in (0, *range(2, 65)), f"palette must be 0 or from 2 to 64, not {self.palette!r}.")
        self.require_range(1, 8, "supersampling")
        self.require(self.supersampling == 1 or self.palette > 0, "supersampling needs a palette.")
        self.require_range(1, 8192, "max_channels", "discriminator_max_channels")
        self.require_range(8, 2**20, "channel_base", "discriminator_channel_base")
        oblong_pyramid(*self.size)

    @property
    def size(self) -> tuple[int, int]:
        return self.image_size, self.image_width or self.image_size

    @property
    def base(self) -> tuple[int, int, int]:
        """Height and width of the learned constant, and how often it is doubled."""
        return oblong_pyramid(*self.size)

    def channels_of(self, doubling: int, *, discriminator: bool = False) -> int:
        """Channels of the feature maps after so many doublings."""
        base = self.discriminator_channel_base if discriminator else self.channel_base
        limit = self.discriminator_max_channels if discriminator else self.max_channels
        return max(1, min(base // (4 * 2**doubling), limit))


class StyledConv(nn.Module):
    """Figure 2d of Karras et al. 2020: modulated 3x3 convolution, noise, bias, leaky ReLU.

    Shapes: x [N, in, h, w], w [N, style_dim], noise [N, 1, H, W] -> [N, out, H, W]; twice the size of x with ``up``.
    """

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, *, up: bool = False) -> None:
        super().__init__()
        self.style = EqualisedLinear(style_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.up = up

    def forward(self, x: Tensor, w: Tensor, noise: Tensor, prepared: Prepared | None = None) -> Tensor:
        weight, energy = prepared or self.prepare(x.dtype)
        with torch.autocast(w.device.type, enabled=False):  # equations 1 and 3: the scales of channels in and out
            style = self.style(w)
            demodulation = (style.square() @ energy.t().to(style.dtype) + 1e-8).rsqrt()
        x = x * _per_channel(style, x)
        if self.up:
            x = blur(F.conv_transpose2d(x, weight, stride=2), 1, gain=4.0)
        else:
            x = F.conv2d(x, weight, padding=1)
        # The gain of the leaky ReLU goes before it, where it costs nothing.
        noise = noise.to(x.dtype) * (self.noise_strength * LEAKY_GAIN).to(x.dtype)
        x = torch.addcmul(noise, x, _per_channel(demodulation * LEAKY_GAIN, x))
        return F.leaky_relu(x.add_(_per_channel(self.bias * LEAKY_GAIN, x)), 0.2, inplace=True)

    def prepare(self, dtype: torch.dtype) -> Prepared:
        """What does not depend on w: the weight as the convolution wants it, and its energy [out, in]."""
        weight = self.weight.transpose(0, 1) if self.up else self.weight
        energy = self.weight.to(torch.promote_types(self.weight.dtype, torch.float32)).square().sum((2, 3))
        return weight.to(dtype).contiguous(memory_format=torch.channels_last), energy


class ToPicture(nn.Module):
    """Features [N, in, H, W] and w [N, style_dim] -> [N, channels, H, W]: a modulated 1x1 convolution."""

    def __init__(self, in_channels: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.style = EqualisedLinear(style_dim, in_channels, bias=1.0)
        # The paper starts from N(0, 1); a picture is then far outside [-1, 1] for the first thousands of steps.
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(channels, in_channels), std=0.2))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        with torch.autocast(w.device.type, enabled=False):
            style = self.style(w) / math.sqrt(self.weight.shape[1])
            weight = (self.weight.to(style.dtype) * style.unsqueeze(1)).to(x.dtype)  # a few channels: one for each
            picture = torch.bmm(x.permute(0, 2, 3, 1).flatten(1, 2), weight.transpose(1, 2))
        picture = picture.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)
        return picture + _per_channel(self.bias, picture)


class Palette(nn.Module):
    """Pixels pick colours: votes [N, K, H, W] and w [N, style_dim] -> [N, channels, H, W]. Not of the paper; ours."""

    def __init__(self, colours: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.style = EqualisedLinear(style_dim, colours * channels)
        nn.init.normal_(self.style.bias, std=0.5)  # colours differ from the first step

    def forward(self, votes: Tensor, w: Tensor, supersampling: int = 1) -> Tensor:
        with torch.autocast(w.device.type, enabled=False):
            colours = self.style(w).view(len(w), votes.shape[1], -1)
            votes = PALETTE_GAIN * votes.to(w.dtype)
            if supersampling > 1:
                votes = F.interpolate(votes, scale_factor=supersampling, mode="bilinear", align_corners=False)
            picture = torch.einsum("nkhw,nkc->nchw", torch.softmax(votes, dim=1), colours)
            return F.avg_pool2d(picture, supersampling) if supersampling > 1 else picture


def _per_channel(vector: Tensor, like: Tensor) -> Tensor:
    """[C] or [N, C] in the type of ``like`` and in a shape that multiplies it."""
    return vector.to(like.dtype).view(-1, vector.shape[-1], 1, 1)


class Block(nn.Module):
    """One resolution of the skip generator (figure 7b): two convolutions, and its share of the picture."""

    def __init__(self, config: StyleGAN2Config, doubling: int) -> None:
        super().__init__()
        c, width = config, config.channels_of(doubling)
        self.first = StyledConv(c.channels_of(doubling - 1), width, c.style_dim, up=True) if doubling else None
        self.second = StyledConv(width, width, c.style_dim)
        self.to_picture = ToPicture(width, c.palette or c.channels, c.style_dim)


class DiscriminatorBlock(nn.Module):
    """Figure 7c: two convolutions beside a straight path, the size halved. [N, in, H, W] -> [N, out, H / 2, W / 2]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = EqualisedConv2d(in_channels, in_channels, 3, gain=LEAKY_GAIN)
        # The sum of both paths is divided by sqrt(2), which takes the gain of the second leaky ReLU away.
        self.second = EqualisedConv2d(in_channels, out_channels, 3, stride=2, padding=0)
        self.skip = EqualisedConv2d(in_channels, out_channels, 1, bias=False, gain=1 / math.sqrt(2))

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.first(x), 0.2, inplace=True)
        return F.leaky_relu(self.second(blur(y, 2)), 0.2, inplace=True) + self.skip(downsample(x))


class Discriminator(nn.Module):
    """Images [N, C, H, W] (and labels [N]) -> scores [N].

    With classes, the score is the inner product of features and class embedding, as in "cGANs with Projection
    Discriminator" (Miyato, Koyama 2018, arXiv:1802.05637, equation 3), beside an unconditional one.
    """

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        height, width, doublings = config.base
        widths = [config.channels_of(n, discriminator=True) for n in reversed(range(doublings + 1))]
        self.from_picture = EqualisedConv2d(config.channels, widths[0], 1, gain=LEAKY_GAIN)
        pairs = zip(widths, widths[1:], strict=False)
        self.blocks = nn.Sequential(*(DiscriminatorBlock(before, after) for before, after in pairs))
        self.last = EqualisedConv2d(widths[-1] + 1, widths[-1], 3, gain=LEAKY_GAIN)
        self.features = EqualisedLinear(widths[-1] * height * width, widths[-1])
        self.score = EqualisedLinear(widths[-1], 1)
        self.embed = nn.Embedding(config.num_classes, widths[-1]) if config.num_classes else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        if torch.is_autocast_enabled(device := images.device.type):
            images = images.to(torch.get_autocast_dtype(device))
        x = self.blocks(F.leaky_relu(self.from_picture(images), 0.2, inplace=True))
        x = F.leaky_relu(self.last(minibatch_deviation(x)), 0.2, inplace=True)
        with torch.autocast(device, enabled=False):
            x = F.leaky_relu(self.features(x.flatten(1).to(self.score.weight.dtype)), 0.2) * LEAKY_GAIN
            score = self.score(x).squeeze(1)
            if self.embed is not None:
                score = score + (x * self.embed(require_label(label))).sum(1) / math.sqrt(x.shape[1])
            return score


_kept: WeakKeyDictionary[nn.Module, tuple[list, list]] = WeakKeyDictionary()  # outside: no copy takes it along


class PreparesWeights(nn.Module):
    """A module whose layers with a ``weight`` and a method ``prepare(dtype)`` prepare that weight for inference: once,
    and kept as long as no weight changes."""

    def prepared(self, dtype: torch.dtype) -> list[Any]:
        """``prepare(dtype)`` of each such layer, in order; in evaluation without gradients what was kept of it."""
        layers: list[Any] = [layer for layer in self.modules() if hasattr(layer, "prepare")]
        if self.training or torch.is_grad_enabled() or any(layer.weight.is_inference() for layer in layers):
            return [layer.prepare(dtype) for layer in layers]
        state = [dtype, *((layer.weight._version, layer.weight.data_ptr()) for layer in layers)]
        entry = _kept.get(self)
        if entry is None or entry[0] != state:
            entry = _kept[self] = state, [layer.prepare(dtype) for layer in layers]
        return entry[1]

    def train(self, mode: bool = True) -> Self:
        _kept.pop(self, None)  # a fused optimiser changes weights without counting their version
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        _kept.pop(self, None)  # another type or device
        return super()._apply(fn, recurse)


class StyleGAN2(PreparesWeights, MappedGenerator, architecture="stylegan2"):
    """Karras et al. 2019, 2020: pictures with an editable latent space, from 32 to 1024 pixels, oblong ones too."""

    Config = StyleGAN2Config
    paper = "Analyzing and Improving the Image Quality of StyleGAN (Karras et al. 2020, arXiv:1912.04958)"
    default_objective = "projected"  # the paper's own is "stylegan2"; benchmarks/RESULTS.md has both
    renewable = {
        "palette": ("to_picture.weight", "to_picture.bias", "palette."),
        **dict.fromkeys(("alpha_gain", "supersampling", "mixing"), ()),
    }
    config: StyleGAN2Config

    def __init__(self, config: StyleGAN2Config | None = None) -> None:
        super().__init__(config)
        c = self.config
        height, width, doublings = c.base
        self.constant = nn.Parameter(torch.randn(1, c.channels_of(0), height, width))
        self.blocks = nn.ModuleList(Block(c, n) for n in range(doublings + 1))
        self.palette = Palette(c.palette, c.channels, c.style_dim) if c.palette else None
        self.noise_shapes = [(height << n, width << n) for n in range(doublings + 1) for _ in range(2 if n else 1)]

    @property
    def layers(self) -> int:
        return 2 * len(self.blocks)

    def synthesise(self, w: Tensor, noise: Tensor) -> Tensor:
        return self._run(self, w, noise, self.prepared(self._compute_dtype(w)))

    def _layers(self, w: Tensor, noise: Tensor, prepared: list[Prepared]) -> Tensor:
        maps, weights = iter(self.noise_maps(noise)), iter(prepared)
        x = self.constant.to(prepared[0][0].dtype).expand(len(w), -1, -1, -1)
        x, picture = x.contiguous(memory_format=torch.channels_last), None
        for n, block in enumerate(self.blocks):
            if block.first is not None:
                x = block.first(x, w[:, 2 * n - 1], next(maps), next(weights))
            x = block.second(x, w[:, 2 * n], next(maps), next(weights))
            share = block.to_picture(x, w[:, 2 * n + 1]).to(w.dtype)
            picture = share if picture is None else upsample(picture) + share
        if self.palette is not None:
            picture = self.palette(picture, w[:, -1], self.config.supersampling)
        if picture.shape[1] == 4 and (gain := self.config.alpha_gain):
            picture = torch.cat([picture[:, :3], torch.tanh(gain * picture[:, 3:])], dim=1)
        return picture

    _run = staticmethod(_layers)

    def _compute_dtype(self, w: Tensor) -> torch.dtype:
        """Type of the feature maps: autocast's in training; in evaluation bfloat16 where it is native."""
        device = w.device
        if torch.is_autocast_enabled(device.type):
            return torch.get_autocast_dtype(device.type)
        exact = self.training or torch.is_grad_enabled() or w.dtype != torch.float32 or not has_bf16(device)
        return w.dtype if exact else torch.bfloat16

    def compile(self, **options: Any) -> None:
        """Fuse what lies between convolutions, where a compiler is; the first picture of a shape then takes long."""
        if not why_no_compiler(self.device):
            self._run = torch.compile(StyleGAN2._layers, **options)

    def style_weights(self) -> list[Tensor]:
        """The affine maps from w to the styles of each layer, L matrices [channels, style_dim]."""
        weights = []
        for block, following in zip_longest(self.blocks, self.blocks[1:]):
            # A block's picture and the next block's first convolution share a style; the last one's, the palette.
            after = following.first if following else self.palette
            for parts in ([block.second], [block.to_picture, *([after] if after is not None else [])]):
                weights.append(torch.cat([part.style.weight * part.style.scale for part in parts]).detach())
        return weights

    def adversary(self) -> Discriminator:
        return Discriminator(self.config)

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            StyleGAN2Config(
                image_size=16, latent_dim=8, style_dim=8, mapping_layers=2, channel_base=64, max_channels=8,
                discriminator_channel_base=64, discriminator_max_channels=8,
            )
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StyleGAN2ObjectiveConfig(AdversarialConfig):
    """Settings of :class:`StyleGAN2Objective`, beside those of the classic game.

    Attributes:
        path_weight: Weight of the path length penalty; 0 switches it off.
        path_every: Steps between two turns of it, each then weighted by this number.
    """

    r1_gamma: float = 1.0
    path_weight: float = 2.0
    path_every: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.path_weight >= 0, "path_weight must be 0 (off) or more.")
        self.require(self.path_every >= 1, "path_every must be 1 or more.")


class StyleGAN2Objective(AdversarialObjective, name="stylegan2"):
    """The non-saturating game with lazy R1 (section 3.1) and lazy path length regularisation (section 3.2)."""

    Config = StyleGAN2ObjectiveConfig
    second_order = frozenset({"discriminator", "generator"})

    def __init__(self, model: StyleGAN2, config: BaseConfig) -> None:
        if not isinstance(model, StyleGAN2):
            raise ConfigError('The objective "stylegan2" trains a stylegan2; "adversarial" trains any model.')
        super().__init__(model, config)
        self.register_buffer("path_length", torch.zeros(()))

    def phases(self) -> Sequence[Phase]:
        path = Phase(player="generator", loss=self.path_loss, every=self.config.path_every)
        return [*super().phases(), *([path] if self.config.path_weight else [])]

    def path_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 4: E (||J_w^T y|| - a)^2 with y ~ N(0, I) and a the running mean of the lengths; on half a batch."""
        half = slice(0, max(len(batch.seeds) // 2, 1))
        seeds, label = batch.seeds[half], None if batch.labels is None else batch.labels[half]
        model: Any = self.model
        w = model.mixed(model.per_layer(model.map(model.latent(seeds), label)), seeds, label)
        pictures = model.synthesise(w, model.noise(seeds))
        y = normal(seeds, *pictures.shape[1:], stream=PATH_STREAM).to(pictures) / math.sqrt(pictures[0, 0].numel())
        (slope,) = torch.autograd.grad((pictures * y).sum(), w, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        mean = lengths.detach().mean().to(self.path_length)
        if process_count() > 1:
            mean = total(mean) / process_count()
        self.path_length.lerp_(mean, 0.01 if self.path_length else 1.0)
        penalty = (lengths - self.path_length).square().mean()
        weight = self.config.path_weight * self.config.path_every
        return {"loss": penalty * weight, "path_length": mean}
