"""One paper, one file. Importing this package fills the registry."""

import importlib
import pkgutil

from ganhub.models._base import AutoModel, Model, get_architecture, list_architectures
from ganhub.models._inpainter import Inpainter
from ganhub.models._style import StyleGenerator
from ganhub.models._stylizer import Stylizer
from ganhub.models._translator import Translator
from ganhub.models._verbs import LatentConfig, LatentGenerator

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "AutoModel",
    "Inpainter",
    "LatentConfig",
    "LatentGenerator",
    "Model",
    "StyleGenerator",
    "Stylizer",
    "Translator",
    "get_architecture",
    "list_architectures",
]
