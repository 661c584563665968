"""One visitor's page with the tray, and what tests of it ask for (``pytest_plugins = ["tests.tray_visit"]``)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganhub.creation import Creation, Generate
from ganhub.creation.permalink import to_code
from tests.app_server import Server
from tests.browser import Watched

MODEL = "tiny-stylegan2"
WALL = Generate(model=MODEL, seed=100, count=4)
NOBODYS = "cd" * 32  # the sha256 of a photo that is nowhere


class Visit(Watched):
    """One visitor's page, once it shows something."""

    def __init__(self, browser: Any, url: str, shots: Path, *, state: str | None = None, **options: Any) -> None:
        self.url = url
        if state is not None:
            options["storage_state"] = {
                "cookies": [],
                "origins": [{"origin": url.split("/?")[0].rstrip("/"), "localStorage": [
                    {"name": "ganhub-tray", "value": state}]}],
            }  # fmt: skip
        super().__init__(browser, url, shots, accept_downloads=True, **options)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_function("window.ganhub?.now && window.ganhub.going !== true")

    def wall(self, creation: Generate) -> None:
        """Ask for a wall in the form, as one does by hand."""
        box = self.page.locator("#generate-model input")
        if box.input_value() != creation.model:
            box.click()
            box.fill(creation.model)
            box.press("Enter")
        self.page.locator("#generate-count input[type=number]").fill(str(creation.count))
        self.page.locator("#generate-seed input").fill(str(creation.seed))
        self.page.locator("#generate-run").click()
        self.shows(creation)

    def shows(self, creation: Creation) -> None:
        """Wait until the address is a Creation's, and its result is there."""
        self.page.wait_for_function(
            "code => new URL(location.href).searchParams.get('c') === code && window.ganhub?.now === code",
            arg=to_code(creation), polling=100,
        )  # fmt: skip

    def counts(self, count: int) -> None:
        self.page.wait_for_function(
            "count => document.querySelectorAll('.tray-strip button').length === count", arg=count
        )

    def reload(self) -> None:
        self.leave(self.page.reload)

    def leave(self, way: Callable[[], Any]) -> None:
        """To another page; Gradio says on the console that what this one was waiting for has ended."""
        before = len(self.troubles)
        way()
        self.page.wait_for_function("window.ganhub")
        ended = ("AbortError", "Unexpected error Connection errored out")
        self.troubles[before:] = [one for one in self.troubles[before:] if not one.startswith(ended)]

    def says(self, sentence: str) -> None:
        self.page.locator(".tray-says", has_text=sentence).wait_for()

    def press(self, name: str) -> None:
        self.page.locator(f"#tray [data-do={name}]").click()

    def drag(self, place: int, box: str) -> None:
        """Drop a picture of the tray on a box of a tab."""
        self.page.locator(box).wait_for()
        for spot, press in ((self.card(place), self.page.mouse.down), (self.page.locator(box), self.page.mouse.up)):
            at = spot.bounding_box()
            self.page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2, steps=5)
            press()

    def card(self, place: int) -> Any:
        return self.page.locator(".tray-strip button").nth(place)

    def seed(self) -> str:
        return self.page.locator("#generate-seed input").input_value()

    def kept(self) -> list[dict[str, Any]]:
        return self.page.evaluate("JSON.parse(localStorage.getItem('ganhub-tray'))?.entries ?? []")

    def picture(self, box: str) -> bytes:
        """The first picture in a box, as its file's bytes."""
        self.page.wait_for_function(
            "box => { const i = document.querySelector(`${box} img`); return i?.complete && i.naturalWidth }", arg=box
        )
        return self.page.request.get(self.page.locator(f"{box} img").first.get_attribute("src")).body()

    def drop(self, name: str, data: bytes) -> None:
        """Drop a file on the tray, as from a folder."""
        self.page.evaluate(
            """([name, data]) => {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                const dropped = new DataTransfer();
                dropped.items.add(new File([bytes], name));
                const say = (kind) => document.querySelector(".tray-bar").dispatchEvent(
                    new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: dropped }));
                say("dragover"); say("drop");
            }""",
            [name, base64.b64encode(data).decode()],
        )

    def download(self, press: Callable[[], None]) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            press()
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


@pytest.fixture
def visit(browser: Any, server: Server, shots: Path) -> Iterator[Visit]:
    visit = Visit(browser, server.url, shots)
    yield visit
    visit.close()
