"""The folder of uploads and results: the app's own, and no larger than its quota."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import gradio as gr
from gradio.data_classes import _StaticFiles
from gradio.utils import get_upload_folder

from ganhub.app.shield.limits import Limits
from ganhub.app.shield.payload import all_paths

YOUNG = 60.0  # seconds in which a file is not deleted for want of room, so that it can be used at all
_own: list[str] = []
_held, _lock = Counter(), threading.Lock()  # files and folders that jobs need, and how many jobs


def own_folder() -> str:
    """Give this process a folder of its own for uploads and results, which goes with it; its path.

    Gradio's default is one folder that all apps of a machine share: whoever knows a path there could name another
    app's files. Called before the first component is made, as components keep the path.
    """
    if not _own:
        above = os.environ.get("GRADIO_TEMP_DIR") or None
        if above:
            Path(above).mkdir(parents=True, exist_ok=True)
        _own.append(os.path.realpath(tempfile.mkdtemp(prefix="ganhub-app-", dir=above)))
        os.environ["GRADIO_TEMP_DIR"] = _own[0]
        # Files of a static folder Gradio serves as they lie there. For each of the others it asks for many real paths,
        # in the thread that answers everybody: for walls that took longer than to draw them.
        gr.set_static_paths(results_place())
        # First of them: behind the two icons that Gradio puts there a look-up takes 1.1 ms instead of 0.3, for each
        # picture of a wall. Gradio has no public way to say so.
        _StaticFiles.all_paths.sort(key=lambda place: place != results_place())
        atexit.register(shutil.rmtree, _own[0], ignore_errors=True)
    return _own[0]


def results_place() -> Path:
    """The folder that holds the app's own results, and no uploads."""
    return Path(get_upload_folder(), "made")


def hold(places: Iterable[str]) -> None:
    """Keep files, or folders of them, whatever their age, until :func:`let_go` is called as often."""
    with _lock:
        _held.update(os.path.realpath(place) for place in places)


def let_go(places: Iterable[str]) -> None:
    """The end of a :func:`hold`."""
    with _lock:
        _held.subtract(os.path.realpath(place) for place in places)
        for place in [place for place, count in _held.items() if count <= 0]:
            del _held[place]


def in_use(app: gr.Blocks) -> set[str]:
    """Files, and folders of files, that may not go: those of the page itself, and those that a job names or holds."""
    kept = {os.path.realpath(path) for block in app.blocks.values() for path in getattr(block, "keep_in_cache", ())}
    with _lock:
        kept.update(_held)
    for event in list(app._queue.event_ids_to_events.values()):
        data = getattr(event.data, "data", None)
        kept.update(os.path.realpath(path) for path in all_paths(data) if isinstance(path, str))
    return kept


def tidy(folder: str, limits: Limits, kept: Iterable[str] = ()) -> set[str]:
    """Delete what is old, and the oldest files beyond the quota; the paths that are gone.

    Args:
        kept: Files that stay whatever their age, and folders whose files do.
    """
    kept, now, found = set(kept), time.time(), []
    for here, _, names in os.walk(os.path.realpath(folder)):
        for name in names:
            path = os.path.join(here, name)
            try:
                state = os.lstat(path)
            except OSError:  # gone meanwhile
                continue
            found.append((max(state.st_mtime, state.st_ctime), state.st_size, path))
    size, count, gone = sum(entry[1] for entry in found), len(found), set()
    for changed, bytes_, path in sorted(found):
        full = size > limits.disk or count > limits.files
        age = now - changed
        stays = path in kept or os.path.dirname(path) in kept
        if stays or not (age > limits.age or (full and age > YOUNG) or size > 2 * limits.disk):
            continue
        try:
            if os.lstat(path).st_mtime > changed:  # somebody has just asked for it
                continue
            os.unlink(path)
            if Path(path).parent.name != "canvases":  # one folder for many: a new one may be on its way into it
                Path(path).parent.rmdir()  # Gradio has a folder for each; one that is not empty stays
        except OSError:
            pass
        size, count = size - bytes_, count - 1
        gone.add(path)
    return gone


def forget(app: gr.Blocks, gone: set[str]) -> None:
    """Take files that are gone from Gradio's lists, which otherwise grow for ever."""
    for names in app.temp_file_sets:
        names -= gone


def keep_tidy(app: gr.Blocks, limits: Limits) -> None:
    """One look at the folder of an app."""
    forget(app, tidy(get_upload_folder(), limits, in_use(app)))
