"""The Translate tab: through the API, and with a drawing on its canvas in a real browser."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image
from skimage.measure import label
from torch import Tensor

from ganhub import AutoModel
from ganhub.app.tabs import translate
from ganhub.errors import ConfigError
from ganhub.images import load_image, save_image
from ganhub.nn.random import uniform
from tests.app_server import refusal
from tests.browser import MARKS, Watched, choose

pytest_plugins = ["tests.app_server", "tests.browser"]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[tuple[float, float]]:
    """Part of an ellipse, in degrees from the right, clockwise."""
    angles = [math.radians(start + (end - start) * k / 48) for k in range(49)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


FACE = [arc(0.5, 0.5, 0.36, 0.36, 0, 360), arc(0.5, 0.54, 0.2, 0.16, 15, 165)]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    save_image(uniform([1], 3, 40, 56) * 2 - 1, path)
    return str(path)


def drawn(path: str | None) -> dict:
    """An editor's value."""
    file = handle_file(path) if path else None
    return {"background": None, "layers": [], "composite": file}


def test_the_picture_is_the_library_s(client: Client, models: Path, photo: str) -> None:
    (before, path), told = client.predict("tiny-pix2pix", drawn(photo), api_name="/translate_tab")
    assert (load_image(before) - load_image(photo)).abs().max() < 1 / 127
    wanted = AutoModel.from_pretrained(models / "tiny-pix2pix").translate(load_image(photo))
    assert (load_image(path) - wanted).abs().max() < 1 / 127 and "Translated in" in told


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (Image.new("L", (256, 256), "white"), "leaves nothing on the paper"),
        (Image.new("L", (257, 8)), "256 pixels a side at most"),
        (None, "No font of this browser has"),
    ],
)
def test_what_a_browser_may_send_for_a_character(picture: Image.Image | None, says: str) -> None:
    file = io.BytesIO()
    if picture:
        picture.save(file, format="PNG")
    sent = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode() if picture else ""
    with pytest.raises(ConfigError, match=says):
        translate.written("永", sent)
    with pytest.raises(ConfigError, match="no data URL"):
        translate.written("永", "data:image/png;base64,%%%")
    with pytest.raises(ConfigError, match="Type a character"):
        translate.written("", sent)


def test_what_is_refused(client: Client, photo: str, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    said = refusal(client, "tiny-pix2pix", drawn(str(tmp_path / "text.png")), api_name="/translate_tab")
    assert "text.png" in said and "picture" in said
    assert "The canvas is empty" in refusal(client, "tiny-pix2pix", drawn(None), api_name="/translate_tab")
    assert "which does not do this" in refusal(client, "tiny-dcgan", drawn(photo), api_name="/translate_tab")
    assert "Choose one from the menu" in refusal(client, "", drawn(photo), api_name="/translate_tab")


class TestBrowser:
    pytestmark = MARKS

    def test_a_drawing_is_translated_as_it_is_drawn(self, browser, server, shots) -> None:
        visit = Watched(browser, server.url, shots)
        page = visit.page
        page.get_by_role("tab", name="Translate").click()
        canvas = page.locator("#translate-canvas canvas").first
        canvas.wait_for()
        page.wait_for_timeout(1000)
        page.locator("#translate-made img").first.wait_for()  # the sketch that the canvas opens with
        box = canvas.bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        made = "document.querySelector('#translate-made img[src*=translation]')"
        pictures = [page.evaluate(f"{made}.src")]
        for line in FACE:
            corners = [[middle[k] + 360 * (corner[k] - 0.5) for k in (0, 1)] for corner in line[::16]]
            page.mouse.move(*corners[0])
            page.mouse.down()
            for corner in corners[1:]:
                page.mouse.move(*corner)
            page.mouse.up()
            page.wait_for_function(
                f"before => {{ const made = {made}; return made && made.naturalWidth && made.src !== before; }}",
                arg=pictures[-1],
            )
            pictures.append(page.evaluate(f"{made}.src"))
        assert "Translated in" in page.locator("#translate-status").inner_text()
        visit.not_wider_than_the_window()
        visit.shot("translate")
        visit.close()

    @staticmethod
    def given(page) -> Tensor:
        """The ink of what was translated, [H, W] in [0, 1]."""
        address = page.locator("#translate-made img[src*=before]").get_attribute("src")
        return (1 - load_image(io.BytesIO(page.request.get(address).body()), channels=1)[0, 0]) / 2

    def test_a_typed_character_becomes_calligraphy(self, browser, server, shots) -> None:
        visit = Watched(browser, server.url, shots)
        page = visit.page
        page.get_by_role("tab", name="Translate").click()
        page.locator("#translate-made img").first.wait_for()
        box = page.locator("#translate-character textarea, #translate-character input")
        assert not box.is_visible()  # another model is chosen
        choose(page, "#translate-model", "pix2pix-brush")
        box.wait_for()
        box.fill(" R and more")
        page.locator("#translate-character button").click()
        for _ in range(240):  # until what is translated is an R: one piece, and one hole
            ink = self.given(page).numpy() > 0.5
            if (label(ink).max(), label(~ink, connectivity=1).max()) == (1, 2):
                break
            page.wait_for_timeout(500)
        else:
            raise AssertionError("no R was translated")
        assert 0.02 < ink.mean() < 0.12  # lines, no strokes as thick as the font's
        for places, side in zip(ink.nonzero(), ink.shape, strict=True):
            assert abs((places.min() + places.max()) / 2 - side / 2) < 0.03 * side  # in the middle
            assert places.max() - places.min() > 0.3 * side
        visit.shot("translate-character")
        box.fill("\U0010ffff")  # no character at all
        box.press("Enter")
        page.get_by_text("No font of this browser has").first.wait_for()
        visit.close()
