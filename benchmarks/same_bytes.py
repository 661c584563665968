"""Show that a change left every published picture as it was: hashes of what the models of model_cards/ generate.

    OMP_NUM_THREADS=1 python benchmarks/same_bytes.py --write before.json
    OMP_NUM_THREADS=1 python benchmarks/same_bytes.py --check before.json

Write the file at the old commit, check it at the new one, on the same machine with the same torch. The hashes are those
of the float32 values. Inputs are generated here, so that no data is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ganhub.models import AutoModel, Inpainter, LatentGenerator, Model, Stylizer, Translator, list_architectures

CARDS = Path(__file__).parents[1] / "model_cards"
STEPS = 3  # of an optimisation


def picture(height: int, width: int, turns: float) -> Tensor:
    """Coloured waves [1, 3, H, W] in [-1, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    waves = [torch.sin(2 * math.pi * (turns * x + k * y + 0.3 * k)) for k in (1, 2, 3)]
    return torch.stack(waves)[None] * 0.9


def hole(height: int, width: int) -> Tensor:
    """A mask [1, 1, H, W] in [-1, 1], white in a rectangle near the middle."""
    mask = torch.full((1, 1, height, width), -1.0)
    mask[..., height // 4 : height // 2, width // 3 : width * 2 // 3] = 1
    return mask


def results(model: Model) -> Iterator[tuple[str, Tensor]]:
    """(what was asked for, pictures) of one model."""
    photo = picture(72, 96, 2)
    if isinstance(model, LatentGenerator):
        for truncation in (1.0, 0.7):
            yield f"sample, truncation {truncation}", model.sample(4, seed=0, truncation=truncation)
    elif isinstance(model, Translator):
        yield "translate", model.translate(photo)
    elif isinstance(model, Inpainter):
        yield "inpaint", model.inpaint(photo, hole(72, 96))
    elif isinstance(model, Stylizer):
        style = picture(80, 64, 5) if model.reads_pictures else model.style_names[0]
        for strength in (1.0, 0.5):
            yield f"stylize, strength {strength}", model.stylize(photo, style, strength=strength, seed=1)


def load(folder: Path) -> Model:
    """A published model; one that optimises does so in a few steps."""
    model = AutoModel.from_pretrained(folder)
    if hasattr(model.config, "steps"):
        model = type(model)(type(model.config).from_dict({**model.config.to_dict(), "steps": STEPS}))
    return model.eval()


def hashes() -> dict[str, str]:
    """Hashes by "folder: what was asked for"."""
    found = {}
    for config in sorted(CARDS.rglob("config.json")):
        if "training" in config.parts or json.loads(config.read_text())["architecture"] not in list_architectures():
            continue
        name = config.parent.relative_to(CARDS).as_posix()
        for asked, pictures in results(load(config.parent)):
            values = pictures.detach().float().contiguous().numpy().tobytes()
            found[f"{name}: {asked}"] = hashlib.sha256(values).hexdigest()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--write", type=Path, metavar="FILE", help="write the hashes")
    way.add_argument("--check", type=Path, metavar="FILE", help="compare with hashes that were written before")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = hashes()
    if options.write:
        options.write.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{len(found)} hashes written.")
        return
    before = json.loads(options.check.read_text())
    changed = sorted(key for key in before.keys() | found.keys() if before.get(key) != found.get(key))
    print("\n".join(changed) if changed else f"All {len(found)} are the same.")
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
