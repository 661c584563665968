"""How different two pictures look, by the features of a network: an uncalibrated distance, and LPIPS beside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import MetricError
from ganhub.losses.perceptual import unit_distance
from ganhub.metrics._base import PairMetric, PairOptions
from ganhub.metrics.extractors import INSTALL, extractor, file_hash
from ganhub.metrics.pixels import check_pairs
from ganhub.nn.features import MIN_SIDE, FeatureNetwork, feature_network

NETWORKS = ("vgg-lite", "efficientnet-lite0")
LPIPS_BACKBONES = {"alex": "AlexNet_Weights", "vgg": "VGG16_Weights", "squeeze": "SqueezeNet1_1_Weights"}


@cache
def perceptual_network(name: str) -> FeatureNetwork:
    """Return the network of a perceptual distance, once per process.

    Raises:
        MetricError: For an unknown name; the nearest one is named.
    """
    if name not in NETWORKS:
        names = ", ".join(NETWORKS)
        raise MetricError(f"There is no perceptual network '{name}'.{nearest(name, NETWORKS)} Choose from: {names}.")
    if name == "efficientnet-lite0":
        body = extractor(name).body
        return FeatureNetwork(name, tuple(body.STAGES), _Maps(body))
    return feature_network(name)


class _Maps(torch.nn.Module):
    """The maps of EfficientNet-Lite0 behind FeatureNetwork's interface."""

    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        return self.body.maps(images, tuple(layers))


@torch.no_grad()
def perceptual_distance(images: Tensor, others: Tensor, *, network: str = "vgg-lite") -> Tensor:
    """Distance between unit-normalised features, without LPIPS's learned weights.

    "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (Zhang et al. 2018, arXiv:1801.03924,
    equation 1) with w = 1, averaged over the layers: at each place the features are scaled to length 1, and the squared
    differences summed over channels and averaged over places. It is named after its network and is never LPIPS, which
    weighs the channels by human judgements.

    Args:
        images: [N, C, H, W] in [-1, 1], C = 1 (repeated) or 3, 16 pixels a side or more.
        others: The same shape.
        network: "vgg-lite" (relu1_1 .. relu5_1) or "efficientnet-lite0" (the last block at each of five scales).

    Returns:
        [N], float32, from 0 for equal pictures to 4.

    Raises:
        MetricError: When sizes differ or are below 16 pixels, values are NaN, or the network is unknown.
    """
    check_pairs(images, others)
    if min(images.shape[-2:]) < MIN_SIDE:
        raise MetricError(f"A perceptual distance needs {MIN_SIDE} pixels a side: enlarge the pictures first.")
    net = perceptual_network(network)
    distances = []
    for pair in zip(images.split(1), others.split(1), strict=True):  # one by one: the batch can't change a bit
        with torch.autocast("cpu", enabled=False):
            first, second = (net(x.float().cpu().expand(-1, 3, -1, -1), net.layers) for x in pair)
        distances.append(unit_distance(first, second))
    return torch.cat(distances)


@torch.no_grad()
def lpips(images: Tensor, others: Tensor, *, backbone: str = "alex") -> Tensor:
    """LPIPS of Zhang et al. 2018 (arXiv:1801.03924), by torchmetrics; torchvision fetches its backbone once.

    Args:
        images: [N, C, H, W] in [-1, 1], C = 1 (repeated) or 3.
        others: The same shape.
        backbone: "alex" (the paper's choice for measuring), "vgg" or "squeeze".

    Returns:
        [N], float32, 0 for equal pictures.

    Raises:
        MetricError: When sizes differ, the backbone is unknown or out of reach, or torchmetrics is missing.
    """
    check_pairs(images, others)
    network, _ = lpips_network(backbone)
    pairs = zip(images.split(1), others.split(1), strict=True)
    values = [network(*(x.float().cpu().clamp(-1, 1).expand(-1, 3, -1, -1) for x in pair)) for pair in pairs]
    network.reset()
    return torch.stack(values)


@cache
def lpips_network(backbone: str) -> tuple[torch.nn.Module, str]:
    """Return torchmetrics' LPIPS and the first 12 digits of the SHA-256 of its backbone, once per process.

    Raises:
        MetricError: When the backbone is unknown or out of reach, or torchmetrics is missing.
    """
    if backbone not in LPIPS_BACKBONES:
        hint = nearest(backbone, LPIPS_BACKBONES)
        raise MetricError(f"LPIPS has no backbone '{backbone}'.{hint} Choose from: {', '.join(LPIPS_BACKBONES)}.")
    try:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
        from torchvision import models
    except ImportError as error:
        raise MetricError(f"LPIPS needs torchmetrics and torchvision: {INSTALL}.") from error
    weights = getattr(models, LPIPS_BACKBONES[backbone]).IMAGENET1K_V1
    path = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rsplit("/", 1)[-1]
    try:
        # torchmetrics would load the file without weights_only, so it is fetched and found to be harmless first.
        weights.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
        network = LearnedPerceptualImagePatchSimilarity(net_type=backbone)
    except Exception as error:  # no network, a proxy's page, a full disk, a cut-off file: each its own exception
        raise MetricError(
            f"The backbone '{backbone}' of LPIPS is neither in torch's cache nor could it be fetched: go online, put "
            f"the file of {weights.url} at {path}, or use perceptual_distance, which needs no network."
        ) from error
    return network.eval(), file_hash(path)


class Perceptual(PairMetric, name="perceptual"):
    """:func:`perceptual_distance`."""

    key = "perceptual_distance"

    def of(self, images: Tensor, references: Tensor, options: PairOptions) -> Tensor:
        return perceptual_distance(images, references, network=options.network)

    def label(self, options: PairOptions) -> str:
        return f"Perceptual distance ({options.network})"

    def protocol(self, options: PairOptions) -> dict[str, str]:
        settings = "unit-normalised features, mean over layers, not calibrated"
        return {"extractor": options.network, "weights": extractor(options.network).weights, "settings": settings}


class LPIPS(PairMetric, name="lpips"):
    """:func:`lpips`."""

    def of(self, images: Tensor, references: Tensor, options: PairOptions) -> Tensor:
        return lpips(images, references, backbone=options.backbone)

    def label(self, options: PairOptions) -> str:
        return f"LPIPS ({options.backbone})"

    def protocol(self, options: PairOptions) -> dict[str, str]:
        return {"extractor": options.backbone, "weights": lpips_network(options.backbone)[1]}
