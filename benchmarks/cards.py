"""Does the card of a run with one's own pictures say only what is true? Every recipe is run for two steps and checked.

    python benchmarks/cards.py [--recipe dcgan_landscapes ...] [--aloud 6]

Each recipe trains its architecture's smallest model on nine drawings of three classes (or pairs of them, or named
styles), which this script draws. Of each card it checks: none of the sentences that the recipe says of its own data,
use and limits; the licence is "other" and nobody has stated it; the pictures, their count and folder are those that
were read; every number of the training table is that of the run. ``--aloud`` prints so many cards whole, to be read.
Exit status 1 when a card says something that is not so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.shells import draw_shells  # noqa: E402
from ganhub.hub import cards  # noqa: E402
from ganhub.models import get_architecture  # noqa: E402
from ganhub.trainer import Recipe, Trainer, read_recipe  # noqa: E402

RECIPES = ROOT / "training" / "recipes"
FEW = ["train.images=8", "train.batch_size=4", "train.log_every=4", "train.grid_every=8", "train.watch=false"]


def overrides(name: str, place: Path) -> list[str]:
    """What makes a recipe small, and reads the drawings instead of its own pictures."""
    recipe = read_recipe(RECIPES / f"{name}.toml", ["data.path=-"])
    kind = get_architecture(recipe.model["architecture"])
    tiny = kind.tiny().config.to_dict()
    sized = [key for key, value in recipe.model.items() if key in tiny and not isinstance(value, bool | str)]
    changed = [f"model.{key}={json.dumps(tiny[key])}" for key in sized]
    changed += [
        *FEW,
        f"data.path={place}/shells",
        "data.only=",
        "data.images=",
        "data.labels=",
        "data.captions=",
        "train.init=",
    ]
    if tiny.get("num_classes") and recipe.model.get("num_classes"):
        changed += ["model.num_classes=3", "model.class_names=[]"]
    if recipe.data.smallest_class:
        changed += ["data.smallest_class=1"]
    if not hasattr(kind.Config, "size"):
        changed += ["data.size=32"]
    if recipe.data.pairing == "name":
        changed += [f"data.path={place}/pairs", "data.only=before/*", f"data.other.path={place}/pairs"]
        changed += ["data.other.only=after/*", "data.other.size=32"]
    elif recipe.data.other:
        changed += [f"data.other.path={place}/manners", "data.other.only=", "data.other.size=32"]
        if hasattr(kind.tiny().config, "style_names"):
            changed += ['model.style_names=["style-0", "style-1", "style-2"]']
    return [text for text in changed if _applies(text, recipe)]


def _applies(text: str, recipe: Recipe) -> bool:
    """An empty value is given only where the recipe has one."""
    key, _, value = text.partition("=")
    written: object = recipe.tables
    for part in key.split("."):
        written = written.get(part) if isinstance(written, dict) else None
    return bool(value and value != "[]") or bool(written)


def wrong(name: str, card: str, place: Path) -> list[str]:
    """What a card says that is not so, in words."""
    recipe = read_recipe(RECIPES / f"{name}.toml", ["data.path=-"])
    front, body = cards.split_front_matter(card)
    block = body[: body.index(cards.END)]
    faults = [
        f"it says the recipe's own {text}"
        for text in ("dataset", "intended_use", "limits")
        if len(said := getattr(recipe.train, text)) > 8 and any(part in card for part in _sentences(said))
    ]
    if front.get("license") != "other" or "Nobody has stated yet" not in block:
        faults.append(f"its licence is {front.get('license')}, and nobody stated one")
    if not re.search(r"\b(\d+) pictures from the folder (shells|pairs)", block):
        faults.append("it does not say which pictures were read")
    if "train.images = 8" not in block:
        faults.append("it does not say that the run was short")
    if str(place) in card or os.path.expanduser("~") in card:
        faults.append("it tells where the pictures lie on this machine")
    return faults


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.;:])\s+", text) if len(part) > 24]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", nargs="*", default=sorted(path.stem for path in RECIPES.glob("*.toml")))
    parser.add_argument("--aloud", type=int, default=0)
    asked, bad = parser.parse_args(), 0
    os.chdir(ROOT)  # what a recipe begins with is published here
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        draw_shells(place)
        for i, name in enumerate(asked.recipe):
            recipe = read_recipe(RECIPES / f"{name}.toml", overrides(name, place))
            card = (Trainer(recipe, place / name, quiet=True).run() / "README.md").read_text("utf-8")
            faults = wrong(name, card, place)
            bad += bool(faults)
            print(f"{name:24} {'; '.join(faults) or 'true'}", flush=True)
            if i < asked.aloud:
                print("\n" + card + "\n" + "-" * 100, flush=True)
    print(f"{len(asked.recipe)} recipes, {bad} cards that say what is not so.")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
