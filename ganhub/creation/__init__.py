"""A picture is made from a Creation: a frozen value that says all of it, and :func:`render` makes it.

from ganhub.creation import Generate, LocalLibrary, render

wall = Generate(model="stylegan2-avatars", seed=7, count=16, truncation=0.8)
pictures = render(wall, LocalLibrary()).pictures  # [16, 3, 64, 64] in [-1, 1]
assert Generate.from_dict(wall.to_dict()) == wall
"""

from ganhub.creation._base import Creation, Library, OnStep, Result, list_verbs, render
from ganhub.creation.edit import Edit
from ganhub.creation.generate import Generate
from ganhub.creation.inputs import Inputs
from ganhub.creation.interpolate import Interpolate
from ganhub.creation.library import LocalLibrary
from ganhub.creation.project import Project
from ganhub.creation.reproduce import read_creation, reproduce
from ganhub.creation.restore import Inpaint, Restore
from ganhub.creation.search.evolve import Evolve
from ganhub.creation.search.point import Point
from ganhub.creation.style import Style
from ganhub.creation.translate import Translate

__all__ = ["Creation", "Edit", "Evolve", "Generate", "Inpaint", "Inputs", "Interpolate", "Library", "LocalLibrary",
           "OnStep", "Point", "Project", "Restore", "Result", "Style", "Translate", "list_verbs",
           "read_creation", "render", "reproduce"]  # fmt: skip
