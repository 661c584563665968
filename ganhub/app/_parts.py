"""What the tabs share: calm errors, checked arguments, pictures as files, Run and Stop."""

from __future__ import annotations

import asyncio
import functools
import html
import inspect
import logging
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder
from torch import Tensor

from ganhub import images, zoo
from ganhub.app.declared import Bench
from ganhub.app.drawings import file_name, result_folder
from ganhub.app.jobs import Job, Jobs, Progress, Report
from ganhub.app.lanes import CORES
from ganhub.app.shield import FAILED, caller, raw_editor
from ganhub.creation import Creation, Inputs, checks, marks
from ganhub.errors import ConfigError, GanhubError
from ganhub.images import provenance
from ganhub.images.provenance import Mark

log = logging.getLogger(__name__)
T = TypeVar("T")

STOP_WAIT = 20  # seconds that a press of Stop waits for the end of the step at work
NO_PICTURE = "Click a picture of the wall first."
MAX_SENTENCE = 600  # characters of an error that a visitor reads
NO_MEMORY = "There is not enough memory for this: ask for fewer or smaller pictures."
UNEXPECTED = "Something went wrong here. The server's log says what; please try again."
TITLES = {NO_MEMORY: "Too large", UNEXPECTED: "Sorry"}
# Of a path that begins at the root, without the last name.
FOLDERS = re.compile(r"(?<![\w/:.~-])/(?:[^\s'\"<>:;,/]+/)+")


# ---- errors


def calm(fn: Callable[..., T], *given: Any) -> Callable[..., T]:
    """A listener of a function, whose first arguments may be given; a visitor reads a sentence whatever happens.

    The log gets the traceback.
    """

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*given, *args, **kwargs)
        except Exception as error:
            raise _sentence(error) from error

    @functools.wraps(fn)
    def generate(*args: Any, **kwargs: Any) -> Any:
        try:
            yield from fn(*given, *args, **kwargs)
        except Exception as error:
            raise _sentence(error) from error

    @functools.wraps(fn)
    async def wait(*args: Any, **kwargs: Any) -> Any:
        try:
            return await fn(*given, *args, **kwargs)
        except Exception as error:
            raise _sentence(error) from error

    plain = wait if inspect.iscoroutinefunction(fn) else call
    listener = generate if inspect.isgeneratorfunction(fn) else plain
    if given:  # Gradio names an endpoint's parameters by what is left
        signature = inspect.signature(fn)
        listener.__signature__ = signature.replace(parameters=list(signature.parameters.values())[len(given) :])
    return listener


def calm_all(app: gr.Blocks) -> None:
    """Wrap each listener of an app that is not wrapped yet; those that are coroutines are short, and stay."""
    for listener in app.fns.values():
        fn = listener.fn
        if fn is not None and not hasattr(fn, "__wrapped__") and not inspect.iscoroutinefunction(fn):
            listener.fn = calm(fn)


def told(sentence: str) -> str:
    """A sentence as a visitor may read it: no folders of the server, and not longer than can be read."""
    roots = {get_upload_folder(), tempfile.gettempdir(), os.getcwd(), os.path.expanduser("~")}
    for root in sorted({*roots, *map(os.path.realpath, roots)} - {"/", ""}, key=len, reverse=True):
        sentence = re.sub(rf"{re.escape(root)}[\\/](?:[^\s'\"<>:;,]*[\\/])?", "", sentence)
    sentence = FOLDERS.sub("", sentence)  # those of $GANHUB_MODELS, of $HF_HOME, of Python
    return sentence if len(sentence) <= MAX_SENTENCE else f"{sentence[:MAX_SENTENCE]} …"


def _sentence(error: Exception) -> gr.Error:
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, GanhubError):
        text = str(error)
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        text = NO_MEMORY
    else:
        log.error("A listener failed.", exc_info=error)
        text = UNEXPECTED
    # The message is shown as HTML, and it can quote what a visitor typed.
    title = TITLES.get(text, FAILED)
    return gr.Error(html.escape(told(text), quote=False), title=title, print_exception=False)


# ---- arguments: a page keeps them in range, a caller of the API may send anything


def example(items: Sequence[T], index: Any) -> T:
    """The item that was clicked, or ConfigError where the index is none."""
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(items):
        raise ConfigError("There is no such picture or example here: load the page anew, and click one.")
    return items[index]


def seed_clicked(wall: Sequence[tuple[str, Any]] | None, index: Any) -> tuple[str, int]:
    """The file of the picture that was clicked on a wall, and the seed that stands under it."""
    path, caption = example(wall or (), index)
    return path, checks.read_seeds(str(caption).removeprefix("seed "), least=1, most=1)[0]


def name_list(name: str, value: Any) -> list[str]:
    """A menu of several choices as a list of names: one name, a list of them, or nothing."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list | tuple) or not all(isinstance(part, str | int) for part in value):
        raise ConfigError(f"{name} must be a list of names, not {str(value)[:40]!r}.")
    return [str(part) for part in value]


def plain_name(name: str, value: Any) -> str | int | None:
    """A name, a number that stands for one, or nothing."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise ConfigError(f"{name} must be a name, not {str(value)[:40]!r}.")
    return value


def unchecked(component: T) -> T:
    """Let a component hand its raw value to the listener, whose checks have sentences that name what is wrong.

    For a picture, and for each part of an editor, the raw value is the path of the uploaded file: Gradio would open
    that file itself, without limits, and its error has no sentence. (An instance attribute, not a subclass: Gradio's
    component classes write a .pyi file beside the source of each subclass.) Return only plain values for such a
    component, never ``gr.update``.
    """
    if isinstance(component, gr.ImageEditor):
        raw_editor(component)
    elif isinstance(component, gr.Image):
        component.preprocess = lambda payload: None if payload is None else payload.path
    else:
        component.preprocess = lambda payload: payload
    return component


def picture_file(name: str, path: Any) -> str:
    """The path of an upload, or a sentence that asks for one; of an animation the visitor is told what is used."""
    if not isinstance(path, str) or not path:
        raise ConfigError(f"There is no {name} picture yet: upload one, or click an example.")
    if images.is_animated(path):
        gr.Info(f"The {name} picture is an animation: only its first frame is used.")
    return path


# ---- pictures as files


def scratch(name: str) -> Path:
    """A fresh path for a result, from which Gradio serves it without a copy."""
    return result_folder() / file_name(name)


def save_png(image: Tensor, name: str, mark: Mark | None = None, **notes: object) -> str:
    """Write one picture as PNG, with the mark of what made it (and other texts), and return its path."""
    path = scratch(f"{name}.png")
    images.save_image(image, path, metadata={k: str(v) for k, v in notes.items() if provenance.are_on()}, mark=mark)
    return str(path)


def enlarge(pictures: Tensor, side: int) -> Tensor:
    """Repeat pixels a whole number of times until the long side is about ``side``."""
    return images.enlarge(pictures, marks.factor(pictures, side))


def picked(tab: str, model: Any) -> SimpleNamespace:
    """The picture that was clicked on a wall and its seed, and buttons for where it can go."""
    at = SimpleNamespace()
    with gr.Row(elem_classes="picked"):
        at.picture = gr.Image(
            label="Picked", format="png", interactive=False, height=200, buttons=["download", "fullscreen"],
            elem_id=f"{tab}-picked", elem_classes=look_of(model), min_width=130, scale=1, show_label=False,
        )  # fmt: skip
        with gr.Column(scale=3, min_width=180):
            at.seed = gr.Textbox(
                label="Seed", placeholder="Click a picture above", interactive=False, buttons=["copy"],
                elem_id=f"{tab}-picked-seed",
            )  # fmt: skip
            with gr.Row(elem_classes="ways"):
                at.send = gr.Button("Use in Interpolate", size="md", elem_id=f"{tab}-send", min_width=120)
                at.edit = gr.Button("Edit this picture", size="md", elem_id=f"{tab}-edit", min_width=120)
                at.like = gr.Button("More like this", size="md", elem_id=f"{tab}-like", min_width=120)
                at.evolve = gr.Button("Evolve", size="md", elem_id=f"{tab}-evolve", min_width=120)
    return at


def look_of(name: Any, *others: str) -> list[str]:
    """The CSS classes of a wall or a picture: those of pixel art keep hard edges when they are enlarged."""
    entry = zoo.entry_of(name)
    return [*others, "pixels"] if entry and entry.is_pixel_art else list(others)


def digests(inputs: Inputs, creation: Creation) -> dict[str, str]:
    """sha256 -> file of each picture that a Creation names."""
    return {digest: str(inputs.find(digest)) for digest in creation.digests()}


def swatches(label: str, files: Sequence[str], elem_id: str) -> gr.Dataset:
    """A gallery of small pictures to click; its listener gets the index."""
    return gr.Dataset(
        label=label, components=[gr.Image(render=False)], samples=[[file] for file in files], type="index",
        layout="gallery", elem_id=elem_id, elem_classes="examples", min_width=200,
    )  # fmt: skip


# ---- run, watch, stop


def bar(progress: Progress, noun: str) -> str:
    """A thin progress bar with a sentence under it; the Stop button shows while one is on the page."""
    if progress.ahead is not None:
        before = f"{progress.ahead} before you" if progress.ahead else "you are the next"
        return f'<div class="bar waiting"><i></i></div><p>Waiting in line: {before} …</p>'
    if not progress.steps:
        return '<div class="bar waiting"><i></i></div><p>Loading the model …</p>'
    share = min(1.0, progress.step / progress.steps)
    left = progress.seconds_left
    time_left = "" if left is None else f" · about {max(1, round(left))} s left"
    return (
        f'<div class="bar"><i style="width:{share:.0%}"></i></div>'
        f"<p>{noun} {min(progress.step + 1, progress.steps)} of {progress.steps}{time_left}</p>"
    )


# Of tabs whose work is of one kind; the others name the lane of each call.
LANES = {
    "generate": "quick", "conditional": "quick", "interpolate": "film", "translate": "photo", "restore": "photo",
    "evolve": "slow", "quiz": "quick",
}  # fmt: skip
# Calls of a listener that wait in a lane and are told their place; more wait untold, in Gradio's queue.
IN_LINE = max(8, 2 * CORES)
PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}  # of a listener that is no endpoint


def keep(count: int) -> list:
    """Outputs that stay as they are."""
    return [gr.skip() for _ in range(count)]


def follow(
    bench: Bench, tab: str, request: gr.Request | None, work: Callable[[Report], T], *, noun: str, outputs: int,
    stopped: str | Callable[[Job], tuple], look: Callable[[Any], Sequence] | None = None, lane: str = "",
) -> Generator[tuple, None, Job[T] | None]:  # fmt: skip
    """Run ``work`` as a job of this visitor and tell of it; return the ended job, or None where it was stopped.

    Yields ``outputs`` values and the status line: before an error is raised one without a bar, so that none is left
    standing, and after a stop the sentence ``stopped``, or what it returns for the job. What a visitor asked for last
    is what he sees: work that newer work of the same tab took the place of says nothing more, also where it ended well.

    Args:
        noun: What one step is.
        look: The values for an early look; they stay as they are without one.
        lane: Where the work waits for its turn, see :mod:`ganhub.app.lanes`.
    """
    job = bench.jobs.start(visitor(request, tab), work, lane=lane or LANES.get(tab, ""), **caller(request))
    seen = None
    for progress in job:
        if job.replaced:
            break
        fresh = look is not None and progress.preview is not None and progress.preview is not seen
        seen = progress.preview if fresh else seen
        yield *(look(seen) if fresh else keep(outputs)), bar(progress, noun)
    if not job.replaced:
        job.settle()
    if job.replaced:
        yield (*keep(outputs + 1),)
        return None
    if job.stopped:
        yield (*keep(outputs), stopped) if isinstance(stopped, str) else stopped(job)
        return None
    try:
        job.result()
    except Exception:
        yield *keep(outputs), ""
        raise
    return job


def visitor(request: gr.Request | None, tab: str) -> tuple[str, str]:
    """The key of a visitor's job; callers without a session cannot stop each other."""
    return (getattr(request, "session_hash", None) or uuid.uuid4().hex, tab)


def run_and_stop(label: str, jobs: Jobs, tab: str) -> tuple[gr.Button, gr.HTML]:
    """The primary button with Stop beside it, and under them the line where progress and results are told.

    Stop is wired here and shows while work runs; the tab wires the primary button.
    """
    with gr.Row(elem_classes="actions"):
        run = gr.Button(label, variant="primary", elem_id=f"{tab}-run", elem_classes="run")
        stop = gr.Button("Stop", variant="stop", elem_id=f"{tab}-stop", elem_classes="stop", min_width=90, scale=0)
    status = gr.HTML(elem_id=f"{tab}-status", elem_classes="status", container=False)

    async def stop_work(request: gr.Request) -> str:
        known = getattr(request, "session_hash", None)  # a caller without a session has nothing that could be stopped
        job = jobs.stop(visitor(request, tab), turn=caller(request)["turn"]) if known else None
        if job is None:
            return "Nothing is running."
        # So that this does not overtake the last word of the work itself. In no thread: files are served by those.
        for _ in range(STOP_WAIT * 20):
            if job.done:
                return "Stopped."
            await asyncio.sleep(0.05)
        return "Stopping after this step …"

    stop.click(
        stop_work,
        outputs=status,
        queue=False,
        show_progress="hidden",
        api_name=f"stop_{tab}",
        api_description=f"Stop what this client's session has running on the {tab} tab; what is done so far is kept.",
    )
    return run, status
