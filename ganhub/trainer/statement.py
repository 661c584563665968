"""What the card may say of a run: the recipe's own words where they hold, else what was really read and done.

A recipe's ``dataset``, ``licence``, ``intended_use`` and ``limits`` tell of the pictures, the start and the settings
that its file names. With a setting of the command line that makes one of them untrue, that one is left out, unless the
command line states it anew. Recipes that are built in Python, or edited, are statements of their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganhub import hub
from ganhub.config import BaseConfig
from ganhub.console import printable
from ganhub.data.arrays import ArraySource
from ganhub.data.config import DataConfig
from ganhub.data.pictures import Pictures
from ganhub.data.sources import HUB_ID, Source, Stream
from ganhub.errors import HubError
from ganhub.files import expanded
from ganhub.hub import cards
from ganhub.hub.folder import CARD
from ganhub.trainer.recipe import Recipe, TrainConfig

TEXTS = ("dataset", "licence", "intended_use", "limits")
# With another one of these the pictures are not the recipe's: nothing that it says of them holds, its licence included.
OTHER_PICTURES = {"path", "images", "only", "split", "half", "pairing", "init"}
# With another one of these there are more or fewer of them, or other classes.
OTHER_CHOICE = {"limit", "holdout", "part", "smallest_class", "labels"}
# These change nothing that a recipe speaks of.
NO_MATTER = {
    *(f"train.{name}" for name in (*TEXTS, "seed", "accumulate", "threads", "precision", "compile", "half", "tracker")),
    *(f"train.{name}" for name in ("log_every", "grid_every", "checkpoint_every", "keep_checkpoints", "watch")),
    *(f"data.{name}" for name in ("seed", "memory_gb")),
    *(f"data.other.{name}" for name in ("seed", "memory_gb")),
}
MOST_NAMES = 10


def statement(recipe: Recipe, data: Pictures, images_seen: int, record: Mapping[str, Any]) -> dict[str, Any]:
    """The part of metrics.json's ``training`` that is words: the four texts, what was read, where it started from.

    Args:
        recipe: The run's recipe.
        data: What it reads.
        images_seen: Real pictures so far.
        record: See :class:`~ganhub.trainer.state.RunState`.
    """
    description = describe(data)
    changed = changed_settings(recipe)
    leaves = {key.rpartition(".")[2] for key in changed if key.startswith("data.") or key == "train.init"}
    untrue = set()
    if leaves & OTHER_PICTURES:
        untrue |= {"dataset", "licence"}
    if leaves & OTHER_CHOICE:
        untrue |= {"dataset"}
    if changed.keys() - NO_MATTER:
        untrue |= {"intended_use", "limits"}
    if images_seen < recipe.train.images:
        untrue |= {"limits"}  # they are those of the whole run
    untrue -= stated(recipe).keys()
    words = {name: "" if name in untrue else getattr(recipe.train, name) for name in TEXTS}
    if "licence" in untrue:
        words |= {"licence": "other", "licence_stated": False}
    if not words["dataset"]:
        words |= {"dataset": description["text"], "dataset_name": description["name"], "datasets": description["hub"]}
    else:
        words["read"] = description["text"]
    if images_seen < recipe.train.images:
        words["images_planned"] = recipe.train.images
    if changed:
        words["changed"] = ", ".join(f"{key} = {_shown(key, value)}" for key, value in changed.items())
    if record["changes"]:
        words["changes"] = "; ".join(record["changes"])
    if record["started_from"]:
        words["started_from"] = record["started_from"]
    return words


def stated(recipe: Recipe) -> dict[str, str]:
    """The texts for the card that the command line gives."""
    return {name: getattr(recipe.train, name) for name in TEXTS if f"train.{name}" in recipe.overrides}


def changed_settings(recipe: Recipe) -> dict[str, Any]:
    """``table.key`` -> value of each setting that is another than in the recipe's file, but for texts of the card."""
    was, now = _flat(recipe.written), _flat(recipe.tables)
    defaults = _defaults("train", TrainConfig) | _defaults("data", DataConfig) | _defaults("data.other", DataConfig)
    changed = {key: value for key, value in now.items() if value != was.get(key, defaults.get(key))}
    return {key: value for key, value in changed.items() if key not in {f"train.{name}" for name in TEXTS}}


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat


def _defaults(table: str, config: type[BaseConfig]) -> dict[str, Any]:
    plain = config(path="-").to_dict() if config is DataConfig else config().to_dict()
    return {f"{table}.{name}": value for name, value in plain.items() if name != "path"}


def _shown(key: str, value: Any) -> str:
    """A setting's value for everybody's eyes: of a path the last name alone."""
    return _place(str(value)) if key.endswith((".path", ".init", ".captions")) else str(value)


def _name(path: Path) -> str:
    return printable(os.path.basename(os.path.realpath(path)))


def _place(path: str) -> str:
    local = expanded(path)
    return path if HUB_ID.fullmatch(path) and not os.path.exists(local) else _name(local)


def describe(pictures: Pictures) -> dict[str, Any]:
    """What was read: a sentence, a short name, and the ids of the Hub's datasets among it."""
    name, ids = _place(pictures.config.path), _hub_ids(pictures)
    text = _collection(pictures)
    if pictures.other:
        together = "Each with the one of the same name of" if pictures.paired else "With them, unpaired:"
        text = f"{text} {together} {_collection(pictures.other)}"
        ids = list(dict.fromkeys([*ids, *_hub_ids(pictures.other)]))
    return {"text": text, "name": name, "hub": ids}


def _collection(pictures: Pictures) -> str:
    config, source = pictures.config, pictures.source
    count = f"{len(pictures):,} picture{'' if len(pictures) == 1 else 's'}" if len(pictures) else "Pictures"
    parts = [f"{count} from {_kind(config.path, source)} {_place(config.path)}"]
    if names := [str(name) for name in pictures.class_names]:
        more = ", ..." if len(names) > MOST_NAMES else ""
        parts.append(f"{len(names)} classes ({', '.join(names[:MOST_NAMES])}{more})")
    if _has_split(config.split, source):
        parts.append(f"split {config.split}")
    if config.only:
        parts.append(f"of them those whose names match {config.only}")
    if config.half:
        parts.append(f"the {config.half} half of each")
    if config.limit and not isinstance(source, Stream) and config.limit < len(source):
        parts.append(f"chosen evenly from {len(source):,}")
    if config.holdout:
        kept = "these are the part held out" if config.part == "holdout" else "not among them"
        parts.append(f"a share of {config.holdout:g} was held out, {kept}")
    if config.smallest_class and pictures.class_names:
        parts.append(f"classes of fewer than {config.smallest_class} left out")
    if pictures.skipped:
        parts.append(f"{len(pictures.skipped):,} could not be read and were left out")
    return "; ".join(parts) + "."


def _kind(path: str, source: Source | Stream) -> str:
    local = expanded(path)
    if not os.path.exists(local):
        return "the streamed dataset" if isinstance(source, Stream) else "the dataset"
    return "the folder" if local.is_dir() else "the file"


def _has_split(split: str, source: Source | Stream) -> bool:
    """Whether there is a split of that name, and not a collection without any of which all was read."""
    if isinstance(source, ArraySource):
        return source.entries[0].name.startswith(f"{split}_")
    if isinstance(source, Stream) or not isinstance(source.entries, list):
        return True
    return all(entry.name.lower().startswith(f"{split.lower()}/") for entry in source.entries)


def _hub_ids(pictures: Pictures) -> list[str]:
    path = pictures.config.path
    return [path] if HUB_ID.fullmatch(path) and not os.path.exists(expanded(path)) else []


def started_from(init: str) -> list[dict[str, Any]]:
    """The models whose weights a run starts from, nearest first: what their cards say of data and licence."""
    if not init:
        return []
    here = os.path.exists(expanded(init))
    start: dict[str, Any] = {"name": init if hub.is_repo_id(init) and not here else _name(Path(init))}
    if hub.is_repo_id(init) and not here:
        start["hub"] = True
    try:
        folder = hub.locate(init)
        run = cards.read_metrics(folder).get("training", {})
        facts = cards.read_facts(cards.read_card(folder / CARD)) if (folder / CARD).is_file() else {}
    except HubError:
        return [start]
    run = run if isinstance(run, Mapping) else {}
    for name in ("dataset", "licence"):
        # What a person wrote into the card counts more than what the run put down.
        text = (facts.get(name) or run.get(name)) if name == "licence" else (run.get(name) or facts.get(name))
        if isinstance(text, str) and text:
            start[name] = " ".join(text.split())[:1000]
    before = run.get("started_from")
    return [start, *(one for one in before[:8] if isinstance(one, Mapping))] if isinstance(before, list) else [start]
