"""The verbs: what a kind of model can do, and the methods by which app, command line and tests know it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError
from ganhub.models._base import Model, finite
from ganhub.nn.random import Seeds, normal, whole_number

NOISE_STREAM = 0x401  # keeps a seed's noise inputs apart from its z


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

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures in pixels; square unless a config says otherwise."""
        return self.image_size, self.image_size


def require_truncation(truncation: float) -> None:
    """Raise ConfigError unless truncation lies in [0, 1.5]."""
    if not 0 <= truncation <= 1.5:  # NaN fails too
        raise ConfigError(f"truncation must be from 0 to 1.5, not {truncation!r}.")


def require_label(label: Tensor | None) -> Tensor:
    """Return the label of a conditional model's picture, or raise ConfigError where none was given."""
    if label is None:
        raise ConfigError("This model was made for classes: give each picture a label.")
    return label


class LatentGenerator(Model):
    """Generates pictures of latents z ~ N(0, I): ``forward`` and, around it, ``sample``."""

    verb = "latent_generator"
    watched = True
    pipeline_tag = "unconditional-image-generation"
    caption = "Seeds 0 to 63, not curated"
    config: LatentConfig

    @classmethod
    def task(cls, config: LatentConfig) -> str:
        return "sample"

    @classmethod
    def usage(cls, config: LatentConfig) -> str:
        first = json.dumps(config.class_names[0], ensure_ascii=False) if config.class_names else 0
        label = f"label={first}, " if config.num_classes else ""
        return f'ganhub.save_grid(model.sample(16, {label}seed=0), "grid.png")'

    def command(self, name: str) -> str:
        return f"ganhub sample {name} --out grid.png"

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """Pictures of latents, with gradients.

        Args:
            z: [N, latent_dim], on the model's device and of its dtype.
            label: Class indices [N] for a conditional model, else None.
            noise: [N, noise_dim] as :meth:`noise` gives it; None takes that of seed 0 for every picture. Families
                without noise inputs ignore it.

        Returns:
            [N, C, H, W], in [-1, 1] or about.
        """
        raise NotImplementedError

    def needs(self, side: int) -> dict[str, Any]:
        height, width = self.config.size
        labelled = bool(self.config.num_classes)
        return {"height": height, "width": width, "channels": self.config.channels, "labelled": labelled}

    def accept(self, data: Any) -> LatentConfig:
        """Its config with the names of the data's classes; ConfigError where there are more or fewer, or others."""
        count, names = self.config.num_classes, tuple(data.class_names)
        if not count:
            return self.config
        if len(names) != count:
            raise ConfigError(
                f"The data has {len(names)} classes, the model num_classes = {count}: set model.num_classes."
            )
        if self.config.class_names not in ((), names):
            raise ConfigError("The classes of the data are not those that the model was made for.")
        return type(self.config).from_dict({**self.config.to_dict(), "class_names": names})

    def preview(self, count: int = 64) -> Tensor:
        """Pictures of seeds 0 to ``count`` - 1, uncurated."""
        return self.sample(count, seed=0)

    def latent(self, seeds: Seeds) -> Tensor:
        """z of each seed, [N, latent_dim], the same bits in any batch and for any device."""
        return normal(seeds, self.config.latent_dim).to(self.device, self.dtype)

    def make(self, seeds: Seeds, label: Tensor | None = None) -> Tensor:
        """Pictures of seeds in the form that objectives train on: with gradients and whatever training adds.

        Args:
            seeds: N integers.
            label: Class indices [N] on the model's device for a conditional model, else None.

        Returns:
            [N, C, H, W], in [-1, 1] or about.
        """
        return self(self.latent(seeds), label, self._noise_of(seeds))

    def class_index(self, label: int | str) -> int:
        """Index of a class given by index or name; anything else raises ConfigError and says what exists."""
        count, names = self.config.num_classes, self.config.class_names
        if not count:
            raise ConfigError(f"This {self.architecture} knows no classes: leave the label out.")
        if isinstance(label, str) and label in names:
            return names.index(label)
        if isinstance(label, str):
            index = int(label) if label.isdecimal() and len(label) < 10 and not names else -1
        else:
            index = whole_number(label, "A label")
        if not 0 <= index < count:
            sentence = f"There is no class {str(label)[:80]!r}."
            listed = f" Names: {', '.join(names[:20])}{', ...' if count > 20 else ''}." if names else ""
            hint = nearest(label, names) if isinstance(label, str) else ""
            raise ConfigError(f"{sentence}{hint} Classes are numbered 0 to {count - 1}.{listed}")
        return index

    def labels(self, n: int, label: Any = None, seed: int = 0) -> Tensor | None:
        """Class indices [n]: of one class, of n given ones, or (None) class (seed + i) % num_classes for picture i.

        A class is a name or a whole number, also NumPy's; several are a sequence, array or tensor of them.
        """
        if label is None:
            count = self.config.num_classes
            indices = [(seed + i) % count for i in range(n)] if count else None
        else:
            label = label.tolist() if hasattr(label, "tolist") else label  # of NumPy and torch: one, or a list
            given = list(label) if isinstance(label, Iterable) and not isinstance(label, str) else [label] * n
            if len(given) != n:
                raise ConfigError(f"{len(given)} labels were given for {n} pictures; give one, or one for each.")
            indices = [self.class_index(one) for one in given]
        return None if indices is None else torch.tensor(indices, dtype=torch.int64, device="cpu")

    @property
    def noise_dim(self) -> int:
        """Random numbers a picture takes beside z; 0 for most families."""
        return 0

    def noise(self, seeds: Seeds) -> Tensor:
        """Noise inputs of each seed, [N, noise_dim], the same bits in any batch and for any device."""
        return normal(seeds, self.noise_dim, stream=NOISE_STREAM).to(self.device, self.dtype)

    def _noise_of(self, seeds: Seeds) -> Tensor | None:
        return self.noise(seeds) if self.noise_dim else None

    def _noise_or_first(self, noise: Tensor | None, n: int) -> Tensor:
        """``noise``, or where there is none that of seed 0, for n pictures."""
        return self.noise([0]).expand(n, -1) if noise is None else noise

    def generate(
        self,
        z: Tensor,
        label: Tensor | None = None,
        *,
        truncation: float = 1.0,
        noise: Tensor | None = None,
        batch_size: int = 64,
    ) -> Tensor:
        """Pictures of given latents.

        Args:
            z: [N, latent_dim], any device.
            label: Class indices [N] for a conditional model, else None.
            truncation: Below 1 gives more typical, less varied pictures. In [0, 1.5].
            noise: [N, noise_dim] as :meth:`noise` gives it; None takes that of seed 0 for every picture.
            batch_size: Pictures made at a time.

        Returns:
            float32 [N, C, H, W] in [-1, 1] on the model's device.
        """
        if z.dim() != 2 or z.shape[1] != self.config.latent_dim:
            raise ConfigError(f"z must be [N, {self.config.latent_dim}], not {list(z.shape)}.")
        require_truncation(truncation)
        if label is None and self.config.num_classes:
            raise ConfigError(f"This {self.architecture} knows {self.config.num_classes} classes: give each z a label.")
        return self._in_batches(lambda z, label, noise: self._truncated(z, label, truncation, noise),
                                batch_size, z, label, noise)  # fmt: skip

    def _truncated(self, z: Tensor, label: Tensor | None, truncation: float, noise: Tensor | None) -> Tensor:
        return self(z * truncation, label, noise)

    @torch.no_grad()
    def _in_batches(self, make: Callable[..., Tensor], batch_size: int, *inputs: Tensor | None) -> Tensor:
        """``make`` on parts of inputs that share their length, moved to the model; clamped and joined."""

        def part(x: Tensor | None, start: int) -> Tensor | None:
            if x is None:
                return None
            x = x[start : start + batch_size].to(self.device)
            return x.to(self.dtype) if x.is_floating_point() else x

        starts = range(0, len(inputs[0]), batch_size)
        pictures = [finite(make(*(part(x, start) for x in inputs)), self).float() for start in starts]
        shape = (0, self.config.channels, *self.config.size)
        return torch.cat(pictures).clamp(-1, 1) if pictures else torch.empty(shape, device=self.device)

    def sample(
        self,
        n: int = 1,
        *,
        label: int | str | Sequence[int | str] | Tensor | None = None,
        seed: int = 0,
        truncation: float = 1.0,
    ) -> Tensor:
        """Make n pictures; picture i is the picture of seed + i, whatever n is.

        Args:
            n: How many.
            label: Class index or name, one for all or one each; None lets a conditional model take turns.
            seed: Seed of the first picture.
            truncation: Below 1 gives more typical, less varied pictures: z, or w towards its mean where a model has
                one, is scaled by it. In [0, 1.5].

        Returns:
            float32 [n, C, H, W] in [-1, 1].
        """
        n, seed = whole_number(n, "n"), whole_number(seed, "seed")
        if n < 0:
            raise ConfigError(f"n must be 0 or more, not {n}.")
        seeds = range(seed, seed + n)
        labels, noise = self.labels(n, label, seed), self._noise_of(seeds)
        return self.generate(self.latent(seeds), labels, truncation=truncation, noise=noise)
