"""vgg-lite: the project's own small stand-in for VGG-19's features, small enough to travel inside the package.

The shape is that of VGG-19 (Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", arXiv:1409.1556, table 1, column E): five blocks of 3x3 convolutions and ReLU with a max-pool between
blocks. The trunk is thin and less deep; where VGG-19 has relu1_1 .. relu5_1 a 1x1 convolution ("head") widens the
trunk to VGG-19's channel counts. The idea of thin trunk plus 1x1 heads is that of "Collaborative Distillation for
Ultra-Resolution Universal Style Transfer" (Wang et al. 2020, arXiv:2003.08436, section 3.2); the weights are trained
from scratch by ``training/distill_vgg_lite.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CHANNELS = (64, 128, 256, 512, 512)  # VGG-19's own channel counts at these layers


@dataclass(frozen=True, kw_only=True)
class VGGLiteConfig(BaseConfig):
    """Widths and depths of the trunk.

    Attributes:
        widths: Channels of the trunk in each of the five blocks.
        depths: 3x3 convolutions in each block; the head of block n sits after the first of them.
    """

    widths: Sequence[int] = (24, 40, 80, 144, 176)
    depths: Sequence[int] = (2, 2, 3, 3, 1)

    def __post_init__(self) -> None:
        for name in ("widths", "depths"):
            value = getattr(self, name)
            self.require(len(value) == 5, f"{name} must hold five numbers, one per block, not {len(value)}.")
            limit = 512 if name == "widths" else 8
            self.require(
                all(1 <= v <= limit for v in value), f"{name} must hold whole numbers from 1 to {limit}, not {value}."
            )


class VGGLite(nn.Module):
    """Images [N, 3, H, W] in [-1, 1] -> {"relu1_1": [N, 64, H, W], ..., "relu5_1": [N, 512, H/16, W/16]}.

    Args:
        config: See :class:`VGGLiteConfig`.
    """

    def __init__(self, config: VGGLiteConfig | None = None) -> None:
        super().__init__()
        self.config = config or VGGLiteConfig()
        self.blocks = nn.ModuleList()
        self.heads = nn.ModuleList()
        before = 3
        for width, depth, channels in zip(self.config.widths, self.config.depths, CHANNELS, strict=True):
            inputs = [before] + [width] * (depth - 1)
            self.blocks.append(nn.ModuleList(nn.Conv2d(c, width, 3) for c in inputs))
            self.heads.append(nn.Conv2d(width, channels, 1))
            before = width

    def trunk(self, images: Tensor, layers: Sequence[str] = LAYERS) -> dict[str, Tensor]:
        """Return the thin features that the heads read, by layer; nothing below the deepest asked layer is computed."""
        features: dict[str, Tensor] = {}
        x = images
        for name, block in zip(LAYERS, self.blocks, strict=True):
            x = block[0](reflect(x)).relu_()
            if name in layers:
                features[name] = x
            if len(features) == len(set(layers)):
                break
            for conv in block[1:]:
                x = conv(reflect(x)).relu_()
            x = F.max_pool2d(x, 2)
        return features

    def widen(self, name: str, x: Tensor) -> Tensor:
        """Apply the head of layer ``name`` and its ReLU to the trunk's features there."""
        return self.heads[LAYERS.index(name)](x).relu_()

    def forward(self, images: Tensor, layers: Sequence[str] = LAYERS) -> dict[str, Tensor]:
        """Return the asked layers by name, each in VGG-19's channel count and past its ReLU."""
        return {name: self.widen(name, x) for name, x in self.trunk(images, layers).items()}


def reflect(x: Tensor) -> Tensor:
    """Pad [N, C, H, W] by one pixel by reflection; a map one pixel high or wide has nothing to reflect and repeats."""
    mode = "reflect" if min(x.shape[-2:]) > 1 else "replicate"
    return F.pad(x, (1, 1, 1, 1), mode=mode)


def start_from_data(network: VGGLite, images: Tensor, targets: dict[str, Tensor]) -> None:
    """Set a fresh network's first weights by one batch of pictures, so that distillation starts well conditioned.

    VGG's first layer answers to faint edges, which neighbouring pixels' strong correlation hides from a random filter:
    the first convolution therefore starts as random rotations of whitened 3x3 patches. Every other convolution of
    the trunk starts with outputs of mean 0 and variance 1 per channel ("All you need is a good init", Mishkin and
    Matas 2015, arXiv:1511.06422, algorithm 1, one pass), and every head as the least-squares map to its target.
    """
    with torch.no_grad():
        patches = F.unfold(reflect(images), 3).transpose(1, 2).flatten(0, 1)
        values, vectors = torch.linalg.eigh(patches.T.cov())
        whitening = vectors / (values + 0.02 * values.mean()).sqrt()
        first = network.blocks[0][0]
        rotation = nn.init.orthogonal_(torch.empty(first.out_channels, len(values)))
        first.weight.copy_((rotation @ whitening.T).reshape(first.weight.shape))
        x = images
        for name, block, head in zip(LAYERS, network.blocks, network.heads, strict=True):
            for i, conv in enumerate(block):
                conv.bias.zero_()
                y = conv(reflect(x))
                mean, scale = y.mean((0, 2, 3)), y.std((0, 2, 3))
                conv.weight.div_(scale[:, None, None, None])
                conv.bias.copy_(-mean / scale)
                x = F.relu(conv(reflect(x)))
                if i == 0:
                    _solve(head, x, targets[name])
            x = F.max_pool2d(x, 2)


def _solve(head: nn.Conv2d, x: Tensor, target: Tensor) -> None:
    """Set a 1x1 convolution to the ridge regression of ``target`` [N, K, H, W] on ``x`` [N, C, H, W]."""
    inputs = F.pad(x.transpose(0, 1).flatten(1), (0, 0, 0, 1), value=1.0).T  # [N H W, C + 1], the last for the bias
    moments = inputs.T @ inputs / len(inputs)
    moments += 1e-2 * torch.eye(len(moments))
    solution = torch.linalg.solve(moments, inputs.T @ target.transpose(0, 1).flatten(1).T / len(inputs))
    head.weight.copy_(solution[:-1].T[:, :, None, None])
    head.bias.copy_(solution[-1])
