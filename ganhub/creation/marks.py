"""What a file says of the Creation behind it: the value itself, versions, and how its pictures were laid out."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from ganhub import hub, images
from ganhub._version import __version__
from ganhub.apply import translating
from ganhub.config import nearest
from ganhub.convert import SUFFIXES
from ganhub.creation import checks, limits
from ganhub.creation._base import Creation, Library, Result, bounded
from ganhub.creation.inputs import Inputs, sha256_of
from ganhub.creation.style import SMOOTHING
from ganhub.errors import ConfigError
from ganhub.files import parse_json
from ganhub.hub.folder import clipped
from ganhub.images import provenance
from ganhub.images.provenance import Mark
from ganhub.models import Translator
from ganhub.nn.devices import choose_device

FORMAT = 1  # of the text
STRIP = 10  # frames of a strip
MOST_ATTACHED = 24_000  # bytes of a painted mask or drawing that travels with the file
SHOWS = ("", "early", "sheet", "film")
LONGEST = 10_000  # entries of a list in the text
_FIELDS = {
    "attached", "creation", "device", "format", "ganhub", "inputs", "layout", "machine", "models", "shows", "threads",
    "torch",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the pictures of a Creation were put into one file.

    Attributes:
        picked: Which of the pictures, or of the frames; () for all of them, which without columns are a film.
        scale: Each is enlarged so many times,
        upscaler: by this model, or each pixel a square.
        columns: They are laid out in a grid of so many; 0 for no grid.
        padding: White pixels between neighbours of a grid.
        smoothing: Of a painted film over time.
    """

    picked: tuple[int, ...] = bounded(0, 100_000, ())
    scale: int = bounded(1, 64, 1)
    upscaler: str = ""
    columns: int = bounded(0, 4096, 0)
    padding: int = bounded(0, 256, 2)
    smoothing: float = bounded(0, 0.95, SMOOTHING)

    def __post_init__(self) -> None:
        checks.check_fields(self)

    def to_dict(self) -> dict[str, Any]:
        """What is not as usual, as plain values."""
        values = {one.name: (getattr(self, one.name), one.default) for one in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, usual) in values.items()
            if value != usual
        }

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read what :meth:`to_dict` wrote; ConfigError for anything else."""
        data = _table("layout", data)
        names = {one.name for one in dataclasses.fields(cls)}
        for key in data:
            if key not in names:
                raise ConfigError(f"layout has no field {checks.shown(key)!r}.{nearest(key, names)}")
        return cls(**data)

    def arrange(self, result: Result, library: Library) -> Tensor:
        """Pictures or frames as they are written: one picture [1, C, H, W], or frames [F, C, H, W].

        Raises:
            ConfigError: There is no such picture, or it would be larger than :mod:`ganhub.creation.limits` allows.
            HubError: The upscaler is not here.
        """
        pictures = result.pictures if result.film is None else result.film
        if self.picked and max(self.picked) >= len(pictures):
            raise ConfigError(f"There is no picture {max(self.picked)}: there are {len(pictures)}.")
        if self != Layout():  # what is written as it is has its size already
            height, width = (side * self.scale for side in pictures.shape[-2:])
            of_film = result.film is not None and not self.columns
            most, noun = (limits.FILM, "frames") if of_film else (limits.GRID, "pictures")
            limits.check_pixels(len(self.picked) or len(pictures), (height, width), most, noun)
        if self.picked:
            pictures = pictures[list(self.picked)]
        pictures = enlarged(pictures, self.scale, library.open(self.upscaler, Translator) if self.upscaler else None)
        if self.columns:
            return images.make_grid(pictures, columns=self.columns, padding=self.padding)
        return pictures


def grid(count: int, columns: int | None = None, **fields: Any) -> Layout:
    """The layout of :func:`ganhub.images.save_grid`; of one picture the picture itself."""
    columns = math.ceil(math.sqrt(count)) if columns is None else min(columns, count)
    return Layout(columns=columns if count > 1 else 0, **fields)


def strip(film: Tensor) -> Layout:
    """The layout of some frames of a film [F, C, H, W], side by side."""
    last, scale = len(film) - 1, factor(film, 96)
    picked = tuple(round(i * last / (STRIP - 1)) for i in range(STRIP))
    return Layout(picked=picked, scale=scale, columns=STRIP, padding=max(1, scale * film.shape[-1] // 32))


def factor(pictures: Tensor, side: int) -> int:
    """How often pixels are repeated until the long side is about ``side``."""
    return max(1, round(side / max(pictures.shape[-2:])))


def enlarged(pictures: Tensor, scale: int, upscaler: Translator | None = None) -> Tensor:
    """[N, C, H, W] -> [N, C, scale H, scale W]: by an upscaler, or each pixel a square."""
    if upscaler is None or scale == 1:
        return images.enlarge(pictures, scale) if scale > 1 else pictures
    size = tuple(side * scale for side in pictures.shape[-2:])
    large = [translating.translate(upscaler, picture[None].cpu().float()) for picture in pictures]
    return torch.cat([one if tuple(one.shape[-2:]) == size else images.resize(one, size) for one in large])


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a file says of how it was made; of a stranger's file all of it may be a lie.

    Attributes:
        creation: What was asked for.
        layout: How it was put into the file.
        models: Name of each model -> its revision, 64 hex digits.
        inputs: sha256 of each input picture -> what it was.
        attached: sha256 -> those of them that travel with the file.
        versions: "ganhub", "torch", "device", "machine" and "threads" -> what they were.
        shows: What the file shows: "" for the result, "early" for what there was when the work was stopped, "sheet" for
            a sheet on which there is more, "film" for a film that was painted frame by frame.
    """

    creation: Creation
    layout: Layout = Layout()
    models: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    attached: Mapping[str, bytes] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""

    def to_json(self) -> str:
        """One line of ASCII, the same for equal values."""
        attached = {name: base64.b64encode(data).decode() for name, data in self.attached.items()}
        optional = {"layout": self.layout.to_dict(), "attached": attached, "shows": self.shows}
        fields = {
            "format": FORMAT, "creation": self.creation.to_dict(), "models": dict(self.models),
            "inputs": dict(self.inputs), **self.versions, **{name: value for name, value in optional.items() if value},
        }  # fmt: skip
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote, trusting nothing of it.

        Raises:
            ConfigError: What is no such text, what is of a newer ganhub, and what no Creation can be.
        """
        try:
            data = parse_json(text.encode("utf-8", "replace"), longest=LONGEST)
        except ValueError as error:
            raise ConfigError(
                f"What the file says of itself cannot be read: {clipped(error)}. It was not written by ganhub."
            ) from error
        data = _table("the text", data)
        if data.get("format") != FORMAT or isinstance(data["format"], bool):
            writer = checks.shown(data.get("ganhub", "")) or "no ganhub"
            raise ConfigError(
                f"What the file says of itself is in another format, written by {writer}, and this is ganhub "
                f"{__version__}: upgrade ganhub."
            )
        if unknown := sorted(set(data) - _FIELDS):
            raise ConfigError(f"What the file says of itself has an unknown field, {checks.shown(unknown[0])!r}.")
        creation = Creation.from_dict(_table("creation", data.get("creation")))
        layout = Layout.from_dict(data.get("layout", {}))
        require_names(creation, layout)
        shows = checks.one_of("shows", data.get("shows", ""), SHOWS)
        versions = {name: _word(data[name]) for name in ("ganhub", "torch", "device", "machine") if name in data}
        if "threads" in data:
            versions["threads"] = checks.whole("threads", data["threads"], 1, 4096)
        return cls(
            creation=creation, layout=layout, shows=shows, versions=versions, attached=_attached(data),
            models={_word(name): _hash("models", digest) for name, digest in _table("models", data, True).items()},
            inputs={_hash("inputs", digest): _word(name) for digest, name in _table("inputs", data, True).items()},
        )  # fmt: skip


def mark_of(
    creation: Creation, library: Library, layout: Layout | None = None, *, inputs: Inputs | None = None,
    shows: str = "",
) -> Mark | None:  # fmt: skip
    """What the file of a Creation's pictures shall say; None where marks are switched off.

    Args:
        layout: How the pictures are put into the file.
        inputs: A small mask from here travels with the file; without it none does.
        shows: As of :class:`Provenance`.

    Raises:
        GanhubError: A model is gone; the text is too long; the switch, or a certificate, is wrong.
    """
    if not provenance.are_on():
        return None
    layout = layout or Layout()
    names = [*creation.models(), *([layout.upscaler] if layout.upscaler else [])]
    device = str(getattr(library, "device", "auto"))
    record = Provenance(
        creation=without_paths(creation.pinned(library)),
        layout=dataclasses.replace(layout, upscaler=plain_name(layout.upscaler)),
        models={plain_name(name): library.revision(name) for name in names},
        inputs=creation.digests(), attached=_small(creation, inputs), shows=shows, versions=versions(device),
    )  # fmt: skip
    system = "ganhub" + (f" with {', '.join(map(plain_name, names))}" if names else "")
    return Mark(record.to_json(), creation.source_type(library), system)


def versions(device: str = "auto") -> dict[str, Any]:
    """What a picture's last bits depend on beside its Creation."""
    return {
        "ganhub": __version__, "torch": torch.__version__, "device": choose_device(device).type,
        "machine": platform.machine(), "threads": torch.get_num_threads(),
    }  # fmt: skip


# --- Names: a file names models, never places


def plain_name(name: str) -> str:
    """A model's name without the folders above it: "runs/mine/" -> "mine"; "owner/name" of the Hub stays."""
    if hub.is_repo_id(name) and not os.path.isdir(name):
        return name
    return Path(os.path.abspath(os.path.expanduser(name))).name if re.search(r"[\\/]|^[.~]", name) else name


def without_paths(creation: Creation) -> Creation:
    """The Creation with :func:`plain_name` for each of its models: where they lie is nobody's business."""
    names = set(creation.models())
    fields = {one.name: getattr(creation, one.name) for one in dataclasses.fields(creation)}
    plain = {key: plain_name(value) for key, value in fields.items() if isinstance(value, str) and value in names}
    changed = {key: value for key, value in plain.items() if value != fields[key]}
    return dataclasses.replace(creation, **changed) if changed else creation


def require_names(creation: Creation, layout: Layout) -> None:
    """Raise ConfigError where a Creation from outside names a place on this machine instead of a model."""
    for name in (*creation.models(), *([layout.upscaler] if layout.upscaler else [])):
        shown = checks.shown(name)
        if not name.isprintable() or plain_name(name) != name or re.search(r"[\\:]", name) or len(name) > 200:
            raise ConfigError(f"The model {shown!r} is a path, not a name: a file from outside names no places here.")
        if Path(name).suffix.lower() in SUFFIXES:
            raise ConfigError(
                f"It was made with {shown!r}, a file of weights, which is not fetched by its name: work with that file "
                "by `ganhub upscale --model`."
            )


# --- Parts of the text


def _small(creation: Creation, inputs: Inputs | None) -> dict[str, bytes]:
    pictures = {}
    for digest, name in creation.digests().items():
        source = inputs.find(digest, name) if inputs is not None and name == "mask" else None
        if (
            source is not None
            and (len(source) if isinstance(source, bytes) else os.path.getsize(source)) <= MOST_ATTACHED
        ):
            pictures[digest] = source if isinstance(source, bytes) else Path(source).read_bytes()
    return pictures


def _attached(data: Mapping[str, Any]) -> dict[str, bytes]:
    pictures = {}
    for digest, text in _table("attached", data, True).items():
        try:
            pictures[digest] = base64.b64decode(text, validate=True)
        except (ValueError, TypeError) as error:
            raise ConfigError("A picture that is attached to the file is damaged.") from error
        if sha256_of(pictures[digest]) != digest:
            raise ConfigError("A picture that is attached to the file is not the one that is meant.")
    return pictures


def _table(name: str, data: Any, inside: bool = False) -> Mapping[str, Any]:
    data = data.get(name, {}) if inside else data
    if not isinstance(data, dict):
        raise ConfigError(f"What the file says of itself is damaged: {name} must be a table of fields.")
    return data


def _word(text: Any) -> str:
    if not isinstance(text, str) or len(text) > 200 or not text.isprintable():
        raise ConfigError(f"What the file says of itself is damaged: {checks.shown(text)!r} is no name or version.")
    return text


def _hash(name: str, digest: Any) -> str:
    if not isinstance(digest, str) or not checks.SHA256.fullmatch(digest):
        raise ConfigError(f"What the file says of itself is damaged: {name} must hold sha256, 64 digits of 0-9a-f.")
    return digest
