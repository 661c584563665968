"""The classic game: a discriminator against a generator, minimax or non-saturating, with or without R1.

Works with any latent generator whose ``adversary()`` maps (images, labels) to scores [N].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.losses.adversarial import (
    discriminator_loss,
    minimax_generator_loss,
    mode_seeking_loss,
    non_saturating_generator_loss,
    score_statistics,
)
from ganhub.losses.penalties import r1_penalty
from ganhub.objectives._base import Batch, GameObjective, Phase

_GENERATOR_LOSSES = {"non-saturating": non_saturating_generator_loss, "minimax": minimax_generator_loss}


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig(BaseConfig):
    """Settings of :class:`AdversarialObjective`.

    Attributes:
        generator_loss: "non-saturating" or "minimax".
        augment: "colour,translation,cutout" or some of them (DiffAugment), "ada" (adaptive); empty for none.
        r1_gamma: Weight of the R1 penalty at real pictures; 0 switches it off.
        r1_every: Steps between two R1 turns, each then weighted by this number (lazy regularisation).
        mode_seeking: Weight of the mode-seeking term (Mao et al. 2019), against samples that are too alike; 0 is off.
    """

    generator_loss: str = "non-saturating"
    augment: str = ""
    r1_gamma: float = 0.0
    r1_every: int = 16
    mode_seeking: float = 0.0

    def __post_init__(self) -> None:
        names = ", ".join(_GENERATOR_LOSSES)
        self.require(self.generator_loss in _GENERATOR_LOSSES, f"generator_loss must be one of {names}.")
        self.require(self.r1_gamma >= 0, "r1_gamma must be 0 (off) or more.")
        self.require(self.r1_every >= 1, "r1_every must be 1 or more.")
        self.require(self.mode_seeking >= 0, "mode_seeking must be 0 (off) or more.")


def with_mode_seeking(loss: Tensor, weight: float, model: nn.Module, batch: Batch, fake: Tensor) -> dict[str, Tensor]:
    """Add the mode-seeking term to a generator's loss: ``fake`` against pictures of other latents, classes alike."""
    if not weight:
        return {"loss": loss}
    z = model.latent(batch.seeds)
    other = model.make(batch.seeds.roll(1), batch.labels)
    sameness = mode_seeking_loss(fake, other, z, z.roll(1, 0))
    return {"loss": loss + weight * sameness, "sameness": sameness.detach()}


class AdversarialObjective(GameObjective, name="adversarial"):
    """Algorithm 1 of Goodfellow et al. 2014 (arXiv:1406.2661), one discriminator turn per generator turn."""

    Config = AdversarialConfig
    second_order = frozenset({"discriminator"})

    def phases(self) -> Sequence[Phase]:
        phases = [
            Phase(player="discriminator", loss=self.discriminator_loss),
            Phase(player="generator", loss=self.generator_loss),
        ]
        if self.config.r1_gamma:
            phases.append(Phase(player="discriminator", loss=self.r1_loss, every=self.config.r1_every))
        return phases

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 1 of the paper, with its mean probabilities D(x) and D(G(z)) to watch."""
        fake = self.model.make(batch.seeds, batch.labels).detach()
        real_scores = self.discriminator(self.augment(batch.images, batch.seeds), batch.labels).float()
        fake_scores = self.discriminator(self.augment(fake, batch.seeds, stream=1), batch.labels).float()
        return {
            **score_statistics(real_scores, fake_scores),
            **self.augment.observe(real_scores, fake_scores),
            "loss": discriminator_loss(real_scores, fake_scores),
            "real_probability": real_scores.sigmoid().mean(),
            "fake_probability": fake_scores.sigmoid().mean(),
        }

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """The chosen generator loss on fresh latents, and the mode-seeking term where it is asked for."""
        fake = self.model.make(batch.seeds, batch.labels)
        scores = self.discriminator(self.augment(fake, batch.seeds), batch.labels).float()
        loss = _GENERATOR_LOSSES[self.config.generator_loss](scores)
        return with_mode_seeking(loss, self.config.mode_seeking, self.model, batch, fake)

    def r1_loss(self, batch: Batch) -> dict[str, Tensor]:
        """gamma / 2 * E[||grad D(x)||^2], weighted by the steps it stands for."""
        penalty = r1_penalty(lambda x: self.discriminator(self.augment(x, batch.seeds), batch.labels), batch.images)
        return {"loss": penalty * (self.config.r1_gamma / 2 * self.config.r1_every), "r1": penalty.detach()}
