"""The page's calls and their answers in a real headless Chromium, over a line that keeps some of them back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import expect
from starlette.middleware import Middleware

from ganhub.app.page import launch_options
from tests.browser import MARKS, Watched

pytest_plugins = ["tests.browser"]
# Gradio counts its calls in two ways that pandas will drop, here in a process in which a warning is an error.
DROPPED = ("'future.no_silent_downcasting'", "The copy keyword is deprecated")
pytestmark = [*MARKS, *[pytest.mark.filterwarnings(f"ignore:{begin}") for begin in DROPPED]]

JOIN = "/queue/join"


class LateEnd:
    """Keeps the end of the first stream back until one more call was taken, and the page has had time to read that."""

    def __init__(self, app: Any) -> None:
        self.app, self.taken, self.kept = app, asyncio.Event(), False

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        async def late(message: dict) -> None:
            if b'"close_stream"' in message.get("body", b"") and not self.kept:
                self.kept = True
                self.taken.clear()
                await self.taken.wait()
                await asyncio.sleep(1)
            await send(message)
            if scope["path"].endswith(JOIN) and message["type"] == "http.response.body":
                self.taken.set()

        await self.app(scope, receive, late)


class LateCall:
    """Keeps the first call back until the second one is there, or for a second."""

    def __init__(self, app: Any) -> None:
        self.app, self.calls, self.second = app, 0, asyncio.Event()

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["path"].endswith(JOIN):
            self.calls += 1
            if self.calls == 1:
                try:
                    await asyncio.wait_for(self.second.wait(), 1)
                    await asyncio.sleep(0.5)
                except TimeoutError:
                    pass
            else:
                self.second.set()
        await self.app(scope, receive, send)


class LostCall:
    """Loses the first call."""

    def __init__(self, app: Any) -> None:
        self.app, self.lost = app, False

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["path"].endswith(JOIN) and not self.lost:
            self.lost = True
            await asyncio.sleep(3600)
        await self.app(scope, receive, send)


class LateName:
    """Keeps the page waiting for a second for the name of its second call, which was taken before a stream began."""

    def __init__(self, app: Any) -> None:
        self.app, self.calls, self.taken = app, 0, asyncio.Event()

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        async def late(message: dict) -> None:
            if message["type"] == "http.response.start" and self.calls == 2:
                self.taken.set()
                await asyncio.sleep(1)
            await send(message)

        is_call = scope["path"].endswith(JOIN)
        self.calls += is_call
        if scope["path"].endswith("/queue/data"):
            await self.taken.wait()
        await self.app(scope, receive, late if is_call else send)


class RefusedCall:
    """Refuses the second call, after a second in which the stream of the first one ends; counts what stays open."""

    streams = 0

    def __init__(self, app: Any) -> None:
        self.app, self.calls = app, 0

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["path"].endswith(JOIN):
            self.calls += 1
            if self.calls == 2:
                await asyncio.sleep(1)
                await send({"type": "http.response.start", "status": 503, "headers": []})
                await send({"type": "http.response.body", "body": b'{"detail": "The line is full."}'})
                return
        is_stream = scope["path"].endswith("/queue/data")
        RefusedCall.streams += is_stream
        try:
            await self.app(scope, receive, send)
        finally:
            RefusedCall.streams -= is_stream


class NoMoreStreams(LateEnd):
    """The same as LateEnd, and refuses every stream but the first."""

    streams = 0

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["path"].endswith("/queue/data"):
            self.streams += 1
            if self.streams > 1:
                await send({"type": "http.response.start", "status": 429, "headers": []})
                await send({"type": "http.response.body", "body": b"Too many."})
                return
        await super().__call__(scope, receive, send)


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with gr.Blocks() as page:
        said, pressed = gr.Textbox("", elem_id="said"), []

        def press(name: str) -> str:
            pressed.append(name)
            return " ".join(pressed)

        for name in ("one", "two"):
            gr.Button(name, elem_id=name).click(partial(press, name), None, said, concurrency_id="in line")
    page.queue()
    options = {"head": launch_options()["head"], "app_kwargs": {"middleware": [Middleware(request.param)]}}
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, **options)
    yield address
    page.close()


def says(visit: Watched, text: str) -> None:
    expect(visit.page.locator("#said textarea")).to_have_value(text, timeout=60_000)  # it tells what was there instead


@pytest.mark.parametrize("address", [LateEnd], indirect=True)
def test_a_press_just_as_the_stream_ends_is_answered(browser: Any, address: str, shots: Path) -> None:
    """The second button is pressed after the first's answer, and before the page has read that the stream ended."""
    visit = Watched(browser, address, shots)
    for name, text in (("one", "one"), ("two", "one two"), ("one", "one two one")):
        visit.page.locator(f"#{name}").click()
        says(visit, text)
    visit.close()


@pytest.mark.parametrize("address, text", [(LateCall, "one two"), (LostCall, "two")], indirect=["address"])
def test_calls_are_taken_in_their_order_and_a_lost_one_holds_no_other(
    browser: Any, address: str, text: str, shots: Path
) -> None:
    visit = Watched(browser, address, shots)
    for name in ("one", "two"):
        visit.page.locator(f"#{name}").click()
    says(visit, text)
    visit.close()


CALLS_AND_ANSWERS = """async () => {
    const session_hash = "as Gradio's page does it", seen = [], names = new Set();
    const call = async (fn_index) => {
        const body = JSON.stringify({ data: [], fn_index, session_hash });
        const headers = { "Content-Type": "application/json" };
        const answer = await fetch("gradio_api/queue/join", { method: "POST", headers, body });
        names.add((await answer.json()).event_id);
    };
    const made = [call(0), call(1)];
    await made[0];
    const stream = await fetch(`gradio_api/queue/data?session_hash=${session_hash}`);
    const text = stream.body.pipeThrough(new TextDecoderStream());
    for await (const part of text) for (const line of part.split("\\n")) if (line.includes("process_completed")) {
        const { event_id, output } = JSON.parse(line.slice("data: ".length));
        seen.push([output.data[0], names.has(event_id)]);
    }
    await made[1];
    return seen;
}"""


@pytest.mark.parametrize("address", [LateName], indirect=True)
def test_an_answer_waits_until_the_page_knows_its_call(browser: Any, address: str, shots: Path) -> None:
    """Gradio keeps an answer to a call without a name, and takes it up before older answers that it has just read."""
    visit = Watched(browser, address, shots)
    visit.page.locator("#two").wait_for()
    assert visit.page.evaluate(CALLS_AND_ANSWERS) == [["one", True], ["one two", True]]
    visit.close()


@pytest.mark.parametrize("address", [RefusedCall], indirect=True)
def test_a_refused_call_leaves_no_stream_open(browser: Any, address: str, shots: Path) -> None:
    """Gradio would take it for one on which an answer comes; a press after the line was cut would have none."""
    visit = Watched(browser, address, shots)
    with visit.page.expect_response(lambda answer: answer.status == 503):
        for name in ("one", "two"):
            visit.page.locator(f"#{name}").click()
    visit.page.wait_for_timeout(1000)  # in which a stream would be opened again
    assert RefusedCall.streams == 0
    visit.page.locator("#one").click()
    says(visit, "one one")
    visit.troubles.clear()  # the console names the refused call
    visit.close()


@pytest.mark.parametrize("address", [NoMoreStreams], indirect=True)
def test_a_stream_that_cannot_be_read_on_is_said(browser: Any, address: str, shots: Path) -> None:
    """The page says that it lost the connection, as Gradio does for the first stream; it does not wait for ever."""
    visit = Watched(browser, address, shots)
    visit.page.locator("#one").click()
    says(visit, "one")
    visit.page.locator("#two").click()
    visit.page.get_by_text("Connection").first.wait_for()
    visit.troubles.clear()  # what Gradio wrote to the console
    visit.close()
