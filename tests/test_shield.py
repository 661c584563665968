"""What stands between strangers and the app, each part by itself and over real HTTP on loopback."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import torch
from gradio.data_classes import FileData

from ganhub.app import _parts as parts
from ganhub.app.shield import Limits, disk, own_folder, routes
from ganhub.app.shield.editors import KEPT, LAYERS, Canvases
from ganhub.app.shield.payload import Refused, all_paths, is_upload, parse
from ganhub.app.shield.queue import Listeners, refusal
from ganhub.app.shield.visitors import Visitors, address, check_host
from ganhub.errors import ConfigError, HubError
from ganhub.images import encode_png
from tests.shield_app import LIMITS, run_async
from tests.shield_server import API, call

pytest_plugins = ["tests.shield_server"]


@pytest.fixture(scope="module", autouse=True)
def folder() -> str:
    """The process' folder of uploads and results."""
    return own_folder()


# ---- what a body may hold


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 413),
        (json.dumps([[[[[[[[]]]]]]]]).encode(), 413),
        (json.dumps(list(range(400))).encode(), 413),
        (json.dumps({"a": "x" * 501}).encode(), 413),
        (json.dumps({"x" * 501: 1}).encode(), 413),
        (b"[9223372036854775808]", 400),
        (b"[" + b"9" * 5000 + b"]", 400),
    ],
)
def test_a_body_out_of_bounds_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        parse(body, LIMITS)
    assert refused.value.status == status


def test_a_body_within_bounds_is_read() -> None:
    value = {"data": ["tiny", 3, -1.5, None, True, {"path": "x"}], "session_hash": "abc"}
    assert parse(json.dumps(value).encode(), LIMITS) == value


def test_paths_are_found_wherever_they_stand_and_lead_to_uploads_only(folder: str, tmp_path: Path) -> None:
    inside, outside = Path(folder, "a", "b.png"), tmp_path / "secret.txt"
    inside.parent.mkdir(exist_ok=True)
    inside.write_text("mine")
    outside.write_text("not mine")
    link = Path(folder, "link.png")
    link.symlink_to(outside)
    value = [{"image": {"path": "1"}, "deep": [{"video": {"path": "2", "url": {"path": 3}}}]}, FileData(path="4")]
    assert {str(path) for path in all_paths(value)} == {"1", "2", "3", "4"}
    assert is_upload(str(inside))
    elsewhere = (str(outside), str(link), f"{folder}/../x", f"{folder}x/y", "", "relative", "http://127.0.0.1/x")
    for path in (*elsewhere, "a\0b", 7, ["x"]):
        assert not is_upload(path), path
    link.unlink()


# ---- which addresses are open


def test_only_the_routes_of_the_page_are_open() -> None:
    for method, path in (
        ("GET", "/"), ("HEAD", "/"), ("GET", "/config"), ("GET", f"{API}/queue/data"), ("POST", f"{API}/queue/join"),
        ("POST", f"{API}/upload"), ("GET", f"{API}/file=/tmp/x.png"), ("POST", f"{API}/run/stop_style"),
        ("GET", "/assets/index.js"), ("GET", f"{API}/heartbeat/abc"), ("POST", f"{API}/call/style"),
        ("GET", f"{API}/call/style/0a1b"), ("POST", f"{API}/component_server"),
    ):  # fmt: skip
        assert routes.is_open(method, path), (method, path)
    for method, path in (
        ("GET", "/pwa_icon/192"), ("GET", "/pwa_icon"), ("GET", f"{API}/deep_link"),
        ("POST", f"{API}/process_recording"),
        ("GET", f"{API}/dev/reload"), ("GET", f"{API}/proxy=https://x.hf.space/"), ("POST", f"{API}/vibe-code"),
        ("GET", f"{API}/file=https://example.com/x"), ("GET", f"{API}/file=FTP://example.com/x"),
        ("GET", f"{API}/custom_component/a/client/b/c"), ("GET", "/monitoring"), ("POST", "/login"), ("PUT", "/"),
        ("GET", f"{API}/upload"), ("GET", f"{API}/stream/a/b/1/playlist-file"), ("GET", f"{API}/file/etc/passwd"),
    ):  # fmt: skip
        assert not routes.is_open(method, path), (method, path)
    assert routes.is_open("POST", "/login", login=True)


def test_every_route_of_gradio_was_decided(served: SimpleNamespace) -> None:
    """A new version of Gradio with a new route must be looked at: here are those that it has, in two lists."""
    paths = set(served.routes)
    filled = {path: path.replace("{size}", "1").replace("{path:path}", "x").replace("{api_name}", "style")
              .replace("{event_id}", "0a").replace("{session_hash}", "s").replace("{path_or_url:path}", "/x")
              for path in paths}  # fmt: skip
    opened = {path for path, at in filled.items() if routes.is_open("GET", at) or routes.is_open("POST", at)}
    known_closed = {
        "/openapi.json",
        "/gradio_api/user", "/gradio_api/login_check", "/gradio_api/token", "/gradio_api/dev/reload", "/login",
        "/logout", "/gradio_api/runs", "/gradio_api/deep_link", "/gradio_api/process_recording", "/pwa_icon",
        "/pwa_icon/{size}", "/monitoring", "/monitoring/summary", "/monitoring/{key}", "/gradio_api/vibe-edit",
        "/gradio_api/undo-vibe-edit", "/gradio_api/vibe-code", "/gradio_api/vibe-starter-queries",
    }  # fmt: skip
    closed = {path.rstrip("/") for path in paths - opened}
    families = ("stream", "proxy", "file/", "custom_component", "run-history")
    rest = {path for path in closed - known_closed if not path.startswith(tuple(f"{API}/{name}" for name in families))}
    assert not rest and {"/", "/config", "/gradio_api/upload", "/gradio_api/queue/join"} <= opened


# ---- who asks, and by which name


def scope(host: str = "127.0.0.1:7860", server: str = "127.0.0.1", client: tuple = ("127.0.0.1", 5),
          method: str = "GET", **headers: str) -> dict[str, Any]:  # fmt: skip
    pairs = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {"type": "http", "method": method, "server": (server, 7860), "client": client,
            "headers": [(name.encode(), value.encode()) for name, value in pairs.items()]}  # fmt: skip


def refused(*args: Any, **kwargs: Any) -> bool:
    try:
        check_host(scope(*args, **kwargs))
    except Refused:
        return True
    return False


def test_loopback_is_asked_by_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "GANHUB_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    for host in ("127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860", "app.localhost", "127.8.9.1"):
        assert not refused(host), host
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "10.0.0.7", "[::2]"):
        assert refused(host), host
    assert not refused("192.168.1.5:7860", server="192.168.1.5")  # --host 0.0.0.0, asked over the network
    assert not refused("a-name.example", server="10.1.2.3")
    assert refused(method="POST", origin="https://evil.example")
    assert refused(method="POST", origin="null")
    assert not refused(method="POST", origin="http://localhost:7860")
    monkeypatch.setenv("GANHUB_HOSTS", "mine.example, other.example")
    assert not refused("mine.example") and refused("evil.example") and not refused("localhost")
    assert refused("a-name.example", server="10.1.2.3") and not refused("other.example:80", server="10.1.2.3")
    monkeypatch.setenv("SPACE_ID", "someone/space")
    assert not refused("someone-space.hf.space")


def test_a_forwarded_address_counts_only_where_it_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "GANHUB_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    told = {"x_forwarded_for": "6.6.6.6, 8.8.4.4, 10.0.0.1"}
    assert address(scope(client=("10.0.0.9", 5), **told)) == "10.0.0.9"
    assert address(scope(client=("6.6.6.6", 0), **told)) == "127.0.0.1"  # as uvicorn writes it for a local caller
    monkeypatch.setenv("SPACE_ID", "someone/space")
    assert address(scope(client=("10.0.0.9", 5), **told)) == "8.8.4.4"
    monkeypatch.setenv("GANHUB_PROXIES", "2")
    assert address(scope(client=("10.0.0.9", 5), **told)) == "8.8.4.4"
    assert address(scope(client=("10.0.0.9", 5))) == "10.0.0.9"


def test_an_address_has_so_much_at_a_time() -> None:
    visitors = Visitors(Limits(requests=2, new_sessions=3, uploads=100))
    with visitors.answering("a"), visitors.answering("a"):
        with pytest.raises(Refused), visitors.answering("a"):
            pass
        with visitors.answering("b"):
            pass
    with visitors.answering("a"):
        pass
    for _ in range(3):
        visitors.begins("a")
    with pytest.raises(Refused, match="new sessions"):
        visitors.begins("a")
    visitors.begins("b")
    visitors.sends("a", 90)
    with pytest.raises(Refused, match="uploaded"):
        visitors.sends("a", 20)
    visitors.sends("a", 10)


# ---- places in the queue


def event(session: str, who: str, lane: str = "style", id: str = "") -> Any:
    return SimpleNamespace(
        session_hash=session, concurrency_id=lane, request=SimpleNamespace(scope={"ganhub.address": who}),
        _id=id, enqueue_time=0.0,
    )  # fmt: skip


def test_a_session_and_an_address_have_shares_of_the_queue() -> None:
    limits = Limits(waiting=2, waiting_address=3, slow_address=2, queue=6)
    mine = [event("s", "a"), event("s", "a")]
    assert "2 jobs" in refusal(mine, "s", "a", "style", limits)
    assert not refusal(mine, "t", "a", "style", limits)
    assert "network" in refusal([*mine, event("t", "a")], "u", "a", "style", limits)
    slow = [event(f"s{i}", "a", "style-slow") for i in range(2)]
    assert "network" in refusal(slow, "u", "a", "style-slow", limits)
    assert not refusal(slow, "u", "a", "style", limits)  # slow jobs leave the quick ones of their own address alone
    assert not refusal(slow, "u", "b", "style-slow", limits)
    assert "full" in refusal([event(str(i), str(i)) for i in range(6)], "u", "b", "style", limits)


def test_work_that_nobody_listens_to_ends() -> None:
    dropped = []

    class Queue:
        def __init__(self) -> None:
            self.event_ids_to_events = {name: event(name, "a", id=name) for name in ("heard", "unheard", "young")}
            self.event_ids_to_events["young"].enqueue_time = time.monotonic() + 5

        async def clean_events(self, *, event_id: str) -> None:
            dropped.append(event_id)

    listeners = Listeners(0)
    listeners.comes("heard")
    run_async(listeners.end_unheard(Queue()))
    assert dropped == ["unheard"]
    listeners.leaves("heard")
    run_async(listeners.end_unheard(Queue()))
    assert dropped == ["unheard", "heard", "unheard"]


# ---- the brush


def test_a_canvas_is_bounded_and_lies_on_the_disk() -> None:
    canvases = Canvases()
    for kind, index in (("layer", 10**9), ("layer", LAYERS), ("layer", -1), ("layer", None), ("else", 0)):
        with pytest.raises(ConfigError):
            canvases.put("z", kind, index, b"x")
    for name in ("", "n" * 65, None):
        with pytest.raises(ConfigError):
            canvases.put(name, "background", None, b"x")
    canvases.put("z", "layer", "1", b"one")
    canvases.put("z", "layer", "0", b"old")
    canvases.put("z", "layer", "0", b"zero")
    canvases.put("z", "background", "null", b"ground")
    taken = canvases.take("z")
    assert [Path(path).read_bytes() for path in taken["layers"]] == [b"zero", b"one"]
    assert Path(taken["background"]).read_bytes() == b"ground" and taken["composite"] is None
    assert is_upload(taken["background"]) and canvases.take("z")["background"] is None
    for i in range(KEPT + 5):
        canvases.put(f"c{i}", "composite", None, b"x")
    assert canvases.take("c0")["composite"] is None and canvases.take(f"c{KEPT}")["composite"]


# ---- the disk


def test_the_oldest_files_make_room_but_not_those_in_use(tmp_path: Path) -> None:
    now = time.time()
    for i in range(6):
        path = tmp_path / str(i) / "a.png"
        path.parent.mkdir()
        path.write_bytes(bytes(1000))
        os.utime(path, (now - 1000 + i, now - 1000 + i))
    kept = {os.path.realpath(tmp_path / "0" / "a.png")}
    # Files of this second are young by their ctime, so the quota must be passed twice over before they go.
    assert disk.tidy(str(tmp_path), Limits(disk=4000), kept) == set()
    gone = disk.tidy(str(tmp_path), Limits(disk=2500), kept)
    assert {Path(path).parent.name for path in gone} == {"1"}
    gone = disk.tidy(str(tmp_path), Limits(disk=1000), kept)
    assert {Path(path).parent.name for path in gone} == {"2", "3", "4"}
    assert (tmp_path / "0" / "a.png").is_file() and not (tmp_path / "2").exists()


# ---- sentences


def test_sentences_tell_no_folders_and_are_short(folder: str) -> None:
    here = Path(folder, "0a1b", "holiday.png")
    assert parts.told(f"{here} is not a picture.") == "holiday.png is not a picture."
    assert parts.told(f"'{Path.cwd()}/ganhub/x.py', and {Path.home()}/models/a.json: no.") == "'x.py', and a.json: no."
    assert parts.told("owner/name is no model.") == "owner/name is no model."
    assert parts.told("/data/models/dcgan/config.json: '/opt/x/y.pt'.") == "config.json: 'y.pt'."
    assert (
        parts.told("See https://a.example/b/c/d, 1/2/3 or <b>a</b>/x.")
        == "See https://a.example/b/c/d, 1/2/3 or <b>a</b>/x."
    )
    assert len(parts.told("x" * 10**6)) < 700
    with pytest.raises(gr.Error) as error:
        parts.calm(lambda: (_ for _ in ()).throw(HubError(f"{here} <b>")))()
    assert str(here) not in error.value.message and "&lt;b&gt;" in error.value.message


# ---- over HTTP


def test_files_of_a_request_are_uploads(served: SimpleNamespace, tmp_path: Path) -> None:
    secret = tmp_path / "key.png"
    secret.write_bytes(b"secret")
    picture = {"files": ("a.png", encode_png(torch.zeros(1, 3, 8, 8)), "image/png")}
    given = served.client.post(f"{API}/upload", files=picture).json()[0]
    assert call(served, [{"path": given}, None, None, ""])[1]["success"]
    meta = {"meta": {"_type": "gradio.FileData"}}
    for value in (
        [{"path": str(secret)}, None, None, ""],
        [{"path": str(secret), **meta}, None, None, ""],
        [{"path": "https://example.com/x.png", **meta}, None, None, ""],
        [None, [{"image": {"path": str(secret)}, "caption": None}], None, ""],
        [None, [{"video": {"path": str(secret)}, "caption": None}], None, ""],
        [None, None, {"background": {"path": str(secret)}, "layers": [], "composite": None}, ""],
        [None, None, {"background": None, "layers": [{"path": str(secret)}], "composite": None}, ""],
    ):
        status, message = call(served, value)
        assert status == 200 and not message["success"] and "no upload" in message["output"]["error"], value
    assert call(served, [None, None, None, ""], event_data={"value": {"path": str(secret)}})[0] == 403


def test_bodies_are_bounded_before_they_are_read(served: SimpleNamespace) -> None:
    assert call(served, [None, None, None, "x" * 501]) == (413, "A text of the request is too long: at most 500 "
                                                           "characters are read.")  # fmt: skip
    assert call(served, [None, None, None, "x" * 30_000])[0] == 413
    without_length = iter([b"x" * 9_000] * 9)
    assert served.client.post(f"{API}/queue/join", content=without_length).status_code == 413
    assert call(served, [None, None, None, ""], session="s" * 65)[0] == 400
    big = {"files": ("a.png", bytes(120_000), "image/png")}
    assert served.client.post(f"{API}/upload", files=big).status_code == 413
    assert served.client.get("/config", headers={"X-Long": "x" * 20_000}).status_code == 431
    assert served.client.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert served.client.get("/pwa_icon/64").status_code == 404


def test_an_upload_is_served_as_a_file_and_never_as_a_page(served: SimpleNamespace) -> None:
    for name, kind in (("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.png", "image/png")):
        content = b"<script>alert(1)</script>"
        path = served.client.post(f"{API}/upload", files={"files": (name, content, kind)}).json()[0]
        answer = served.client.get(f"{API}/file={path}")
        assert answer.status_code == 200 and answer.content == content
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        if not name.endswith("png"):
            assert answer.headers["content-type"].startswith("application/octet-stream")
            assert answer.headers["content-disposition"].startswith("attachment")
    assert served.client.get(f"{API}/file={os.path.abspath(__file__)}").status_code == 403


def test_slow_calls_take_their_own_lane(served: SimpleNamespace) -> None:
    assert call(served, [None, None, None, "slow"])[1]["output"]["data"] == ["slowly"]
    assert call(served, [None, None, None, "quick"])[1]["output"]["data"] == ["quickly"]


@pytest.mark.parametrize("first, after", [("late", "told"), ("late", "stop_tab"), ("heavy", "told")])
def test_what_was_asked_for_last_is_what_is_said_last(served: SimpleNamespace, first: str, after: str) -> None:
    """On a busy machine the thread of a call may begin after a newer call was answered, or after Stop was pressed; and
    pictures of a call may still be on their way when those of a newer one are there."""
    ids = {one["api_name"]: one["id"] for one in served.client.get("/config").json()["dependencies"]}
    session, newer = f"{first}-{after}", after == "told"
    body = {"session_hash": session, "data": [first], "fn_index": ids["told"]}
    assert served.client.post(f"{API}/queue/join", json=body).status_code == 200
    time.sleep(0.5)  # the heavy one leaves now
    body |= {"data": ["newer"] if newer else [], "fn_index": ids[after]}
    answer = served.client.post(f"{API}/queue/join" if newer else f"{API}/run/predict", json=body)
    assert answer.status_code == 200
    with served.client.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as stream:
        messages = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert sum(one["msg"] == "process_completed" and one["success"] for one in messages) == 1 + newer
    said = [value for one in messages if "output" in one for value in one["output"]["data"][:1] if value is str(value)]
    assert "late" not in said and said[-1:] == (["newer"] if newer else [])


def test_the_brush_over_http(served: SimpleNamespace) -> None:
    def send(index: Any) -> int:
        fields = {"component_id": str(served.canvas), "session_hash": "s1", "fn_name": "accept_blobs", "type": "layer",
                  "index": str(index), "id": "one"}  # fmt: skip
        picture = {"file": ("a", b"xy", "image/png")}
        return served.client.post(f"{API}/component_server", data=fields, files=picture).status_code

    assert send(0) == 200 and send(30_000_000) == 400
    body = {"component_id": served.canvas, "session_hash": "s1", "fn_name": "accept_blobs", "data": {}}
    assert served.client.post(f"{API}/component_server", json=body).status_code == 415
