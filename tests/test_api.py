"""The API of Creations: its endpoints and their schemas, what they make, and what they refuse, against a real app."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import subprocess
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from ganhub.app import _parts as parts
from ganhub.app.api import lane_of, require_allowed
from ganhub.app.shield import Limits
from ganhub.creation import Creation, Edit, Generate, Inputs, Interpolate, LocalLibrary, Style, read_creation, render
from ganhub.creation.schema import field_texts, kinds, schema_of
from ganhub.errors import ConfigError
from ganhub.images import load_image, save_image, to_uint8
from ganhub.nn.random import uniform
from tests.app_server import ROOT, Server, refusal, wait_until

pytest_plugins = ["tests.app_server"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # gradio_client leaves its streams to the collector
DOCS = (ROOT / "docs" / "api.md").read_text()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    save_image(uniform([1], 3, 48, 40) * 2 - 1, path)
    return path


@pytest.fixture(scope="module")
def info(server: Server) -> dict[str, Any]:
    return httpx.get(f"{server.url}gradio_api/info", trust_env=False, timeout=60).json()["named_endpoints"]


def data_url(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def direct(server: Server, name: str, *values: Any) -> httpx.Response:
    """An answer without the queue, as ``curl`` gets it."""
    address = f"{server.url}gradio_api/run/{name}"
    return httpx.post(address, json={"data": list(values)}, trust_env=False, timeout=120)


# ---- schemas


@pytest.mark.parametrize("kind", kinds().values(), ids=kinds())
def test_every_field_of_a_creation_has_a_type_and_a_description(kind: type[Creation]) -> None:
    schema = schema_of(kind)
    assert set(schema["properties"]) == {field.name for field in fields(kind)} == set(field_texts(kind))
    for name, field in schema["properties"].items():
        assert field["description"] and {"type", "anyOf"} & set(field), name
    assert len(schema["description"]) > 10


def test_ranges_and_choices_are_those_that_are_checked() -> None:
    known = schema_of(Interpolate)["properties"]
    assert (known["truncation"]["minimum"], known["truncation"]["maximum"]) == (0, 1.5)
    assert known["seeds"] == {
        "type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
        "description": "Two or more, one for each pin.",
    }  # fmt: skip
    assert known["easing"]["enum"] == ["linear", "smooth", "hold"] and known["format"]["enum"][0] == "mp4"
    assert known["space"]["enum"] == ["", "z", "w"] and known["frames"]["default"] == 48
    assert {"type": "null"} in known["label"]["anyOf"]


def test_there_is_an_endpoint_for_each_verb_and_its_parameters_are_the_fields(info: dict) -> None:
    assert set(info) == {f"/{verb}" for verb in kinds()} | {"/create", "/describe"}
    for verb, kind in kinds().items():
        parameters = info[f"/{verb}"]["parameters"]
        assert {one["parameter_name"] for one in parameters} == {field.name for field in fields(kind)}, verb
        assert all(one["python_type"]["description"] for one in parameters), verb
        assert len(info[f"/{verb}"]["description"]) > 40 and len(info[f"/{verb}"]["returns"]) == 4
    count = next(one for one in info["/generate"]["parameters"] if one["parameter_name"] == "count")
    assert count["type"]["maximum"] == Limits().pictures and count["parameter_default"] == 1


def test_describe_tells_verbs_and_models(server: Server) -> None:
    told = direct(server, "describe").json()["data"][0]
    assert set(told["verbs"]) == set(kinds())
    models = {one["name"]: one for one in told["models"]}
    assert models["tiny-conditional-gan"]["classes"] == ["circle", "cross", "ring"]
    assert models["tiny-dcgan"]["does"] == "latent_generator" and models["tiny-dcgan"]["size"]


# ---- what is made


def test_a_picture_is_the_library_s_own_and_create_makes_it_again(
    client: Client, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, files, sentence, creation = client.predict(
        model="tiny-stylegan2", seed=5, count=3, truncation=0.7, api_name="/generate"
    )
    monkeypatch.setenv("GANHUB_MODELS", str(models))
    wall = Generate(model="tiny-stylegan2", seed=5, count=3, truncation=0.7)
    assert Creation.from_dict(creation) == wall and "3 pictures" in sentence and Path(look).is_file()
    for file, picture in zip(files, render(wall, LocalLibrary()).pictures, strict=True):
        assert (to_uint8(load_image(file, channels=3)) == to_uint8(picture[None])).all()
    again = client.predict(creation=creation, pictures=[], api_name="/create")
    assert [Path(file).read_bytes() for file in again[1]] == [Path(file).read_bytes() for file in files]


def test_a_film(client: Client) -> None:
    look, files, _, creation = client.predict(
        model="tiny-dcgan", seeds=[3, 4], frames=8, fps=12, api_name="/interpolate"
    )
    assert Path(look).suffix == ".png" and Path(files[0]).suffix == ".mp4"
    assert creation["seeds"] == [3, 4] and len(Path(files[0]).read_bytes()) > 500
    pins = {"seeds": [3, 4], "durations": [2, 1], "easing": "hold", "frames": 8, "format": "webm"}
    _, (file,), _, creation = client.predict(model="tiny-dcgan", **pins, api_name="/interpolate")
    assert replace(read_creation(file), revision="") == Creation.from_dict(creation)
    assert creation["format"] == "webm" == Path(file).suffix[1:]


def test_the_same_photo_by_upload_and_as_a_data_url(client: Client, server: Server, photo: Path) -> None:
    _, (one,), _, creation = client.predict(model="tiny-pix2pix", photo=handle_file(str(photo)), api_name="/translate")
    answer = direct(server, "create", {**creation, "photo": data_url(photo)}, [])
    two = answer.json()["data"][1][0]
    first = Path(one).read_bytes()
    assert httpx.get(two["url"], trust_env=False).content == first
    given = direct(server, "create", creation, [data_url(photo)])
    assert httpx.get(given.json()["data"][1][0]["url"], trust_env=False).content == first


def test_styles_may_be_pictures(client: Client, photo: Path) -> None:
    styles = [[handle_file(str(photo)), 2.0]]
    _, files, _, creation = client.predict(
        model="tiny-gatys", photo=handle_file(str(photo)), styles=styles, api_name="/style"
    )
    assert len(files) == 1 and re.fullmatch("[0-9a-f]{64}", creation["styles"][0][0])
    with Image.open(files[0]) as picture:
        assert picture.size == (40, 48)


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("generate", {"model": "tiny-dcgan", "count": 65}, "64 pictures at most"),
        ("generate", {"model": "tiny-dcgan", "seed": -1}, "seed must be from 0"),
        ("generate", {"model": "tiny-dcgan", "seed": "seven"}, "seed must be a whole number"),
        ("generate", {"model": "tiny-dcgan", "labels": "all"}, "labels must be a list"),
        ("generate", {"model": "../tiny-dcgan"}, "There is no model"),
        ("interpolate", {"model": "tiny-dcgan", "seeds": [1, 2], "frames": 241}, "at most 240"),
        ("edit", {"model": "tiny-stylegan2", "photo": "0" * 64}, "The photo is not here"),
        ("translate", {"model": "tiny-pix2pix", "photo": "/etc/passwd"}, "no picture that is here"),
        ("translate", {"model": "tiny-pix2pix", "photo": "http://127.0.0.1:9/a.png"}, "no picture that is here"),
        ("translate", {"model": "tiny-pix2pix", "photo": "data:image/png;base64,%%%"}, "no data URL"),
        ("translate", {"model": "tiny-pix2pix", "photo": "data:text/html;base64,aGk="}, "no data URL"),
        ("create", {"creation": {"verb": "generat"}}, "Did you mean 'generate'"),
        ("create", {"creation": "generate"}, "table of fields"),
        ("create", {"creation": {"verb": "generate", "model": "tiny-dcgan", "path": "/etc"}}, "no upload"),
    ],
)
def test_refusals_are_sentences(client: Client, name: str, values: dict, says: str) -> None:
    with pytest.raises(Exception) as error:  # noqa: B017
        client.predict(**values, api_name=f"/{name}")
    assert says in str(error.value).replace("&#x27;", "'"), error.value
    assert "Traceback" not in str(error.value)


def test_a_parameter_that_is_missing_or_unknown_is_named(server: Server) -> None:
    address = f"{server.url}gradio_api/call/v2/generate"
    for given, says in (({}, "missing, model:"), ({"model": "tiny-dcgan", "size": 3}, "no parameter size here")):
        answer = httpx.post(address, json=given, trust_env=False, timeout=60)
        assert answer.status_code == 400 and says in answer.json()["error"]


def test_a_photo_larger_than_allowed_is_refused_unless_it_is_shrunk(server: Server, tmp_path: Path) -> None:
    Image.new("RGB", (1500, 20), "red").save(tmp_path / "wide.png")
    photo = data_url(tmp_path / "wide.png")
    asked = {"verb": "translate", "model": "tiny-pix2pix", "photo": photo}
    answer = direct(server, "create", asked, [])
    assert answer.status_code == 400 and "set size to 1024 or less" in answer.json()["error"]
    assert direct(server, "create", {**asked, "size": 200}, []).status_code == 200


def test_the_page_s_own_listeners_are_not_told_to_callers_and_go_on(client: Client, info: dict) -> None:
    assert "/stop_generate" not in info and "/generate_tab" not in info
    assert "must be from 1 to 64" in refusal(client, "tiny-dcgan", 0, 0, 1.0, 0, 0, api_name="/generate_tab")


# ---- lanes, and who leaves


def test_lanes_are_by_what_the_work_takes() -> None:
    photo = "0" * 64
    assert lane_of(Generate(model="a")) == "quick" and lane_of(Interpolate(model="a", seeds=(1, 2))) == "film"
    assert lane_of(Style(model="fast-style", photo=photo, styles=(("waves", 1),))) == "photo"
    assert lane_of(Style(model="gatys", photo=photo, styles=((photo, 1),))) == "slow"
    assert lane_of(Edit(model="a")) == "photo" and lane_of(Edit(model="a", photo=photo)) == "slow"
    assert lane_of(Edit(model="a", mix_photo=photo)) == "slow"


def test_the_other_photo_of_a_mix_has_the_limits_of_a_photo(tmp_path: Path) -> None:
    Image.new("RGB", (1500, 20), "red").save(tmp_path / "wide.png")
    inputs, limits = Inputs(), Limits()
    asked = Edit(model="a", mixed="fine", mix_photo=inputs.add(tmp_path / "wide.png"), size=1024)
    require_allowed(asked, inputs, limits)
    for wrong, says in ((replace(asked, steps=401), "steps must be"), (replace(asked, size=0), "set size to 1024")):
        with pytest.raises(ConfigError, match=says):
            require_allowed(wrong, inputs, limits)


def endless(photo: Path) -> dict[str, Any]:
    picture = data_url(photo)
    return {"verb": "style", "model": "endless", "photo": picture, "size": 16, "styles": [[picture, 1.0]]}


def test_who_leaves_a_direct_call_frees_the_worker(server: Server, photo: Path) -> None:
    before = server.workers()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}gradio_api/run/create", json={"data": [endless(photo), []]}, trust_env=False, timeout=3
        )
    wait_until(lambda: server.workers() == before)


def test_a_slow_painting_blocks_no_picture_and_ends_when_its_listener_leaves(server: Server, photo: Path) -> None:
    before, session = server.workers(), "leaver"
    config = httpx.get(f"{server.url}config", trust_env=False, timeout=60).json()["dependencies"]
    listener = next(one["id"] for one in config if one["api_name"] == "create")
    body = {"data": [endless(photo), []], "fn_index": listener, "session_hash": session}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as visitor:
        assert visitor.post("gradio_api/queue/join", json=body).status_code == 200
        with visitor.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
            lines = stream.iter_lines()
            assert any('"progress"' in line for line in lines), "how far it is, is told"
            other = {**endless(photo), "model": "fast-style", "styles": [["dots", 1.0]], "size": 48}
            answer = visitor.post("gradio_api/run/create", json={"data": [other, []], "session_hash": session})
            assert answer.status_code == 200, "the same caller may ask for several at once"
            assert direct(server, "create", {"verb": "generate", "model": "tiny-dcgan"}, []).status_code == 200
            assert server.workers() > before
    wait_until(lambda: server.workers() == before)


def test_who_waits_in_the_slow_lane_is_told_the_place(server: Server, photo: Path) -> None:
    before, words, stop = server.workers(), [], threading.Event()

    def wait(name: str) -> None:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as visitor:
            answer = visitor.post("gradio_api/call/v2/create", json={"creation": endless(photo)})
            with visitor.stream("GET", f"gradio_api/queue/data?session_hash={answer.json()['event_id']}") as stream:
                for line in stream.iter_lines():
                    words.append(line)
                    if stop.is_set():
                        return

    people = [threading.Thread(target=wait, args=(str(i),)) for i in range(3)]
    for person in people:
        person.start()
    end = time.monotonic() + 60
    while not any("1 in line" in line for line in words):
        assert time.monotonic() < end, words[-5:]
        time.sleep(0.1)
    stop.set()
    for person in people:
        person.join()
    wait_until(lambda: server.workers() == before)


# ---- the documentation


def example_blocks(language: str) -> list[str]:
    return [text for kind, text in re.findall(r"```(\w*)\n(.*?)```", DOCS, re.DOTALL) if kind == language]


def test_every_example_is_run_and_every_verb_is_named(server: Server) -> None:
    counts = {kind: len(example_blocks(kind)) for kind in ("python", "bash", "json", "")}
    assert sum(counts.values()) == DOCS.count("```") / 2 and counts == {"python": 2, "bash": 4, "json": 1, "": 1}
    (address,), (settings,) = example_blocks(""), example_blocks("json")
    assert json.loads(settings)["mcpServers"]["ganhub"]["url"] == address.strip()
    here = address.strip().replace("http://127.0.0.1:7860/", server.url)
    body, kinds_of = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, "application/json, text/event-stream"
    answer = httpx.post(here, json=body, headers={"accept": kinds_of}, trust_env=False, timeout=60)
    assert '"describe"' in answer.text or importlib.util.find_spec("mcp") is None
    table = DOCS[: DOCS.index("The parameters of an endpoint")]
    assert {*kinds(), "create", "describe"} == set(re.findall(r"`(\w+)`", table))


@pytest.mark.parametrize("number", range(len(example_blocks("python"))))
def test_the_python_examples_run(number: int, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "ganhub" / "app" / "assets" / "sketch-fish.png", tmp_path / "sketch.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example_blocks("python")[number].replace("http://127.0.0.1:7860/", server.url), names)
    with Image.open(names["look"]) as picture:
        assert picture.format == "PNG"
    if "again" in names:
        assert len(names["again"][1]) == 4


@pytest.mark.parametrize("number", range(len(example_blocks("bash"))))
def test_the_curl_examples_run(number: int, server: Server, tmp_path: Path) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("needs curl and bash")
    shutil.copy(ROOT / "ganhub" / "app" / "assets" / "sketch-fish.png", tmp_path / "sketch.png")
    script = example_blocks("bash")[number].replace("http://127.0.0.1:7860/", server.url)
    ran = subprocess.run(["bash", "-ec", script], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    text = ran.stdout.rpartition("data: ")[2] if "event: complete" in ran.stdout else ran.stdout
    answer = json.loads(text)
    look = (answer if isinstance(answer, list) else answer["data"])[0]
    assert httpx.get(look["url"], trust_env=False).content.startswith(b"\x89PNG")


@pytest.mark.parametrize("caption", [None, "", "seed x", "seed -1", "seed 1 2", 7.5, ["seed 1"]])
def test_a_forged_caption_of_a_wall_is_a_sentence(caption: object) -> None:
    assert parts.seed_clicked([("a.png", "seed 7")], 0) == ("a.png", 7)
    with pytest.raises(ConfigError, match="is no seed|Give 1 to 1 seeds"):
        parts.seed_clicked([("a.png", caption)], 0)
