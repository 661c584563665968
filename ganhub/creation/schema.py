"""What a Creation's fields may hold, as JSON Schema: read from its dataclass and its docstring, for APIs and agents."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any

from ganhub.creation._base import _VERBS, Creation

_ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")


def schema_of(kind: type[Creation]) -> dict[str, Any]:
    """JSON Schema of a kind of Creation: each field's type, range, choices, default and description."""
    hints, texts = typing.get_type_hints(kind), field_texts(kind)
    fields = dataclasses.fields(kind)
    properties = {}
    for field in fields:
        properties[field.name] = _schema(hints[field.name], field.metadata)
        properties[field.name]["description"] = texts.get(field.name, field.name)
        if field.default is not MISSING:
            properties[field.name]["default"] = _plain(field.default)
    return {
        "title": kind.verb, "description": summary_of(kind), "type": "object", "properties": properties,
        "required": [field.name for field in fields if field.default is MISSING], "additionalProperties": False,
    }  # fmt: skip


def summary_of(kind: type[Creation]) -> str:
    """What a kind of Creation is: the first paragraph of its docstring, in one line."""
    return " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())


def field_texts(kind: type[Creation]) -> dict[str, str]:
    """Field -> what the docstrings of a kind of Creation and of its bases say of it, in one line."""
    texts: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        lines = iter(inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")[2].splitlines())
        names: list[str] = []
        for line in lines:
            entry = _ENTRY.fullmatch(line[4:]) if line.startswith("    ") and line[4:5] != " " else None
            if entry:
                names = entry[1].split(", ")
                texts |= dict.fromkeys(names, entry[2])
            elif line.startswith("        "):
                texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
            else:
                names = []
    return texts


def _schema(hint: Any, rules: Mapping[str, Any]) -> dict[str, Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(option, rules) for option in args]}
    if origin is tuple and args[-1] is Ellipsis:
        return {"type": "array", "items": _schema(args[0], rules)}
    if origin is tuple:
        parts = [_schema(part, rules) for part in args]
        return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
    if hint in (int, float):
        bounds = dict(zip(("minimum", "maximum"), rules.get("bounds", ()), strict=False))
        return {"type": "integer" if hint is int else "number", **bounds}
    if hint is str:
        choices = {"enum": list(rules["choices"])} if "choices" in rules else {}
        return {"type": "string", **choices}
    return {"type": {bool: "boolean", type(None): "null"}[hint]}


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def kinds() -> dict[str, type[Creation]]:
    """Verb -> its kind of Creation."""
    return dict(_VERBS)
