"""Dabs of colour on a line drawing: where their colour flows, and what of the network's picture stays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganhub.apply import hints
from ganhub.creation import Translate
from ganhub.errors import ConfigError

RED, BLUE = (0.8, -0.6, -0.6), (-0.6, -0.4, 0.8)


def drawing(gap: bool = False) -> Tensor:
    """A black square frame on white, [1, 3, 192, 192], with a hole in its right side or without."""
    picture = torch.ones(1, 3, 192, 192)
    picture[..., 40:150, 40:150] = -1
    picture[..., 44:146, 44:146] = 1
    if gap:
        picture[..., 90:100, 146:150] = 1
    return picture


def dab(picture: Tensor, row: int, column: int, colour: tuple) -> Tensor:
    picture[0, :, row - 4 : row + 5, column - 4 : column + 5] = torch.tensor(colour).view(3, 1, 1)
    return picture


def near(picture: Tensor, row: int, column: int, colour: tuple) -> bool:
    return bool((picture[0, :, row, column] - torch.tensor(colour)).abs().max() < 0.05)


def test_colour_fills_its_area_and_stops_at_the_line() -> None:
    result = hints.coloured(drawing(), dab(drawing(), 60, 60, RED))
    assert near(result, 60, 60, RED) and near(result, 140, 140, RED)
    assert near(result, 20, 20, (1, 1, 1)), "outside of the frame it is as it was"
    assert near(result, 42, 90, (-1, -1, -1)), "and so is the line"


def test_colour_runs_out_through_a_gap() -> None:
    assert near(hints.coloured(drawing(gap=True), dab(drawing(gap=True), 60, 60, RED)), 20, 20, RED)


def test_of_two_dabs_in_an_area_the_nearer_one_counts() -> None:
    result = hints.coloured(drawing(), dab(dab(drawing(), 60, 60, RED), 130, 130, BLUE))
    assert near(result, 70, 70, RED) and near(result, 120, 120, BLUE)


def test_light_and_dark_of_the_network_stay() -> None:
    made = drawing()
    made[..., 50:90, 50:140], made[..., 100:140, 50:140] = 0.9, 0.5
    result = hints.coloured(made, dab(drawing(), 60, 60, RED))
    assert (result[0, :, 70, 100] > result[0, :, 120, 100]).all()


def test_a_drawing_without_dabs_stays() -> None:
    made = drawing() * 0.5
    assert hints.coloured(made, drawing()) is made
    assert torch.equal(hints.without_dabs(drawing()), drawing())
    assert torch.equal(hints.without_dabs(dab(drawing(), 60, 60, RED)), drawing())


def test_sizes_may_differ() -> None:
    result = hints.coloured(torch.ones(1, 3, 128, 128), dab(drawing(), 60, 60, RED))
    assert result.shape == (1, 3, 128, 128) and near(result, 80, 80, RED)


def test_dabs_want_a_white_ground() -> None:
    with pytest.raises(ConfigError, match="ask for opaque"):
        Translate(model="m", photo="0" * 64, dabs=True)
