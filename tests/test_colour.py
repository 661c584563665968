"""Colours kept and colours carried over, against closed forms."""

from __future__ import annotations

import colorsys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganhub.errors import ConfigError
from ganhub.images import colour
from ganhub.images.colour import blend, keep_colours, luminance, recoloured


def noise(seed: int, height: int = 24, width: int = 30, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


colours = st.tuples(*[st.floats(-1, 1)] * 3)


@settings(max_examples=200, deadline=None)
@given(colours, colours)
def test_luminance_is_the_paintings_and_hue_the_photos(photo, painted):
    """Exactly, for any two colours: where the photo's chroma does not fit it is made weaker, not clipped."""
    photo, painted = (torch.tensor(one, dtype=torch.float32).view(1, 3, 1, 1) for one in (photo, painted))
    result = keep_colours(photo, painted)
    assert result.abs().max() <= 1
    assert torch.allclose(luminance(result), luminance(painted), atol=1e-5)
    kept, given = result - luminance(result), photo - luminance(photo)
    share = (kept * given).sum() / given.square().sum().clamp_min(1e-12)
    slack = 1e-4 + 1e-6 / given.norm().clamp_min(1e-12)  # of a colour that is next to none, rounding is a share
    assert -slack <= share <= 1 + slack and torch.allclose(kept, given * share, atol=1e-4)


def test_luminance_agrees_with_the_standard_library():
    for seed in range(5):
        picture = noise(seed, 1, 1)
        y = colorsys.rgb_to_yiq(*((picture.flatten() + 1) / 2).tolist())[0]
        assert float(luminance(picture)) == pytest.approx(2 * y - 1, abs=0.02)  # its factors have two digits


def test_known_colours():
    red, grey = torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1), torch.full((1, 3, 1, 1), 0.3)
    assert torch.allclose(keep_colours(grey, red), luminance(red).expand(1, 3, 1, 1))  # a grey photo stays grey
    assert torch.allclose(keep_colours(red, red), red, atol=1e-6)
    white = torch.ones(1, 3, 1, 1)
    assert torch.equal(keep_colours(red, white), white)  # white has no room for colour
    photo, painted = noise(1) * 0.3, noise(2) * 0.3
    assert torch.allclose(keep_colours(photo, painted), painted.mul(0) + photo - luminance(photo) + luminance(painted))


def test_histogram_has_the_photos_mean_and_covariance():
    photo, painted = noise(1, count=2) * 0.2, (noise(2, count=2) + 0.5 * noise(3, count=2)[:, [1, 2, 0]]) * 0.1 + 0.1
    result = keep_colours(photo, painted, "histogram")
    for one, other in zip(result.flatten(2), photo.flatten(2), strict=True):
        assert torch.allclose(one.mean(1), other.mean(1), atol=1e-4)
        assert torch.allclose(torch.cov(one), torch.cov(other), atol=1e-3)


def test_a_palette_of_several_and_of_one_flat_colour():
    picture, first, second = noise(1) * 0.2, noise(2) * 0.1 - 0.2, noise(3) * 0.3 + 0.2
    result = recoloured(picture, [(first, 0.25), (second, 0.75)]).mean((2, 3))
    assert torch.allclose(result, 0.25 * first.mean((2, 3)) + 0.75 * second.mean((2, 3)), atol=1e-3)
    flat = torch.tensor([0.5, -0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, 20, 20)
    result = recoloured(picture, [(flat, 1.0)])
    assert (result - flat[:, :, :1, :1]).abs().max() < 0.05
    assert torch.allclose(recoloured(flat, [(second, 1.0)]).mean((2, 3)), second.mean((2, 3)), atol=1e-3)
    assert torch.allclose(recoloured(picture, [(picture, 1.0)]), picture, atol=1e-4)


@pytest.mark.parametrize("how", colour.WAYS)
def test_bands_change_nothing(how, monkeypatch):
    photo, painted = noise(4, 37, 29), noise(5, 37, 29)
    mask = noise(6, 37, 29)[:, :1]
    whole, blended = keep_colours(photo, painted, how), blend(photo, painted.clone(), mask)
    monkeypatch.setattr(colour, "BAND", 100)  # three rows at a time
    assert torch.allclose(keep_colours(photo, painted, how), whole, atol=1e-5)
    assert torch.equal(blend(photo, painted.clone(), mask), blended)
    place = painted.clone()
    assert keep_colours(photo, place, how, out=place) is place and torch.allclose(place, whole, atol=1e-5)


def test_blend_is_a_mean_by_the_mask():
    below, above = noise(1), noise(2)
    for value, expected in ((1.0, above), (-1.0, below), (0.0, (above + below) / 2)):
        assert torch.allclose(blend(below, above.clone(), torch.full((1, 1, 24, 30), value)), expected, atol=1e-6)


def test_sentences():
    with pytest.raises(ConfigError, match="'luminance' or 'histogram', not 'hue'"):
        keep_colours(noise(1), noise(2), "hue")
    with pytest.raises(ConfigError, match="of one size"):
        keep_colours(noise(1), noise(2, 10, 10))


def test_flatness_counts_neighbours_that_are_alike():
    flat, rough = torch.full((3, 5, 7), 0.3), noise(0)[0]
    assert colour.flatness(flat) == 1 and colour.flatness(rough) < 0.01
    half = torch.zeros(1, 4, 6)
    half[..., 3:] = 1.0  # 4 of the 4 * 5 + 3 * 6 steps cross the edge
    assert colour.flatness(half) == pytest.approx(1 - 4 / 38)
    faint = torch.arange(8.0).view(1, 1, 8) / 127.5  # one of 255 each
    assert colour.flatness(faint) == 1 and colour.flatness(3 * faint) == 0
    one_channel = torch.zeros(3, 1, 2)
    one_channel[2, 0, 1] = 1.0
    assert colour.flatness(one_channel) == 0
    assert colour.flatness(torch.zeros(2, 3, 1, 1)).tolist() == [1, 1]
    assert colour.flatness(torch.stack([flat, flat * 0])).shape == (2,)
