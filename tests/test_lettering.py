"""Characters as thin lines."""

from __future__ import annotations

import math

import pytest
import torch
from skimage.measure import label
from skimage.morphology import skeletonize

from ganhub.images.lettering import as_lines, glyph, middle


@pytest.mark.parametrize("character", ["A", "8", "%", "g", "k", "i", "!", "?", ".", ";"])
def test_the_middle_of_a_stroke_keeps_its_shape(character: str) -> None:
    """As many pieces and holes as the ink, on it, beside what scikit-image thins, and no place two pixels thick."""
    ink = glyph(character, None, 200, 256) > 0.5
    thin = middle(ink)
    assert not (thin & ~ink).any()
    for mask, connectivity in ((lambda x: x, 2), (lambda x: ~x, 1)):
        assert (
            label(mask(thin).numpy(), connectivity=connectivity).max()
            == label(mask(ink).numpy(), connectivity=connectivity).max()
        )
    other = torch.from_numpy(skeletonize(ink.numpy(), method="zhang"))
    for one, wide in ((thin, other), (other, thin)):
        near = torch.nn.functional.max_pool2d(wide[None, None].float(), 7, 1, 3)[0, 0].bool()
        assert (one & near).sum() > 0.97 * one.sum()
    assert not (thin[1:, 1:] & thin[:-1, 1:] & thin[1:, :-1] & thin[:-1, :-1]).any()
    assert torch.equal(middle(thin), thin)


@pytest.mark.parametrize("degrees", [0, 40, 44, 45, 46, 90, 135])
@pytest.mark.parametrize("width", [6, 7, 12, 31])
def test_a_stroke_keeps_its_length(degrees: int, width: int) -> None:
    """In any direction; but for what the corners of its ends take."""
    along, length = torch.tensor([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]), 160
    places = torch.stack(torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij"), -1) - 127.6
    far, across = places @ along, places[..., 0] * along[1] - places[..., 1] * along[0]
    ink = (far.abs() <= length / 2) & (across.abs() <= width / 2)
    found = (middle(ink).nonzero() - 127.6) @ along
    assert found.max() - found.min() > length - 1.5 * width - 6


def test_a_bar_keeps_its_middle() -> None:
    ink = torch.zeros(40, 60)
    ink[16:23, 5:55] = 1
    rows, columns = middle(ink > 0.5).nonzero().unbind(1)
    assert rows.unique().tolist() == [19] and columns.min() < 12 and columns.max() > 48
    ink = torch.zeros(60, 60)
    ink[26:33, 5:55] = 1
    lines = as_lines(ink, 240, 9)
    assert lines.shape == (1, 3, 240, 240) and lines.unique().numel() > 2
    column = lines[0, 0, :, 120]
    assert (column < -0.99).sum() == 4 + 9 - 1 - 4  # a pixel of four under a pen of nine, less the soft rims
    assert column[0] == column[-1] == 1


@pytest.mark.parametrize("empty", [torch.zeros(8, 8), torch.zeros(1, 1)])
def test_nothing_stays_nothing(empty: torch.Tensor) -> None:
    assert not middle(empty > 0.5).any() and (as_lines(empty, 32, 9) == 1).all()
