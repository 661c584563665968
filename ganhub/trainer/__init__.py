"""Training: a recipe, one loop for all families, checkpoints, reports."""

from ganhub.extras import needed_for

with needed_for("Training"):
    from ganhub.trainer.loop import Trainer
    from ganhub.trainer.recipe import Recipe, TrainConfig, make_recipe, read_recipe

__all__ = ["Recipe", "TrainConfig", "Trainer", "make_recipe", "read_recipe"]
