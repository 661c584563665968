"""Distances between a picture and its reference, pixel by pixel: PSNR and SSIM as super-resolution papers take them.

Pictures are [N, C, H, W] in [-1, 1] (data range 2), as everywhere in ganhub; all is computed in float64. They are not
rounded to 8 bits here: papers measure saved files, so pass what ``load_image`` reads, or round first. Where a paper
measures "on Y", that is the luma of MATLAB's rgb2ycbcr, 16 to 235 of 255 (data range 255), with as many border pixels
cut off as the factor of enlargement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.metrics._base import PairMetric, PairOptions
from ganhub.metrics.extractors import INSTALL

WINDOW = 11
_LUMA = (65.481, 128.553, 24.966)  # ITU-R BT.601, for RGB in [0, 1] and Y in [16, 235]


def luma(images: Tensor) -> Tensor:
    """Return Y of BT.601 as MATLAB's rgb2ycbcr defines it, not rounded.

    Args:
        images: [N, 3, H, W] in [-1, 1]; a grey picture [N, 1, H, W] is taken for R = G = B.

    Returns:
        [N, 1, H, W] in [16, 235], float64.
    """
    weights = torch.tensor(_LUMA, dtype=torch.float64, device=images.device).view(1, 3, 1, 1)
    return 16 + ((images.double() + 1) / 2 * weights).sum(1, keepdim=True)


def psnr(image: Tensor, reference: Tensor, *, channel: str = "rgb", crop: int = 0) -> Tensor:
    """Peak signal-to-noise ratio, 10 log10(range^2 / mean squared error), picture by picture.

    Args:
        image: [N, C, H, W] in [-1, 1], C = 1 or 3.
        reference: The same shape.
        channel: "rgb" for all channels as they are (data range 2), "y" for :func:`luma` (data range 255).
        crop: Pixels cut off each border.

    Returns:
        [N] decibels, float64; infinite where the two are equal.

    Raises:
        MetricError: When sizes differ, nothing is left after the crop, or values are NaN.
    """
    image, reference, span = _prepare(image, reference, channel, crop, least=1)
    error = (image - reference).square().mean((1, 2, 3))
    return 10 * (span**2 / error).log10()  # torchmetrics takes its logarithms in float32


def ssim(image: Tensor, reference: Tensor, *, channel: str = "rgb", crop: int = 0) -> Tensor:
    """Structural similarity, picture by picture.

    "Image Quality Assessment: From Error Visibility to Structural Similarity" (Wang et al. 2004, IEEE TIP 13,
    equation 13): Gaussian window of 11 x 11 with sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03, averaged over
    the windows that lie inside the picture, and over the channels.

    Args:
        image: [N, C, H, W] in [-1, 1], C = 1 or 3, 11 pixels a side or more after the crop.
        reference: The same shape.
        channel: As in :func:`psnr`.
        crop: Pixels cut off each border.

    Returns:
        [N], float64, 1 where the two are equal.

    Raises:
        MetricError: When sizes differ, too little is left after the crop, values are NaN, or torchmetrics is missing.
    """
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError as error:
        raise MetricError(f"SSIM needs torchmetrics: {INSTALL}.") from error
    image, reference, span = _prepare(image, reference, channel, crop, least=WINDOW)
    if channel == "rgb":
        image, reference = image + 1, reference + 1  # the constants of equation 13 are for values from zero
    _, every = structural_similarity_index_measure(
        image, reference, sigma=1.5, kernel_size=WINDOW, data_range=span, reduction="none", return_full_image=True
    )
    inner = WINDOW // 2  # torchmetrics mirrors the border and averages over it too; Wang et al. don't
    return every[..., inner:-inner, inner:-inner].mean((1, 2, 3))


class _OfPixels(PairMetric):
    better = "higher"

    def label(self, options: PairOptions) -> str:
        return self.name.upper() + (" (Y)" if options.channel == "y" else "")

    def protocol(self, options: PairOptions) -> dict[str, str]:
        span = "luma 16 to 235 of BT.601, range 255" if options.channel == "y" else "RGB"
        return {"settings": f"{span}, {options.crop} pixels cut off each border"}


class PSNR(_OfPixels, name="psnr"):
    """:func:`psnr`."""

    def of(self, images: Tensor, references: Tensor, options: PairOptions) -> Tensor:
        return psnr(images, references, channel=options.channel, crop=options.crop)


class SSIM(_OfPixels, name="ssim"):
    """:func:`ssim`."""

    def of(self, images: Tensor, references: Tensor, options: PairOptions) -> Tensor:
        return ssim(images, references, channel=options.channel, crop=options.crop)


def _prepare(image: Tensor, reference: Tensor, channel: str, crop: int, least: int) -> tuple[Tensor, Tensor, float]:
    """Check two batches; return them in float64, cropped, in the asked channel, and the range of their values."""
    if channel not in ("rgb", "y"):
        raise MetricError(f"channel is 'rgb' or 'y', not {channel!r}.")
    check_pairs(image, reference)
    height, width = (side - 2 * crop for side in image.shape[-2:])
    if crop < 0 or min(height, width) < least:
        raise MetricError(
            f"Pictures of {image.shape[-2]} x {image.shape[-1]} pixels with {crop} cut off each border leave less than "
            f"{least} x {least}: take larger pictures, or crop less."
        )
    pair = [x[..., crop : crop + height, crop : crop + width].detach().double() for x in (image, reference)]
    if channel == "y":
        pair = [luma(x) for x in pair]
    return pair[0], pair[1], 255.0 if channel == "y" else 2.0


def check_pairs(image: Tensor, reference: Tensor) -> None:
    """Raise MetricError unless both are pictures [N, C, H, W], C = 1 or 3, of one shape and without NaN."""
    if image.ndim != 4 or image.shape[1] not in (1, 3) or 0 in image.shape:
        raise MetricError(f"Pictures to compare are [N, C, H, W] with C = 1 or 3, not {list(image.shape)}.")
    if image.shape != reference.shape:
        raise MetricError(
            f"The pictures are {list(image.shape)} and their references {list(reference.shape)}: give both one size."
        )
    if not (image.is_floating_point() and reference.is_floating_point()):
        raise MetricError("Pictures to compare are floats in [-1, 1]: use ganhub.images.from_uint8 on bytes first.")
    if not (image.isfinite().all() and reference.isfinite().all()):
        raise MetricError("The pictures hold NaN or infinite values: check where they come from.")
