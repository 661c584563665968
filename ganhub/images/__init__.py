"""Pictures in and out: the only place that knows Pillow and 8-bit pixels.

Inside ganhub an image is a float32 tensor [N, C, H, W] in [-1, 1] with C = 1 (grey), 3 (RGB) or
4 (RGB and straight alpha). Whatever comes from outside passes through `open_image`, which trusts nothing:
a short list of formats, limits checked from the header before a pixel is decoded, one sentence per refusal.
"""

from ganhub.images.codec import (
    CHANNEL_MODES,
    FORMATS,
    MAX_PIXELS,
    Source,
    from_pil,
    is_animated,
    is_see_through,
    load_image,
    open_image,
)
from ganhub.images.tensors import (
    MAX_SIDE,
    enlarge,
    fit,
    from_uint8,
    make_grid,
    on_background,
    on_white,
    resize,
    to_uint8,
)
from ganhub.images.writing import (
    SUFFIXES,
    encode_png,
    save_gif,
    save_grid,
    save_image,
    to_pil,
)

__all__ = [
    "CHANNEL_MODES",
    "FORMATS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "SUFFIXES",
    "Source",
    "encode_png",
    "enlarge",
    "fit",
    "from_pil",
    "from_uint8",
    "is_animated",
    "is_see_through",
    "load_image",
    "make_grid",
    "on_background",
    "on_white",
    "open_image",
    "resize",
    "save_gif",
    "save_grid",
    "save_image",
    "to_pil",
    "to_uint8",
]
