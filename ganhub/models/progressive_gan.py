"""Progressive GAN: both players start at 4x4 pixels and grow, doubling by doubling, while they train.

"Progressive Growing of GANs for Improved Quality, Stability, and Variation" (Karras et al. 2018, arXiv:1710.10196).
The large shapes are learnt where pictures are small and steps cheap; a new resolution fades in over the old one, so
that it does not upset what is learnt. The paper also brought the equalised learning rate, pixel norm and the minibatch
deviation (``ganhub/nn/equalised.py``), which StyleGAN and its successors kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.errors import ConfigError
from ganhub.models._verbs import LatentConfig, LatentGenerator, require_label
from ganhub.nn.blocks import pyramid
from ganhub.nn.equalised import LEAKY_GAIN, EqualisedConv2d, EqualisedLinear, minibatch_deviation, pixel_norm
from ganhub.objectives import WassersteinConfig, WassersteinObjective


@dataclass(frozen=True, kw_only=True)
class ProgressiveGANConfig(LatentConfig):
    """Sizes of both players, and the pace of their growth.

    Level 0 is the smallest resolution (4 pixels a side, or 5 to 7); each further level has twice the size.

    Attributes:
        image_size: 4, 5, 6 or 7 times a power of two, once fully grown.
        num_classes: 0, or the number of classes; the paper has none.
        channel_base: A level of r pixels a side has channel_base / r channels (16384 in the paper).
        max_channels: No level has more (512 in the paper).
        fade_images: Real pictures over which a new resolution fades in (800,000 in the paper).
        stable_images: Real pictures between two such transitions (800,000 in the paper).
    """

    channel_base: int = 4096
    max_channels: int = 256
    fade_images: int = 40_000
    stable_images: int = 40_000

    def __post_init__(self) -> None:
        super().__post_init__()
        pyramid(self.image_size)
        self.require_range(1, 8192, "max_channels")
        self.require_range(0, 1_000_000_000, "fade_images", "stable_images")
        low = f"channel_base must be from image_size ({self.image_size}) to 1000000, not {self.channel_base}."
        self.require(self.image_size <= self.channel_base <= 1_000_000, low)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Height and width of the pictures at each level, for example (4, 8, 16, 32)."""
        base, doublings = pyramid(self.image_size)
        return tuple(base * 2**level for level in range(doublings + 1))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each level."""
        return tuple(min(self.channel_base // size, self.max_channels) for size in self.sizes)

    @property
    def grown_at(self) -> int:
        """Real pictures after which the growth is over."""
        return (len(self.sizes) - 1) * (self.stable_images + self.fade_images)

    def growth(self, images_seen: int) -> tuple[int, float]:
        """Where the growth is after so many real pictures (figure 2 of the paper).

        Returns:
            The level of the pictures, and how much of it counts: alpha rises from 0 to 1 while the level fades in
            over the one below.
        """
        if images_seen >= self.grown_at:
            return len(self.sizes) - 1, 1.0
        if images_seen < self.stable_images:
            return 0, 1.0
        level, into = divmod(images_seen - self.stable_images, self.stable_images + self.fade_images)
        return level + 1, min(into / self.fade_images, 1.0) if self.fade_images else 1.0

    def shown(self, images: Tensor, images_seen: int) -> Tensor:
        """Real pictures as the critic sees them at that point: smaller, and faded like the fake ones (section 2).

        Args:
            images: [N, C, image_size, image_size].
            images_seen: As for :meth:`growth`.

        Returns:
            [N, C, S, S] with S = sizes[level].
        """
        level, alpha = self.growth(images_seen)
        images = _shrink(images, self.image_size // self.sizes[level])
        return images if alpha == 1 else torch.lerp(_enlarge(_shrink(images)), images, alpha)


class Growing(nn.Module):
    """A network that knows how far it has grown, by the number of real pictures the run has seen.

    The number is a buffer, so that a half-grown network is saved and loaded as what it is, and an integer, so that no
    moving average blurs it. A new network is fully grown; only training takes it back to the start.
    """

    def __init__(self, config: ProgressiveGANConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("images_seen", torch.tensor(config.grown_at))

    def grow_to(self, images_seen: int) -> None:
        """Take the shape that belongs to this point of a run."""
        self.images_seen.fill_(min(images_seen, self.config.grown_at))

    @property
    def growth(self) -> tuple[int, float]:
        """Level and alpha; see :meth:`ProgressiveGANConfig.growth`."""
        return self.config.growth(int(self.images_seen))


class Generator(Growing):
    """z [N, latent_dim] and label [N] -> images [N, C, S, S] about [-1, 1], S the size of the present level.

    Table 2 of the paper: a dense layer to the smallest size, nearest-neighbour upsampling, two 3x3 convolutions per
    level, leaky ReLU (0.2) and pixel norm behind each, and a linear 1x1 convolution to the picture.
    """

    def __init__(self, config: ProgressiveGANConfig) -> None:
        super().__init__(config)
        widths, base = config.widths, config.sizes[0]
        self.embed = nn.Embedding(config.num_classes, config.latent_dim) if config.num_classes else None
        in_dim = config.latent_dim * (2 if config.num_classes else 1)
        self.dense = EqualisedLinear(in_dim, widths[0] * base * base)
        befores = (widths[0], *widths[:-1])
        self.levels = nn.ModuleList(
            nn.ModuleList(([EqualisedConv2d(before, width, 3)] if level else []) + [EqualisedConv2d(width, width, 3)])
            for level, (before, width) in enumerate(zip(befores, widths, strict=True))
        )
        self.to_image = nn.ModuleList(EqualisedConv2d(width, config.channels, 1) for width in widths)

    def forward(self, z: Tensor, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        level, alpha = self.growth
        z = pixel_norm(z) * truncation
        if self.embed is not None:
            z = torch.cat([z, pixel_norm(self.embed(require_label(label))).to(z.dtype)], dim=1)
        base = self.config.sizes[0]
        x = before = self.dense(z).view(len(z), -1, base, base).contiguous(memory_format=torch.channels_last)
        x = pixel_norm(F.leaky_relu(x, 0.2))
        for index, convs in enumerate(self.levels[: level + 1]):
            before, x = x, _enlarge(x) if index else x
            for conv in convs:
                x = pixel_norm(F.leaky_relu(conv(x), 0.2))
        image = self.to_image[level](x)
        return image if alpha == 1 else torch.lerp(_enlarge(self.to_image[level - 1](before)), image, alpha)


class Critic(Growing):
    """Images [N, C, S, S] of any level's size and label [N] -> scores [N]: the generator in a mirror.

    Pictures of the size that is fading in are read at both sizes. Classes, which the paper has none of, are judged by
    projection: "cGANs with Projection Discriminator" (Miyato, Koyama 2018, arXiv:1802.05637, equation 3).
    """

    def __init__(self, config: ProgressiveGANConfig) -> None:
        super().__init__(config)
        widths, last = config.widths, config.widths[0]
        # The gain is He's constant of section 4.1. The generator has none: its pixel norm would take it away again.
        gain = LEAKY_GAIN
        self.from_image = nn.ModuleList(EqualisedConv2d(config.channels, width, 1, gain=gain) for width in widths)
        self.levels = nn.ModuleList([nn.ModuleList([EqualisedConv2d(last + 1, last, 3, gain=gain)])])
        for width, after in zip(widths[1:], widths, strict=False):
            pair = EqualisedConv2d(width, width, 3, gain=gain), EqualisedConv2d(width, after, 3, gain=gain)
            self.levels.append(nn.ModuleList(pair))
        self.dense = EqualisedLinear(last * config.sizes[0] ** 2, last)
        self.score = EqualisedLinear(last, 1)
        self.embed = nn.Embedding(config.num_classes, last) if config.num_classes else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        grown, alpha = self.growth
        level = self._level_of(images)
        x = F.leaky_relu(self.from_image[level](images), 0.2)
        for index in range(level, 0, -1):
            for conv in self.levels[index]:
                x = F.leaky_relu(conv(x), 0.2)
            x = _shrink(x)
            if index == grown == level and alpha < 1:
                small = F.leaky_relu(self.from_image[level - 1](_shrink(images)), 0.2)
                x = torch.lerp(small, x, alpha)
        x = F.leaky_relu(self.levels[0][0](minibatch_deviation(x)), 0.2)
        with torch.autocast(x.device.type, enabled=False):  # scores of half the digits would make coarse differences
            x = F.leaky_relu(self.dense(x.flatten(1).to(self.score.weight.dtype)), 0.2) * LEAKY_GAIN
            scores = self.score(x).squeeze(1)
            if self.embed is None:
                return scores
            return scores + (x * self.embed(require_label(label))).sum(1) / x.shape[1] ** 0.5

    def _level_of(self, images: Tensor) -> int:
        sizes, (height, width) = self.config.sizes, images.shape[2:]
        if height != width or height not in sizes:
            sides = ", ".join(str(size) for size in sizes)
            raise ConfigError(f"This critic judges square pictures of {sides} pixels a side, not {height} x {width}.")
        return sizes.index(height)


def _enlarge(images: Tensor, factor: int = 2) -> Tensor:
    return F.interpolate(images, scale_factor=factor) if factor > 1 else images


def _shrink(images: Tensor, factor: int = 2) -> Tensor:
    return F.avg_pool2d(images, factor) if factor > 1 else images


class ProgressiveGAN(LatentGenerator, architecture="progressive-gan"):
    """Karras et al. 2018: a generator that grew up. Half grown, it makes coarser pictures of the same size."""

    Config = ProgressiveGANConfig
    paper = (
        "Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al. 2018, "
        "arXiv:1710.10196)"
    )
    default_objective = "progressive"
    config: ProgressiveGANConfig

    def __init__(self, config: ProgressiveGANConfig | None = None) -> None:
        super().__init__(config)
        self.generator = Generator(self.config)

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        return self._truncated(z, label, 1.0, noise)

    def make(self, seeds: Sequence[int] | Tensor, label: Tensor | None = None) -> Tensor:
        """Pictures of seeds at the size that the growth has reached, [N, C, S, S], with gradients."""
        return self.generator(self.latent(seeds), label)

    def grow_to(self, images_seen: int) -> None:
        """Take the shape that belongs to this point of a run, counted in real pictures."""
        self.generator.grow_to(images_seen)

    def _truncated(self, z: Tensor, label: Tensor | None, truncation: float, noise: Tensor | None) -> Tensor:
        # z lies on a sphere, so its length says nothing. Scaled behind the normalisation it moves the dense layer's
        # output towards its mean over all z.
        images = self.generator(z, label, truncation)
        return _enlarge(images, self.config.image_size // images.shape[-1])

    def adversary(self) -> Critic:
        """Build a critic as far grown as the model is."""
        critic = Critic(self.config)
        if not critic.images_seen.is_meta:
            critic.grow_to(int(self.generator.images_seen))
        return critic

    @classmethod
    def tiny(cls) -> Self:
        model = cls(
            ProgressiveGANConfig(
                image_size=8, latent_dim=8, num_classes=3, class_names=("circle", "cross", "ring"), channel_base=64,
                max_channels=8, fade_images=64, stable_images=48,
            )
        )  # fmt: skip
        model.grow_to(80)  # half-way through the fade, where every layer is in use
        return model


@dataclass(frozen=True, kw_only=True)
class ProgressiveConfig(WassersteinConfig):
    """Settings of :class:`ProgressiveObjective`; the defaults are the paper's.

    Attributes:
        critic_turns: Critic steps per generator step.
        drift: Weight of the term that keeps the scores of real pictures near 0.
        grow: False leaves model and critic as far grown as they are, to go on from published weights.
    """

    critic_turns: int = 1
    drift: float = 0.001
    grow: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.drift >= 0, "drift must be 0 or more.")


class ProgressiveObjective(WassersteinObjective, name="progressive"):
    """Appendix A.1 of Karras et al. 2018: WGAN-GP with a drift term, on pictures that grow."""

    Config = ProgressiveConfig

    def __init__(self, model: ProgressiveGAN, config: ProgressiveConfig) -> None:
        if not isinstance(model, ProgressiveGAN):
            raise ConfigError('The objective "progressive" trains a progressive-gan; "wasserstein" trains any other.')
        super().__init__(model, config)

    def at(self, images_seen: int) -> None:
        if self.config.grow:
            self.model.grow_to(images_seen)
            self.critic.grow_to(images_seen)

    def shown(self, images: Tensor) -> Tensor:
        """As large as the growth has reached, see :meth:`ProgressiveGANConfig.shown`."""
        return self.model.config.shown(images, int(self.critic.images_seen))

    def drift(self, real_scores: Tensor) -> Tensor:
        """drift * E[f(x)^2]."""
        return self.config.drift * real_scores.square().mean()
