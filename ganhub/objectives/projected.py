"""Projected GAN: heads over the frozen features of a pretrained network judge, the generator learns fast.

"Projected GANs Converge Faster" (Sauer et al. 2021, arXiv:2111.01007), equation 4: the sum over the heads of a hinge
game. It needs no gradient penalty. Works with any latent generator of 16 x 16 pixels and more; what it has seen of
the world is what its feature network was trained on, so measure the result by another network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import cached

from ganhub.config import BaseConfig
from ganhub.losses.adversarial import hinge_loss, relativistic_loss, score_statistics
from ganhub.losses.penalties import r1_penalty
from ganhub.nn.projected import LAYERS, ProjectedDiscriminator
from ganhub.objectives._base import Batch, GameObjective, Phase
from ganhub.objectives._colours import ColourEnergy
from ganhub.objectives.adversarial import with_mode_seeking

R1_EVERY = 4  # steps
PAIRINGS = ("hinge", "relativistic")


@dataclass(frozen=True, kw_only=True)
class ProjectedConfig(BaseConfig):
    """Settings of :class:`ProjectedObjective`.

    Attributes:
        network: Feature network to judge by: "vgg-lite", "vgg19".
        layers: Its layers, one head each. Those that are too small at the pictures' size are left out.
        pairing: "hinge", the paper's loss, or "relativistic": each real picture against a fake one, position by
            position (Jolicoeur-Martineau 2018), so that no mode is a resting place.
        width: Channels of the shallowest head.
        pixel_head: One more head on the pixels themselves, which sees flat colours, transparency and faint stains.
        augment: DiffAugment policy, or "ada"; the paper adds ",cutout".
        class_weight: Weight of the cross-entropy of the heads' class scores in models with classes, for real pictures
            in the discriminator's turn and fake ones in the generator's (AC-GAN, Odena et al. 2017, arXiv:1610.09585,
            its equation 3, with real pictures alone as the teacher). 0 is off: classes are judged by projection alone.
        head_r1: Weight of R1 (Mescheder et al. 2018, arXiv:1801.04406, equation 9) of each head by its own input, mixed
            features or pixels, every fourth step; 0 is off. Against heads that win slowly in long runs, until each
            class has a few motifs left.
        mode_seeking: Weight of the mode-seeking term (Mao et al. 2019), against samples that are too alike; 0 is off.
        colour_weight: Weight of the energy distance between generated and real pictures of a class at 4 x 4 pixels,
            over the last 2,048: how often each colour comes, which the heads hardly notice; 0 is off.
    """

    network: str = "vgg-lite"
    layers: tuple[str, ...] = LAYERS
    pairing: str = "hinge"
    width: int = 64
    pixel_head: bool = False
    augment: str = "colour,translation"
    class_weight: float = 0.0
    head_r1: float = 0.0
    mode_seeking: float = 0.0
    colour_weight: float = 0.0

    def __post_init__(self) -> None:
        self.require(self.pairing in PAIRINGS, f"pairing must be one of {', '.join(PAIRINGS)}, not {self.pairing!r}.")
        self.require(len(self.layers) > 0, "layers must name at least one layer of the feature network.")
        self.require_range(1, 1024, "width")
        self.require(self.class_weight >= 0, "class_weight must be 0 (off) or more.")
        self.require(self.head_r1 >= 0, "head_r1 must be 0 (off) or more.")
        self.require(self.mode_seeking >= 0, "mode_seeking must be 0 (off) or more.")
        self.require(self.colour_weight >= 0, "colour_weight must be 0 (off) or more.")


class ProjectedObjective(GameObjective, name="projected"):
    """Sauer et al. 2021, one discriminator turn per generator turn."""

    Config = ProjectedConfig
    second_order = frozenset()
    transient = ("colours.",)

    def __init__(self, model: nn.Module, config: ProjectedConfig) -> None:
        c = model.config
        discriminator = ProjectedDiscriminator(
            c.size, c.channels, c.num_classes, network=config.network, layers=config.layers, width=config.width,
            pixel_head=config.pixel_head, read_classes=config.class_weight > 0,
        )  # fmt: skip
        super().__init__(model, config, discriminator)
        if config.head_r1:
            self.second_order = frozenset({"discriminator"})
        self.colours = ColourEnergy() if config.colour_weight else None
        # Of the generator's turn, for the discriminator's of the same step, which so need not draw them again.
        self._fakes: deque[tuple[list[Tensor], Tensor | None]] = deque()

    def phases(self) -> Sequence[Phase]:
        phases = [
            Phase(player="generator", loss=self.generator_loss),
            Phase(player="discriminator", loss=self.discriminator_loss),
        ]
        if self.config.head_r1:
            phases.append(Phase(player="discriminator", loss=self.r1_loss, every=R1_EVERY))
        return phases

    def at(self, images_seen: int) -> None:
        self._fakes.clear()

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 4 for the heads, each counting the same; the fakes are those of the generator's turn before it."""
        fake_features, fake_labels = self._fakes.popleft() if self._fakes else self._draw_fakes(batch)
        with torch.no_grad():  # the features lie below all that learns here
            real_features = self._features(batch.images, batch)
        with cached():  # the heads' spectral norms are the same for both
            real, class_scores = self._judge(real_features, batch.labels)
            fake, _ = self._judge(fake_features, fake_labels)
        if self.config.pairing == "relativistic":
            losses = [relativistic_loss(r, f) for r, f in zip(real, fake, strict=True)]
        else:
            losses = [hinge_loss(r, f) for r, f in zip(real, fake, strict=True)]
        scores = _score(real), _score(fake)
        return {
            **score_statistics(*scores),
            **self.augment.observe(*scores),
            "loss": torch.stack(losses).mean() + self._misread(class_scores, batch),
        }

    def r1_loss(self, batch: Batch) -> dict[str, Tensor]:
        """How steep each head's mean score is where real pictures lie, the mean over the heads."""
        with torch.no_grad():
            features = self._features(batch.images, batch)
        heads = zip(self.discriminator.heads, features, strict=True)
        steep = [r1_penalty(lambda x, head=head: head(x, batch.labels)[0].mean(1), x.float()) for head, x in heads]
        penalty = torch.stack(steep).mean()
        return {"loss": penalty * (self.config.head_r1 / 2 * R1_EVERY), "r1": penalty.detach()}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 4 for the generator."""
        generated = self.model.make(batch.seeds, batch.labels)
        with cached():
            features = self._features(generated, batch, stream=1)
            fake, class_scores = self._judge(features, batch.labels)
            if self.config.pairing == "relativistic":
                with torch.no_grad():
                    real, _ = self._judge(self._features(batch.images, batch), batch.labels)
                losses = [relativistic_loss(f, r) for r, f in zip(real, fake, strict=True)]
            else:
                losses = [-f.mean() for f in fake]
        loss = torch.stack(losses).mean() + self._misread(class_scores, batch)
        self._fakes.append(([x.detach() for x in features], batch.labels))
        numbers = with_mode_seeking(loss, self.config.mode_seeking, self.model, batch, generated)
        if self.colours is None:
            return numbers
        colours, distance = self.colours(generated, batch.images, batch.labels)
        return numbers | {"loss": numbers["loss"] + self.config.colour_weight * colours, "colour_distance": distance}

    @torch.no_grad()
    def _draw_fakes(self, batch: Batch) -> tuple[list[Tensor], Tensor | None]:
        return self._features(self.model.make(batch.seeds, batch.labels), batch, stream=1), batch.labels

    def _features(self, images: Tensor, batch: Batch, stream: int = 0) -> list[Tensor]:
        return self.discriminator.features(self.augment(images, batch.seeds, stream=stream))

    def _judge(self, features: Sequence[Tensor], labels: Tensor | None) -> tuple[list[Tensor], list[Tensor]]:
        logits, classes = self.discriminator.judge(features, labels)
        return [x.float() for x in logits], [x.float() for x in classes]

    def _misread(self, classes: Sequence[Tensor], batch: Batch) -> Tensor | float:
        if batch.labels is None or not self.config.class_weight:
            return 0.0
        return self.config.class_weight * torch.stack([F.cross_entropy(x, batch.labels) for x in classes]).mean()


def _score(logits: Sequence[Tensor]) -> Tensor:
    """One score per picture [N], in which each head counts the same."""
    return torch.stack([of_head.mean(1) for of_head in logits]).mean(0)
