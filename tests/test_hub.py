"""To the Hub and back, with the real client against the small Hub of ``hub_server.py``."""

from __future__ import annotations

import itertools
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganhub import hub
from ganhub.errors import HubError
from ganhub.hub import uploads, visitors
from tests.hub_server import sentence

pytest_plugins = ["tests.hub_server"]
# The Hub client uploads LFS files in a way that its own HTTP library has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "someone/toy"
FILES = {"README.md", "config.json", "metrics.json", "model.safetensors"}
CARD = "---\nlicense: mit\n---\n\n# toy\n"


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    return {
        "weight": torch.randn(5, 3, generator=generator),
        "half": torch.randn(4, generator=generator).half(),
        "count": torch.tensor(3),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete Hub folder, with an adversary beside it."""
    path = hub.write_folder(tmp_path / "toy", {"architecture": "toy", "width": 3}, tensors())
    (path / "README.md").write_text(CARD)
    (path / "metrics.json").write_text('{"accuracy": 0.5}\n')
    (path / "samples.png").write_bytes(b"\x89PNG toy")
    (path / ".secret.json").write_text("{}")
    hub.write_folder(path / "training", {}, {"adversary": torch.ones(2)})
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "step.safetensors").write_bytes(b"not for the Hub")
    return path


def half_files(where: Path) -> list[Path]:
    return [path for path in where.rglob("*") if path.suffix in (".incomplete", ".tmp")]


def test_round_trip(hub_server, someone: str, folder: Path) -> None:
    """Create, preupload, LFS, one commit; then resolve: byte for byte what was pushed."""
    url = uploads.push_folder(folder, REPO, commit_message="the first")
    pushed = hub_server.files(REPO)
    assert set(pushed) == {".gitattributes", "samples.png", *FILES}
    assert all(pushed[name] == (folder / name).read_bytes() for name in pushed if name != ".gitattributes")
    assert hub_server.repos[REPO].messages[1:] == ["the first"] and url.startswith(f"{hub_server.url}/{REPO}/commit/")
    assert hub_server.asked(r"PUT /lfs/")

    there = hub.locate(REPO)
    assert {path.name for path in there.iterdir()} == FILES
    assert all(path.read_bytes() == pushed[path.name] for path in there.iterdir())
    assert torch.equal(hub.read_tensors(there)["weight"], tensors()["weight"])
    # The Hub counts downloads by this file, and the libraries by the user agent.
    counted = hub_server.asked(r"(HEAD|GET) .*/resolve/main/config.json")
    assert counted and all("ganhub/" in headers["user-agent"] for _, _, headers in counted)
    assert not [request for request in hub_server.asked("/cdn/") if "authorization" in request[2]]

    before = len(hub_server.requests)
    assert hub.locate(REPO) == there
    assert not [r for r in hub_server.requests[before:] if r[0] == "GET" and "/api/" not in r[1]], "nothing again"


def test_push_again_is_one_commit_of_what_changed(hub_server, someone: str, folder: Path) -> None:
    uploads.push_folder(folder, REPO)
    hub.write_folder(folder, {"architecture": "toy", "width": 4}, tensors())
    hub_server.requests.clear()
    uploads.push_folder(folder, REPO, include_training=True)
    assert json.loads(hub_server.files(REPO)["config.json"])["width"] == 4
    assert {"training/config.json", "training/model.safetensors"} < set(hub_server.files(REPO))
    assert "checkpoints/step.safetensors" not in hub_server.files(REPO)
    assert len(hub_server.repos[REPO].messages) == 3 and len(hub_server.asked("PUT /lfs/")) == 1


def test_branches_revisions_and_pull_requests(hub_server, someone: str, folder: Path) -> None:
    uploads.push_folder(folder, REPO)
    first = hub_server.repos[REPO].refs["main"]
    hub.write_folder(folder, {"width": 99}, tensors())
    uploads.push_folder(folder, REPO, branch="wide")
    assert uploads.push_folder(folder, REPO, create_pr=True).endswith(f"/{REPO}/discussions/1")
    assert hub.read_config(hub.locate(REPO)) == hub.read_config(hub.locate(REPO, revision=first))
    assert hub.read_config(hub.locate(REPO))["width"] == 3
    assert hub.read_config(hub.locate(REPO, revision="wide")) == {"width": 99}
    assert hub.read_config(hub.locate(REPO, revision="refs/pr/1")) == {"width": 99}
    for revision in ("narrow", "0" * 40):
        with pytest.raises(HubError, match=f"no revision '{revision}'") as error:
            hub.locate(REPO, revision=revision)
        sentence(error)


def test_a_branch_that_moved_is_fetched_again(hub_server, folder: Path) -> None:
    hub_server.put(REPO, folder)
    assert hub.read_config(hub.locate(REPO))["width"] == 3
    hub_server.put(REPO, {"config.json": '{"width": 5}'}, keep=True)
    assert hub.read_config(hub.locate(REPO))["width"] == 5


def test_subfolder_and_variant(hub_server, folder: Path, tmp_path: Path) -> None:
    hub.write_folder(folder / "ema" / "slow", {"which": "slow"}, tensors(), variant="fp16", dtype=torch.float16)
    hub_server.put(REPO, folder)
    there = hub.locate(REPO, subfolder="ema/slow", variant="fp16")
    assert hub.read_config(there) == {"which": "slow"}
    assert hub.read_tensors(there, "fp16")["weight"].dtype == torch.float16
    assert hub_server.asked(r"HEAD /someone/toy/resolve/main/config.json"), "the root's file is what the Hub counts"
    assert not hub_server.asked(r"GET .*toy/resolve/.*/model.safetensors")
    with pytest.raises(HubError, match="someone/toy/ema/slow has no model.safetensors, but model.fp16.safetensors"):
        hub.locate(REPO, subfolder="ema/slow")
    with pytest.raises(HubError, match="someone/toy/none has no config.json"):
        hub.locate(REPO, subfolder="none")


def test_shards_from_the_hub(hub_server) -> None:
    files = {name: b"x" for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")}
    others = {"model.safetensors.index.json": b"{}", "config.json": b"{}", "pytorch_model.bin": b"x", "a/x.png": b""}
    hub_server.put(REPO, {**files, **others})
    there = hub.locate(REPO)
    assert {path.name for path in there.iterdir()} == {*files, "model.safetensors.index.json", "config.json"}


def test_what_is_missing_on_the_hub(hub_server, folder: Path) -> None:
    with pytest.raises(HubError, match="nobody/nothing does not exist on the Hub, or is private") as error:
        hub.locate("nobody/nothing")
    assert "check the name" in sentence(error)
    hub_server.put(REPO, {"model.safetensors": b"", "README.md": b""})
    with pytest.raises(HubError, match="has no config.json, so it is no ganhub model") as error:
        hub.locate(REPO)
    sentence(error)
    hub_server.put(REPO, {"config.json": b"{}", "pytorch_model.bin": b"\x80\x02"})
    with pytest.raises(HubError, match="only pytorch_model.bin: this is a pickle.*ask the author") as error:
        hub.locate(REPO)
    sentence(error)
    assert not hub_server.asked("GET .*pytorch_model")


def test_private_and_gated_repositories(
    hub_server, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uploads.push_folder(folder, REPO, private=True, token=hub_server.token)
    hub_server.put("someone/gated", folder, gated=True)
    for token in (None, False):
        with pytest.raises(HubError, match="does not exist on the Hub, or is private") as error:
            hub.locate(REPO, token=token)
        sentence(error)
    with pytest.raises(HubError, match="gated: accept its terms") as error:
        hub.locate("someone/gated")
    sentence(error)
    with pytest.raises(HubError) as error:
        hub.locate(REPO, token="hf_wrong")
    sentence(error)
    assert hub.read_config(hub.locate(REPO, token=hub_server.token))["width"] == 3
    monkeypatch.setenv("HF_TOKEN", hub_server.token)
    assert hub.read_config(hub.locate(REPO))["width"] == 3
    # The owner's token, and what the owner downloaded with it, must not serve a visitor: with a network or without.
    for unplugged in (False, True):
        if unplugged:
            hub_server.unplug()
        with pytest.raises(HubError) as error:
            visitors.locate_repo(REPO)
        sentence(error)
    assert not [r for r in hub_server.requests[-1:] if "authorization" in r[2]]


def test_no_right_to_push(hub_server, folder: Path) -> None:
    hub_server.users["hf_other"] = "other"
    hub_server.put(REPO, folder)
    for token in (None, "hf_other", "hf_unknown"):
        with pytest.raises(HubError, match="You may not push to someone/toy: log in") as error:
            uploads.push_folder(folder, REPO, token=token)
        sentence(error)
    assert len(hub_server.repos[REPO].messages) == 1


def test_push_of_what_is_no_model(hub_server, someone: str, folder: Path) -> None:
    with pytest.raises(HubError, match="owner/name"):
        uploads.push_folder(folder, "toy")
    (folder / "config.json").unlink()
    with pytest.raises(HubError, match="config.json"):
        uploads.push_folder(folder, REPO)
    assert REPO not in hub_server.repos


# --- When things go wrong on the way ----------------------------------------------------


def test_no_network(hub_server, folder: Path) -> None:
    """Without a cache a sentence, at once; with one, the cache."""
    hub_server.put(REPO, folder)
    hub_server.put("someone/other", folder)
    there = hub.locate(REPO)
    hub_server.unplug()
    assert hub.locate(REPO) == there
    with pytest.raises(HubError, match="cannot be reached.*not in the cache.*or pass a local folder") as error:
        hub.locate("someone/other")
    sentence(error)
    with pytest.raises(HubError, match="at wide is not in the cache"):
        hub.locate(REPO, revision="wide")
    with pytest.raises(HubError, match="cannot be reached"):
        hub.locate(REPO, force_download=True)
    with pytest.raises(HubError, match="cannot be reached"):
        uploads.push_folder(folder, REPO, token=hub_server.token)
    hub_server.plug()
    assert hub.locate("someone/other").is_dir()


def test_offline_on_purpose(hub_server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_server.put(REPO, folder)
    with pytest.raises(HubError, match="local_files_only") as error:
        hub.locate(REPO, local_files_only=True)
    sentence(error)
    there = hub.locate(REPO)
    before = len(hub_server.requests)
    assert hub.locate(REPO, local_files_only=True) == there
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub.locate(REPO) == there
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        hub.locate("someone/other")
    assert len(hub_server.requests) == before


@pytest.mark.parametrize("match", ["GET /api/models", "HEAD .*config.json", "GET .*config.json", "GET /cdn/"])
def test_503_in_the_middle_is_tried_again(hub_server, folder: Path, match: str, tmp_path: Path) -> None:
    hub_server.put(REPO, folder)
    hub_server.fail(1, 503, match)
    there = hub.locate(REPO)
    assert hub_server.faults[0].times == 0
    assert (there / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert half_files(tmp_path) == []


def test_503_that_stays(hub_server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence and no half file; the next try succeeds. With an older copy in the cache, that one is used."""
    monkeypatch.setattr("ganhub.hub._errors.WAIT", 0.01)
    hub_server.put(REPO, folder)
    hub_server.fail(1000, 503, "GET /cdn/")
    with pytest.raises(HubError, match="answers 503.*not in the cache") as error:
        hub.locate(REPO)
    sentence(error)
    assert half_files(tmp_path) == [] and not list((tmp_path / "hf-home").rglob("model.safetensors"))
    hub_server.faults.clear()
    there = hub.locate(REPO)
    hub.write_folder(folder, {"width": 9}, {"weight": torch.zeros(3)})
    hub_server.put(REPO, folder)
    hub_server.fail(1000, 503, "GET /cdn/")
    assert hub.locate(REPO) == there and hub.read_config(there)["width"] == 3


def test_connection_closed_in_mid_body(hub_server, tmp_path: Path) -> None:
    """The download goes on where it broke off, and the bytes are right."""
    source = hub.write_folder(tmp_path / "m", {}, {"a": torch.randn(300_000)})
    hub_server.put(REPO, source)
    hub_server.cut(1, "GET /cdn/")
    there = hub.locate(REPO)
    assert (there / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert len(hub_server.asked("GET /cdn/")) == 2 and half_files(tmp_path) == []


def test_failed_upload_leaves_the_repository_alone(hub_server, someone: str, folder: Path) -> None:
    uploads.push_folder(folder, REPO)
    sha = hub_server.repos[REPO].refs["main"]
    hub.write_folder(folder, {"width": 8}, {"weight": torch.zeros(3)})
    hub_server.fail(1000, 500, "POST .*/commit/")
    with pytest.raises(HubError, match="answers 500") as error:
        uploads.push_folder(folder, REPO)
    sentence(error)
    assert hub_server.repos[REPO].refs["main"] == sha


def test_disk_full_in_a_download(hub_server, tmp_path: Path) -> None:
    """A real write error in the middle: one sentence, no half file, and the next try succeeds."""
    resource = pytest.importorskip("resource")
    source = hub.write_folder(tmp_path / "m", {}, {"a": torch.randn(300_000)})
    hub_server.put(REPO, source)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(HubError) as error:
            hub.locate(REPO)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "disk is full" in sentence(error) and half_files(tmp_path) == []
    assert hub.read_tensors(hub.locate(REPO))["a"].shape == (300_000,)


# --- Limits -----------------------------------------------------------------------------


def test_size_is_asked_before_the_download(hub_server, folder: Path) -> None:
    """Only what would be fetched counts: a large adversary beside a small generator is no reason to refuse."""
    (folder / "training" / "model.safetensors").write_bytes(bytes(100_000))
    hub_server.put(REPO, folder)
    with pytest.raises(HubError, match="MB, more than the 0.0 MB allowed") as error:
        hub.locate(REPO, max_bytes=100)
    sentence(error)
    assert not hub_server.asked("resolve|cdn")
    assert hub.locate(REPO, max_bytes=50_000).is_dir()
    with pytest.raises(HubError, match="more than"):
        visitors.locate_repo(REPO, max_bytes=10**9, max_cache_bytes=100)


def test_visitors_cache_is_bounded(hub_server, tmp_path: Path) -> None:
    """Making room drops the model unused for longest; a model that changes often does not pile up."""
    for name in "abcd":
        hub_server.put(f"someone/{name}", {"config.json": "{}", "model.safetensors": name.encode() * 40_000})
    cache = tmp_path / "visitors"

    def ask(name: str, seconds: int) -> None:
        there = visitors.locate_repo(f"someone/{name}", cache_dir=cache, max_cache_bytes=130_000)
        assert (there / "model.safetensors").read_bytes() == name.encode() * 40_000
        for path in there.iterdir():
            os.utime(path, (seconds, seconds))  # the clock of this test
        held = sum(path.stat().st_size for path in cache.rglob("blobs/*"))
        assert held <= 130_000

    def kept() -> set[str]:
        return {path.name.removeprefix("models--someone--") for path in cache.glob("models--*")}

    for second, name in enumerate("abca", 1):
        ask(name, second)
    assert kept() == {"a", "b", "c"}
    ask("d", 5)
    assert kept() == {"a", "c", "d"}, "b was used longest ago"
    for number in range(4):
        hub_server.put("someone/d", {"config.json": f'{{"n": {number}}}', "model.safetensors": b"d" * 40_000})
        ask("d", 6 + number)
    assert kept() == {"a", "c", "d"} and len(list(cache.glob("models--someone--d/snapshots/*"))) == 1


def test_visitors_at_the_same_time(hub_server, tmp_path: Path) -> None:
    """Eight requests for four models through a cache that holds two: each gets its own bytes."""
    for name in "abcd":
        hub_server.put(f"someone/{name}", {"config.json": f'{{"name": "{name}"}}', "model.safetensors": name * 40_000})

    def ask(name: str) -> tuple[str, Path]:
        return name, visitors.locate_repo(f"someone/{name}", cache_dir=tmp_path / "v", max_cache_bytes=90_000)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, "abcdabcd"))
    assert all(there.parent.parent.name == f"models--someone--{name}" for name, there in answers)
    kept = [path for path in (tmp_path / "v").glob("models--*") if list(path.glob("snapshots/*/config.json"))]
    assert 1 <= len(kept) <= 2


def test_room_is_made_while_another_download_renames_its_files(tmp_path: Path) -> None:
    """The client writes the name of a branch beside its place and moves it there: a scan may miss it in between."""
    refs = tmp_path / "models--someone--busy" / "refs"
    refs.mkdir(parents=True)
    (refs.parent / "snapshots").mkdir()
    stop = threading.Event()

    def rename() -> None:
        for i in itertools.count():
            if stop.wait(0.0002):
                return
            (refs / f"main.{i}.tmp").write_text("0" * 40)
            (refs / f"main.{i}.tmp").replace(refs / "main")

    thread = threading.Thread(target=rename)
    thread.start()
    try:
        for _ in range(300):
            visitors._evict(tmp_path, 90_000, "someone/b", "0" * 40)
    finally:
        stop.set()
        thread.join()
    assert (refs / "main").read_text() == "0" * 40


def test_visitors_never_reach_local_folders(hub_server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on the server that is called like a Hub id is not what a visitor gets."""
    monkeypatch.chdir(folder.parent)
    hub.write_folder("someone/toy", {"width": "local"}, {})
    hub_server.put(REPO, folder)
    assert hub.read_config(hub.locate(REPO))["width"] == "local"
    assert hub.read_config(visitors.locate_repo(REPO))["width"] == 3


def test_a_card_without_markers_is_left_alone(hub_server, someone: str, folder: Path) -> None:
    hub_server.put(REPO, {"README.md": "All mine.\r\n"})
    uploads.push_folder(folder, REPO)
    assert hub_server.files(REPO)["README.md"] == b"All mine.\r\n"
    assert hub_server.files(REPO)["metrics.json"] == (folder / "metrics.json").read_bytes()
