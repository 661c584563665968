"""What takes precision and recall away? Real pictures with one small fault each, beside others.

    python benchmarks/precision.py avatars-64.npz

Protocol: precision, recall (k = 3) and kernel distance of efficientnet-lite0's features, as benchmarks/showpieces.py
has them, between N pictures that are left alone and N others with the fault. A fault that nobody sees and that costs
much says what the figure minds, and what a generator has to get right.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub.data import DataConfig, open_data  # noqa: E402
from ganhub.images import on_white  # noqa: E402
from ganhub.metrics import extractor  # noqa: E402
from ganhub.metrics.distances import kernel_distance  # noqa: E402
from ganhub.metrics.manifold import manifold  # noqa: E402

LARGE = 21  # pixels of one colour that make it one of a picture's flat colours


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def noise(pictures: Tensor, amount: float) -> Tensor:
    """Of this deviation, -1 is black and 1 white."""
    return (pictures + amount * normal(*pictures.shape)).clamp(-1, 1)


def warp(pictures: Tensor, amount: float) -> Tensor:
    """Each place moved by so many pixels, softly over four of them."""
    count, _, height, width = pictures.shape
    moved = F.interpolate(normal(count, 2, height // 4, width // 4), (height, width), mode="bicubic")
    moved = moved * amount * 2 / torch.tensor([width, height]).view(2, 1, 1)
    grid = F.affine_grid(torch.eye(2, 3).expand(count, -1, -1), [count, 3, height, width], align_corners=False)
    where = grid + moved.permute(0, 2, 3, 1)
    return F.grid_sample(pictures, where, padding_mode="border", align_corners=False)


def recolour(pictures: Tensor, amount: float) -> Tensor:
    """Each flat colour moved by a shift of this deviation, the same in the whole picture."""
    pictures = pictures.clone()
    draws = torch.Generator().manual_seed(0)
    for picture in pictures:
        flat = picture.flatten(1)
        levels = (flat * 127.5 + 127.5).round().long()
        _, which, counts = (levels[0] << 16 | levels[1] << 8 | levels[2]).unique(
            return_inverse=True, return_counts=True
        )
        shift = amount * torch.randn(3, len(counts), generator=draws) * (counts >= LARGE)
        flat += shift[:, which]
    return pictures.clamp(-1, 1)


def blur(pictures: Tensor, amount: float) -> Tensor:
    """A pixel takes this share from either neighbour, in rows and in columns."""
    kernel = torch.tensor([amount, 1 - 2 * amount, amount])
    kernel = kernel.outer(kernel).expand(pictures.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), kernel, groups=pictures.shape[1])


FAULTS = [
    ("none", noise, 0.0), ("flat colours moved by 0.1", recolour, 0.1), ("flat colours moved by 0.3", recolour, 0.3),
    ("noise of 0.01", noise, 0.01), ("noise of 0.02", noise, 0.02), ("blurred by 0.1", blur, 0.1),
    ("lines moved by 0.1 pixels", warp, 0.1), ("by 0.3 pixels", warp, 0.3), ("by 0.7 pixels", warp, 0.7),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="an .npz of RGB pictures, or RGBA ones, which are laid on white")
    parser.add_argument("--n", type=int, default=1500)
    arguments = parser.parse_args()
    side = 64 if "64" in Path(arguments.data).stem else 32
    channels = 4 if "heroes" in Path(arguments.data).stem else 3
    config = DataConfig.from_dict({"path": arguments.data})
    pictures = open_data(config, height=side, width=side, channels=channels, labelled=True)
    if len(pictures) < 2 * arguments.n:
        sys.exit(f"There are {len(pictures)} pictures, and two times {arguments.n} are needed: give a smaller --n.")
    drawn = on_white(pictures.batch(0, 2 * arguments.n).images)
    network = extractor()

    def features(x: Tensor) -> Tensor:
        return torch.cat([network(part) for part in x.split(64)])

    alone = features(drawn[: arguments.n])
    print("| fault | precision | recall | kernel distance |\n|---|---:|---:|---:|")
    for name, fault, amount in FAULTS:
        seen = features(fault(drawn[arguments.n :], amount))
        found, distance = manifold(alone, seen), kernel_distance(alone, seen).value
        print(f"| {name} | {found.precision:.2f} | {found.recall:.2f} | {distance:.4f} |", flush=True)


if __name__ == "__main__":
    main()
