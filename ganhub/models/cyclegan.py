"""Picture to picture without pairs: photos to paintings, and back.

"Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (Zhu, Park, Isola, Efros 2017,
arXiv:1703.10593): two generators, one for each direction, two discriminators with least-squares losses, and the wish
that a picture which goes there and back comes home as it was. A model is one direction; a run publishes the other one
beside it, in the subfolder "reverse".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import least_squares_loss, score_statistics
from ganhub.models._unpaired import UnpairedObjective, UnpairedTranslator
from ganhub.nn.memory import Memory
from ganhub.nn.random import uniform
from ganhub.objectives._base import Batch

POOL = 0x801  # keeps what a seed draws for the pool apart from what else is drawn of it


class CycleGAN(UnpairedTranslator, architecture="cyclegan"):
    """Zhu et al. 2017: a translation learnt from two collections, without pairs."""

    paper = (
        "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu, Park, Isola, Efros "
        "2017, arXiv:1703.10593)"
    )
    default_objective = "cycle"


class ImagePool(Memory):
    """The last fake pictures, of which a discriminator sees some again: section 4, after Shrivastava et al. 2016.

    Once it is full, each new picture takes, with probability 1/2, the place of an old one, which is returned instead.
    """

    def __init__(self, size: int) -> None:
        super().__init__("pictures")
        self.size = size

    @torch.no_grad()
    def forward(self, fake: Tensor, seeds: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] as new, or old ones of the same shape, by the seeds."""
        if not self.size:
            return fake
        shown = fake.clone()
        for k, (swap, place) in enumerate(uniform(seeds, 2, stream=POOL).tolist()):
            if len(self.pictures) < self.size or self.pictures.shape[1:] != fake.shape[1:]:
                kept = self.pictures if self.pictures.shape[1:] == fake.shape[1:] else fake[:0]
                self.pictures = torch.cat([kept.to(fake), fake[k : k + 1]])
            elif swap < 0.5:
                place = int(place * self.size)
                shown[k] = self.pictures[place]
                self.pictures[place] = fake[k]
        return shown


@dataclass(frozen=True, kw_only=True)
class CycleConfig(BaseConfig):
    """Settings of :class:`CycleObjective`.

    Attributes:
        cycle_weight: lambda of equation 3.
        identity_weight: Weight of the loss of section 5.2, relative to ``cycle_weight``: a painting should stay as it
            is.
        pool: Pictures kept of each direction; 0 for none.
    """

    cycle_weight: float = 10.0
    identity_weight: float = 0.5
    pool: int = 50

    def __post_init__(self) -> None:
        self.require_range(0, 1e6, "cycle_weight", "identity_weight")
        self.require_range(0, 10_000, "pool")


class CycleObjective(UnpairedObjective, name="cycle"):
    """Equations 1 to 3 with the least-squares losses of section 4."""

    Config = CycleConfig
    transient = ("pools.",)

    def __init__(self, model: nn.Module, config: CycleConfig) -> None:
        super().__init__(model, config)
        if not isinstance(model, CycleGAN):
            raise ConfigError('The objective "cycle" trains the architecture "cyclegan" alone.')
        self.reverse = CycleGAN(model.config)
        self.there, self.back = model.adversary(), model.adversary()
        self.pools = nn.ModuleList(ImagePool(config.pool) for _ in range(2))

    def companions(self) -> dict[str, nn.Module]:
        return {"reverse": self.reverse}

    def players(self) -> dict[str, list[nn.Module]]:
        return {"generator": [self.model, self.reverse], "discriminator": [self.there, self.back]}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Both directions: fool the discriminator, come back, and leave alone what is there already."""
        photos, paintings = self.both(batch)
        painted, plain = self.model(photos), self.reverse(paintings)
        fooled = least_squares_loss(self.there(painted).float(), 1) + least_squares_loss(self.back(plain).float(), 1)
        cycle = _distance(self.reverse(painted), photos) + _distance(self.model(plain), paintings)
        loss, numbers = fooled + self.config.cycle_weight * cycle, {"fooled": fooled, "cycle": cycle}
        if self.config.identity_weight:
            same = _distance(self.model(paintings), paintings) + _distance(self.reverse(photos), photos)
            loss = loss + self.config.cycle_weight * self.config.identity_weight * same
            numbers["identity"] = same
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """E[(D(y) - 1)^2] + E[D(G(x))^2] of both, halved as in section 4."""
        photos, paintings = self.both(batch)
        with torch.no_grad():
            painted = self.pools[0](self.model(photos), batch.seeds)
            plain = self.pools[1](self.reverse(paintings), batch.seeds)
        loss, gaps = 0, {}
        for judge, real, fake in ((self.there, paintings, painted), (self.back, photos, plain)):
            real_scores, fake_scores = judge(real).float(), judge(fake).float()
            loss = loss + (least_squares_loss(real_scores, 1) + least_squares_loss(fake_scores, 0)) / 2
            gaps = gaps or score_statistics(real_scores.flatten(), fake_scores.flatten())
        return {"loss": loss, **gaps}


def _distance(fake: Tensor, wanted: Tensor) -> Tensor:
    return (fake.float() - wanted).abs().mean()
