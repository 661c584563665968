"""Which models there are on this machine, and which of them is meant where nobody names one.

The only list of published names in the package: menus, commands and Spaces take theirs from here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ganhub import hub
from ganhub.config import BaseConfig
from ganhub.errors import GanhubError, HubError
from ganhub.hub import cards
from ganhub.models import Model, get_architecture

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)

# Which model a menu opens with, where these are here; the others follow by name, and studies come last.
FEATURED = (
    "stylegan2-avatars", "stylegan2-heroes", "stylegan2-monet", "stylegan2-landscapes", "conditional-gan-mnist",
    "conditional-gan-glyphs", "fast-style", "arbitrary-style", "adain", "gatys", "pix2pix-portraits",
    "pix2pix-brush", "pix2pix-sketch2emoji", "cut-monet", "cut-song-ming", "srgan-x4",
)  # fmt: skip
STUDY = "study"  # the level of a model that is here to learn from
# The usual models for a task, best first.
USUAL = {
    "enlarge": ("srgan-x4",),
    "fill": ("inpainting",),
    "paint": ("fast-style", "gatys"),  # in a style that has a name
    "paint like": ("arbitrary-style", "gatys"),  # in the manner of a picture
}
# What a visitor of a Space needs to find every tab at work, in the order of the menus.
SPACE = (
    "stylegan2-avatars", "stylegan2-heroes", "conditional-gan-mnist", "stylegan2-monet", "stylegan2-landscapes",
    "fast-style", "arbitrary-style", "pix2pix-portraits", "pix2pix-brush", "pix2pix-sketch2emoji", "cut-monet",
    "srgan-x4", "srgan-clean", "inpainting",
)  # fmt: skip
WORDS = ("draws", "level", "takes")  # of metrics.json
TAKES = DRAWING, WRITING, PHOTO = "drawing", "writing", "photo"  # what "takes" may say of a translator
MAX_WORDS = 200  # characters of each
MAX_FIRST_SEED = 10_000  # short, so that it can be said
PIXEL_ART = 48  # pixels a side at most
BUNDLED = ("gatys", "vgg-lite")  # come with the package: the painter without weights, and its feature network


@dataclass(frozen=True)
class Entry:
    """A model on this machine: its name, its folder, its class, its config, and what its metrics.json says of it.

    Attributes:
        draws: What it draws, in a plain sentence; "" where nobody has written one.
        level: "show", or "study" where it is here to learn from; "" is for a person's own.
        takes: What a translator turns into something else: "drawing" (whose dabs of colour are taken off and laid on
            again), "writing" or "photo"; "" where nobody has said.
        first_seed: Where forms begin, so that a visitor sees a good picture first; 0 where nobody has chosen.
    """

    name: str
    folder: Path
    model_class: type[Model]
    config: BaseConfig
    draws: str = ""
    level: str = ""
    takes: str = ""
    first_seed: int = 0

    @property
    def in_menu(self) -> str:
        """Its name as a menu shows it."""
        return f"{self.name} ({STUDY})" if self.level == STUDY else self.name

    @property
    def takes_dabs(self) -> bool:
        """Whether it turns line drawings into something, and dabs of colour between the lines are none of its lines."""
        return self.takes == DRAWING

    @property
    def card(self) -> str:
        """The address of its card on the Hub; "" for a person's own model, which may be nowhere but here."""
        return card_of(hub.repo_of(self.name) or "") if self.level else ""

    @property
    def is_pixel_art(self) -> bool:
        """Whether its pictures are small figures on a see-through ground, which look best with hard pixels."""
        size = getattr(self.config, "size", None) or (0, 0)
        return 0 < max(size) <= PIXEL_ART and getattr(self.config, "channels", 3) == 4

    @property
    def classes(self) -> list[str]:
        """Names of its classes in order; the indices as text where the config holds no names; [] without classes."""
        return class_names(self.config)


def default(task: str, *, here: bool = False) -> str:
    """The model for a task of :data:`USUAL` where nobody names one.

    Args:
        here: Of the usual models the first that is on this machine, and the last where none is.
    """
    names = USUAL[task]
    if not here:
        return names[0]
    there = hub.list_local()
    return next((name for name in names if name in there), names[-1])


def entries(verb: type[Model] = Model, *, conditional: bool = False, task: str = "") -> list[Entry]:
    """The models on this machine that have a verb, show-pieces first. Folders that cannot work are left out.

    Args:
        verb: A base class of models.
        conditional: Only those with classes.
        task: Of translators, only those whose ``task`` this is.
    """
    found = []
    for name, folder in hub.list_local().items():
        try:
            entry = read_entry(name, folder)
        except GanhubError as error:  # a feature network has no verb; a broken folder must not stop the others
            log.debug("%s is not listed: %s", name, error)
            continue
        able = issubclass(entry.model_class, verb) and (entry.classes or not conditional)
        if able and (not task or entry.model_class.task(entry.config) == task):
            found.append(entry)
    return sorted(found, key=lambda entry: rank(entry.name, entry.level))


def rank(name: str, level: str) -> tuple[bool, int, str]:
    """What models are sorted by wherever they are listed: show-pieces first, studies last."""
    return level == STUDY, FEATURED.index(name) if name in FEATURED else len(FEATURED), name


def names(verb: type[Model] = Model, *, conditional: bool = False, task: str = "") -> list[str]:
    """The names of :func:`entries`."""
    return [entry.name for entry in entries(verb, conditional=conditional, task=task)]


def first_seed(name: Any) -> int:
    """Where a form begins for a model of this machine, see :class:`Entry`; 0 for others."""
    entry = entry_of(name)
    return entry.first_seed if entry else 0


def entry_of(name: Any) -> Entry | None:
    """The entry of one model on this machine, by its name; None where there is none, or it cannot work."""
    folder = hub.list_local().get(name) if isinstance(name, str) else None
    try:
        return read_entry(name, folder) if folder else None
    except GanhubError as error:
        log.debug("%s cannot be used: %s", name, error)
        return None


def read_entry(name: str, folder: Path) -> Entry:
    """The entry of a model folder, without its weights.

    Raises:
        GanhubError: No config, one that cannot be read, or an architecture that is not known.
    """
    fields = hub.read_config(folder)
    model_class = get_architecture(fields.pop("architecture", ""))
    fields.pop("ganhub_version", None)
    return Entry(name, folder, model_class, model_class.Config.from_dict(fields), **_facts_of(folder))


def _facts_of(folder: Path) -> dict[str, Any]:
    """What a folder's metrics.json says of the model beside its numbers, as far as it does and it can be used."""
    try:
        metrics = cards.read_metrics(folder)
    except GanhubError as error:  # of no matter for the model itself
        log.debug("%s: %s", folder.name, error)
        return {}
    words = {key: value for key in WORDS if isinstance(value := metrics.get(key), str) and len(value) <= MAX_WORDS}
    seed = metrics.get("first_seed")
    return words | ({"first_seed": seed} if type(seed) is int and 0 <= seed <= MAX_FIRST_SEED else {})


def card_of(repo_id: str) -> str:
    """The address of a Hub repository's card; "" where the text is no ``owner/name``."""
    return f"https://huggingface.co/{repo_id}" if hub.is_repo_id(repo_id) else ""


def class_names(config: BaseConfig) -> list[str]:
    """Names of a config's classes in order, or the indices as text, or []."""
    count = getattr(config, "num_classes", 0)
    return [str(name) for name in getattr(config, "class_names", ())] or [str(i) for i in range(count)]


def kind_of(model: Model) -> str:
    """What a model is, in words: "a latent generator", "an inpainter"."""
    words = model.verb.replace("_", " ")
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def with_verb(model: Model, name: str, verb: type[M]) -> M:
    """The model, or HubError with what can be done with it where it does not have a verb."""
    if not isinstance(model, verb):
        raise HubError(
            f"{name} is {kind_of(model)}, which does not do this: choose another model, or run `{model.command(name)}`."
        )
    return model
