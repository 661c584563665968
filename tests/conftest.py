"""What every test shares: one thread, an empty home for caches and models, and no way off this machine."""

from __future__ import annotations

import functools
import ipaddress
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# Before anything imports torch, gradio or the Hub client: they read these once.
_HOME = tempfile.TemporaryDirectory(prefix="ganhub-tests-", ignore_cleanup_errors=True)
_DEAD_END = "http://127.0.0.1:9"  # nobody listens: a Hub call that no test server answers fails at once
os.environ.update(
    GANHUB_CACHE=f"{_HOME.name}/cache",
    GANHUB_MODELS=f"{_HOME.name}/models",
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_TEMP_DIR=f"{_HOME.name}/gradio",
    HF_ENDPOINT=_DEAD_END,
    HF_HOME=f"{_HOME.name}/huggingface",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_XET="1",
    OMP_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    TORCH_HOME=f"{_HOME.name}/torch",
    TRACKIO_DIR=f"{_HOME.name}/trackio",
)
for _name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "GRADIO_SERVER_PORT"):
    os.environ.pop(_name, None)

import pytest  # noqa: E402
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent

# Several workers: each takes one file after the other (`--dist loadfile`), and the files of one name here stay on one
# worker, as they share the running app. Those that take longest go first, so that none is left to one worker at the
# end; the order is not one of numbers of tests, which is why `make test` gives --no-loadscope-reorder.
GROUPS = {
    "test_app": "app", "test_app_browser": "app", "test_app_edit": "app", "test_search_app": "app",
    "test_tray_browser": "tray", "test_links_browser": "tray",
}  # fmt: skip
LONGEST = (
    "tray", "app", "test_app_screens", "test_trainer", "test_api_fuzz", "test_distributed", "test_app_translate",
    "test_app_restore", "test_watchdog", "test_api", "test_judge_browser", "test_languages", "test_run_identity",
)  # fmt: skip

# They are imported by test files, and are plugins too: assertions in them explain themselves all the same.
pytest.register_assert_rewrite(
    "tests.app_server", "tests.browser", "tests.hub_server", "tests.shield_server", "tests.tray_visit"
)

_outside: list[str] = []  # attempts to leave the machine since the current test began


def _is_here(host: object) -> bool:
    """Whether a host name or address, as the socket calls get it, means this machine."""
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host in (None, "", "localhost", "localhost.localdomain", "::", "0.0.0.0"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: refuse, and remember, every attempt to reach another host (Unix sockets stay free)."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not _is_here(host):
        _outside.append(f"{event} {host}")
        raise OSError(f"tests may not leave this machine: {event} {host}")


sys.addaudithook(_guard)


def _group(file: str | Path) -> str:
    return GROUPS.get(Path(file).stem, Path(file).stem)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest groups first; the order within a group stays."""
    order = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(_group(item.path), len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give a whole group to one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Groups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(super()._split_scope(nodeid))

    return Groups(config, log)


@pytest.fixture(autouse=True)
def _no_way_out() -> object:
    """Fail a test that tried to reach another host, even where the caller swallowed the refusal."""
    _outside.clear()
    yield
    attempts = list(_outside)
    _outside.clear()
    assert not attempts, f"this test tried to reach other hosts: {attempts}"


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """One thread and one global seed: results don't depend on which test ran before, or beside it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _nothing_left_switched() -> object:
    """Fail a test that leaves PyTorch's own switches as it does not find them: the next one would fail for it."""
    found = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_default_device()
    yield
    left = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_default_device()
    torch.set_grad_enabled(found[0])
    assert left == found, f"this test found gradients, type and device as {found} and left them as {left}"


@pytest.fixture
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that ``$GANHUB_MODELS`` names for this test."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("GANHUB_MODELS", str(folder))
    return folder


@pytest.fixture(scope="session")
def _tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model of an architecture, saved once."""
    folder = tmp_path_factory.mktemp("tiny")

    @functools.cache
    def saved(architecture: str) -> Path:
        from ganhub.models import get_architecture

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2014)  # other weights than a test's own tiny model, which begins with 0
            return get_architecture(architecture).tiny().save_pretrained(folder / f"tiny-{architecture}")

    return saved


@pytest.fixture
def tiny_models(models_folder: Path, _tiny_model: Callable[[str], Path]) -> Callable[..., None]:
    """``tiny_models("dcgan", "srgan")`` puts tiny-dcgan and tiny-srgan into ``$GANHUB_MODELS``."""

    def put(*architectures: str) -> None:
        for name in architectures:
            shutil.copytree(_tiny_model(name), models_folder / f"tiny-{name}")

    return put


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture file, 56 x 40 pixels of noise."""
    from ganhub.images import save_image
    from ganhub.nn.random import uniform

    save_image(uniform([1], 3, 40, 56) * 2 - 1, tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that ``$GANHUB_SHARED`` names; tests that need it skip where it is missing."""
    folder = os.environ.get("GANHUB_SHARED")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the real data that the environment variable GANHUB_SHARED points at")
    return Path(folder)
