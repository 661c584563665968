"""The verbs: what a kind of model can do, and the methods by which app, command line and tests know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError
from ganhub.models._base import Model
from ganhub.nn.random import normal


@dataclass(frozen=True, kw_only=True)
class LatentConfig(BaseConfig):
    """What every latent generator's config holds.

    Attributes:
        image_size: Height and width in pixels.
        channels: 1 grey, 3 RGB, 4 RGBA.
        latent_dim: Length of z.
        num_classes: Number of class labels; 0 for an unconditional model.
        class_names: Their names in the order of the indices, or empty.
    """

    image_size: int = 64
    channels: int = 3
    latent_dim: int = 128
    num_classes: int = 0
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.require(self.channels in (1, 3, 4), f"channels must be 1, 3 or 4, not {self.channels}.")
        self.require_range(4, 4096, "image_size")
        self.require_range(1, 65_536, "latent_dim")
        self.require_range(0, 1_000_000, "num_classes")
        self.require(
            len(self.class_names) in (0, self.num_classes),
            f"class_names has {len(self.class_names)} names for num_classes = {self.num_classes}.",
        )


class LatentGenerator(Model):
    """Makes pictures from latents z ~ N(0, I): ``forward(z, label)`` and, around it, ``sample``."""

    verb = "latent_generator"
    config: LatentConfig

    def latent(self, seeds: Sequence[int] | Tensor) -> Tensor:
        """z of each seed, [N, latent_dim], the same bits in any batch and for any device."""
        return normal(seeds, self.config.latent_dim).to(self.device, self.dtype)

    def class_index(self, label: int | str) -> int:
        """Index of a class given by index or name; anything else raises ConfigError and says what exists."""
        count, names = self.config.num_classes, self.config.class_names
        if not count:
            raise ConfigError(f"This {self.architecture} knows no classes: leave the label out.")
        if isinstance(label, str) and label in names:
            return names.index(label)
        index = int(label) if isinstance(label, int) or str(label).isdecimal() and not names else -1
        if not 0 <= index < count:
            known = f" Names: {', '.join(names[:20])}{', ...' if count > 20 else ''}." if names else ""
            hint = nearest(label, names) if isinstance(label, str) else ""
            raise ConfigError(f"There is no class {label!r}.{hint} Classes are numbered 0 to {count - 1}.{known}")
        return index

    def labels(self, n: int, label: Any = None, seed: int = 0) -> Tensor | None:
        """Class indices [n]: of one class, of n given ones, or (None) class (seed + i) % num_classes for picture i."""
        if label is None:
            count = self.config.num_classes
            return (torch.arange(seed, seed + n) % count) if count else None
        if isinstance(label, Tensor):
            label = label.tolist()
        given = [label] * n if isinstance(label, (int, str)) else list(label)
        if len(given) != n:
            raise ConfigError(f"{len(given)} labels were given for {n} pictures; give one, or one for each.")
        return torch.tensor([self.class_index(one) for one in given], dtype=torch.int64)

    @torch.no_grad()
    def generate(self, z: Tensor, label: Tensor | None = None, *, batch_size: int = 64) -> Tensor:
        """Pictures of given latents.

        Args:
            z: [N, latent_dim], any device.
            label: Class indices [N] for a conditional model, else None.
            batch_size: Pictures made at a time.

        Returns:
            float32 [N, C, H, W] in [-1, 1] on the model's device.
        """
        if z.dim() != 2 or z.shape[1] != self.config.latent_dim:
            raise ConfigError(f"z must be [N, {self.config.latent_dim}], not {list(z.shape)}.")
        z = z.to(self.device, self.dtype)
        label = None if label is None else label.to(self.device)
        parts = [
            self(z[i : i + batch_size], None if label is None else label[i : i + batch_size]).float()
            for i in range(0, len(z), batch_size)
        ]
        shape = (0, self.config.channels, self.config.image_size, self.config.image_size)
        return torch.cat(parts).clamp(-1, 1) if parts else torch.empty(shape, device=self.device)

    def sample(self, n: int = 1, *, label: int | str | Sequence[int | str] | Tensor | None = None, seed: int = 0,
               truncation: float = 1.0) -> Tensor:
        """Make n pictures; picture i is the picture of seed + i, whatever n is.

        Args:
            n: How many.
            label: Class index or name, one for all or one each; None lets a conditional model take turns.
            seed: Seed of the first picture.
            truncation: z is scaled by it: below 1 gives more typical, less varied pictures. In [0, 1.5].

        Returns:
            float32 [n, C, H, W] in [-1, 1].
        """
        if n < 0:
            raise ConfigError(f"n must be 0 or more, not {n}.")
        if not 0 <= truncation <= 1.5:
            raise ConfigError(f"truncation must be from 0 to 1.5, not {truncation!r}.")
        labels = self.labels(n, label, seed)
        return self.generate(self.latent(range(seed, seed + n)) * truncation, labels)


class Stylizer(Model):
    """Paints a picture in the style of another."""

    verb = "stylizer"

    def stylize(self, content: Tensor, style: Tensor | str | Sequence[tuple[Tensor | str, float]], *,
                strength: float = 1.0, scale: float = 1.0, seed: int = 0,
                on_step: Callable[[int, int, Tensor | None], None] | None = None) -> Tensor:
        """Return ``content`` painted in ``style``.

        Args:
            content: [1, 3, H, W] in [-1, 1].
            style: A picture [1, 3, h, w], a name the model knows, or a list of (picture or name, weight).
            strength: 0 gives the content back, 1 the full style.
            scale: Size of the style's strokes relative to the picture.
            seed: Of whatever is random.
            on_step: Called with (step, steps, picture so far or None); may raise to stop.

        Returns:
            [1, 3, H, W] in [-1, 1].
        """
        raise NotImplementedError
