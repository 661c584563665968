"""ganhub: GANs and style networks, each one readable file, from the Hugging Face Hub to the browser."""

import importlib
from types import ModuleType

from ganhub._version import __version__
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

# Modules that users name in one word, loaded when they are asked for.
_IN_ONE_WORD = {
    "cards": "ganhub.hub.cards",
    "restoring": "ganhub.apply.restoring",
    "styling": "ganhub.apply.styling",
    "translating": "ganhub.apply.translating",
    "video": "ganhub.images.video",
}


def __getattr__(name: str) -> ModuleType:
    """``ganhub.styling`` and the others of the list above."""
    if name in _IN_ONE_WORD:
        return importlib.import_module(_IN_ONE_WORD[name])
    raise AttributeError(f"module 'ganhub' has no attribute {name!r}")
