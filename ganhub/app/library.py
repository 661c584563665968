"""The library: the few models that are in memory, and what a visitor may bring into it.

A model is named as the menu names it: a folder's name for the models on this machine, owner/name for one on the
Hub. What a visitor types is never taken for a path, no token goes with a visitor's request, and a Hub model's size is
asked before it is downloaded (see :func:`ganhub.hub.visitors.locate_repo`).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from ganhub import hub, zoo
from ganhub.app.jobs import heed_stop
from ganhub.config import nearest
from ganhub.errors import GanhubError, HubError
from ganhub.hub import visitors
from ganhub.hub.revisions import Stamp, stamp
from ganhub.models import LatentGenerator, Model

MAX_NAME = 200  # characters
MAX_PIXELS = 2048 * 2048  # of one picture of a Hub model
log = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)
LOOK = 0.2  # seconds between two looks at whether a waiting visitor has pressed Stop


class Library:
    """Opens models by name and keeps the last few loaded; safe to use from many threads.

    Args:
        keep: How many models stay in memory; the one used longest ago makes room.
        memory: Bytes that these take together at most (one model alone may take more).
        device: Where they run; "auto" is cuda, then mps, then the CPU.
        max_bytes: The largest Hub model that a visitor may have downloaded, and the largest one in memory, where a
            file of half precision takes twice as much.
        cache_dir: Where visitors' downloads go; ``locate_repo``'s own bounded cache by default.
    """

    def __init__(
        self, *, keep: int = 4, device: str = "auto", max_bytes: int = 500_000_000, cache_dir: Path | None = None,
        memory: int = 2_000_000_000,
    ) -> None:  # fmt: skip
        self.memory = memory
        self.keep, self.device, self.max_bytes, self.cache_dir = keep, device, max_bytes, cache_dir
        self._loaded: OrderedDict[tuple[str, Stamp], Model] = OrderedDict()
        self._places: WeakKeyDictionary[Model, Path] = WeakKeyDictionary()
        # Weak: a lock goes with the last visitor who waits for it, so that names which name nothing are not kept.
        self._loading: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._lock = threading.Lock()

    entries = staticmethod(zoo.entries)  # what a menu may hold

    def open(self, name: str, verb: type[M] = Model) -> M:
        """The loaded model of a menu name or Hub id.

        Raises:
            HubError: No such model here or on the Hub, too large, broken, or without the verb that a tab needs.
        """
        name = str(name or "").strip()
        if len(name) > MAX_NAME:
            raise HubError(f"There is no model with a name of {len(name)} characters: choose one from the menu.")
        folder = hub.list_local().get(name)
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with _held(loading):  # two visitors who ask for the same model wait for one loading
            key = (name, stamp(folder) if folder else ())  # a model that was trained further is read again
            with self._lock:
                model = self._loaded.get(key)
                if model is not None:
                    self._loaded.move_to_end(key)
            if model is None:
                model = self._load(name, folder)
                with self._lock:
                    self._loaded[key] = model
                    while len(self._loaded) > 1 and not self._fits():
                        self._loaded.popitem(last=False)
        return zoo.with_verb(model, name, verb)

    def revision(self, name: str) -> str:
        """sha256 of a model's config and weights; one of the Hub is opened for it. HubError as of :meth:`open`."""
        name = str(name or "").strip()
        place = hub.list_local().get(name) or self._places[self.open(name)]
        with _naming(name, place):
            return hub.revision_of(place)

    def _fits(self) -> bool:
        loaded = self._loaded.values()
        return len(loaded) <= self.keep and sum(map(bytes_of, loaded)) <= self.memory

    def _load(self, name: str, folder: Path | None) -> Model:
        """Read a model; of a stranger's, what it becomes is asked first. Errors say its name, not where it lies."""
        path = folder or self._fetch(name)
        with _naming(name, path):
            if folder is None:
                self._check(name, path)
            model = Model.from_folder(path, device=self.device)
        self._places[model] = path
        return model

    def _check(self, name: str, path: Path) -> None:
        """Refuse a Hub model that would take too much memory: for its weights, or for one picture."""
        size = 4 * sum(math.prod(shape) for shape, _ in hub.read_shapes(path).values())  # float32, whatever the file
        if size > self.max_bytes:
            raise HubError(
                f"{name} takes {size / 1e6:.1f} MB of memory, more than the {self.max_bytes / 1e6:.1f} MB allowed "
                "here: choose a smaller model, or load it on your own machine."
            )
        sides = getattr(zoo.read_entry(name, path).config, "size", ())
        if isinstance(sides, tuple | list) and math.prod(sides) > MAX_PIXELS:
            raise HubError(
                f"{name} gives pictures of {sides[1]} x {sides[0]} pixels, too large for this page: load it on your "
                "own machine."
            )

    def _fetch(self, name: str) -> Path:
        repo_id, near = hub.repo_of(name), nearest(name, zoo.names())  # a short name means what it means everywhere
        if repo_id is None:
            raise HubError(
                f"There is no model '{name[:100]}' here.{near} Choose one from the menu, or type the owner/name of a "
                "ganhub model on the Hugging Face Hub."
            )
        try:
            return visitors.locate_repo(
                repo_id, token=False, max_bytes=self.max_bytes, cache_dir=self.cache_dir, heed=heed_stop
            )
        except HubError as error:
            if repo_id == name:
                raise
            raise HubError(f"There is no model '{name[:100]}' here.{near} On the Hub: {error}") from error

    def warm_up(self, ready: Callable[[], bool]) -> None:
        """In the background, once ``ready()``: load the first generator, so that the first click is quick."""
        threading.Thread(target=self._warm_up, args=(ready,), name="ganhub-warm-up", daemon=True).start()

    def _warm_up(self, ready: Callable[[], bool]) -> None:
        for _ in range(600):
            if ready():
                break
            time.sleep(0.1)
        try:
            for name in zoo.names(LatentGenerator)[:1]:
                self.open(name, LatentGenerator).sample(1)
        except Exception:
            log.exception("The first model could not be loaded ahead of time.")


@contextmanager
def _held(lock: threading.Lock) -> Iterator[None]:
    """A lock, waited for as long as nobody presses Stop."""
    while not lock.acquire(timeout=LOOK):
        heed_stop()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _naming(name: str, place: Path) -> Iterator[None]:
    """Let errors name a model as the visitor did, not where it lies."""
    try:
        yield
    except GanhubError as error:
        sentence = str(error).replace(str(place), name)
        raise type(error)(sentence.replace(place.name, name) if place.name != name else sentence) from error


def bytes_of(model: Model) -> int:
    """Memory that a loaded model takes."""
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
