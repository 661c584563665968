"""Every endpoint under values that nobody should send: no 500, nothing read or written outside, nothing fetched.

The app runs in a process of its own whose every attempt to open a file or a connection is looked at.
"""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from ganhub.creation.schema import kinds
from tests.app_server import ROOT, free_port, wait_for

pytest_plugins = ["tests.app_server"]
API = "gradio_api"
# Beside app.py an audit hook, which the app cannot take away: it notes what is opened by a name of ours, and each
# connection that is no loopback or goes to the canary's port.
WATCHED = """
import json, os, runpy, sys
secret, port, log = sys.argv[1], int(sys.argv[2]), os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def hook(event, arguments):
    seen = None
    if event == "open" and isinstance(arguments[0], (str, bytes)) and os.fsdecode(arguments[0]).startswith(secret):
        seen = f"open {os.fsdecode(arguments[0])}"
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, "localhost", "127.0.0.1", "0.0.0.0", "::1", ""):
        seen = f"look up {arguments[0]}"
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host, to = arguments[1][:2]
        seen = f"connect {host}:{to}" if to == port or not str(host).startswith(("127.", "::1")) else None
    elif event in ("subprocess.Popen", "os.system"):
        seen = f"run {arguments[0]!r:.100}"
    if seen:
        os.write(log, (json.dumps(seen) + chr(10)).encode())
sys.addaudithook(hook)
sys.argv = ["app.py"]
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def app(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The watched app: "visitor", "secret" (a file that must not be opened), "canary" (an address nobody may ask)."""
    folder = tmp_path_factory.mktemp("watched")
    secret = folder / "secret"
    secret.mkdir()
    picture = secret / "picture.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    port, log = free_port(), folder / "log"
    with socket.socket() as canary:
        canary.bind(("127.0.0.1", 0))
        canary.listen()
        heard = canary.getsockname()[1]
        environment = {
            **os.environ, "GANHUB_MODELS": str(models), "GRADIO_SERVER_PORT": str(port),
            "GRADIO_TEMP_DIR": str(folder / "files"), "GANHUB_LIMIT_NEW_SESSIONS": "100000",
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, str(secret), str(heard), str(log)], cwd=ROOT, env=environment
        )
        try:
            wait_for(process, f"http://127.0.0.1:{port}/")
            log.write_text("")  # what the start itself did
            limits = httpx.Limits(keepalive_expiry=2)  # the server closes after 5 s, the client's own limit, too
            address = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=address, trust_env=False, timeout=120, limits=limits) as visitor:
                yield SimpleNamespace(
                    visitor=visitor, secret=picture, canary=f"http://127.0.0.1:{heard}/a.png", log=log,
                    folder=folder, process=process,
                )  # fmt: skip
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(autouse=True)
def _nothing_outside(app: SimpleNamespace) -> Iterator[None]:
    before = {path for path in app.folder.rglob("*") if app.folder / "files" not in path.parents}
    yield
    assert app.log.read_text() == "", "the app opened, asked or ran something that a caller chose"
    after = {path for path in app.folder.rglob("*") if app.folder / "files" not in path.parents}
    assert after <= before | {app.folder / "files"} and app.process.poll() is None


def ask(app: SimpleNamespace, path: str, value: Any) -> httpx.Response:
    """A POST; whatever it holds, the answer is no failure of the server, and tells no path of it."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    answer = app.visitor.post(f"{API}/{path}", content=content, headers={"content-type": "application/json"})
    assert answer.status_code < 500, (path, value, answer.text)
    if answer.status_code != 200:
        assert "Traceback" not in answer.text and str(app.folder) not in answer.text
        said = answer.json()
        assert said.get("error") or said.get("detail"), answer.text
        assert said.get("title") != "Sorry", (path, value, answer.text)
    return answer


# ---- values

AS_JSON = {"content-type": "application/json"}
TURNS = 1  # rows of values for each listener of the page


def strange(app: SimpleNamespace) -> list[Any]:
    secret, canary = str(app.secret), app.canary
    return [
        None, True, -1, 2**31, 2**62, -(2**62), 1e308, 0.5, "", " ", "nan", "Infinity", "\u0000", "\r\nSet-Cookie: a=b",
        "x" * 10_000, [], [[]], {}, [[[[[[]]]]]], "../../etc/passwd", secret, f"file://{secret}", canary,
        f"/gradio_api/file={secret}", "//127.0.0.1/a", "data:image/png;base64,", "data:,hi", "javascript:alert(1)",
        {"path": secret}, {"path": canary, "meta": {"_type": "gradio.FileData"}}, {"url": canary},
        {"path": "../secret/picture.png"}, ["a", {"path": secret}], [canary, 1], [[secret, 1.0]], [[canary, 1.0]],
        "<svg onload=alert(1)>", "%2e%2e%2f", "$(id)", "a" * 64, "{{7*7}}", "\ud83c\udfa8" * 100,
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=12), parts, max_size=4),
    max_leaves=12,
)  # fmt: skip
SMALL = {
    "generate": {"model": "tiny-dcgan"}, "interpolate": {"model": "tiny-dcgan", "seeds": [1, 2], "frames": 4},
    "edit": {"model": "tiny-stylegan2", "steps": 1}, "project": {"steps": 1},
    "point": {"model": "tiny-dcgan", "weights": [1.0]},
    "evolve": {"model": "tiny-dcgan", "generations": 1, "population": 5},
}  # fmt: skip


def parameters(app: SimpleNamespace) -> dict[str, list[dict]]:
    if not hasattr(app, "named"):
        named = app.visitor.get(f"{API}/info").json()["named_endpoints"]
        app.named = {name[1:]: endpoint["parameters"] for name, endpoint in named.items()}
    return app.named


@pytest.mark.parametrize("verb", kinds())
def test_each_parameter_with_each_strange_value(app: SimpleNamespace, verb: str) -> None:
    photo = upload(app, "photo.png", picture_bytes())
    usual = {"photo": photo, "mask": photo, "model": "no-such-model", **SMALL.get(verb, {})}
    if verb == "edit":  # of a seed, which takes less time; photos are projected by "project"
        del usual["photo"]
    for one in parameters(app)[verb]:
        for value in strange(app):
            fields = {
                name: usual[name] for name in usual if name in {p["parameter_name"] for p in parameters(app)[verb]}
            }
            ask(app, "run/create", {"data": [{"verb": verb, **fields, one["parameter_name"]: value}, []]})


def test_each_endpoint_without_the_queue_and_with_it(app: SimpleNamespace) -> None:
    for name, known in parameters(app).items():
        for value in strange(app)[::3]:
            ask(app, f"run/{name}", {"data": [value] * len(known)})
            ask(app, f"call/{name}", {"data": [value] * len(known)})
        ask(app, f"run/{name}", {"data": []})
        ask(app, f"call/v2/{name}", {one["parameter_name"]: {"path": str(app.secret)} for one in known})


def listeners(app: SimpleNamespace) -> Iterator[tuple[int, int]]:
    """(id, number of inputs) of every function of the page that the server runs, buttons and all."""
    for one in app.visitor.get("config").json()["dependencies"]:
        if one["backend_fn"]:
            yield one["id"], len(one["inputs"])


def test_each_listener_of_the_page_with_strange_values(app: SimpleNamespace) -> None:
    """Also those that are no endpoints: whoever reads the page's own calls can send them anything."""
    values, heard, faults = strange(app), 0, []
    for place, (number, count) in enumerate(listeners(app)):
        for turn in range(TURNS):
            data = [values[(place * 7 + turn * 19 + i * 3) % len(values)] for i in range(count)]
            event = {"index": values[(place + turn) % len(values)], "value": "x", "selected": True}
            body = {"data": data, "fn_index": number, "session_hash": "listeners", "event_data": event}
            joined = app.visitor.post(f"{API}/queue/join", content=json.dumps(body), headers=AS_JSON)
            assert joined.status_code < 500, (number, data)
            if joined.status_code != 200:
                assert joined.json()["detail"], (number, data)
                continue
            heard += 1
            word = last_word(app, "listeners")
            said = word.get("output", {}).get("error") or ""
            if not word.get("success") and (not said or word.get("title") == "Sorry" or "Traceback" in said):
                faults.append((number, data, event, word))
    assert not faults[:3] and heard > 50


def last_word(app: SimpleNamespace, session: str) -> dict[str, Any]:
    """How the job of a session ended."""
    with app.visitor.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line[6:]) if line.startswith("data: ") else {}
            if message.get("msg") in ("process_completed", "unexpected_error"):
                return message
    return {}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=JSON, verb=st.sampled_from(sorted(kinds())), extra=st.dictionaries(st.text(max_size=8), JSON, max_size=3))
def test_any_creation(app: SimpleNamespace, value: Any, verb: str, extra: dict) -> None:
    ask(app, "run/create", {"data": [value, []]})
    ask(app, "run/create", {"data": [{**extra, "verb": verb, "model": "tiny-dcgan"}, [value]]})


@pytest.mark.parametrize("text", [b"NaN", b'{"data": [NaN]}', b'{"data": [1e999]}', b"\xff", b"", b"[" * 100_000])
def test_what_is_no_json(app: SimpleNamespace, text: bytes) -> None:
    for path in ("run/generate", "run/create", "call/v2/create", "queue/join", "mcp/"):
        assert 400 <= ask_raw(app, path, text) < 500


def ask_raw(app: SimpleNamespace, path: str, content: bytes, **headers: str) -> int:
    kinds_ = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
    return app.visitor.post(f"{API}/{path}", content=content, headers=kinds_).status_code


def test_many_values_and_long_names_are_refused_before_they_are_read(app: SimpleNamespace) -> None:
    many = json.dumps({"data": [{"verb": "generate", "labels": list(range(300_000))}, []]}).encode()
    long = json.dumps({"data": [{"x" * 10_000: "y" * 15_000}, []]}).encode()
    texts = json.dumps({"data": ["data:image/png;base64," + "!" * 500_000]}).encode()
    assert ask_raw(app, "run/create", many) == 413 and ask_raw(app, "run/create", texts) == 413
    assert ask_raw(app, "run/create", long) == 400
    for path in ("run/" + "x" * 10_000, "call/" + "x" * 10_000, "file=" + "x" * 10_000):
        assert 400 <= ask_raw(app, path, b"{}") < 500


def test_headers_carry_nothing_in(app: SimpleNamespace) -> None:
    body = json.dumps({"data": []}).encode()
    for name, value in (
        ("x-forwarded-host", "evil.example"), ("x-gradio-server", "http://evil.example"), ("x-gradio-user", "mcp"),
        ("x-forwarded-proto", "javascript"), ("referer", "http://evil.example/?a"), ("x-ip-token", "a" * 5000),
        ("x-forwarded-for", "1.2.3.4, evil"), ("cookie", "a=b; access-token=" + "c" * 4000),
    ):  # fmt: skip
        answer = app.visitor.post(f"{API}/run/describe", content=body, headers={
            "content-type": "application/json", name: value})  # fmt: skip
        assert answer.status_code == 200 and "evil" not in str(answer.headers) + answer.text, name


# ---- files


def picture_bytes(size: tuple[int, int] = (16, 16)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "blue").save(file, "PNG")
    return file.getvalue()


def upload(app: SimpleNamespace, name: str, content: bytes) -> str:
    answer = app.visitor.post(f"{API}/upload", files={"files": (name, content)})
    assert answer.status_code == 200, answer.text
    return answer.json()[0]


def bombs() -> dict[str, bytes]:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b"0" * 20_000_000)
    wide = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(wide, "PNG")
    notes = PngImagePlugin.PngInfo()
    notes.add_text("ganhub", json.dumps({"verb": "style", "photo": "/etc/passwd", "model": "../.."}) * 50)
    forged = io.BytesIO()
    Image.new("RGB", (8, 8)).save(forged, "PNG", pnginfo=notes)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/><script>alert(1)</script></svg>'
    return {
        "bomb.zip": zipped.getvalue(), "wide.png": wide.getvalue(), "a.svg": svg, "a.html": b"<script>1</script>",
        "svg.png": svg, "cut.png": picture_bytes()[:60], "empty.png": b"", "forged.png": forged.getvalue(),
        "../../up.png": picture_bytes(), "\r\nx: y.png": picture_bytes(), "x" * 2000 + ".png": picture_bytes(),
    }  # fmt: skip


@pytest.mark.parametrize("name", bombs())
def test_a_file_that_is_no_picture_or_a_bomb(app: SimpleNamespace, name: str) -> None:
    content = bombs()[name]
    answer = app.visitor.post(f"{API}/upload", files={"files": (name, content)})
    assert answer.status_code < 500
    if answer.status_code == 200:
        path = answer.json()[0]
        assert Path(path).resolve().is_relative_to((app.folder / "files").resolve())
        ask(app, "run/create", {"data": [{"verb": "translate", "model": "tiny-pix2pix", "photo": path}, []]})
        served = app.visitor.get(f"{API}/file={path}")
        assert served.status_code < 500
        if name.endswith((".svg", ".html")):
            assert "attachment" in served.headers["content-disposition"]
            assert "sandbox" in served.headers["content-security-policy"]
    encoded = base64.b64encode(content).decode()
    for kind in ("png", "svg+xml", "x-icon"):
        photo = f"data:image/{kind};base64,{encoded}"
        ask(app, "run/create", {"data": [{"verb": "translate", "model": "tiny-pix2pix", "photo": photo}, []]})


def test_files_are_served_from_the_app_s_folder_only(app: SimpleNamespace) -> None:
    for path in (
        app.secret, "/etc/passwd", "../secret/picture.png", f"{app.folder}/files/../secret/picture.png", "app.py",
        f"file://{app.secret}", app.canary, "//127.0.0.1/x", "%2e%2e/%2e%2e/etc/passwd", "x\0.png",
    ):  # fmt: skip
        address = f"/{API}/file=" + urllib.parse.quote(str(path), safe="/:%")
        assert app.visitor.get(address).status_code in (400, 403, 404)
