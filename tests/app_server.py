"""``python app.py`` with tiny models beside the published ones: started once, for all tests of a worker.

Fixtures: ``models``, ``server`` and ``client`` (``pytest_plugins = ["tests.app_server"]``). ``conftest.py`` keeps
the files that use them on one worker.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from ganhub.models import get_architecture

ROOT = Path(__file__).resolve().parent.parent
# Beside app.py a thread that says, for each line it reads, how many of the app's worker threads are alive.
RUN = """
import runpy, sys, threading
def count():
    for _ in sys.stdin:
        print(sum(thread.name == "ganhub-job" for thread in threading.enumerate()), flush=True)
threading.Thread(target=count, daemon=True).start()
runpy.run_path("app.py", run_name="__main__")
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(process: subprocess.Popen, url: str) -> None:
    """Until the server of this process answers; it may be slow, but it may not end."""
    for _ in range(900):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


class Server:
    """The app in a process of its own, which tells how many of its worker threads are alive."""

    def __init__(self, models: Path) -> None:
        port = free_port()
        environment = {**os.environ, "GANHUB_MODELS": str(models), "GRADIO_SERVER_PORT": str(port)}
        self.url = f"http://127.0.0.1:{port}/"
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def workers(self) -> int:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline().strip()).isdigit():  # app.py prints its address
            assert line or self.process.poll() is None, "app.py ended"
        return int(line)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one tiny model of each architecture, and a style network that takes very long."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)  # the same pictures in whatever order the tests run: some would find too few in a search
    for name in ("conditional-gan", "dcgan", "fast-style", "gatys", "inpainting", "pix2pix", "srgan", "stylegan2"):
        get_architecture(name).tiny().save_pretrained(folder / f"tiny-{name}")
    mender = get_architecture("srgan")
    mender(mender.Config(scale=1, width=4, blocks=1, fold=2)).save_pretrained(folder / "tiny-cleaner")
    gatys = get_architecture("gatys")
    gatys(gatys.Config(steps=50_000, sizes=1, preview_every=1)).save_pretrained(folder / "endless")
    return folder


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Server]:
    server = Server(models)
    try:
        wait_for(server.process, server.url)
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A caller of the API, with a session of its own."""
    with pytest.MonkeyPatch.context() as patch:  # the client makes a folder beside each download
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("client")))
        yield Client(server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def refusal(client: Client, *arguments: Any, api_name: str) -> str:
    """The sentence that a call is refused with."""
    with pytest.raises(AppError) as error:
        client.predict(*arguments, api_name=api_name)
    text = str(error.value)
    assert "Traceback" not in text and "upstream" not in text, text
    return text


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
