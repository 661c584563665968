"""Latent generators with an intermediate space W, and what the families of StyleGAN share: the mapping network to it,
style mixing and noise maps, of "A Style-Based Generator Architecture for Generative Adversarial Networks" (Karras et
al. 2019, arXiv:1812.04948)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.errors import ConfigError
from ganhub.models._named import NamedDirection, read_named, write_named
from ganhub.models._verbs import LatentConfig, LatentGenerator, require_label, require_truncation
from ganhub.nn.equalised import LEAKY_GAIN, EqualisedLinear, pixel_norm
from ganhub.nn.flow import FlowMapping
from ganhub.nn.processes import process_count, total
from ganhub.nn.random import Seeds, normal, uniform

MIXING_STREAM = 0x317  # keeps the draws of style mixing apart from z and noise of the same seeds
MEAN_HALF_LIFE = 1_000  # pictures of a class after which an old w counts half in its mean


class StyleGenerator(LatentGenerator):
    """A latent generator with an intermediate space W, which is smoother than z and can be edited layer by layer.

    A subclass sets ``style_mean``, a buffer [max(num_classes, 1), style_dim] with the mean of w (of each class), and
    defines ``map`` and ``synthesise``.
    """

    style_mean: Tensor
    named: tuple[NamedDirection, ...] = ()  # directions of W with names in plain words: directions.json

    def write_beside(self, folder: Path) -> None:
        if self.named:
            write_named(folder, self.named)

    def read_beside(self, folder: Path) -> None:
        c = self.config
        classes = c.class_names or tuple(map(str, range(c.num_classes)))
        self.named = read_named(folder, self.style_mean.shape[1], self.layers, classes)

    @property
    def layers(self) -> int:
        """L, the number of layers that take a style of their own: w+ is [N, L, style_dim]. Coarse ones come first."""
        raise NotImplementedError

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z [N, latent_dim] -> w [N, style_dim], with gradients."""
        raise NotImplementedError

    def synthesise(self, w: Tensor, noise: Tensor) -> Tensor:
        """w+ [N, L, style_dim] and noise [N, noise_dim] -> pictures [N, C, H, W] about [-1, 1], with gradients."""
        raise NotImplementedError

    def style_weights(self) -> list[Tensor]:
        """What w does in each layer: L matrices [channels, style_dim], constant."""
        raise NotImplementedError

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        return self._truncated(z, label, 1.0, noise)

    def per_layer(self, w: Tensor) -> Tensor:
        """w [N, style_dim] -> w+ [N, L, style_dim], the same in each layer; w+ stays as it is.

        Raises:
            ConfigError: For any other shape.
        """
        width = self.style_mean.shape[1]
        if w.dim() == 2 and w.shape[1] == width:
            return w.unsqueeze(1).expand(-1, self.layers, -1)
        if w.dim() == 3 and tuple(w.shape[1:]) == (self.layers, width):
            return w
        raise ConfigError(f"w must be [N, {width}] or [N, {self.layers}, {width}], not {list(w.shape)}.")

    def truncate_w(self, w: Tensor, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Scale w's (or w+'s) distance to the mean of its class (without a label, of all): in [0, 1.5].

        Section B of Karras et al. 2019.
        """
        require_truncation(truncation)
        if truncation == 1:
            return w
        mean = self.style_mean[label] if label is not None else self.style_mean.mean(0, keepdim=True)
        mean = mean.to(w).view(-1, *[1] * (w.dim() - 2), w.shape[-1])
        return mean + truncation * (w - mean)

    @torch.no_grad()
    def to_w(self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """z [N, latent_dim] -> w [N, style_dim], float32 on the model's device."""
        z, label = z.to(self.device, self.dtype), None if label is None else label.to(self.device)
        return self.truncate_w(self.map(z, label).float(), label, truncation)

    def from_w(self, w: Tensor, *, noise: Tensor | None = None, batch_size: int = 64) -> Tensor:
        """Pictures of points in W.

        Args:
            w: [N, style_dim], or w+ [N, L, style_dim].
            noise: [N, noise_dim]; None takes that of seed 0 for every picture.
            batch_size: Pictures made at a time.

        Returns:
            float32 [N, C, H, W] in [-1, 1] on the model's device.
        """

        def make(w: Tensor, noise: Tensor | None) -> Tensor:
            return self.synthesise(w, self._noise_or_first(noise, len(w)))

        return self._in_batches(make, batch_size, self.per_layer(w), noise)

    def _truncated(self, z: Tensor, label: Tensor | None, truncation: float, noise: Tensor | None) -> Tensor:
        w = self.truncate_w(self.map(z, label), label, truncation)
        return self.synthesise(self.per_layer(w), self._noise_or_first(noise, len(z)))


@dataclass(frozen=True, kw_only=True)
class MappedConfig(LatentConfig):
    """Sizes of a mapping network.

    Attributes:
        style_dim: Length of w.
        mapping_layers: Depth of the mapping network.
        mixing: Share of training pictures that take the styles of two latents (style mixing).
        mapping_rate: Factor of the mapping network's learning rate. The paper's 0.01 is for tens of millions of
            pictures: in some 100,000 the network then hardly leaves what it was drawn as, and w can't sort what a
            picture has into kinds. 1 is for such runs.
        flow_steps: Above 0 the mapping network is a flow instead, followed in so many steps, of ``mapping_layers``
            blocks as wide as w (ganhub/nn/flow.py): training/learn_mapping.py teaches it. 8 are enough.
            ``mapping_rate`` then does nothing.
    """

    latent_dim: int = 512
    style_dim: int = 512
    mapping_layers: int = 8
    mixing: float = 0.9
    mapping_rate: float = 0.01
    flow_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range(1, 8192, "style_dim")
        self.require_range(1, 64, "mapping_layers")
        self.require_range(0, 1, "mixing")
        self.require_range(1e-4, 1, "mapping_rate")
        self.require_range(0, 64, "flow_steps")


class Mapping(nn.Module):
    """z [N, latent_dim] and label [N] -> w [N, style_dim], in float32: section 2 of Karras et al. 2019."""

    def __init__(self, config: MappedConfig) -> None:
        super().__init__()
        c = config
        self.embed = nn.Embedding(c.num_classes, c.latent_dim) if c.num_classes else None
        widths = [c.latent_dim * (2 if c.num_classes else 1), *[c.style_dim] * c.mapping_layers]
        pairs = zip(widths, widths[1:], strict=False)
        self.layers = nn.ModuleList(EqualisedLinear(before, after, rate=c.mapping_rate) for before, after in pairs)

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            x = pixel_norm(z)
            if self.embed is not None:
                x = torch.cat([x, pixel_norm(self.embed(label).to(x.dtype))], dim=1)
            for layer in self.layers:
                x = F.leaky_relu(layer(x), 0.2) * LEAKY_GAIN
            return x


def build_mapping(config: MappedConfig) -> Mapping | FlowMapping:
    """The paper's mapping network, or a flow."""
    c = config
    if not c.flow_steps:
        return Mapping(c)
    return FlowMapping(c.latent_dim, c.style_dim, c.num_classes, c.flow_steps, c.mapping_layers)


class MappedGenerator(StyleGenerator):
    """A style generator with a mapping network, style mixing in training, and noise maps.

    A subclass sets ``noise_shapes`` and defines ``layers``, ``synthesise`` and ``style_weights``.
    """

    config: MappedConfig
    noise_shapes: list[tuple[int, int]]  # height and width of each noise map, in the order of the layers

    def __init__(self, config: MappedConfig | None = None) -> None:
        super().__init__(config)
        self.mapping = build_mapping(self.config)
        self.register_buffer("style_mean", torch.zeros(max(self.config.num_classes, 1), self.config.style_dim))

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.mapping(z, require_label(label) if self.config.num_classes else None)

    @property
    def noise_dim(self) -> int:
        return sum(height * width for height, width in self.noise_shapes)

    def noise_maps(self, noise: Tensor) -> list[Tensor]:
        """noise [N, noise_dim] -> maps [N, 1, H, W], one for each of ``noise_shapes``."""
        maps = noise.split([height * width for height, width in self.noise_shapes], dim=1)
        return [m.view(-1, 1, *shape) for m, shape in zip(maps, self.noise_shapes, strict=True)]

    def make(self, seeds: Seeds, label: Tensor | None = None) -> Tensor:
        w = self.map(self.latent(seeds), label)
        if self.training:
            self._track(w.detach(), label)
        return self.synthesise(self.mixed(self.per_layer(w), seeds, label), self.noise(seeds))

    def mixed(self, w: Tensor, seeds: Seeds, label: Tensor | None) -> Tensor:
        """Style mixing (section 3.1 of Karras et al. 2019): from a random layer of w+ on, the styles of another latent.

        The seeds decide the other latent, the layer, and which of the w+ [N, L, style_dim] are mixed at all.
        """
        if not (self.training and self.config.mixing):
            return w
        other = self.map(normal(seeds, self.config.latent_dim, stream=MIXING_STREAM).to(w), label)
        draws = uniform(seeds, 2, stream=MIXING_STREAM + 1).to(w.device)
        start = 1 + (draws[:, 1] * (self.layers - 1)).long()
        start = torch.where(draws[:, 0] < self.config.mixing, start, self.layers)
        kept = torch.arange(self.layers, device=w.device) < start[:, None]
        return torch.where(kept.unsqueeze(2), w, self.per_layer(other))

    @torch.no_grad()
    def _track(self, w: Tensor, label: Tensor | None) -> None:
        """Move the mean of w, of each class by its own count."""
        classes = torch.zeros(len(w), dtype=torch.int64, device=w.device) if label is None else label
        sums = torch.zeros(len(self.style_mean), w.shape[1] + 1, dtype=w.dtype, device=w.device)
        sums.index_add_(0, classes, F.pad(w, (0, 1), value=1.0))
        if process_count() > 1:
            sums = total(sums)
        counts = sums[:, -1:]
        share = 1 - 0.5 ** (counts / MEAN_HALF_LIFE)
        self.style_mean.lerp_((sums[:, :-1] / counts.clamp_min(1)).to(self.style_mean.dtype), share)
