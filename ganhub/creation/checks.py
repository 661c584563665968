"""What a person may ask for, checked: one sentence for each wrong value, the same in app, API and command line."""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
import types
import typing
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from ganhub.errors import ConfigError

MAX_SEED = 2**32 - 1
SHA256 = re.compile(r"[0-9a-f]{64}")
REVISIONS = re.compile(r"[0-9a-f]{8,64}(\.[0-9a-f]{8,64})*")


def number(name: str, value: Any, low: float, high: float) -> float:
    """Return ``value`` as a float in [low, high], or raise ConfigError with a sentence that names it."""
    if not _is_number(value):
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}, not {_quoted(value)}.")
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low:g} to {high:g}, not {_short(value)}.")
    return float(value) + 0.0  # 0.0 for -0.0, so that equal values are written the same


def whole(name: str, value: Any, low: int, high: int) -> int:
    """The same for whole numbers; 4.0 is one."""
    if not _is_number(value) or value % 1:
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {_quoted(value)}.")
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low} to {high}, not {_short(int(value))}.")
    return int(value)


def _is_number(value: Any) -> bool:
    """An int of any length, or a float that is neither NaN nor infinite; no bool."""
    if isinstance(value, bool):
        return False
    return isinstance(value, Integral) or isinstance(value, Real) and math.isfinite(value)


def _quoted(value: Any) -> str:
    return _short(value) if isinstance(value, Integral) and not isinstance(value, bool) else repr(shown(value))


def _short(value: float) -> str:
    if isinstance(value, Integral):
        return str(value) if abs(value) < 10**40 else "one of more than 40 digits"
    return f"{value:g}"


def shown(value: Any) -> str:
    """Any value in at most 40 characters of one line; neither a huge number nor a deep list is written out for it."""
    try:
        text = (value if isinstance(value, str) else reprlib.repr(value))[:40]
        return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    except (ValueError, RecursionError):
        return f"a huge {type(value).__name__}"


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """``value`` where it is one of the choices, or ConfigError that lists them."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(choice or "''" for choice in choices)
        raise ConfigError(f"{name} must be one of {listed}, not {_quoted(value)}.")
    return value


def read_seeds(text: Any, *, least: int = 2, most: int | None = None) -> tuple[int, ...]:
    """Read "3, 14 15" (or a list of numbers) as seeds.

    Raises:
        ConfigError: For what is no seed, or fewer than ``least`` or more than ``most`` of them.
    """
    parts = text if isinstance(text, (list, tuple)) else re.findall(r"[^\s,;]+", shown(text) if text else "")
    if isinstance(text, str):
        parts = re.findall(r"[^\s,;]+", text)
    seeds = []
    for part in parts:
        digits = part if isinstance(part, str) else shown(part)
        if not re.fullmatch(r"[0-9]{1,10}", digits) or int(digits) > MAX_SEED:
            raise ConfigError(f"'{digits[:40]}' is no seed: write whole numbers from 0 to {MAX_SEED}, as in 3, 14.")
        seeds.append(int(digits))
    if len(seeds) < least or most is not None and len(seeds) > most:
        span = f"{least} or more" if most is None else f"{least} to {most}"
        raise ConfigError(f"Give {span} seeds, separated by commas; there are {len(seeds)}.")
    return tuple(seeds)


def check_fields(one: Any) -> None:
    """Check each field of a frozen dataclass by :func:`field`, and set it to its one form; ConfigError as there."""
    hints = typing.get_type_hints(type(one))
    for each in dataclasses.fields(one):
        object.__setattr__(one, each.name, field(each.name, getattr(one, each.name), hints[each.name], each.metadata))


def field(name: str, value: Any, hint: Any, rules: Mapping[str, Any]) -> Any:
    """A field's value in its one form: lists become tuples, and whole numbers floats where the type says so.

    Args:
        name: Of the field, for the sentence.
        hint: Its type: str, bool, int, float, None, unions and tuples of these.
        rules: Its metadata: "bounds" (low, high), "choices", or "sha256" (a digest, or "" for no picture).

    Raises:
        ConfigError: A wrong type, NaN, or a value out of range.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(name, value, args, rules)
    if origin is tuple:
        return _tuple(name, value, args, rules)
    if hint in (int, float):
        if "bounds" not in rules and not _is_number(value):
            raise ConfigError(f"{name} must be a number, not {_quoted(value)}.")
        low, high = rules.get("bounds", (-(2**53), 2**53))
        return (whole if hint is int else number)(name, value, low, high)
    if "choices" in rules:
        return one_of(name, value, rules["choices"])
    if hint is type(None) and value is None or hint in (str, bool) and isinstance(value, hint):
        if rules.get("sha256") and value and not SHA256.fullmatch(value):
            raise ConfigError(f"{name} must be the sha256 of a picture, 64 digits of 0-9a-f, not {value[:80]!r}.")
        if rules.get("revision") and value and not REVISIONS.fullmatch(value):
            raise ConfigError(f"{name} must be 8 to 64 digits of 0-9a-f for each model, not {value[:80]!r}.")
        return value
    words = {str: "text", bool: "true or false", type(None): "nothing"}
    raise ConfigError(f"{name} must be {words.get(hint, hint)}, not {_quoted(value)}.")


def _union(name: str, value: Any, options: tuple, rules: Mapping[str, Any]) -> Any:
    """The option of the value's own type decides, so that its sentence is said."""
    if value is None and type(None) in options:
        return None
    kinds = [option for option in options if option is not type(None)]
    own = [option for option in kinds if isinstance(value, str) == (option is str)]
    return field(name, value, (own or kinds)[0], rules)


def _tuple(name: str, value: Any, args: tuple, rules: Mapping[str, Any]) -> tuple:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{name} must be a list, not {_quoted(value)}.")
    hints = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
    if len(hints) != len(value):
        raise ConfigError(f"{name} must hold {len(hints)} values each, not {len(value)}.")
    return tuple(field(name, part, hint, rules) for part, hint in zip(value, hints, strict=True))
