"""Network interpolation: a model between two of the same sizes, by their weights.

    python training/interpolate_weights.py model_cards/srgan-x4 runs/sharp --share 0.5 --out model_cards/srgan-x4-sharp

"ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (Wang et al. 2018, arXiv:1809.00219, section 3.4):
between a network trained for the least error and the same trained on against a discriminator lies one that keeps most
of the detail without its noise. Everything else in the folder is the second model's.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="a model's folder")
    parser.add_argument("second", type=Path, help="another of the same architecture and sizes")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, from 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    first, second = (AutoModel.from_pretrained(folder) for folder in (arguments.first, arguments.second))
    weights, others = first.state_dict(), second.state_dict()
    if {name: x.shape for name, x in weights.items()} != {name: x.shape for name, x in others.items()}:
        sys.exit(f"{arguments.first} and {arguments.second} have other weights: take two stages of one model.")
    second.load_state_dict({name: x.lerp(others[name], arguments.share) if x.is_floating_point() else others[name]
                            for name, x in weights.items()})  # fmt: skip
    shutil.copytree(arguments.second, arguments.out, ignore=shutil.ignore_patterns("checkpoints"), dirs_exist_ok=True)
    second.save_pretrained(arguments.out, dtype=torch.float16)
    print(f"Wrote {arguments.out}.")


if __name__ == "__main__":
    main()
