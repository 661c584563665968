"""What a search may want of pictures: small pure functions, each of which gives one number per picture.

Each file here registers its functions by :func:`score`. A new score is one new function, in one of these files or in a
file of its own.
"""

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
from ganhub.registry import import_files

import_files(__name__, __path__)  # each score registers itself

__all__ = ["Judge", "Score", "Shares", "get_score", "list_scores", "read_scores", "score", "written_scores"]
