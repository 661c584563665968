"""A small app with each kind of input behind the gate, in a process of its own: ``python tests/shield_app.py PORT``.

Gradio leaves event loops and sockets to the collector, which would be warnings of the tests.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeVar

import gradio as gr

from ganhub.app._parts import calm, follow, run_and_stop
from ganhub.app.declared import Bench
from ganhub.app.jobs import Jobs
from ganhub.app.shield import Limits, Twin, guard, middleware, own_folder, raw_editor

T = TypeVar("T")
LIMITS = Limits(
    json=20_000, data_url=20_000, upload=100_000, text=500, depth=6, values=300, waiting=2, slow_address=1, unheard=0.5
)


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns. ``asyncio.run`` would drop the loop that Gradio has for this thread, unclosed."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def paths(routes: Iterable[Any]) -> Iterator[str]:
    """The paths of routes, and of the routers among them."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from paths(inner.routes)
        elif hasattr(route, "path"):
            yield route.path


def told(bench: Bench, name: str, request: gr.Request) -> Iterator[tuple]:
    """A job's result, of a call whose thread comes late where its name says so."""
    time.sleep(1 if name == "late" else 0)
    job = yield from follow(bench, "tab", request, lambda report: name, noun="Step", outputs=1, stopped="Stopped.")
    if job:
        yield job.result(), "done"


def heavy(component: gr.Textbox) -> gr.Textbox:
    """A component to whose value a look is given for a second before it leaves, where it says so."""
    plain = component.postprocess

    def postprocess(value: str | None) -> str | None:
        time.sleep(1 if value == "heavy" else 0)
        return plain(value)

    component.postprocess = postprocess
    return component


def main(port: int) -> None:
    """Serve it, and print the paths of Gradio's routes as JSON."""
    own_folder()
    with gr.Blocks(analytics_enabled=False) as app:
        inputs = [gr.Image(type="filepath"), gr.Gallery(), raw_editor(gr.ImageEditor(layers=False)), gr.Textbox()]
        first = gr.Button().click(lambda *values: "quickly", inputs, inputs[3], api_name="all")
        second = gr.on([], lambda *values: "slowly", inputs, inputs[3], concurrency_id="x-slow")
        bench, name = Bench(library=None, jobs=Jobs(), drawings=None), gr.Textbox()
        gr.Button().click(
            calm(told, bench), name, [heavy(gr.Textbox()), gr.Textbox()], api_name="told", concurrency_limit=2
        )
        run_and_stop("Run", bench.jobs, "tab")
    app.queue(api_open=False)
    guard(app, {first["id"]: Twin(second["id"], lambda data: data[3] == "slow")}, LIMITS)
    app.launch(
        server_port=port, server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False,
        max_file_size="90kb", app_kwargs={"middleware": middleware(LIMITS)},
    )  # fmt: skip
    print(json.dumps(list(paths(app.app.routes))), flush=True)
    app.block_thread()


if __name__ == "__main__":
    main(int(sys.argv[1]))
