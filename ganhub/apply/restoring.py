"""An old photo made new: cleaned, its holes filled, coloured and enlarged, in this order.

Noise is taken off first, as every later step would take it for detail; holes are filled before colours are given, so
that what is filled gets some too; enlarging comes last, where the other steps have the fewest pixels to work on.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from ganhub.apply import tiling, translating
from ganhub.errors import ConfigError
from ganhub.models import Inpainter, Translator
from ganhub.models._translator import require_room

STEPS = ("clean", "fill", "colourise", "enlarge")


def restore(
    photo: Tensor,
    *,
    cleaner: Translator | None = None,
    inpainter: Inpainter | None = None,
    mask: Tensor | None = None,
    colourist: Translator | None = None,
    upscaler: Translator | None = None,
    on_step: Callable[[int, int, Tensor | None], None] | None = None,
) -> Tensor:
    """Restore a photo with those of four models that are given.

    Args:
        photo: [1, C, H, W] in [-1, 1], C = 1, 3, or 4 (the alpha is kept, or enlarged).
        cleaner: Takes off noise and the blocks of JPEG: a translator of scale 1.
        inpainter: Fills ``mask``.
        mask: [1, 1, h, w] in [-1, 1], white where something is to be filled; None or all black fills nothing.
        colourist: Gives colours to a grey photo.
        upscaler: Enlarges it.
        on_step: Called with (step, steps, picture so far) after each model, and with (step, steps, None) after each
            tile on the way there; an exception that it raises ends the work.

    Returns:
        [1, 3, H * scale, W * scale], or with the photo's alpha [1, 4, ...], in [-1, 1].

    Raises:
        ConfigError: No model at all.
        ImageError: What the models refuse, or a result that would be too large, said before any work.
    """
    holes = mask is not None and bool((mask > 0).any())
    models = (cleaner, inpainter if holes else None, colourist, upscaler)
    works = [(translating.inpaint, model, {"mask": mask}) if model is inpainter else (translating.translate, model, {})
             for model in models if model is not None]  # fmt: skip
    if not works:
        raise ConfigError("There is nothing to do: choose a step, or paint what is to be filled.")
    larger = math.prod(model.scale for model in (cleaner, colourist, upscaler) if model is not None)
    require_room(*(side * larger for side in photo.shape[-2:]))
    if holes and inpainter is not None:
        inpainter.hole(photo, tiling.fitted(mask, photo))  # what it refuses is said now, not after the cleaning
    for done, (work, model, more) in enumerate(works):

        def tile(step: int, steps: int, look: None, done: int = done) -> None:
            if on_step is not None and step < steps:
                on_step(done, len(works), None)

        photo = work(model, photo, on_step=tile, **more)
        if on_step is not None:
            on_step(done + 1, len(works), photo)
    return photo
