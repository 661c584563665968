"""The recipes that come with ganhub, by name; and a recipe made ready for somebody's own pictures."""

from __future__ import annotations

import os
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
    path, recipes = expanded(text), list_recipes()
    if os.path.isfile(path):
        return path
    name = text.removesuffix(".toml").replace("-", "_")
    if name in recipes:
        return recipes[name]
    raise ConfigError(
        f"There is no file and no recipe '{text}'.{nearest(name, recipes)} Recipes: auto, {', '.join(sorted(recipes))}."
    )


def own_recipe(text: str, data: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe for somebody's own pictures.

    Args:
        text: A file, or the name of a recipe.
        data, overrides: See :func:`ganhub.trainer.read_recipe`.

    Raises:
        ConfigError: See :func:`find_recipe` and :func:`ganhub.trainer.read_recipe`.
    """
    return read_recipe(find_recipe(text), overrides, data=data)
