"""How long Gatys takes and how near it comes: seconds, and relative content and style distance, by size and strength.

    GANHUB_SHARED=... python benchmarks/gatys.py --sides 256 512 --steps 200

Contents are kodak8.zip, styles style-paintings.zip, both of $GANHUB_SHARED; without it, two drawn pictures. With
``--samples FILE`` it also writes the results as a contact sheet.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from ganhub import images
from ganhub.losses.perceptual import content_distance, gram, gram_distance
from ganhub.models.gatys import Gatys, GatysConfig


def drawn(seed: int) -> Tensor:
    """A picture of soft coloured blobs, for machines without the shared folder."""
    noise = torch.randn(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return images.resize(noise.clamp(-1, 1), (480, 640))


def pictures(name: str, seed: int) -> list[tuple[str, Tensor]]:
    """(name, picture) of every picture in a zip of the shared folder."""
    shared = os.environ.get("GANHUB_SHARED")
    path = Path(shared) / "data" / name if shared else None
    if path is None or not path.is_file():
        return [(f"drawn-{seed}", drawn(seed))]
    with zipfile.ZipFile(path) as archive:
        files = sorted(n for n in archive.namelist() if n.lower().endswith((".png", ".jpg")))
        return [(Path(n).stem, images.load_image(archive.read(n), max_side=1024)) for n in files]


@torch.no_grad()
def distances(model: Gatys, content: Tensor, style: Tensor, result: Tensor) -> tuple[float, float]:
    """Relative content distance and mean relative Gram distance (see GatysConfig)."""
    config, network = model.config, model.features
    style = images.fit(style, *content.shape[-2:])
    layers = [*config.style_layers, config.content_layer]
    of_content, of_style, of_result = (network(x, layers) for x in (content, style, result))
    target = of_content[config.content_layer]
    near = content_distance(of_result[config.content_layer], target) / target.square().mean()
    grams = [(gram(of_result[name]), gram(of_style[name])) for name in config.style_layers]
    style_distance = sum(float(gram_distance(g, a) / a.square().mean()) for g, a in grams) / len(grams)
    return float(near), style_distance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512], help="long side of the content")
    parser.add_argument("--steps", type=int, default=GatysConfig().steps)
    parser.add_argument("--pairs", type=int, default=2, help="content and style pairs for each side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = Gatys(GatysConfig(steps=arguments.steps))
    contents, styles = pictures("kodak8.zip", 1), pictures("style-paintings.zip", 2)
    sheet = []
    for side in arguments.sides:
        for pair in range(arguments.pairs):
            name, content = contents[pair % len(contents)]
            style_name, style = styles[pair % len(styles)]
            content = images.resize(content, _inside(content, side))
            looks: list[float] = []
            wall, processor = time.perf_counter(), time.process_time()

            def watch(step: int, steps: int, look: Tensor | None, looks=looks, start=wall) -> None:
                if look is not None:
                    looks.append(time.perf_counter() - start)

            result = model.stylize(content, style, on_step=watch)
            seconds, processor = time.perf_counter() - wall, time.process_time() - processor
            near, style_distance = distances(model, content, style, result)
            before = distances(model, content, style, content)[1]
            figures = {
                "side": side,
                "steps": arguments.steps,
                "content": name,
                "style": style_name,
                "seconds": round(seconds, 1),
                "processor_seconds": round(processor, 1),
                "first_look_seconds": round(looks[0], 1),
                "content_distance": round(near, 4),
                "style_distance": round(style_distance, 4),
                "style_distance_before": round(before, 4),
            }
            print(json.dumps(figures), flush=True)
            sheet.append(images.fit(result, 192, 256))
    if arguments.samples:
        images.save_grid(torch.cat(sheet), arguments.samples)


def _inside(content: Tensor, side: int) -> tuple[int, int]:
    factor = side / max(content.shape[-2:])
    return round(content.shape[-2] * factor), round(content.shape[-1] * factor)


if __name__ == "__main__":
    main()
