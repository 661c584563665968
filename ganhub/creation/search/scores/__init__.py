"""What a search may want of pictures: small pure functions, each of which gives one number per picture.

Each file here registers its functions by :func:`score`. A new score is one new function, in one of these files or in a
file of its own.
"""

import importlib
import pkgutil

from ganhub.creation.search.scores._base import (
    Judge,
    Score,
    Shares,
    get_score,
    list_scores,
    read_scores,
    score,
    written_scores,
)

for _module in pkgutil.iter_modules(__path__):  # each score registers itself
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Judge", "Score", "Shares", "get_score", "list_scores", "read_scores", "score", "written_scores"]
