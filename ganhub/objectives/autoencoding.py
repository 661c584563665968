"""Autoencoding: a generator learns to draw each picture of the data again, from the code that an encoder gives it.

An adversary only says that samples are unlike the data, and of many kinds of hair, eyes and grounds some never come.
Here each picture says what is to be drawn, so that all kinds come. The encoder gives a distribution of codes, kept near
N(0, I): "Auto-Encoding Variational Bayes" (Kingma and Welling 2014, arXiv:1312.6114).
Pictures are compared by their pixels and by features of a pretrained network, in place of the learned ones of
"Autoencoding beyond pixels using a learned similarity metric" (Larsen et al. 2016, arXiv:1512.09300).

An encoder says only about what suits the generator: ten steps of descent on a code itself take a fifth of the fault
away (benchmarks/RESULTS.md). So a second run can go on with ``own_codes``: each picture of the data keeps a correction
of its code, which learns as the generator does ("Optimizing the Latent Space of Generative Networks", Bojanowski et al.
2018, arXiv:1707.05776). Where there are classes, each has a code that is added to those of its pictures: what tells
classes apart may be a few pixels, of which an encoder keeps nothing.

Codes are points of W where a model has one: its mapping network learns afterwards to give such points from noise, by
``training/learn_mapping.py``. Other generators are given codes as z. The generator that is published is an average and
the encoder is not: let the rates fall at the end (``train.cooldown``), where both fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.images import on_white
from ganhub.losses.perceptual import relative_distance
from ganhub.nn.encoder import GROUPS, Encoder
from ganhub.nn.features import MIN_SIDE, Frozen, feature_network
from ganhub.nn.random import normal
from ganhub.objectives._base import BaseObjective, Batch, Phase
from ganhub.objectives._colours import as_seen

LOOKED = 64  # pixels of the picture that tries the layers out
PREVIEW = 64  # pictures of a grid
CORRECTION = 3.0  # so many times as far a step of a code goes as one of a weight: a picture's has few, a class's lags
CODE_STREAM = 0xC0DE  # keeps the draws of codes apart from what else is drawn of the same seeds


@dataclass(frozen=True, kw_only=True)
class AutoencodingConfig(BaseConfig):
    """Settings of :class:`AutoencodingObjective`.

    Attributes:
        network: Feature network that compares pictures: "vgg-lite", "vgg19".
        layers: Its layers that count.
        widths: The encoder's channels at a half, a quarter ... of the size, multiples of 8.
        pixel_weight: Weight of the mean absolute difference of pixels in [-1, 1].
        feature_weight: Weight of the relative difference of features, the sum of the layers.
        code_weight: Weight of the Kullback-Leibler divergence of codes from N(0, I), in nats per picture: larger, and
            codes are easier to draw from noise and hold less of a picture.
        own_codes: How many pictures the data have, each of which gets a correction of its code, and (where a model
            has W and classes) each class a code; the encoder learns no more. 0: none. Start from a run without
            (``train.init``). Corrections belong to these pictures alone.
        code_noise: Deviations of the codes that are drawn, in units of what the encoder says.
    """

    network: str = "vgg-lite"
    layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    widths: tuple[int, ...] = (48, 96, 160, 256)
    pixel_weight: float = 2.0
    feature_weight: float = 1.0
    code_weight: float = 0.001
    own_codes: int = 0
    code_noise: float = 1.0

    def __post_init__(self) -> None:
        self.require(len(self.layers) > 0, "layers must name at least one layer of the feature network.")
        widths = len(self.widths) > 0 and all(0 < w <= 4096 and w % GROUPS == 0 for w in self.widths)
        self.require(widths, f"widths must be multiples of {GROUPS} from {GROUPS} to 4096, not {self.widths!r}.")
        self.require_range(0, 1e6, "pixel_weight", "feature_weight", "code_weight")
        self.require_range(0, 10_000_000, "own_codes")
        self.require_range(0.01, 1, "code_noise")


class AutoencodingObjective(BaseObjective, name="autoencoding"):
    """Kingma and Welling 2014 with distances of features, for any generator of latents."""

    Config = AutoencodingConfig
    optional = ("corrections.", "class_codes.")

    def __init__(self, model: nn.Module, config: AutoencodingConfig) -> None:
        super().__init__(model, config)
        if not hasattr(model, "latent"):
            raise ConfigError('The objective "autoencoding" trains generators of latents, such as stylegan2 and dcgan.')
        c, self.styled = model.config, hasattr(model, "synthesise")  # has W
        if min(c.size) < MIN_SIDE or any(side % 2 for side in c.size):
            raise ConfigError(
                f"Autoencoding needs even sides of {MIN_SIDE} pixels or more, not {c.size[0]} x {c.size[1]}: set "
                "model.image_size."
            )
        dim = model.style_mean.shape[1] if self.styled else c.latent_dim
        self.encoder = Encoder(c.size, c.channels, dim, config.widths)
        rows = config.own_codes
        self.corrections = zeros(rows, dim)
        self.class_codes = zeros(c.num_classes if rows and self.styled else 0, dim)  # others are told the class
        network = feature_network(config.network)
        with torch.no_grad():
            network(torch.zeros(1, 3, LOOKED, LOOKED), config.layers)  # says what is wrong with the layers
        self.features = Frozen(network)
        self._latest: Batch | None = None

    def players(self) -> dict[str, list[nn.Module]]:
        learning = [self.encoder] if self.corrections is None else [self.corrections, self.class_codes]
        return {"generator": [self.model, *(part for part in learning if part is not None)]}

    def check(self, height: int, width: int, paired: bool, count: int) -> None:
        super().check(height, width, paired, count)
        if not self.config.own_codes or count == self.config.own_codes:
            return
        if not count:
            raise ConfigError(
                "objective.own_codes needs pictures that are the same each time: no stream, and without data.flip, "
                'data.turn and data.crop = "random".'
            )
        raise ConfigError(f"objective.own_codes is {self.config.own_codes:,}, and there are {count:,} pictures: set "
                          f"objective.own_codes={count}.")  # fmt: skip

    def start_from_scratch(self) -> None:
        if self.corrections is not None:
            raise ConfigError(
                "With objective.own_codes the encoder learns no more: set train.init to the folder of a run without "
                "it, of the same pictures and objective.widths."
            )

    def phases(self) -> Sequence[Phase]:
        return [Phase(player="generator", loss=self.loss)]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """How far what is drawn from a picture's code is from it, and how far its code is from noise."""
        config = self.config
        mean, log_deviation = self.encode(batch)
        noise = normal(batch.seeds, mean.shape[1], stream=CODE_STREAM).to(mean)
        codes = mean + config.code_noise * log_deviation.exp() * noise
        drawn = self.draw(codes, batch).float()
        pixels = (as_seen(drawn) - as_seen(batch.images)).abs().mean()
        with torch.no_grad():
            wanted = self.look(batch.images)
        features = relative_distance(self.look(drawn), wanted)
        nats = ((mean.square() + (2 * log_deviation).exp() - 1) / 2 - log_deviation).sum(1).mean()
        loss = config.pixel_weight * pixels + config.feature_weight * features + config.code_weight * nats
        self._latest = batch
        return {"loss": loss, "pixels": pixels.detach(), "features": features.detach(), "nats": nats.detach()}

    @property
    def samples(self) -> bool:
        return not self.styled

    @torch.no_grad()
    def preview(self, model: nn.Module) -> Tensor | None:
        """Pictures of the last batch, each followed by what is drawn from the mean of its code."""
        if self._latest is None:
            return super().preview(model)
        batch = self._latest
        mean, _ = self.encode(batch)
        drawn = self.draw(mean, batch, model).float().clamp(-1, 1)
        return torch.stack([batch.images, drawn], dim=1).flatten(0, 1)[:PREVIEW]

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the deviation of the codes of pictures, [N, dim] each."""
        images = as_seen(batch.images)
        if self.corrections is None:
            return self.encoder(images)
        with torch.no_grad():
            mean, log_deviation = self.encoder(images)
        moves = self.corrections(batch.indices.to(mean.device))
        if self.class_codes is not None:
            moves = moves + self.class_codes(batch.labels.to(mean.device))
        return mean + CORRECTION * moves, log_deviation

    def draw(self, codes: Tensor, batch: Batch, model: nn.Module | None = None) -> Tensor:
        """Pictures of codes [N, dim]: points of W, or of the latent space. By the model in training, or another."""
        model = model or self.model
        noise = model.noise(batch.seeds) if model.noise_dim else None
        if self.styled:
            return model.synthesise(model.per_layer(codes), noise)
        return model(codes, batch.labels, noise)

    def look(self, images: Tensor) -> dict[str, Tensor]:
        """Features of pictures on white."""
        if torch.is_autocast_enabled(device := images.device.type):
            images = images.to(torch.get_autocast_dtype(device))
        with torch.autocast(device, enabled=False):
            colours = on_white(images).contiguous(memory_format=torch.channels_last)
            return self.features.cast(colours.dtype).trunk(colours, self.config.layers)


def zeros(rows: int, dim: int) -> nn.Embedding | None:
    """So many codes to look up, all 0, or none."""
    return nn.Embedding(rows, dim, _weight=torch.zeros(rows, dim)) if rows else None
