"""An input photo, read the same way for every verb that works on one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganhub import images
from ganhub.creation._base import Creation, bounded, picture
from ganhub.creation.inputs import Inputs

NO_PHOTO = "0" * 64  # stands for the photo in a Creation that is made for many


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo [1, C, H, W] in [-1, 1], whether its file named its colours, and to which side it was shrunk, or 0."""

    picture: Tensor
    srgb: bool
    shrunk: int


@dataclass(frozen=True, kw_only=True)
class OfPhoto(Creation, verb=""):
    """What every verb that works on a photo holds.

    Attributes:
        photo: Its sha256.
        size: It is shrunk until no side is longer; 0 leaves it as it is.
        opaque: Whether what is transparent is laid on white; else transparency is kept.
    """

    photo: str = picture()
    size: int = bounded(0, 16_384, 0)
    opaque: bool = False

    def read(self, inputs: Inputs, most: int | None = None) -> Photo:
        """The photo; without a size of its own no side is longer than ``most``.

        Raises:
            ConfigError: It is not here. ImageError: It cannot be read.
        """
        most = self.size or most
        opened = images.open_image(inputs.find(self.photo, "photo"))
        tagged, shrunk = "icc_profile" in opened.info, most if most and max(opened.size) > most else 0
        channels = 3 if self.opaque else {"L": 1, "RGB": 3}.get(opened.mode, 4)
        return Photo(images.load_image(opened, channels=channels, max_side=most), tagged, shrunk)


def read_mask(inputs: Inputs, digest: str, name: str = "mask") -> Tensor | None:
    """A mask [1, 1, h, w] in [-1, 1], what is transparent being black; None without one."""
    return images.load_image(inputs.find(digest, name), channels=1, background="black") if digest else None
