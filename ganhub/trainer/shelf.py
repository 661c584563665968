"""The recipes that come with ganhub, by name; and a recipe made ready for somebody's own pictures."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.files import expanded
from ganhub.trainer.recipe import Recipe, read_recipe

_PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (_PACKAGE / "recipes", _PACKAGE.parent / "training" / "recipes")  # of a wheel, and of a clone


def list_recipes() -> dict[str, Path]:
    """Name -> file of every recipe that comes with ganhub."""
    return {path.stem: path for place in reversed(PLACES) for path in sorted(place.glob("*.toml"))}


def find_recipe(text: str) -> Path:
    """The file that a path or a recipe's name ("stylegan2_monet", also with hyphens) means.

    Raises:
        ConfigError: Neither a file nor a name; the nearest name is given, and all of them.
    """
    path, known = expanded(text), list_recipes()
    if os.path.isfile(path):
        return path
    name = text.removesuffix(".toml").replace("-", "_")
    if name in known:
        return known[name]
    raise ConfigError(
        f"There is no file and no recipe '{text}'.{nearest(name, known)} Recipes: auto, {', '.join(sorted(known))}."
    )


def own_recipe(text: str, data: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe for somebody's own pictures.

    Args:
        text: A file, or the name of a recipe.
        data: Becomes ``data.path``, and ``data.other.path`` where the recipe takes both from one place.
        overrides: ``table.key=value``, which win.

    Raises:
        ConfigError: See :func:`find_recipe` and :func:`ganhub.trainer.read_recipe`.
    """
    path = find_recipe(text)
    return read_recipe(path, [*(data_overrides(path, data) if data else []), *overrides])


def data_overrides(recipe: Path, data: str) -> list[str]:
    """``data.path=DATA``, and the same for the second collection of a recipe that takes both from one place."""
    quoted = json.dumps(data)
    try:
        tables = tomllib.loads(recipe.read_text(encoding="utf-8-sig")).get("data", {})
    except (OSError, ValueError):  # read_recipe says what is wrong
        return [f"data.path={quoted}"]
    other = tables.get("other", {}) if isinstance(tables, dict) else {}
    shared = isinstance(other, dict) and other.get("path") and other["path"] == tables.get("path")
    return [f"data.path={quoted}", *([f"data.other.path={quoted}"] if shared else [])]
