"""WGAN-GP: a critic that estimates the Wasserstein distance, kept 1-Lipschitz by a gradient penalty.

"Improved Training of Wasserstein GANs" (Gulrajani et al. 2017, arXiv:1704.00028), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.losses.adversarial import score_statistics, wasserstein_critic_loss, wasserstein_generator_loss
from ganhub.losses.penalties import wgan_gradient_penalty
from ganhub.nn.ada import build_augment
from ganhub.nn.random import uniform
from ganhub.objectives._base import BaseObjective, Batch, Phase


@dataclass(frozen=True, kw_only=True)
class WassersteinConfig(BaseConfig):
    """Settings of :class:`WassersteinObjective`; the defaults are the paper's.

    Attributes:
        penalty_weight: lambda, the factor of the gradient penalty.
        critic_turns: n_critic, critic steps per generator step, each on a fresh batch.
        augment: Augmentation for small collections: a DiffAugment policy (Zhao et al. 2020) or "ada"; empty for none.
    """

    penalty_weight: float = 10.0
    critic_turns: int = 5
    augment: str = ""

    def __post_init__(self) -> None:
        self.require(self.penalty_weight >= 0, "penalty_weight must be 0 or more.")
        self.require(self.critic_turns >= 1, "critic_turns must be 1 or more.")


class WassersteinObjective(BaseObjective, name="wasserstein"):
    """Algorithm 1 of Gulrajani et al. 2017."""

    Config = WassersteinConfig
    second_order = frozenset({"critic"})

    def __init__(self, model: nn.Module, config: WassersteinConfig) -> None:
        super().__init__(model, config)
        self.critic = model.adversary()
        self.augment = build_augment(config.augment)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"critic": [self.critic], "generator": [self.model]}

    def phases(self) -> Sequence[Phase]:
        return [
            Phase(player="critic", loss=self.critic_loss, repeat=self.config.critic_turns),
            Phase(player="generator", loss=self.generator_loss),
        ]

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Lines 4 to 8 of the algorithm: E[f(G(z))] - E[f(x)] + lambda * penalty, on augmented pictures."""
        real = self.augment(self.shown(batch.images), batch.seeds)
        fake = self.model.make(batch.seeds, batch.labels).detach()
        fake = self.augment(fake, batch.seeds, stream=1)
        scores = self.critic(real, batch.labels).float(), self.critic(fake, batch.labels).float()
        wasserstein = wasserstein_critic_loss(*scores)
        mix = uniform(batch.seeds, stream=7)
        penalty = wgan_gradient_penalty(lambda x: self.critic(x, batch.labels), real, fake.to(real.dtype), mix)
        return {
            **score_statistics(*scores),
            **self.augment.observe(*scores),
            "loss": wasserstein + self.config.penalty_weight * penalty + self.drift(scores[0]),
            "distance": -wasserstein.detach(),
            "penalty": penalty.detach(),
        }

    def shown(self, images: Tensor) -> Tensor:
        """Real pictures [N, C, H, W] in the size that the critic judges."""
        return images

    def drift(self, real_scores: Tensor) -> Tensor | float:
        """What the critic's loss adds for scores [N] that drift away from 0: nothing here."""
        return 0.0

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Line 11: -E[f(G(z))]."""
        fake = self.model.make(batch.seeds, batch.labels)
        return {"loss": wasserstein_generator_loss(self.critic(self.augment(fake, batch.seeds), batch.labels).float())}
