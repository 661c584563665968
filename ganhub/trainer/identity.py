"""What a run is: model, objective, settings, classes and pictures, kept in each checkpoint as its fingerprint.

A run goes on as what it was begun as. What a resume cannot apply is refused in a sentence that names the difference;
what it can apply is applied and said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.nn import functional as F

from ganhub.data.pictures import Pictures
from ganhub.data.sources import Entry, Stream
from ganhub.errors import ConfigError, GanhubError
from ganhub.models import Model, get_architecture
from ganhub.objectives import BaseObjective, get_objective
from ganhub.trainer.recipe import TrainConfig

SAMPLE = 16  # pictures of a collection whose contents are looked at
TOLERANCE = 4  # of 255: a newer image library may decode a JPEG or a colour profile slightly differently

# What becomes of a [train] setting that is another one when a run goes on. Every field is in one of the three.
FIXED = {"seed", "init"}  # they did all that they do before the first step
TOLD = {"images", "minutes", "batch_size", "learning_rate", "betas", "cooldown", "max_gradient_norm", "ema_half_life",
        "precision", "stop_when_lost"}  # fmt: skip
SILENT = {"accumulate", "threads", "compile", "log_every", "grid_every", "checkpoint_every", "keep_checkpoints",
          "watch", "half", "tracker", "licence", "dataset", "intended_use", "limits"}  # fmt: skip
# The same for [data]. Which pictures there are is compared by the pictures themselves, so a folder may be moved.
FIXED_DATA = {"half", "pairing"}
TOLD_DATA = {"crop", "zoom", "flip", "turn", "size", "background", "seed"}
CHOOSING = {"split", "images", "labels", "only", "limit", "holdout", "part", "smallest_class"}


def fingerprint(model: Model, objective: BaseObjective, train: TrainConfig, data: Pictures) -> dict[str, Any]:
    """What the run is, as plain values; reads at most ``SAMPLE`` pictures of each collection, of a stream none."""
    fields = {k: v for k, v in model.config.to_dict().items() if k != "class_names"}  # they are the data's
    return {
        "model": {"architecture": model.architecture, **fields},
        "objective": {"name": objective.name, **objective.config.to_dict()},
        "train": {name: value for name, value in train.to_dict().items() if name in FIXED | TOLD},
        "data": data_identity(data),
    }


def data_identity(pictures: Pictures) -> dict[str, Any]:
    """Settings, classes, count, a digest of names and labels, and a look at some contents of a collection."""
    config, source = pictures.config.to_dict(), pictures.source
    identity: dict[str, Any] = {
        "settings": {name: config[name] for name in sorted(FIXED_DATA | TOLD_DATA | CHOOSING)},
        "classes": list(pictures.class_names),
        "other": data_identity(pictures.other) if pictures.other else None,
    }
    if isinstance(source, Stream):  # to look into it costs a download, so its address stands for it
        return identity | {"count": source.count, "names": f"stream {config['path']}", "sample": []}
    chosen = pictures.chosen
    places = np.unique(np.linspace(0, len(chosen) - 1, min(SAMPLE, len(chosen))).astype(int))
    names = hashlib.sha256()
    if isinstance(source.entries, list):  # else each name costs the reading of a row
        for i in chosen:
            names.update(json.dumps([source.entries[i].name, source.entries[i].label]).encode())
    looks = [_look(source[int(chosen[place])]) for place in places]
    return identity | {"count": len(chosen), "names": names.hexdigest(), "sample": looks}


def _look(entry: Entry) -> list[int] | None:
    """Label, height, width and the means of 4 x 4 fields of a picture, each from 0 to 255; None if it is broken."""
    try:
        picture = entry.read()
    except (GanhubError, OSError, KeyError, RuntimeError):
        return None
    means = (F.adaptive_avg_pool2d(picture.float(), 4).clamp(-1, 1) + 1) * 127.5
    return [int(entry.label), *picture.shape[2:], *means.round().int().flatten().tolist()]


def compare(held: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What differs between the fingerprints of a checkpoint and a run: (what cannot be applied, what is applied)."""
    refused = []
    for table in ("model", "objective"):
        before = {**_defaults(table, held[table]), **held[table]}  # a setting that is newer than the checkpoint was off
        if changes := _changes(before, now[table], before.keys() & now[table].keys()):
            refused.append(f"another [{table}] ({'; '.join(changes)})")
    old, new = ({**one["train"], "init": Path(one["train"]["init"]).name} for one in (held, now))
    refused += [f"train.{change}" for change in _changes(old, new, FIXED)]
    applied = [f"train.{change}" for change in _changes(old, new, TOLD)]
    beside = _compare_data(held["data"], now["data"], "data")
    return refused + beside[0], applied + beside[1]


def _defaults(table: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings of a checkpoint's model or objective are where nobody sets them."""
    try:
        known = get_architecture(held["architecture"]) if table == "model" else get_objective(held["name"])
        return known.Config.from_dict({}).to_dict()
    except GanhubError:  # a family that is not here, or one that has no defaults: then what both name is compared
        return {}


def _compare_data(held: Mapping[str, Any], now: Mapping[str, Any], table: str) -> tuple[list[str], list[str]]:
    settings = held["settings"], now["settings"]
    refused = [f"{table}.{change}" for change in _changes(*settings, FIXED_DATA)]
    applied = [f"{table}.{change}" for change in _changes(*settings, TOLD_DATA)]
    if difference := _other_pictures(held, now):
        why = [f"{table}.{change}" for change in _changes(*settings, CHOOSING | {"background"})]
        refused.append(f"other pictures in {table}.path ({'; '.join([difference, *why])})")
    if bool(held["other"]) != bool(now["other"]):
        refused.append("data.other, which it was begun " + ("with" if held["other"] else "without"))
    elif held["other"]:
        beside = _compare_data(held["other"], now["other"], "data.other")
        refused, applied = refused + beside[0], applied + beside[1]
    return refused, applied


def _other_pictures(held: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if held["classes"] != now["classes"]:
        return f"the classes were {_listed(held['classes'])} and are {_listed(now['classes'])} now"
    if held["count"] != now["count"]:
        return f"there were {held['count']:,} and are {now['count']:,} now"
    if held["names"] != now["names"]:
        return "as many, under other names or in other classes"
    if len(held["sample"]) != len(now["sample"]) or not all(map(_alike, held["sample"], now["sample"])):
        return "as many and of the same names, with other contents"
    return ""


def _alike(first: list[int] | None, second: list[int] | None) -> bool:
    if first is None or second is None:
        return first is second
    if len(first) != len(second):  # read with more or fewer channels, for another model: colours cannot be compared
        return first[:3] == second[:3]
    return first[:3] == second[:3] and max(abs(a - b) for a, b in zip(first, second, strict=True)) <= TOLERANCE


def _changes(held: Mapping[str, Any], now: Mapping[str, Any], names: set[str]) -> list[str]:
    """A phrase, "name was OLD and is NEW now", for each of ``names`` that both know and that differs."""
    return [
        f"{name} was {json.dumps(held[name])} and is {json.dumps(now[name])} now"
        for name in now
        if name in names and name in held and held[name] != now[name]
    ]


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "") if names else "none"


def check_same_run(out: Path, held: Mapping[str, Any] | None, now: Mapping[str, Any], *, say: bool = True) -> list[str]:
    """What is applied anew to the run in ``out`` as it goes on, a phrase each.

    Args:
        held: The checkpoint's fingerprint; None in those of ganhub 0.5.
        now: The run's.
        say: Whether this process says that nothing can be compared.

    Raises:
        ConfigError: When the run was begun as something else; the sentence names the differences.
    """
    if held is None:
        if say:
            print(
                f"The checkpoint in {out} has no fingerprint (ganhub 0.5 wrote none): whether pictures and settings "
                "are still the same is not checked this time."
            )
        return []
    refused, applied = compare(held, now)
    if refused:
        raise ConfigError(
            f"The run in {out} was begun with something else and cannot go on like this: {'; '.join(refused)}. "
            f"Set it back, or take a new --out folder (there, train.init={out} starts from its weights)."
        )
    return applied
