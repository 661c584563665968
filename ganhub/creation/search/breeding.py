"""The person as the score: a wall of pictures, those that are liked have children, and the next wall is theirs.

"Interactive Evolution" as in "The Blind Watchmaker" (Dawkins 1986) and Picbreeder (Secretan et al. 2008).
"""

from __future__ import annotations

import numpy as np

from ganhub.creation.search.space import Points, Space, rounded

WALL = 12
KEPT = 3  # of those that are liked, which stay on the wall beside their children
CHANGE = 0.2  # standard deviation of a change to a weight
STRANGERS = 1 / 6  # share of children that are fresh where only one picture is liked, so that there is something to mix


def breed(space: Space, parents: Points, seed: int, *, count: int = WALL, change: float = CHANGE) -> Points:
    """The next wall.

    Args:
        space: Where the points lie.
        parents: [N, dims], those that are liked; with none of them the wall is fresh.
        seed: Of what is random.
        count: Points of the wall.
        change: Standard deviation of what is added to a child's weights; more gives children that are less alike.

    Returns:
        [count, dims]: up to three of the parents, then children. A child takes each number from one of two parents
        (uniform crossover), and its weights are changed a little (Gaussian mutation); its class is a parent's.
    """
    random = np.random.default_rng([seed, len(parents)])
    if not len(parents):
        return space.fresh(count, random)
    kept = parents[:KEPT][:count]
    born = count - len(kept)
    pairs = np.stack([_pair(len(parents), random) for _ in range(born)]) if born else np.zeros((0, 2), int)
    first, second = parents[pairs[:, 0]], parents[pairs[:, 1]]
    children = np.where(random.random(first.shape) < 0.5, first, second)
    children[:, : space.count] += random.normal(0.0, change, (born, space.count))
    if len(parents) == 1 and (strangers := round(born * STRANGERS)):
        children[-strangers:] = space.fresh(strangers, random)
    return np.concatenate([kept, rounded(children)])


def _pair(count: int, random: np.random.Generator) -> np.ndarray:
    """Two different parents, where there are two."""
    return random.choice(count, 2, replace=False) if count > 1 else np.zeros(2, int)
