"""Packages in which each file declares something of its own: a model, a metric, a score, a command."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType


def import_files(package: str, path: Iterable[str]) -> list[ModuleType]:
    """Import the files of a package, so that what they declare is there.

    Args:
        package: Its ``__name__``.
        path: Its ``__path__``.

    Returns:
        The modules, by name; those whose name begins with an underscore are left out.
    """
    names = [module.name for module in pkgutil.iter_modules(path)]
    return [importlib.import_module(f"{package}.{name}") for name in names if not name.startswith("_")]
