"""Interpolation against its closed form, walks against the pictures of their seeds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganhub import latents
from ganhub.errors import ConfigError
from ganhub.models import get_architecture


def test_slerp_on_the_circle():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    for t in (0.0, 0.25, 0.5, 1.0):
        expected = torch.tensor([2 * math.cos(t * math.pi / 2), 2 * math.sin(t * math.pi / 2)])
        assert torch.allclose(latents.slerp(a, b, t), expected, atol=1e-6)
    assert torch.allclose(latents.slerp(a, 3 * b, 0.5).norm(), torch.tensor(4.0))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 200), st.floats(0, 1), st.integers(0, 2**31))
def test_slerp_is_whites_formula(dim, t, seed):
    """Section 2.1 of White 2016 as printed, on unit vectors, where it is well conditioned."""
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, dim, dtype=torch.float64, generator=generator)
    a, b = a / a.norm(), b / b.norm()
    omega = torch.arccos((a * b).sum().clamp(-1, 1))
    if not 0.05 < omega < math.pi - 0.05:
        return
    expected = torch.sin((1 - t) * omega) / torch.sin(omega) * a + torch.sin(t * omega) / torch.sin(omega) * b
    assert torch.allclose(latents.slerp(a, b, t), expected, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 64), st.integers(0, 2**31))
def test_slerp_keeps_the_length_and_is_exact_at_its_ends(dim, seed):
    a, b = torch.randn(2, dim, generator=torch.Generator().manual_seed(seed))
    b = b / b.norm() * a.norm()
    t = torch.linspace(0, 1, 11)
    path = latents.slerp(a, b, t)
    assert path.shape == (11, dim) and path.dtype == a.dtype
    assert torch.equal(path[0], a) and torch.equal(path[-1], b)
    assert torch.allclose(path.norm(dim=-1), a.norm().expand(11), rtol=1e-5)
    steps = (path[1:] - path[:-1]).norm(dim=-1)  # constant speed
    assert torch.allclose(steps, steps[0].expand(10), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dim", [2, 3, 128])
def test_equal_and_opposite_directions(dim):
    a = torch.randn(dim, generator=torch.Generator().manual_seed(dim))
    t = torch.linspace(0, 1, 9)
    assert torch.allclose(latents.slerp(a, a, t), a.expand(9, dim), atol=1e-6)
    assert torch.allclose(latents.slerp(a, 3 * a, 0.5), 2 * a, atol=1e-5)
    for opposite in (-a, -a + 1e-9 * torch.ones(dim)):
        half_circle = latents.slerp(a, opposite, t)
        assert torch.allclose(half_circle.norm(dim=-1), a.norm().expand(9), rtol=1e-4)
        assert abs(float(half_circle[4] @ a)) < 1e-4 * float(a @ a)  # at right angles half-way
        assert torch.equal(half_circle[-1], opposite)


def test_nearly_opposite_is_smooth():
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([-1.0, 1e-5, 0.0])
    assert torch.allclose(latents.slerp(a, b, 0.5), torch.tensor([0.0, 1.0, 0.0]), atol=1e-4)


def test_without_a_direction_the_line_is_straight():
    a, zero = torch.tensor([3.0, 4.0]), torch.zeros(2)
    assert torch.allclose(latents.slerp(a, zero, 0.25), 0.75 * a)
    assert torch.equal(latents.slerp(zero, zero, 0.5), zero)
    assert torch.allclose(latents.slerp(torch.tensor([2.0]), torch.tensor([-2.0]), 0.5), torch.zeros(1))


def test_broadcasting_and_lerp():
    a, b = torch.randn(5, 1, 8), torch.randn(1, 7, 8)
    assert latents.slerp(a, b, 0.3).shape == latents.lerp(a, b, 0.3).shape == (5, 7, 8)
    assert latents.slerp(a[0, 0], b[0, 0], torch.rand(6)).shape == (6, 8)
    assert torch.allclose(latents.lerp(a, b, 0.25), 0.75 * a + 0.25 * b, atol=1e-6)
    assert torch.equal(latents.lerp(a[:, 0], b[0, :5], 1.0), b[0, :5])
    for bad in (torch.randn(7), torch.randn(3, 8), torch.tensor(1.0)):
        with pytest.raises(ConfigError):
            latents.slerp(torch.randn(2, 8), bad, 0.5)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 30), st.booleans())
def test_a_walk_meets_every_point_in_order(points, extra, loop):
    z = torch.randn(points, 5, generator=torch.Generator().manual_seed(points))
    frames = points + extra
    path = latents.walk_latents(z, frames, loop=loop)
    assert path.shape == (frames, 5)
    met = [next(i for i in range(frames) if torch.equal(path[i], point)) for point in z]
    assert met == sorted(met) and met[0] == 0
    if not loop:
        assert met[-1] == frames - 1


@pytest.mark.parametrize("loop", [False, True])
def test_legs_share_the_frames_by_their_length(loop):
    """Angles of 90, 30 and (back) 60 degrees on a circle; in w, sides of 3, 4 and 5."""
    angles = torch.tensor([0.0, 90.0, 60.0]).deg2rad()
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    path = latents.walk_latents(circle, 36 if loop else 25, loop=loop)
    met = [next(i for i in range(len(path)) if torch.equal(path[i], point)) for point in circle]
    assert met == [0, 18, 24]
    triangle = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    path = latents.walk_latents(triangle, 24 if loop else 15, loop=loop, space="w")
    steps = (path - path.roll(1, 0)).norm(dim=-1)[0 if loop else 1 :]
    assert torch.allclose(steps, torch.full_like(steps, 0.5), atol=1e-6)
    assert latents.walk_latents(torch.ones(4, 3), 9).eq(1).all()  # no way at all: shared out evenly


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 7), st.integers(0, 80), st.integers(0, 2**31))
def test_no_other_sharing_has_a_shorter_longest_step(points, extra, seed):
    """Moving a frame from any leg to the one with the longest steps makes the other's longer still."""
    z = torch.randn(points, 4, generator=torch.Generator().manual_seed(seed))
    path = latents.walk_latents(z, points + extra, space="w")
    met = [next(i for i in range(len(path)) if torch.equal(path[i], point)) for point in z]
    shares = [after - before for before, after in zip(met, met[1:], strict=False)]
    lengths = (z[1:] - z[:-1]).norm(dim=-1).tolist()
    longest = max(length / share for length, share in zip(lengths, shares, strict=True))
    others = [length / (share - 1) for length, share in zip(lengths, shares, strict=True) if share > 1]
    assert all(other >= longest * (1 - 1e-4) for other in others)


def test_a_loop_has_no_jump():
    z = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    path = latents.walk_latents(z, 30, loop=True)
    steps = (path - path.roll(1, 0)).norm(dim=-1)
    assert steps.max() < 1.6 * steps.min()


def test_truncate():
    z = torch.randn(4, 8)
    assert torch.equal(latents.truncate(z, 1.0), z)
    assert torch.equal(latents.truncate(z, 0.5), z * 0.5)
    assert not latents.truncate(z, 0).any()
    for bad in (-0.1, 1.6, float("nan")):
        with pytest.raises(ConfigError, match="truncation"):
            latents.truncate(z, bad)


@pytest.fixture(scope="module")
def gan():
    return get_architecture("dcgan").tiny().eval()


@pytest.fixture(scope="module")
def conditional():
    return get_architecture("conditional-gan").tiny().eval()


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, atol=1e-5)  # batches of another size may round differently


def test_walk_ends_at_the_seeds_pictures(gan):
    pictures = latents.walk(gan, [5, 9, 5], frames=9)
    assert pictures.shape == (9, gan.config.channels, gan.config.image_size, gan.config.image_size)
    five, nine = gan.sample(1, seed=5)[0], gan.sample(1, seed=9)[0]
    assert same(pictures[0], five) and same(pictures[4], nine) and same(pictures[8], five)
    assert not same(pictures[2], five) and not same(pictures[2], nine)
    assert torch.equal(pictures, latents.walk(gan, [5, 9, 5], frames=9))
    truncated = latents.walk(gan, [5, 9], frames=2, truncation=0.5)
    assert same(truncated[1], gan.sample(1, seed=9, truncation=0.5)[0])


def test_walk_between_classes(conditional):
    fixed = latents.walk(conditional, [1, 2], frames=4, label=1)
    assert same(fixed[-1], conditional.sample(1, seed=2, label=1)[0])
    own = latents.walk(conditional, [1, 2], frames=4)
    assert same(own[0], conditional.sample(1, seed=1)[0]) and same(own[-1], conditional.sample(1, seed=2)[0])
    each = latents.walk(conditional, [1, 2], frames=4, label=[1, 0])
    assert same(each[1], fixed[1])  # still nearer to seed 1
    assert same(each[-1], conditional.sample(1, seed=2, label=0)[0])


def test_walk_sentences(gan, conditional):
    for arguments, words in (
        ({"seeds": [1]}, "one more"),
        ({"seeds": []}, "two seeds"),
        ({"frames": 1}, "frames"),
        ({"frames": 10**9}, "frames"),
        ({"frames": 2.5}, "frames"),
        ({"space": "w"}, "use space='z'"),
        ({"truncation": 9}, "truncation"),
        ({"label": 3}, "no classes"),
    ):
        with pytest.raises(ConfigError, match=words):
            latents.walk(gan, **{"seeds": [1, 2], "frames": 4, **arguments})
    with pytest.raises(ConfigError, match="no class"):
        latents.walk(conditional, [1, 2], 4, label=9999)
    with pytest.raises(ConfigError, match="latent generator"):
        latents.walk(torch.nn.Identity(), [1, 2], 4)
