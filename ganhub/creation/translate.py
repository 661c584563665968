"""Translate: a picture turned into another, or enlarged."""

from __future__ import annotations

from dataclasses import dataclass

from ganhub.apply import translating
from ganhub.creation._base import Library, OnStep, Result, tiling
from ganhub.creation.inputs import Inputs
from ganhub.creation.photo import OfPhoto
from ganhub.models import Translator


@dataclass(frozen=True, kw_only=True)
class Translate(OfPhoto, verb="translate"):
    """A translation; the model decides what it is, and whether it is larger.

    Attributes:
        model: A translator.
        tile: "auto", or pixels a side: large photos in tiles; 0 for none.
        self_ensemble: The mean over the photo's eight positions.
    """

    model: str
    tile: str | int = tiling()
    self_ensemble: bool = False

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        translator, photo = library.open(self.model, Translator), self.read(inputs)
        pictures = translating.translate(
            translator, photo.picture, tile=self.tile, self_ensemble=self.self_ensemble, on_step=on_step
        )
        return Result(pictures=pictures, photo=photo.picture, srgb=photo.srgb, shrunk=photo.shrunk)
