"""Models of other people, in the files they share them in."""

from ganhub.convert.upscalers import SUFFIXES, SpandrelUpscaler, open_upscaler

__all__ = ["SUFFIXES", "SpandrelUpscaler", "open_upscaler"]
