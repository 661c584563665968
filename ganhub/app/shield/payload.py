"""JSON from strangers: parsed within bounds, and every file that it names is an upload."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder

from ganhub.app.shield.limits import Limits
from ganhub.errors import GanhubError

log = logging.getLogger(__name__)
T = TypeVar("T")
LARGEST = 2**63  # what the answer's encoder can write
BASE64 = re.compile(r"[A-Za-z0-9+/=]*")
SURROGATE = re.compile("[\ud800-\udfff]")  # half of a character, which no answer can quote
DATA_URL = "data:image/"
FAILED = "That did not work"  # the title of an error that has none of its own
UNFIT = "A value of this call is of another type than its component takes: load the page anew, and try again."
NO_UPLOAD = "A file of the request is no upload: upload it first."


class Refused(GanhubError):
    """A request that is not handed on; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def parse(body: bytes, limits: Limits) -> Any:
    """The value of a JSON body, all of whose parts are within ``limits``. It is walked without recursion.

    Raises:
        Refused: No JSON, too deep, too many or too long values.
    """
    if len(body) > limits.json and sum(map(body.count, (b",", b":", b"[", b"{"))) > limits.json:
        raise Refused(413, "The request holds too many values.")  # said before they are read
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "The request is not JSON.") from None
    left, todo, pictures = limits.values, [(value, 0)], 0
    while todo:
        part, depth = todo.pop()
        left -= 1
        if left < 0 or depth > limits.depth:
            raise Refused(413, "The request holds too many values.")
        if isinstance(part, dict):
            todo += [(item, depth + 1) for pair in part.items() for item in pair]
        elif isinstance(part, list):
            todo += [(item, depth + 1) for item in part]
        elif isinstance(part, str):
            if len(part) > limits.text and part.startswith(DATA_URL) and BASE64.fullmatch(part, part.find(",") + 1):
                pictures += len(part)
            elif len(part) > limits.text:
                raise Refused(413, f"A text of the request is too long: at most {limits.text} characters are read.")
            if SURROGATE.search(part):
                raise Refused(400, "A text of the request is no Unicode.")
        elif isinstance(part, int) and not -LARGEST <= part < LARGEST:
            raise Refused(400, "A number of the request is too large.")
        elif isinstance(part, float) and not math.isfinite(part):
            raise Refused(400, "A number of the request is infinite, or none at all.")
    if len(body) - pictures > limits.json:
        raise Refused(413, f"This is too large: at most {limits.json / 1e6:.1f} MB are read.")
    return value


def all_paths(value: Any) -> Iterator[Any]:
    """What stands under "path" anywhere in a value of lists, objects and Gradio's own data classes."""
    todo = [value]
    while todo:
        part = todo.pop()
        if hasattr(part, "model_dump"):
            part = part.model_dump()
        if isinstance(part, dict):
            if part.get("path") is not None:
                yield part["path"]
            todo += part.values()
        elif isinstance(part, list | tuple):
            todo += part


def is_upload(path: Any) -> bool:
    """Whether a path, links followed, lies in the folder of uploads and results.

    A picture of the page itself (an example, the first picture of a tab) lies there too: Gradio copies it.
    """
    if not isinstance(path, str) or "\0" in path or "://" in path:
        return False
    folder = os.path.realpath(get_upload_folder())
    try:
        return os.path.commonpath([folder, os.path.realpath(path)]) == folder
    except (ValueError, OSError):  # another drive; a name that the system cannot read
        return False


def check_files(app: gr.Blocks) -> None:
    """Let every listener of an app, however it is called, refuse a file that is no upload.

    Gradio itself looks only at files that carry ``meta``; this looks at every "path", in any component's value, before
    Gradio does anything with it. An address of the web is no upload either: the server fetches nothing for a visitor.
    """
    inner = app.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        if not all(is_upload(path) for path in all_paths(inputs)):
            raise gr.Error(NO_UPLOAD, title=FAILED, print_exception=False)
        if len(inputs) < (count := len(block_fn.inputs)):
            sentence = f"This takes {count} values, not {len(inputs)}: /gradio_api/info lists them."
            raise gr.Error(sentence, title=FAILED, print_exception=False)
        return await inner(block_fn, inputs, *args, **kwargs)

    app.preprocess_data = _calm(preprocess_data)
    app.postprocess_data = _calm(app.postprocess_data)


def _calm(process: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """A component that cannot use a value says so in a sentence; Gradio would give none, and fill the log."""

    async def calmly(*args: Any, **kwargs: Any) -> T:
        try:
            return await process(*args, **kwargs)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            log.warning("A component cannot use a value: %s %.300r", type(error).__name__, str(error))
            raise gr.Error(UNFIT, title=FAILED, print_exception=False) from error

    return calmly
