"""One paper, one file. Importing this package fills the registry."""

import importlib
import pkgutil

from ganhub.models._base import (
    AutoModel,
    LatentGenerator,
    Model,
    Stylizer,
    get_architecture,
    list_architectures,
)

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["AutoModel", "LatentGenerator", "Model", "Stylizer", "get_architecture", "list_architectures"]
