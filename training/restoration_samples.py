"""Write samples.png of a model that restores or translates photos: what it is given, what it makes, what there was.

    python training/restoration_samples.py model_cards/srgan-x4

The photos are the app's own examples, which nothing was trained on; the damage is drawn from fixed seeds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from swatches import CONTENTS, asset  # noqa: E402

from ganhub import AutoModel, images  # noqa: E402
from ganhub.images.small import save_sheet  # noqa: E402
from ganhub.models import Inpainter, Model  # noqa: E402
from ganhub.models.inpainting import free_form  # noqa: E402
from ganhub.nn.random import normal  # noqa: E402
from ganhub.objectives.super_resolution import jpeg  # noqa: E402

SIDE = 256


def rows(model: Model, photo: Tensor, seed: int) -> list[Tensor]:
    """Given, made, wanted; each [1, 3, SIDE, SIDE]."""
    if isinstance(model, Inpainter):
        hole = free_form([seed], SIDE, SIDE, most=0.35)
        return [photo.lerp(torch.ones(()), hole), model.inpaint(photo, hole * 2 - 1), photo]
    task = model.task(model.config)
    if task == "enlarge":
        small = images.resize(photo, (SIDE // model.scale, SIDE // model.scale)).clamp(-1, 1)
        made = model.translate(small)
        return [images.resize(small, tuple(made.shape[2:])).clamp(-1, 1), made, photo]
    if task == "clean":
        grainy = (photo + normal([seed], 3, SIDE, SIDE) * 20 / 127.5).clamp(-1, 1)
        damaged = jpeg(grainy, torch.tensor([40.0]))
        return [damaged, model.translate(damaged), photo]
    if task == "colourise":
        grey = photo.mean(1, keepdim=True).expand_as(photo)
        return [grey, model.translate(grey), photo]
    return [photo, model.translate(photo)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, help="else samples.png in the model's folder")
    arguments = parser.parse_args()
    model = AutoModel.from_pretrained(arguments.model)
    photos = [images.fit(images.load_image(asset(name)), SIDE, SIDE) for name in CONTENTS]
    made = [rows(model, photo, seed) for seed, photo in enumerate(photos, start=1)]
    grid = torch.cat([row for rows in made for row in rows])
    save_sheet(grid, arguments.out or arguments.model / "samples.png", columns=2 * len(made[0]))


if __name__ == "__main__":
    main()
