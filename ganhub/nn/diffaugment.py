"""DiffAugment: random, differentiable transforms of all that the discriminator sees, real and fake alike.

"Differentiable Augmentation for Data-Efficient GAN Training" (Zhao et al. 2020, arXiv:2006.10738), with the
paper's ranges: brightness +-0.5 on images in [-1, 1], saturation x 0..2, contrast x 0.5..1.5, translation by
up to 1/8 of each side with zeros moving in, and one zeroed square of half the side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.nn.random import Seeds, uniform

STREAM = 0xD1FF  # keeps these draws apart from the latents of the same seeds
POLICIES = ("colour", "translation", "cutout")


class DiffAugment:
    """Transforms chosen by name; each picture's parameters depend on its seed alone.

    Args:
        policy: Any of "colour", "translation" and "cutout", separated by commas; "" changes nothing.

    Raises:
        ConfigError: For a name it does not know.
    """

    def __init__(self, policy: str = "colour,translation,cutout") -> None:
        self.policy = tuple(name.strip() for name in policy.split(",") if name.strip())
        for name in self.policy:
            if name not in POLICIES:
                names = ", ".join(POLICIES)
                raise ConfigError(f"DiffAugment knows {names}, not '{name}'.{nearest(name, POLICIES)}")

    def __call__(self, images: Tensor, seeds: Seeds, *, stream: int = 0) -> Tensor:
        """Augment.

        Args:
            images: [N, C, H, W] in [-1, 1], any dtype, device and memory format.
            seeds: N integers.
            stream: Tells several draws of the same seeds apart: reals and fakes are drawn independently.

        Returns:
            Same shape, dtype and memory format; values may leave [-1, 1], as in the paper.
        """
        if not self.policy:
            return images
        if len(seeds) != len(images):
            raise ValueError(f"{len(images)} images need as many seeds, not {len(seeds)}.")
        draws = uniform(seeds, 7, stream=STREAM + stream).to(images.device)
        if "colour" in self.policy:
            images = colour(images, draws[:, 0] - 0.5, draws[:, 1] * 2, draws[:, 2] + 0.5)
        if "translation" in self.policy:
            reach = [int(side / 8 + 0.5) for side in images.shape[2:]]
            down, right = ((draws[:, 3 + k] * (2 * reach[k] + 1)).long() - reach[k] for k in (0, 1))
            images = translate(images, down, right)
        if "cutout" in self.policy:
            # As in the paper the square's centre may lie anywhere, so that it can stick out of the picture.
            top, left = ((draws[:, 5 + k] * (images.shape[2 + k] + 1)).long() for k in (0, 1))
            images = cutout(images, top, left)
        return images

    def observe(self, real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
        """Return {}: nothing here adapts to the discriminator as :class:`ganhub.nn.ada.AdaptiveAugment` does."""
        return {}


def colour(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Shift all channels, then scale each pixel's distance to its grey, then to the picture's mean.

    Args:
        images: [N, C, H, W]; with four channels the last, alpha, stays as it is.
        brightness: [N], added.
        saturation: [N], factor; 1 changes nothing, and one channel has none.
        contrast: [N], factor; 1 changes nothing.
    """
    if images.shape[1] == 4:
        return torch.cat([colour(images[:, :3], brightness, saturation, contrast), images[:, 3:]], dim=1)
    return _Colour.apply(images, *(t.float().view(-1, 1, 1, 1) for t in (brightness, saturation, contrast)))


class _Colour(torch.autograd.Function):
    """The three steps folded: x' = c (s x + (1 - s) grey(x)) + (1 - c) mean(x) + b.

    Averaging over channels or over the picture is its own adjoint, so but for b the gradient goes the same way back.
    """

    @staticmethod
    def forward(ctx, x: Tensor, b: Tensor, s: Tensor, c: Tensor) -> Tensor:
        ctx.save_for_backward(s, c)
        precise = torch.promote_types(x.dtype, torch.float32)  # a mean of thousands of bf16 values
        offset = (1 - c) * x.mean(dim=(1, 2, 3), keepdim=True, dtype=precise) + b
        out = x * (c if x.shape[1] == 1 else c * s).to(x.dtype)
        if x.shape[1] > 1:
            grey = x.mean(dim=1, keepdim=True)
            return out.add_(grey.mul_((c * (1 - s)).to(x.dtype)).add_(offset.to(x.dtype)))
        return out.add_(offset.to(x.dtype))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        s, c = ctx.saved_tensors
        return _Colour.apply(gradient, torch.zeros_like(s), s, c), None, None, None


def translate(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move each picture by whole pixels, [N] each; zeros move in."""
    return _Shift.apply(images, down, right)


class _Shift(torch.autograd.Function):
    """A shift that drops what leaves is linear; its adjoint is the opposite shift, so nothing is scattered."""

    @staticmethod
    def forward(ctx, images: Tensor, down: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(down, right)
        # Copying rectangles is several times faster than gathering on a CPU; on a GPU 64 launches would not be.
        return (_by_slices if images.device.type == "cpu" else _by_gather)(images, down, right)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        down, right = ctx.saved_tensors
        return _Shift.apply(gradient, -down, -right), None, None


def _by_slices(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    height, width = images.shape[2:]
    out = torch.zeros_like(images)
    for k, (y, x) in enumerate(zip(down.tolist(), right.tolist(), strict=True)):
        source = images[k, :, max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)]
        out[k, :, max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = source
    return out


def _by_gather(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    rows = torch.arange(height, device=images.device) - down.view(-1, 1)  # [N, H]: where each row comes from
    columns = torch.arange(width, device=images.device) - right.view(-1, 1)
    inside = _outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width)).to(images.dtype)
    place = rows.clamp(0, height - 1).unsqueeze(2) * width + columns.clamp(0, width - 1).unsqueeze(1)
    moved = images.flatten(2).gather(2, place.view(n, 1, -1).expand(-1, channels, -1)).view_as(images)
    return torch.empty_like(images).copy_(moved * inside)  # empty_like keeps the memory format


def cutout(images: Tensor, centre_row: Tensor, centre_column: Tensor) -> Tensor:
    """Set a square (half of each side) around each picture's centre point, [N] each, to zero."""
    height, width = images.shape[2:]
    hole = []
    for side, centre in ((height, centre_row), (width, centre_column)):
        size = int(side / 2 + 0.5)
        start = centre.view(-1, 1) - size // 2
        place = torch.arange(side, device=images.device)
        hole.append((place >= start) & (place < start + size))
    return images * (~_outer(*hole)).to(images.dtype)


def _outer(rows: Tensor, columns: Tensor) -> Tensor:
    """[N, H] and [N, W] -> [N, 1, H, W]: true where both are."""
    return (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)
