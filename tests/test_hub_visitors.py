"""Many visitors, one Hub: a slow repository holds up nobody else, and whoever leaves is waited for by nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganhub import hub
from ganhub.app.jobs import Job, Stopped
from ganhub.app.library import Library
from ganhub.errors import HubError
from ganhub.hub import downloads, visitors
from ganhub.models import get_architecture
from tests.hub_server import HubServer, sentence

pytest_plugins = ["tests.hub_server"]


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return get_architecture("mlp-gan").tiny().save_pretrained(tmp_path / "m")


@pytest.fixture
def drip(hub_server: HubServer, model: Path) -> Iterator[threading.Event]:
    """Repositories o/quick and o/slow-N; weights of the second come byte by byte until the event is set."""
    rest = threading.Event()
    for name in ("quick", *(f"slow-{number}" for number in range(6))):
        hub_server.put(f"o/{name}", {path.name: path.read_bytes() for path in model.iterdir()} | {"n.txt": name})
    slow: set[str] = set()

    def twist(path: str, status: int, content: object, headers: dict[str, str]) -> tuple:
        if "/slow-" in path and path.endswith(".safetensors"):
            slow.add(headers.get("Location", "").rpartition("/")[2])
            del headers["Location"], headers["X-Linked-Size"], headers["X-Linked-Etag"]
            headers["ETag"] = '"slow"'
            return 200, (model / "model.safetensors").read_bytes(), headers
        return status, content, headers

    def pieces(path: str, data: bytes) -> Iterator[bytes]:
        if "/slow-" not in path or not path.endswith(".safetensors"):
            yield data
            return
        for place in range(len(data)):
            if rest.wait(0.02):
                yield data[place:]
                return
            yield data[place : place + 1]

    hub_server.twist, hub_server.pieces = twist, pieces
    yield rest
    rest.set()


def asked(server: HubServer, name: str) -> int:
    return len(server.asked(rf"GET /o/{name}/resolve/.*safetensors"))


def test_a_slow_repository_holds_up_nobody_else(hub_server: HubServer, drip: threading.Event, tmp_path: Path) -> None:
    library = Library(device="cpu", cache_dir=tmp_path / "visitors")
    slow = Job(lambda report: library.open("o/slow-0"))
    wait_for(lambda: asked(hub_server, "slow-0"))
    library.open("o/quick")
    assert not slow.done
    drip.set()
    assert slow.result().architecture == "mlp-gan"


def test_stop_ends_a_download_and_the_waiting_for_it(
    hub_server: HubServer, drip: threading.Event, tmp_path: Path
) -> None:
    library = Library(device="cpu", cache_dir=tmp_path / "visitors")
    first = Job(lambda report: library.open("o/slow-0"))
    wait_for(lambda: asked(hub_server, "slow-0"))
    second = Job(lambda report: library.open("o/slow-0"))
    third = Job(lambda report: visitors.locate_repo("o/slow-0", cache_dir=tmp_path / "visitors", heed=None))
    second.stop()
    second.thread.join(30)
    assert second.stopped and not first.done
    first.stop()
    first.thread.join(30)
    assert first.stopped and not third.done, "the third one's turn has come"
    drip.set()
    assert hub.read_config(third.result())["architecture"] == "mlp-gan"
    assert not visitors._busy and not visitors._waiting


def test_a_download_that_was_stopped_leaves_nothing(
    hub_server: HubServer, drip: threading.Event, tmp_path: Path
) -> None:
    library, cache = Library(device="cpu", cache_dir=tmp_path / "visitors"), tmp_path / "visitors"
    jobs = [Job(lambda report, n=n: library.open(f"o/slow-{n}")) for n in range(3)]
    for number, job in enumerate(jobs):
        wait_for(lambda n=number: asked(hub_server, f"slow-{n}"))
        job.stop()
    for job in jobs:
        with pytest.raises(Stopped):
            job.result()
    assert not [path for path in cache.rglob("*") if path.is_file() and path.name != "CACHEDIR.TAG"]


def test_waiters_are_bounded(
    hub_server: HubServer, drip: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "AT_ONCE", 2)
    monkeypatch.setattr(visitors, "WAITING", 3)
    cache = tmp_path / "visitors"
    jobs = [Job(lambda report, n=n: visitors.locate_repo(f"o/slow-{n}", cache_dir=cache)) for n in range(5)]
    wait_for(lambda: len(visitors._busy) == 2 and len(visitors._waiting) == 3)
    with pytest.raises(HubError, match="Too many models are being fetched") as error:
        visitors.locate_repo("o/quick", cache_dir=cache)
    sentence(error)
    drip.set()
    assert len({job.result() for job in jobs}) == 5


def test_a_drip_is_given_up(
    hub_server: HubServer, drip: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PATIENCE", 0.3)
    with pytest.raises(HubError, match="o/slow-1 comes too slowly") as error:
        visitors.locate_repo("o/slow-1", cache_dir=tmp_path / "visitors")
    sentence(error)


def test_what_is_on_its_way_counts_as_full(
    hub_server: HubServer, drip: threading.Event, model: Path, tmp_path: Path
) -> None:
    """Two downloads of which the cache holds one: the second begins once the first is over, and makes room."""
    size = sum(path.stat().st_size for path in model.iterdir())
    options = {"cache_dir": tmp_path / "visitors", "max_cache_bytes": size + size // 2}
    first = Job(lambda report: visitors.locate_repo("o/slow-0", **options))
    wait_for(lambda: asked(hub_server, "slow-0"))
    second = Job(lambda report: visitors.locate_repo("o/slow-1", **options))
    wait_for(lambda: len(visitors._busy) == 2)
    time.sleep(0.5)
    assert not asked(hub_server, "slow-1")
    drip.set()
    first.result()
    assert second.result().is_dir()
    assert {path.name for path in (tmp_path / "visitors").glob("models--*")} == {"models--o--slow-1"}


def test_sizes_are_known_before_anything_is_fetched(hub_server: HubServer, model: Path) -> None:
    content = {path.name: path.read_bytes() for path in model.iterdir()}
    hub_server.put("o/config", {**content, "config.json": b" " * 1_000_001 + b"{}"})
    hub_server.put("o/card", {**content, "README.md": b"x" * 10_000_001})
    with pytest.raises(HubError, match="config.json of o/config is larger than 1 MB") as error:
        hub.locate("o/config")
    sentence(error)
    assert not hub_server.asked("/o/config/resolve/")
    assert not (hub.locate("o/card") / "README.md").exists()

    def lie(path: str, status: int, content: object, headers: dict[str, str]) -> tuple:
        if isinstance(content, dict) and "siblings" in content:
            content["siblings"] = [{**file, "size": 30_000_000_000} for file in content["siblings"]]
        return status, content, headers

    hub_server.put("o/large", content)
    hub_server.twist = lie
    with pytest.raises(HubError, match="config.json|allowed here"):
        hub.locate("o/large")
    assert not hub_server.asked("/o/large/resolve/")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ETag", '"../../../../up"'),
        ("ETag", '"a\\b"'),
        ("X-Repo-Commit", "../up"),
        ("X-Repo-Commit", ".."),
        ("ETag", '".."'),
    ],
)
def test_headers_become_file_names(header: str, value: str, hub_server: HubServer, model: Path, tmp_path: Path) -> None:
    hub_server.put("o/m", model)
    hub_server.twist = lambda path, status, content, headers: (status, content, {**headers, header: value})
    for locate in (hub.locate, visitors.locate_repo):
        with pytest.raises(HubError, match="strange|no commit|changed") as error:
            locate("o/m", cache_dir=tmp_path / "a" / "b" / "cache")
        sentence(error)
    assert not [path for path in tmp_path.rglob("*up*") if path.is_file()]
