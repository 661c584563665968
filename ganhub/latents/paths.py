"""Moving through latent space: arcs and straight lines, and walks from seed to seed at constant speed.

Samples of N(0, I) in D dimensions lie near a sphere of radius sqrt(D). A straight line between two of them
runs through its inside, where the generator saw next to nothing in training; the arc between them does not.
That is spherical interpolation, section 2.1 of "Sampling Generative Networks" (White 2016, arXiv:1609.04468).
W has no such shape: the mapping network may bend it as it likes, and straight lines are the smoother way there
(section 4.1 of "A Style-Based Generator Architecture", Karras et al. 2019, arXiv:1812.04948).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.latents.easing import Easing, get_easing
from ganhub.models import LatentGenerator, StyleGenerator
from ganhub.models._verbs import require_truncation

MAX_FRAMES = 10_000
MAX_PIXELS = 2**20  # made at a time; their noise inputs are turned in float64
SPACES = ("z", "w")
PACES = ("latent", "picture")
LOOKS = 2  # pictures for each frame that are looked at to find an even pace


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


# ---- walks


Place = tuple[int, int, float]  # between which two points a frame is, and how far on the way
Make = Callable[[Sequence[Place]], Tensor]  # pictures [N, C, H, W] of places


def _arc_lengths(start: Tensor, end: Tensor) -> Tensor:
    """Length of `slerp`'s way, near enough: angle times mean radius, and what the radius changes by. [...]."""
    start, end = start.double(), end.double()
    radii = start.norm(dim=-1), end.norm(dim=-1)
    both = (radii[0] * radii[1]).clamp_min(torch.finfo(torch.float64).tiny)
    cosine = ((start * end).sum(-1) / both).clamp(-1, 1)
    angle = torch.where((radii[0] == 0) | (radii[1] == 0), 0.0, cosine.arccos())
    return torch.hypot(angle * (radii[0] + radii[1]) / 2, radii[0] - radii[1])


def _shares(lengths: Sequence[float], steps: int) -> list[int]:
    """Share steps among legs, at least one each, so that the longest step of all is as short as can be."""
    shares = [1] * len(lengths)
    longest = [(-length, 1, leg) for leg, length in enumerate(lengths)]  # by the length of its steps
    heapq.heapify(longest)
    for _ in range(steps - len(lengths)):
        _, share, leg = longest[0]
        shares[leg] = share + 1
        heapq.heapreplace(longest, (-lengths[leg] / (share + 1), share + 1, leg))
    return shares


@dataclass(frozen=True)
class Timing:
    """When a walk is where.

    Attributes:
        frames: How many there are.
        loop: Whether the last leg goes back to the first point.
        durations: How long each leg lasts, compared with the others; () gives long ways more frames.
        easing: How each leg is moved along.
    """

    frames: int
    loop: bool
    durations: Sequence[float]
    easing: Easing

    @property
    def steps(self) -> int:
        """Frames on the legs; a loop leaves out the frame that would repeat the first, others end with one more."""
        return self.frames if self.loop else self.frames - 1

    def shares(self, lengths: Sequence[float]) -> list[int]:
        """Frames of each leg, of which ``lengths`` says how long it is."""
        return _shares(self.durations or lengths, self.steps)

    def moments(self, share: int) -> Tensor:
        """How far on a leg each of its frames is, from 0 on."""
        return self.easing(torch.arange(share, dtype=torch.float64, device="cpu") / share)


def _places(points: Tensor, timing: Timing, space: str) -> list[Place]:
    """Where each frame is. Every point is met exactly, by one frame."""
    count = len(points)
    ends = points.roll(-1, 0) if timing.loop else points[1:]
    starts = points if timing.loop else points[:-1]
    lengths = _arc_lengths(starts, ends) if space == "z" else (ends.double() - starts.double()).norm(dim=-1)
    rounded = [float(f"{length:.6g}") for length in lengths.tolist()]  # the way back is as long as the way there
    places = [
        (leg, (leg + 1) % count, t)
        for leg, share in enumerate(timing.shares(rounded))
        for t in timing.moments(share).tolist()
    ]
    return places if timing.loop else [*places, (count - 1, count - 1, 0.0)]


def _even_places(legs: Sequence[tuple[int, int]], timing: Timing, make: Make) -> list[Place]:
    """Places between which the pictures change about equally: by the root mean square of what changes.

    Each leg is looked at in equal steps first. Frames are shared among legs by how much changes on them, and laid on
    each where as much has changed as ever since the frame before.
    """
    looks = max(8, LOOKS * timing.frames // len(legs))
    along = torch.linspace(0, 1, looks + 1, dtype=torch.float64, device="cpu")
    changed = []
    for start, end in legs:
        film = make([(start, end, t) for t in along.tolist()]).double()
        steps = (film[1:] - film[:-1]).square().mean((1, 2, 3)).sqrt().cpu() + 1e-9  # never quite 0: time goes on
        changed.append(torch.cat([steps.new_zeros(1), steps.cumsum(0)]))
    places = []
    for (start, end), so_far, share in zip(legs, changed, timing.shares([c[-1].item() for c in changed]), strict=True):
        wanted = so_far[-1] * timing.moments(share)
        after = torch.searchsorted(so_far, wanted, right=True).clamp(1, looks)
        part = (wanted - so_far[after - 1]) / (so_far[after] - so_far[after - 1])
        places += [(start, end, t) for t in torch.lerp(along[after - 1], along[after], part).tolist()]
    return places if timing.loop else [*places, (legs[-1][1], legs[-1][1], 0.0)]


def _at(points: Tensor, places: Sequence[Place], space: str) -> Tensor:
    """The points of some places: [P, D] -> [len(places), D], along arcs in z, along straight lines in w."""
    start = points[[place[0] for place in places]]
    end = points[[place[1] for place in places]]
    t = torch.tensor([place[2] for place in places], dtype=torch.float64, device="cpu")
    return slerp(start, end, t) if space == "z" else lerp(start, end, t)


def walk_latents(points: Tensor, frames: int, *, loop: bool = False, space: str = "z") -> Tensor:
    """Walk from point to point at constant speed.

    Args:
        points: [P, D], P at least 2.
        frames: How many latents to return, at least P. The legs share them by their length as evenly as whole
            numbers can, and each point is one of them, bit for bit.
        loop: Go back to the first point at the end; the last frame is the one before it, so that a video
            repeats without a jump.
        space: "z" goes along arcs, "w" along straight lines.

    Returns:
        [frames, D].

    Raises:
        ConfigError: Fewer than two points, too few frames, another space.
    """
    if points.dim() != 2 or points.shape[0] < 2:
        raise ConfigError("A walk goes between at least two latents: give two seeds or more.")
    _check_frames(points.shape[0], frames)
    if space not in SPACES:
        raise ConfigError(f"There is no latent space {space!r}.{nearest(space, SPACES)} Choose 'z' or 'w'.")
    return _at(points, _places(points, Timing(frames, loop, (), get_easing("linear")), space), space)


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
    pace: str = "latent",
    durations: Sequence[float] = (),
    easing: str = "linear",
) -> Tensor:
    """Pictures on the way from seed to seed; at each seed, the picture that ``sample`` makes of it.

    Args:
        model: Any latent generator.
        seeds: Two or more.
        frames: How many pictures, at least one for each seed; long ways get more of them than short ones.
        label: For a conditional model: one class for the whole walk, or one for each seed. None gives each
            seed the class that ``sample`` gives it. Between two classes, z takes the nearer seed's; W goes
            smoothly from one to the other.
        loop: End just before the first seed, so that a video repeats without a jump.
        space: "z", along arcs of the sphere, or "w", along straight lines, for models that have a W space.
        truncation: As in ``sample``.
        pace: "latent" moves at constant speed in that space. "picture" goes slower where the pictures change fast, so
            that neighbouring frames differ about equally; it makes two more pictures for each frame to find out.
        durations: One for each seed: how long the way from it to the next lasts, compared with the others. () gives
            long ways more frames.
        easing: A name of :func:`ganhub.latents.easing.list_easings`: how the way between two seeds is moved along.

    Returns:
        float32 [frames, C, H, W] in [-1, 1], on the model's device.

    Raises:
        ConfigError: Fewer than two seeds, too few frames, an unknown class, space or easing.
    """
    pixels = math.prod(model.config.size) if isinstance(model, LatentGenerator) else 1
    batch_size = max(1, min(64, MAX_PIXELS // pixels))
    options = {
        "label": label, "loop": loop, "space": space, "truncation": truncation, "pace": pace, "durations": durations,
        "easing": easing,
    }  # fmt: skip
    return torch.stack(list(frames_of(model, seeds, frames, batch_size=batch_size, **options)))


def frames_of(
    model: LatentGenerator,
    seeds: Sequence[int],
    frames: int,
    *,
    label: int | str | Sequence[int | str] | None = None,
    loop: bool = False,
    space: str = "z",
    truncation: float = 1.0,
    pace: str = "latent",
    durations: Sequence[float] = (),
    easing: str = "linear",
    batch_size: int = 1,
) -> Iterator[Tensor]:
    """The pictures of `walk` one by one, each float32 [C, H, W], so that one can watch, stop, or write as they come.

    Arguments are checked before the first picture is asked for; ``batch_size`` is how many are made at a time.
    """
    if not isinstance(model, LatentGenerator):
        raise ConfigError(f"{type(model).__name__} makes no pictures from seeds: take a latent generator.")
    spaces = SPACES if isinstance(model, StyleGenerator) else SPACES[:1]
    if space not in spaces:
        use = " or ".join(f"space='{name}'" for name in spaces)
        raise ConfigError(f"{model.architecture} has no latent space {space!r}: use {use}.")
    if pace not in PACES:
        raise ConfigError(f"There is no pace {pace!r}.{nearest(pace, PACES)} Choose 'latent' or 'picture'.")
    require_truncation(truncation)
    seeds = [int(seed) for seed in seeds]
    if len(seeds) < 2:
        raise ConfigError(f"A walk goes between at least two seeds, not {len(seeds)}: give one more.")
    _check_frames(len(seeds), frames)
    timing = _timing(seeds, frames, loop, durations, easing)
    classes = _classes(model, seeds, label)
    points = model.latent(seeds)
    if space == "w":
        points = model.to_w(points, classes, truncation=truncation)
    points = points.cpu()  # some devices lack the float64 that paths are computed in
    noises = model.noise(seeds).cpu() if model.noise_dim else None

    def make(part: Sequence[Place]) -> Tensor:
        point = _at(points, part, space)
        # The noise turns from one seed's into the next's; an arc keeps its variance, and nothing jumps.
        noise = None if noises is None else _at(noises, part, "z")
        if space == "w":
            return model.from_w(point, noise=noise, batch_size=batch_size)
        labels = None if classes is None else classes[[start if t < 0.5 else end for start, end, t in part]]
        return model.generate(point, labels, truncation=truncation, noise=noise, batch_size=batch_size)

    def made() -> Iterator[Tensor]:
        legs = [(i, (i + 1) % len(seeds)) for i in range(len(seeds) if loop else len(seeds) - 1)]
        even = pace == "picture"
        places = _even_places(legs, timing, make) if even else _places(points, timing, space)
        for i in range(0, frames, batch_size):
            yield from make(places[i : i + batch_size])

    return made()


def _timing(seeds: list[int], frames: int, loop: bool, durations: Sequence[float], easing: str) -> Timing:
    """When a walk is where; ConfigError for durations or an easing that cannot be."""
    wrong = [one for one in durations if not 0 < one < math.inf]
    if wrong or len(durations) not in (0, len(seeds)):
        raise ConfigError(f"A walk has a duration above 0 for each of its {len(seeds)} seeds, not {list(durations)}.")
    return Timing(frames, loop, durations if loop else durations[:-1], get_easing(easing))


def _classes(model: LatentGenerator, seeds: list[int], label: int | str | Sequence[int | str] | None) -> Tensor | None:
    """The class of each seed, or None for an unconditional model."""
    if label is not None:
        return model.labels(len(seeds), label)  # says what is wrong with a label
    count = model.config.num_classes
    return torch.tensor([seed % count for seed in seeds], device="cpu") if count else None
