"""A wider generator that draws the same pictures, for going on with more channels.

    python training/widen.py model_cards/stylegan2-avatars --channel-base 4096 --out runs/wide
    python training/train.py training/recipes/stylegan2_avatars.toml --out runs/a train.init=runs/wide \\
        model.channel_base=4096

The new channels of each layer start as those of an untrained model do, and no old channel hears them yet: their
weights there are 0 and learn from the first step on. (The idea of growing a network without changing what it computes
is "Net2Net", Chen et al. 2016, arXiv:1511.05641, which copies channels instead. Behind a demodulation, copies would
change the result.) Named directions and means of w stay what they were. Seeds of --seed draw the new channels.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402
from ganhub.console import in_sentences  # noqa: E402
from ganhub.models.stylegan2 import StyleGAN2  # noqa: E402


def widened(old: Tensor, new: Tensor, *, divided: bool) -> Tensor:
    """``old`` in the first rows and columns of ``new``, whose other columns these rows do not hear.

    Args:
        old, new: Of as many dimensions, ``new`` as large or larger; outputs first, then inputs.
        divided: Whether the layer divides by the root of its inputs, of which there are more now.
    """
    if old.shape == new.shape:
        return old
    result = new.clone()
    if old.dim() > 1 and new.shape[1] > old.shape[1]:
        result[: len(old)] = 0
        if divided:
            old = old * math.sqrt(new.shape[1] / old.shape[1])
    result[tuple(slice(size) for size in old.shape)] = old
    return result


def widen(model: StyleGAN2, **sizes: int) -> StyleGAN2:
    """A model with larger ``channel_base`` or ``max_channels`` that draws the same."""
    new = StyleGAN2.build(replace(model.config, **sizes))
    fresh, weights = new.state_dict(), model.state_dict()
    if smaller := [k for k, x in fresh.items() if any(a < b for a, b in zip(x.shape, weights[k].shape, strict=True))]:
        sys.exit(f"{smaller[0]} would be smaller than it is: name larger sizes.")
    new.load_state_dict({k: widened(weights[k], x, divided=".to_picture." in k) for k, x in fresh.items()})
    return new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder of a stylegan2")
    parser.add_argument("--channel-base", type=int, help="model.channel_base of what is written")
    parser.add_argument("--max-channels", type=int, help="model.max_channels of what is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    model = AutoModel.from_pretrained(arguments.model)
    if not isinstance(model, StyleGAN2):
        sys.exit(f"{arguments.model} is a {model.architecture}: take a stylegan2.")
    sizes = {k: v for k in ("channel_base", "max_channels") if (v := getattr(arguments, k))}
    if not sizes:
        sys.exit("Name --channel-base or --max-channels.")
    if arguments.out.exists():
        sys.exit(f"{arguments.out} is there already: name a new folder.")
    torch.manual_seed(arguments.seed)
    new = widen(model, **sizes)
    shutil.copytree(arguments.model, arguments.out, ignore=shutil.ignore_patterns("checkpoints"))
    new.save_pretrained(arguments.out, dtype=torch.float16)
    print(f"Wrote {arguments.out}. It draws what {arguments.model} draws, but for rounding.")


if __name__ == "__main__":
    with in_sentences():
        main()
