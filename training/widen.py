"""A wider generator that draws the same pictures, for going on with more channels.

    python training/widen.py model_cards/stylegan2-avatars --channel-base 4096 --out runs/wide
    python training/train.py training/recipes/stylegan2_avatars.toml --out runs/a train.init=runs/wide \\
        model.channel_base=4096

The new channels start as those of an untrained model do, and no old channel hears them yet: its weights for them are 0
and learn. (To grow a network without changing what it computes is the idea of "Net2Net", Chen et al. 2016,
arXiv:1511.05641, which copies channels; behind a demodulation, copies would change the result.) Named directions and
means of w stay what they were; computed directions do not, as the new channels have styles, too.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402
from ganhub.console import in_sentences  # noqa: E402
from ganhub.models.stylegan2 import StyleGAN2  # noqa: E402
from training.mean_weights import begin_folder, require_new  # noqa: E402


def widened(name: str, old: Tensor, new: Tensor) -> Tensor:
    """``old`` in the first rows and columns of ``new``, whose other columns these rows do not hear.

    Args:
        name: Of the parameter: ``constant`` [1, C, H, W] is what the first layer hears, not what it hears by.
        old, new: Of as many dimensions, ``new`` as large or larger; outputs first, then inputs.
    """
    result = new.clone()
    if name != "constant" and old.dim() > 1 and new.shape[1] > old.shape[1]:
        result[: len(old)] = 0
        if ".to_picture." in name:  # this layer divides by the root of its inputs, of which there are more now
            old = old * math.sqrt(new.shape[1] / old.shape[1])
    result[tuple(slice(size) for size in old.shape)] = old
    return result


def widen(model: StyleGAN2, **sizes: int) -> StyleGAN2:
    """A model with larger ``channel_base`` or ``max_channels`` that draws the same."""
    new = StyleGAN2.build(replace(model.config, **sizes))
    fresh, weights = new.state_dict(), model.state_dict()
    if smaller := [k for k, x in fresh.items() if any(a < b for a, b in zip(x.shape, weights[k].shape, strict=True))]:
        sys.exit(f"{smaller[0]} would be smaller than it is: name larger sizes.")
    if all(x.shape == weights[k].shape for k, x in fresh.items()):
        sys.exit("No layer would be wider: name larger sizes.")
    new.load_state_dict({k: widened(k, weights[k], x) for k, x in fresh.items()})
    return new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder of a stylegan2")
    parser.add_argument("--channel-base", type=int, help="model.channel_base of what is written")
    parser.add_argument("--max-channels", type=int, help="model.max_channels of what is written")
    parser.add_argument("--seed", type=int, default=0, help="draws the new channels")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    if not arguments.model.is_dir():
        sys.exit(f"There is no folder {arguments.model}.")
    require_new(arguments.model, arguments.out)
    model = AutoModel.from_pretrained(arguments.model)
    if not isinstance(model, StyleGAN2):
        sys.exit(f"{arguments.model} is a {model.architecture}: take a stylegan2.")
    sizes = {k: v for k in ("channel_base", "max_channels") if (v := getattr(arguments, k)) is not None}
    if not sizes:
        sys.exit("Name --channel-base or --max-channels.")
    torch.manual_seed(arguments.seed)
    new = widen(model, **sizes)
    begin_folder(arguments.model, arguments.out)
    new.save_pretrained(arguments.out, dtype=torch.float16)
    print(f"Wrote {arguments.out}. It draws what {arguments.model} draws, but for rounding.")


if __name__ == "__main__":
    with in_sentences():
        main()
