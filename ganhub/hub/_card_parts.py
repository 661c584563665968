"""What the generated block of a model card shows of metrics.json: the run, the numbers and how they were measured.

A protocol is told once, below the table, however many numbers share it. Everything here is plain dictionaries in and
Markdown out; :mod:`ganhub.hub.cards` puts the parts together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# What metrics.json's "training" holds, as the card calls it; other keys are shown under their own names.
RUN = {
    "recipe": "Recipe",
    "hardware": "Hardware",
    "seed": "Seed",
    "images_seen": "Images seen",
    "images_planned": "Images planned (these weights are from before the end)",
    "seconds": "Wall time",
    "images_per_second": "Images per second",
    "precision": "Precision",
    "changed": "Other than in the recipe",
    "changes": "Changed on the way",
}
# Recorded with the run, but told elsewhere in the card, or (the losses) by the plot.
SAID = ("licence", "dataset", "intended_use", "limits", "alarms", "losses", "licence_stated", "dataset_name",
        "datasets", "read", "started_from")  # fmt: skip
# Beside a number these say how it was measured, and are no measurement.
CONSTANTS = ("n", "samples", "seed", "seeds", "images_seen", "interval")
HEADING = "## Intended use and limits"
DEFAULT_PROSE = """\
Nobody has written down yet what this model is good for and where it fails. Its pictures have the gaps and the habits of
what it was trained on: look at a result before you rely on it."""
ARROWS = {"lower": " ↓", "higher": " ↑"}
_ANSWERS = re.compile(r"95 % .*? answers; ")  # opens a protocol of people's answers; the value says it already


@dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        label: The name for people.
        name: Machine key.
        value: The number.
        error: Its standard error, or None.
        beside: What stands in brackets behind the value, such as an interval.
        better: "lower", "higher" or "" where nobody knows.
        how: Sentences that say how it was measured, and what one must know before quoting it.
        args: The protocol as a dictionary, for the Hub; {} where there is none.
    """

    label: str
    name: str
    value: float
    error: float | None = None
    beside: str = ""
    better: str = ""
    how: tuple[str, ...] = ()
    args: dict[str, Any] = field(default_factory=dict)


def read_numbers(metrics: Mapping[str, Any]) -> list[Number]:
    """Every number in metrics.json that was measured; what is none, or of no known form, is left out."""
    numbers: list[Number] = []
    for key, value in metrics.items():
        if key == "evaluation" and isinstance(value, Mapping):
            results = value.get("results")
            for result in results if isinstance(results, Sequence) and not isinstance(results, str) else ():
                numbers += _result(result, "") if isinstance(result, Mapping) else []
        elif key == "people" and isinstance(value, Mapping):
            for name, answers in value.items():
                numbers += _numbers({f"{name} (people)": answers})
        elif key not in ("training", "first_seed"):
            numbers += _numbers({key: value})
    return numbers


def _result(result: Mapping[str, Any], key: str) -> list[Number]:
    """A result with its protocol, as :meth:`ganhub.metrics.Result.to_dict` gives it."""
    value, error = result.get("value"), result.get("error")
    if not is_number(value):
        return []
    protocol = result.get("protocol")
    protocol = dict(protocol) if isinstance(protocol, Mapping) else {}
    settings = "; ".join(f"{k}: {v}" for k, v in protocol.items() if v and k != "metric")
    name = str(result.get("name") or key)
    return [
        Number(
            label=_capital(str(result.get("label") or in_words(name))),
            name=name,
            value=value,
            error=error if is_number(error) else None,
            better=str(result.get("better", "")),
            how=tuple(str(text) for text in (result.get("measured") or settings, result.get("note")) if text),
            args=protocol,
        )
    ]


def _numbers(group: Mapping[str, Any], above: str = "", protocol: str = "") -> Iterator[Number]:
    """The numbers of a group; its ``protocol``, or else its other words, says how they were measured."""
    texts = {key: value for key, value in group.items() if isinstance(value, str)}
    for key, value in group.items():
        words = in_words(key)
        label = words if words == above or words.startswith(f"{above} ") else f"{above} {words}".strip()
        if isinstance(value, Mapping) and isinstance(value.get("protocol"), Mapping):
            yield from _result(value, key)
        elif isinstance(value, Mapping):
            notes = {k: v for k, v in value.items() if isinstance(v, str) or k in CONSTANTS}
            text = "; ".join(f"{k.replace('_', ' ')}: {v}" for k, v in notes.items())
            text = str(value.get("protocol") or text or protocol)
            if is_number(value.get("value")):  # {"value": 0.98, "protocol": "..."} is named by its group
                beside = _interval(value)
                how = _ANSWERS.sub("", text, count=1) if beside else text
                yield Number(_capital(label), label, value["value"], None, beside, how=(how,) if how else ())
            inner = {k: v for k, v in value.items() if k not in (*CONSTANTS, "value", "protocol")}
            yield from _numbers(inner, label, text)
        elif is_number(value):
            # "worst_class": "I" belongs to "worst_class_accuracy"
            beside = next((text for k, text in texts.items() if key.startswith(f"{k}_")), "")
            yield Number(_capital(label), label, value, beside=beside, how=(protocol,) if protocol else ())


def _interval(entry: Mapping[str, Any]) -> str:
    bounds = entry.get("interval")
    if not (isinstance(bounds, Sequence) and len(bounds) == 2 and all(map(is_number, bounds))):
        return ""
    count = f", {entry['n']} answers" if is_number(entry.get("n")) else ""
    return f"95 %: {bounds[0]:.2f} to {bounds[1]:.2f}{count}"


def measurements(numbers: Sequence[Number]) -> list[str]:
    """The table of all numbers, and below it each way of measuring once, under the number that the table gives it."""
    if not numbers:
        return ["None yet."]
    ways = list(dict.fromkeys(sentence(text) for number in numbers for text in number.how))
    rows = [
        (n.label + ARROWS.get(n.better, ""), _shown(n), ", ".join(str(ways.index(sentence(t)) + 1) for t in n.how))
        for n in numbers
    ]
    listed = "\n".join(f"{i}. {text}" for i, text in enumerate(ways, 1))
    return [table(("metric", "value", "how"), rows), *(["### How it was measured", listed] if ways else [])]


def memorisation(evaluation: Any, *, picture: bool) -> list[str]:
    """The verdict on copies of training pictures, and the likeliest ones where memorisation.png shows them."""
    if not isinstance(evaluation, Mapping) or not evaluation.get("memorisation"):
        return []
    verdict = sentence(str(evaluation["memorisation"]))
    parts = ["## Memorisation", f"**{verdict}**" if evaluation.get("copying") else verdict]
    if picture:
        parts.append("![Samples and the training pictures closest to them](memorisation.png)")
        parts.append("Above: the samples that come closest to training pictures. Below each: that training picture.")
    return parts


def training_data(dataset: str, licence: str, run: Mapping[str, Any]) -> list[str]:
    """What the weights were trained on, what they started from, and under which licence they are."""
    parts = [dataset or "Not stated."]
    if description := _one_line(run.get("read") or ""):
        parts.append(f"Read for training: {description}")
    start = "Training started from"
    for one in bases(run):
        facts = [f"licence of its weights: {one.get('licence') or 'not stated'}"]
        facts += [f"trained on: {one['dataset'].rstrip('.')}"] if isinstance(one.get("dataset"), str) else []
        parts.append(f"{start} the weights of {_one_line(one['name'])} ({_one_line('; '.join(facts))}).")
        start = "Those had started from"
    parts.append(f"Licence of the weights: {licence}.")
    if run.get("licence_stated") is False:
        parts.append(
            "Nobody has stated yet under which licence they are: the recipe's own licence belongs to other pictures or "
            "another start."
        )
    return parts


def bases(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The models that a run started from, nearest first: ``name``, and as far as known ``licence`` and ``dataset``."""
    starts = run.get("started_from")
    starts = starts if isinstance(starts, Sequence) and not isinstance(starts, str) else ()
    return [one for one in starts if isinstance(one, Mapping) and one.get("name")]


def training(run: Mapping[str, Any], *, picture: bool, trained: bool) -> list[str]:
    """The facts of the run as a table, its plot, and what the watchdog said."""
    rows = [(label, _duration(run[key]) if key == "seconds" else run[key]) for key, label in RUN.items() if key in run]
    others = {key: value for key, value in run.items() if key not in (*RUN, *SAID)}
    rows += [(_capital(in_words(key)), value) for key, value in others.items()]
    parts = [table(("", ""), rows) or ("Not recorded." if trained else "Nothing was trained.")]
    if picture:
        parts.append("![What the log says over the pictures seen](curves.png)")
    alarms = run.get("alarms")
    if isinstance(alarms, Sequence) and not isinstance(alarms, str):
        lines = "\n".join(f"- {sentence(str(alarm))}" for alarm in alarms)
        parts.append(f"The watchdog raised the alarm:\n\n{lines}" if lines else "The watchdog raised no alarm.")
    return parts


def prose(run: Mapping[str, Any]) -> str:
    """The section outside the block, from ``intended_use`` and ``limits`` as far as the run has them."""
    sections = (("Intended use", run.get("intended_use")), ("Limits", run.get("limits")))
    texts = [f"**{label}.** {_one_line(text)}" for label, text in sections if isinstance(text, str) and text.strip()]
    note = "what the model is good for, where it fails. This part survives every update of the card."
    return "\n\n".join([HEADING, f"<!-- Yours to write: {note} -->", *(texts or [DEFAULT_PROSE])]) + "\n"


# ---- words and cells


def in_words(key: str) -> str:
    """``worst_class`` as words; the underscore of ``relu1_1`` is part of a name."""
    return re.sub(r"(?<!\d)_|_(?!\d)", " ", str(key)).strip()


def sentence(text: str) -> str:
    """``text`` on one line with a capital and a full stop, and nothing in it that a marker of the card could be."""
    text = _capital(_one_line(text))
    return text + ("" if text.endswith((".", "!", "?")) else ".")


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number (true and false are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """A Markdown table, "" without rows."""
    rows = list(rows)
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) if rows else ""


def _shown(number: Number) -> str:
    value = _cell(number.value) if number.error is None else with_error(number.value, number.error)
    return value + (f" ({number.beside})" if number.beside else "")


def with_error(value: float, error: float) -> str:
    """``0.0123 ± 0.0004``: the error with one figure (two when the first is a 1), the value to the same place."""
    if not (math.isfinite(value) and math.isfinite(error)) or error <= 0:
        return f"{_cell(value)} ± {_cell(error)}"
    first = f"{error:.1e}"  # rounding may carry: 0.0096 has its first figure at 0.01
    places = max(0, -int(first.partition("e")[2]) + (first[0] == "1"))
    return f"{value:,.{places}f} ± {error:,.{places}f}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:,}"
    return _one_line(value).replace("|", "\\|")


def _duration(seconds: Any) -> Any:
    if not is_number(seconds):
        return seconds
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _one_line(text: Any) -> str:
    """Text of a file from elsewhere must not end the block early."""
    return " ".join(str(text).split()).replace("<!--", "&lt;!--")
