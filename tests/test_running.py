"""What ``docs/running.md`` says of limits and of an app for oneself is so: its table, its variables, its commands."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from gradio_client import Client

from ganhub.app.page import jobs_within
from ganhub.app.shield import Limits
from tests.app_server import ROOT, free_port, wait_for

pytest_plugins = ["tests.app_server"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # gradio_client leaves its streams to the collector
DOCS = (ROOT / "docs" / "running.md").read_text("utf-8")
UNITS = {"MB": 10**6, "GB": 10**9}
API = "gradio_api"


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GANHUB_")]:
        if name not in ("GANHUB_MODELS", "GANHUB_SHARED"):
            monkeypatch.delenv(name)


# ---- limits


def rows() -> Iterator[tuple[str, int, int]]:
    """(name, public, private) of each limit in the table."""
    for names, *texts in re.findall(r"^\| ([A-Z_, ]+) \| (.+?) \| (.+?) \|", DOCS, re.MULTILINE):
        columns = [re.sub(r",(?=\d)", "", text).split(", ") for text in texts]
        yield from zip(names.split(", "), *([*map(value, column)] for column in columns), strict=True)


def value(text: str) -> int:
    """ "240 x 512 x 512" and "2 GB" as numbers."""
    words = [part for part in text.split() if part != "x"]
    return math.prod(UNITS.get(word) or int(word) for word in words)


def test_the_table_tells_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    public = dataclasses.asdict(Limits.from_environment())
    monkeypatch.setenv("GANHUB_PRIVATE", "1")
    private = dataclasses.asdict(Limits.from_environment())
    told = {name.lower(): (one, other) for name, one, other in rows()}
    assert told == {name: (public[name], private[name]) for name in told}
    assert {name for name in public if public[name] != private[name]} - {"sessions_address"} <= set(told)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_each_limit_has_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = getattr(Limits(), name)
    monkeypatch.setenv(f"GANHUB_LIMIT_{name.upper()}", "17")
    assert dataclasses.replace(Limits(), **{name: 17}) == Limits.from_environment()
    for odd in ("", "0", "-3", "1.5", "many", "1e3", "९", "9" * 30, "0x10", " 7"):
        monkeypatch.setenv(f"GANHUB_LIMIT_{name.upper()}", odd)
        assert getattr(Limits.from_environment(), name) == usual, odd
    monkeypatch.setenv("GANHUB_DISK_MB", "3")
    assert Limits.from_environment().disk == 3_000_000


def test_the_runner_of_jobs_has_the_limits() -> None:
    jobs = jobs_within(Limits(queue=3, waiting_address=2, slow_address=1, seconds=7))
    assert (jobs.lanes.waiting, jobs.lanes.own, jobs.lanes.own_slow, jobs.most) == (3, 2, 1, 7)


# ---- for oneself


@pytest.fixture(scope="module")
def own(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The lines of the page, run as they stand but at this machine's own address, with a few limits of one's own."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    assert '"0.0.0.0"' in code
    folder, port = tmp_path_factory.mktemp("own"), free_port()
    (folder / "own.py").write_text(code.replace("0.0.0.0", "127.0.0.1"), "utf-8")
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "GANHUB_MODELS": str(models), "GRADIO_SERVER_PORT": str(port),
        "PASSWORD": "a secret", "GANHUB_PRIVATE": "1", "GANHUB_LIMIT_FRAMES": "7",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "own.py"], cwd=folder, env=environment)
    try:
        wait_for(process, f"http://127.0.0.1:{port}/")
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=address, trust_env=False, timeout=120) as visitor:
            assert visitor.post("/login", data={"username": "me", "password": "a secret"}).status_code == 200
            yield SimpleNamespace(address=address, visitor=visitor)
    finally:
        process.kill()
        process.communicate()


def test_without_the_password_there_is_nothing(own: SimpleNamespace) -> None:
    ask = {"json": {"data": [{"verb": "generate", "model": "tiny-dcgan"}, []]}}
    tool = {"json": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            "headers": {"accept": "application/json, text/event-stream"}}  # fmt: skip
    upload = {"files": {"files": ("a.png", b"x")}}
    asked = (
        ("GET", f"{API}/info", {}), ("POST", f"{API}/run/create", ask), ("POST", f"{API}/call/create", ask),
        ("POST", f"{API}/upload", upload), ("POST", f"{API}/mcp/", tool), ("GET", f"{API}/file=/etc/hostname", {}),
        ("POST", f"{API}/queue/join", {"json": {"data": [], "fn_index": 0, "session_hash": "a"}}),
        ("GET", f"{API}/mcp/schema", {}), ("GET", f"{API}/openapi.json", {}),
    )  # fmt: skip
    with httpx.Client(base_url=own.address, trust_env=False, timeout=60) as stranger:
        for method, path, more in asked:
            assert stranger.request(method, path, **more).status_code in (401, 403), path
        assert stranger.get("/config").status_code in (401, 403) or "components" not in stranger.get("/config").json()
        for guess in ("wrong", "", "a secret "):
            login = stranger.post("/login", data={"username": "me", "password": guess})
            assert login.status_code >= 400 and not stranger.cookies, guess
    assert own.visitor.post(f"{API}/run/create", **ask).status_code == 200
    assert own.visitor.get(f"{API}/info").status_code == 200
    if importlib.util.find_spec("mcp"):
        call = {"name": "generate", "arguments": {"model": "tiny-dcgan", "seed": 3}}
        drawn = {**tool["json"], "method": "tools/call", "params": call}
        answer = own.visitor.post(f"{API}/mcp/", json=drawn, headers=tool["headers"])
        assert answer.status_code == 200 and '"isError":false' in answer.text and "image/png" in answer.text
    client = Client(own.address, auth=("me", "a secret"), verbose=False, download_files=False)
    assert client.predict(model="tiny-dcgan", api_name="/generate")[2] == "Seed 0."


def test_limits_are_those_of_the_variables(own: SimpleNamespace) -> None:
    def ask(**creation: object) -> httpx.Response:
        return own.visitor.post(f"{API}/run/create", json={"data": [{"model": "tiny-dcgan", **creation}, []]})

    known = own.visitor.post(f"{API}/run/describe", json={"data": []}).json()["data"][0]["verbs"]
    maxima = [known[verb]["properties"][name]["maximum"] for verb, name in (("generate", "count"), ("edit", "steps"))]
    assert maxima == [4096, 10_000]
    refused = ask(verb="interpolate", seeds=[1, 2], frames=8)
    assert refused.status_code == 400 and "at most 7 here" in refused.json()["error"]
    assert ask(verb="interpolate", seeds=[1, 2], frames=7).status_code == 200


def test_pages_of_other_sites_may_not_ask(own: SimpleNamespace) -> None:
    ask = {"data": [{"verb": "generate", "model": "tiny-dcgan"}, []]}
    for origin in ("https://evil.example", "null", "file://", "http://127.0.0.1.evil.example"):
        answer = own.visitor.post(f"{API}/run/create", json=ask, headers={"origin": origin})
        assert answer.status_code == 403, origin
        read = own.visitor.get(f"{API}/info", headers={"origin": origin})
        assert read.headers.get("access-control-allow-origin") not in (origin, "*"), origin
    assert own.visitor.get("/config", headers={"host": "evil.example"}).status_code == 421
    here = {"origin": own.address}
    assert own.visitor.post(f"{API}/run/create", json=ask, headers=here).status_code == 200
    assert json.loads(own.visitor.get(f"{API}/info", headers=here).text)["named_endpoints"]
