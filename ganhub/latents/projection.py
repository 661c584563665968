"""Projection: a real picture into W or W+, where it can be edited.

Gradient descent on the point in W, as in appendix D of "Analyzing and Improving the Image Quality of StyleGAN" (Karras
et al. 2020, arXiv:1912.04958): a perceptual distance, noise on the point that fades away, and a learning rate that
rises and falls. W+ gives each layer a w of its own ("Image2StyleGAN", Abdal et al. 2019, arXiv:1904.03189), which
comes closer to the picture and strays further from what the generator knows; a pull towards the mean of W holds it.
What differs: the start is the best of some hundred seeds instead of the mean, which leaves less way to go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub import images
from ganhub.errors import ConfigError, ImageError
from ganhub.latents.directions import sample_w
from ganhub.latents.mixing import needs_w
from ganhub.models import StyleGenerator
from ganhub.nn.features import MIN_SIDE, FeatureNetwork, feature_network
from ganhub.nn.precision import has_bf16
from ganhub.nn.random import normal

SPACES = ("w+", "w")
MAX_STEPS = 100_000
STARTS = 256  # seeds that are looked at; fewer where pictures are large
START_PIXELS = STARTS * 64 * 64
RATE = 0.1  # Adam's, in standard deviations of W
JITTER = 0.05  # of the noise on w, in the same unit: appendix D
PIXELS = 0.1  # weight of the mean squared difference of pixels
PULL = 1e-3  # weight of the squared distance to the mean, in standard deviations of W
LOOK = 20  # steps between two early looks
JITTER_STREAM = 0xB00  # and the step: keeps what is drawn here apart from what else is drawn of the same seed

OnStep = Callable[[int, int, Tensor | None], None]


@dataclass(frozen=True, eq=False)
class Projection:
    """What became of a picture.

    Attributes:
        w: float32, w+ [1, L, style_dim] or w [1, style_dim], on the model's device.
        noise: [1, noise_dim], the noise inputs that it was found with.
        picture: ``model.from_w(w, noise=noise)``, [1, C, H, W] in [-1, 1].
        target: The picture that was asked for, as the model could show it: its size and channels.
        error: `PerceptualDistance` between the two.
        start_error: That of the best seed, where the descent began.
        steps: How many steps were made.
        seconds: How long all took.
        space: "w+" or "w".
        label: The class whose seeds were started from, or None.
        note: What was done to the picture and what else one should know, in sentences; "" for nothing.
    """

    w: Tensor
    noise: Tensor
    picture: Tensor
    target: Tensor
    error: float
    start_error: float
    steps: int
    seconds: float
    space: str
    label: int | None = None
    note: str = ""


class PerceptualDistance:
    """How far pictures look from one target, by all layers of a feature network, with gradients.

    At each place the features are scaled to length 1, squared differences are summed over channels and averaged over
    places and layers: what :func:`ganhub.metrics.perceptual_distance` measures, for many pictures at once. Pictures
    with transparency are compared on white and on black; those below 16 pixels a side are enlarged.

    Args:
        network: A feature network, or its name.
        target: [1, C, H, W] in [-1, 1].
    """

    def __init__(self, network: str | FeatureNetwork, target: Tensor) -> None:
        network = feature_network(network) if isinstance(network, str) else network
        self.network = network.to(target.device, memory_format=torch.channels_last)
        with torch.no_grad():
            self.wanted = self._features(target)

    def __call__(self, pictures: Tensor) -> Tensor:
        """[N, C, H, W] -> [N], float32, from 0 for equal pictures to 4."""
        n, distances = len(pictures), []
        for name, maps in self._features(pictures).items():
            wanted = self.wanted[name]
            difference = (maps.unflatten(0, (-1, n)) - wanted.unflatten(0, (-1, 1))).float()
            distances.append(difference.square().sum(2).mean((0, 2, 3)))
        return torch.stack(distances).mean(0)

    def _features(self, pictures: Tensor) -> dict[str, Tensor]:
        views = rgb_views(pictures)
        if min(views.shape[-2:]) < MIN_SIDE:
            views = F.interpolate(views, scale_factor=math.ceil(MIN_SIDE / min(views.shape[-2:])), mode="nearest")
        views = views.contiguous(memory_format=torch.channels_last)
        features = self.network(views, self.network.layers)
        return {name: maps * maps.float().square().sum(1, keepdim=True).clamp_min(1e-20).rsqrt().to(maps.dtype)
                for name, maps in features.items()}  # fmt: skip


def rgb_views(pictures: Tensor) -> Tensor:
    """Grey repeated; RGBA [N, 4, H, W] laid on white and on black, [2 N, 3, H, W], so that its alpha is seen."""
    if pictures.shape[1] < 4:
        return pictures.expand(-1, 3, -1, -1)
    return torch.cat([images.on_white(pictures), images.on_background(pictures, -1)])


def project(
    model: StyleGenerator,
    image: Tensor,
    *,
    label: int | str | None = None,
    space: str = "w+",
    steps: int = 300,
    network: str = "vgg-lite",
    seconds: float | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Projection:
    """Find the point of W or W+ whose picture looks most like a given one.

    Args:
        model: A model with a W space.
        image: [1, C, H, W] or [C, H, W] in [-1, 1], C = 1, 3 or 4, of any size: its centre is cut out and scaled.
        label: Class whose seeds are started from, for a conditional model; None looks for the best.
        space: "w+" comes closer to the picture, "w" edits more cleanly.
        steps: Steps of the descent.
        network: Feature network of the distance, "vgg-lite" or "vgg19".
        seconds: Stop after about so many, with fewer steps; the schedule fits itself to it. None makes every step,
            and the same result each time.
        seed: First of the seeds that are started from, and of the noise inputs.
        on_step: Called with (step, steps, early look [1, C, H, W] or None); may raise to stop. Step 0 is the search
            for a start, and ends with the first look.

    Returns:
        The point, its picture and how close it came; never worse than the best seed.

    Raises:
        ConfigError: A model without a W space, or an unknown space, network or class.
        ImageError: A picture of another shape, empty, or with values that are no picture's.
    """
    began = time.monotonic()
    needs_w(model)
    if space not in SPACES:
        raise ConfigError(f"There is no space {str(space)!r} to project to: choose 'w+' or 'w'.")
    _check_length(steps, seconds)
    if label is not None:
        label = model.class_index(label)
    tell = on_step or (lambda step, steps, picture: None)
    target, note = fitted(model, image)
    search = _Search(model, target.to(model.device), network, seed)
    start, index = search.best_seed(label, lambda: tell(0, steps, None))
    if index is not None and label is None:
        note = f"{note} The nearest class is {(model.config.class_names or range(index + 1))[index]}.".strip()
    start_error = search.error(start)
    tell(0, steps, search.picture(start))
    until = None if seconds is None else began + seconds
    w, steps_done = search.descend(start, index, space, steps, until, tell)
    error = search.error(w)
    if not error < start_error:  # also where it is NaN
        w, error = start if space == "w" else model.per_layer(start).clone(), start_error
        note = f"{note} No step came closer than the best seed.".strip()
    picture = search.picture(w)
    return Projection(
        w, search.noise, picture, target.to(picture), error, start_error, steps_done, time.monotonic() - began, space,
        index, note,
    )  # fmt: skip


def _check_length(steps: int, seconds: float | None) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"steps must be from 1 to {MAX_STEPS:,}, not {steps!r}.")
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"seconds must be above 0, not {seconds!r}.")


def fitted(model: StyleGenerator, image: Tensor) -> tuple[Tensor, str]:
    """Bring a picture to the model's size and channels: [1, C, H, W] on the CPU, and what was done, in sentences.

    Raises:
        ImageError: For another shape, NaN, or values that are not in [-1, 1].
    """
    if not isinstance(image, Tensor) or image.dim() not in (3, 4) or not image.is_floating_point():
        raise ImageError("A picture to project is a float tensor [1, C, H, W] in [-1, 1], as load_image gives it.")
    image = image.detach().float().cpu()
    image = image[None] if image.dim() == 3 else image
    if len(image) != 1 or image.shape[1] not in (1, 3, 4) or 0 in image.shape:
        shape = list(image.shape)
        raise ImageError(f"One picture is projected at a time, [1, C, H, W] with C = 1, 3 or 4, not {shape}.")
    if not image.isfinite().all():
        raise ImageError("The picture holds NaN or infinite values: read it with ganhub.load_image.")
    if image.abs().max() > 1.5:
        raise ImageError("The picture's values are not in [-1, 1]: read it with ganhub.load_image.")
    channels, (height, width), notes = model.config.channels, model.config.size, []
    image = image.clamp(-1, 1)
    if image.shape[1] != channels:
        if image.shape[1] == 4 and (image[:, 3] < 1).any():
            notes.append("Its transparency was laid on white.")
        elif channels == 1:
            notes.append("It was made grey, as the model's pictures are.")
        image = images.from_pil(images.to_pil(image), channels=channels)
    if tuple(image.shape[-2:]) != (height, width):
        given = f"{image.shape[-1]} x {image.shape[-2]}"
        notes.insert(0, f"The picture of {given} pixels was cut at its edges and scaled to {width} x {height}."
                     if image.shape[-1] * height != image.shape[-2] * width
                     else f"The picture of {given} pixels was scaled to {width} x {height}.")  # fmt: skip
        image = images.fit(image, height, width)
    return image, " ".join(notes)


class _Search:
    """One target, one model, and the distance between its pictures and the target."""

    def __init__(self, model: StyleGenerator, target: Tensor, network: str, seed: int) -> None:
        self.model, self.target, self.seed = model, target, seed
        self.noise = model.noise([seed]).float()
        self.exact = PerceptualDistance(network, target)
        with self.fast():
            self.quick = PerceptualDistance(network, target)

    def fast(self) -> torch.autocast:
        """bfloat16 where it is native: three times the speed, and the gradient's direction stays."""
        device = self.model.device
        return torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device))

    def picture(self, w: Tensor) -> Tensor:
        """[1, C, H, W] as ``from_w`` gives it."""
        return self.model.from_w(w, noise=self.noise)

    @torch.no_grad()
    def error(self, w: Tensor) -> float:
        """Perceptual distance of that picture, in float32."""
        return float(self.exact(self.picture(w)))

    @torch.no_grad()
    def best_seed(self, label: int | None, tell: Callable[[], None]) -> tuple[Tensor, int | None]:
        """w [1, style_dim] of the seed whose picture is nearest, and its class; ``tell`` is called now and then."""
        c = self.model.config
        count = max(64, min(STARTS, START_PIXELS // math.prod(c.size)), min(2 * c.num_classes, 4 * STARTS))
        points, labels = sample_w(self.model, count, seed=self.seed, label=label)
        points = points.to(self.model.device)
        batch, distances = max(1, min(32, 2**19 // math.prod(c.size))), []
        with self.fast():
            for part in points.split(batch):
                tell()
                pictures = self.model.from_w(part, noise=self.noise.expand(len(part), -1))
                distances.append(self.quick(pictures) + PIXELS * _pixel_distance(pictures, self.target))
        best = int(torch.cat(distances).argmin())
        return points[best : best + 1], None if labels is None else int(labels[best])

    def descend(
        self, start: Tensor, label: int | None, space: str, steps: int, until: float | None, tell: OnStep
    ) -> tuple[Tensor, int]:
        """Adam from ``start``: the point, [1, style_dim] or [1, L, style_dim], and how many steps were made."""
        model, began = self.model, time.monotonic()
        mean, deviation = _spread(model, label)
        point = start if space == "w" else model.per_layer(start).clone()
        # In units of W's deviation, so that one rate serves all models.
        x = ((point - mean) / deviation).requires_grad_()
        adam = torch.optim.Adam([x], lr=RATE, betas=(0.9, 0.99))
        done = 0
        while done < steps:
            t = done / steps
            if until is not None:
                t = min(1.0, max(t, (time.monotonic() - began) / max(until - began, 1e-3)))
                if t >= 1 and done:
                    break
            for group in adam.param_groups:
                group["lr"] = RATE * _ramp(t)
            jitter = JITTER * max(0.0, 1 - t / 0.75) ** 2
            with torch.enable_grad(), self.fast():
                draw = normal([self.seed], *x.shape[1:], stream=JITTER_STREAM + done)
                moved = x + jitter * draw.to(x)
                picture = model.synthesise(model.per_layer(mean + moved * deviation), self.noise).float()
                loss = self.quick(picture).mean() + PIXELS * _pixel_distance(picture, self.target).mean()
                loss = loss + PULL * x.square().mean()
                (x.grad,) = torch.autograd.grad(loss, [x])
            adam.step()
            done += 1
            look = picture.detach().clamp(-1, 1) if done in (1, 5) or done % LOOK == 0 else None
            tell(done, steps, look)
        return (mean + x.detach() * deviation).float(), done


def _pixel_distance(pictures: Tensor, target: Tensor) -> Tensor:
    return (pictures - target).square().mean((1, 2, 3))


def _ramp(t: float) -> float:
    """Appendix D: the rate rises over the first twentieth of the way and falls, as a cosine, over the last quarter."""
    return min(1.0, (t + 1e-2) / 0.05) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / 0.25)))


def _spread(model: StyleGenerator, label: int | None) -> tuple[Tensor, Tensor]:
    """Mean of w (of a class), [style_dim], and its deviation, one number for all of its dimensions."""
    points = sample_w(model, 1_000, label=label)[0].to(model.device)
    mean = points.mean(0)
    return mean, (points - mean).square().mean().sqrt().clamp_min(1e-6)
