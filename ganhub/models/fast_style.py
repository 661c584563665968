"""Named styles in one pass of one network.

"Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155)
trains a network to do at once what Gatys' optimisation does in hundreds of steps; with instance normalisation (Ulyanov
et al. 2016, arXiv:1607.08022) it keeps the contrast of the style, and with a scale and a shift for each style and
channel ("A Learned Representation For Artistic Style", Dumoulin, Shlens, Kudlur 2017, arXiv:1610.07629) one network
holds many styles and everything between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from ganhub.models._stylizer import OnStep, Stylizer, at_scale
from ganhub.nn.painter import Painter, PainterConfig

GAIN = 4.0  # of the codes: each style's numbers are few, seldom in a batch, and have far to go


@dataclass(frozen=True, kw_only=True)
class FastStyleConfig(PainterConfig):
    """Settings of :class:`FastStyle`, those of its painter among them.

    Attributes:
        style_names: The styles, in the order of their codes.
    """

    style_names: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(len(self.style_names) > 0, "style_names must name at least one style.")
        self.require(len(set(self.style_names)) == len(self.style_names), "style_names must differ from each other.")


class FastStyle(Stylizer, architecture="fast-style"):
    """Johnson et al. 2016 with Dumoulin et al. 2017: a code for each style, blends of codes for what is between."""

    Config = FastStyleConfig
    paper = (
        "Perceptual Losses for Real-Time Style Transfer (Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155) with "
        "A Learned Representation For Artistic Style (Dumoulin, Shlens, Kudlur 2017, arXiv:1610.07629)"
    )
    default_objective = "style"
    reads_pictures = False
    config: FastStyleConfig

    def __init__(self, config: FastStyleConfig) -> None:
        super().__init__(config)
        self.painter = Painter(config.width, config.deep_width, config.blocks)
        self.codes = nn.Embedding(len(config.style_names), self.painter.code_size)
        nn.init.normal_(self.codes.weight, std=0.1 / GAIN)

    @classmethod
    def tiny(cls) -> Self:
        """Two styles, untrained."""
        return cls(FastStyleConfig(style_names=("dots", "waves"), width=8, deep_width=8, blocks=1))

    def learners(self) -> list[nn.Module]:
        """What training changes."""
        return [self.painter, self.codes]

    def read(self, pictures: Tensor | None, labels: Tensor) -> Tensor:
        """Codes [N, code_size] of the styles with these indices [N]: it knows the pictures by heart."""
        return GAIN * self.codes(labels)

    @torch.no_grad()
    def _paint(self, content: Tensor, styles: list[tuple[str, float]], strength: float, scale: float, seed: int,
               on_step: OnStep | None) -> Tensor:  # fmt: skip
        index = torch.tensor([self.style_names.index(name) for name, _ in styles], device=self.device)
        weights = torch.tensor([weight for _, weight in styles], device=self.device, dtype=self.dtype)
        code = weights[None] @ self.read(None, index)
        content = content.to(self.device, self.dtype)
        painted = content.lerp(at_scale(lambda x: self.painter(x, code), content, scale), strength)
        if on_step is not None:
            on_step(1, 1, painted)
        return painted
