"""What surrounds a stylizer, with real small networks: tiles, masks, colours, transparency, films, memory."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ganhub.apply import tiling
from ganhub.apply.styling import paint, paint_frames, usual_scale
from ganhub.errors import ConfigError, ImageError
from ganhub.images.colour import keep_colours, luminance
from ganhub.images.video import Smoother
from ganhub.models.arbitrary_style import ArbitraryStyle
from ganhub.models.fast_style import FastStyle
from ganhub.models.gatys import Gatys


def blobs(seed: int, height: int = 48, width: int = 64, channels: int = 3) -> torch.Tensor:
    coarse = torch.randn(1, channels, 6, 8, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(-1, 1)


@pytest.fixture(scope="module")
def named() -> FastStyle:
    torch.manual_seed(1)
    model = FastStyle.tiny().eval()
    torch.nn.init.normal_(model.codes.weight, std=0.5)
    return model


@pytest.fixture(scope="module")
def pictured() -> ArbitraryStyle:
    torch.manual_seed(2)
    return ArbitraryStyle.tiny().eval()


PHOTO, STYLE = blobs(1), blobs(2, 40, 40)


def error(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean absolute error in 255ths."""
    return float((a - b).abs().mean()) * 127.5


def test_without_controls_it_is_what_the_model_paints(named):
    assert torch.equal(paint(named, PHOTO, "dots"), named.stylize(PHOTO, "dots"))
    assert torch.equal(paint(named, PHOTO, "dots", strength=0, keep_colour="luminance"), PHOTO)


@pytest.mark.parametrize(("pixels", "rounds", "most"), [(10**9, 3, 0.5), (200_000, 7, 0.5), (400_000, 3, 3)])
@pytest.mark.parametrize("size", [(448, 600), (301, 517), (200, 900)])
def test_tiled_equals_whole(named, monkeypatch, size, pixels, rounds, most):
    """Within 3/255: with statistics from one batch, layer by layer from several, and by some layers at a time."""
    monkeypatch.setattr("ganhub.apply.large_pictures.ROUNDS", rounds)
    monkeypatch.setattr(tiling, "SAMPLE", pixels)
    photo = (blobs(4, *size) + torch.linspace(-0.7, 0.7, size[1])).clamp(-1, 1)
    steps: list[tuple[int, int]] = []
    whole = paint(named, photo, "waves", tile=0)
    tiled = paint(named, photo, "waves", tile=256, on_step=lambda step, total, look: steps.append((step, total)))
    assert error(tiled, whole) < most and error(whole, photo) > 10
    assert len(steps) > 5 and [step for step, _ in steps] == sorted(step for step, _ in steps)
    assert len({total for _, total in steps}) == 1 and steps[-1][0] == steps[-1][1]


def test_tiles_with_larger_strokes_and_half_strength(named):
    """The picture is shrunk for larger strokes, tile by tile: nearly at the same places."""
    photo = blobs(5, 400, 520)
    for options in ({"scale": 1.5}, {"scale": 0.5}, {"strength": 0.4}):
        whole = paint(named, photo, "dots", tile=0, **options)
        assert error(paint(named, photo, "dots", tile=256, **options), whole) < 1.5


def test_strokes_grow_with_the_photo_unless_told(named):
    sizes = ((100, 300), (640, 500), (720, 1024), (3000, 4000))
    assert [usual_scale(named, *size) for size in sizes] == [1.0, 1.0, 1.6, 2.0]
    assert usual_scale(Gatys.tiny(), 3000, 4000) == 1.0
    photo = blobs(3, 40, 960)
    assert torch.equal(paint(named, photo, "dots", scale=None), paint(named, photo, "dots", scale=1.5))
    assert not torch.equal(paint(named, photo, "dots", scale=None), paint(named, photo, "dots"))


def test_large_photos_are_tiled_by_themselves(named, monkeypatch):
    sizes = []
    forward = named.painter.forward
    monkeypatch.setattr(named.painter, "forward", lambda x, *rest: sizes.append(x.shape) or forward(x, *rest))
    paint(named, blobs(1, 1000, 1400), "dots")
    assert [tuple(size[2:]) for size in sizes] == [(1000, 1400)]
    sizes.clear()
    paint(named, blobs(1, 1100, 1400), "dots")
    assert max(size[0] * size[2] * size[3] for size in sizes) <= tiling.SAMPLE and len(sizes) > 10


def test_colours_of_the_photo(named, pictured):
    painted = paint(named, PHOTO, "dots")
    kept = paint(named, PHOTO, "dots", keep_colour="luminance")
    assert torch.allclose(kept, keep_colours(PHOTO, painted)) and torch.allclose(
        luminance(kept), luminance(painted), atol=1e-5
    )
    by_name = paint(named, PHOTO, "dots", keep_colour="histogram")
    assert torch.allclose(by_name, keep_colours(PHOTO, painted, "histogram"))
    same_colours = keep_colours(blobs(2), blobs(3), "histogram")  # a style in its photo's colours needs no change
    plain = paint(pictured, blobs(2), same_colours)
    assert error(paint(pictured, blobs(2), same_colours, keep_colour="histogram"), plain) < 1
    other = paint(pictured, PHOTO, STYLE, keep_colour="histogram")
    assert error(other, paint(pictured, PHOTO, STYLE)) > 0.02


def test_masks(named):
    painted, other = paint(named, PHOTO, "dots"), paint(named, PHOTO, "waves")
    half = torch.ones(1, 1, 48, 64)
    half[..., 32:] = -1
    one = paint(named, PHOTO, "dots", mask=half)
    assert torch.allclose(one[..., :32], painted[..., :32]) and torch.allclose(one[..., 32:], PHOTO[..., 32:])
    two = paint(named, PHOTO, "dots", mask=half, style_outside="waves")
    assert torch.allclose(two[..., :32], painted[..., :32]) and torch.allclose(two[..., 32:], other[..., 32:])
    grey = paint(named, PHOTO, "dots", mask=torch.zeros(1, 1, 48, 64))
    assert torch.allclose(grey, (painted + PHOTO) / 2, atol=1e-6)
    for size in ((24, 32), (480, 640), (61, 81)):  # other sizes, one of them a rounding away in its proportions
        resized = paint(named, PHOTO, "dots", mask=F.interpolate(half, size=size))
        assert torch.allclose(resized[..., :30], painted[..., :30], atol=0.05)
        assert torch.allclose(resized[..., 34:], PHOTO[..., 34:], atol=0.05)


def test_grey_and_alpha(named):
    grey = blobs(6, channels=1)
    assert torch.equal(paint(named, grey, "dots"), paint(named, grey.expand(-1, 3, -1, -1), "dots"))
    kept = paint(named, grey, "dots", keep_colour="luminance")
    assert torch.allclose(kept[:, 0], kept[:, 2])  # a grey photo's colours are none
    alpha = torch.where(blobs(7, channels=1) > 0, 1.0, -1.0)
    hidden = torch.cat([torch.where(alpha > 0, PHOTO, -1.0), alpha], 1)
    result = paint(named, hidden, "dots")
    assert result.shape == (1, 4, 48, 64) and torch.equal(result[:, 3:], alpha)
    other = torch.cat([torch.where(alpha > 0, PHOTO, 0.7), alpha], 1)  # what nobody sees changes nothing
    assert torch.allclose(paint(named, other, "dots"), result)
    for value in (-1.0, 1.0):
        assert paint(named, torch.cat([PHOTO, torch.full_like(alpha, value)], 1), "dots").isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (3, 700), (1, 2000), (900, 2), (16, 16)])
def test_tiny_and_narrow_photos(named, size):
    result = paint(named, blobs(8, *size), "dots")
    assert result.shape == (1, 3, *size) and result.isfinite().all()


@pytest.mark.parametrize("style", [torch.full((1, 3, 64, 64), 0.3), blobs(3, 16, 16), blobs(3, 16, 400)])
@pytest.mark.parametrize("keep", ["", "luminance", "histogram"])
def test_flat_and_small_styles(pictured, style, keep):
    result = paint(pictured, PHOTO, style, keep_colour=keep)
    assert result.isfinite().all() and result.abs().max() <= 1


def test_weights_are_told_once(named):
    photo = blobs(1, 300, 420)
    with pytest.warns(UserWarning, match="sum to 4, not 1; they are taken as 0.75, 0.25") as told:
        blended = paint(named, photo, [("dots", 3), ("waves", 1)], tile=256)
    assert len(told) == 1
    assert torch.equal(blended, paint(named, photo, [("dots", 0.75), ("waves", 0.25)], tile=256))


def test_early_looks_and_cancelling():
    seen = []
    model = Gatys.tiny()
    result = paint(model, PHOTO, STYLE, on_step=lambda *call: seen.append(call), mask=torch.ones(1, 1, 48, 64))
    assert [call[:2] for call in seen] == [(k, 6) for k in range(1, 7)] and torch.equal(seen[-1][2], result)

    class Cancelled(Exception):
        pass

    def cancel(step, steps, look):
        raise Cancelled

    with pytest.raises(Cancelled):
        paint(model, PHOTO, STYLE, on_step=cancel)


def test_films_flicker_less_and_move_without_ghosts(named):
    """A still scene with a little noise, in which a square moves."""
    still, frames = blobs(9), []
    for k in range(8):
        frame = still + 0.02 * torch.randn(still.shape, generator=torch.Generator().manual_seed(k))
        frame[..., 10:26, 4 + 6 * k : 16 + 6 * k] = 1.0
        frames.append(frame.clamp(-1, 1))
    single = [paint(named, frame, "waves") for frame in frames]
    none = list(paint_frames(named, iter(frames), "waves", smoothing=0))
    assert all(torch.equal(a, b) for a, b in zip(none, single, strict=True))
    smooth = list(paint_frames(named, iter(frames), "waves", smoothing=0.7))
    corner = (..., slice(36, 48), slice(0, 64))  # nothing moves here

    def flicker(film):
        return sum(error(a[corner], b[corner]) for a, b in zip(film, film[1:], strict=False))

    assert flicker(smooth) < 0.6 * flicker(single)
    edge = (..., slice(10, 26), slice(46, 52))  # the square has just come here
    assert error(smooth[7][edge], single[7][edge]) < 0.3


def test_smoothing_in_closed_form():
    still, smoother = torch.zeros(1, 3, 8, 8), Smoother(0.5)
    values = [float(smoother(still, torch.full((1, 3, 16, 16), value)).mean()) for value in (0.0, 1.0, 1.0, 0.0)]
    assert values == pytest.approx([0.0, 0.5, 0.75, 0.375])
    cut = smoother(still + 1, torch.ones(1, 3, 16, 16))
    assert torch.equal(cut, torch.ones(1, 3, 16, 16))
    with pytest.raises(ConfigError, match=r"0 to 0\.95"):
        Smoother(1.0)


def test_a_film_is_read_as_it_is_painted(named):
    def endless():
        while True:
            yield PHOTO

    film = paint_frames(named, endless(), "dots")
    assert torch.allclose(next(film), next(film), atol=1e-6)


def test_sentences(named):
    for kind, arguments, words in (
        (ImageError, {"photo": PHOTO[0]}, "A photo to paint"),
        (ImageError, {"photo": PHOTO[:, :2]}, "C = 1, 3 or 4"),
        (ImageError, {"mask": PHOTO}, "one grey picture"),
        (ImageError, {"mask": PHOTO[:, :1, :, :40]}, "40 x 48 pixels and the photo 64 x 48: other proportions"),
        (ConfigError, {"style_outside": "waves"}, "needs a mask"),
        (ConfigError, {"keep_colour": "hue"}, "'luminance' or 'histogram'"),
        (ConfigError, {"style": "dot"}, "Did you mean 'dots'"),
        (ConfigError, {"tile": -1}, "pixels a side"),
        (ConfigError, {"tile": 100}, "at least 176 pixels"),
        (ConfigError, {"strength": 2.0}, "strength"),
        (ConfigError, {"tile": 512, "stylizer": Gatys.tiny(), "style": STYLE}, "cannot paint it in tiles"),
    ):
        with pytest.raises(kind, match=words):
            paint(**{"stylizer": named, "photo": PHOTO, "style": "dots", **arguments})


MEMORY = """
import torch
from ganhub.config import BaseConfig
from ganhub.models import Stylizer
from ganhub.nn.instance_norm import InstanceNorm
from ganhub.apply.styling import paint

class Quick(Stylizer):
    Config = BaseConfig

    def __init__(self, config=None):
        super().__init__(config)
        conv = {"padding": 1, "padding_mode": "reflect"}
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, 4, **conv), InstanceNorm(), torch.nn.ReLU(),
            torch.nn.Conv2d(8, 3, 3, **conv), torch.nn.Tanh(), torch.nn.Upsample(scale_factor=4),
        )

    def _paint(self, content, styles, strength, scale, seed, on_step):
        return self.body(content)[:, :, : content.shape[2], : content.shape[3]]

torch.set_num_threads(1)
for height, width in ((2000, 3000), (3000, 4000)):
    photo = torch.rand(1, 3, height // 50, width // 50).repeat_interleave(50, 2).repeat_interleave(50, 3)
    result = paint(Quick(), photo, torch.rand(1, 3, 64, 64), keep_colour="luminance")
    assert result.shape == photo.shape
    del photo, result
    # Not getrusage: the peak that it tells begins with that of the process that started this one.
    status = open("/proc/self/status").read().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc")
def test_memory_is_flat(root):
    """12 megapixels in under 2 GB; 6 more of them cost little more than themselves and their painting in float32."""
    command = [sys.executable, "-c", MEMORY]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    first, second = map(int, done.stdout.split())
    assert second < 2000 and second - first < 2 * 6 * 3 * 4 * 1.5, (first, second)


def test_no_warnings_for_weights_that_sum_to_one(named):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paint(named, PHOTO, [("dots", 0.5), ("waves", 0.5)])
