"""Feature networks behind one small interface: a name -> pictures -> layers of features.

``feature_network("vgg-lite")`` is the small network that travels with ganhub; ``feature_network("vgg19")`` is the one
of the papers, with torchvision's weights, fetched once when there is a network. Another one is a function that builds
it: ``FEATURE_NETWORKS["mine"] = build``, where ``build()`` returns a :class:`FeatureNetwork`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ganhub import hub
from ganhub.config import nearest
from ganhub.errors import ConfigError, HubError, ImageError
from ganhub.nn.vgg_lite import LAYERS, VGGLite, VGGLiteConfig

MIN_SIDE = 16  # four poolings leave one place of sixteen pixels


class FeatureNetwork(nn.Module):
    """A frozen network in ``eval()`` that turns pictures into named layers of features.

    Args:
        name: What :func:`feature_network` knows it by.
        layers: The layers it offers, shallowest first.
        body: Called with (images, layers); returns {layer: features} and computes nothing past the deepest of them.
    """

    def __init__(self, name: str, layers: Sequence[str], body: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.layers = tuple(layers)
        self.body = body
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in ``eval()``: a loss's network is never trained, also as part of a module that is."""
        return super().train(False)

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Compute the asked layers; gradients reach ``images``, never the network.

        Args:
            images: [N, 3, H, W] in [-1, 1], 16 pixels a side or more, in the network's own dtype and on its device
                (``network.to(images)`` moves it; under autocast any dtype will do).
            layers: Names out of ``self.layers``, in any order.

        Returns:
            {name: [N, C, h, w]} in the order of depth. h = H // 2^(b - 1) for a layer of block b.

        Raises:
            ConfigError: For a layer that this network does not have; the nearest one is named.
            ImageError: For images of another shape, or with a side below 16 pixels.
        """
        names = (layers,) if isinstance(layers, str) else tuple(layers)
        for layer in names or ("none",):
            if layer not in self.layers:
                listed = ", ".join(self.layers)
                raise ConfigError(
                    f"{self.name} has no layer '{layer}'.{nearest(layer, self.layers)} It knows: {listed}."
                )
        if images.ndim != 4 or images.shape[1] != 3:
            raise ImageError(f"{self.name} reads images [N, 3, H, W], not {list(images.shape)}: convert them to RGB.")
        height, width = images.shape[-2:]
        if min(height, width) < MIN_SIDE:
            raise ImageError(
                f"{self.name} reads images from {MIN_SIDE} x {MIN_SIDE} pixels, not {height} x {width}: enlarge them."
            )
        return self.body(images, names)

    def trunk(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """:meth:`forward` of the body's trunk where it has one: vgg-lite's heads only widen what its trunk computes,
        for those who need VGG-19's channels."""
        return getattr(self.body, "trunk", self)(images, layers)


class Frozen(nn.Module):
    """Holds a network that never learns, for a module that looks through it.

    It moves with that module, keeps its own dtype, and is no part of the state dict or of the parameters.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._held = (network,)  # in a tuple, so that nn.Module does not take it for a child
        self._copies: dict[torch.dtype, nn.Module] = {}

    @property
    def network(self) -> Any:
        return self._held[0]

    def cast(self, dtype: torch.dtype) -> Any:
        """A copy of the network in another dtype, made once: autocast would convert its weights at every call."""
        if dtype == next(self.network.parameters()).dtype:
            return self.network
        if dtype not in self._copies:
            self._copies[dtype] = copy.deepcopy(self.network).to(dtype)
        return self._copies[dtype]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def moved(x: Tensor) -> Tensor:
            y = fn(x)
            return y if y.dtype == x.dtype else torch.empty_like(y, dtype=x.dtype).copy_(x)

        self._copies.clear()
        self.network._apply(moved)
        return super()._apply(fn, recurse)


class _VGG19(nn.Module):
    """VGG-19's convolutions; state-dict keys are torchvision's, so that its weights load strictly."""

    DEPTHS = (2, 2, 4, 4, 4)
    WIDTHS = (64, 128, 256, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        self.names: list[str | None] = []  # of each stage: a layer's name, or None
        channels = 3
        for block, (depth, width) in enumerate(zip(self.DEPTHS, self.WIDTHS, strict=True), start=1):
            for i in range(1, depth + 1):
                stages += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                self.names += [None, f"relu{block}_{i}"]
                channels = width
            stages.append(nn.MaxPool2d(2))
            self.names.append(None)
        self.features = nn.Sequential(*stages)
        # the mean and deviation of ImageNet's RGB in [0, 1], which torchvision's weights were trained with
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        x = ((images + 1) / 2 - self.mean) / self.deviation
        for name, stage in zip(self.names, self.features, strict=True):
            x = stage(x)
            if name in layers:
                features[name] = x
            if len(features) == len(set(layers)):
                break
        return features


def build_vgg19(tensors: dict[str, Tensor] | None = None) -> FeatureNetwork:
    """Build VGG-19 (Simonyan and Zisserman 2014, arXiv:1409.1556) with its 16 layers relu1_1 .. relu5_4.

    Args:
        tensors: "features.N.weight" and "features.N.bias" by torchvision's names; None fetches torchvision's
            ImageNet weights (548 MB, once; they stay in torch's cache).

    Raises:
        HubError: When the weights can be neither found nor fetched.
    """
    if tensors is None:
        try:
            from torchvision.models import VGG19_Weights

            weights = VGG19_Weights.IMAGENET1K_V1
            tensors = weights.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
        except (ImportError, OSError, RuntimeError) as error:
            raise HubError(
                "The weights of vgg19 could not be fetched from torchvision: go online and try again, or use "
                "'vgg-lite', which comes with ganhub."
            ) from error
    body = _VGG19()
    body.load_state_dict({k: v for k, v in tensors.items() if k.startswith("features.")})
    return FeatureNetwork("vgg19", [name for name in body.names if name], body)


def load_vgg_lite(source: str | Path = "vgg-lite") -> FeatureNetwork:
    """Load vgg-lite: relu1_1 .. relu5_1 in VGG-19's channel counts, in float32.

    Args:
        source: Its Hub folder; by default the one that comes with ganhub.

    Raises:
        HubError: When the folder is missing, or its weights do not fit its config.
    """
    folder = hub.locate(source, local_files_only=True)
    config = hub.read_config(folder)
    if config.pop("architecture", None) != "vgg-lite":
        raise HubError(f"{folder} holds no vgg-lite: give the folder of one, or leave the argument out.")
    config.pop("ganhub_version", None)
    body = VGGLite(VGGLiteConfig.from_dict(config))
    tensors = {name: tensor.float() for name, tensor in hub.read_tensors(folder).items()}
    try:
        body.load_state_dict(tensors)
    except RuntimeError as error:
        raise HubError(f"The weights in {folder} do not fit its config.json: download the folder again.") from error
    return FeatureNetwork("vgg-lite", LAYERS, body)


class VGGLiteTrunk(VGGLite):
    """The first four blocks of vgg-lite without its heads, frozen, to be saved as part of a model.

    Images [N, 3, H, W] in [-1, 1] -> {"relu1_1": [N, 24, H, W], ..., "relu4_1": [N, 144, H/8, W/8]}. A model that keeps
    its own copy stays what it was when a later ganhub brings a better vgg-lite.
    """

    LAYERS = LAYERS[:4]

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.blocks = nn.ModuleList(), self.blocks[:4]
        if self.blocks[0][0].weight.device.type != "meta":
            body = feature_network("vgg-lite").body
            self.blocks.load_state_dict(body.blocks[:4].state_dict())
        self.requires_grad_(False)

    def forward(self, images: Tensor, layers: Sequence[str] = LAYERS[:4]) -> dict[str, Tensor]:
        return self.trunk(images, layers)


FEATURE_NETWORKS: dict[str, Callable[[], FeatureNetwork]] = {"vgg-lite": load_vgg_lite, "vgg19": build_vgg19}
_loaded: dict[str, FeatureNetwork] = {}


def feature_network(name: str) -> FeatureNetwork:
    """Return a feature network by name; read once per process, and every caller's copy is its own to move or cast.

    Args:
        name: "vgg-lite" (embedded), "vgg19" (torchvision's weights), or another key of ``FEATURE_NETWORKS``.

    Raises:
        ConfigError: For an unknown name; the nearest one is named.
        HubError: When its weights are neither here nor within reach.
    """
    if name not in FEATURE_NETWORKS:
        names = ", ".join(FEATURE_NETWORKS)
        raise ConfigError(
            f"There is no feature network '{name}'.{nearest(name, FEATURE_NETWORKS)} Choose from: {names}."
        )
    if name not in _loaded:
        with torch.random.fork_rng(devices=[]):  # to build it draws numbers, and the second caller draws none
            _loaded[name] = FEATURE_NETWORKS[name]()
    return copy.deepcopy(_loaded[name])
