"""Is the latent space smooth, and can real pictures be brought into it and edited? One table for one model with W.

    python benchmarks/latents.py model_cards/stylegan2-landscapes landscapes-288.zip data.crop=random data.zoom=1.15

Protocol. Path length: Karras et al. 2019 (arXiv:1812.04948, section 4.1) in z and in w, by ``ganhub.metrics``. Jumps:
a looping walk of 240 frames through four seeds, at constant speed in the space and at an even pace of the pictures; the
largest distance between neighbouring frames over the median, by
the root of the mean squared pixel and by the root of the perceptual distance (which is a squared one). Projection: for
each of some training pictures and some unseen ones (--holdout of the data, as the recipe's data.holdout), the
perceptual error after ``project`` over that of the best of 1,000 seeds: by vgg-lite, which the projection descends on,
and by efficientnet-lite0, which it never saw. Identity: after edits of +-2 standard deviations along four principal
directions, the distance in efficientnet-lite0's features between edited picture and its target, over its mean distance
to other pictures of the data; and how often the target is the nearest of them. Below 1, and often, is kept identity.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganhub import AutoModel, images, latents
from ganhub.cli._inputs import data_config
from ganhub.data import open_data
from ganhub.errors import ConfigError
from ganhub.latents import PerceptualDistance, Projection
from ganhub.latents.projection import rgb_views
from ganhub.metrics import extractor, path_length, perceptual_distance
from ganhub.metrics.perceptual import perceptual_network
from ganhub.models import StyleGenerator

JUDGE = "efficientnet-lite0"
EDITS = (-2.0, 2.0)
OTHERS = 64  # pictures that an edit could be mistaken for


def jumps(model: StyleGenerator, space: str, seeds: list[int], frames: int, pace: str) -> tuple[float, float]:
    """Largest over median distance between neighbouring frames of a loop: by pixels, and by perceptual distance."""
    film = latents.walk(model, seeds, frames, space=space, loop=True, pace=pace).cpu()
    following = film.roll(-1, 0)
    pixel = (film - following).square().mean((1, 2, 3)).sqrt()
    seen = perceptual_distance(rgb(film), rgb(following)).sqrt()
    return tuple((distance.max() / distance.median()).item() for distance in (pixel, seen))


def rgb(pictures: Tensor) -> Tensor:
    """Grey and RGB as they are, RGBA on white."""
    return rgb_views(pictures)[: len(pictures)]


@torch.no_grad()
def ratio_to_best(found: Sequence[Projection], made: Tensor, network: str) -> Tensor:
    """Perceptual error of each projection over that of the nearest of the made pictures, [projections]."""
    ratios = []
    for projection in found:
        distance = PerceptualDistance(perceptual_network(network), projection.target)
        best = torch.cat([distance(part) for part in made.to(projection.target).split(32)]).min()
        ratios.append(distance(projection.picture)[0] / best)
    return torch.stack(ratios).cpu()


def project_all(model: StyleGenerator, targets: Tensor, labels: Tensor | None, **options) -> list[Projection]:
    """Project pictures one after the other."""
    classes = [None] * len(targets) if labels is None else labels.tolist()
    found = []
    for target, label in zip(targets, classes, strict=True):
        found.append(latents.project(model, target, label=label, **options))
        p = found[-1]
        print(f"  projected in {p.seconds:.0f} s: {p.start_error:.4f} -> {p.error:.4f}", flush=True)
    return found


def identity(model: StyleGenerator, found: list[Projection], others: Tensor) -> tuple[float, float]:
    """Distance of edits to their target over that to other pictures, and how often the target is nearest."""
    judge, ratios, nearest = extractor(JUDGE), [], []
    among = judge(others)
    directions = latents.principal_directions(model, 4)
    for projection in found:
        edits = torch.cat([latents.edit(projection.w, d, amount) for d in directions for amount in EDITS])
        features = judge(model.from_w(edits, noise=projection.noise.expand(len(edits), -1)))
        own = (features - judge(projection.target)).norm(dim=1)
        away = torch.cdist(features, among)
        ratios.append(own / away.mean(1))
        nearest.append((own < away.amin(1)).float())
    return torch.cat(ratios).mean().item(), torch.cat(nearest).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("prepare", nargs="*", metavar="data.key=value", help="as the recipe prepares the pictures")
    parser.add_argument("--holdout", type=float, default=0.2, help="share that the model was not trained on")
    parser.add_argument("--pictures", type=int, default=4, help="projected ones of each kind")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--space", default="w+")
    parser.add_argument("--ways", type=int, default=500, help="of the path length")
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--seeds", type=int, default=1000, help="that the best is taken of")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="write targets, projections and edits here, as one picture")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    model = AutoModel.from_pretrained(arguments.model)
    if not isinstance(model, StyleGenerator):
        raise ConfigError(f"{arguments.model} has no W space: name a StyleGAN2.")
    c, rows = model.config, []
    size = {"height": c.size[0], "width": c.size[1], "channels": c.channels}

    def pictures(part: str):
        overrides = [*arguments.prepare, f"data.holdout={arguments.holdout}", f"data.part={part}"]
        return open_data(data_config(arguments.data, overrides), **size, labelled=bool(c.num_classes))

    lengths = {space: path_length(model, space=space, n=arguments.ways) for space in "zw"}
    for space, length in lengths.items():
        rows.append((f"perceptual path length, {space}", f"{length.value:.4g} ± {length.error:.2g}", ""))
    rows.append(("path length, w over z", f"{lengths['w'].value / lengths['z'].value:.2f}", "below 1"))
    for pace in ("latent", "picture"):
        for space in "zw":
            pixel, seen = jumps(model, space, [1, 2, 3, 4], arguments.frames, pace)
            name = f"largest step over median, {space}, pace of the {pace}"
            rows.append((f"{name}: pixels", f"{pixel:.2f}", "at most 2"))
            rows.append((f"{name}: perceptual", f"{seen:.2f}", "at most 2"))

    n, shown, made = arguments.pictures, [], model.sample(arguments.seeds)
    known = pictures("training").batch(0, n + OTHERS)
    unseen = pictures("holdout").batch(0, n)
    others = known.images[n:]
    for kind, batch, goal in (("training", known, "at most 0.5"), ("unseen", unseen, "at most 0.7")):
        labels = None if batch.labels is None else batch.labels[:n]
        began = time.monotonic()
        found = project_all(model, batch.images[:n], labels, space=arguments.space, steps=arguments.steps)
        seconds = (time.monotonic() - began) / n
        for network in ("vgg-lite", JUDGE):
            ratio = ratio_to_best(found, made, network)
            rows.append((f"{kind} picture, error over best of {arguments.seeds:,} ({network})",
                         f"{ratio.mean():.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
                         goal if network == "vgg-lite" else ""))  # fmt: skip
        rows.append((f"{kind} picture, seconds", f"{seconds:.0f}", "at most 60"))
        ratio, nearest = identity(model, found, others)
        rows.append((f"{kind} picture, edits: distance to target over others", f"{ratio:.2f}", "below 1"))
        rows.append((f"{kind} picture, edits: target is the nearest of {OTHERS + 1}", f"{nearest:.0%}", ""))
        shown += found
    print(f"\n{Path(arguments.model).name}, {Path(arguments.data).name}, {arguments.space}, {arguments.steps} steps, "
          f"{n} pictures of each kind, {arguments.threads} threads\n")  # fmt: skip
    print("| | measured | goal |\n|---|---|---|")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    if arguments.picture:
        directions = latents.principal_directions(model, 4)
        cells = []
        for p in shown:
            points = torch.cat([latents.edit(p.w, d, EDITS[1]) for d in directions])
            cells += [p.target, p.picture, model.from_w(points, noise=p.noise.expand(len(points), -1))]
        images.save_grid(torch.cat([cell.cpu() for cell in cells]), arguments.picture, columns=2 + len(directions))


if __name__ == "__main__":
    main()
