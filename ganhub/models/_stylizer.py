"""The verb of style transfer: what every stylizer is asked, checked in one place."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor

from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError, ImageError
from ganhub.images import resize
from ganhub.models._base import Model, finite

SMALLEST_SIDE = 16  # pixels of a picture that feature networks can read
OnStep = Callable[[int, int, Tensor | None], None]


class Stylizer(Model):
    """Paints pictures in the style of another. A subclass says how in ``_paint``; what comes in is checked here."""

    verb = "stylizer"
    pipeline_tag = "image-to-image"
    reads_pictures: ClassVar[bool] = True  # whether a style may be a picture; else it is one of ``style_names``
    tiles: ClassVar[bool] = True  # whether a large picture may be painted in pieces, see ganhub.apply.styling
    margin: ClassVar[int] = 64  # pixels about a tile whose painting its border may change: the receptive field

    @property
    def style_names(self) -> tuple[str, ...]:
        """Styles that it knows by name."""
        return tuple(getattr(self.config, "style_names", ()))

    @property
    def steps(self) -> int:
        """How often ``on_step`` is called for a picture."""
        return 1

    @classmethod
    def task(cls, config: BaseConfig) -> str:
        return "paint"

    @classmethod
    def usage(cls, config: BaseConfig) -> str:
        names = getattr(config, "style_names", ())
        style = json.dumps(names[0], ensure_ascii=False) if names else 'ganhub.load_image("painting.jpg")'
        return f'painted = model.stylize(ganhub.load_image("photo.jpg"), {style})'

    def command(self, name: str) -> str:
        style = self.style_names[0] if self.style_names else "PAINTING"
        return f"ganhub style PHOTO --style {style} --model {name} --out painted.png"

    def card_facts(self) -> dict[str, Any]:
        return {**super().card_facts(), "style_names": list(self.style_names)}

    def accept(self, data: Any) -> BaseConfig:
        """Its config; ConfigError where the second collection is not the styles that it knows by name."""
        names = self.style_names
        if names and (data.other is None or tuple(data.other.class_names) != names):
            there = ", ".join(data.other.class_names) if data.other else "nothing"
            raise ConfigError(
                f"data.other must hold one picture for each of the model's style_names ({', '.join(names)}), read with "
                f'labels = "file" and in this order; it holds {there}.'
            )
        return self.config

    def stylize(
        self,
        content: Tensor,
        style: Tensor | str | Sequence[tuple[Tensor | str, float]],
        *,
        strength: float = 1.0,
        scale: float = 1.0,
        seed: int = 0,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Return ``content`` painted in ``style``.

        Args:
            content: [N, 3, H, W] in [-1, 1], at least 16 pixels a side; each picture is painted on its own.
            style: A picture [1, 3, h, w] in [-1, 1], at least 16 pixels a side, one of ``style_names``, or a list of
                (picture or name, weight); weights that do not sum to 1 are shared out so that they do, with a warning.
            strength: Share of the style against the content, in [0, 1]: 0 gives the content back, 1 the full style.
            scale: Size of the strokes, in [0.25, 4]: larger gives larger ones.
            seed: The seed of all that is random.
            on_step: Called with (step, steps, picture so far or None) after each of :attr:`steps`, the last time with
                the painting; an exception that it raises ends the work.

        Returns:
            [N, 3, H, W] in [-1, 1], on the device and in the type of ``content``.

        Raises:
            ConfigError: An unknown name; ``strength``, ``scale`` or a weight out of range.
            ImageError: A picture of another shape, or too small.
        """
        _check_picture("content", content)
        styles = self._check_styles(style)
        if not 0 <= strength <= 1:
            raise ConfigError(f"strength must be from 0 to 1, not {strength!r}.")
        if not 0.25 <= scale <= 4:
            raise ConfigError(f"scale must be from 0.25 to 4, not {scale!r}.")
        if strength == 0:
            if on_step is not None:
                on_step(self.steps, self.steps, content)
            return content.clone()
        painted = self._paint(content, styles, strength, scale, seed, on_step)
        pictures = (style for style, _ in styles if isinstance(style, Tensor))
        return finite(painted, self, content, *pictures).to(content.device, content.dtype)

    def _paint(
        self,
        content: Tensor,
        styles: list[tuple[Tensor | str, float]],
        strength: float,
        scale: float,
        seed: int,
        on_step: OnStep | None,
    ) -> Tensor:
        """:meth:`stylize` for what was found in order: strength above 0, weights above 0 that sum to 1."""
        raise NotImplementedError

    def _check_styles(self, style: Tensor | str | Sequence[tuple[Tensor | str, float]]) -> list[tuple]:
        """(picture or name, weight) pairs whose weights sum to 1."""
        styles = [(style, 1.0)] if isinstance(style, Tensor | str) else list(style)
        if not styles:
            raise ConfigError(
                "The list of styles is empty: give a picture, a name, or (picture or name, weight) pairs."
            )
        for pair in styles:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ConfigError("A list of styles holds (picture or name, weight) pairs.")
            if isinstance(pair[0], str):
                self._check_name(pair[0])
            elif not self.reads_pictures:
                raise ConfigError(
                    f"This {self.architecture} paints the styles it was trained on; name one of them: "
                    f"{', '.join(self.style_names)}. Another model, such as gatys, takes a picture."
                )
            else:
                _check_picture("style", pair[0], one=True)
            if not 0 <= float(pair[1]) < math.inf:
                raise ConfigError(f"The weight of a style must be 0 or more, not {pair[1]!r}.")
        total = sum(float(weight) for _, weight in styles)
        if total == 0:
            raise ConfigError("One style at least needs a weight above 0.")
        shares = [float(weight) / total for _, weight in styles]
        if abs(total - 1) > 1e-3:
            listed = ", ".join(f"{share:.2f}" for share in shares)
            warnings.warn(
                f"The weights of the styles sum to {total:g}, not 1; they are taken as {listed}.", stacklevel=3
            )
        return [(one, share) for (one, _), share in zip(styles, shares, strict=True) if share > 0]

    def _check_name(self, name: str) -> None:
        if name not in self.style_names:
            names = self.style_names
            raise ConfigError(
                f"There is no style '{name}'.{nearest(name, names)} Known: {', '.join(names)}."
                if names
                else f"{self.architecture} knows no style by name ({name!r}): give a picture, see ganhub.load_image."
            )


def _check_picture(name: str, picture: Tensor, *, one: bool = False) -> None:
    wanted = "one RGB picture [1, 3, H, W]" if one else "RGB [N, 3, H, W]"
    if (
        not isinstance(picture, Tensor)
        or picture.dim() != 4
        or picture.shape[1] != 3
        or not len(picture)
        or (one and len(picture) > 1)
    ):
        got = list(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
        raise ImageError(f"The {name} must be {wanted}, not {got}: see ganhub.load_image.")
    if min(picture.shape[-2:]) < SMALLEST_SIDE:
        raise ImageError(
            f"The {name} must have at least {SMALLEST_SIDE} pixels a side, not {list(picture.shape[-2:])}: enlarge it."
        )


def at_scale(paint: Callable[[Tensor], Tensor], content: Tensor, scale: float) -> Tensor:
    """Paint a picture that is 1 / scale of the size, and enlarge the painting: strokes grow with ``scale``."""
    if scale == 1:
        return paint(content)
    height, width = content.shape[2:]
    smaller = [max(SMALLEST_SIDE, round(side / scale)) for side in (height, width)]
    return resize(paint(resize(content, tuple(smaller))), (height, width))


def style_at(picture: Tensor, short_side: int) -> Tensor:
    """A style [1, 3, h, w] with its short side so long, and of its long side the middle four times that at most."""
    height, width = picture.shape[2:]
    most = 4 * min(height, width)
    top, left = max(0, height - most) // 2, max(0, width - most) // 2
    return resize(picture[..., top : top + most, left : left + most], max(SMALLEST_SIDE, short_side))
