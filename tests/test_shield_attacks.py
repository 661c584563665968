"""Ways around the shield that were tried: each is closed, over real HTTP on loopback where it was open there."""

from __future__ import annotations

import json
import socket
import time
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from ganhub.app.shield import Limits
from ganhub.app.shield.gate import _Watched
from ganhub.app.shield.heads import SENTENCE
from ganhub.app.shield.payload import Refused, parse
from ganhub.app.shield.queue import Listeners
from ganhub.app.shield.sessions import keep_sessions_small
from ganhub.app.shield.visitors import Visitors, address, forget_names
from tests.shield_app import LIMITS, run_async
from tests.shield_server import API

pytest_plugins = ["tests.shield_server"]
FORM = "multipart/form-data; boundary=edge"


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form of (what stands after "form-data;", content)."""
    pieces = (b'--edge\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n' % (head.encode(), data)
              for head, data in parts)  # fmt: skip
    return b"".join(pieces) + b"--edge--\r\n"


def post(served: SimpleNamespace, path: str, content: bytes, kind: str = "application/json", **headers: str) -> Any:
    return served.client.post(f"{API}/{path}", content=content, headers={"content-type": kind, **headers})


# ---- bodies


@pytest.mark.parametrize(
    "text", ["NaN", "[-Infinity]", '{"a": 1e999}', '"\\ud800"', '{"\\udfff x": 1}', '["a\\udc00"]']
)
def test_what_no_answer_could_quote_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(text.encode(), LIMITS)
    assert refused.value.status == 400
    assert parse(b'["\\ud83c\\udfa8", 1e308]', LIMITS) == ["\U0001f3a8", 1e308]


@pytest.mark.parametrize("path", ["run/upload", "call/upload", "api/component_server", "run/login", "call/a_login_b"])
def test_an_endpoint_with_the_name_of_a_route_is_json_as_any_other(served: SimpleNamespace, path: str) -> None:
    assert post(served, path, json.dumps({"data": ["x" * 30_000]}).encode(), FORM).status_code == 413
    value = {"data": [], "fn_index": 0, "event_data": {"path": "/etc/hostname"}}
    assert post(served, path, json.dumps(value).encode()).status_code == 403
    assert post(served, path, b'{"data": [], "session_hash": "' + b"s" * 65 + b'"}').status_code == 400


def test_a_form_is_read_by_no_character_set_of_the_caller(served: SimpleNamespace) -> None:
    """As "punycode", which takes a time that is quadratic in the length of a text."""
    body = form(('name="note"', b"ab-" + b"9" * 50), ('name="files"; filename="a.png"', b"hi"))
    for charset in ("punycode", "idna", "undefined", "utf-16"):
        answer = post(served, "upload", body, f"{FORM}; charset={charset}")
        assert answer.status_code == 200 and answer.json()[0].endswith("a.png"), charset
    for kind in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 71, "text/plain; boundary=edge", ""):
        assert post(served, "upload", body, kind).status_code == 415, kind
    # Gradio takes a form in capitals for JSON.
    text = json.dumps({"data": {}, "component_id": 1, "session_hash": "s" * 90, "fn_name": "x"}).encode()
    assert post(served, "component_server", text, "Multipart/Form-Data; boundary=edge").status_code == 400


def test_fields_of_a_canvas_are_few_and_short(served: SimpleNamespace) -> None:
    plain = {"component_id": str(served.canvas), "session_hash": "s1", "fn_name": "accept_blobs", "type": "background",
             "index": "null", "id": "one"}  # fmt: skip
    file = ('name="file"; filename="a"', b"xy")

    def send(*more: tuple[str, bytes], **changed: str) -> int:
        parts = [(f'name="{name}"', value.encode()) for name, value in {**plain, **changed}.items() if value]
        return post(served, "component_server", form(*parts, *more), FORM).status_code

    assert send(file) == 200
    assert send(file, session_hash="s" * 65) == 400
    assert send(file, ('name="session_hash"', b"s" * 65)) == 400  # the last of a name counts
    assert send(file, id="x" * 2000) == 400
    assert send(*[file] * 5) == 400 and send(*[('name="a"', b"b")] * 20) == 400
    assert send(file, component_id="999999") == 400 and send(file, component_id="") == 400


def test_requests_that_gradio_does_not_expect_are_refused_calmly(served: SimpleNamespace) -> None:
    for path, text in (
        ("call/nothing", '{"data": []}'), ("call/v2/nothing", "{}"), ("run/nothing", '{"data": []}'),
        ("queue/join", '{"data": [], "fn_index": 9999, "session_hash": "s1"}'),
        ("queue/join", '{"data": [], "fn_index": -1, "session_hash": "s1"}'), ("call/v2/all", "[]"),
        ("call/v2/all", '{"unknown": 1}'),
    ):  # fmt: skip
        answer = post(served, path, text.encode())
        assert 400 <= answer.status_code < 500 and answer.json()["detail"], (path, text)
    body = form(('name="note"', b"x"), ('name="files"', b"no file"))
    assert post(served, "upload?upload_id=u1", body, FORM).status_code == 400
    assert served.client.get("/?page=nothing").status_code == 400
    # This answer has begun when it fails: it ends, and the connection lives.
    assert "404" in served.client.get(f"{API}/queue/data", params={"session_hash": "nobody"}).text


def test_an_endless_body_is_not_read_to_its_end() -> None:
    read = []

    async def endless() -> dict[str, Any]:
        read.append(1)
        return {"type": "http.request", "body": bytes(100), "more_body": True}

    run_async(_Watched(endless).drain(1000))
    assert len(read) == 10


def test_a_connection_whose_body_goes_on_is_closed(served: SimpleNamespace) -> None:
    """The server would read on after its answer, as fast as it can."""
    assert served.client.request("GET", "/config", content=b"x").headers["connection"] == "close"
    assert served.client.request("GET", "/config", content=iter([b"x"])).status_code == 400
    assert post(served, "nothing", b"x" * 100_000).headers["connection"] == "close"
    plain = (served.client.get("/config"), post(served, "upload", form(('name="files"; filename="a"', b"x")), FORM))
    assert all(answer.status_code == 200 and "connection" not in answer.headers for answer in plain)


# ---- headers


@pytest.mark.parametrize("head", [b"GET /?c=", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_is_bounded_while_it_arrives(served: SimpleNamespace, head: bytes) -> None:
    """The rest never comes: a server that reads on would wait for it, and keep what it has."""
    url = served.client.base_url
    with socket.create_connection((url.host, url.port), timeout=60) as stranger:
        stranger.sendall(head + b"a" * 70_000)
        answer = b""
        while part := stranger.recv(65536):
            answer += part
    assert b" 400 " in answer.splitlines()[0] and answer.endswith(SENTENCE.encode())


def test_a_stranger_names_no_host_for_the_app(served: SimpleNamespace) -> None:
    for name in ("X-Forwarded-Host", "X-Gradio-Server"):
        headers = {name: "http://evil.example" if "Server" in name else "evil.example"}
        for path in (f"{API}/info", "/config", "/"):
            assert "evil.example" not in served.client.get(path, headers=headers).text, (name, path)
    assert "evil.example" not in served.client.get(f"{API}/info").text
    for headers in ({"Host": "localhost:x"}, {"Host": "[::1"}, {"X-Forwarded-Host": "["}, {"X-Forwarded-Host": "a b"}):
        assert 400 <= served.client.get("/config", headers=headers).status_code < 500, headers


def test_a_proxy_of_ones_own_names_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(**more: str) -> list[bytes]:
        pairs = {"host": "localhost:1", "x-forwarded-host": "mine.example, a.example", **more}
        scope = {"headers": [(name.encode(), value.encode()) for name, value in pairs.items()]}
        forget_names(scope)
        return [name for name, _ in scope["headers"]]

    for name in ("SPACE_ID", "GANHUB_PROXIES", "GANHUB_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    assert told() == [b"host"]
    for name, value in (("SPACE_ID", "a/b"), ("GANHUB_PROXIES", "1"), ("GANHUB_HOSTS", "Mine.example")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert told(**{"x-gradio-server": "http://evil.example"}) == [b"host", b"x-forwarded-host"]


def test_a_part_of_a_file_carries_no_headers_of_the_request(served: SimpleNamespace) -> None:
    path = served.client.post(f"{API}/upload", files={"files": ("a.html", b"<p>hello", "text/html")}).json()[0]
    answer = served.client.get(
        f"{API}/file={path}", headers={"Range": "bytes=0-3", "X-Mine": "1", "Content-Type": "a/b"}
    )
    assert answer.content in (b"<p>h", b"<p>") and answer.status_code == 206
    assert "x-mine" not in answer.headers and answer.headers["content-type"] == "application/octet-stream"


# ---- shares


def test_an_address_of_ipv6_is_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "GANHUB_PROXIES"):
        monkeypatch.delenv(name, raising=False)

    def who(host: str) -> str:
        return address({"client": (host, 5), "headers": []})

    assert who("2001:db8:1:2::1") == who("2001:db8:1:2:ffff::9") != who("2001:db8:1:3::1")
    assert who("::ffff:10.0.0.9") == who("10.0.0.9") == "10.0.0.9" and who("::1") == "::/64" and who("odd") == "odd"


def test_sessions_of_one_address_make_room_among_themselves() -> None:
    visitors, used = Visitors(Limits(sessions_address=3)), {"other": 0}
    for turn, name in enumerate("abcdef"):
        oldest = visitors.keeps("one", name, used)
        assert oldest == (None if turn < 3 else "abc"[turn - 3])
        used.pop(oldest, None)
        used[name] = turn
    assert visitors.keeps("two", "g", used) is None and "other" in used
    used["d"] = 99  # used again
    assert visitors.keeps("one", "h", used) == "e"


def test_a_session_keeps_no_descriptions_of_the_page() -> None:
    """Gradio keeps 374 KB of them for each of 10,000 sessions."""

    async def kept() -> tuple[int, int, Any]:
        with gr.Blocks(analytics_enabled=False) as app:
            gr.Gallery()
            state = gr.State([7])
        sizes = [len(json.dumps(SessionState(app).config_values, default=str))]
        keep_sessions_small(app)
        session = SessionState(app)
        return *sizes, len(json.dumps(session.config_values, default=str)), session[state._id]

    before, after, value = run_async(kept())
    assert before > 1000 and after < 50 and value == [7]


def test_sessions_without_work_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("done", "heard", "busy", "fresh")
    queue = SimpleNamespace(
        pending_messages_per_session={name: [] for name in names[:3]},
        pending_event_ids_session={name: {"id"} for name in names[:3]},
        event_ids_to_events={"x": SimpleNamespace(session_hash="busy")},
    )
    listeners, now = Listeners(10), time.monotonic()
    listeners.comes("heard")
    for seconds in (0, 31):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        listeners.forget_idle(queue)
        queue.pending_messages_per_session.setdefault("fresh", [])
    assert set(queue.pending_messages_per_session) == {"heard", "busy", "fresh"}
    assert set(queue.pending_event_ids_session) == {"heard", "busy"}
