"""Configs: frozen keyword-only dataclasses that check themselves, go to JSON or TOML and back, and take overrides."""

from __future__ import annotations

import dataclasses
import difflib
import reprlib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NewType, Self

from ganhub.errors import ConfigError

Seed = NewType("Seed", int)  # any whole number: what draws from it takes 64 bits of it


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint " Did you mean 'x'?" for the known name closest to ``name``, or "" when none is close."""
    if len(str(name)) > 100:  # too long for a field's name, and comparing takes long
        return ""
    matches = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""


@dataclass(frozen=True, kw_only=True)
class BaseConfig:
    """Base of every config. A subclass checks its fields in ``__post_init__`` with :meth:`require`."""

    table = ""  # of a recipe, in which users write these fields; sentences then name it instead of the class

    def require(self, holds: bool, sentence: str) -> None:
        """Raise :class:`ConfigError` with ``sentence`` unless ``holds``."""
        if not holds:
            raise ConfigError(sentence)

    def require_range(self, low: float, high: float, *names: str) -> None:
        """Require low <= field <= high for each named field."""
        for name in names:
            value = getattr(self, name)
            self.require(low <= value <= high, f"{name} must be from {low:g} to {high:g}, not {value!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values (tuples become lists)."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain values.

        Raises:
            ConfigError: For an unknown key (the nearest field is named), a missing one, or a value of another type.
        """
        fields = {f.name: f for f in dataclasses.fields(cls)}
        hints = typing.get_type_hints(cls)
        name = f"[{cls.table}]" if cls.table else cls.__name__
        values = {}
        for key, value in data.items():
            if key not in fields:
                names = ", ".join(fields)
                raise ConfigError(f"{name} has no field {reprlib.repr(key)}.{nearest(key, fields)} It knows: {names}.")
            values[key] = _coerce(value, hints[key], f"{cls.table or cls.__name__}.{key}")
        missing = [
            key
            for key, f in fields.items()
            if key not in values and f.default is f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise ConfigError(f"{name} needs a value for {', '.join(missing)}.")
        return cls(**values)


def apply_override(tables: dict[str, Any], text: str, known: Mapping[str, type[BaseConfig] | None]) -> None:
    """Put one ``table.key=value`` of a command line into plain tables.

    A value is read as TOML; where it is none, or where text is wanted (``data.path=2024``), it is text as it was typed.

    Args:
        tables: Changed in place.
        text: As typed.
        known: The names of the tables that there can be -> their config, or None where it depends on what they say.

    Raises:
        ConfigError: For another table, no "=", or a key inside a value.
    """
    key, equals, value = text.partition("=")
    table, dot, name = key.partition(".")
    if not (equals and dot and name) or table not in known:
        raise ConfigError(f"'{text}' must look like table.key=value, the table one of {', '.join(known)}.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        parsed = value  # an unquoted string, as one types it on a command line
    target = tables.setdefault(table, {})
    *parents, leaf = name.split(".")
    for parent in parents:
        target = target.setdefault(parent, {}) if isinstance(target, dict) else target
    if not isinstance(target, dict):
        raise ConfigError(f"'{text[:80]}' cannot be set: {key[: -len(leaf) - 1]} holds a value of its own, no table.")
    config = known[table]
    if config and typing.get_type_hints(config).get(leaf) is str and not isinstance(parsed, str):
        parsed = value
    target[leaf] = parsed


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _coerce(value: Any, hint: Any, where: str) -> Any:
    """Check ``value`` against a type hint; lists become tuples and whole numbers floats where the hint says so."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for option in args:
            try:
                return _coerce(value, option, where)
            except ConfigError:
                continue
    elif origin in (tuple, Sequence):
        if isinstance(value, (list, tuple)):
            return tuple(_coerce(v, args[0] if args else Any, where) for v in value)
    elif origin in (dict, Mapping):
        if isinstance(value, Mapping):
            return {str(k): _coerce(v, args[1], where) for k, v in value.items()}
    elif hint is Any or (hint in (None, type(None)) and value is None):
        return value
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(value, float) or abs(value) < 2**63:
            return float(value)
    elif hint is int and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) < 2**63:
            return value
    elif hint is Seed and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) < 2**512:  # so that it can be written
            return value
    elif hint in (str, bool) and isinstance(value, hint):
        return value
    name = "int" if hint is Seed else getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where} must be of type {name}, not {reprlib.repr(value)}.")
