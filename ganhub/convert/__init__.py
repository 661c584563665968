"""Models of other people, in the files they share them in."""

from ganhub.convert.upscalers import SpandrelUpscaler, open_upscaler
from ganhub.convert.weights import SUFFIXES

__all__ = ["SUFFIXES", "SpandrelUpscaler", "open_upscaler"]
