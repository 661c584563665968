"""The energy distance between what is made and what is real, over the last batches of a run."""

from __future__ import annotations

import torch
from torch import Tensor

from ganhub.losses.energy import energy_distance
from ganhub.nn.memory import Memory

MOST = 2048  # vectors that are remembered, of all classes
LEAST = 1024  # before that many there is no loss: too few to compare with


class RememberedEnergy(Memory):
    """The energy distance between generated and real vectors of a class.

    Its memory is a part of the run's state. Each of several processes remembers its own share; those that go on from a
    checkpoint begin with the first one's.
    """

    def __init__(self) -> None:
        super().__init__("real", "made", "labels")

    def forward(self, made: Tensor, real: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the generator minimises, and the distance itself; both 0 until enough was seen.

        Args:
            made, real: [N, D], of the same classes.
            labels: [N], or None without classes.
        """
        labels = torch.zeros(len(made), device=made.device) if labels is None else labels.float()
        if len(self.real) < LEAST:
            found = made.sum() * 0.0, made.detach().sum() * 0.0
        else:
            found = energy_distance(made, real, self.made, self.real, labels, self.labels)
        for name, new in (("real", real), ("made", made), ("labels", labels)):
            kept = getattr(self, name)
            setattr(self, name, torch.cat([kept.to(new), new.detach()] if len(kept) else [new.detach()])[-MOST:])
        return found
