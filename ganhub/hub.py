"""Folders and Hub repositories: (config, tensors) in, (config, tensors) out.

A Hub folder holds ``config.json``, ``model.safetensors``, ``README.md`` (the card), ``metrics.json`` and
``samples.png``; optionally ``training/``, which inference never reads. ``folder.py`` reads and writes one on the
disk; this file finds it, fetches it and pushes it. It knows no model class, and is the only one that imports
``huggingface_hub`` (inside the functions, so that ``import ganhub`` stays quick). Whatever goes wrong comes out as
one :class:`~ganhub.errors.HubError` sentence that says what to do.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganhub import cards
from ganhub._hub_errors import explain, retried, short, unreachable
from ganhub._version import __version__
from ganhub.config import nearest
from ganhub.errors import HubError
from ganhub.folder import (
    CARD,
    CONFIG,
    METRICS,
    PLAIN_NAME,
    index_name,
    no_weights,
    read_config,
    read_shapes,
    read_tensors,
    weights_name,
    write_atomic,
    write_folder,
)

__all__ = ["is_repo_id", "list_local", "locate", "locate_repo", "push_folder", "read_config", "read_shapes",
           "read_tensors", "weights_name", "write_atomic", "write_folder"]  # fmt: skip

_PUSHED = {".json", ".safetensors", ".md", ".png", ".jpg", ".gif", ".webp", ".mp4", ".toml", ".txt", ".jsonl"}
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO_ID = re.compile(rf"{_PART}/{_PART}")
_visitor_lock = threading.Lock()


# --- From a name to a folder ------------------------------------------------------------


def is_repo_id(text: str) -> bool:
    """Whether ``text`` is ``owner/name`` as the Hub allows it; never true for a path that leads elsewhere."""
    if not isinstance(text, str) or not _REPO_ID.fullmatch(text):
        return False
    return "--" not in text and ".." not in text and not text.endswith(".git")


def list_local() -> dict[str, Path]:
    """Name -> folder of every model here: ./model_cards, $GANHUB_MODELS, the package, the checkout."""
    found: dict[str, Path] = {}
    for shelf in _shelves():
        try:
            folders = sorted(shelf.iterdir()) if os.path.isdir(shelf) else []
        except OSError:  # a shelf that may not be read is passed over, as a folder is that may not be entered
            continue
        for folder in folders:
            if os.path.isfile(folder / CONFIG):
                found.setdefault(folder.name, folder)
    return found


def _shelves() -> list[Path]:
    package = Path(__file__).resolve().parent
    shelves = [Path("model_cards")]
    if os.environ.get("GANHUB_MODELS"):
        shelves.append(Path(os.path.expanduser(os.environ["GANHUB_MODELS"])))
    return [*shelves, package / "model_cards", package.parent / "model_cards"]


def _locate_local(source: str | Path) -> Path | None:
    path = Path(os.path.expanduser(source))
    if os.path.isdir(path):  # False, too, for what may not be looked at and for a name that is too long
        return path
    if PLAIN_NAME.fullmatch(str(source)):
        for shelf in _shelves():
            if os.path.isdir(shelf / str(source)):
                return shelf / str(source)
    return None


def locate(
    source: str | Path,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    variant: str | None = None,
    token: bool | str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    max_bytes: int | None = None,
) -> Path:
    """The local folder of a model: an existing folder, a name on a local shelf, or a Hub repository.

    A folder comes first; then ``./model_cards/NAME``, ``$GANHUB_MODELS/NAME`` and the models that come with
    ganhub; then ``owner/name`` on the Hub, of which only config, weights, card and metrics are fetched into
    the Hub's cache. Without a network the cache answers.

    Args:
        revision: Branch, tag or commit of a Hub repository.
        max_bytes: Refuse a repository whose files add up to more; asked before the download.

    Raises:
        HubError: One sentence for each way this can fail.
    """
    folder = _locate_local(source)
    if folder is not None:
        if revision is not None:
            raise HubError(f"{folder} is a local folder without revisions: leave out revision={revision!r}.")
        folder = folder / _checked_subfolder(subfolder)
        if not folder.is_dir():
            raise HubError(f"There is no folder {folder}: check subfolder={subfolder!r}.")
        return folder
    if not isinstance(source, str) or not is_repo_id(source):
        raise HubError(
            f"There is no model {str(source)!r}.{nearest(str(source), list_local())} Give a folder, owner/name on the "
            "Hub, or one of the names that `ganhub list` shows."
        )
    return _Repository(
        source,
        revision,
        subfolder,
        variant,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
    ).fetch(max_bytes)


def locate_repo(
    repo_id: str,
    *,
    token: bool | str | None = False,
    revision: str | None = None,
    variant: str | None = None,
    max_bytes: int = 500_000_000,
    cache_dir: str | Path | None = None,
    max_cache_bytes: int = 5_000_000_000,
) -> Path:
    """A Hub repository that a web visitor asked for: never a local path, and the disk cache is bounded.

    The cache is one of its own (``$HF_HOME/ganhub-visitors`` unless ``cache_dir`` is given): making room in
    it removes the repositories used longest ago and touches nobody's other downloads, and a private model
    that the owner of the machine fetched is not in it.

    Raises:
        HubError: As :func:`locate`; also for a text that is no ``owner/name``.
    """
    if not is_repo_id(repo_id):
        raise HubError(f"{str(repo_id)[:100]!r} is no Hub model id: write it as owner/name.")
    from huggingface_hub import constants

    cache = Path(cache_dir) if cache_dir is not None else Path(constants.HF_HOME) / "ganhub-visitors"
    with _visitor_lock:
        repository = _Repository(repo_id, revision, None, variant, token=token, cache_dir=cache)
        folder = repository.fetch(
            min(max_bytes, max_cache_bytes),
            make_room=lambda need, sha: _evict(cache, max_cache_bytes - need, repo_id, sha),
        )
        for file in folder.iterdir():  # "used now", also where the file system does not record reading
            if file.is_file():
                os.utime(file)
        return folder


def _evict(cache: Path, allowed: int, repo_id: str, sha: str) -> None:
    """Delete whole repositories, longest unused first, until all but ``repo_id`` hold at most ``allowed`` bytes.

    Of ``repo_id`` itself, commits other than ``sha`` always go: one that changes often must not grow.
    """
    from huggingface_hub import scan_cache_dir

    if not cache.is_dir():
        return
    info = scan_cache_dir(cache)
    doomed = [r.commit_hash for repo in info.repos if repo.repo_id == repo_id for r in repo.revisions]
    doomed = [commit for commit in doomed if commit != sha]
    others = sorted((repo for repo in info.repos if repo.repo_id != repo_id), key=lambda repo: repo.last_accessed)
    left = sum(repo.size_on_disk for repo in others)
    for repo in others:
        if left <= allowed:
            break
        doomed += [revision.commit_hash for revision in repo.revisions]
        left -= repo.size_on_disk
    if doomed:
        info.delete_revisions(*doomed).execute()


def _checked_subfolder(subfolder: str | None) -> str:
    parts = (subfolder or "").split("/")
    if subfolder and not all(PLAIN_NAME.fullmatch(part) for part in parts):
        raise HubError(f"subfolder {subfolder!r} is no folder inside the model: write it as a/b.")
    return subfolder or ""


class _Repository:
    """One revision of one Hub repository, on its way into the cache."""

    def __init__(
        self,
        repo_id: str,
        revision: str | None,
        subfolder: str | None,
        variant: str | None,
        *,
        token: bool | str | None,
        cache_dir: str | Path | None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> None:
        self.repo_id, self.revision, self.variant, self.token = repo_id, revision, variant, token
        self.prefix = f"{_checked_subfolder(subfolder)}/" if subfolder else ""
        self.cache_dir, self.local_files_only = cache_dir, local_files_only
        self.force_download = force_download
        self.single, self.index = weights_name(variant), index_name(variant)

    def fetch(self, max_bytes: int | None, make_room: Callable[[int, str], None] | None = None) -> Path:
        """Download what is missing; the folder with ``config.json``."""
        if self.local_files_only:
            return self._from_cache(None)
        try:
            return self._from_hub(max_bytes, make_room)
        except HubError:
            raise
        except Exception as error:
            if unreachable(error):
                return self._from_cache(error)
            raise explain(error, self.repo_id, self.revision, visitor=self.token is False) from error

    def _from_hub(self, max_bytes: int | None, make_room: Callable[[int, str], None] | None) -> Path:
        api = _api(self.token)
        info = retried(lambda: api.model_info(self.repo_id, revision=self.revision, files_metadata=True))
        sizes = {file.rfilename: file.size for file in info.siblings or []}
        wanted = self._wanted(sizes)
        total = sum(sizes[name] or 0 for name in wanted)
        if max_bytes is not None and (total > max_bytes or any(sizes[name] is None for name in wanted)):
            raise HubError(
                f"{self.repo_id} is {total / 1e6:.1f} MB, more than the {max_bytes / 1e6:.1f} MB allowed here: "
                "choose a smaller model, or load it on your own machine."
            )
        if make_room is not None:
            make_room(total, info.sha)
        for name in wanted:
            path = self._download(name, info.sha)
        # Last, by the name that was asked for: it records where that branch stands (for the day without a
        # network) only once all files are there, and it is the request that the Hub counts as a download.
        self._download(CONFIG if CONFIG in sizes else wanted[-1], self.revision or "main", force=False)
        return path.parent

    def _wanted(self, sizes: Mapping[str, int | None]) -> list[str]:
        """The files that inference needs; ``config.json`` last, as its folder is the result."""
        here = {name.removeprefix(self.prefix) for name in sizes if name.startswith(self.prefix)}
        where = f"{self.repo_id}/{self.prefix}".rstrip("/")
        if CONFIG not in here:
            raise HubError(f"{where} has no {CONFIG}, so it is no ganhub model: check the name and subfolder.")
        stem = re.escape(self.single.removesuffix(".safetensors"))
        shard = re.compile(stem + r"-\d+-of-\d+\.safetensors")
        weights = [self.single] if self.single in here else []
        if not weights and self.index in here:
            weights = [self.index, *sorted(name for name in here if shard.fullmatch(name))]
        if not weights:
            raise HubError(no_weights(where, sorted(here), self.variant))
        return [self.prefix + name for name in (*weights, *({CARD, METRICS} & here), CONFIG)]

    def _download(self, name: str, revision: str, force: bool | None = None) -> Path:
        from huggingface_hub import hf_hub_download

        return Path(
            retried(
                lambda: hf_hub_download(
                    self.repo_id,
                    name,
                    revision=revision,
                    token=self.token,
                    cache_dir=self.cache_dir,
                    force_download=self.force_download if force is None else force,
                    library_name="ganhub",
                    library_version=__version__,
                )
            )
        )

    def _from_cache(self, cause: BaseException | None) -> Path:
        from huggingface_hub import try_to_load_from_cache

        def cached(name: str) -> Path | None:
            path = try_to_load_from_cache(self.repo_id, self.prefix + name, self.cache_dir, self.revision)
            return Path(path) if isinstance(path, str) else None

        config = cached(CONFIG)
        if config is not None and (cached(self.single) or cached(self.index)) and not self.force_download:
            return config.parent
        at = f" at {self.revision}" if self.revision else ""
        if cause is None:
            raise HubError(
                f"{self.repo_id}{at} is not in the cache and local_files_only forbids to download it: load it "
                "once without local_files_only, or pass a local folder."
            )
        raise HubError(
            f"The Hub cannot be reached ({short(cause)}) and {self.repo_id}{at} is not in the cache: check "
            "the network, or pass a local folder."
        ) from cause


def _api(token: bool | str | None) -> Any:
    from huggingface_hub import HfApi

    return HfApi(token=token, library_name="ganhub", library_version=__version__)


# --- From a folder to the Hub -----------------------------------------------------------


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: bool | str | None = None,
    branch: str | None = None,
    commit_message: str = "Upload with ganhub",
    create_pr: bool = False,
    include_training: bool = False,
) -> str:
    """Push a model folder as one commit, making the repository when it is missing; the address of the commit.

    The card on the Hub is never lost: its generated block is replaced and the text outside it kept; a card
    without the markers of that block was written by hand and is left alone.

    Raises:
        HubError: No such folder, no ``config.json``, no permission, no network.
    """
    from huggingface_hub import CommitOperationAdd

    folder = Path(folder)
    read_config(folder)
    if not is_repo_id(repo_id):
        raise HubError(f"{repo_id!r} is no Hub model id: write it as owner/name.")
    try:
        api = _api(token)
        api.create_repo(repo_id, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        operations = []
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and _is_pushed(name, include_training):
                content: bytes | str = str(path)
                if name == Path(CARD):
                    merged = _merged_card(repo_id, branch, token, cards.read_card(path))
                    if merged is None:
                        continue
                    content = merged.encode()
                operations.append(CommitOperationAdd(name.as_posix(), content))
        commit = api.create_commit(
            repo_id, operations, commit_message=commit_message, revision=branch, create_pr=create_pr
        )
    except HubError:
        raise
    except Exception as error:
        raise explain(error, repo_id, branch, pushing=True) from error
    return str(commit.pr_url or commit.commit_url)


def _is_pushed(name: Path, include_training: bool) -> bool:
    left_out = {"checkpoints"} if include_training else {"checkpoints", "training"}
    return (
        (name.suffix in _PUSHED or name.name in ("LICENSE", "NOTICE"))
        and name.parts[0] not in left_out
        and not any(part.startswith(".") or part == "__pycache__" for part in name.parts)
    )


def _merged_card(repo_id: str, branch: str | None, token: bool | str | None, new: str) -> str | None:
    """The card to upload, given the one on the Hub; ``None`` when that one must not be touched."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    with tempfile.TemporaryDirectory() as fresh:  # not the user's cache: an old card there must not win
        try:
            path = hf_hub_download(repo_id, CARD, revision=branch, token=token, cache_dir=fresh)
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return new
        old = cards.read_card(path)
    return cards.merge_card(old, new) if cards.has_markers(old) else None
