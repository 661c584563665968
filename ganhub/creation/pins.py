"""The pins of a film's timeline as text: "3, 13 (cat), 23 x2".

Each is a seed, perhaps with a class in brackets (its name, or # and its number), and perhaps with how long the way to
the next one lasts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ganhub.creation.checks import MAX_SEED, shown
from ganhub.errors import ConfigError

MAX_PINS = 12  # of a visitor's film
DURATIONS = (0.1, 100.0)
SPACE = " ,;\t\r\n"
_PIN = re.compile(
    r"[\s,;]*(?P<seed>[0-9]{1,10})"
    r"(?:\s*\((?P<label>(?:[^()]|\([^()]*\))*)\))?"  # a name may have brackets itself
    r"(?:\s*[x×](?P<time>[0-9.]+))?(?=[\s,;]|$)"
)


class Pin(NamedTuple):
    """A picture that a film passes.

    Attributes:
        seed: Whose picture it is.
        label: Its class; "" for that of the film, or of the seed.
        duration: How long the way to the next pin lasts, compared with the others; 0 where none is said.
    """

    seed: int
    label: str | int = ""
    duration: float = 0.0


def read_pins(text: Any, *, least: int = 2, most: int | None = None) -> list[Pin]:
    """Read "3, 13 (cat) x2 23", or a list of seeds.

    Raises:
        ConfigError: For what is no pin, or fewer than ``least`` or more than ``most`` of them.
    """
    text = ", ".join(map(shown, text)) if isinstance(text, list | tuple) else str(text or "")
    pins, at, end = [], 0, len(text.rstrip(SPACE))
    while at < end:
        found = _PIN.match(text, at)
        if found is None or int(found["seed"]) > MAX_SEED:
            part = re.split(r"[\s,;]", text[at:].strip(SPACE))[0]
            raise ConfigError(
                f"'{part[:40]}' is no seed: write whole numbers from 0 to {MAX_SEED}, as in 3, 14 (class), 15 x2."
            )
        pins.append(Pin(int(found["seed"]), _label(found["label"] or ""), _duration(found["time"])))
        at = found.end()
    if len(pins) < least or most is not None and len(pins) > most:
        span = f"{least} or more" if most is None else f"{least} to {most}"
        raise ConfigError(f"Give {span} seeds, separated by commas; there are {len(pins)}.")
    return pins


def _label(text: str) -> str | int:
    text = text.strip()
    return int(text[1:]) if re.fullmatch(r"#[0-9]{1,7}", text) else text


def _duration(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not DURATIONS[0] <= value <= DURATIONS[1]:
        raise ConfigError(f"A way lasts from x{DURATIONS[0]:g} to x{DURATIONS[1]:g}, not x{text[:20]}.")
    return value


def write_pins(pins: Iterable[Pin]) -> str:
    """The inverse of :func:`read_pins`."""
    return ", ".join(map(_written, pins))


def _written(pin: Pin) -> str:
    label = "" if pin.label == "" else f" ({'#' if isinstance(pin.label, int) else ''}{pin.label})"
    return f"{pin.seed}{label}{f' x{_number(pin.duration)}' if pin.duration else ''}"


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def fields_of(pins: list[Pin]) -> dict[str, Any]:
    """The fields of an :class:`ganhub.creation.Interpolate` that say the same."""
    timed, named = any(pin.duration for pin in pins), any(pin.label != "" for pin in pins)
    return {
        "seeds": tuple(pin.seed for pin in pins), "labels": tuple(pin.label for pin in pins) if named else (),
        "durations": tuple(pin.duration or 1.0 for pin in pins) if timed else (),
    }  # fmt: skip
