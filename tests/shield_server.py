"""The small app of ``shield_app.py`` in a process of its own: the fixture ``served``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.app_server import ROOT, free_port

API = "/gradio_api"


@pytest.fixture(scope="session")
def served() -> Iterator[SimpleNamespace]:
    """A small app with each kind of input behind the gate: "client", "routes" of Gradio, "canvas" (its id)."""
    port = free_port()
    command = [sys.executable, str(ROOT / "tests" / "shield_app.py"), str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        paths = json.loads(next(line for line in lines if line.startswith("[")))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            parts = client.get("/config").json()["components"]
            canvas = next(part["id"] for part in parts if part["type"] == "imageeditor")
            yield SimpleNamespace(client=client, routes=paths, canvas=canvas)
    finally:
        process.kill()
        process.communicate()


def call(served: SimpleNamespace, data: list, session: str = "s1", **more: Any) -> tuple[int, Any]:
    """The status of a join, and the last message of the job, or the refusal's sentence."""
    body = {"data": data, "fn_index": 0, "session_hash": session, **more}
    answer = served.client.post(f"{API}/queue/join", json=body)
    if answer.status_code != 200:
        return answer.status_code, answer.json()["detail"]
    with served.client.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as stream:
        messages = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    return 200, next(m for m in messages if m["msg"] == "process_completed")
