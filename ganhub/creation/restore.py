"""Restore and Inpaint: holes filled, and an old photo cleaned, filled, coloured and enlarged, in this order."""

from __future__ import annotations

from dataclasses import dataclass

from ganhub.apply import restoring, translating
from ganhub.creation._base import Library, OnStep, Result, picture, tiling
from ganhub.creation.inputs import Inputs
from ganhub.creation.photo import OfPhoto, read_mask
from ganhub.images import provenance
from ganhub.models import Inpainter, Translator

MODELS = ("cleaner", "inpainter", "colourist", "upscaler")  # fields of Restore in the order of the steps


@dataclass(frozen=True, kw_only=True)
class Inpaint(OfPhoto, verb="inpaint"):
    """A photo filled where a mask is white.

    Attributes:
        model: An inpainter.
        mask: sha256 of a picture.
        tile: "auto", or pixels a side: large photos in tiles; 0 for none.
    """

    model: str
    mask: str = picture()
    tile: str | int = tiling()

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        inpainter, photo = library.open(self.model, Inpainter), self.read(inputs)
        mask = read_mask(inputs, self.mask)
        pictures = translating.inpaint(inpainter, photo.picture, mask, tile=self.tile, on_step=on_step)
        return Result(pictures=pictures, photo=photo.picture, srgb=photo.srgb, shrunk=photo.shrunk)


@dataclass(frozen=True, kw_only=True)
class Restore(OfPhoto, verb="restore"):
    """A photo restored by those of four models that are named.

    Attributes:
        cleaner, colourist, upscaler: Translators.
        inpainter: Fills the mask.
        mask: sha256 of a picture: white where something is to be filled.
    """

    cleaner: str = ""
    inpainter: str = ""
    mask: str = picture("")
    colourist: str = ""
    upscaler: str = ""

    def check(self) -> None:
        some = self.cleaner or self.colourist or self.upscaler or self.inpainter and self.mask
        self.require(bool(some), "There is nothing to do: choose a step, or paint what is to be filled.")

    def models(self) -> tuple[str, ...]:
        return tuple(self.steps().values())

    def steps(self) -> dict[str, str]:
        """Field -> name of the models that do something, in order."""
        named = {field: getattr(self, field) for field in MODELS if field != "inpainter" or self.mask}
        return {field: name for field, name in named.items() if name}

    def source_type(self, library: Library) -> str:
        painted = {"inpainter", "colourist"} & set(self.steps())  # what was not in the photo
        return provenance.COMPOSITE if painted else provenance.ENHANCED

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        photo, mask = self.read(inputs), read_mask(inputs, self.mask)
        on_step(0, len(self.steps()), None)
        models = {
            field: library.open(name, Inpainter if field == "inpainter" else Translator)
            for field, name in self.steps().items()
        }
        pictures = restoring.restore(photo.picture, mask=mask, on_step=on_step, **models)
        return Result(pictures=pictures, photo=photo.picture, srgb=photo.srgb, shrunk=photo.shrunk)
