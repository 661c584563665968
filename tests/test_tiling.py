"""Tiles: every place counts once, no seam, and with shared statistics the whole picture's painting."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ganhub.apply import tiling
from ganhub.errors import ConfigError
from ganhub.nn.instance_norm import InstanceNorm, shared_statistics

SMALL = {"tile": 96, "margin": 16, "fade": 8, "multiple": 16}


def blobs(seed: int, height: int, width: int) -> Tensor:
    """Light on one side and dark on the other, so that no tile is like the whole."""
    coarse = torch.randn(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 0.5
    picture = F.interpolate(coarse, size=(height, width), mode="bicubic")
    return (picture + torch.linspace(-0.8, 0.8, width)).clamp(-1, 1)


class Network(nn.Module):
    """Reflect-padded convolutions and normalisations, down by four and up again, as Johnson et al. 2016 in small."""

    def __init__(self, down: bool = True, normalised: bool = True) -> None:
        super().__init__()
        torch.manual_seed(3)
        strides = (1, 2, 2, 1, 1) if down else (1, 1, 1)
        sides = (3, *(8 for _ in strides))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, s) for a, b, s in zip(sides, sides[1:], strides, strict=False))
        self.norms = nn.ModuleList(InstanceNorm() if normalised else nn.Identity() for _ in strides)
        self.factor, self.out = 4 if down else 1, nn.Conv2d(8, 3, 3)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(F.pad(x, (1, 1, 1, 1), mode="reflect"))).relu()
        x = F.interpolate(x, scale_factor=self.factor)[:, :, : size[0], : size[1]] if self.factor > 1 else x
        return self.out(F.pad(x, (1, 1, 1, 1), mode="reflect")).tanh()


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(64, 200), st.integers(0, 16), st.sampled_from([1, 8, 16]))
def test_every_place_counts_once(height, width, tile, margin, multiple):
    grid = tiling.grid(height, width, tile=tile, margin=margin, fade=8, multiple=multiple)
    counted = torch.zeros(height, width)
    for row, column in grid.places():
        weight = grid.weight(row, column)
        assert weight.shape == (grid.height, grid.width) and weight.min() >= 0
        for starts, index, length, inside in (
            (grid.tops, row, height, weight.sum(1)), (grid.lefts, column, width, weight.sum(0))
        ):  # fmt: skip
            assert starts[index] % multiple == 0
            assert index == 0 or inside[:margin].sum() == 0
            assert index == len(starts) - 1 or inside[len(inside) - margin :].sum() == 0
            assert starts[-1] + len(inside) == length  # the last one ends with the picture
        top, left = grid.tops[row], grid.lefts[column]
        counted[top : top + grid.height, left : left + grid.width] += weight
    assert torch.allclose(counted, torch.ones(()), atol=1e-5)
    assert len(grid) == len(list(grid.places())) and max(grid.height, grid.width) < max(tile, 1) + multiple


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_what_sees_one_place_is_unchanged(batch):
    picture, seen = blobs(1, 250, 333), []
    grid = tiling.grid(250, 333, **SMALL)
    result = tiling.tiled(lambda x: x * 2, picture, grid, batch=batch, on_tile=seen.append)
    assert torch.allclose(result, picture * 2, atol=1e-6)
    assert len(grid) > 8 and sum(seen) == len(grid) and len(seen) == -(-len(grid) // batch)


def test_a_result_of_another_scale():
    """Pixels folded out, as in super-resolution: three times the size, one channel."""
    picture = blobs(2, 130, 210)
    enlarge = lambda x: F.interpolate(x.mean(1, keepdim=True), scale_factor=3)  # noqa: E731
    result = tiling.tiled(enlarge, picture, tiling.grid(130, 210, **SMALL), scale=3, batch=2)
    assert torch.allclose(result, enlarge(picture), atol=1e-6)


@pytest.mark.parametrize("size", [(96, 300), (250, 333), (255, 129), (400, 97)])
@pytest.mark.parametrize("down", [False, True])
def test_convolutions_cannot_tell_tiles_from_the_whole(size, down):
    """Strides and odd sizes too: tiles begin where strides do and end as the picture ends."""
    network, picture = Network(down, normalised=False), blobs(3, *size)
    grid = tiling.grid(*size, **{**SMALL, "margin": 24})
    assert len(grid) > 1
    assert torch.allclose(tiling.tiled(network, picture, grid), network(picture), atol=1e-5)


@pytest.mark.parametrize(("pixels", "layers"), [(10**9, 5), (60_000, 1), (9_216, 1)])
def test_tiled_equals_whole(pixels, layers):
    """All tiles in one batch; in a few, a layer a round; one tile a batch. By themselves tiles differ by far."""
    network, picture = Network(), blobs(4, 333, 450)
    grid, whole = tiling.grid(333, 450, **{**SMALL, "margin": 24}), network(picture)
    rounds = 0
    with shared_statistics(network, layers) as shared:
        while not shared.complete:
            rounds += 1
            for tiles, weights in tiling.samples(picture, grid, pixels=pixels):
                assert len(tiles) == 1 or tiles.shape[-1] * tiles.shape[-2] * len(tiles) <= pixels
                with shared.gathered(weights):
                    network(tiles)
            shared.settle()
        result = tiling.tiled(network, picture, grid)
    error = float((result - whole).abs().mean()) * 127.5
    alone = float((tiling.tiled(network, picture, grid) - whole).abs().mean()) * 127.5
    assert error < 0.5 and alone > 10 and rounds == 5 // layers, (error, alone)  # in 255ths


def test_samples_hold_every_tile_once():
    picture = blobs(5, 333, 450)
    grid = tiling.grid(333, 450, **SMALL)
    total, count, mean = 0.0, 0, torch.zeros(3)
    for tiles, weights in tiling.samples(picture, grid, pixels=50_000):
        total, count = total + float(weights.sum()), count + len(tiles)
        mean += (tiles * weights).sum((0, 2, 3))
    assert count == len(grid) and total == pytest.approx(333 * 450)
    assert torch.allclose(mean / total, picture.mean((0, 2, 3)), atol=1e-4)


def test_sentences():
    with pytest.raises(ConfigError, match="at least 176 pixels a side, of which 128 are margin, not 100"):
        tiling.grid(1000, 1000, tile=100)
