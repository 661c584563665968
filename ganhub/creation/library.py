"""Models of this machine and the Hub for commands and scripts, each loaded once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from ganhub import zoo
from ganhub.convert import SUFFIXES, open_upscaler
from ganhub.models import AutoModel, Model, Translator

M = TypeVar("M", bound=Model)


class LocalLibrary:
    """Opens a model by folder, short name or owner/name; the file of an upscaler counts as a translator.

    Args:
        device: cpu, cuda, mps or auto.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self._opened: dict[str, Model] = {}

    def open(self, name: str, verb: type[M] = Model) -> M:
        """The loaded model of a name.

        Raises:
            HubError: There is none, it is broken, or it does not have the verb.
        """
        if name not in self._opened:
            foreign = issubclass(verb, Translator) and Path(name).suffix.lower() in SUFFIXES and os.path.isfile(name)
            load = open_upscaler if foreign else AutoModel.from_pretrained
            self._opened[name] = load(Path(name) if foreign else name, device=self.device)
        return zoo.with_verb(self._opened[name], name, verb)
