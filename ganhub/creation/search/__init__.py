"""Creative search: pictures of a generator that somebody likes, by scores or by the eye.

from ganhub.creation import Evolve, LocalLibrary, render

evolve = Evolve(model="stylegan2-monet", scores="colourfulness=1,symmetry=0.5", generations=25)
result = render(evolve, LocalLibrary())  # .pictures best first, .text says the best score
"""

from ganhub.creation.search.algorithms import Enough, Task, algorithm, get_algorithm, list_algorithms
from ganhub.creation.search.breeding import breed
from ganhub.creation.search.evolve import Evolve, points_of
from ganhub.creation.search.point import Point
from ganhub.creation.search.scores import Judge, get_score, list_scores, read_scores, score, written_scores
from ganhub.creation.search.search import Search, State, progress_of
from ganhub.creation.search.space import Space

__all__ = [
    "Enough", "Evolve", "Judge", "Point", "Search", "Space", "State", "Task", "algorithm", "breed", "get_algorithm",
    "get_score", "list_algorithms", "list_scores", "points_of", "progress_of", "read_scores", "score", "written_scores",
]  # fmt: skip
