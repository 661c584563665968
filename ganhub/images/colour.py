"""The colours of a photo and of its painting: which of the two the result has. Knows no network.

Two ways to keep a photo's colours, both of "Preserving Color in Neural Artistic Style Transfer" (Gatys, Bethge,
Hertzmann, Shechtman 2016, arXiv:1606.05897): a linear map that gives one picture the mean and covariance of another's
colours ("color histogram matching" there), and painting the luminance alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ganhub.errors import ConfigError

WAYS = ("luminance", "histogram")
LUMA = (0.299, 0.587, 0.114)  # of R, G and B: ITU-R BT.601, the Y of YIQ that the paper takes
BAND = 1 << 18  # pixels at a time: no temporary grows with the picture


def luminance(picture: Tensor) -> Tensor:
    """[N, 3, H, W] -> [N, 1, H, W], both in [-1, 1]."""
    red, green, blue = picture.split(1, dim=1)
    return red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]


def flatness(pictures: Tensor) -> Tensor:
    """Share of neighbouring pixels that differ by 2/255 at most in each channel: [..., C, H, W] in [-1, 1] -> [...].

    The smaller a picture, the better it tells: at 64 pixels less than 0.4 of photos and paintings, 0.6 and more of
    drawings, sprites and emoji. Lay transparent pictures on a ground first. A single pixel has 1.
    """
    steps = [pictures.diff(dim=side).abs().amax(-3) for side in (-2, -1)]
    height, width = pictures.shape[-2:]
    count = (height - 1) * width + height * (width - 1)
    alike = steps[0].lt(2.5 / 127.5).sum((-2, -1)) + steps[1].lt(2.5 / 127.5).sum((-2, -1))
    return alike / count if count else torch.ones(pictures.shape[:-3], device=pictures.device)


def keep_colours(photo: Tensor, painted: Tensor, how: str = "luminance", *, out: Tensor | None = None) -> Tensor:
    """Give a painting the colours of its photo.

    Args:
        photo: [N, 3, H, W] in [-1, 1].
        painted: The same shape.
        how: "luminance": each place has the painting's luminance and the photo's chroma, which is made weaker where
            that luminance leaves it no room in [-1, 1]. "histogram": see :func:`recoloured`, picture by picture.
        out: Where the result is written; may be ``painted`` itself.

    Returns:
        [N, 3, H, W] in [-1, 1]; ``out``, where it is given.

    Raises:
        ConfigError: Another way, or two shapes.
    """
    if how not in WAYS:
        raise ConfigError(f"The colours of a photo are kept by 'luminance' or 'histogram', not {how!r}.")
    if photo.shape != painted.shape or photo.dim() != 4 or photo.shape[1] != 3:
        shapes = f"{list(photo.shape)} and {list(painted.shape)}"
        raise ConfigError(f"Photo and painting must both be [N, 3, H, W] and of one size, not {shapes}.")
    out = torch.empty_like(painted) if out is None else out
    if how == "histogram":
        for one, other, place in zip(painted.split(1), photo.split(1), out.split(1), strict=True):
            recoloured(one, [(other, 1.0)], out=place)
        return out
    for rows in bands(photo):
        grey, colours = luminance(painted[:, :, rows]).clamp(-1, 1), photo[:, :, rows]
        chroma = colours - luminance(colours)
        room = torch.where(chroma == 0, torch.inf, (chroma.sign() - grey) / chroma)
        share = room.amin(1, keepdim=True).clamp(0, 1)
        out[:, :, rows] = torch.addcmul(grey, chroma, share).clamp_(-1, 1)
    return out


def recoloured(picture: Tensor, palettes: Sequence[tuple[Tensor, float]], *, out: Tensor | None = None) -> Tensor:
    """The picture with the mean and covariance of the palettes' colours.

    x -> A x + b with A = S^(1/2) C^(-1/2), C and S the covariances of the picture and of the palettes: the linear
    colour transfer of arXiv:1606.05897, with the symmetric roots. What leaves [-1, 1] is clamped.

    Args:
        picture: [1, 3, H, W] in [-1, 1].
        palettes: ([1, 3, h, w] in [-1, 1], weight) pairs, the weights summing to 1: means and covariances are mixed.
        out: Where the result is written; may be ``picture`` itself.
    """
    mean, covariance = _statistics(picture)
    seen = [(*_statistics(palette), weight) for palette, weight in palettes]
    target_mean = sum(m * weight for m, _, weight in seen)
    target_covariance = sum(c * weight for _, c, weight in seen)
    matrix = _power(target_covariance, 0.5) @ _power(covariance, -0.5)
    shift = (target_mean - matrix @ mean).to(picture)[:, None, None]
    matrix = matrix.to(picture)
    out = torch.empty_like(picture) if out is None else out
    for rows in bands(picture):
        out[0, :, rows] = (torch.einsum("cd,dhw->chw", matrix, picture[0, :, rows]) + shift).clamp_(-1, 1)
    return out


def blend(below: Tensor, above: Tensor, mask: Tensor) -> Tensor:
    """Write into ``above`` what lies below where the mask is black: [1, 3, H, W] twice and [1, 1, H, W], in [-1, 1]."""
    for rows in bands(above):
        above[:, :, rows] = torch.lerp(below[:, :, rows], above[:, :, rows], (mask[:, :, rows] + 1) / 2)
    return above


def bands(picture: Tensor) -> Iterator[slice]:
    """Rows of [N, C, H, W], so many at a time that no temporary grows with the picture."""
    height, width = picture.shape[-2:]
    step = max(1, BAND // max(1, width))
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _statistics(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [3] and covariance [3, 3] of the colours of [1, 3, H, W], in float64 on the CPU."""
    places = picture.shape[-2] * picture.shape[-1]
    # On the CPU in double precision, band by band: not every device has it.
    colours = [lambda rows=rows: picture[0, :, rows].flatten(1).cpu().double() for rows in bands(picture)]
    mean = sum(band().sum(1) for band in colours) / places
    covariance = torch.zeros(3, 3, dtype=torch.float64, device="cpu")
    for band in colours:
        away = band() - mean[:, None]
        covariance += away @ away.T / places
    covariance += 1e-4 * torch.eye(3, dtype=torch.float64, device="cpu")  # of one flat colour, too, there is a root
    return mean, covariance


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(1e-6) ** exponent @ vectors.T


WHITE = (0.950470, 1.0, 1.088830)  # X, Y and Z of the illuminant D65, 2 degrees
TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))  # of sRGB
LAB_RANGE = (50.0, 110.0)  # L - 50, and a and b, are divided by these: what sRGB shows then lies in [-1, 1]


def to_lab(picture: Tensor) -> Tensor:
    """sRGB [N, 3, H, W] in [-1, 1] -> CIELAB of CIE 1976, [N, 3, H, W] in [-1, 1]: L / 50 - 1, a / 110, b / 110."""
    signal = (picture.float() + 1) / 2
    light = torch.where(signal > 0.04045, ((signal.clamp_min(0) + 0.055) / 1.055) ** 2.4, signal / 12.92)
    matrix = light.new_tensor(TO_XYZ) / light.new_tensor(WHITE)[:, None]
    ratio = _mixed(matrix, light)
    root = torch.where(ratio > 0.008856, ratio.clamp_min(1e-6) ** (1 / 3), 7.787 * ratio + 16 / 116)
    x, y, z = root.split(1, 1)
    lightness, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    return torch.cat([lightness / LAB_RANGE[0] - 1, a / LAB_RANGE[1], b / LAB_RANGE[1]], 1).to(picture.dtype)


def from_lab(lab: Tensor) -> Tensor:
    """The inverse of :func:`to_lab`; colours that sRGB does not have are clamped to it."""
    lightness, a, b = lab.float().split(1, 1)
    y = ((lightness + 1) * LAB_RANGE[0] + 16) / 116
    root = torch.cat([y + a * LAB_RANGE[1] / 500, y, y - b * LAB_RANGE[1] / 200], 1)
    ratio = torch.where(root > 0.2068966, root**3, (root - 16 / 116) / 7.787)
    inverse = torch.linalg.inv(torch.tensor(TO_XYZ, dtype=torch.float64, device="cpu"))
    matrix = inverse.to(ratio) * ratio.new_tensor(WHITE)
    light = _mixed(matrix, ratio).clamp(0, 1)
    signal = torch.where(light > 0.0031308, 1.055 * light.clamp_min(1e-6) ** (1 / 2.4) - 0.055, light * 12.92)
    return (signal * 2 - 1).clamp(-1, 1).to(lab.dtype)


def _mixed(matrix: Tensor, channels: Tensor) -> Tensor:
    """A matrix [3, 3] applied to the channels of [N, 3, H, W], in full precision: the eye sees what bfloat16 drops."""
    with torch.autocast(channels.device.type, enabled=False):
        return torch.einsum("ij,njhw->nihw", matrix, channels)


def visible(photo: Tensor) -> Tensor:
    """[1, C, H, W] -> [1, 3, H, W]: grey as RGB; what hides under full transparency is the mean of what shows."""
    if photo.shape[1] != 4:
        return photo.expand(-1, 3, -1, -1)
    hidden = photo[:, 3:] <= -1
    if not hidden.any() or hidden.all():
        return photo[:, :3]
    shows = ~hidden
    mean = (photo[:, :3] * shows).sum((2, 3), keepdim=True) / shows.sum()
    return torch.where(hidden, mean, photo[:, :3])
