"""How many pixels one result may have: asked before the work, and the same sentence everywhere."""

from __future__ import annotations

import math

from ganhub.errors import ConfigError

GRID = 64_000_000  # of one grid of pictures
FILM = 400_000_000  # of all frames of a film together: some 5 GB in memory
FILM_OF_A_VISITOR = 240 * 512 * 512  # the same where many people share the memory


def check_pixels(count: int, size: tuple[int, int], most: int, what: str = "pictures", advice: str = "") -> None:
    """Raise ConfigError where so many pictures are more than ``most`` pixels.

    Args:
        count: How many.
        size: Height and width of each.
        most: One of the limits of this module.
        what: "pictures" or "frames".
        advice: What to do instead of asking for fewer.
    """
    if count * math.prod(size) > most:
        raise ConfigError(
            f"{count:,} {what} of {size[1]} x {size[0]} pixels are too many for one result: ask for at most "
            f"{max(most // math.prod(size), 1):,}{advice}."
        )
