"""A small Hub on loopback: enough of its HTTP protocol for the real ``huggingface_hub`` client.

It creates repositories, takes commits (preupload, LFS batch, PUT, ndjson commit), answers model info, trees,
refs, and ``resolve`` with the headers and the redirect to a CDN that the client relies on. Private and gated
repositories ask for a token. Failures are injected: a status for the next requests, a connection that closes in
mid-body, a Hub that is gone.

Use the fixture ``hub_server`` (``pytest_plugins = ["tests.hub_server"]``); another process finds the server through
``HF_ENDPOINT``, which the fixture sets.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import close_session, constants

from ganhub.errors import HubError
from tests.hub_protocol import HubHttp, Repo

TOKEN = "hf_tests_someone"  # the token of the user "someone", who may write to someone/*


Pieces = Callable[[str, bytes], Iterable[bytes]]
Twist = Callable[[str, int, Any, dict[str, str]], tuple[int, Any, dict[str, str]]]


@dataclass
class _Fault:
    times: int
    status: int | None  # None: close the connection in mid-body
    match: re.Pattern[str]


class HubServer:
    """The Hub; ``url`` is its address, ``requests`` what was asked of it, as (method, path, headers)."""

    token = TOKEN

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.users = {TOKEN: "someone"}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.faults: list[_Fault] = []
        self.pieces: Pieces = lambda path, data: [data]  # how a body is sent: a slow Hub takes its time between two
        self.twist: Twist | None = None  # changes (path, status, content, headers) of every answer
        self.lock = threading.RLock()
        self.port = 0
        self.plug()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def cdn_url(self) -> str:
        """Another host name, as on the real Hub: the client follows redirects within one host by itself."""
        return f"http://localhost:{self.port}/cdn"

    # What a test arranges and looks at.

    def put(
        self,
        repo_id: str,
        files: Mapping[str, bytes | str] | Path,
        *,
        branch: str = "main",
        private: bool = False,
        gated: bool = False,
        keep: bool = False,
    ) -> str:
        """Commit ``files`` (or a folder) as the whole content of a branch; the commit's sha."""
        if isinstance(files, Path):
            files = {
                path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()
            }
        content = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
        with self.lock:
            repo = self.repos.setdefault(repo_id, Repo(private=private, gated=gated))
            if keep and branch in repo.refs:
                content = {**repo.commits[repo.refs[branch]], **content}
            return repo.commit(content, branch)

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """Path -> bytes of a repository at a branch or commit."""
        repo = self.repos[repo_id]
        return dict(repo.commits[repo.resolve(revision) or "no such revision"])

    def fail(self, times: int, status: int = 503, match: str = "") -> None:
        """Answer the next ``times`` requests whose "METHOD path" matches with ``status``."""
        self.faults.append(_Fault(times, status, re.compile(match)))

    def cut(self, times: int, match: str = r"^GET .*(/resolve/|/cdn/)") -> None:
        """Close the connection of the next ``times`` matching requests after half of the body."""
        self.faults.append(_Fault(times, None, re.compile(match)))

    def asked(self, match: str) -> list[tuple[str, str, dict[str, str]]]:
        """The requests whose "METHOD path" matches."""
        return [request for request in self.requests if re.search(match, f"{request[0]} {request[1]}")]

    def plug(self) -> None:
        """Listen (again, on the same port)."""
        self._http = HubHttp(self)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def unplug(self) -> None:
        """Be gone: stop to listen and drop every connection, as when the network fails."""
        self._http.shutdown()
        self._http.server_close()
        self._http.drop_connections()

    def take_fault(self, request: str) -> _Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.match.search(request):
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def connected(server: HubServer, home: Path) -> Iterator[pytest.MonkeyPatch]:
    """Let the Hub client, here and in child processes, ask ``server`` and keep what it fetches below ``home``."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
            patch.delenv(name, raising=False)
        for name, value in {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }.items():
            patch.setenv(name, value)
        # The client read its environment when it was imported.
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DISABLE_TELEMETRY": True,
        }.items():
            patch.setattr(constants, name, value)
        close_session()  # its connections belong to another server
        yield patch
        close_session()


@pytest.fixture
def hub_server(tmp_path: Path) -> Iterator[HubServer]:
    """A Hub of its own for one test, with an empty cache; child processes find it through the environment."""
    server = HubServer()
    with connected(server, tmp_path / "hf-home"):
        yield server
    server.unplug()


@pytest.fixture
def someone(monkeypatch: pytest.MonkeyPatch, hub_server: HubServer) -> str:
    """Logged in as the owner of someone/*."""
    monkeypatch.setenv("HF_TOKEN", hub_server.token)
    return hub_server.token


def sentence(error: pytest.ExceptionInfo[HubError]) -> str:
    """The message: one line that ends in a full stop."""
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 400
    return text
