"""Real pictures: what a recipe's ``[data]`` table says, where they lie, and batches of them. No trainer is needed."""

from ganhub.data.config import DataConfig
from ganhub.data.pictures import Pictures, open_data

__all__ = ["DataConfig", "Pictures", "open_data"]
