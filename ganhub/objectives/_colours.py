"""How often each colour comes: generated pictures beside real ones, both very small, over the last batches of a run."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.images import on_white
from ganhub.objectives._energy import RememberedEnergy

SIDE = 4  # pixels: grounds, hair and skin are still told apart


class ColourEnergy(RememberedEnergy):
    """The energy distance between generated and real pictures of a class, shrunk to 4 x 4 pixels.

    A discriminator judges single pictures, and hardly notices that one colour of the ground comes three times as often
    as another. This does.
    """

    def forward(self, made: Tensor, real: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """As its base, of pictures [N, C, H, W] in [-1, 1]."""
        return super().forward(shrink(made), shrink(real), labels)


def shrink(images: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, 16 C]; a picture with alpha as it is seen on white, and its alpha."""
    images = images.float()
    if images.shape[1] == 4:
        images = torch.cat([on_white(images), images[:, 3:]], 1)
    return F.adaptive_avg_pool2d(images, SIDE).flatten(1)
