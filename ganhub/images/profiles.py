"""Colour profiles: what a picture's numbers mean, and the same colours as numbers of sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

SAME = 2  # of 255: a profile that moves no colour farther than this is sRGB's own
_SPACES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # of a profile -> Pillow's mode


def to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """A picture of mode L, RGB or CMYK -> L or RGB in sRGB; what its profile cannot be applied to stays as it is.

    Whether a profile is sRGB's is asked of its curves, not of its name: there are linear ones called sRGB.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _SPACES[source.profile.xcolor_space.strip()]
        if mode != picture.mode and (mode, picture.mode) != ("RGB", "L"):
            return picture
        # Inks are rendered as their profile says; among screens a colour stays the colour that it is.
        intent = ImageCms.Intent.PERCEPTUAL if mode == "CMYK" else ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent)
        if mode != "CMYK" and _changes_nothing(transform, mode):
            return picture
        changed = ImageCms.applyTransform(picture.convert(mode), transform)
        return changed.convert("L") if picture.mode == "L" else changed
    except Exception:  # a broken profile, or one for another colour space: the pixels are still good
        return picture


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Tried on all greys, and for colours on a cube of them."""
    probe = np.arange(256, dtype=np.uint8)[None]
    if mode == "RGB":
        steps = np.arange(0, 256, 51, dtype=np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
        probe = np.concatenate([np.repeat(probe[..., None], 3, 2), cube], 1)
    after = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform)).astype(int)
    before = probe.astype(int) if mode == "RGB" else probe[..., None].astype(int)
    return bool(np.abs(after - before).max() <= SAME)
