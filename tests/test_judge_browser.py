"""``ganhub judge`` as a judge sees it: the command, and a real headless Chromium.

Every request to another host, console error and page error is a failure. Pictures of the page go to
``$GANHUB_SCREENSHOTS``, otherwise to a temporary folder.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganhub.metrics.judging import plan, read_answers, summarise
from ganhub.models import get_architecture
from tests.app_server import free_port, wait_for
from tests.browser import MARKS, WAIT, Watched

ROOT = Path(__file__).resolve().parent.parent
BLINK = 300  # milliseconds that a judge looks before the page takes an answer

pytest_plugins = ["tests.browser"]
pytestmark = MARKS


class Server:
    """``ganhub judge`` in a process and a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        port = free_port()
        self.url, self.answers = f"http://127.0.0.1:{port}/", folder / "answers.jsonl"
        environment = {**os.environ, "GANHUB_MODELS": str(folder.parent / "models"), "PYTHONPATH": str(ROOT)}
        where = ("--port", str(port), "--answers", "answers.jsonl")
        command = [sys.executable, "-m", "ganhub", "judge", *arguments, *where]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)

    def wait(self) -> Server:
        wait_for(self.process, self.url)
        return self

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.answers.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Both kinds of question, four each, on tiny models; they start at the same time."""
    folder = tmp_path_factory.mktemp("judge")
    for name in ("conditional-gan", "dcgan"):
        get_architecture(name).tiny().save_pretrained(folder / "models" / f"tiny-{name}")
    (folder / "pictures").mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / "pictures" / f"{i}.png")
    asked = {
        "real-or-made": ("tiny-dcgan", "--data", "../pictures", "--n", "4"),
        "a-or-b": ("tiny-dcgan", "tiny-conditional-gan", "--n", "4", "--seed", "2"),
    }
    started = {}
    try:
        for kind, arguments in asked.items():
            (folder / kind).mkdir()
            started[kind] = Server(folder / kind, *arguments)
        yield {kind: server.wait() for kind, server in started.items()}
    finally:
        for server in started.values():
            server.process.kill()
            server.process.wait()


class Judge(Watched):
    """A person with a browser of their own."""

    def look(self, number: int) -> None:
        """Wait for a question and look at it for a moment."""
        self.page.wait_for_function(
            """(number) => {
                const images = [...document.querySelectorAll(`[data-question="${number}"] img`)];
                return images.length && images.every((image) => image.complete && image.naturalWidth);
            }""",
            arg=number,
            polling=50,
        )
        self.page.wait_for_timeout(BLINK)

    def says(self, text: str) -> None:
        self.page.locator(".verdict", has_text=text).wait_for()


def test_real_or_made(browser: Any, servers: dict[str, Server], shots: Path) -> None:
    """Four answers by key and click, a reload between; nothing on the page tells one kind from the other."""
    server, pages = servers["real-or-made"], set()
    judge = Judge(browser, server.url, shots)
    presses = (
        lambda: judge.page.keyboard.press("ArrowLeft"),
        lambda: judge.page.keyboard.press("2"),
        lambda: judge.page.get_by_role("button", name="Real").click(),
        lambda: judge.page.get_by_role("button", name="Made").click(),
    )
    for number, press in enumerate(presses, start=1):
        judge.look(number)
        assert judge.page.get_by_text(f"{number} of 4", exact=True).is_visible()
        page = re.sub(r'src="data:image/png;base64,[^"]*"', "", judge.page.inner_html("#judge-stage"))
        pages.add(re.sub(rf'data-question="{number}"|width:\d+\.\d%|{number} of 4|id="html-\w+"', "", page))
        if number == 3:
            judge.shot("judge")
            judge.page.reload()
            judge.look(3)
        press()
    judge.says("Thank you.")
    assert len(pages) == 1, "real and made differ in something else than pixels"
    lines, questions = server.lines(), plan("real-or-made", 4, 0)
    assert [line["answer"] for line in lines] == ["real", "made", "real", "made"]
    assert [(line["question"], tuple(line["shown"]), line["index"]) for line in lines] == [
        (question.number, question.shown, question.index) for question in questions
    ]
    assert len({line["judge"] for line in lines}) == 1
    assert all(BLINK / 1000 * 0.9 < line["seconds"] < WAIT / 1000 for line in lines)
    told = judge.page.inner_text(".verdict").replace("\xa0", " ")
    summary = summarise(read_answers(server.answers)[0])
    assert all(summary.sentence(name) in told for name in summary.rates)
    assert "tiny-dcgan" not in told and not judge.page.locator("#judge-1").is_visible()
    judge.shot("judge-end")
    judge.page.get_by_role("button", name="Next person").click()
    judge.look(1)
    judge.close()


def test_a_new_judge_starts_and_haste_is_no_answer(browser: Any, servers: dict[str, Server], shots: Path) -> None:
    server = servers["real-or-made"]
    before = len(server.lines())
    judge = Judge(browser, server.url, shots)
    judge.look(1)
    judge.page.keyboard.press("Control+ArrowLeft")
    for _ in range(3):
        judge.page.keyboard.press("ArrowRight")  # the second and third hit a picture that nobody has seen
    judge.look(2)
    judge.page.evaluate(
        """document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", repeat: true, bubbles: true }))"""
    )
    judge.page.wait_for_timeout(500)
    assert judge.page.locator('[data-question="2"]').is_visible()
    lines = server.lines()[before:]
    assert [(line["question"], line["answer"]) for line in lines] == [(1, "made")]
    judge.close()


def test_a_or_b(browser: Any, servers: dict[str, Server], shots: Path) -> None:
    """Two pictures of one size side by side on a telephone, dark; a tap on the picture answers too."""
    server = servers["a-or-b"]
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}
    judge = Judge(browser, server.url, shots, **phone)
    for number, which in enumerate((0, 1, 1, 0), start=1):
        judge.look(number)
        boxes = [image.bounding_box() for image in judge.page.locator(".question img").all()]
        assert len(boxes) == 2 and len({round(box[side]) for box in boxes for side in ("width", "height")}) == 1
        assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
        judge.not_wider_than_the_window()
        if number == 1:
            judge.shot("judge-phone")
        if number % 2:
            judge.page.locator(".question .frame").nth(which).tap()
        else:
            judge.page.locator(f"#judge-{which + 1}").tap()
    judge.says("Thank you.")
    assert [line["answer"] for line in server.lines()] == ["left", "right", "right", "left"]
    summary = summarise(read_answers(server.answers)[0])
    assert str(summary) in judge.page.inner_text(".verdict").replace("\xa0", " ")
    wins = sum(line["shown"][("left", "right").index(line["answer"])] == "B" for line in server.lines())
    assert summary.rates["preferred"].successes == wins
    judge.close()


def test_a_lost_file_is_told_and_costs_nothing(browser: Any, servers: dict[str, Server], shots: Path) -> None:
    """Answers cannot be written for a while: a sentence, and the question stays."""
    server = servers["a-or-b"]
    judge = Judge(browser, server.url, shots)
    judge.look(1)
    kept = server.answers.rename(server.answers.with_suffix(".kept"))
    server.answers.mkdir()
    try:
        judge.page.keyboard.press("ArrowLeft")
        judge.page.get_by_text(re.compile("Answers cannot be kept in answers.jsonl")).first.wait_for()
        assert judge.page.locator('[data-question="1"]').is_visible()
    finally:
        server.answers.rmdir()
        kept.rename(server.answers)
    before = len(server.lines())
    judge.page.keyboard.press("ArrowLeft")
    judge.look(2)
    assert len(server.lines()) == before + 1
    judge.close()
