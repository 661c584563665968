"""Make StackedMNIST: three digits in the colour channels, 1,000 classes, the cheapest honest test of mode collapse.

    python training/stacked_mnist.py mnist-28.npz stacked-mnist-28.npz

Section 3.3.1 of "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning" (Srivastava et al. 2017,
arXiv:1705.07761) after Metz et al. 2016: each picture stacks three training digits drawn at random, and its class is
their number, 000 to 999. A generator that makes fewer than 1,000 classes has collapsed by exactly so much.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def stack(digits: np.ndarray, labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``count`` triples of uint8 digits [N, H, W]; returns pictures [count, H, W, 3] and classes 0 to 999."""
    which = np.random.default_rng(seed).integers(0, len(digits), (count, 3))
    classes = labels[which].astype(np.int64) @ np.array([100, 10, 1])
    return np.stack([digits[which[:, channel]] for channel in range(3)], axis=-1), classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, help="npz with train_x [N, 28, 28] and train_y")
    parser.add_argument("out", type=Path, help="npz to write, with train_x [count, 28, 28, 3] and train_y")
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with np.load(arguments.mnist, allow_pickle=False) as file:
        pictures, classes = stack(file["train_x"], file["train_y"], arguments.count, arguments.seed)
    np.savez_compressed(arguments.out, train_x=pictures, train_y=classes)
    print(f"{len(pictures):,} pictures of {len(np.unique(classes)):,} classes in {arguments.out}")


if __name__ == "__main__":
    main()
