"""The verb of inpainting: a picture and a mask in, the picture with its holes filled out."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.errors import ImageError
from ganhub.models._base import Model


class Inpainter(Model):
    """Fills holes. A subclass defines ``fill``: pictures [N, 3, H, W] in [-1, 1] and holes [N, 1, H, W], 1 inside, to
    pictures, for sides that are multiples of ``multiple``."""

    verb = "inpainter"
    margin: ClassVar[int] = 96  # pixels about a tile that its border may have spoilt: the network's field
    multiple: ClassVar[int] = 8

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
            made = self.fill(x.contiguous(memory_format=torch.channels_last), inside.expand(n, -1, -1, -1))
        made = made[..., :height, :width].clamp(-1, 1).to(image.device, image.dtype)
        return torch.where(hole, made, image)

    def hole(self, image: Tensor, mask: Tensor) -> Tensor:
        """Where ``mask`` is white, bool [1 or N, 1, H, W]; raises ImageError as :meth:`inpaint` does."""
        n, _, height, width = image.shape
        if not isinstance(mask, Tensor) or mask.dim() != 4 or tuple(mask.shape[1:]) != (1, height, width) or len(
            mask
        ) not in (1, n):
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
