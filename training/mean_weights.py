"""The mean of several runs' weights, which is often better than each ("Model soups", arXiv:2203.05482).

    python training/mean_weights.py 0.5:model_cards/stylegan2-heroes 0.25:runs/a/checkpoints/000000064000.pt \\
        0.25:runs/a/checkpoints/000000096000.pt --votes 1.2 --out runs/mean

All have to descend from the same weights. SHARE:PATH, PATH a model's folder or a checkpoint, of which the averaged
weights count; shares are divided by their sum. Config and everything else in the folder are the first folder's.

A mean votes more softly for the colours of its palette than each of its parts: ``--votes`` makes the votes of the last
layer louder. ``--mapping-rate`` writes the same model for training with another ``model.mapping_rate``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402


def weights_of(path: Path) -> dict[str, Tensor]:
    """Of a folder or a checkpoint, in full precision."""
    if path.suffix == ".pt":
        state = torch.load(path, map_location="cpu", weights_only=True)["ema"]
    else:
        state = AutoModel.from_pretrained(path).state_dict()
    return {name: x.float() for name, x in state.items()}


def mean(parts: list[tuple[float, Path]]) -> dict[str, Tensor]:
    whole = sum(share for share, _ in parts)
    result: dict[str, Tensor] = {}
    for share, path in parts:
        weights = weights_of(path)
        if result and {k: x.shape for k, x in result.items()} != {k: x.shape for k, x in weights.items()}:
            sys.exit(f"{path} has other weights than {parts[0][1]}: take runs of one model.")
        for name, x in weights.items():
            result[name] = result.get(name, 0) + share / whole * x
    return result


def with_votes(weights: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """With the votes of the last layer so many times as loud."""
    last = max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    louder = {f"blocks.{last}.to_picture.{name}" for name in ("weight", "bias")}
    return {name: x * factor if name in louder else x for name, x in weights.items()}


def part_of(text: str) -> tuple[float, Path]:
    share, _, path = text.partition(":")
    return float(share), Path(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", type=part_of, metavar="SHARE:PATH")
    parser.add_argument("--votes", type=float, default=1.0, help="factor of the last layer's votes for colours")
    parser.add_argument("--mapping-rate", type=float, help="model.mapping_rate of what is written")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    folders = [path for _, path in arguments.parts if path.is_dir()]
    if not folders:
        sys.exit("Name one folder at least, whose config.json the mean takes.")
    model = AutoModel.from_pretrained(folders[0])
    weights = mean(arguments.parts)
    if arguments.votes != 1:
        if not getattr(model.config, "palette", 0):
            sys.exit("--votes is for models with a palette.")
        weights = with_votes(weights, arguments.votes)
    if arguments.mapping_rate:
        factor = model.config.mapping_rate / arguments.mapping_rate
        weights = {name: x * factor if name.startswith("mapping.layers.") else x for name, x in weights.items()}
        model.config = replace(model.config, mapping_rate=arguments.mapping_rate)
    shutil.copytree(folders[0], arguments.out, ignore=shutil.ignore_patterns("checkpoints"), dirs_exist_ok=True)
    model = type(model).build(model.config)
    model.load_state_dict(weights)
    model.save_pretrained(arguments.out, dtype=torch.float16)
    print(f"Wrote {arguments.out}.")


if __name__ == "__main__":
    main()
