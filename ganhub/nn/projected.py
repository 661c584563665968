"""The projected discriminator: small heads that judge pictures by the frozen features of a pretrained network.

"Projected GANs Converge Faster" (Sauer et al. 2021, arXiv:2111.01007). Features of several depths are mixed across
channels and scales by random convolutions that never learn (section 3.2), so that no head can rest on the few
strongest features; one head per scale then learns (section 3.1). The pretrained network never learns, and since the
real pictures' features need no gradient either, a discriminator's turn costs little more than its heads.

One more head may judge the pixels themselves: small feature networks hardly see flat colours and transparency, so that
without it backgrounds stay pale and transparent regions hazy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganhub.errors import ConfigError
from ganhub.images import on_white
from ganhub.nn.features import MIN_SIDE, Frozen, feature_network
from ganhub.nn.random import normal

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SMALLEST = 2  # a layer whose map has fewer places on a side tells a head nothing about places
PROBE_STREAM = 0xA00  # keeps what the probe draws apart from what else is drawn of the same seeds
FAINT = 0.05  # a difference between two pixels, of 2 from black to white, that the head on the pixels sees half as loud
LOGITS = 4  # heads shrink their maps towards so many logits on the shorter side


class ProjectedDiscriminator(nn.Module):
    """Images [N, C, H, W] and labels [N] -> logits of each head, a list of [N, K].

    A grey picture is repeated to RGB. One with alpha is laid on white, and alpha itself, averaged down to each scale,
    joins the features before they are mixed, so that a white shape is told from a hole.

    Args:
        size: Height and width of the pictures, 16 or more. Layers with a map of fewer than 2 x 2 places at this size
            are left out.
        channels: 1 grey, 3 RGB, 4 RGBA.
        num_classes: 0 for pictures without labels.
        network: A name that :func:`ganhub.nn.features.feature_network` knows.
        layers: Its layers to judge by.
        width: Channels of the shallowest scale's mixture and head; the deeper ones have twice as many.
        pixel_head: Add a last head that judges the picture itself, RGB or RGBA as it is: each 2 x 2 of its pixels, with
            their steps to their neighbours, in a fixed random mixture (which loses nothing if ``width`` is 12 x
            channels or more). It is not mixed with the features.
        read_classes: Let each head also say which class it sees.

    Raises:
        ConfigError: For pictures too small, an unknown network, or no layer of use.
    """

    def __init__(
        self,
        size: tuple[int, int],
        channels: int = 3,
        num_classes: int = 0,
        *,
        network: str = "vgg-lite",
        layers: Sequence[str] = LAYERS,
        width: int = 64,
        pixel_head: bool = False,
        read_classes: bool = False,
    ) -> None:
        super().__init__()
        if min(size) < MIN_SIDE:
            raise ConfigError(
                f"The projected discriminator reads pictures from {MIN_SIDE} x {MIN_SIDE} pixels, not {size[0]} x "
                f"{size[1]}: make the pictures larger, or take another objective."
            )
        self.frozen = Frozen(feature_network(network))
        with torch.no_grad():
            self.frozen.network(_probe(size), layers)  # says what is wrong with the layers
            maps = self._look(_probe(size), layers)
        probe = {layer: x for layer, x in maps.items() if min(x.shape[2:]) >= SMALLEST}
        if not probe:
            raise ConfigError(
                f"None of the layers {', '.join(layers)} has {SMALLEST} x {SMALLEST} places for pictures of {size[0]} "
                f"x {size[1]} pixels: name a shallower layer."
            )
        self.layers = tuple(probe)
        self.extra = int(channels == 4)
        widths = [width * min(2**i, 2) for i in range(len(probe))]
        last = len(probe) - 1
        self.heads = nn.ModuleList()
        for i, (features, out) in enumerate(zip(probe.values(), widths, strict=True)):
            count = features.shape[1]
            # Divided by the features' own size, so that every scale reaches its head with about the same RMS.
            rms = features.square().mean().sqrt().item()
            across = torch.randn(out, count + self.extra, 1, 1) / math.sqrt(count)
            across[:, :count] /= rms
            across[:, count:] *= math.sqrt(count)
            # The square root of a half keeps the RMS of the sum of two scales that of one.
            self.register_buffer(f"across{i}", across * (1 if i == last else math.sqrt(0.5)))
            if i:
                self.register_buffer(f"up{i}", torch.randn(widths[i - 1], out, 3, 3) / math.sqrt(18 * out))
            halvings = _halvings(min(features.shape[2:]))
            self.heads.append(Head(out, halvings, num_classes, read=read_classes, compare=i >= last - 1))
        self.halved = [len(head.shrink) > 0 for head in self.heads]
        self.pixels: Tensor | None
        self.register_buffer(
            "pixels", torch.randn(width, 3 * channels, 2, 2) / math.sqrt(12 * channels) if pixel_head else None
        )
        if pixel_head:
            self.heads.append(Head(width, _halvings(min(size)), num_classes, read=read_classes, compare=True))

    def _look(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """The network's features of RGB images in the images' own dtype, whatever autocast says."""
        return self.frozen.cast(images.dtype).trunk(images, layers)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        return self.judge(self.features(images), labels)[0]

    def features(self, images: Tensor) -> list[Tensor]:
        """Mixed features of each scale, shallowest first, then the mixed pixels for their head, [N, C, h, w] each.

        Nothing here learns. Each has half the size of what it is made of, unless that is as small as the heads' logits:
        a head would halve it first, and to halve before mixing costs a quarter.

        Args:
            images: [N, C, H, W] in [-1, 1].
        """
        device = images.device.type
        seen = None if self.pixels is None else _with_steps(images)
        if torch.is_autocast_enabled(device):
            images = images.to(torch.get_autocast_dtype(device))
        pixels = [] if seen is None else [_mix_pixels(seen.to(images.dtype), self.pixels.to(images.dtype))]
        alpha = (images[:, 3:] + 1) / 2 if images.shape[1] == 4 else None
        images = on_white(images)
        with torch.autocast(device, enabled=False):  # which would pad in float32
            maps = self._look(images.contiguous(memory_format=torch.channels_last), self.layers)
            return self._mix(list(maps.values()), alpha) + pixels

    def _mix(self, maps: list[Tensor], alpha: Tensor | None) -> list[Tensor]:
        maps = [F.avg_pool2d(x, 2) if halved else x for x, halved in zip(maps, self.halved, strict=True)]
        if alpha is not None:
            maps = [torch.cat([x, F.adaptive_avg_pool2d(alpha, x.shape[2:])], dim=1) for x in maps]
        mixed = [F.conv2d(x, getattr(self, f"across{i}").to(x.dtype)) for i, x in enumerate(maps)]
        for i in reversed(range(1, len(mixed))):  # from the deepest upwards, as a U-Net's decoder
            up = F.conv2d(mixed[i], getattr(self, f"up{i}").to(mixed[i].dtype), padding=1)
            mixed[i - 1] += F.interpolate(up, mixed[i - 1].shape[2:], mode="bilinear", align_corners=False)
        return mixed

    def judge(self, features: Sequence[Tensor], labels: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """For each head, from the features of its scale: logits [N, K], and what it reads, class scores [N, classes].

        The class scores are [N, 0] without ``read_classes``.
        """
        logits, classes = zip(*(head(x, labels) for head, x in zip(self.heads, features, strict=True)), strict=True)
        return list(logits), list(classes)


class Head(nn.Module):
    """Features [N, C, h, w] -> logits [N, K], one for each position that is left, and class scores [N, num_classes].

    Args:
        width: C.
        halvings: How many 3x3 convolutions come before the last one, the map averaged to half its size between two.
        num_classes: Adds the projection <embed(y), h> of "cGANs with Projection Discriminator" (Miyato and Koyama 2018,
            arXiv:1802.05637, equation 3) at each position.
        read: Add a linear layer that reads the class from the map, positions told apart (AC-GAN, Odena et al. 2017). It
            has no spectral norm: bounded scores are never sure of a class, and teach the generator next to nothing.
        compare: Let the head see where and how a picture differs from another one of its class, as PacGAN's
            discriminator does (Lin et al. 2018, arXiv:1712.04086): a generator that repeats one motif, or gives all
            pictures of a class one background, gives itself away.
    """

    def __init__(
        self,
        width: int,
        halvings: int,
        num_classes: int = 0,
        *,
        read: bool = False,
        compare: bool = False,
    ) -> None:
        super().__init__()
        shrink: list[nn.Module] = []
        for _ in range(halvings):
            # Averaged first: a strided 4x4 convolution is several times dearer on small maps.
            shrink += [nn.AvgPool2d(2), _Layer(width), nn.LeakyReLU(0.2)]
        self.shrink = nn.Sequential(*shrink[1:])  # what comes in is halved already
        self.last = _Layer(width)
        self.notice = spectral_norm(nn.Conv2d(width, width, 1)) if compare else None
        self.score = spectral_norm(nn.Conv2d(width, 1, 1))
        self.embed = spectral_norm(nn.Embedding(num_classes, width)) if num_classes else None
        self.read = nn.Linear(width * LOGITS**2, num_classes) if read and num_classes else None

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.shrink(x)
        y = self.last(x)
        if self.notice is not None:
            difference, comparable = _differences(x, labels)
            y = y + self.notice(difference) * comparable
        x = F.leaky_relu(y, 0.2)
        logits = self.score(x).flatten(1)
        if self.embed is not None:
            logits = logits + torch.einsum("nchw,nc->nhw", x, self.embed(labels).to(x.dtype)).flatten(1)
        if self.read is None:
            return logits, logits[:, :0]
        if x.shape[2:] != (LOGITS, LOGITS):
            x = F.adaptive_avg_pool2d(x, LOGITS)
        return logits, self.read(x.flatten(1))


def _differences(x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """How each picture differs from another one of its class, |x_i - x_j| [N, C, h, w], and whether there is one.

    Those of a class are paired, and an odd one is left over. The second is [N, 1, 1, 1] of 0 or 1; where it is 0, so is
    the difference: pictures of two classes differ whatever the generator does. Without labels all are of one class.
    """
    place = torch.arange(len(x), device=x.device)
    order = place if labels is None else labels.argsort(stable=True)
    classes = torch.zeros_like(place) if labels is None else labels[order]
    rank = place - torch.searchsorted(classes, classes)  # within the class
    beside = torch.where(rank % 2 == 0, place + 1, place - 1).clamp(max=max(len(x) - 1, 0))
    alike = ((classes == classes[beside]) & (beside != place)).to(x.dtype)
    partner, comparable = torch.empty_like(place), torch.empty_like(alike)
    partner[order], comparable[order] = order[beside], alike
    comparable = comparable[:, None, None, None]
    return (x - x[partner]).abs() * comparable, comparable


class _Layer(nn.Module):
    """A 3x3 convolution under spectral norm, its result doubled: or else a signal would die out on the way.

    Batch norm, which would do the same, hides what all pictures of a batch have in common: a generator could then give
    all of them any colour.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = spectral_norm(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, 2 * self.conv.weight, 2 * self.conv.bias, padding=1)


def _with_steps(images: Tensor) -> Tensor:
    """Images [N, C, H, W] -> [N, 3 C, H, W]: beside each pixel its steps to the right and to the lower one, faint ones
    made loud.

    Layers under spectral norm can't: to them, a stain of a hundredth on a flat ground looks like a flat ground.
    """
    right = F.pad(images[..., 1:] - images[..., :-1], (0, 1))
    down = F.pad(images[..., 1:, :] - images[..., :-1, :], (0, 0, 0, 1))
    steps = torch.cat([right, down], dim=1)
    return torch.cat([images, steps / (steps.abs() + FAINT)], dim=1)


def _mix_pixels(images: Tensor, mixture: Tensor) -> Tensor:
    """2 x 2 pixels of maps [N, C, H, W] by a mixture [width, C, 2, 2]; the last row is repeated where H is odd."""
    height, width = images.shape[2:]
    if height % 2 or width % 2:
        images = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
    return F.conv2d(images, mixture, stride=2)


def _halvings(side: int) -> int:
    return max(int(math.log2(side / LOGITS)), 0)


def _probe(size: tuple[int, int]) -> Tensor:
    """Eight pictures of coloured clouds [8, 3, H, W], always the same: to measure the RMS of a network's features."""
    images = torch.zeros(8, 3, *size, dtype=torch.float32, device="cpu")
    for side in (2, 4, 8, 16):
        noise = normal(range(8), 3, side, side, stream=PROBE_STREAM + side)
        images += F.interpolate(noise, size, mode="bilinear", align_corners=False) / 2
    return images.tanh()
