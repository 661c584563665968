"""One paper, one file. Importing this package fills the registry."""

from ganhub.models._base import AutoModel, Model, get_architecture, list_architectures
from ganhub.models._inpainter import Inpainter
from ganhub.models._style import StyleGenerator
from ganhub.models._stylizer import Stylizer
from ganhub.models._translator import Translator
from ganhub.models._verbs import LatentConfig, LatentGenerator
from ganhub.registry import import_files

import_files(__name__, __path__)

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
