"""The app as its API's callers meet it: a running server, the real client, real (tiny) models."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from ganhub import zoo
from ganhub.app import Library
from ganhub.app._parts import follow, run_and_stop
from ganhub.app.declared import Bench
from ganhub.app.jobs import Job, Jobs, Stopped
from ganhub.creation import Generate, list_verbs
from ganhub.creation.reproduce import read_creation
from ganhub.errors import GanhubError
from ganhub.images import from_pil, load_image
from ganhub.models import AutoModel, LatentGenerator, Stylizer, get_architecture
from tests.app_server import Server, refusal, wait_until
from tests.shield_app import run_async

pytest_plugins = ["tests.app_server", "tests.hub_server"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # gradio_client leaves its streams to the collector
TABS = ("generate", "interpolate", "evolve", "style", "translate", "restore", "edit")  # whose names are verbs, too
BUTTONS = {f"{tab}_tab" for tab in TABS} | {f"stop_{tab}" for tab in (*TABS, "conditional")}
BUTTONS |= {"conditional", "breed", "keep_seed", "send_to_edit"}
BUTTONS |= {f"edit_{what}" for what in ("seed", "photo", "reset", "mix_photo")}
NOT_NEAR = (0, 0)  # of Generate: likeness, and the seed that pictures are near


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(path)
    return str(path)


def wall(client: Client, *arguments: Any) -> list[tuple[bytes, str]]:
    pictures, _ = client.predict(*arguments, *NOT_NEAR, api_name="/generate_tab")
    return [(Path(picture["image"]).read_bytes(), picture["caption"]) for picture in pictures]


COLOURS = "the style's"


def style_call(content: str | None, style: str | None, *rest: Any, model: str = "tiny-gatys", name: str = "",
               other: str | None = None, other_name: str = "", blend: float = 0) -> tuple:  # fmt: skip
    """What /style takes; ``rest`` is strength, size, stroke size, colours and seed, or the first few of them."""
    files = [handle_file(path) if path else None for path in (content, style, other)]
    return (model, *files, name, other_name, blend, *rest, *(1, 96, 1, COLOURS, 0)[len(rest) :])


def paint(client: Client, content: str, style: str | None, *, strength: float = 1, size: int = 96, **options: Any):
    """The painting's path and the sentence beside it."""
    call = style_call(content, style, strength, size, **options)
    (_, painting), told = client.predict(*call, api_name="/style_tab")
    return painting, told


# ---- the API


def test_every_button_is_a_named_endpoint_with_a_description(client: Client) -> None:
    """What buttons do can be called by name; the documentation has the verbs (see test_api.py)."""
    documented = client.view_api(return_format="dict")["named_endpoints"]
    assert set(documented) == {f"/{verb}" for verb in (*list_verbs(), "create", "describe")}
    listeners = client.config["dependencies"]
    named = [one for one in listeners if one["api_visibility"] == "undocumented"]
    assert {one["api_name"] for one in named} == BUTTONS
    assert all(len(one["api_description"]) > 40 for one in named)
    assert {one["api_visibility"] for one in listeners} == {"public", "undocumented", "private"}


# ---- generate


def test_same_seed_same_picture_whatever_stands_beside_it(client: Client) -> None:
    first = wall(client, "tiny-dcgan", 6, 3, 1.0)
    assert [caption for _, caption in first] == [f"seed {seed}" for seed in range(3, 9)]
    assert all(data.startswith(b"\x89PNG\r\n\x1a\n") for data, _ in first)
    assert len({data for data, _ in first}) == 6
    assert wall(client, "tiny-dcgan", 6, 3, 1.0) == first
    assert wall(client, "tiny-dcgan", 1, 5, 1.0) == first[2:3]


def test_the_picture_is_the_models(client: Client, models: Path, tmp_path: Path) -> None:
    """The app's wall is what ``sample`` gives, to the last of 256 shades."""
    (data, _), *_ = wall(client, "tiny-dcgan", 1, 7, 0.5)
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    expected = get_architecture("dcgan").from_folder(models / "tiny-dcgan").sample(1, seed=7, truncation=0.5)
    assert (load_image(path) - expected).abs().max() < 1 / 127.5
    assert wall(client, "tiny-dcgan", 1, 7, 1.0)[0][0] != data
    made_from = read_creation(path)
    assert made_from == Generate(model="tiny-dcgan", seed=7, truncation=0.5, revision=made_from.revision)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiny-dcgan", 10**9, 0, 1.0), "Pictures must be from 1 to 64"),
        (("tiny-dcgan", "many", 0, 1.0), "Pictures must be a whole number"),
        (("tiny-dcgan", None, 0, 1.0), "Pictures must be a whole number"),
        (("tiny-dcgan", 4, -1, 1.0), "seed must be from 0"),
        (("tiny-dcgan", 4, 2**40, 1.0), "seed must be from 0"),
        (("tiny-dcgan", 4, 0.5, 1.0), "seed must be a whole number"),
        (("tiny-dcgan", 4, 0, 99), "truncation must be from 0 to 1.5"),
        (("tiny-dcgna", 4, 0, 1.0), "Did you mean 'tiny-dcgan'"),
        (("", 4, 0, 1.0), "Choose one from the menu"),
        ((None, 4, 0, 1.0), "Choose one from the menu"),
        (("../models/tiny-dcgan", 4, 0, 1.0), "Choose one from the menu"),
        (("/etc", 4, 0, 1.0), "Choose one from the menu"),
        (("<img src=x onerror=alert(1)>", 4, 0, 1.0), "&lt;img"),
        (("tiny-gatys", 4, 0, 1.0), "choose another model"),
    ],
)
def test_refusals(client: Client, arguments: tuple, says: str) -> None:
    assert says in refusal(client, *arguments, *NOT_NEAR, api_name="/generate_tab")


def test_keep_seed(client: Client) -> None:
    assert client.predict("7", "3, 14", api_name="/keep_seed") == "3, 14, 7"
    assert client.predict("3", "3, 14", api_name="/keep_seed") == "14, 3"
    assert client.predict("3", "4 (cat) x2 5", api_name="/keep_seed") == "4 (cat) x2, 5, 3"
    assert "Click a picture" in refusal(client, "", "3", api_name="/keep_seed")


# ---- interpolate

USUAL = ("linear", 1.0, 24, False, "")  # easing, truncation, frames a second, the same change in each frame, space


def film(client: Client, *arguments: Any) -> tuple[np.ndarray, str | None, str | None]:
    strip, mp4, gif, _ = client.predict(*arguments, api_name="/interpolate_tab")
    value = [part.get("value", part) if isinstance(part, dict) else part for part in (mp4, gif)]
    value = [part.get("video", part) if isinstance(part, dict) else part for part in value]
    with Image.open(strip) as picture:
        return np.asarray(picture), *value


def test_interpolate_strip_and_film(client: Client) -> None:
    import av

    strip, mp4, gif = film(client, "tiny-dcgan", "3, 14", "as each seed has it", 12, "mp4", False, *USUAL)
    assert strip.shape[1] > 9 * strip.shape[0] and gif is None
    with av.open(mp4) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == 12
    again, mp4, gif = film(client, "tiny-dcgan", "3 14", "", 12, "gif", False, *USUAL)
    assert (again == strip).all() and mp4 is None
    with Image.open(gif) as picture:
        assert picture.n_frames == 12
    again, webm, gif = film(client, "tiny-dcgan", "3 14", "", 12, "webm", False, *USUAL)
    assert (again == strip).all() and gif is None
    with av.open(webm) as container:
        assert container.streams.video[0].codec_context.name == "vp9"


def test_interpolate_ends_at_the_seeds(client: Client, models: Path) -> None:
    strip, *_ = film(client, "tiny-dcgan", "3,14", "", 10, "mp4", False, *USUAL)
    generator = get_architecture("dcgan").from_folder(models / "tiny-dcgan")
    left, right = (round(float(generator.sample(1, seed=seed)[0, 0, 0, 0] + 1) * 127.5) for seed in (3, 14))
    height = strip.shape[0]
    assert abs(int(strip[1, 1, 0]) - left) <= 1
    assert abs(int(strip[1, strip.shape[1] - height + 1, 0]) - right) <= 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiny-dcgan", "3", "", 12, "mp4", True), "Give 2 to 12 seeds"),
        (("tiny-dcgan", "3, x", "", 12, "mp4", True), "'x' is no seed"),
        (("tiny-dcgan", "1 2", "", 10**9, "mp4", True), "Frames must be from 2 to 240"),
        (("tiny-dcgan", "1 2", "", 12, "AVI", True), "list of choices"),
        (("tiny-dcgan", "1 2", "cat", 12, "mp4", True), "leave the label out"),
        (("tiny-conditional-gan", "1 2", "crcle", 12, "mp4", True), "Did you mean 'circle'"),
        (("tiny-conditional-gan", "1 2 (crcle)", "", 12, "mp4", True), "Did you mean 'circle'"),
    ],
)
def test_interpolate_refusals(client: Client, arguments: tuple, says: str) -> None:
    assert says in refusal(client, *arguments, *USUAL, api_name="/interpolate_tab")


# ---- conditional


def rows(client: Client, classes: list[str], styles: int = 3, seed: int = 5) -> list[tuple[bytes, str]]:
    gallery, _ = client.predict("tiny-conditional-gan", classes, styles, seed, 1.0, 0, 0, api_name="/conditional")
    pictures = gallery["value"] if isinstance(gallery, dict) else gallery
    return [(Path(picture["image"]).read_bytes(), picture["caption"]) for picture in pictures]


def test_conditional_rows_share_the_style_of_a_column(client: Client, models: Path) -> None:
    drawn = rows(client, ["ring", "circle"])
    assert [caption for _, caption in drawn] == ["ring"] * 3 + ["circle"] * 3
    assert [data for data, _ in rows(client, ["circle"])] == [data for data, _ in drawn[3:]]
    generator = get_architecture("conditional-gan").from_folder(models / "tiny-conditional-gan")
    for place, (data, caption) in enumerate(drawn):  # column 0 is seed 5 in each row, column 1 seed 6, column 2 seed 7
        expected = generator.generate(generator.latent([5 + place % 3]), generator.labels(1, caption))
        shown = from_pil(Image.open(io.BytesIO(data)))
        times = shown.shape[-1] // expected.shape[-1]  # the page shows small pictures enlarged
        assert (shown[..., ::times, ::times] - expected).abs().max() < 1 / 127.5, (place, caption)
    assert drawn[1][0] != drawn[4][0]


def test_conditional_refusals(client: Client) -> None:
    def says(model: str, classes: Any, styles: int = 2) -> str:
        return refusal(client, model, classes, styles, 0, 1.0, 0, 0, api_name="/conditional")

    assert "Did you mean 'cross'" in says("tiny-conditional-gan", ["crss"])
    assert "Choose 1 to 16 classes" in says("tiny-conditional-gan", [])
    assert "Choose 1 to 16 classes" in says("tiny-conditional-gan", ["ring"] * 1000)
    assert "Styles must be from 1 to 12" in says("tiny-conditional-gan", ["ring"], 10**6)
    assert "knows no classes" in says("tiny-dcgan", ["ring"])


# ---- style


def test_style_paints_and_strength_zero_gives_the_content_back(client: Client, photo: str) -> None:
    path, told = paint(client, photo, photo, strength=0)
    assert Path(path).read_bytes().startswith(b"\x89PNG") and "Painted" in told
    assert (load_image(path) - load_image(photo)).abs().max() < 0.01
    style = str(Path(photo).with_name("style.png"))
    Image.new("RGB", (64, 64), (200, 40, 30)).save(style)
    painted, _ = paint(client, photo, style)
    assert (load_image(painted) - load_image(photo)).abs().mean() > 0.01


@pytest.mark.parametrize("kind", ["RGBA", "CMYK", "I;16", "L", "rotated"])
def test_style_takes_uploads_of_any_mode(client: Client, photo: str, tmp_path: Path, kind: str) -> None:
    with Image.open(photo) as original:
        picture = original.resize((96, 64))
    path = tmp_path / ("upload.png" if kind in ("RGBA", "I;16", "L") else "upload.jpg")
    if kind == "rotated":
        exif = Image.Exif()
        exif[274] = 6
        picture.save(path, exif=exif)
    elif kind == "I;16":
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        picture.convert(kind).save(path)
    painted, _ = paint(client, str(path), photo, strength=0)
    assert load_image(painted).shape[-2:] == ((96, 64) if kind == "rotated" else (64, 96))


def test_style_refusals(client: Client, photo: str, tmp_path: Path) -> None:
    text, wide = tmp_path / "notes.png", tmp_path / "wide.png"
    text.write_text("no picture at all")
    Image.new("1", (20_000, 10)).save(wide)
    bomb = tmp_path / "bomb.png"
    Image.new("1", (16_000, 16_000)).save(bomb)
    for path, says in ((text, "not a picture"), (wide, "20000 x 10"), (bomb, "64 megapixels")):
        with pytest.raises(AppError, match=says):
            paint(client, str(path), photo)
    assert "There is no style picture yet" in refusal(client, *style_call(photo, None), api_name="/style_tab")
    for arguments, says in (
        ((1, 10**6), "Size"), ((7,), "Strength"), ((1, 96, 1e9), "Stroke size"), ((1, 96, 1, "mine"), "Colours")
    ):  # fmt: skip
        assert says in refusal(client, *style_call(photo, photo, *arguments), api_name="/style_tab")
    assert "Did you mean 'waves'" in refusal(
        client, *style_call(photo, None, model="tiny-fast-style", name="wave"), api_name="/style_tab"
    )


def test_named_styles_paint_as_the_library_does_and_blend(client: Client, models: Path, photo: str) -> None:
    network, picture = AutoModel.from_pretrained(models / "tiny-fast-style"), load_image(photo, max_side=96)
    options = {"model": "tiny-fast-style", "name": "dots", "other_name": "waves"}
    for blend, style in ((0, "dots"), (0.25, [("dots", 0.75), ("waves", 0.25)]), (1, "waves")):
        path, told = paint(client, photo, None, blend=blend, **options)
        assert "Painted" in told
        assert (load_image(path) - network.stylize(picture, style)).abs().max() < 2 / 127.5
    path, _ = paint(client, photo, None, strength=0, **options)
    assert (load_image(path) - picture).abs().max() < 1 / 127


# ---- stopping


@pytest.mark.parametrize("how", ["stop button", "client cancels"])
def test_stopping_ends_the_worker(server: Server, client: Client, photo: str, how: str) -> None:
    job = client.submit(*style_call(photo, photo, model="endless"), api_name="/style_tab")
    wait_until(lambda: len(job.outputs()) >= 2)
    assert server.workers() == 1
    if how == "stop button":
        assert client.predict(api_name="/stop_style") == "Stopped."
        (_, path), told = job.result(timeout=60)
        assert "Stopped" in told and Path(path).is_file()
    else:
        job.cancel()
    wait_until(lambda: server.workers() == 0)


def test_a_stop_that_waits_takes_no_thread() -> None:
    """Fifty Stops wait for one step that does not end, and threads, which serve the files, are all free."""
    jobs, begun, end = Jobs(), threading.Event(), threading.Event()

    def one_long_step(report: Any) -> None:
        begun.set()
        end.wait(60)
        report(1, 2)

    class Request:
        session_hash = "me"

    job = jobs.start(("me", "tab"), one_long_step)
    begun.wait(10)

    async def many() -> tuple[int, list[str]]:
        with gr.Blocks() as page:
            run_and_stop("Run", jobs, "tab")
        stop = next(fn.fn for fn in page.fns.values() if fn.api_name == "stop_tab")
        before = threading.active_count()
        waiting = [asyncio.create_task(stop(Request())) for _ in range(50)]
        await asyncio.sleep(0.2)
        threads = threading.active_count() - before
        end.set()
        return threads, await asyncio.gather(*waiting)

    threads, told = run_async(many())
    assert threads == 0 and set(told) == {"Stopped."} and job.stopped


def test_a_job_ends_with_its_listener() -> None:
    steps = []

    def work(report: Any) -> None:
        while True:
            steps.append(1)
            report(len(steps), 10**9, preview=len(steps))
            time.sleep(0.01)

    job = Job(work)
    listener = iter(job)
    assert next(listener).step > 0
    listener.close()
    with pytest.raises(Stopped):
        job.result()
    assert job.stopped and job.done and job.preview is not None


def test_jobs_hand_errors_on_and_replace_their_predecessor() -> None:
    def fail(report: Any) -> None:
        raise GanhubError("no")

    with pytest.raises(GanhubError, match="no"):
        Job(fail).result()
    jobs = Jobs()
    begun = threading.Event()

    def spin(report: Any) -> None:
        while True:
            report(1, 2)
            begun.set()
            time.sleep(0.01)

    first = jobs.start(("me", "style"), spin)
    begun.wait(10)
    second = jobs.start(("me", "style"), spin)
    first.thread.join(10)
    assert first.stopped and not second.done
    assert jobs.stop(("you", "style")) is None and jobs.stop(("me", "style")) is second
    second.thread.join(10)
    assert jobs.stop(("me", "style")) is None and jobs.running() == 0


def test_what_was_asked_for_last_is_shown() -> None:
    """Work that ended well is silent where newer work began before its result was shown."""
    jobs = Jobs()
    bench = Bench(library=None, jobs=jobs, drawings=None)
    me, ended = SimpleNamespace(session_hash="me"), threading.Event()

    def work(report: Any) -> str:
        ended.wait(10)
        return "first"

    def ask(work: Any) -> Any:
        return (yield from follow(bench, "style", me, work, noun="Step", outputs=1, stopped="Stopped."))

    first = ask(work)
    assert "Loading" in next(first)[-1]
    ended.set()
    jobs._newest["me", "style"].result()
    second = ask(lambda report: "second")
    with pytest.raises(StopIteration) as end:
        next(second)
    assert end.value.value.result() == "second"
    said = list(first)
    assert said and all(one == {"__type__": "update"} for values in said for one in values)


# ---- the library


def test_library_lists_by_verb_and_forgets_the_oldest(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANHUB_MODELS", str(models))
    library = Library(keep=1)
    assert {"tiny-conditional-gan", "tiny-dcgan"} <= set(zoo.names(LatentGenerator))
    assert {"tiny-gatys", "endless"} <= set(zoo.names(Stylizer))
    assert "tiny-gatys" not in zoo.names(LatentGenerator)
    conditional = zoo.names(LatentGenerator, conditional=True)
    assert "tiny-conditional-gan" in conditional and "tiny-dcgan" not in conditional
    first = library.open("tiny-dcgan")
    assert library.open("tiny-dcgan") is first
    library.open("tiny-conditional-gan")
    assert library.open("tiny-dcgan") is not first


def test_library_reads_a_retrained_model_again(models_folder: Path) -> None:
    library, tiny = Library(), get_architecture("dcgan").tiny()
    tiny.save_pretrained(models_folder / "mine")
    before = library.open("mine")
    time.sleep(0.02)
    tiny.save_pretrained(models_folder / "mine")
    assert library.open("mine") is not before
    (models_folder / "mine" / "config.json").write_text("{broken")
    assert "mine" not in zoo.names()  # and the app goes on


def test_a_visitors_hub_id(hub_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded without a token, never from a folder of that name, and refused by size before it is fetched."""
    get_architecture("dcgan").tiny().save_pretrained(tmp_path / "dcgan")
    hub_server.put("someone/there", tmp_path / "dcgan")
    monkeypatch.setenv("HF_TOKEN", hub_server.token)
    monkeypatch.chdir(tmp_path)
    get_architecture("mlp-gan").tiny().save_pretrained(tmp_path / "someone" / "there")
    library = Library(cache_dir=tmp_path / "cache")
    assert library.open("someone/there").architecture == "dcgan"
    assert hub_server.requests and not [headers for *_, headers in hub_server.requests if "authorization" in headers]
    small = Library(cache_dir=tmp_path / "small", max_bytes=100)
    with pytest.raises(GanhubError, match="more than"):
        small.open("someone/there")
    assert not list((tmp_path / "small").rglob("*.safetensors"))
    with pytest.raises(GanhubError) as error:
        library.open("someone/nowhere")
    assert "does not exist" in str(error.value)
