"""R3GAN's objective: relativistic pairs with a zero-centred penalty on either side.

"The GAN is dead; long live the GAN! A Modern GAN Baseline" (Huang et al. 2024, arXiv:2501.05441), equations 2 to 4.
The relativistic pairing is that of Jolicoeur-Martineau 2018 (arXiv:1807.00734): each real picture is judged against a
fake one, so a generator that covers only some of the data is always worth beating elsewhere, and no mode is a resting
place. The penalties make the game converge locally. Works with any latent generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ganhub.config import BaseConfig
from ganhub.losses.adversarial import relativistic_loss, score_statistics
from ganhub.losses.penalties import r1_penalty
from ganhub.objectives._base import Batch, GameObjective, Phase


@dataclass(frozen=True, kw_only=True)
class RelativisticConfig(BaseConfig):
    """Settings of :class:`RelativisticObjective`.

    Attributes:
        gamma: Weight of both penalties, R1 at real and R2 at fake pictures.
        penalty_every: Steps between two penalty turns, each then weighted by this number. The paper penalises every
            step (1); 4 costs half as much.
        augment: "colour,translation,cutout" or some of them (DiffAugment), "ada" (adaptive); empty for none.
    """

    gamma: float = 1.0
    penalty_every: int = 1
    augment: str = ""

    def __post_init__(self) -> None:
        self.require(self.gamma >= 0, "gamma must be 0 (no penalty) or more.")
        self.require(self.penalty_every >= 1, "penalty_every must be 1 or more.")


class RelativisticObjective(GameObjective, name="relativistic"):
    """Huang et al. 2024: RpGAN + R1 + R2."""

    Config = RelativisticConfig
    second_order = frozenset({"discriminator"})

    def phases(self) -> Sequence[Phase]:
        lazy = self.config.gamma and self.config.penalty_every > 1
        return [
            Phase(player="discriminator", loss=self.discriminator_loss),
            Phase(player="generator", loss=self.generator_loss),
            *([Phase(player="discriminator", loss=self.penalty, every=self.config.penalty_every)] if lazy else []),
        ]

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 2 for the discriminator: the real picture of a pair is to score above the fake one."""
        fake = self._fake(batch).detach()
        real_scores, fake_scores = self._scores(batch, fake)
        loss = relativistic_loss(real_scores, fake_scores)
        numbers = score_statistics(real_scores, fake_scores) | self.augment.observe(real_scores, fake_scores)
        if self.config.gamma and self.config.penalty_every == 1:
            penalty = self.penalty(batch, fake)
            return {**numbers, **penalty, "loss": loss + penalty["loss"]}
        return {**numbers, "loss": loss}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 2 for the generator: the same game with the places exchanged."""
        real_scores, fake_scores = self._scores(batch, self._fake(batch))
        return {"loss": relativistic_loss(fake_scores, real_scores)}

    def penalty(self, batch: Batch, fake: Tensor | None = None) -> dict[str, Tensor]:
        """Equations 3 and 4: gamma / 2 * (E||grad D(x)||^2 + E||grad D(G(z))||^2), for the steps it stands for."""
        fake = self._fake(batch).detach() if fake is None else fake
        r1 = r1_penalty(lambda x: self.discriminator(self.augment(x, batch.seeds), batch.labels), batch.images)
        r2 = r1_penalty(
            lambda x: self.discriminator(self.augment(x, batch.seeds, stream=1), batch.labels),
            fake.to(batch.images.dtype),
        )
        weight = self.config.gamma / 2 * self.config.penalty_every
        return {"loss": weight * (r1 + r2), "r1": r1.detach(), "r2": r2.detach()}

    def _fake(self, batch: Batch) -> Tensor:
        return self.model.make(batch.seeds, batch.labels)

    def _scores(self, batch: Batch, fake: Tensor) -> tuple[Tensor, Tensor]:
        real = self.discriminator(self.augment(batch.images, batch.seeds), batch.labels).float()
        return real, self.discriminator(self.augment(fake, batch.seeds, stream=1), batch.labels).float()
