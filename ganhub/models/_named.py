"""``directions.json`` of a Hub folder: directions of W that have a name in plain words, such as "glasses".

Each is a vector, or the name of a direction that is computed ("pca:3@coarse"), with what is known of it: for which
classes it holds, where it comes from, and how often it does what its name says. The file comes from outside, so all of
it is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import ConfigError, HubError
from ganhub.files import write_atomically
from ganhub.hub.folder import DIRECTIONS, MAX_DIRECTIONS, clipped, read_json

VERSION = 1
MOST = 500  # directions of one file
MAX_NAME, MAX_TEXT, MAX_FIGURES = 60, 300, 20
COMPUTED = ("pca", "sefa", "class")  # what names of computed directions begin with
_REFERENCE = re.compile(r"(pca|sefa):[0-9]{1,6}(@[\w-]{1,20})?|class:[^@]{1,150}(@[\w-]{1,20})?")
_KEYS = ("name", "vector", "reference", "deviation", "layers", "source", "classes", "success")


@dataclass(frozen=True, eq=False)
class NamedDirection:
    """A direction of W with a name in plain words.

    Attributes:
        name: Such as "glasses" or "hair colour: red".
        vector: float32 [style_dim] of length 1; None where ``reference`` says which it is.
        reference: The name of a computed direction, such as "pca:3@coarse"; "" where there is a vector.
        deviation: How far one unit of an edit moves w along the vector; of a reference, 0: as it is computed.
        layers: First layer that it is meant for, and one past the last; of a reference, (0, 0): as it is computed.
        source: Where it comes from, in words.
        classes: Names of the classes that it holds for; () for all.
        success: What was measured, such as {"amount": 2.0, "changed": 0.93, "class kept": 0.99}.
    """

    name: str
    vector: Tensor | None = None
    reference: str = ""
    deviation: float = 0.0
    layers: tuple[int, int] = (0, 0)
    source: str = ""
    classes: tuple[str, ...] = ()
    success: Mapping[str, float] = field(default_factory=dict)

    def holds_for(self, label: str) -> bool:
        """Whether it is meant for a class."""
        return not self.classes or label in self.classes


def checked_name(name: Any) -> str:
    """A name for a direction, without spaces around it; ConfigError for what cannot be one."""
    text = name.strip() if isinstance(name, str) else ""
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable():
        raise ConfigError(f"The name of a direction is 1 to {MAX_NAME} letters on one line, as in glasses.")
    if "@" in text or text.partition(":")[0].strip().lower() in COMPUTED:
        raise ConfigError(f"{text!r} cannot be the name of a direction: leave out @, and do not begin it with pca:, "
                          "sefa: or class:.")  # fmt: skip
    return text


def checked_reference(reference: Any) -> str:
    """The name of a computed direction; ConfigError for any other text."""
    if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
        raise ConfigError(f"{clipped(repr(reference), 80)} is no computed direction: write it as in pca:3, sefa:0@fine "
                          "or class:cat>dog.")  # fmt: skip
    return reference


def read_named(
    folder: Path, style_dim: int, layers: int, classes: Sequence[str]
) -> tuple[NamedDirection, ...]:  # fmt: skip
    """The named directions of a model folder; () where it has none.

    Args:
        style_dim, layers, classes: Of the model, whose directions they must be.

    Raises:
        HubError: A file that is too large, no JSON, or holds anything else than directions of this model.
    """
    path = folder / DIRECTIONS
    if not path.exists():
        return ()
    data = read_json(path, limit=MAX_DIRECTIONS)
    try:
        if data.get("version") != VERSION:
            raise ConfigError(f"its version is {clipped(repr(data.get('version')), 40)}, not {VERSION}: upgrade ganhub")
        entries = data.get("directions")
        if set(data) - {"version", "directions"} or not isinstance(entries, list) or len(entries) > MOST:
            raise ConfigError(f'it must hold "version" and "directions", a list of at most {MOST}')
        named = tuple(_entry(entry, style_dim, layers, classes) for entry in entries)
        for i, one in enumerate(named):
            if any(_clash(one, other) for other in named[:i]):
                raise ConfigError(f"{one.name!r} is in it twice for one class")
    except ConfigError as error:
        reason = clipped(error, 300).rstrip(".")
        raise HubError(f"{path} cannot be used: {reason}. Fetch the file again, or remove it.") from None
    return named


def write_named(folder: Path, named: Sequence[NamedDirection]) -> Path:
    """Write ``directions.json``; numbers of vectors with seven digits."""
    entries = [_plain(one) for one in named]
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries)
    text = f'{{"version": {VERSION}, "directions": [\n{lines}\n]}}\n'
    return write_atomically(folder / DIRECTIONS, lambda path: path.write_text(text, "utf-8"))


def written(named: Sequence[NamedDirection], names: Collection[str]) -> str:
    """What :func:`write_named` writes of directions of these names, whatever their capitals, without where they are
    from and what was measured; "" where none is here."""
    wanted = {name.casefold() for name in names}
    fields = ("name", "vector", "reference", "deviation", "layers", "classes")
    rows = [{k: v for k, v in _plain(one).items() if k in fields} for one in named if one.name.casefold() in wanted]
    return json.dumps(sorted(rows, key=lambda row: (row["name"], row.get("classes", ())))) if rows else ""


def with_named(named: Sequence[NamedDirection], one: NamedDirection) -> tuple[NamedDirection, ...]:
    """The directions and one more, which takes the place of those of its name and its classes.

    Raises:
        ConfigError: There are ``MOST`` already.
    """
    kept = tuple(other for other in named if not _clash(one, other))
    if len(kept) >= MOST:
        raise ConfigError(f"This model has {MOST} named directions, and no more are kept: remove some first.")
    return (*kept, one)


def named_here(named: Sequence[NamedDirection], name: str, label: str | None) -> NamedDirection | None:
    """The direction of a name, whatever its capitals, that holds for a class; None where there is none of that name.

    Args:
        label: Name of the class; None where nobody asks for one.

    Raises:
        ConfigError: The name is there, but not for this class; or it needs a class and there is none.
    """
    same = [one for one in named if one.name.casefold() == name.strip().casefold()]
    fitting = [one for one in same if label is None or one.holds_for(label)]
    if not same or len(fitting) == 1:
        return fitting[0] if fitting else None
    classes = ", ".join(dict.fromkeys(label for one in same for label in one.classes))
    if label is None:
        raise ConfigError(f"{same[0].name!r} differs from class to class: name one of {classes}.")
    raise ConfigError(f"{same[0].name!r} is not known for the class {label}: it is for {classes}.")


def _clash(one: NamedDirection, other: NamedDirection) -> bool:
    """Whether two have the same name for the same class."""
    both = not one.classes or not other.classes or set(one.classes) & set(other.classes)
    return one.name.casefold() == other.name.casefold() and bool(both)


def _plain(one: NamedDirection) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": one.name}
    if one.vector is None:
        entry["reference"] = one.reference
    else:
        entry["vector"] = [float(f"{x:.6e}") for x in one.vector.tolist()]
        entry |= {"deviation": one.deviation, "layers": list(one.layers)}
    optional = {"source": one.source, "classes": list(one.classes), "success": dict(one.success)}
    return entry | {key: value for key, value in optional.items() if value}


def _entry(entry: Any, style_dim: int, layers: int, classes: Sequence[str]) -> NamedDirection:
    if not isinstance(entry, dict):
        raise ConfigError("every direction must be a table with a name")
    for key in entry:
        if key not in _KEYS:
            raise ConfigError(f"a direction has no field {clipped(repr(key), 40)}.{nearest(key, _KEYS)}")
    name = checked_name(entry.get("name"))
    if ("vector" in entry) == ("reference" in entry):
        raise ConfigError(f"{name!r} needs either a vector or a reference")
    about = {
        "source": _text(name, entry.get("source", "")),
        "classes": _classes(name, entry.get("classes", []), classes),
        "success": _figures(name, entry.get("success", {})),
    }
    if "reference" in entry:
        if "deviation" in entry or "layers" in entry:
            raise ConfigError(f"{name!r} is a reference, which has no deviation and no layers of its own")
        return NamedDirection(name, reference=checked_reference(entry["reference"]), **about)
    deviation = _number(f"the deviation of {name!r}", entry.get("deviation"))
    if not 0 < deviation <= 1e6:
        raise ConfigError(f"the deviation of {name!r} must be above 0 and at most a million")
    vector = _vector(name, entry["vector"], style_dim)
    return NamedDirection(name, vector, "", deviation, _layers(name, entry.get("layers", [0, layers]), layers), **about)


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        raise ConfigError(f"{what} must be a number, not {clipped(repr(value), 40)}")
    return float(value)


def _vector(name: str, numbers: Any, style_dim: int) -> Tensor:
    if not isinstance(numbers, list) or len(numbers) != style_dim:
        count = len(numbers) if isinstance(numbers, list) else "no"
        raise ConfigError(f"the vector of {name!r} has {count} numbers, and this model's have {style_dim}")
    values = [_number(f"each number of the vector of {name!r}", number) for number in numbers]
    vector = torch.tensor(values, dtype=torch.float64, device="cpu")
    length = float(vector.norm())
    if not 0.99 < length < 1.01:
        raise ConfigError(f"the vector of {name!r} has the length {length:.4g}, not 1")
    return (vector / length).float()


def _layers(name: str, layers: Any, depth: int) -> tuple[int, int]:
    fits = isinstance(layers, list) and len(layers) == 2 and all(type(n) is int for n in layers)
    if not fits or not 0 <= layers[0] < layers[1] <= depth:
        raise ConfigError(f"the layers of {name!r} must be two numbers, within 0 and {depth}")
    return layers[0], layers[1]


def _text(name: str, text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_TEXT or not text.replace("\n", " ").isprintable():
        raise ConfigError(f"the source of {name!r} must be text of at most {MAX_TEXT} letters")
    return text


def _classes(name: str, given: Any, classes: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ConfigError(f"the classes of {name!r} must be a list of names")
    for one in given:
        if one not in classes:
            raise ConfigError(f"{name!r} is for the class {clipped(repr(one), 60)}, which this model does not have")
    return tuple(given)


def _figures(name: str, figures: Any) -> dict[str, float]:
    if not isinstance(figures, dict) or len(figures) > MAX_FIGURES or any(len(key) > MAX_NAME for key in figures):
        raise ConfigError(f"the success of {name!r} must be a table of at most {MAX_FIGURES} numbers")
    return {key: _number(f"each number of the success of {name!r}", value) for key, value in figures.items()}
