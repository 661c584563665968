"""Training: a recipe, one loop for all families, data, checkpoints."""

from ganhub.extras import needed_for

with needed_for("Training, and reading pictures as a recipe does,"):
    from ganhub.trainer.data import DataConfig, Pictures, open_data
    from ganhub.trainer.loop import Trainer
    from ganhub.trainer.recipe import Recipe, TrainConfig, make_recipe, read_recipe

__all__ = ["DataConfig", "Pictures", "Recipe", "TrainConfig", "Trainer", "make_recipe", "open_data", "read_recipe"]
