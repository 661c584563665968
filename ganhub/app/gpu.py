"""A GPU that is lent for each call, as on a Space with ZeroGPU (``spaces.GPU``); everywhere else calls run as they are.

ZeroGPU runs the call in a process of its own: what goes in and comes out is plain values and tensors on the CPU, and
the models are loaded there. What is not called through this module runs on the CPU.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from torch import Tensor

from ganhub import creation as creations
from ganhub.app.lanes import lane_of
from ganhub.creation import Creation, Inputs, Library, LocalLibrary, OnStep, Result
from ganhub.creation.generate import Near, Wanted, draw
from ganhub.models import LatentGenerator

F = TypeVar("F", bound=Callable)
SECONDS = {"quick": 15, "film": 60, "photo": 60}  # that a job of a lane may take; others take SLOW
SLOW = 120


def is_lent() -> bool:
    """Whether this is a Space with ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def borrowed(duration: int | Callable[..., int]) -> Callable[[F], F]:
    """Let a function have a GPU for so many seconds, where one is lent."""
    if not is_lent():
        return lambda function: function
    import spaces

    return spaces.GPU(duration=duration)


@cache
def _library() -> LocalLibrary:
    return LocalLibrary()


def seconds_of(creation: Creation, inputs: Inputs) -> int:
    """How long the GPU is borrowed for."""
    return SECONDS.get(lane_of(creation), SLOW)


@borrowed(seconds_of)
def render_there(creation: Creation, inputs: Inputs) -> Result:
    """:func:`ganhub.creation.render`, with every tensor of the result on the CPU."""
    result = creations.render(creation, _library(), inputs=inputs)
    moved = {name: tensor.cpu() for name, tensor in result.tensors.items()}
    named = {name: getattr(result, name) for name in ("pictures", "film", "photo")}
    named = {name: None if tensor is None else tensor.cpu() for name, tensor in named.items()}
    return dataclasses.replace(result, tensors=moved, **named)


@borrowed(SECONDS["quick"])
def draw_there(model: str, wanted: Sequence[Wanted], truncation: float, near: Near = None) -> Tensor:
    """:func:`ganhub.creation.generate.draw` for a model's name."""
    return draw(_library().open(model, LatentGenerator), wanted, truncation, near)


def render(
    creation: Creation, library: Library, on_step: OnStep | None = None, *, inputs: Inputs | None = None
) -> Result:
    """:func:`ganhub.creation.render`, on a GPU where one is lent; that one tells nothing until it is done."""
    if is_lent():
        return render_there(creation, inputs or Inputs())
    return creations.render(creation, library, on_step, inputs=inputs)
