"""Write docs/zoo.md and docs/families.md, from model_cards/ and from the registry.

    python tools/write_docs.py

Run it after a model, its metrics.json or a family has changed; a test says when a page is stale.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganhub import hub
from ganhub.hub import cards
from ganhub.hub._card_parts import is_number, read_numbers, sentence, table
from ganhub.models import Model, get_architecture, list_architectures
from ganhub.objectives import BaseObjective
from ganhub.zoo import rank

ROOT = Path(__file__).resolve().parent.parent
GENERATED = "<!-- Written by tools/write_docs.py: change that, not this page. -->"
NUMBERS = 3  # of a model that the zoo shows; its card has all
VERBS = {
    "latent_generator": ("Pictures from a seed", "`model.sample(n, seed=0)`"),
    "stylizer": ("Photos painted in a style", "`model.stylize(photo, style)`"),
    "translator": ("Photos translated, cleaned, coloured, enlarged", "`model.translate(photo)`"),
    "inpainter": ("Holes filled", "`model.inpaint(photo, mask)`"),
    "": ("Feature networks", "features for losses and metrics"),
}


def families() -> str:
    """The page of families: every architecture of the registry, and every objective."""
    classes = [get_architecture(name) for name in list_architectures()]
    rows = [
        (f"`{cls.architecture}`", _file(cls), _papers(cls.paper), VERBS[cls.verb][1], _objectives_of(cls))
        for cls in sorted(classes, key=lambda cls: (list(VERBS).index(cls.verb), cls.architecture))
    ]
    published = {hub.read_config(path.parent)["architecture"] for path in ROOT.glob("model_cards/*/config.json")}
    unpublished = ", ".join(f"`{name}`" for name in list_architectures() if name not in published)
    objectives = [(f"`{cls.name}`", _file(cls), _first_sentence(cls)) for cls in _objectives()]
    return _page(
        "# The families",
        "One paper, one file, read from top to bottom. Begin with "
        "[`mlp_gan.py`](../ganhub/models/mlp_gan.py). [CONTRIBUTING.md](../CONTRIBUTING.md) says how to add a family; "
        "[zoo.md](zoo.md) has the trained models.",
        table(("family", "file", "paper", "verb", "objectives"), rows),
        "The objective in **bold** is used unless a recipe names another (`[objective] name`). Any generator of "
        "pictures from a seed can also be trained by the shared objectives of `ganhub/objectives/`, with DiffAugment "
        "or ADA.",
        f"Built and tested, without published weights so far: {unpublished}." if unpublished else "",
        "## The objectives",
        table(("objective", "file", "what it is"), objectives),
    )


def zoo() -> str:
    """The page of trained models: every folder of model_cards/."""
    folders = [path for path in (ROOT / "model_cards").iterdir() if path.is_dir()]
    folders.sort(key=lambda path: (list(VERBS).index(_verb(path)), rank(path.name, _level(path))))
    overview = [(f"[{path.name}](#{path.name})", *_facts(path).values()) for path in folders]
    parts = [
        "# The model zoo",
        "Trained by this project on open data, except where a model's limits say so. A sheet of samples shows seeds 0 "
        "to 63, or the same photos for each model, not curated. The name of a model is all that is needed: "
        '`AutoModel.from_pretrained("stylegan2-avatars")`. Its folder is what lies on the Hub, and its card has all '
        "numbers. A model of level show is worth looking at; one of level study is here to learn from. "
        "[benchmarks/RESULTS.md](../benchmarks/RESULTS.md) has the commands that measure them, and the "
        "targets that were missed. [families.md](families.md) lists the architectures.",
        table(("model", *_facts(folders[0])), overview),
    ]
    for verb, (title, use) in VERBS.items():
        mine = [path for path in folders if _verb(path) == verb]
        if mine:
            parts += [f"## {title}", f"Use: {use}.", *(part for path in mine for part in _model(path))]
    return _page(*parts)


def _facts(folder: Path) -> dict[str, str]:
    """What can be said of any model in a word or two, by its label."""
    config = hub.read_config(folder)
    card = (folder / "README.md").read_text("utf-8")
    front, parameters = cards.split_front_matter(card)[0], cards.read_facts(card).get("parameters")
    megabytes = (folder / "model.safetensors").stat().st_size / 1e6
    licence = str(front.get("license_name") or front.get("license"))
    return {
        "level": _level(folder),
        "architecture": f"`{config['architecture']}`",
        "pictures": _pictures(config),
        "parameters": f"{parameters:,}, {megabytes:.1f} MB" if parameters else "none of its own",
        "licence": "other, see its limits" if licence == "other" else licence,
    }


def _level(folder: Path) -> str:
    return cards.read_metrics(folder).get("level", "")


def _model(folder: Path) -> Iterator[str]:
    """The parts of one model in the zoo."""
    metrics = cards.read_metrics(folder)
    run = metrics.get("training", {})
    yield f"### [{folder.name}](../model_cards/{folder.name})"
    if (folder / "samples.png").is_file():
        yield f'<img src="../model_cards/{folder.name}/samples.png" width="320" alt="Samples of {folder.name}">'
    yield f"*{metrics['draws']}*" if metrics.get("draws") else ""
    yield str(run.get("intended_use") or _intended_use(folder))
    if run.get("limits"):
        yield f"**Limits.** {run['limits']}"
    facts = {**_facts(folder), "training data": run.get("dataset")}
    yield "\n".join(f"- {label.capitalize()}: {value}" for label, value in facts.items() if value)
    numbers = read_numbers(metrics)[:NUMBERS]
    if numbers:
        yield table(("metric", "value"), [(n.label, _value(n.value, n.error)) for n in numbers])
        ways = dict.fromkeys(sentence(text) for n in numbers for text in n.how)
        yield "Measured: " + " ".join(ways) if ways else ""


def _pictures(config: dict[str, Any]) -> str:
    """How large the pictures are, and of what kind, from the fields that a config has for that."""
    if config.get("scale", 1) > 1:
        size = f"{config['scale']} times as large, a side"
    elif is_number(config.get("image_size")) and config.get("num_classes") is not None:
        size = f"{config.get('image_width') or config['image_size']} x {config['image_size']} pixels"
    elif is_number(config.get("image_size")):
        size = f"any size; trained at {config['image_size']} x {config['image_size']} pixels"
    else:
        size = "any size"
    kind = {1: ", grey", 4: ", with transparency"}.get(config.get("channels", 3), "")
    classes = f", {config['num_classes']} classes" if config.get("num_classes") else ""
    return size + kind + classes


def _intended_use(folder: Path) -> str:
    """The prose of a card that was written by hand, or what the class says of itself."""
    text = (folder / "README.md").read_text("utf-8").partition("## Intended use and limits")[2]
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip() and not part.strip().startswith("<!--")]
    if paragraphs:
        return "\n\n".join(paragraphs).removeprefix("**Intended use.** ")
    return inspect.getdoc(get_architecture(hub.read_config(folder)["architecture"])) or ""


def _verb(folder: Path) -> str:
    architecture = hub.read_config(folder)["architecture"]
    return get_architecture(architecture).verb if architecture in list_architectures() else ""


def _objectives(cls: type[BaseObjective] = BaseObjective) -> list[type[BaseObjective]]:
    """Every named objective, sorted by name."""
    below = {one for child in cls.__subclasses__() for one in (child, *_objectives(child))}
    return sorted((one for one in below if one.name and one.__module__.startswith("ganhub.")), key=lambda one: one.name)


def _objectives_of(cls: type[Model]) -> str:
    """A family's default objective in bold, then those that its own file defines."""
    own = [one.name for one in _objectives() if one.__module__ == cls.__module__ and one.name != cls.default_objective]
    default = [f"**`{cls.default_objective}`**"] if cls.default_objective else []
    return ", ".join(default + [f"`{name}`" for name in own]) or "none: nothing is trained"


def _file(cls: type) -> str:
    path = Path(inspect.getfile(cls)).relative_to(ROOT).as_posix()
    return f"[`{Path(path).name}`](../{path})"


def _papers(text: str) -> str:
    """A citation with its arXiv number as a link."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _first_sentence(cls: type) -> str:
    """The docstring up to its first full stop, which that of "et al." is not."""
    text = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
    return sentence(re.split(r"(?<!al)[.] |: ", text)[0])


def _value(value: float, error: float | None) -> str:
    return f"{value:.4g}" + (f" ± {error:.2g}" if error is not None else "")


def _page(*parts: str) -> str:
    return "\n\n".join([GENERATED, *(part for part in parts if part)]) + "\n"


PAGES = {"docs/zoo.md": zoo, "docs/families.md": families}


def main() -> None:
    """Write every page."""
    for name, write in PAGES.items():
        (ROOT / name).write_text(write(), "utf-8", newline="\n")
        print(f"Wrote {name}.")


if __name__ == "__main__":
    main()
