"""A short film of a page: screenshots, a pointer drawn between them, and a sentence below that says what happens.

Frames are taken when the page is ready, not by the clock, so the film is as smooth on a slow machine.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, BAR = 1060, 820, 46  # pixels of the page, and of the sentence below it
INK, PAPER = (41, 39, 36), (250, 249, 246)
STEPS, STEP = 9, 45  # frames of a way of the pointer, and milliseconds of each
POINTER = ((0, 0), (0, 20), (5, 16), (8, 23), (12, 21), (9, 14), (15, 14))


class Tour:
    """The film of one page as it grows; ``page`` is Playwright's, of WIDTH x HEIGHT pixels."""

    def __init__(self, page: Any) -> None:
        self.page, self.sentence = page, ""
        self.frames: list[tuple[Image.Image, int]] = []
        self.at = (WIDTH * 0.62, HEIGHT * 0.8)
        self.shown = Image.new("RGB", (WIDTH, HEIGHT), PAPER)

    def look(self, milliseconds: int) -> None:
        """Take the page as it is now, and hold it."""
        self.shown = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self._add(milliseconds)

    def say(self, sentence: str, milliseconds: int = 700) -> None:
        """Another sentence below the page."""
        self.sentence = sentence
        self.look(milliseconds)

    def go(self, where: Any) -> None:
        """Move the pointer to the middle of a locator, or to a point."""
        if not isinstance(where, tuple):
            box = where.bounding_box()
            where = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        (left, top), (right, bottom) = self.at, where
        for step in range(1, STEPS + 1):
            share = step / STEPS
            share = share * share * (3 - 2 * share)
            self.at = (left + (right - left) * share, top + (bottom - top) * share)
            self._add(STEP)
        self.page.mouse.move(*where)

    def click(self, where: Any) -> None:
        """Go there and click."""
        self.go(where)
        self.look(250)
        self.page.mouse.click(*self.at)

    def scroll(self, pixels: int) -> None:
        """Scroll the page in small steps."""
        for _ in range(6):
            self.page.evaluate("by => window.scrollBy({top: by, behavior: 'instant'})", pixels / 6)
            self.look(STEP)

    def save(self, path: Path, quality: int = 60) -> None:
        """Write the film as an animated WebP, which browsers and the Hub show like any picture."""
        pictures, times = [one for one, _ in self.frames], [time for _, time in self.frames]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=times, loop=0, quality=quality, method=4,
            allow_mixed=True, kmin=9, kmax=30, minimize_size=False,
        )  # fmt: skip

    def _add(self, milliseconds: int) -> None:
        frame = Image.new("RGB", (WIDTH, HEIGHT + BAR), INK)
        frame.paste(self.shown)
        pen = ImageDraw.Draw(frame)
        pen.text((22, HEIGHT + BAR / 2), self.sentence, fill=PAPER, font=ImageFont.load_default(21), anchor="lm")
        left, top = self.at
        pen.polygon([(left + x, top + y) for x, y in POINTER], fill=INK, outline=PAPER)
        if self.frames and self.frames[-1][0].tobytes() == frame.tobytes():
            milliseconds += self.frames.pop()[1]
        self.frames.append((frame, milliseconds))
