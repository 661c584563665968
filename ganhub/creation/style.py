"""Style: a photo painted in the manner of pictures, or in styles that have names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from torch import Tensor

from ganhub import images
from ganhub.apply import styling
from ganhub.config import nearest
from ganhub.creation._base import Library, OnStep, Result, bounded, choice, picture, tiling
from ganhub.creation.checks import MAX_SEED, SHA256
from ganhub.creation.inputs import Inputs
from ganhub.creation.photo import OfPhoto, read_mask
from ganhub.errors import ConfigError, ImageError
from ganhub.images import video
from ganhub.models import Stylizer

WHOLE_SIDE = 1024  # pixels, for models that paint a picture as one
MOST_STYLES = 64  # of one painting
SMOOTHING = 0.5  # of a film over time, where nobody says
Shares = tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class PaintedFilm:
    """A film that is painted while its frames are asked for, so that it need not fit into memory.

    Attributes:
        frames: [1, C, H, W] in [-1, 1] each, once.
        fps: Frames a second of what it was painted from.
        sound: Whether that has sound, which is lost.
        shrunk: To which side its frames were shrunk first, in pixels; 0 where they were not.
    """

    frames: Iterator[Tensor]
    fps: float
    sound: bool
    shrunk: int


@dataclass(frozen=True, kw_only=True)
class Style(OfPhoto, verb="style"):
    """A painting.

    Attributes:
        model: A stylizer.
        styles: (name of a style, or sha256 of a picture; its share), the shares being 0 or more and not all 0.
        outside: The same, for where the mask is black; the photo itself without any.
        mask: sha256 of a picture: painted where it is white.
        strength: Of the style against the photo.
        scale: Size of the strokes; None goes by the photo's size.
        strokes: A factor of that size.
        seed: Of what is random.
        keep_colour: "" for the style's colours; the photo's by "luminance" or "histogram".
        style_size: Pictures of styles are shrunk until no side is longer.
        tile: "auto", or pixels a side: large photos in tiles; 0 for none.
    """

    model: str
    styles: Shares = bounded(0, 1e6)
    outside: Shares = bounded(0, 1e6, ())
    mask: str = picture("")
    strength: float = bounded(0, 1, 1.0)
    scale: float | None = bounded(0.25, 4, None)
    strokes: float = bounded(0.25, 4, 1.0)
    seed: int = bounded(0, MAX_SEED, 0)
    keep_colour: str = choice("", "luminance", "histogram")
    style_size: int = bounded(16, 4096, 1024)
    tile: str | int = tiling()

    def check(self) -> None:
        self.require(bool(self.styles), "There is no style yet: name one, or give a picture.")
        for pairs in (self.styles, self.outside):
            heavy = not pairs or any(share for _, share in pairs)
            self.require(heavy, "One style at least needs a weight above 0.")
            self.require(len(pairs) <= MOST_STYLES, f"A painting has at most {MOST_STYLES} styles, not {len(pairs)}.")
        self.require(not self.outside or bool(self.mask), "A style outside the mask needs a mask: give one.")

    def digests(self) -> dict[str, str]:
        named = [name for name, _ in (*self.styles, *self.outside) if SHA256.fullmatch(name)]
        return {**super().digests(), **dict.fromkeys(named, "style")}

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        stylizer = library.open(self.model, Stylizer)
        photo = self.read(inputs, self.most(stylizer))
        scale = styling.usual_scale(stylizer, *photo.picture.shape[-2:]) if self.scale is None else self.scale
        options = {**self.options(stylizer, inputs), "scale": scale * self.strokes}
        painted = styling.paint(stylizer, photo.picture, on_step=on_step, **options)
        return Result(pictures=painted, photo=photo.picture, srgb=photo.srgb, shrunk=photo.shrunk)

    def film(
        self, library: Library, inputs: Inputs, *, smoothing: float = SMOOTHING, on_step: OnStep | None = None
    ) -> PaintedFilm:
        """Paint a film, whose sha256 stands for the photo, frame by frame.

        Args:
            smoothing: See :class:`ganhub.images.video.Smoother`.
            on_step: Called with (frame, frames or 0, None) before each frame.

        Raises:
            ConfigError: As of :meth:`make`, all of it before the first frame. ImageError: It is no film.
        """
        stylizer = library.open(self.model, Stylizer)
        film, most = video.open_video(inputs.find(self.photo, "film")), self.most(stylizer)
        frames = iter(film)
        first = next(frames, None)
        if first is None:
            raise ImageError(f"{film.path.name} holds no frames: choose another film.")
        longest = max(first.shape[-2:])
        shrunk = most if most is not None and longest > most else 0
        size = [max(1, round(side * shrunk / longest)) if shrunk else side for side in first.shape[-2:]]
        scale = styling.usual_scale(stylizer, *size) if self.scale is None else self.scale

        def sized() -> Iterator[Tensor]:
            for number, frame in enumerate(chain([first], frames)):
                if on_step is not None:
                    on_step(number, film.count, None)
                yield images.resize(frame, tuple(size)) if shrunk else frame

        options = {**self.options(stylizer, inputs), "scale": scale * self.strokes}
        painted = styling.paint_frames(stylizer, sized(), smoothing=smoothing, **options)
        return PaintedFilm(painted, film.fps, film.sound, shrunk)

    def most(self, stylizer: Stylizer) -> int | None:
        """The longest side of what is painted, or None for any."""
        return self.size or (None if stylizer.tiles else WHOLE_SIDE)

    def options(self, stylizer: Stylizer, inputs: Inputs) -> dict:
        """What :func:`ganhub.apply.styling.paint` takes beside the photo and the size of strokes."""
        return {
            "style": self._styles(self.styles, stylizer, inputs),
            "style_outside": self._styles(self.outside, stylizer, inputs) if self.outside else None,
            "mask": read_mask(inputs, self.mask),
            "strength": self.strength, "seed": self.seed, "keep_colour": self.keep_colour, "tile": self.tile,
        }  # fmt: skip

    def _styles(self, pairs: Shares, stylizer: Stylizer, inputs: Inputs) -> list[tuple[Tensor | str, float]]:
        total = sum(share for _, share in pairs)
        return [(self._style(name, stylizer, inputs), share / total) for name, share in pairs]

    def _style(self, name: str, stylizer: Stylizer, inputs: Inputs) -> Tensor | str:
        names = stylizer.style_names
        if not SHA256.fullmatch(name):
            if names and name not in names:
                raise ConfigError(
                    f"There is no style or picture '{name}'.{nearest(name, names)} Known: {', '.join(names)}."
                )
            return name
        if not stylizer.reads_pictures:
            raise ConfigError(
                f"This {stylizer.architecture} paints only the styles it was trained on, no picture: name one of "
                f"{', '.join(names)}, or choose a model that takes pictures."
            )
        return images.load_image(inputs.find(name, "style"), max_side=self.style_size)
