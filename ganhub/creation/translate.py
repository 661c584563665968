"""Translate: a picture turned into another, or enlarged."""

from __future__ import annotations

from dataclasses import dataclass

from ganhub.apply import hints, translating
from ganhub.creation._base import Library, OnStep, Result, tiling
from ganhub.creation.inputs import Inputs
from ganhub.creation.photo import OfPhoto
from ganhub.images import provenance
from ganhub.models import Translator


@dataclass(frozen=True, kw_only=True)
class Translate(OfPhoto, verb="translate"):
    """A translation; the model decides what it is, and whether it is larger.

    Attributes:
        model: A translator.
        tile: "auto", or pixels a side: large photos in tiles; 0 for none.
        self_ensemble: The mean over the photo's eight positions.
        dabs: Of a line drawing: its dabs of colour are no lines, they colour the areas between those.
    """

    model: str
    tile: str | int = tiling()
    self_ensemble: bool = False
    dabs: bool = False

    def check(self) -> None:
        self.require(self.opaque or not self.dabs, "Dabs of colour are those of a drawing on white: ask for opaque.")

    def source_type(self, library: Library) -> str:
        translator = library.open(self.model, Translator)
        enhances = translator.task(translator.config) in ("clean", "enlarge")
        return provenance.ENHANCED if enhances else provenance.COMPOSITE

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        translator, photo = library.open(self.model, Translator), self.read(inputs)
        lines = hints.without_dabs(photo.picture) if self.dabs else photo.picture
        pictures = translating.translate(
            translator, lines, tile=self.tile, self_ensemble=self.self_ensemble, on_step=on_step
        )
        if self.dabs:
            pictures = hints.coloured(pictures, photo.picture)
        return Result(pictures=pictures, photo=photo.picture, srgb=photo.srgb, shrunk=photo.shrunk)
