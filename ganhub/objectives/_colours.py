"""How often each colour comes: generated pictures beside real ones, both very small, over the last batches of a run."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.images import on_white
from ganhub.losses.energy import energy_distance
from ganhub.nn.memory import Memory

SIDE = 4  # pixels: grounds, hair and skin are still told apart
MOST = 2048  # pictures that are remembered, of all classes
LEAST = 1024  # before that many there is no loss: too few to compare with


class ColourEnergy(Memory):
    """The energy distance between generated and real pictures of a class, shrunk to 4 x 4 pixels.

    A discriminator judges single pictures, and hardly notices that one colour of the ground comes three times as often
    as another. This does. Its memory is a part of the run's state. Each of several processes remembers its own share;
    those that go on from a checkpoint begin with the first one's.
    """

    def __init__(self) -> None:
        super().__init__("real", "made", "labels")

    def forward(self, made: Tensor, real: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the generator minimises, and the distance itself; both 0 until enough was seen.

        Args:
            made, real: [N, C, H, W] in [-1, 1], of the same classes.
            labels: [N], or None without classes.
        """
        labels = torch.zeros(len(made), device=made.device) if labels is None else labels.float()
        made, real = shrink(made), shrink(real)
        if len(self.real) < LEAST:
            found = made.sum() * 0.0, made.detach().sum() * 0.0
        else:
            found = energy_distance(made, real, self.made, self.real, labels, self.labels)
        for name, new in (("real", real), ("made", made), ("labels", labels)):
            kept = getattr(self, name)
            setattr(self, name, torch.cat([kept.to(new), new.detach()] if len(kept) else [new.detach()])[-MOST:])
        return found


def shrink(images: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, 16 C]; a picture with alpha as it is seen on white, and its alpha."""
    return F.adaptive_avg_pool2d(as_seen(images.float()), SIDE).flatten(1)


def as_seen(images: Tensor) -> Tensor:
    """[N, C, H, W], the same but for pictures with alpha: as they are seen on white, and their alpha."""
    return torch.cat([on_white(images), images[:, 3:]], dim=1) if images.shape[1] == 4 else images
