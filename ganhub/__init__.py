"""ganhub: GANs and style networks, each one readable file, from the Hugging Face Hub to the browser."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from typing import TYPE_CHECKING, Any

from ganhub._version import __version__

if TYPE_CHECKING:
    from ganhub.errors import GanhubError
    from ganhub.images import load_image, save_grid, save_image
    from ganhub.models import AutoModel, list_architectures

__all__ = [
    "AutoModel",
    "GanhubError",
    "__version__",
    "list_architectures",
    "load_image",
    "save_grid",
    "save_image",
]

# What users name in one word, loaded when it is asked for: torch alone takes seconds.
_MODULES = {
    "cards": "ganhub.hub.cards",
    "restoring": "ganhub.apply.restoring",
    "styling": "ganhub.apply.styling",
    "translating": "ganhub.apply.translating",
    "video": "ganhub.images.video",
}
_NAMES = {
    "AutoModel": "ganhub.models",
    "GanhubError": "ganhub.errors",
    "list_architectures": "ganhub.models",
    "load_image": "ganhub.images",
    "save_grid": "ganhub.images",
    "save_image": "ganhub.images",
}


def __getattr__(name: str) -> Any:
    """What the two lists above hold, and the modules of this package."""
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    module = _MODULES.get(name, f"ganhub.{name}")
    if name in _MODULES or not name.startswith("_") and importlib.util.find_spec(module):
        return importlib.import_module(module)
    raise AttributeError(f"module 'ganhub' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES, *(module.name for module in pkgutil.iter_modules(__path__))})
