"""Training: a recipe, one loop for all families, checkpoints, reports.

Accelerate is imported with the loop alone: recipes, logs and plots are read without it.
"""

from typing import Any

from ganhub.extras import needed_for
from ganhub.trainer.recipe import Recipe, TrainConfig, make_recipe, read_recipe


def __getattr__(name: str) -> Any:
    if name == "Trainer":
        with needed_for("Training"):
            from ganhub.trainer.loop import Trainer
        return Trainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Recipe", "TrainConfig", "Trainer", "make_recipe", "read_recipe"]
