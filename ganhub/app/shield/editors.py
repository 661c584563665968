"""What the browser's brush sends: a few pictures on the disk, where the quota counts them, none in memory.

Gradio's own ``accept_blobs`` keeps every picture in memory until somebody asks for it, and makes a list as long as
the largest ``index`` it is given.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.image_editor import AcceptBlobs, EditorData
from gradio.utils import get_upload_folder
from starlette.exceptions import HTTPException

from ganhub.errors import ConfigError

LAYERS = 4  # of one canvas
KEPT = 64  # canvases that were sent and not yet read; each is read by the job that follows at once
ID = 64  # characters of a canvas' name


class Canvases:
    """The pictures of canvases on their way from the brush to a job, by the name that the browser gave each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, dict[tuple[str, int], Path]] = OrderedDict()

    def put(self, name: Any, kind: Any, index: Any, data: bytes) -> None:
        """Keep one picture: the background, the composite, or the layer of an index.

        Raises:
            ConfigError: A name, a kind or an index that no canvas of this app has.
        """
        if not isinstance(name, str) or not 0 < len(name) <= ID:
            raise ConfigError("This canvas has no name: load the page anew.")
        if kind not in ("background", "composite", "layer"):
            raise ConfigError("A canvas has a background, layers and a composite.")
        text = str(index)
        if kind == "layer" and not (text.isascii() and text.isdigit() and len(text) < 3 and int(text) < LAYERS):
            raise ConfigError(f"A canvas has at most {LAYERS} layers.")
        place = (kind, int(text) if kind == "layer" else 0)
        folder = Path(get_upload_folder(), "canvases")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{secrets.token_hex(16)}.png"
        path.write_bytes(data)
        with self._lock:
            canvas = self._kept.setdefault(name, {})
            gone = [canvas.pop(place)] if place in canvas else []
            canvas[place] = path
            while len(self._kept) > KEPT:
                gone += self._kept.popitem(last=False)[1].values()
        for old in gone:
            old.unlink(missing_ok=True)

    def take(self, name: str) -> dict[str, Any]:
        """What was kept under a name, as paths: "background", "layers" and "composite". It is kept no longer."""
        with self._lock:
            canvas = self._kept.pop(name, {})
        found = {place: str(path) for place, path in canvas.items()}
        layers = [found[place] for place in sorted(found) if place[0] == "layer"]
        return {
            "background": found.get(("background", 0)), "layers": layers, "composite": found.get(("composite", 0))
        }  # fmt: skip


def raw_editor(editor: gr.ImageEditor) -> gr.ImageEditor:
    """Make an editor hand paths of its pictures to the listener, and bound what its brush sends.

    Instance attributes, not a subclass: Gradio's component classes write a .pyi file beside each subclass.
    """
    canvases = Canvases()

    def accept_blobs(data: AcceptBlobs) -> None:
        fields = data.data
        try:
            picture = data.files[0][1] if data.files else b""
            canvases.put(fields.get("id"), fields.get("type"), fields.get("index"), picture)
        except ConfigError as error:
            raise HTTPException(400, str(error)) from None

    def preprocess(payload: EditorData | None) -> dict[str, Any] | None:
        if payload is None:
            return None
        if payload.id is not None:
            return canvases.take(payload.id)
        layers = [layer.path for layer in (payload.layers or [])[:LAYERS] if layer]
        background, composite = (part.path if part else None for part in (payload.background, payload.composite))
        return {"background": background, "layers": layers, "composite": composite}

    accept_blobs._is_server_fn = True
    editor.accept_blobs, editor.preprocess = accept_blobs, preprocess
    return editor
