"""Model cards: prose that a person writes around a block that is generated from facts and ``metrics.json``.

The block lies between ``<!-- ganhub:begin -->`` and ``<!-- ganhub:end -->``. Writing a card again replaces the block
and leaves the text outside it alone; a card without the two markers was written by hand and is left alone entirely.
In the front matter, keys that a person added or changed win over the generated ones. Below the block stands the
intended use, which the recipe supplies: it is renewed as long as nobody has touched it. A comment in the block keeps
digests of what was generated, to tell.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganhub.console import printable
from ganhub.errors import HubError
from ganhub.files import MAX_DEPTH, read_within, write_atomically
from ganhub.hub import _card_parts as parts
from ganhub.hub.folder import CARD, CONFIG, METRICS, clipped, read_json

BEGIN, END = "<!-- ganhub:begin -->", "<!-- ganhub:end -->"
_FRONT_MATTER = re.compile(r"\ufeff?\s*---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
_LOADED = re.compile(r'(^model = ganhub\.AutoModel\.from_pretrained\()".*"\)$', re.MULTILINE)
_GENERATED = re.compile(r"<!-- ganhub:metadata (\{.*?\}) -->")
_SECTION = re.compile(rf"^{parts.HEADING}[ \t]*\r?\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_MAX_FRONT = 200_000  # characters of the front matter
_MAX_CARD = 10_000_000  # bytes
_ORDER = ("library_name", "license", "license_name", "license_link", "base_model", "pipeline_tag", "tags", "datasets",
          "model-index")  # fmt: skip
PICTURES = {"samples": "samples.png", "curves": "curves.png", "pairs": "memorisation.png"}  # fact -> file


def render_card(
    facts: Mapping[str, Any], metrics: Mapping[str, Any] | None = None, kept: Mapping[str, Any] | None = None
) -> str:
    """A model card as text: front matter, title, generated block, and the intended use below it.

    Args:
        facts: ``name`` and ``architecture``; as far as known ``pipeline_tag`` (the Hub's name of the task),
            ``use`` (Python that uses the loaded ``model``), ``caption`` (of samples.png), ``paper``, ``parameters``,
            ``licence`` (SPDX name in lower case, as the Hub spells it; "other" needs ``licence_name`` and
            ``licence_link``), ``licence_link``, ``dataset`` (one sentence: what, whose, which licence), ``datasets``
            (Hub ids), ``tags``, ``class_names``, ``style_names``, ``samples``, ``curves`` and ``pairs`` (whether
            samples.png, curves.png and memorisation.png exist), ``usage`` (Python that replaces all lines, loading
            too), and anything that the run of ``metrics`` may hold (``recipe``, ``seed``, ...).
        metrics: As in metrics.json: ``training`` describes the run, with ``intended_use`` and ``limits`` in prose and
            the watchdog's ``alarms``; ``evaluation`` is :meth:`ganhub.metrics.Evaluation.to_dict`; ``people`` holds
            what judges said; every other key is a group of numbers, whose ``protocol`` says how they were measured.
        kept: Facts that the block shows where ``facts`` has none: those of the card as it was.
    """
    metrics = dict(metrics or {})
    run = _mapping(metrics.get("training"))
    stated = {key: facts[key] for key in (*parts.RUN, "intended_use", "limits") if key in facts}
    run, numbers, facts = {**run, **stated}, parts.read_numbers(metrics), dict(facts)
    name, prose = str(facts.get("name") or facts["architecture"]), parts.prose(run)
    front = _front_matter({"base_model": [str(one["name"]) for one in parts.bases(run)[:1] if one.get("hub")], **facts},
                          name, numbers)  # fmt: skip
    digests = json.dumps({key: _digest(value) for key, value in front.items()} | {"prose": _prose_digest(prose)})
    facts = {**(kept or {}), **{key: value for key, value in facts.items() if value not in (None, "")}}
    block = [
        *([_samples(facts)] if facts.get("samples") else []),
        "## How to load it",
        "```python\n" + _usage(facts, name) + "\n```",
        "## What it is",
        _what(facts),
        "## Training data",
        *parts.training_data(str(facts.get("dataset") or ""), _licence(facts), run),
        "## Training",
        *parts.training(run, picture=bool(facts.get("curves")), trained=facts.get("parameters") != 0),
        "## Measurements",
        *parts.measurements(numbers),
        *parts.memorisation(metrics.get("evaluation"), picture=bool(facts.get("pairs"))),
    ]
    note = "<!-- This part is generated: write your own text outside of it. -->"
    inside = "\n\n".join(block).replace("<!--", "&lt;!--")  # no text from elsewhere may end the block early
    body = f"# {name}\n\n{BEGIN}\n{note}\n<!-- ganhub:metadata {digests} -->\n\n{inside}\n\n{END}\n\n{prose}"
    return join_front_matter(front, body)


def write_card(folder: str | Path, facts: Mapping[str, Any]) -> Path:
    """Write or refresh ``folder/README.md`` from ``facts``, config.json and metrics.json; hand-written text stays.

    What neither of them knows (usage, paper, data of a card that was written with more facts) stays as the card has it.
    """
    folder = Path(folder)
    config, metrics, path = _read(folder / CONFIG), _read(folder / METRICS), folder / CARD
    old = read_card(path) if path.is_file() else ""
    outside = _BLOCK.sub("", old)
    known_facts: dict[str, Any] = {"name": printable(os.path.basename(os.path.realpath(folder)))}
    # A picture that a person has put elsewhere in the card is not shown twice.
    known_facts |= {k: (folder / file).is_file() and f"({file})" not in outside for k, file in PICTURES.items()}
    fields = ("architecture", "class_names", "num_classes", "style_names")
    known_facts |= {key: config[key] for key in fields if key in config}
    run = _mapping(metrics.get("training"))
    known_facts |= {key: run[key] for key in ("licence", "dataset", "dataset_name") if run.get(key)}
    known_facts |= {"datasets": run["datasets"]} if isinstance(run.get("datasets"), list) else {}
    new = render_card({**known_facts, **facts}, metrics, read_facts(old))
    text = merge_card(old, new) if old else new
    write_atomically(path, lambda part: part.write_bytes(text.encode()), sync=True)
    return path


def read_facts(card: str) -> dict[str, Any]:
    """The facts that a card's front matter and generated block tell; {} for a card without the markers."""
    front, body = split_front_matter(card)
    block = _BLOCK.search(body)
    if block is None:
        return {}
    patterns = {
        "usage": r"^```python\r?\n(.*?)^```",
        "paper": r"^- Paper: ([^\r\n]+)",
        "parameters": r"^- Parameters: ([\d,]+)",
        "dataset": r"^## Training data\s+(?!Not stated\.)(?!Licence of the weights)(.*?)\s+"
        r"(?:Read for training: |Training started from |Licence of the weights: )",
    }
    matches = {key: re.search(text, block[0], re.DOTALL | re.MULTILINE) for key, text in patterns.items()}
    facts: dict[str, Any] = {key: match[1].strip() for key, match in matches.items() if match}
    if "parameters" in facts:
        facts["parameters"] = int(facts["parameters"].replace(",", ""))
    if "AutoModel" in facts.get("usage", ""):  # the usual three lines: written anew
        del facts["usage"]
    spelled = {"licence": "license", "licence_name": "license_name", "licence_link": "license_link"}
    return facts | {key: front[there] for key, there in spelled.items() if front.get(there)}


def record(folder: str | Path, group: str, numbers: Mapping[str, Any], facts: Mapping[str, Any]) -> Path:
    """Put a group of measured numbers, with its ``protocol``, into ``folder/metrics.json`` and refresh the card."""
    path = Path(folder) / METRICS
    text = json.dumps({**_read(path), group: dict(numbers)}, indent=2) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"), sync=True)
    return write_card(folder, facts)


def read_metrics(folder: str | Path) -> dict[str, Any]:
    """What folder/metrics.json holds, {} where there is none; :class:`HubError` when it is no JSON."""
    return _read(Path(folder) / METRICS)


def read_card(path: str | Path) -> str:
    """A card's text with the line ends that it has; :class:`HubError` when it is no UTF-8."""
    try:
        return read_within(Path(path), _MAX_CARD).decode()
    except OSError as error:
        raise HubError(f"{path} cannot be read ({error.strerror}): check the file's permissions.") from error
    except UnicodeDecodeError as error:
        raise HubError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except ValueError as error:
        raise HubError(f"{path} is no card ({clipped(error)}): correct or remove it.") from error


def has_markers(text: str) -> bool:
    """Whether a card has a generated block (and so may be refreshed)."""
    return _BLOCK.search(text) is not None


def loaded_from(card: str, name: str) -> str:
    """A card whose generated block loads the model by ``name``, as it is called on the Hub."""
    if (block := _BLOCK.search(card)) is None:
        return card
    named = _LOADED.sub(lambda line: f'{line[1]}"{name}")', block[0], count=1)
    return card[: block.start()] + named + card[block.end() :]


def warn_of_licence(card: str, where: str) -> None:
    """Say on standard error, in a sentence, that a card tells nobody under which licence the weights are."""
    front, _ = split_front_matter(card)
    named = front.get("license_name") or front.get("license_link")
    if front.get("license") in (None, "", "other") and not named:
        print(
            f"The card of {where} states no licence of its weights, so nobody knows what they may do with them: write "
            f"license: NAME between the two --- of {CARD}, or train.licence=NAME where the model is trained.",
            file=sys.stderr,
        )


def merge_card(old: str, new: str) -> str:
    """``new`` with everything in it that a person wrote into ``old``.

    The text outside the block is ``old``'s, the block is ``new``'s; the intended use is ``new``'s as well as long as
    nobody has touched it. In the front matter, a key of ``old`` stays when it was added or changed by hand; tags of
    both are kept. An ``old`` without the markers comes back as it is.
    """
    if not has_markers(old):
        return old
    old_front, old_body = split_front_matter(old)
    new_front, new_body = split_front_matter(new)
    block = _BLOCK.search(new_body)
    if block is None:
        raise HubError(f"The new card has no {BEGIN} ... {END}: render it with ganhub.hub.cards.")
    before, after = _BLOCK.split(old_body, maxsplit=1)
    generated = _generated(old)
    after, prose = _merge_prose(after, new_body[block.end() :], str(generated.get("prose", "")))
    text = block[0]
    if prose:  # what stands there is still the generated prose of before: the next merge must know it
        text = text.replace(f'"prose": "{_generated(new).get("prose")}"', f'"prose": "{prose}"')
    merged = dict(new_front)
    for key, value in old_front.items():
        if key == "datasets" and key in merged and generated.get(key) == _digest(value):
            continue
        if key in ("tags", "datasets") and isinstance(value, list) and isinstance(merged.get(key), list):
            merged[key] = merged[key] + [entry for entry in value if entry not in merged[key]]
        elif key not in merged or (key in generated and _digest(value) != generated[key]):
            merged[key] = value
    merged = {key: merged[key] for key in (*_ORDER, *merged) if key in merged}
    return join_front_matter(merged, before + text + after)


def _merge_prose(old: str, new: str, digest: str) -> tuple[str, str]:
    """What stands below the block, and the digest of generated prose that ``new`` knows nothing of, or ""."""
    was, now, plain = _SECTION.search(old), _SECTION.search(new), _prose_digest(parts.prose({}))
    if was is None or _prose_digest(was[0]) not in (digest, plain):
        return old, ""
    if now and _prose_digest(now[0]) == plain:  # it has nothing of its own to say
        return old, digest
    below = old[was.end() :]
    if not (old[: was.start()] + below).strip():
        return new, ""
    if now is None:
        return old, ""
    return old[: was.start()] + now[0].rstrip() + ("\n\n" if below else "\n") + below, ""


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The YAML front matter of a card as a dict ({} without one) and the text below it.

    Raises:
        HubError: The front matter is not valid YAML, or no mapping.
    """
    import yaml

    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    try:
        front = _load_yaml(match[1]) or {}
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: dates and numbers that are none
        where = getattr(error, "problem_mark", None)
        at = f" in line {text[: match.start(1)].count(chr(10)) + where.line + 1}" if where else ""
        raise HubError(f"The front matter of {CARD} is not valid YAML{at}: correct it there.") from error
    if not isinstance(front, dict):
        raise HubError(f"The front matter of {CARD} holds no keys: write 'key: value' lines between the two ---.")
    return front, text[match.end() :].lstrip("\r\n")


def _load_yaml(text: str) -> Any:
    """A card of a stranger: no deeper than a card is, and without references, which make a small text a large one.

    Raises:
        yaml.YAMLError, ValueError: What is wrong with it.
    """
    import yaml

    if len(text) > _MAX_FRONT:
        raise ValueError("it is too long")
    loader, depth = getattr(yaml, "CSafeLoader", yaml.SafeLoader), 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise ValueError("it is nested too deep, or refers to itself")
    return yaml.load(text, Loader=loader)


def join_front_matter(front: Mapping[str, Any], body: str) -> str:
    """The inverse of :func:`split_front_matter`."""
    import yaml

    text = yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n\n{body}"


def _read(path: Path) -> dict[str, Any]:
    return read_json(path, finite=False) if path.is_file() else {}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _prose_digest(text: str) -> str:
    return _digest(" ".join(text.split()))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _generated(card: str) -> Mapping[str, str]:
    """Digests of front matter and prose as they were generated: what differs from its own was changed by hand."""
    match = _GENERATED.search(card)
    try:
        return _mapping(json.loads(match[1])) if match else {}
    except ValueError:
        return {}


def _front_matter(facts: Mapping[str, Any], name: str, numbers: list[parts.Number]) -> dict[str, Any]:
    dataset = str(facts.get("dataset") or "")
    short = re.split(r",(?!\d)|[(;.:]", dataset)[0].strip()
    short = re.sub(r"^[\d,]+ ", "", short)  # "16,926 glyphs": their number is no part of their name
    front = {
        "library_name": "ganhub",
        "license": facts.get("licence") or facts.get("license"),
        "license_name": facts.get("licence_name"),
        "license_link": facts.get("licence_link") or facts.get("license_link"),
        "base_model": facts.get("base_model"),
        "pipeline_tag": facts.get("pipeline_tag"),
        "tags": list(dict.fromkeys(["ganhub", str(facts["architecture"]), *facts.get("tags", ())])),
        "datasets": list(facts["datasets"]) if "datasets" in facts else [_slug(short)] if short else [],
    }
    measured = [
        {"type": _slug(n.name), "name": n.label, "value": n.value} | ({"args": n.args} if n.args else {})
        for n in numbers
        if math.isfinite(n.value)
    ]
    if measured and front["pipeline_tag"]:
        called = facts.get("dataset_name") or short or "training data"
        dataset = {"name": called, "type": (front["datasets"] or ["other"])[0]}
        result = {"task": {"type": front["pipeline_tag"]}, "dataset": dataset, "metrics": measured}
        front["model-index"] = [{"name": name.rsplit("/", 1)[-1], "results": [result]}]
    return {key: value for key, value in front.items() if value}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _usage(facts: Mapping[str, Any], name: str) -> str:
    if facts.get("usage"):
        return str(facts["usage"]).strip()
    lines = ["import ganhub", f'model = ganhub.AutoModel.from_pretrained("{name}")', str(facts.get("use") or "")]
    return "\n".join(lines).strip()


def _samples(facts: Mapping[str, Any]) -> str:
    return f"![{facts.get('caption') or 'Samples, not curated'}](samples.png)"


def _what(facts: Mapping[str, Any]) -> str:
    lines = [("Architecture", f"`{facts['architecture']}`")]
    if facts.get("paper"):
        lines.append(("Paper", str(facts["paper"])))
    if facts.get("parameters") is not None:
        lines.append(("Parameters", f"{facts['parameters']:,}"))
    for label, key in (("Classes", "class_names"), ("Styles", "style_names")):
        if names := [str(name) for name in facts.get(key, ())]:
            lines.append((label, ", ".join(names[:100]) + (", ..." if len(names) > 100 else "")))
    return "\n".join(f"- {label}: {text}" for label, text in lines)


def _licence(facts: Mapping[str, Any]) -> str:
    name = str(facts.get("licence_name") or facts.get("licence") or facts.get("license") or "not stated")
    link = facts.get("licence_link") or facts.get("license_link")
    return f"[{name}]({link})" if link else name
