"""Models of this machine and the Hub for commands and scripts, each loaded once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from ganhub import hub, zoo
from ganhub.convert import SUFFIXES, open_upscaler
from ganhub.hub.revisions import Stamp, stamp
from ganhub.models import Model, Translator
from ganhub.nn.devices import choose_device

M = TypeVar("M", bound=Model)


class LocalLibrary:
    """Opens a model by folder, short name or owner/name; the file of an upscaler counts as a translator.

    Args:
        device: cpu, cuda, mps or auto.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self._places: dict[str, Path] = {}
        self._opened: dict[str, tuple[Stamp, Model]] = {}

    def open(self, name: str, verb: type[M] = Model) -> M:
        """The loaded model of a name, loaded anew after its files have changed.

        Raises:
            HubError: There is none, it is broken, or it does not have the verb.
        """
        choose_device(self.device)  # says what is wrong before anything is fetched
        foreign = is_foreign(name) and issubclass(verb, Translator)
        place = Path(name) if foreign else self._locate(name)
        before, model = self._opened.get(name, ((), None))
        now = stamp(place)
        if model is None or before != now:
            load = open_upscaler if foreign else Model.from_folder
            model = load(place, device=self.device)
            self._opened[name] = now, model
        return zoo.with_verb(model, name, verb)

    def revision(self, name: str) -> str:
        """sha256 of a model's config and weights; HubError where there is none."""
        return hub.revision_of(Path(name) if is_foreign(name) else self._locate(name))

    def _locate(self, name: str) -> Path:
        """Where a model lies; one of the Hub is fetched and asked for once."""
        place = self._places.get(name)
        if place is None or not os.path.isdir(place):
            place = self._places[name] = hub.locate(name)
        return place


def is_foreign(name: str) -> bool:
    """Whether a name is that of a file that another program wrote."""
    return Path(name).suffix.lower() in SUFFIXES and os.path.isfile(name)
