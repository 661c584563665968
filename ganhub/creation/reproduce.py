"""The way back: from a file to the Creation that it names, and to the same picture once more.

from ganhub.creation import reproduce

again = reproduce("painting.png", inputs=Inputs("photo.jpg"), out="again.png")
assert again.same_file
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganhub import images
from ganhub.creation import limits, marks
from ganhub.creation._base import SHORT, Creation, Library, OnStep, Result, check_revision, render
from ganhub.creation.generate import Generate
from ganhub.creation.inputs import Inputs
from ganhub.creation.interpolate import Interpolate
from ganhub.creation.library import LocalLibrary
from ganhub.creation.marks import Layout, Provenance
from ganhub.creation.style import Style
from ganhub.errors import ConfigError, ImageError
from ganhub.files import write_atomically
from ganhub.images import provenance, video
from ganhub.models import LatentGenerator

_KINDS = (
    (b"\x89PNG", ".png"), (b"\xff\xd8", ".jpg"), (b"RIFF....WEBP", ".webp"), (b"GIF8", ".gif"),
    (b"....ftyp", ".mp4"), (b"\x1aE\xdf\xa3", ".webm"),
)  # fmt: skip
_WORDS = {
    "ganhub": "version of ganhub", "torch": "version of torch", "device": "device", "machine": "machine",
    "threads": "thread count",
}  # fmt: skip
_SHOWS = {
    "early": "The work was stopped early then, and went to its end now.",
    "sheet": "The file is a sheet with more on it; what it names was made alone.",
}


@dataclass(frozen=True, eq=False)
class Reproduction:
    """A picture or film made once more.

    Attributes:
        provenance: What the file says.
        result: What came of it; empty for a painted film.
        same_file: Whether the files are equal to the byte.
        same_pixels: Whether what they show is.
        difference: The largest difference of a pixel, of 255; None where the sizes differ.
        notes: What is not as it was then, a sentence each.
    """

    provenance: Provenance
    result: Result
    same_file: bool
    same_pixels: bool
    difference: int | None
    notes: Sequence[str]

    @property
    def text(self) -> str:
        """How it compares, in a sentence."""
        if self.same_file:
            return "It is equal to the byte: the pixels, and the whole file."
        if self.same_pixels:
            return "Every pixel is equal; the files differ in what they say beside them."
        if self.difference is None:
            return "It is another picture: its size is another."
        return f"It is not equal: pixels differ by up to {self.difference} of 255."


def read_provenance(path: str | os.PathLike[str]) -> Provenance:
    """What the file of a picture or film says of how it was made; anybody can have written it.

    Raises:
        ConfigError: It says nothing, or what no Creation can be.
        ImageError: It is no picture or film that can be read.
    """
    path = Path(path)
    text = video.read_text(path) if kind_of(path) in (".mp4", ".webm") else provenance.read_text(path)
    if not text.lstrip().startswith("{"):
        raise ConfigError(
            f"{path.name} does not say how it was made: it is no file of ganhub, or what it said was removed on its "
            "way here, as many sites do."
        )
    return Provenance.from_json(text)


def read_creation(path: str | os.PathLike[str]) -> Creation:
    """The Creation that a file names, checked as any other; errors as of :func:`read_provenance`."""
    return read_provenance(path).creation


def kind_of(path: Path) -> str:
    """The suffix of what a file is by its first bytes, or its own where these are of nothing that carries a mark."""
    if not os.path.isfile(path):  # a pipe that nobody writes into would be waited for
        return path.suffix.lower()  # what is wrong with it is said by whoever reads it
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return path.suffix.lower()
    return next((kind for sign, kind in _KINDS if re.match(sign, start, re.DOTALL)), path.suffix.lower())


def reproduce(
    path: str | os.PathLike[str], library: Library | None = None, inputs: Inputs | None = None, *,
    out: str | os.PathLike[str] | None = None, on_step: OnStep | None = None,
) -> Reproduction:  # fmt: skip
    """Make the picture or film of a file once more, and compare the two.

    Args:
        path: A file of ganhub's.
        library: Opens models; those of this machine and the Hub by default.
        inputs: Where the input pictures come from.
        out: Where it is kept; it ends as the file does.
        on_step: As of :func:`ganhub.creation.render`.

    Raises:
        ConfigError: The file does not say how it was made, or says what cannot be; an input picture is missing.
        HubError: A model is not here.
    """
    path, kind, record = Path(path), kind_of(Path(path)), read_provenance(path)
    if out is not None and kind_of_name(out) != kind:
        raise ConfigError(f"{Path(out).name} is to be the same kind of file: end its name in {kind}.")
    library, inputs = library or LocalLibrary(), inputs or Inputs()
    for data in record.attached.values():
        inputs.add(data)
    creation, notes = here(record, library)
    check_size(creation, library)
    with tempfile.TemporaryDirectory(prefix="ganhub-") as folder:
        again = Path(folder) / f"again{kind}"
        make = paint_again if record.shows == "film" else make_again
        result = make(again, path, creation, record.layout, library, inputs, on_step, bool(record.attached))
        same_file = again.read_bytes() == path.read_bytes()
        difference = 0 if same_file else compare(path, again)
        if out is not None:
            keep(again, Path(out))
    if record.shows in _SHOWS:
        notes.append(_SHOWS[record.shows])
    return Reproduction(record, result, same_file, difference == 0, difference, notes)


def kind_of_name(out: str | os.PathLike[str]) -> str:
    """The suffix of a name, ".jpeg" being ".jpg"."""
    suffix = Path(out).suffix.lower()
    return ".jpg" if suffix == ".jpeg" else suffix


def here(record: Provenance, library: Library) -> tuple[Creation, list[str]]:
    """The Creation as it can be made on this machine, and a sentence for what is not as it was.

    Another version of a model is said, and used.
    """
    creation, notes = record.creation, []
    for name, revision, now in record.creation.versions(library):
        if not now.startswith(revision):
            notes.append(f"{name} is another version here: {now[:SHORT]}, then {revision[:SHORT]}.")
            creation = dataclasses.replace(creation, revision="")
    upscaler = record.layout.upscaler
    if upscaler and record.models.get(upscaler) not in (None, library.revision(upscaler)):
        notes.append(f"{upscaler} is another version here.")
    now = marks.versions(str(getattr(library, "device", "auto")))
    for name, word in _WORDS.items():
        if name in record.versions and record.versions[name] != now[name]:
            notes.append(f"The {word} is {now[name]} here, and was {record.versions[name]}.")
    return creation, notes


def check_size(creation: Creation, library: Library) -> None:
    """Raise ConfigError, before any work, where a wall or a walk would not fit into memory."""
    if isinstance(creation, Generate | Interpolate):
        size = library.open(creation.model, LatentGenerator).config.size
        if isinstance(creation, Generate):
            limits.check_pixels(len(creation.wanted()), size, limits.GRID)
        else:
            limits.check_pixels(creation.frames, size, limits.FILM, "frames")


def make_again(
    again: Path, path: Path, creation: Creation, layout: Layout, library: Library, inputs: Inputs,
    on_step: OnStep | None, attach: bool,
) -> Result:  # fmt: skip
    """Render a Creation, and write the result as the file at ``path`` was written."""
    result = render(creation, library, on_step, inputs=inputs)
    shown = layout.arrange(result, library)
    mark = marks.mark_of(creation, library, layout, inputs=inputs if attach else None)
    if again.suffix in (".mp4", ".webm", ".gif"):
        video.save_video(shown, again, fps=speed(creation), mark=mark)
        return result
    if len(shown) != 1:
        raise ConfigError(f"{path.name} holds one picture, and what it names makes {len(shown)}.")
    srgb, texts = "icc_profile" in images.open_image(path).info, provenance.read_texts(path)
    images.save_image(shown, again, srgb=srgb, metadata=texts, mark=mark)
    return result


def paint_again(
    again: Path, path: Path, creation: Creation, layout: Layout, library: Library, inputs: Inputs,
    on_step: OnStep | None, attach: bool,
) -> Result:  # fmt: skip
    """Paint a film frame by frame; it is too large for the result, which holds nothing."""
    if not isinstance(creation, Style):
        raise ConfigError(f"{path.name} names the verb {creation.verb}, and only a style paints films.")
    check_revision(creation, library)
    film = creation.film(library, inputs, smoothing=layout.smoothing, on_step=on_step)
    mark = marks.mark_of(creation, library, layout, shows="film")
    video.save_video(film.frames, again, fps=min(film.fps, video.fastest(again)), mark=mark)
    return Result()


def speed(creation: Creation) -> float:
    """Frames a second of a Creation's film."""
    fps = getattr(creation, "fps", None)
    if not fps:
        raise ConfigError(f"A file that is a film names the verb {creation.verb}, which makes none.")
    return fps


def compare(one: Path, other: Path) -> int | None:
    """The largest difference of two files' pixels, of 255; None where they show different sizes, or one is broken."""
    try:
        first, second = frames(one), frames(other)
    except ImageError:
        return None
    if first.shape != second.shape:
        return None
    return int((first.int() - second.int()).abs().max())


def frames(path: Path) -> Tensor:
    """What a file shows, uint8 [F, C, H, W]."""
    if kind_of(path) in (".gif", ".mp4", ".webm"):
        return torch.cat([images.to_uint8(frame) for frame in video.open_video(path)])
    return images.to_uint8(images.load_image(path, channels=4))


def keep(again: Path, out: Path) -> None:
    """Put a file in its place."""
    write_atomically(out, lambda place: shutil.copyfile(again, place))
