"""Super-resolution with dense residual blocks: the network behind most upscalers that people share.

"ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (Wang et al. 2018, arXiv:1809.00219): residual
blocks of residual blocks of densely connected convolutions (RRDB, section 3.1, figure 4), without normalisation, their
sums scaled down. "Real-ESRGAN" (Wang et al. 2021, arXiv:2107.10833) is this network trained on rougher degradations;
its files, and those of ESRGAN, are read by :meth:`ESRGAN.from_tensors`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.models._translator import Enlarger

DAMPING = 0.2  # of each block's sum, section 3.1


@dataclass(frozen=True, kw_only=True)
class ESRGANConfig(BaseConfig):
    """Sizes of the generator and the discriminator.

    Attributes:
        scale: 1, 2 or 4; at 1 and 2 pixels are folded into channels first, as in Real-ESRGAN.
        width: Channels between blocks.
        growth: Channels that each convolution of a dense block adds.
        blocks: Residual blocks of three dense blocks each.
        discriminator_width: Channels of its first layers.
    """

    scale: int = 4
    width: int = 64
    growth: int = 32
    blocks: int = 6
    discriminator_width: int = 32

    def __post_init__(self) -> None:
        self.require(self.scale in (1, 2, 4), f"scale must be 1, 2 or 4, not {self.scale}.")
        self.require_range(4, 512, "width", "growth", "discriminator_width")
        self.require_range(1, 64, "blocks")


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees what all before it made; x + 0.2 times the last."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        outputs = [growth] * 4 + [width]
        self.convs = nn.ModuleList(nn.Conv2d(width + k * growth, out, 3, 1, 1) for k, out in enumerate(outputs))
        with torch.no_grad():  # "smaller initialisation", section 3.1
            for conv in self.convs:
                conv.weight *= 0.1

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for conv in self.convs[:-1]:
            seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
        return x + DAMPING * self.convs[-1](torch.cat(seen, 1))


class RRDB(nn.Module):
    """x + 0.2 times what three dense blocks make of it."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + DAMPING * self.dense(x)


class Generator(nn.Module):
    """[N, 3, H, W] in [0, 1] -> [N, 3, scale H, scale W], about [0, 1]; sides are multiples of 4 / scale."""

    def __init__(self, config: ESRGANConfig) -> None:
        super().__init__()
        w, self.fold = config.width, 4 // config.scale
        self.first = nn.Conv2d(3 * self.fold**2, w, 3, 1, 1)
        self.body = nn.Sequential(*(RRDB(w, config.growth) for _ in range(config.blocks)))
        self.trunk = nn.Conv2d(w, w, 3, 1, 1)
        self.up = nn.ModuleList(nn.Conv2d(w, w, 3, 1, 1) for _ in range(2))
        self.full = nn.Conv2d(w, w, 3, 1, 1)
        self.last = nn.Conv2d(w, 3, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(F.pixel_unshuffle(images, self.fold) if self.fold > 1 else images)
        x = x + self.trunk(self.body(x))
        for conv in self.up:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)), 0.2)
        return self.last(F.leaky_relu(self.full(x), 0.2))


class Discriminator(nn.Module):
    """Pictures [N, 3, H, W], 32 pixels a side or more -> scores [N], the mean over their patches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, width), (width, 2 * width), (2 * width, 4 * width), (4 * width, 8 * width)):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).mean((1, 2, 3))


class ESRGAN(Enlarger, architecture="esrgan"):
    """Wang et al. 2018: larger pictures, sharper."""

    Config = ESRGANConfig
    paper = "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks (Wang et al. 2018, arXiv:1809.00219)"
    config: ESRGANConfig

    def __init__(self, config: ESRGANConfig | None = None) -> None:
        super().__init__(config)
        self.generator = Generator(self.config)

    @classmethod
    def tiny(cls) -> Self:
        """Untrained, twice as large."""
        return cls(ESRGANConfig(scale=2, width=4, growth=4, blocks=1, discriminator_width=4))

    @property
    def multiple(self) -> int:
        return 4 // self.config.scale

    def adversary(self) -> Discriminator:
        return Discriminator(self.config.discriminator_width)

    def forward(self, images: Tensor) -> Tensor:
        return self.generator((images + 1) / 2) * 2 - 1

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Build from the tensors of an ESRGAN or Real-ESRGAN file, under whichever of their names.

        Raises:
            ConfigError: Where they are not those of an RRDB network.
        """
        renamed = {_renamed(name): tensor for name, tensor in tensors.items()}
        first, growth = (renamed.get(name) for name in ("first.weight", "body.0.dense.0.convs.0.weight"))
        if first is None or growth is None or first.dim() != 4 or growth.dim() != 4:
            raise ConfigError("These are no weights of an RRDB network, which ESRGAN and Real-ESRGAN are.")
        blocks = len({name.split(".")[1] for name in renamed if name.startswith("body.")})
        scale = {3: 4, 12: 2, 48: 1}.get(first.shape[1], 0)
        config = ESRGANConfig(scale=scale, width=first.shape[0], growth=growth.shape[0], blocks=blocks)
        # Compared before anything is built or converted: a small file may claim a huge network.
        own = {(name.removeprefix("generator."), tuple(shape)) for name, shape in cls._shapes(config).items()}
        given = {(name, tuple(x.shape)) for name, x in renamed.items()}
        if wrong := sorted({name for name, _ in own ^ given}):
            named = ", ".join(wrong[:5])
            raise ConfigError(f"An RRDB network of {blocks} blocks has other weights; what differs: {named}.")
        for name, tensor in renamed.items():
            require_stored(name, tensor)
            if not tensor.is_floating_point():
                raise ConfigError(f"{name} holds {tensor.dtype}, no weights: ask for plain float32 or float16.")
        with torch.device("cpu"):
            model = cls(config).float()
        model.generator.load_state_dict(renamed)
        return model.eval()


def require_stored(name: str, tensor: Tensor) -> None:
    """Raise ConfigError unless a tensor is plain numbers, each of which is stored.

    A tensor of stride 0 claims any shape and stores one number: copied or converted, it takes all of its memory.
    """
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
        raise ConfigError(f"{name[:80]} is stored in an unusual way: ask for plain float32 or float16 weights.")


# Names of Real-ESRGAN's files, and of the older ones of ESRGAN: ours.
_NAMES = (
    (r"^conv_first\.|^model\.0\.", "first."),
    (r"^conv_body\.|^trunk_conv\.|^model\.1\.sub\.\d+\.(?=weight|bias)", "trunk."),
    (r"^conv_up1\.|^upconv1\.|^model\.3\.", "up.0."),
    (r"^conv_up2\.|^upconv2\.|^model\.6\.", "up.1."),
    (r"^conv_hr\.|^HRconv\.|^model\.8\.", "full."),
    (r"^conv_last\.|^model\.10\.", "last."),
    (r"^RRDB_trunk\.|^model\.1\.sub\.", "body."),
)


def _renamed(name: str) -> str:
    for pattern, ours in _NAMES:
        if re.match(pattern, name):
            name = re.sub(pattern, ours, name)
            break
    place = re.match(r"body\.(\d+)\.rdb([123])\.conv([1-5])(?:\.0)?\.(weight|bias)$", name, re.IGNORECASE)
    if place:
        block, dense, conv, kind = place.groups()
        name = f"body.{block}.dense.{int(dense) - 1}.convs.{int(conv) - 1}.{kind}"
    return name
