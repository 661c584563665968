"""A Creation: all that it takes to make a picture once more, as a frozen value that checks itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar

from torch import Tensor

from ganhub.config import BaseConfig, nearest
from ganhub.creation import checks
from ganhub.creation.inputs import Inputs
from ganhub.errors import ConfigError, HubError
from ganhub.images import provenance
from ganhub.models import Model

M = TypeVar("M", bound=Model)
SHORT = 16  # digits of a revision that a Creation is pinned to
OnStep = Callable[[int, int, Tensor | None], None]  # (step, steps, an early look or None); what it raises ends the work
_VERBS: dict[str, type[Creation]] = {}


class Library(Protocol):
    """Where models come from: the app's library, or :class:`ganhub.creation.LocalLibrary`."""

    def open(self, name: str, verb: type[M]) -> M:
        """The loaded model of a name; GanhubError where there is none, or none with that verb."""

    def revision(self, name: str) -> str:
        """sha256 of a model's config and weights, as :func:`ganhub.hub.revision_of` gives it; GanhubError likewise."""


@dataclass(frozen=True, eq=False)
class Result:
    """Pictures or a film, and what is to be said of them.

    Attributes:
        pictures: [N, C, H, W] in [-1, 1], or None.
        film: Frames [F, C, H, W] in [-1, 1], or None.
        text: A sentence about the result; often "".
        photo: The input picture as it was read, [1, C, H, W] in [-1, 1], or None; of an Edit what it started from,
            once for the same inputs.
        tensors: What else is kept by name, such as "w" and "noise" of an edited picture.
        notes: What was done, in words.
        srgb: Whether the photo's file named its colours; a result's file then says sRGB.
        shrunk: To which side the photo was shrunk first, in pixels; 0 where it was not.
    """

    pictures: Tensor | None = None
    film: Tensor | None = None
    text: str = ""
    photo: Tensor | None = None
    tensors: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
    srgb: bool = False
    shrunk: int = 0


def bounded(low: float, high: float, default: Any = MISSING) -> Any:
    """A field that holds a number (or numbers) in [low, high]."""
    return dataclasses.field(default=default, metadata={"bounds": (low, high)})


def choice(*choices: str) -> Any:
    """A field that holds one of some words, by default the first."""
    return dataclasses.field(default=choices[0], metadata={"choices": choices})


def tiling() -> Any:
    """A field for tiles: "auto", pixels a side, or 0 for none."""
    return dataclasses.field(default="auto", metadata={"bounds": (0, 16_384), "choices": ("auto",)})


def picture(default: Any = MISSING) -> Any:
    """A field that holds the sha256 of an input picture; "" for none, where that is the default."""
    return dataclasses.field(default=default, metadata={"sha256": True})


@dataclass(frozen=True, kw_only=True)
class Creation(BaseConfig):
    """Base of every Creation. A subclass names its verb, declares fields, and defines ``make``.

    Each field is checked by its type and by :func:`bounded`, :func:`choice` or :func:`picture`; what fields must hold
    together is checked in :meth:`check`. Wrong values raise :class:`ganhub.errors.ConfigError`.

    Attributes:
        revision: The versions of its models, each by the first 8 to 64 digits of :func:`ganhub.hub.revision_of`, in
            the order of :meth:`models` with dots between them, and after them that of :meth:`details`, where it has
            any; "" for those that are here.
    """

    verb: ClassVar[str] = ""
    has_details: ClassVar[bool] = False

    revision: str = dataclasses.field(default="", metadata={"revision": True})

    def __init_subclass__(cls, *, verb: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.verb = verb
        if verb:
            _VERBS[verb] = cls

    def __post_init__(self) -> None:
        checks.check_fields(self)
        for one in dataclasses.fields(self):
            needed = one.metadata.get("sha256") and one.default is MISSING
            self.require(not needed or bool(getattr(self, one.name)), f"There is no {one.name} yet: give a picture.")
        self.check()
        asked, count = len(self.revision.split(".")), len(self.models())
        fits = not self.revision or asked in (count, count + self.has_details)
        self.require(fits, f"revision must name {count} version{'s' * (count > 1)}, not {asked}.")

    def check(self) -> None:
        """Require what fields must hold together."""

    def models(self) -> tuple[str, ...]:
        """Names of its models, in order."""
        return (self.model,)

    def pinned(self, library: Library) -> Self:
        """The same Creation with the revision of its models that are here; GanhubError where one is not.

        Rendered where one of them is another version, it is refused instead of giving other pictures.
        """
        revisions = [library.revision(name) for name in self.models()]
        if details := self.details(library):
            revisions.append(_hash(details))
        return dataclasses.replace(self, revision=".".join(one[:SHORT] for one in revisions))

    def details(self, library: Library) -> str:
        """What of its model decides on the picture beside config and weights: the named directions that it uses."""
        return ""

    def versions(self, library: Library) -> Iterator[tuple[str, str, str]]:
        """Of each part of its revision: what it is of, the digits that are asked for, and all those that are here."""
        asked, names = self.revision.split(".") if self.revision else [], self.models()
        for name, revision in zip(names, asked, strict=False):
            yield name, revision, library.revision(name)
        if len(asked) > len(names):
            yield f"directions.json of {names[0]}", asked[-1], _hash(self.details(library))

    def digests(self) -> dict[str, str]:
        """sha256 of each input picture -> what it is here, in a word."""
        named = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.metadata.get("sha256")}
        return {digest: name for name, digest in named.items() if digest}

    def source_type(self, library: Library) -> str:
        """IPTC's Digital Source Type of what is made: generated, or a composite where pictures were given."""
        return provenance.COMPOSITE if self.digests() else provenance.GENERATED

    def require_inputs(self, inputs: Inputs) -> None:
        """Raise ConfigError unless each input picture is here, and is the one that is meant."""
        for digest, name in self.digests().items():
            inputs.find(digest, name)

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        """Make it; what is wrong is said before any work."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the verb's name; without a revision where none is named."""
        fields = super().to_dict()
        if not self.revision:
            del fields["revision"]
        return {"verb": self.verb, **fields}

    def to_json(self) -> str:
        """One line of ASCII, the same for equal Creations: keys sorted, no spaces."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain values; the verb says which Creation it is.

        Raises:
            ConfigError: An unknown verb, an unknown or missing field, or a wrong value.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"A creation is a table of fields, not {checks.shown(data)!r}.")
        verb, fields = data.get("verb", cls.verb), {key: value for key, value in data.items() if key != "verb"}
        kind = _VERBS.get(verb) if isinstance(verb, str) else None
        if kind is None or not issubclass(kind, cls):
            verbs = [name for name, one in _VERBS.items() if issubclass(one, cls)]
            given = checks.shown(verb)
            raise ConfigError(f"There is no verb {given!r} here.{nearest(given, verbs)} Known: {', '.join(verbs)}.")
        names = {one.name: one.default is MISSING for one in dataclasses.fields(kind)}
        for key in fields:
            if key not in names:
                given = checks.shown(key)
                raise ConfigError(
                    f"{verb} has no field {given!r}.{nearest(given, names)} It knows: {', '.join(names)}."
                )
        if missing := [key for key, needed in names.items() if needed and key not in fields]:
            raise ConfigError(f"{verb} needs a value for {', '.join(missing)}.")
        return kind(**fields)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote; ConfigError as of :meth:`from_dict`, and for what is no JSON."""
        try:
            data = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"A creation is one line of JSON, and this is none: {checks.shown(text)!r}.") from error
        return cls.from_dict(data)


def list_verbs() -> list[str]:
    """Names of the verbs that have a Creation."""
    return list(_VERBS)


def render(
    creation: Creation, library: Library, on_step: OnStep | None = None, *, inputs: Inputs | None = None
) -> Result:
    """Make what a Creation asks for. Equal Creations give equal pictures, whoever asks, up to one level of 255.

    Args:
        library: Opens models by name.
        on_step: Called with (step, steps, early look or None); an exception that it raises ends the work.
        inputs: Where the input pictures come from.

    Raises:
        ConfigError: An input picture that is not here, or not the one that is meant; what the model refuses.
        HubError: A model that is not here, is another version, or does not do this.
        ImageError: A picture that cannot be read or used.
    """
    inputs = inputs or Inputs()
    check_revision(creation, library)
    creation.require_inputs(inputs)
    return creation.make(library, inputs, on_step or (lambda step, steps, look: None))


def check_revision(creation: Creation, library: Library) -> None:
    """Raise HubError where a model is another version than the one that a Creation names."""
    for name, revision, here in creation.versions(library):
        if not here.startswith(revision):
            raise HubError(
                f"{name} is another version here ({here[:8]}…, asked: {revision[:8]}…): its pictures are others. Get "
                "the version that is asked for, or leave the revision out."
            )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
