"""The Restore tab: what it makes is the library's, and an old photo is restored in a real browser."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from gradio_client import Client, handle_file

from ganhub import AutoModel
from ganhub.app.tabs import restore as restore_tab
from ganhub.apply import restoring
from ganhub.creation import Inputs, LocalLibrary, Restore
from ganhub.errors import ConfigError, ImageError
from ganhub.images import load_image, resize, save_image
from ganhub.models import get_architecture
from ganhub.nn.random import uniform
from tests.app_server import refusal
from tests.browser import MARKS, Watched

pytest_plugins = ["tests.app_server", "tests.browser"]

NAMES = ("tiny-cleaner", "tiny-inpainting", "tiny-pix2pix", "tiny-srgan")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    save_image(uniform([1], 3, 40, 56) * 2 - 1, path)
    return str(path)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("masks") / "painted.png"
    layer = -torch.ones(1, 4, 40, 56)
    layer[:, 3, 10:20, 30:44] = 0.5
    save_image(layer, path)
    return str(path)


def edited(photo: str | None, *layers: str) -> dict:
    """An editor's value."""
    return {"background": handle_file(photo) if photo else None, "layers": [handle_file(layer) for layer in layers],
            "composite": None}  # fmt: skip


def mask_of(painted: str) -> torch.Tensor:
    return torch.where(load_image(painted, channels=4)[:, 3:] > -0.8, 1.0, -1.0)


def test_the_picture_is_the_library_s(client: Client, models: Path, photo: str, painted: str) -> None:
    steps = ["enlarge", "clean", "fill"]  # in whatever order they are ticked
    (before, after), told = client.predict(edited(photo, painted), steps, *NAMES, api_name="/restore_tab")
    cleaner, inpainter, _, upscaler = (AutoModel.from_pretrained(models / name) for name in NAMES)
    given = load_image(photo)
    wanted = restoring.restore(given, cleaner=cleaner, inpainter=inpainter, mask=mask_of(painted), upscaler=upscaler)
    assert (load_image(after) - wanted).abs().max() < 1.01 / 127.5 and "112 x 80 pixels, in" in told
    assert (load_image(before) - resize(given, (80, 112))).abs().max() < 1.01 / 127.5


def test_what_is_not_painted_is_not_filled(client: Client, models: Path, photo: str) -> None:
    (_, after), _ = client.predict(edited(photo), ["clean", "fill"], *NAMES, api_name="/restore_tab")
    wanted = AutoModel.from_pretrained(models / "tiny-cleaner").translate(load_image(photo))
    assert (load_image(after) - wanted).abs().max() < 1.01 / 127.5


def test_the_example_s_scratches_need_no_brush(client: Client, models: Path, photo: str) -> None:
    (_, after), told = client.predict(edited(restore_tab.OLD), ["fill"], *NAMES, api_name="/restore_tab")
    given, mask = load_image(restore_tab.OLD), mask_of(restore_tab.BRUSHED)
    wanted = AutoModel.from_pretrained(models / "tiny-inpainting").inpaint(given, mask)
    assert (load_image(after) - wanted).abs().max() < 1.01 / 127.5 and "marked beforehand" in told
    assert 0.05 < (mask > 0).float().mean() < 0.2
    assert not restore_tab.is_example(load_image(photo))


def test_the_example_is_restored_once_and_a_visitor_s_photo_is_not_kept(models: Path, photo: str, tmp_path) -> None:
    """Every visitor's tab opens on the example. Other models make other pictures of it."""
    library, cleaner, other = LocalLibrary(), str(models / NAMES[0]), str(tmp_path / "other")
    upscaler = str(models / NAMES[3])
    torch.manual_seed(1)
    get_architecture("srgan")(AutoModel.from_pretrained(cleaner).config).save_pretrained(other)

    def made(path: str = restore_tab.OLD, painted: bool = False, **names: str) -> torch.Tensor:
        inputs, mask = Inputs(), mask_of(restore_tab.BRUSHED)
        asked = Restore(photo=inputs.add(path), **names)
        mask = mask.flip(3) if painted else mask
        return restore_tab.made_of(asked, library, lambda *step: None, inputs, load_image(path), mask)

    first = made(cleaner=cleaner)
    wanted = AutoModel.from_pretrained(cleaner).translate(load_image(restore_tab.OLD))
    torch.testing.assert_close(first, wanted)
    assert made(cleaner=cleaner) is first
    assert not torch.equal(made(cleaner=other), first)
    made(photo, cleaner=cleaner), made(painted=True, cleaner=cleaner)
    assert len(restore_tab.EXAMPLES[library]) == 2
    assert made(cleaner=cleaner) is first
    for names in ({}, {"cleaner": other}, {"cleaner": cleaner}):
        made(**names, upscaler=upscaler)
    assert len(restore_tab.EXAMPLES[library]) == restore_tab.MOST_EXAMPLES
    assert made(cleaner=cleaner) is first, "asked for more lately than the other one"


@pytest.mark.parametrize("stops", [False, True])
def test_who_comes_while_the_example_is_restored_waits_for_the_same(models: Path, stops: bool) -> None:
    library, begun, may = LocalLibrary(), threading.Event(), threading.Event()

    def made(on_step) -> torch.Tensor:
        inputs = Inputs()
        asked = Restore(photo=inputs.add(restore_tab.OLD), cleaner=str(models / NAMES[0]))
        given, mask = load_image(restore_tab.OLD), mask_of(restore_tab.BRUSHED)
        return restore_tab.made_of(asked, library, on_step, inputs, given, mask)

    def slowly(*step) -> None:
        begun.set()
        may.wait(60)

    def second(*step) -> None:
        may.set()
        if stops:
            raise InterruptedError

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(made, slowly)
        assert begun.wait(60)
        if stops:
            with pytest.raises(InterruptedError):
                made(second)
        else:
            assert made(second) is first.result()


def test_what_is_refused(client: Client, photo: str, painted: str, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    said = refusal(client, edited(str(tmp_path / "text.png")), ["clean"], *NAMES, api_name="/restore_tab")
    assert "text.png" in said and "picture" in said
    said = refusal(client, edited(photo, painted, photo), ["fill"], *NAMES, api_name="/restore_tab")
    assert "whole picture" in said, "a layer without holes"
    save_image(torch.zeros(1, 4, 8, 8), tmp_path / "small.png")
    layers = painted, str(tmp_path / "small.png")
    assert "different sizes" in refusal(client, edited(photo, *layers), ["fill"], *NAMES, api_name="/restore_tab")
    assert "There is no photo yet" in refusal(client, edited(None), ["clean"], *NAMES, api_name="/restore_tab")
    assert "nothing to do" in refusal(client, edited(photo), ["fill"], *NAMES, api_name="/restore_tab")
    wrong = ("tiny-dcgan", *NAMES[1:])
    assert "which does not do this" in refusal(client, edited(photo), ["clean"], *wrong, api_name="/restore_tab")


class TestRestoring:
    def test_each_step_is_the_model_s_own_and_told(self, photo: str, painted: str) -> None:
        given, mask = load_image(photo), mask_of(painted)
        make = get_architecture("srgan")
        torch.manual_seed(0)
        cleaner = make(make.Config(scale=1, width=4, blocks=1, fold=2)).eval()
        upscaler, inpainter = make.tiny().eval(), get_architecture("inpainting").tiny().eval()
        seen = []
        made = restoring.restore(given, cleaner=cleaner, inpainter=inpainter, mask=mask, upscaler=upscaler,
                                 on_step=lambda *step: seen.append(step))  # fmt: skip
        clean = cleaner.translate(given)
        torch.testing.assert_close(seen[0][2], clean)
        torch.testing.assert_close(seen[1][2], inpainter.inpaint(clean, mask))
        torch.testing.assert_close(made, upscaler.translate(seen[1][2]))
        assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]

    def test_it_can_be_ended_after_any_tile(self) -> None:
        make, told = get_architecture("srgan"), []

        def stop(*step) -> None:
            told.append(step)
            raise InterruptedError

        cleaner = make(make.Config(scale=1, width=4, blocks=1, fold=2)).eval()
        with pytest.raises(InterruptedError):
            restoring.restore(torch.zeros(1, 3, 1232, 1232), cleaner=cleaner, on_step=stop)
        assert told == [(0, 1, None)]

    def test_transparency_passes_through(self) -> None:
        make = get_architecture("srgan")
        given = uniform([2], 4, 20, 24) * 2 - 1
        cleaner = make(make.Config(scale=1, width=4, blocks=1)).eval()
        made = restoring.restore(given, cleaner=cleaner, upscaler=make.tiny().eval())
        assert made.shape == (1, 4, 40, 48)
        torch.testing.assert_close(made[:, 3:], resize(given[:, 3:], (40, 48)).clamp(-1, 1), atol=1e-2, rtol=0)

    def test_nothing_to_do_and_too_large_are_said_before_any_work(self) -> None:
        make = get_architecture("srgan")
        with pytest.raises(ConfigError, match="nothing to do"):
            restoring.restore(torch.zeros(1, 3, 16, 16), inpainter=get_architecture("inpainting").tiny())
        cleaner = make(make.Config(scale=1, width=4, blocks=1))
        worked = []
        refused = {"other proportions": torch.ones(1, 1, 16, 40), "whole picture": torch.ones(1, 1, 16, 16)}
        for says, mask in refused.items():
            with pytest.raises(ImageError, match=says):
                restoring.restore(torch.zeros(1, 3, 16, 16), cleaner=cleaner, mask=mask,
                                  inpainter=get_architecture("inpainting").tiny(),
                                  on_step=lambda *step: worked.append(step))  # fmt: skip
        assert not worked
        with pytest.raises(ImageError, match="Shrink it first"):
            restoring.restore(torch.zeros(1, 1, 1, 1).expand(1, 3, 5000, 5000), cleaner=cleaner, upscaler=make.tiny())


class TestBrowser:
    pytestmark = MARKS

    def test_the_example_is_restored_and_what_is_painted_filled(self, browser, server, shots) -> None:
        visit = Watched(browser, server.url, shots)
        page = visit.page
        page.get_by_role("tab", name="Restore").click()
        canvas = page.locator("#restore-photo canvas").first
        canvas.wait_for()
        restored = "document.querySelector('#restore-made img[src*=restored]')"
        page.wait_for_function(f"{restored} && {restored}.naturalWidth")
        first = page.evaluate(f"{restored}.src")
        page.wait_for_timeout(1000)
        box = canvas.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x - 60, y)
        page.mouse.down()
        page.mouse.move(x + 60, y + 30, steps=6)
        page.mouse.up()
        page.wait_for_timeout(300)
        page.locator("#restore-run").click()
        page.wait_for_function(
            f"{restored} === null && document.querySelector('#restore-made img[src*=photo]')?.naturalWidth"
        )
        page.wait_for_function(
            f"before => {restored} && {restored}.src !== before && {restored}.naturalWidth", arg=first
        )
        pictures = [page.request.get(image.get_attribute("src")).body()
                    for image in page.locator("#restore-made img").all()]  # fmt: skip
        before, after = (load_image(picture) for picture in sorted(pictures, key=len))
        assert before.shape == after.shape and before.shape[2] in (704, 1408)
        visit.not_wider_than_the_window()
        visit.shot("restore")
        visit.close()
