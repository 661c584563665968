"""The mean of several runs' weights, which is often better than each ("Model soups", arXiv:2203.05482).

    python training/mean_weights.py 0.5:model_cards/stylegan2-heroes 0.25:runs/a/checkpoints/000000064000.pt \\
        0.25:runs/a/checkpoints/000000096000.pt --votes 1.2 --out runs/mean

All have to descend from the same weights. SHARE:PATH, PATH a model's folder or a checkpoint, of which the averaged
weights count; shares are divided by their sum. Config and everything else in the folder are the first folder's.

A mean votes more softly for the colours of its palette than each of its parts: ``--votes`` makes the votes of the last
layer louder. ``--mapping-rate`` writes the same model, but for rounding to half precision, for training with another
``model.mapping_rate``; parts may have different ones.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402
from ganhub.console import in_sentences  # noqa: E402

PAPER_RATE = 0.01  # what a checkpoint from before the setting was trained with


def weights_of(path: Path, rate: float) -> dict[str, Tensor]:
    """Of a folder or a checkpoint, in full precision, as a mapping network of this rate holds them."""
    if path.is_dir():
        model = AutoModel.from_pretrained(path)
        weights, own = model.state_dict(), getattr(model.config, "mapping_rate", rate)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            held = (state.get("fingerprint") or {}).get("model", {})
            weights, own = state["ema"], held.get("mapping_rate", PAPER_RATE)
        except Exception as error:
            sys.exit(f"{path} is no checkpoint of a run: {type(error).__name__}.")
    return with_rate({k: x.float() if x.is_floating_point() else x for k, x in weights.items()}, own / rate)


def with_rate(weights: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """With the mapping network's parameters so many times as large."""
    return {name: x * factor if name.startswith("mapping.layers.") else x for name, x in weights.items()}


def with_votes(weights: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """With the votes of the last layer so many times as loud."""
    last = max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    louder = {f"blocks.{last}.to_picture.{name}" for name in ("weight", "bias")}
    return {name: x * factor if name in louder else x for name, x in weights.items()}


def mean(parts: list[tuple[float, Path]], rate: float) -> dict[str, Tensor]:
    whole = sum(share for share, _ in parts)
    if whole <= 0:
        sys.exit("The shares are all 0: give one of them a larger one.")
    result: dict[str, Tensor] = {}
    for share, path in parts:
        weights = weights_of(path, rate)
        if result and {k: x.shape for k, x in result.items()} != {k: x.shape for k, x in weights.items()}:
            sys.exit(f"{path} has other weights than {parts[0][1]}: take runs of one model.")
        for name, x in weights.items():
            result[name] = result.get(name, 0) + share / whole * x if x.is_floating_point() else x
    return result


def require_new(source: Path, out: Path) -> None:
    """End in a sentence, before any work, unless a copy of the folder ``source`` can be made at ``out``."""
    if out.exists():
        sys.exit(f"{out} is there already: name a new folder.")
    if source.resolve() in out.resolve().parents:
        sys.exit(f"{out} lies in {source}: name a folder beside it.")
    if file := next((parent for parent in out.parents if parent.exists() and not parent.is_dir()), None):
        sys.exit(f"{file} is a file: name another folder for --out.")


def begin_folder(source: Path, out: Path) -> None:
    """A copy of a model's folder, but for its weights and checkpoints, at a new place."""
    require_new(source, out)
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("checkpoints"))
    for weights in out.glob("model*.safetensors*"):  # the adversary's, in training/, stay
        weights.unlink()


def number_of(text: str) -> float:
    """nan for what is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def part_of(text: str) -> tuple[float, Path]:
    share, colon, path = text.partition(":")
    number = number_of(share)
    if not colon or not math.isfinite(number) or number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no SHARE:PATH, such as 0.5:runs/a")
    if not Path(path).exists():
        raise argparse.ArgumentTypeError(f"there is no {path!r}")
    return number, Path(path)


def factor_of(text: str) -> float:
    number = number_of(text)
    if not math.isfinite(number) or number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", type=part_of, metavar="SHARE:PATH")
    parser.add_argument("--votes", type=factor_of, help="factor of the last layer's votes for colours")
    parser.add_argument("--mapping-rate", type=factor_of, help="model.mapping_rate of what is written")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    folders = [path for _, path in arguments.parts if path.is_dir()]
    if not folders:
        sys.exit("Name one folder at least, whose config.json the mean takes.")
    require_new(folders[0], arguments.out)
    first = AutoModel.from_pretrained(folders[0])
    config = first.config
    if arguments.votes and not getattr(config, "palette", 0):
        sys.exit("--votes is for models with a palette.")
    if arguments.mapping_rate and not hasattr(config, "mapping_rate"):
        sys.exit("--mapping-rate is for models with a mapping network.")
    if arguments.mapping_rate and getattr(config, "flow_steps", 0):
        sys.exit("--mapping-rate is for mapping networks of plain layers, and this model has a flow: leave it out.")
    if arguments.mapping_rate:
        config = replace(config, mapping_rate=arguments.mapping_rate)
    weights = mean(arguments.parts, getattr(config, "mapping_rate", PAPER_RATE))
    if arguments.votes:
        weights = with_votes(weights, arguments.votes)
    if not all(x.half().isfinite().all() for x in weights.values() if x.is_floating_point()):
        sys.exit("Some weights would be too large for half precision: take quieter votes or a larger mapping rate.")
    model = type(first).build(config)
    model.load_state_dict(weights)
    begin_folder(folders[0], arguments.out)
    model.save_pretrained(arguments.out, dtype=torch.float16)
    print(f"Wrote {arguments.out}. Card, figures and directions in it are still those of {folders[0]}: make them anew.")


if __name__ == "__main__":
    with in_sentences():
        main()
