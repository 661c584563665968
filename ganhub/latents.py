"""Moving through latent space: interpolation on the sphere, walks between seeds, truncation.

Samples of N(0, I) in D dimensions lie near a sphere of radius sqrt(D). A straight line between two of them
runs through its inside, where the generator saw next to nothing in training; the arc between them does not.
That is spherical interpolation, section 2.1 of "Sampling Generative Networks" (White 2016, arXiv:1609.04468).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator

MAX_FRAMES = 10_000


def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The straight line from a (t = 0) to b (t = 1), both exact: [..., D]; ``t`` as in `slerp`."""
    a, b, t = _checked(a, b, t)
    return _exact_ends(a, b, t, a.double() + (b.double() - a.double()) * t)


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The arc from a (t = 0) to b (t = 1) at constant angular speed, its length changing evenly on the way.

    White 2016, section 2.1: sin((1-t) W)/sin W a + sin(t W)/sin W b, with W the angle between a and b. That
    divides by zero when W is 0 or pi, so the same arc is drawn as cos(t W) u + sin(t W) v, where u is the
    direction of a and v the direction at right angles to it towards b. Equal directions then need no case of
    their own; opposite ones have infinitely many arcs, of which a fixed one is taken.

    Args:
        a, b: [..., D], D at least 1; leading sizes broadcast. A zero vector has no direction: such pairs are
            joined by the straight line.
        t: A number, or a tensor that broadcasts with the leading sizes. Beyond [0, 1] the arc goes on.

    Returns:
        [..., D] in the type of ``a``; exactly a at t = 0 and exactly b at t = 1.
    """
    a, b, t = _checked(a, b, t)
    start, end = a.double(), b.double()
    radius_a, radius_b = start.norm(dim=-1, keepdim=True), end.norm(dim=-1, keepdim=True)
    tiny = torch.finfo(torch.float64).tiny
    u, towards = start / radius_a.clamp_min(tiny), end / radius_b.clamp_min(tiny)
    cosine = (u * towards).sum(-1, keepdim=True)
    across = towards - cosine * u
    sine = across.norm(dim=-1, keepdim=True)
    # Opposite within rounding: leave u towards the axis that it leans on least.
    axis = torch.zeros_like(u).scatter_(-1, u.abs().argmin(dim=-1, keepdim=True), 1.0)
    other = axis - (axis * u).sum(-1, keepdim=True) * u
    opposite = (sine < 1e-7) & (cosine < 0)
    other = other / other.norm(dim=-1, keepdim=True).clamp_min(tiny)
    v = torch.where(opposite, other, across / sine.clamp_min(tiny))
    angle = torch.atan2(sine, cosine) * t
    radius = radius_a + (radius_b - radius_a) * t
    arc = radius * (angle.cos() * u + angle.sin() * v)
    # Without a direction, or with one dimension only, there is no arc.
    straight = (radius_a == 0) | (radius_b == 0)
    if start.shape[-1] == 1:
        straight = torch.ones_like(straight)
    return _exact_ends(a, b, t, torch.where(straight, start + (end - start) * t, arc))


def _checked(a: Tensor, b: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if a.dim() == 0 or b.dim() == 0 or a.shape[-1] != b.shape[-1] or a.shape[-1] == 0:
        raise ConfigError(f"Two latents need the same length, not {list(a.shape)} and {list(b.shape)}.")
    t = torch.as_tensor(t, dtype=torch.float64, device=a.device)[..., None]
    try:
        shape = torch.broadcast_shapes(a.shape, b.shape, (*t.shape[:-1], a.shape[-1]))
    except RuntimeError as error:
        shapes = f"{list(a.shape)}, {list(b.shape)} and t {list(t.shape[:-1])}"
        raise ConfigError(f"The sizes {shapes} do not fit together.") from error
    return a.expand(shape), b.to(a.device, a.dtype).expand(shape), t


def _exact_ends(a: Tensor, b: Tensor, t: Tensor, between: Tensor) -> Tensor:
    return torch.where(t == 0, a, torch.where(t == 1, b, between.to(a.dtype)))


def truncate(z: Tensor, truncation: float) -> Tensor:
    """z * truncation: nearer to 0 lie the typical pictures, fewer of them and safer.

    The simplest form of the truncation trick of "Large Scale GAN Training" (Brock 2019, arXiv:1809.11096,
    section 3.1), which draws z again where it is large; scaling keeps "same seed, same picture".

    Args:
        z: Any shape.
        truncation: 0 (one picture for all seeds) to 1.5; 1 changes nothing.

    Raises:
        ConfigError: Outside that range.
    """
    if not 0 <= truncation <= 1.5:  # NaN fails too
        raise ConfigError(f"truncation must be from 0 to 1.5, not {truncation!r}.")
    return z if truncation == 1 else z * truncation


def _positions(points: int, frames: int, loop: bool) -> list[tuple[int, int, float]]:
    """Where each frame is: (from point, to point, t). Every point is met exactly, by one frame."""
    legs = points if loop else points - 1
    last = frames if loop else frames - 1  # a loop leaves out the frame that would repeat the first
    stops = [round(leg * last / legs) for leg in range(legs + 1)]
    places = []
    for leg in range(legs):
        steps = stops[leg + 1] - stops[leg]
        places += [(leg, (leg + 1) % points, step / steps) for step in range(steps)]
    return places if loop else [*places, (points - 1, points - 1, 0.0)]


def walk_latents(points: Tensor, frames: int, *, loop: bool = False) -> Tensor:
    """Walk along arcs from point to point.

    Args:
        points: [P, D], P at least 2.
        frames: How many latents to return, at least P. The legs share them as evenly as whole numbers can,
            and each point is one of them, bit for bit.
        loop: Go back to the first point at the end; the last frame is the one before it, so that a video
            repeats without a jump.

    Returns:
        [frames, D].
    """
    if points.dim() != 2 or points.shape[0] < 2:
        raise ConfigError("A walk goes between at least two latents: give two seeds or more.")
    _check_frames(points.shape[0], frames)
    places = _positions(points.shape[0], frames, loop)
    start = points[[place[0] for place in places]]
    end = points[[place[1] for place in places]]
    return slerp(start, end, torch.tensor([place[2] for place in places], dtype=torch.float64))


def _check_frames(points: int, frames: int) -> None:
    if isinstance(frames, bool) or not isinstance(frames, int) or not points <= frames <= MAX_FRAMES:
        raise ConfigError(f"A walk of {points} seeds has {points} to {MAX_FRAMES:,} frames, not {frames!r}.")


def walk(
    model: LatentGenerator,
    seeds: Sequence[int],
    frames: int,
    *,
    label: int | str | Sequence[int | str] | None = None,
    loop: bool = False,
    space: str = "z",
    truncation: float = 1.0,
) -> Tensor:
    """Pictures on the way from seed to seed; at each seed, the picture that ``sample`` makes of it.

    Args:
        model: Any latent generator.
        seeds: Two or more.
        frames: How many pictures, at least one for each seed.
        label: For a conditional model: one class for the whole walk, or one for each seed. None gives each
            seed the class that ``sample`` gives it. Between two classes, the nearer seed's is taken.
        loop: End just before the first seed, so that a video repeats without a jump.
        space: "z", along arcs of the sphere; the only space that the models of today have.
        truncation: As in ``sample``.

    Returns:
        float32 [frames, C, H, W] in [-1, 1].

    Raises:
        ConfigError: Fewer than two seeds, too few frames, an unknown class or space.
    """
    if not isinstance(model, LatentGenerator):
        raise ConfigError(f"{type(model).__name__} makes no pictures from seeds: take a latent generator.")
    if space != "z":
        raise ConfigError(f"{model.architecture} has no latent space {space!r}: use space='z'.")
    seeds = [int(seed) for seed in seeds]
    if len(seeds) < 2:
        raise ConfigError(f"A walk goes between at least two seeds, not {len(seeds)}: give one more.")
    _check_frames(len(seeds), frames)
    places = _positions(len(seeds), frames, loop)
    classes = _classes(model, seeds, label)
    nearer = torch.tensor([start if t < 0.5 else end for start, end, t in places])
    labels = None if classes is None else classes[nearer]
    z = truncate(model.latent(seeds), truncation)
    return model.generate(walk_latents(z, frames, loop=loop), labels)


def _classes(model: LatentGenerator, seeds: list[int], label: int | str | Sequence[int | str] | None) -> Tensor | None:
    """The class of each seed, or None for an unconditional model."""
    if label is not None:
        return model.labels(len(seeds), label)  # says what is wrong with a label
    count = model.config.num_classes
    return torch.tensor([seed % count for seed in seeds]) if count else None
