"""Any style from one picture of it, in one pass.

"Exploring the structure of a real-time, arbitrary neural artistic stylization network" (Ghiasi et al. 2017,
arXiv:1705.06830): the painting network is that of Dumoulin et al. 2017, and a second network reads from a picture of
the style the scales and shifts that it paints with. Here the reader is small, since it need not learn to see: a
perceptron on the means and deviations of vgg-lite's channels, the numbers that AdaIN (Huang and Belongie 2017) too
takes for the style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from ganhub.models._stylizer import OnStep, Stylizer, at_scale, style_at
from ganhub.nn.features import VGGLiteTrunk
from ganhub.nn.instance_norm import moments
from ganhub.nn.painter import Painter, PainterConfig


@dataclass(frozen=True, kw_only=True)
class ArbitraryStyleConfig(PainterConfig):
    """Settings of :class:`ArbitraryStyle`, those of its painter among them.

    Attributes:
        reader_width: Width of the reader's hidden layer.
        style_size: Short side, in pixels, in which a style picture is read.
    """

    reader_width: int = 256
    style_size: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range(1, 4096, "reader_width")
        self.require_range(64, 1024, "style_size")


class ArbitraryStyle(Stylizer, architecture="arbitrary-style"):
    """Ghiasi et al. 2017: a reader of styles and a painter that is told by numbers."""

    Config = ArbitraryStyleConfig
    paper = (
        "Exploring the structure of a real-time, arbitrary neural artistic stylization network "
        "(Ghiasi et al. 2017, arXiv:1705.06830)"
    )
    default_objective = "style"
    config: ArbitraryStyleConfig

    def __init__(self, config: ArbitraryStyleConfig | None = None) -> None:
        super().__init__(config)
        c = self.config
        self.painter = Painter(c.width, c.deep_width, c.blocks)
        self.trunk = VGGLiteTrunk()
        seen = 2 * sum(block[0].out_channels for block in self.trunk.blocks)
        self.reader = nn.Sequential(
            nn.Linear(seen, c.reader_width), nn.LeakyReLU(0.2), nn.Linear(c.reader_width, self.painter.code_size)
        )
        nn.init.normal_(self.reader[2].weight, std=0.1 / c.reader_width**0.5)
        nn.init.zeros_(self.reader[2].bias)

    @classmethod
    def tiny(cls) -> Self:
        """Untrained."""
        return cls(ArbitraryStyleConfig(width=8, deep_width=8, blocks=1, reader_width=8, style_size=64))

    def learners(self) -> list[nn.Module]:
        """What training changes."""
        return [self.painter, self.reader]

    def read(self, pictures: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes [N, code_size] of styles from pictures of them, [N, 3, h, w] in [-1, 1]."""
        with torch.no_grad():
            seen = self.trunk(pictures.contiguous(memory_format=torch.channels_last))
            numbers = [number.flatten(1) for x in seen.values() for number in moments(x)]
        return self.reader(torch.cat(numbers, 1))

    @torch.no_grad()
    def _paint(self, content: Tensor, styles: list[tuple[Tensor, float]], strength: float, scale: float, seed: int,
               on_step: OnStep | None) -> Tensor:  # fmt: skip
        size = self.config.style_size
        code = sum(
            weight * self.read(style_at(picture.to(self.device, self.dtype), size)) for picture, weight in styles
        )
        content = content.to(self.device, self.dtype)
        painted = content.lerp(at_scale(lambda x: self.painter(x, code), content, scale), strength)
        if on_step is not None:
            on_step(1, 1, painted)
        return painted
