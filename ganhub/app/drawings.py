"""Pictures of seeds that were asked for lately: each is drawn once and served to all who ask for it.

Every page opens on the same wall, and neighbours on a wall overlap, so on a busy page most pictures are there already.
The bits of a picture depend on model, seed, class and truncation alone, so nobody can tell.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from weakref import WeakKeyDictionary

from gradio.utils import get_upload_folder

from ganhub import images
from ganhub.models import LatentGenerator

MOST = 4096  # pictures of one model that are remembered

Key = tuple[str, int, float, str | int | None]


class Drawings:
    """Files of pictures by what they show, for each loaded model; those of a model that is gone are forgotten.

    They lie where the app keeps its results: the quota there deletes the ones that nobody asked for lately, and what
    is gone is drawn anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: WeakKeyDictionary[LatentGenerator, OrderedDict[Key, Path]] = WeakKeyDictionary()

    def path_of(
        self, generator: LatentGenerator, model: str, seed: int, truncation: float = 1.0,
        label: str | int | None = None,
    ) -> str:  # fmt: skip
        """The PNG of one picture.

        Args:
            generator: Draws it, one at a time: the bits of a picture must not depend on its neighbours.
            model: Its name, for the file's.
            label: Name or index of a class, of a model that has classes; None leaves it to the seed.
        """
        key = (model, seed, truncation, label)
        path = self._known(generator, key)
        if path is None:
            picture = generator.sample(1, seed=seed, truncation=truncation, label=label)
            asked = {} if label is None else {"label": label}
            words = [model, *map(str, asked.values()), "seed", str(seed)]
            folder = Path(get_upload_folder(), "drawn", secrets.token_hex(8))
            folder.mkdir(parents=True)
            path = folder / (re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(words)) + ".png")
            facts = {"software": "ganhub", "model": model, "seed": seed, "truncation": truncation, **asked}
            images.save_image(picture, path, metadata={name: str(fact) for name, fact in facts.items()})
            with self._lock:
                paths = self._paths.setdefault(generator, OrderedDict())
                paths[key] = path
                while len(paths) > MOST:
                    paths.popitem(last=False)
        return str(path)

    def _known(self, generator: LatentGenerator, key: Key) -> Path | None:
        with self._lock:
            paths = self._paths.get(generator, OrderedDict())
            path = paths.get(key)
            if path is None:
                return None
            try:
                os.utime(path)  # the quota deletes what was not used for longest
            except OSError:
                del paths[key]
                return None
            paths.move_to_end(key)
            return path
