"""Write samples.png of a model of pairs: sketches kept out of training, what it makes of them, and what there was.

    python training/pair_samples.py model_cards/pix2pix-sketch2emoji DATA/openmoji-line2color-128.zip
    python training/pair_samples.py model_cards/pix2pix-noto2twemoji DATA/emoji-noto-64.zip DATA/emoji-twemoji-64.zip
    python training/pair_samples.py model_cards/pix2pix-brush brush-128-lines.npz brush-128.npz --holdout 0.1

With one collection its folders line/ and color/ are the two sides. The first ones, not chosen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import AutoModel  # noqa: E402
from ganhub.data import DataConfig, open_data  # noqa: E402
from ganhub.images.small import save_sheet  # noqa: E402

COLUMNS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", nargs="+", help="one collection with line/ and color/, or two")
    parser.add_argument("--holdout", type=float, default=0.15, help="the recipe's")
    parser.add_argument("--count", type=int, default=24, help="pairs; 12 where pictures are rich in colours")
    arguments = parser.parse_args()
    model, one = AutoModel.from_pretrained(arguments.model), len(arguments.data) == 1
    size = model.config.image_size
    config = DataConfig(
        path=arguments.data[0], only="line/*" if one else "", holdout=arguments.holdout, part="holdout", pairing="name",
        other={"path": arguments.data[-1], **({"only": "color/*"} if one else {})},
    )  # fmt: skip
    batch = open_data(config, height=size, width=size, channels=3, labelled=False).batch(0, arguments.count)
    rows = torch.stack([batch.images, model.translate(batch.images), batch.other.images], 1).flatten(0, 1)
    save_sheet(rows, arguments.model / "samples.png", columns=COLUMNS)


if __name__ == "__main__":
    main()
