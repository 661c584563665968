"""Model cards: prose that a person writes around a block that is generated from facts and ``metrics.json``.

The block lies between ``<!-- ganhub:begin -->`` and ``<!-- ganhub:end -->``. Writing a card again replaces the block
and leaves the text outside it alone; a card without the two markers was written by hand and is left alone entirely.
In the front matter, keys that a person added or changed win over the generated ones.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ganhub.errors import HubError
from ganhub.folder import CARD, CONFIG, METRICS, write_atomic

BEGIN, END = "<!-- ganhub:begin -->", "<!-- ganhub:end -->"
PROSE = """\
## Intended use and limits

<!-- Yours to write: what the model is good for, where it fails. This part survives every update of the card. -->

A small model to learn from, to play with and to build on. It knows nothing but its training data: expect its gaps and
its habits in every picture, and look at a result before you rely on it.
"""
PIPELINE_TAGS = {
    "latent_generator": "unconditional-image-generation",
    "stylizer": "image-to-image",
    "translator": "image-to-image",
    "inpainter": "image-to-image",
    "text_generator": "text-generation",
}
_USAGE = {
    "latent_generator": 'ganhub.save_grid(model.sample(16, seed=0), "grid.png")',
    "class": 'ganhub.save_grid(model.sample(16, label={label!r}, seed=0), "grid.png")',
    "stylizer": 'painted = model.stylize(ganhub.load_image("photo.jpg"), ganhub.load_image("painting.jpg"))',
}
# What metrics.json's "training" holds, as the card calls it; other keys are shown under their own names.
_RUN = {
    "recipe": "Recipe",
    "hardware": "Hardware",
    "seed": "Seed",
    "images_seen": "Images seen",
    "seconds": "Wall time",
    "images_per_second": "Images per second",
    "precision": "Precision",
}
_SAID = ("licence", "dataset")  # recorded with the run, but told elsewhere in the card
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
_GENERATED = re.compile(r"<!-- ganhub:metadata (\{.*?\}) -->")


def render_card(facts: Mapping[str, Any], metrics: Mapping[str, Any] | None = None) -> str:
    """A model card as text: front matter, title, generated block, and a place for prose.

    Args:
        facts: ``name`` and ``architecture``; as far as known ``verb``, ``paper``, ``parameters``, ``licence`` (SPDX
            name in lower case, as the Hub spells it; "other" needs ``licence_name`` and ``licence_link``),
            ``licence_link``, ``dataset`` (one sentence: what, whose, which licence), ``datasets`` (Hub ids),
            ``tags``, ``class_names``, ``samples`` (whether samples.png exists), ``usage`` (Python that replaces the
            three lines), and anything that the run of ``metrics`` may hold (``recipe``, ``seed``, ...).
        metrics: As in metrics.json: ``training`` describes the run; every other key is a group of numbers, whose
            ``protocol`` says how they were measured.
    """
    metrics = dict(metrics or {})
    run = {**metrics.pop("training", {}), **{key: facts[key] for key in _RUN if key in facts}}
    rows = list(_rows(metrics))
    name = str(facts.get("name") or facts["architecture"])
    front = _front_matter(facts, name, rows)
    digests = json.dumps({key: _digest(value) for key, value in front.items()})
    parts = [
        f"{BEGIN}\n<!-- This part is generated: write your own text outside of it. -->\n"
        f"<!-- ganhub:metadata {digests} -->",
        *([_samples(facts)] if facts.get("samples") else []),
        "## How to load it",
        "```python\n" + _usage(facts, name) + "\n```",
        "## What it is",
        _what(facts),
        "## Training data",
        str(facts.get("dataset") or "Not stated."),
        f"Licence of the weights: {_licence(facts)}.",
        "## Training",
        _table(("", ""), _run_rows(run)) or "Not recorded.",
        "## Measurements",
        _table(("metric", "value", "protocol"), rows) or "None yet.",
        END,
    ]
    return join_front_matter(front, f"# {name}\n\n" + "\n\n".join(parts) + f"\n\n{PROSE}")


def write_card(folder: str | Path, facts: Mapping[str, Any]) -> Path:
    """Write or refresh ``folder/README.md`` from ``facts``, config.json and metrics.json; hand-written text stays."""
    folder = Path(folder)
    config, metrics = _read(folder / CONFIG), _read(folder / METRICS)
    known = {"name": folder.resolve().name, "samples": (folder / "samples.png").is_file()}
    known |= {key: config[key] for key in ("architecture", "class_names", "num_classes") if key in config}
    known |= {key: value for key, value in metrics.get("training", {}).items() if key in _SAID}
    new = render_card({**known, **facts}, metrics)
    path = folder / CARD
    text = merge_card(read_card(path), new) if path.is_file() else new
    write_atomic(path, lambda part: part.write_bytes(text.encode()))
    return path


def record(folder: str | Path, group: str, numbers: Mapping[str, Any], facts: Mapping[str, Any]) -> Path:
    """Put a group of measured numbers, with its ``protocol``, into ``folder/metrics.json`` and refresh the card."""
    path = Path(folder) / METRICS
    text = json.dumps({**_read(path), group: dict(numbers)}, indent=2) + "\n"
    write_atomic(path, lambda part: part.write_text(text, encoding="utf-8"))
    return write_card(folder, facts)


def read_metrics(folder: str | Path) -> dict[str, Any]:
    """What folder/metrics.json holds, {} where there is none; :class:`HubError` when it is no JSON."""
    return _read(Path(folder) / METRICS)


def read_card(path: str | Path) -> str:
    """A card's text with the line ends that it has; :class:`HubError` when it is no UTF-8."""
    try:
        return Path(path).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise HubError(f"{path} is not UTF-8 text: save it as UTF-8.") from error


def has_markers(text: str) -> bool:
    """Whether a card has a generated block (and so may be refreshed)."""
    return _BLOCK.search(text) is not None


def merge_card(old: str, new: str) -> str:
    """``new`` with everything in it that a person wrote into ``old``.

    The text outside the block is ``old``'s (unless nobody touched the prose yet), the block is ``new``'s. In the front
    matter, a key of ``old`` stays when it was added or changed by hand; tags and datasets of both are kept.
    An ``old`` without the markers comes back as it is.
    """
    if not has_markers(old):
        return old
    old_front, old_body = split_front_matter(old)
    new_front, new_body = split_front_matter(new)
    block = _BLOCK.search(new_body)
    if block is None:
        raise HubError(f"The new card has no {BEGIN} ... {END}: render it with ganhub.cards.")
    before, after = _BLOCK.split(old_body, maxsplit=1)
    if after.split() == PROSE.split():
        after = new_body[block.end() :]
    generated = _generated(old)
    merged = dict(new_front)
    for key, value in old_front.items():
        if key in ("tags", "datasets") and isinstance(value, list) and isinstance(merged.get(key), list):
            merged[key] = merged[key] + [entry for entry in value if entry not in merged[key]]
        elif key not in merged or (key in generated and _digest(value) != generated[key]):
            merged[key] = value
    return join_front_matter(merged, before + block[0] + after)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The YAML front matter of a card as a dict ({} without one) and the text below it.

    Raises:
        HubError: The front matter is not valid YAML, or no mapping.
    """
    import yaml

    found = _FRONT_MATTER.match(text)
    if found is None:
        return {}, text
    try:
        front = yaml.safe_load(found[1]) or {}
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        at = f" in line {where.line + 2}" if where else ""
        raise HubError(f"The front matter of {CARD} is not valid YAML{at}: correct it there.") from error
    if not isinstance(front, dict):
        raise HubError(f"The front matter of {CARD} holds no keys: write 'key: value' lines between the two ---.")
    return front, text[found.end() :].lstrip("\r\n")


def join_front_matter(front: Mapping[str, Any], body: str) -> str:
    """The inverse of :func:`split_front_matter`."""
    import yaml

    text = yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n\n{body}"


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise HubError(f"{path} is not valid JSON ({error}): correct or remove it.") from error
    return data if isinstance(data, dict) else {}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _generated(card: str) -> dict[str, str]:
    """Digests of the front matter as it was generated: a value that differs from its own was changed by hand."""
    found = _GENERATED.search(card)
    try:
        return json.loads(found[1]) if found else {}
    except ValueError:
        return {}


def _front_matter(facts: Mapping[str, Any], name: str, rows: list[tuple[str, ...]]) -> dict[str, Any]:
    verb, dataset = str(facts.get("verb") or ""), str(facts.get("dataset") or "")
    short = re.split(r"[,(;.:]", dataset)[0].strip()
    front = {
        "library_name": "ganhub",
        "license": facts.get("licence") or facts.get("license"),
        "license_name": facts.get("licence_name"),
        "license_link": facts.get("licence_link") or facts.get("license_link"),
        "pipeline_tag": PIPELINE_TAGS.get(verb),
        "tags": list(dict.fromkeys(["ganhub", str(facts["architecture"]), *facts.get("tags", ())])),
        "datasets": list(facts.get("datasets") or ([_slug(short)] if short else [])),
    }
    if rows and front["pipeline_tag"]:
        front["model-index"] = [
            {
                "name": name.rsplit("/", 1)[-1],
                "results": [
                    {
                        "task": {"type": front["pipeline_tag"]},
                        "dataset": {"name": short or "training data", "type": (front["datasets"] or ["other"])[0]},
                        "metrics": [
                            {"type": _slug(label), "name": label, "value": number}
                            for label, number, _ in rows
                            if isinstance(number, int | float)
                        ],
                    }
                ],
            }
        ]
    return {key: value for key, value in front.items() if value}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _usage(facts: Mapping[str, Any], name: str) -> str:
    if facts.get("usage"):
        return str(facts["usage"]).strip()
    verb, lines = str(facts.get("verb") or ""), ["import ganhub", f'model = ganhub.AutoModel.from_pretrained("{name}")']
    if verb == "latent_generator" and (facts.get("class_names") or facts.get("num_classes")):
        names = [*facts.get("class_names", ()), 0]
        lines.append(_USAGE["class"].format(label=names[0]).replace("'", '"'))
    elif verb in _USAGE:
        lines.append(_USAGE[verb])
    return "\n".join(lines)


def _samples(facts: Mapping[str, Any]) -> str:
    caption = "Seeds 0 to 63, not curated" if facts.get("verb") == "latent_generator" else "Samples, not curated"
    return f"![{caption}](samples.png)"


def _what(facts: Mapping[str, Any]) -> str:
    lines = [("Architecture", f"`{facts['architecture']}`")]
    if facts.get("paper"):
        lines.append(("Paper", str(facts["paper"])))
    if facts.get("parameters") is not None:
        lines.append(("Parameters", f"{facts['parameters']:,}"))
    names = [str(name) for name in facts.get("class_names", ())]
    if names:
        lines.append(("Classes", ", ".join(names[:100]) + (", ..." if len(names) > 100 else "")))
    return "\n".join(f"- {label}: {text}" for label, text in lines)


def _licence(facts: Mapping[str, Any]) -> str:
    name = str(facts.get("licence_name") or facts.get("licence") or facts.get("license") or "not stated")
    link = facts.get("licence_link") or facts.get("license_link")
    return f"[{name}]({link})" if link else name


def _run_rows(run: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows = [(label, _duration(run[key]) if key == "seconds" else run[key]) for key, label in _RUN.items() if key in run]
    rows += [(f"Last {key}", value) for key, value in run.get("losses", {}).items()]
    others = {key: value for key, value in run.items() if key not in (*_RUN, *_SAID, "losses")}
    return rows + [(key.replace("_", " "), value) for key, value in others.items()]


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def _rows(metrics: Mapping[str, Any], above: str = "", protocol: str = "") -> Iterator[tuple[Any, ...]]:
    """(metric, value, protocol) of each number in metrics.json; text in a group describes how it was measured."""
    for key, value in metrics.items():
        label = f"{above} {key.replace('_', ' ')}".strip()
        if isinstance(value, Mapping):
            notes = {k: v for k, v in value.items() if isinstance(v, str) or k in ("n", "seed")}
            text = "; ".join(f"{k.replace('_', ' ')}: {v}" for k, v in notes.items())
            # {"value": 0.98, "protocol": "..."} is one number under the name of its group.
            inner = {("" if k == "value" else k): v for k, v in value.items() if k not in notes}
            yield from _rows(inner, label, str(value.get("protocol") or text or protocol))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield label, value, protocol


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")
