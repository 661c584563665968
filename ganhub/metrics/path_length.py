"""Perceptual path length: how smoothly the pictures change along the ways through latent space."""

from __future__ import annotations

import torch
from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import MetricError
from ganhub.images import on_white
from ganhub.latents import lerp, slerp
from ganhub.metrics.accumulate import mean_and_error
from ganhub.metrics.extractors import extractor
from ganhub.metrics.perceptual import perceptual_distance
from ganhub.metrics.protocol import Protocol, Result
from ganhub.models import LatentGenerator, StyleGenerator
from ganhub.nn.random import uniform

EPSILON = 1e-4
PLACE_STREAM = 0x99A  # keeps the places on the way apart from the latents of the same seeds
BATCH = 16


def path_length(
    model: LatentGenerator,
    *,
    space: str = "z",
    n: int = 1000,
    label: int | str | None = None,
    seed: int = 0,
    network: str = "vgg-lite",
) -> Result:
    """Measure E [d(g(p(t)), g(p(t + epsilon))) / epsilon^2] with t ~ U(0, 1) and epsilon = 1e-4.

    Section 4.1 of "A Style-Based Generator Architecture for Generative Adversarial Networks" (Karras et al. 2019,
    arXiv:1812.04948): p is the arc between two z, or the straight line between two w; d is a squared perceptual
    distance. The paper's d is LPIPS by VGG-16, of the pictures' centre for faces; this one is
    :func:`~ganhub.metrics.perceptual.perceptual_distance`, of whole pictures, so the numbers are not the paper's.

    Both ends of a way have the same class and the same noise inputs. Everything is float32: in bfloat16 a step of
    1e-4 is lost in rounding.

    Args:
        model: A model in float32.
        space: "z", or "w" for a model that has a W space.
        n: Number of ways, at least 2; way i goes from seed + 2 i to seed + 2 i + 1.
        label: One class; None takes all in turn.
        seed: See ``n``.
        network: The perceptual distance's feature network, see there.

    Returns:
        "path_length_z" or "path_length_w" with its standard error; lower is smoother.

    Raises:
        MetricError: For another space, too few ways, a model not in float32, or an unknown network.
        ConfigError: For an unknown class.
    """
    spaces = ("z", "w") if isinstance(model, StyleGenerator) else ("z",)
    if space not in spaces:
        hint = nearest(space, spaces)
        raise MetricError(f"{model.architecture} has no space {space!r} to walk in.{hint} Choose: {', '.join(spaces)}.")
    if isinstance(n, bool) or not isinstance(n, int) or not 2 <= n <= 1_000_000:
        raise MetricError(f"A path length needs 2 to 1,000,000 ways, not {n!r}.")
    if model.dtype != torch.float32:
        raise MetricError(f"A path length needs a model in float32, not {model.dtype}: load it without dtype.")
    labels, values = model.labels(n, label, seed), []
    for start in range(0, n, BATCH):
        ways = range(start, min(start + BATCH, n))
        classes = None if labels is None else labels[start : ways.stop]
        near, far = _steps(model, space, [seed + 2 * i for i in ways], classes)
        values += (perceptual_distance(near, far, network=network).double() / EPSILON**2).tolist()
    mean, error = mean_and_error(values)
    way = "arcs between z" if space == "z" else "straight lines between w"
    protocol = Protocol(
        metric=f"path_length_{space}", extractor=network, weights=extractor(network).weights, resize="own size",
        settings=f"{way}, epsilon {EPSILON:g}, whole ways, float32, noise inputs held" + _asked(label),
        made=2 * n, seed=seed,
    )  # fmt: skip
    label_text = f"Perceptual path length in {space} ({network})"
    return Result(name=f"path_length_{space}", label=label_text, value=mean, error=error, protocol=protocol)


def _asked(label: int | str | None) -> str:
    return "" if label is None else f", class {label}"


@torch.no_grad()
def _steps(model: LatentGenerator, space: str, seeds: list[int], classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Pictures at t and at t + epsilon on the way from each seed to the next: twice [N, 1 or 3, H, W], float32."""
    first, second = model.latent(seeds), model.latent([seed + 1 for seed in seeds])
    classes = None if classes is None else classes.to(model.device)
    if space == "w":
        first, second = model.to_w(first, classes), model.to_w(second, classes)
    # float64 until the end: t + epsilon in float32 would be off by a thousandth of epsilon
    t = uniform(seeds, stream=PLACE_STREAM).double()
    go = slerp if space == "z" else lerp
    points = [go(first.cpu().double(), second.cpu().double(), x).to(first) for x in (t, t + EPSILON)]
    noise = model.noise(seeds) if model.noise_dim else None
    near, far = (_pictures(model, space, point, classes, noise) for point in points)
    return near, far


def _pictures(
    model: LatentGenerator, space: str, point: Tensor, classes: Tensor | None, noise: Tensor | None
) -> Tensor:
    # With gradients switched on a model takes no short cut through bfloat16, and autocast is kept out too.
    with torch.enable_grad(), torch.autocast(model.device.type, enabled=False):
        if space == "w":
            pictures = model.synthesise(model.per_layer(point), noise)
        elif noise is not None:
            pictures = model(point, classes, noise)
        else:
            pictures = model(point, classes)
    pictures = pictures.detach().float().clamp(-1, 1)
    return pictures if pictures.shape[1] < 4 else on_white(pictures)
