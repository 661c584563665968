"""Hub repositories that visitors of a web page ask for: a bounded cache, a few downloads at once, one per repository.

A visitor names a repository, never a path, and no token goes with the request. A download waits for its turn and may be
given up at any time: a slow repository holds up nobody but those who asked for it.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ganhub.errors import HubError
from ganhub.hub import is_repo_id
from ganhub.hub.downloads import Repository, Watch
from ganhub.hub.folder import clipped

if TYPE_CHECKING:
    from huggingface_hub import HFCacheInfo

AT_ONCE = 8  # downloads
WAITING = 32  # requests that wait for their turn; one more is refused
LOOK = 0.2  # seconds between two looks at whether the visitor is still there
LOOKS = 100  # at a cache in which files come and go
_changed = threading.Condition()
_busy: dict[tuple[Path, str], int] = {}  # (cache, repository) at work -> bytes that it has been given room for
_waiting: list[str] = []


def locate_repo(
    repo_id: str,
    *,
    token: bool | str | None = False,
    revision: str | None = None,
    variant: str | None = None,
    max_bytes: int = 500_000_000,
    cache_dir: str | Path | None = None,
    max_cache_bytes: int = 5_000_000_000,
    heed: Callable[[], None] | None = None,
) -> Path:
    """A Hub repository that a web visitor asked for: never a local path, and the disk cache is bounded.

    The cache is one of its own (``$HF_HOME/ganhub-visitors`` unless ``cache_dir`` is given): making room in
    it removes the repositories used longest ago and touches nobody's other downloads, and a private model
    that the owner of the machine fetched is not in it.

    Args:
        max_bytes: Refuse a repository whose files add up to more; asked before the download.
        max_cache_bytes: Limit of all repositories in the cache together, those that are being fetched counted in.
        heed: Called several times a second; what it raises ends the waiting and the download.

    Raises:
        HubError: As :func:`ganhub.hub.locate`; also for a text that is no ``owner/name``, for a download that is too
            slow, and when too many wait already.
    """
    if not is_repo_id(repo_id):
        raise HubError(f"{clipped(repr(str(repo_id)[:100]))} is no Hub model id: write it as owner/name.")
    from huggingface_hub import constants

    cache = Path(cache_dir) if cache_dir is not None else Path(constants.HF_HOME) / "ganhub-visitors"
    heed = heed or (lambda: None)
    with _turn((cache, repo_id), heed):
        repository = Repository(repo_id, revision, None, variant, token=token, cache_dir=cache)
        try:
            folder = repository.fetch(
                min(max_bytes, max_cache_bytes),
                lambda need, sha: _make_room((cache, repo_id), need, sha, max_cache_bytes, heed),
                Watch(repo_id, heed, hurry=True),
            )
        except BaseException:
            _drop_parts(cache, repo_id)
            raise
        for file in folder.iterdir():  # "used now", also where the file system does not record reading
            if file.is_file():
                os.utime(file)
        return folder


@contextmanager
def _turn(key: tuple[Path, str], heed: Callable[[], None]) -> Iterator[None]:
    """Wait until nobody else is at this repository and fewer than ``AT_ONCE`` downloads run."""
    with _changed:
        if len(_waiting) >= WAITING:
            raise HubError("Too many models are being fetched from the Hub just now: try again in a minute.")
        _waiting.append(key[1])
        try:
            while key in _busy or len(_busy) >= AT_ONCE:
                heed()
                _changed.wait(LOOK)
            _busy[key] = 0
        finally:
            _waiting.remove(key[1])
    try:
        yield
    finally:
        with _changed:
            del _busy[key]
            _changed.notify_all()


def _make_room(key: tuple[Path, str], need: int, sha: str, most: int, heed: Callable[[], None]) -> None:
    """Give ``need`` bytes of the cache to a download, once what else is on its way leaves them."""
    cache = key[0]

    def promised() -> int:
        return sum(size for other, size in _busy.items() if other[0] == cache and other != key)

    with _changed:
        while promised() + need > most:
            heed()
            _changed.wait(LOOK)
        _busy[key] = need
        _evict(cache, most - need - promised(), key[1], sha)


def _evict(cache: Path, allowed: int, repo_id: str, sha: str) -> None:
    """Delete whole repositories, longest unused first, until those that nobody is at hold at most ``allowed`` bytes.

    Of ``repo_id`` itself, commits other than ``sha`` always go: one that changes often must not grow.
    """
    if not cache.is_dir():
        return
    info = _scanned(cache)
    doomed = [r.commit_hash for repo in info.repos if repo.repo_id == repo_id for r in repo.revisions]
    doomed = [commit for commit in doomed if commit != sha]
    others = sorted((repo for repo in info.repos if (cache, repo.repo_id) not in _busy), key=lambda r: r.last_accessed)
    left = sum(repo.size_on_disk for repo in others)
    gone = []
    for repo in others:
        if left <= allowed:
            break
        gone.append(repo.repo_id)
        doomed += [revision.commit_hash for revision in repo.revisions]
        left -= repo.size_on_disk
    if doomed:
        info.delete_revisions(*doomed).execute()
    for name in gone:
        shutil.rmtree(_locks(cache, name), ignore_errors=True)


def _scanned(cache: Path) -> HFCacheInfo:
    """What the cache holds. Other downloads rename their files meanwhile: where one is gone, look again."""
    from huggingface_hub import scan_cache_dir

    for _ in range(LOOKS):
        with suppress(FileNotFoundError):
            return scan_cache_dir(cache)
        time.sleep(0.01)
    raise HubError("Too many models are being fetched from the Hub just now: try again in a minute.")


def _drop_parts(cache: Path, repo_id: str) -> None:
    """Remove what a download that failed has left: no scan of the cache counts it."""
    folder = cache / _folder_name(repo_id)
    for part in folder.glob("blobs/*.incomplete"):
        part.unlink(missing_ok=True)
    if not any(folder.glob("snapshots/*/*")):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(_locks(cache, repo_id), ignore_errors=True)


def _locks(cache: Path, repo_id: str) -> Path:
    return cache / ".locks" / _folder_name(repo_id)


def _folder_name(repo_id: str) -> str:
    return "models--" + repo_id.replace("/", "--")
