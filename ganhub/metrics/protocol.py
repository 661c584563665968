"""A number with the protocol that it was measured by: neither is ever shown, stored or compared without the other.

"On Aliased Resizing and Surprising Subtleties in GAN Evaluation" (Parmar et al. 2022, arXiv:2104.11222) shows how far
the same pictures can be apart under one metric's name, by the resize filter and the number of pictures alone. So two
results are compared only where every field of their protocols is the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from ganhub.config import BaseConfig
from ganhub.errors import MetricError


@dataclass(frozen=True, kw_only=True)
class Protocol(BaseConfig):
    """Everything that a number depends on besides the model it judges.

    Attributes:
        metric: Machine key, for example "kernel_distance".
        extractor: Name of the feature network; "" for a metric that needs none.
        weights: First 12 hexadecimal digits of the SHA-256 of its weights.
        resize: How a picture becomes the network's input, in words.
        settings: The metric's own choices in words, such as "cubic kernel, 100 subsets of 1,000".
        data: What the real pictures are.
        split: Which part of them, such as "test".
        real: Number of real pictures.
        made: Number of generated pictures.
        seed: The seed of the metric's own draws (subsets, splits), and of the first generated picture.
    """

    metric: str
    extractor: str = ""
    weights: str = ""
    resize: str = ""
    settings: str = ""
    data: str = ""
    split: str = ""
    real: int = 0
    made: int = 0
    seed: int = 0

    def sentence(self, *, named: bool = True) -> str:
        """Return the protocol as one line of prose; without the metric's name where a table says it (``named``)."""
        parts = [self.metric.replace("_", " ")] if named else []
        if self.extractor:
            by = f"by {self.extractor}" + (f" (weights {self.weights})" if self.weights else "")
            parts = [" ".join([*parts, by])]
        counts = [f"{n:,} {kind}" for kind, n in (("made", self.made), ("real", self.real)) if n]
        source = f" of {self.data}" if self.data else ""
        source += f", split {self.split}" if self.split else ""
        if counts:
            parts.append(" against ".join(counts) + f" pictures{source}")
        elif source:
            parts.append(f"pictures{source}")
        parts += [text for text in (self.resize, self.settings) if text]
        sentence = "; ".join([*parts, f"seed {self.seed}"])
        return sentence[0].upper() + sentence[1:] + "."


@dataclass(frozen=True, kw_only=True)
class Measurement(BaseConfig):
    """The flat fields of a :class:`Result`, which is what one should use: it cannot be had without its protocol."""

    name: str
    label: str
    value: float
    error: float | None = None
    better: str = "lower"
    note: str = ""

    def __post_init__(self) -> None:
        if math.isnan(self.value):
            raise MetricError(f"{self.label} came out as NaN: check the pictures for NaN, and that there are enough.")
        if self.better not in ("lower", "higher"):
            raise MetricError(f"better must be 'lower' or 'higher', not {self.better!r}.")


@dataclass(frozen=True, kw_only=True)
class Result(Measurement):
    """A measured number.

    Attributes:
        name: Machine key, for example "kernel_distance".
        label: The name for people, for example "Kernel distance (efficientnet-lite0)"; "FID" and "KID" are those by
            Inception only.
        value: The number.
        error: Its standard error, or None where none is known.
        better: "lower" or "higher".
        note: What one must know before quoting the number, such as a bias; "" for nothing.
        protocol: What the number depends on.
    """

    protocol: Protocol

    def __str__(self) -> str:
        spread = "" if self.error is None else f" ± {self.error:.2g}"
        note = f" Note: {self.note}" if self.note else ""
        return f"{self.label}: {self.value:.5g}{spread} ({self.better} is better). {self.protocol.sentence()}{note}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, the protocol as a dictionary of its own."""
        flat = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "protocol"}
        return {**flat, "protocol": self.protocol.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build from what :meth:`to_dict` returned.

        Raises:
            ConfigError: For an unknown or missing field, or a value of another type.
            MetricError: When the protocol is missing.
        """
        if not isinstance(data.get("protocol"), Mapping):
            raise MetricError(
                f"The result {data.get('name', '')!r} has no protocol and means nothing: measure it again."
            )
        flat = Measurement.from_dict({key: value for key, value in data.items() if key != "protocol"})
        return cls(**flat.to_dict(), protocol=Protocol.from_dict(data["protocol"]))


def compare(first: Result, second: Result) -> float:
    """Return ``second.value - first.value``.

    Raises:
        MetricError: When the two were measured by different protocols; every field that differs is named.
    """
    pairs = [("name", first.name, second.name)]
    pairs += [(f.name, getattr(first.protocol, f.name), getattr(second.protocol, f.name)) for f in fields(Protocol)]
    differing = [f"{name} ({one!r} and {other!r})" for name, one, other in pairs if one != other]
    if differing:
        raise MetricError(
            f"{first.label} and {second.label} cannot be compared, their protocols differ in {', '.join(differing)}: "
            "measure both the same way."
        )
    return second.value - first.value
