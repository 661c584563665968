"""Nine drawings to train on, for ``benchmarks/cards.py`` and for tests of cards."""

from __future__ import annotations

from pathlib import Path

import torch

from ganhub.images import save_image


def draw_shells(place: Path) -> None:
    """Draw shells/ (three classes of three pictures), pairs/before and pairs/after, and three styles in manners/."""
    generator = torch.Generator().manual_seed(1)
    for k in range(9):
        picture = torch.rand((1, 3, 40, 40), generator=generator) * 2 - 1
        save_image(picture, place / "shells" / f"kind-{k % 3}" / f"{k}.png")
        for side in ("before", "after"):
            save_image(picture, place / "pairs" / side / f"{k}.png")
        if k < 3:
            save_image(picture, place / "manners" / f"style-{k}.png")
