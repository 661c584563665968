"""The verb of inpainting: a picture and a mask in, the picture with its holes filled out."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.config import BaseConfig
from ganhub.errors import ImageError
from ganhub.models._base import Model, finite


class Inpainter(Model):
    """Fills holes. A subclass defines ``fill``: pictures [N, 3, H, W] in [-1, 1] and holes [N, 1, H, W], 1 inside, to
    pictures, for sides that are multiples of ``multiple``."""

    verb = "inpainter"
    pipeline_tag = "image-to-image"
    reach: ClassVar[int] = 0  # pixels from what is known, beyond which a coarser filling serves better; 0 for none
    margin: ClassVar[int] = 96  # pixels about a tile that its border may change: the receptive field
    multiple: ClassVar[int] = 8

    @classmethod
    def task(cls, config: BaseConfig) -> str:
        return "fill"

    @classmethod
    def usage(cls, config: BaseConfig) -> str:
        return (
            'mask = ganhub.load_image("mask.png", channels=1, background="black")\n'
            'filled = model.inpaint(ganhub.load_image("photo.jpg"), mask)'
        )

    def command(self, name: str) -> str:
        return f"ganhub inpaint PHOTO --mask MASK --model {name} --out filled.png"

    def inpaint(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return ``image`` filled where ``mask`` is white.

        Args:
            image: [N, 3, H, W] in [-1, 1]; what it holds under the mask does not matter.
            mask: [1 or N, 1, H, W] in [-1, 1]: above 0 lies the hole.

        Returns:
            [N, 3, H, W] in [-1, 1], outside the hole exactly ``image``.

        Raises:
            ImageError: Another shape, or a mask that covers all of a picture or nothing of it.
        """
        if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[1] != 3 or 0 in image.shape:
            got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise ImageError(f"A picture to fill is RGB [N, 3, H, W], not {got}: see ganhub.load_image.")
        n, _, height, width = image.shape
        hole = self.hole(image, mask)
        right, below = -width % self.multiple, -height % self.multiple
        with torch.no_grad():
            parts = (part.to(self.device, self.dtype) for part in (image, hole))
            x, inside = (F.pad(part, (0, right, 0, below), mode="replicate") for part in parts)
            filled = finite(self._filled(x, inside.expand(n, -1, -1, -1)), self, x)
        filled = filled[..., :height, :width].clamp(-1, 1).to(image.device, image.dtype)
        return torch.where(hole, filled, image)

    def hole(self, image: Tensor, mask: Tensor) -> Tensor:
        """Where ``mask`` is white, bool [1 or N, 1, H, W]; raises ImageError as :meth:`inpaint` does."""
        n, _, height, width = image.shape
        if (
            not isinstance(mask, Tensor)
            or mask.dim() != 4
            or tuple(mask.shape[1:]) != (1, height, width)
            or len(mask) not in (1, n)
        ):
            got = list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
            raise ImageError(f"The mask must be grey and of the picture's size, [1, 1, {height}, {width}], not {got}.")
        hole = (mask > 0).to(image.device)
        share = hole.float().mean((1, 2, 3))
        if (share == 0).any():
            raise ImageError("The mask covers nothing: paint white what is to be filled.")
        if (share == 1).any():
            raise ImageError("The mask covers the whole picture: leave something of it to go by.")
        return hole

    def fill(self, images: Tensor, holes: Tensor) -> Tensor:
        """:meth:`inpaint` for what was found in order."""
        raise NotImplementedError

    def _filled(self, images: Tensor, holes: Tensor) -> Tensor:
        """:meth:`fill` from coarse to fine: what lies deep in a hole is filled at half the size first, enlarged, and
        taken for known; the network sees no farther than the holes of its training were wide."""
        height, width = images.shape[2:]
        deep = 1 - F.max_pool2d(1 - holes, 2 * self.reach + 1, 1, self.reach) if self.reach else torch.zeros_like(holes)
        if deep.any() and min(height, width) >= 4 * self.multiple:
            visible = F.avg_pool2d(1 - holes, 2)
            small = F.avg_pool2d(images * (1 - holes), 2) / visible.clamp_min(0.25)
            pad = (0, -visible.shape[3] % self.multiple, 0, -visible.shape[2] % self.multiple)
            small, inside = (F.pad(part, pad, mode="replicate") for part in (small, (visible == 0).to(holes)))
            coarse = F.interpolate(self._filled(small, inside), scale_factor=2, mode="bicubic").clamp(-1, 1)
            images, holes = torch.where(deep > 0, coarse[..., :height, :width], images), holes - deep
        return self.fill(images.contiguous(memory_format=torch.channels_last), holes)
