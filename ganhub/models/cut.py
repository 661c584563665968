"""Picture to picture without pairs and one way only: what is at a place should stay recognisable at that place.

"Contrastive Learning for Unpaired Image-to-Image Translation" (Park, Efros, Zhang, Zhu 2020, arXiv:2007.15651): one
generator and one discriminator where CycleGAN has two of each. In place of the way back, features of a patch of the
translation, seen by the generator's own first half, must be told apart as those of the same patch of the photo among
those of its other patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import least_squares_loss, score_statistics
from ganhub.models._unpaired import UnpairedObjective, UnpairedTranslator
from ganhub.nn.random import uniform
from ganhub.objectives._base import Batch

PLACES = 0x901  # keeps what a seed draws of places apart from what else is drawn of it


class CUT(UnpairedTranslator, architecture="cut"):
    """Park et al. 2020: a translation learnt from two collections, one way."""

    paper = (
        "Contrastive Learning for Unpaired Image-to-Image Translation (Park, Efros, Zhang, Zhu 2020, arXiv:2007.15651)"
    )
    default_objective = "contrastive"


class Heads(nn.Module):
    """A small perceptron for each layer (the paper's H_l): features of places [N, S, C_l] -> unit vectors [N, S, D]."""

    def __init__(self, widths: Sequence[int], dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, dim), nn.ReLU(), nn.Linear(dim, dim)) for width in widths
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        return [F.normalize(layer(x), dim=-1) for layer, x in zip(self.layers, features, strict=True)]


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig(BaseConfig):
    """Settings of :class:`ContrastiveObjective`.

    Attributes:
        contrast_weight: lambda_X of equation 5.
        identity_weight: lambda_Y: the same for paintings, which should stay as they are; 0 is the paper's FastCUT,
            with a ``contrast_weight`` of 10.
        temperature: tau of equation 2.
        places: Patches of each layer that are compared.
        dim: Length of the vectors that are compared.
    """

    contrast_weight: float = 1.0
    identity_weight: float = 1.0
    temperature: float = 0.07
    places: int = 256
    dim: int = 128

    def __post_init__(self) -> None:
        self.require_range(0, 1e6, "contrast_weight", "identity_weight")
        self.require_range(1e-3, 10, "temperature")
        self.require_range(2, 4096, "places")
        self.require_range(2, 1024, "dim")


class ContrastiveObjective(UnpairedObjective, name="contrastive"):
    """Equations 1 and 5, with the least-squares losses of CycleGAN as in appendix C."""

    Config = ContrastiveConfig

    def __init__(self, model: nn.Module, config: ContrastiveConfig) -> None:
        super().__init__(model, config)
        if not isinstance(model, CUT):
            raise ConfigError('The objective "contrastive" trains the architecture "cut" alone.')
        # The picture, after each halving, after the first block and after the one in the middle.
        self.deep = max(1, (model.config.blocks + 1) // 2)
        self.layers = sorted({0, 2, 3, 4, 3 + self.deep})
        widths = {0: 3, 2: 2 * model.config.width}
        self.heads = Heads([widths.get(layer, 4 * model.config.width) for layer in self.layers], config.dim)
        self.discriminator = model.adversary()

    def players(self) -> dict[str, list[nn.Module]]:
        return {"generator": [self.model, self.heads], "discriminator": [self.discriminator]}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 5: fool the discriminator, keep each patch recognisable, leave paintings alone."""
        photos, paintings = self.both(batch)
        seen = self.model.generator.encode(photos)
        painted = self.model.generator.decode(seen[-1])
        fooled = least_squares_loss(self.discriminator(painted).float(), 1)
        contrast = self.contrast(seen, painted, batch.seeds)
        loss, numbers = fooled + self.config.contrast_weight * contrast, {"fooled": fooled, "contrast": contrast}
        if self.config.identity_weight:
            seen = self.model.generator.encode(paintings)
            same = self.contrast(seen, self.model.generator.decode(seen[-1]), batch.seeds)
            loss, numbers["identity"] = loss + self.config.identity_weight * same, same
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}

    def contrast(self, seen: Sequence[Tensor], fake: Tensor, seeds: Tensor) -> Tensor:
        """Equations 2 and 4: what the generator saw on its way into a picture, against what it sees in the result.

        Args:
            seen: What ``encode`` returned.
            fake: Its translation [N, 3, H, W].
            seeds: [N], of the places that are compared.
        """
        again = self.model.generator.encode(fake, self.deep)
        places = [
            uniform(seeds, seen[layer][0, 0].numel(), stream=PLACES + layer).argsort(1)[:, : self.config.places]
            for layer in self.layers
        ]
        queries, keys = (
            self.heads([at(maps[layer].float(), where) for layer, where in zip(self.layers, places, strict=True)])
            for maps in (again, seen)
        )
        losses = []
        for query, key in zip(queries, keys, strict=True):
            likeness = query @ key.detach().transpose(1, 2) / self.config.temperature  # [N, S, S]
            right = torch.arange(likeness.shape[1], device=likeness.device).expand(len(likeness), -1)
            losses.append(F.cross_entropy(likeness.transpose(1, 2), right))
        return torch.stack(losses).mean()

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """E[(D(y) - 1)^2] + E[D(G(x))^2], halved."""
        photos, paintings = self.both(batch)
        with torch.no_grad():
            painted = self.model(photos)
        real, fake = self.discriminator(paintings).float(), self.discriminator(painted).float()
        loss = (least_squares_loss(real, 1) + least_squares_loss(fake, 0)) / 2
        return {"loss": loss, **score_statistics(real.flatten(), fake.flatten())}


def at(maps: Tensor, places: Tensor) -> Tensor:
    """Features [N, C, H, W] at places [N, S], counted row by row: [N, S, C]."""
    flat = maps.flatten(2).transpose(1, 2)
    return flat.gather(1, places.to(maps.device)[..., None].expand(-1, -1, flat.shape[2]))
