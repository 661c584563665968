"""The tools for agents, called by the protocol's own client against a real app."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

import anyio
import httpx
import pytest

from ganhub.creation.schema import kinds
from tests.app_server import ROOT, Server, wait_until

pytest.importorskip("mcp", reason="needs the extra mcp: pip install 'ganhub[mcp]'")
from mcp import ClientSession  # noqa: E402
from mcp.client.streamable_http import streamablehttp_client  # noqa: E402

pytest_plugins = ["tests.app_server"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
SKETCH = (ROOT / "ganhub" / "app" / "assets" / "sketch-fish.png").read_bytes()
PICTURE = f"data:image/png;base64,{base64.b64encode(SKETCH).decode()}"


def talk(server: Server, conversation: Callable[[ClientSession], Awaitable[Any]]) -> Any:
    """What a conversation with the tools returns."""

    async def main() -> Any:
        async with (
            streamablehttp_client(f"{server.url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await conversation(session)

    return anyio.run(main)


def call(server: Server, tool: str, **values: Any) -> Any:
    return talk(server, lambda session: session.call_tool(tool, values))


def test_each_verb_is_a_tool_with_the_fields_of_its_creation(server: Server) -> None:
    tools = {tool.name: tool for tool in talk(server, lambda session: session.list_tools()).tools}
    assert set(tools) == {*kinds(), "create", "describe"}
    for verb, kind in kinds().items():
        schema = tools[verb].inputSchema
        assert set(schema["properties"]) == {field.name for field in fields(kind)}, verb
        assert all(len(field["description"]) > 3 for field in schema["properties"].values()), verb
        assert len(tools[verb].description) > 40
    assert tools["generate"].inputSchema["properties"]["count"]["maximum"] == 64
    assert tools["generate"].inputSchema["required"] == ["model"]


def test_a_tool_gives_the_picture_itself(server: Server) -> None:
    answer = call(server, "generate", model="tiny-dcgan", seed=3)
    assert not answer.isError and answer.content[0].type == "image"
    assert base64.b64decode(answer.content[0].data).startswith(b"\x89PNG")
    assert any('"seed": 3' in part.text.replace("'", '"') for part in answer.content if part.type == "text")


def test_a_picture_is_given_as_a_data_url_or_as_an_upload(server: Server) -> None:
    files = {"files": ("sketch.png", SKETCH)}
    (path,) = httpx.post(f"{server.url}gradio_api/upload", files=files, trust_env=False).json()
    pictures = []
    for given in (PICTURE, path):
        answer = call(server, "translate", model="tiny-pix2pix", photo=given, size=64)
        assert not answer.isError, answer.content
        pictures.append(answer.content[0].data)
    assert pictures[0] == pictures[1]
    body = {"data": [{"verb": "generate", "model": "tiny-dcgan"}, []]}
    drawn = httpx.post(f"{server.url}gradio_api/run/create", json=body, trust_env=False, timeout=60).json()["data"][1][
        0
    ]
    assert drawn["url"].endswith(f"file={drawn['path']}")
    again = call(
        server, "translate", model="tiny-pix2pix", photo=drawn["path"], size=64
    )  # what a tool has drawn before
    assert not again.isError and again.content[0].data != pictures[0]


@pytest.mark.parametrize(
    "photo", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/a.png", "https://127.0.0.1:9/a.png", "..", "a"]
)
def test_nothing_else_is_a_picture(server: Server, photo: str) -> None:
    answer = call(server, "translate", model="tiny-pix2pix", photo=photo)
    assert answer.isError and "no picture that is here" in answer.content[0].text


def test_a_wrong_value_is_said_in_a_sentence(server: Server) -> None:
    answer = call(server, "generate", model="tiny-dcgan", seed=2**32 - 1, count=2)
    assert answer.isError and "seed must be from 0 to" in answer.content[0].text


def test_a_call_that_is_given_up_frees_the_worker(server: Server) -> None:
    before = server.workers()

    async def leave(session: ClientSession) -> None:
        asked = {"model": "endless", "photo": PICTURE, "size": 16, "styles": [[PICTURE, 1.0]]}
        with anyio.move_on_after(4):
            await session.call_tool("style", asked)
        assert server.workers() > before

    talk(server, leave)
    wait_until(lambda: server.workers() == before)


def test_the_older_transport_and_other_hosts_stay_closed(server: Server) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as visitor:
        assert visitor.get("gradio_api/mcp/sse").status_code == 404
        assert visitor.post("gradio_api/mcp/messages/", json={}).status_code == 404
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        wanted = {"accept": "application/json, text/event-stream"}
        assert visitor.post("gradio_api/mcp/", json=body, headers=wanted).status_code == 200
        for strange in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
            assert visitor.post("gradio_api/mcp/", json=body, headers={**wanted, **strange}).status_code in (403, 421)
        assert "secret" not in json.dumps(visitor.get("gradio_api/mcp/schema").json())
