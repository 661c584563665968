"""Write samples.png of a style network: three pictures in each of its styles, or in those that the app shows.

    python training/style_samples.py model_cards/fast-style

First column: the pictures themselves. With a model that reads styles from pictures, the first row shows these.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from swatches import STYLES, asset  # noqa: E402

from ganhub import AutoModel, images  # noqa: E402
from ganhub.images.small import save_sheet  # noqa: E402

CONTENTS = ("cat", "harbour", "coffee")


def picture(name: str, side: int) -> Tensor:
    """One of the app's example pictures, square."""
    return images.fit(images.load_image(asset(name)), side, side)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--side", type=int, default=256, help="of each picture")
    arguments = parser.parse_args()
    model, side = AutoModel.from_pretrained(arguments.model), arguments.side
    styles = list(model.style_names) or [picture(name, 352) for name in STYLES]
    rows = [] if model.style_names else [torch.ones(1, 3, side, side), *(images.resize(s, side) for s in styles)]
    for name in CONTENTS:
        content = picture(name, side)
        rows += [content, *(model.stylize(content, style) for style in styles)]
    save_sheet(torch.cat(rows), arguments.model / "samples.png", columns=1 + len(styles))


if __name__ == "__main__":
    main()
