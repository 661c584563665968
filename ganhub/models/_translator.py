"""The verb of translation: a picture in, a picture out, checked in one place."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.config import BaseConfig
from ganhub.errors import ImageError
from ganhub.images import MAX_SIDE
from ganhub.models._base import Model, finite

MAX_PIXELS = 64_000_000  # of a translation, whole or from tiles


class Translator(Model):
    """Turns pictures into pictures. A subclass defines ``forward``: [N, 3, H, W] in [-1, 1] to about the same range,
    ``scale`` times as large, for sides that are multiples of ``multiple``."""

    verb = "translator"
    pipeline_tag = "image-to-image"
    tiles: ClassVar[bool] = True  # whether a large picture may be translated in pieces
    margin: ClassVar[int] = 32  # pixels about a tile that its border may change: the receptive field

    @classmethod
    def task(cls, config: BaseConfig) -> str:
        """What a model of that config does: "translate", or a step of restoration: "clean", "colourise", "enlarge"."""
        return "translate"

    @classmethod
    def usage(cls, config: BaseConfig) -> str:
        return 'made = model.translate(ganhub.load_image("photo.jpg"))'

    def command(self, name: str) -> str:
        does, out = ("upscale", "large.png") if self.scale > 1 else ("translate", "translated.png")
        return f"ganhub {does} PHOTO --model {name} --out {out}"

    @property
    def scale(self) -> int:
        """How many times larger, a side, the translation is."""
        return 1

    @property
    def multiple(self) -> int:
        """Sides are padded to a multiple of so many pixels."""
        return 1

    def translate(self, image: Tensor) -> Tensor:
        """Return the translation of each picture.

        Args:
            image: [N, 3, H, W] in [-1, 1].

        Returns:
            [N, 3, H * scale, W * scale] in [-1, 1], on the device and in the type of ``image``.

        Raises:
            ImageError: A picture of another shape, or one whose translation would exceed 64 megapixels.
        """
        if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[1] != 3 or 0 in image.shape:
            got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise ImageError(f"A picture to translate is RGB [N, 3, H, W], not {got}: see ganhub.load_image.")
        height, width = image.shape[2:]
        require_room(height * self.scale, width * self.scale)
        right, below = -width % self.multiple, -height % self.multiple
        with torch.no_grad():
            x = F.pad(image.to(self.device, self.dtype), (0, right, 0, below), mode="replicate")
            translation = finite(self(x.contiguous(memory_format=torch.channels_last)), self, image)
        translation = translation[..., : height * self.scale, : width * self.scale].clamp(-1, 1)
        return translation.to(image.device, image.dtype).contiguous()


def require_room(height: int, width: int) -> None:
    """Raise ImageError for a translation larger than is made."""
    if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise ImageError(
            f"The result would have {width:,} x {height:,} pixels; at most {MAX_PIXELS:,} are made, {MAX_SIDE:,} a "
            "side. Shrink it first."
        )


class Enlarger(Translator):
    """A translator that enlarges by the ``scale`` of its config, or cleans pictures where that is 1."""

    default_objective = "super-resolution"

    @classmethod
    def task(cls, config: BaseConfig) -> str:
        return "enlarge" if config.scale > 1 else "clean"

    @property
    def scale(self) -> int:
        return self.config.scale
