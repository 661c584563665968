"""One repository of the Hub on its way into the cache: what is fetched is known and bounded before it begins.

While it comes, a :class:`Watch` looks at each answer and at each piece of it: names that the Hub gives (commits, ETags)
become file names and are checked, bytes and seconds are counted, and whoever waits may end it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ganhub._version import __version__
from ganhub.errors import HubError
from ganhub.hub._errors import explain, retried, short, unreachable
from ganhub.hub.folder import (
    CARD,
    CONFIG,
    DIRECTIONS,
    MAX_CONFIG,
    MAX_JSON,
    MAX_SHARDS,
    METRICS,
    PLAIN_NAME,
    clipped,
    index_name,
    no_weights,
    weights_name,
)

MAX_DOWNLOAD = 20_000_000_000  # bytes of a model, where nobody says another limit
TIMEOUT = 15  # seconds until the Hub begins to answer, and between two pieces of what it says about a repository
SLOWEST = 200_000  # bytes a second: a download that somebody waits for in a queue is given up below it
PATIENCE = 60  # seconds on top of that
_ABOUT = 20_000_000  # bytes of what the Hub says about a repository
# What the client makes file names of.
_SAFE = {
    "x-repo-commit": re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,99}"),
    "etag": re.compile(r"(W/)?\"?[0-9A-Za-z_-][0-9A-Za-z._-]{0,199}\"?"),
    "x-linked-etag": re.compile(r"(W/)?\"?[0-9A-Za-z_-][0-9A-Za-z._-]{0,199}\"?"),
}
_COMMIT = re.compile("[0-9a-f]{40,64}")
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


class Watch:
    """What may still come of one download, and who may end it.

    Args:
        name: The repository's name, for sentences.
        heed: Called between all pieces; what it raises ends the download.
        hurry: Give up when it comes slower than ``SLOWEST``.
    """

    def __init__(self, name: str, heed: Callable[[], None] | None = None, *, hurry: bool = False) -> None:
        self.name, self.heed, self.hurry = name, heed, hurry
        self.ended: BaseException | None = None
        self.expect(0)

    def expect(self, size: int) -> None:
        """From now on ``size`` bytes may come, twice if the connection drops, and the client's own questions."""
        self.left = 2 * size + _ABOUT
        self.until = time.monotonic() + PATIENCE + size / SLOWEST if self.hurry else math.inf

    def check(self, count: int = 0) -> None:
        """Take note of ``count`` bytes that came; raises when the download is to end."""
        self.left -= count
        try:
            if self.heed is not None:
                self.heed()
            if self.left < 0:
                raise HubError(f"{self.name} sends more than its list of files says: try again later.")
            if time.monotonic() > self.until:
                raise HubError(f"{self.name} comes too slowly from the Hub: try again later, or choose another model.")
        except BaseException as error:
            self.ended = error  # the client may wrap it
            raise

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Watch all that the Hub client does meanwhile in this thread; what :meth:`check` raised comes out as it is."""
        token = _watch.set(self)
        try:
            yield
        except Exception as error:
            if self.ended is not None and error is not self.ended:
                raise self.ended from error
            raise
        finally:
            _watch.reset(token)


def _hooked() -> None:
    """See to it that the client's connections are watched; it makes new ones after some errors."""
    from huggingface_hub.utils import get_session

    session = get_session()
    hooks = session.event_hooks
    if _look_at not in hooks["response"]:
        session.event_hooks = {**hooks, "response": [*hooks["response"], _look_at]}


def _look_at(response: Any) -> None:
    watch = _watch.get()
    if watch is None:
        return
    for header, safe in _SAFE.items():
        value = response.headers.get(header)
        if value is not None and not safe.fullmatch(value):
            watch.ended = HubError(f"The Hub answers with a strange {header} for {watch.name}: it is not used.")
            raise watch.ended
    watch.check()
    base = next(kind for kind in type(response.stream).__mro__ if kind.__name__ == "SyncByteStream")
    response.stream = type("Watched", (_Watched, base), {})(response.stream, watch)


class _Watched:
    """The body of an answer, each piece of which is counted."""

    def __init__(self, stream: Any, watch: Watch) -> None:
        self.stream, self.watch = stream, watch

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.stream:
            self.watch.check(len(piece))
            yield piece

    def close(self) -> None:
        self.stream.close()


def checked_subfolder(subfolder: str | None) -> str:
    """``a/b`` as it is, "" for None; :class:`HubError` for what leads elsewhere."""
    parts = (subfolder or "").split("/")
    if subfolder and not (len(subfolder) <= 500 and all(PLAIN_NAME.fullmatch(part) for part in parts)):
        raise HubError(f"subfolder {clipped(repr(subfolder), 80)} is no folder inside the model: write it as a/b.")
    return subfolder or ""


class Repository:
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
        self.prefix = f"{checked_subfolder(subfolder)}/" if subfolder else ""
        self.cache_dir, self.local_files_only = cache_dir, local_files_only
        self.force_download = force_download
        self.single, self.index = weights_name(variant), index_name(variant)

    def fetch(
        self, max_bytes: int | None = None, make_room: Callable[[int, str], None] | None = None,
        watch: Watch | None = None,
    ) -> Path:  # fmt: skip
        """Download what is missing; the folder with ``config.json``.

        Args:
            max_bytes: Refuse more; asked before the download. ``MAX_DOWNLOAD`` by default.
            make_room: Called with the size in bytes and the commit, before the download.
            watch: By default one that waits as long as it takes.

        Raises:
            HubError: And what the watch's ``heed`` raises.
        """
        if self.local_files_only:
            return self._from_cache(None)
        watch = watch or Watch(self.repo_id)
        try:
            with watch.on_duty():
                return self._from_hub(max_bytes, make_room, watch)
        except HubError:
            raise
        except Exception as error:
            if error is watch.ended:
                raise
            if unreachable(error):
                return self._from_cache(error)
            raise explain(error, self.repo_id, self.revision, visitor=self.token is False) from error

    def _from_hub(self, max_bytes: int | None, make_room: Callable[[int, str], None] | None, watch: Watch) -> Path:
        sha, sizes = self._listed()
        wanted = self._wanted(sizes)
        total = sum(sizes[name] or 0 for name in wanted)
        limit = MAX_DOWNLOAD if max_bytes is None else max_bytes
        if total > limit or (max_bytes is not None and any(sizes[name] is None for name in wanted)):
            raise HubError(
                f"{self.repo_id} is {total / 1e6:.1f} MB, more than the {limit / 1e6:.1f} MB allowed here: "
                "choose a smaller model, or load it on your own machine."
            )
        if make_room is not None:
            make_room(total, sha)
        watch.expect(total if all(sizes[name] is not None for name in wanted) else limit)
        for name in wanted:
            watch.check()
            path = self._download(name, sha)
            if sha not in path.parts:
                raise HubError(f"{self.repo_id} changed while it was downloaded: try again.")
        # Last, by the name that was asked for: it records where that branch stands (for the day without a
        # network) only once all files are there, and it is the request that the Hub counts as a download.
        self._download(CONFIG if CONFIG in sizes else wanted[-1], self.revision or "main", force=False)
        return path.parent

    def _listed(self) -> tuple[str, dict[str, int | None]]:
        """The commit, and path -> bytes of each of its files (None where the Hub does not say)."""
        api = client(self.token)
        _hooked()
        info = retried(
            lambda: api.model_info(self.repo_id, revision=self.revision, files_metadata=True, timeout=TIMEOUT)
        )
        if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
            raise HubError(f"The Hub names no commit of {self.repo_id}: try again later.")
        files = {file.rfilename: file.size for file in info.siblings or [] if isinstance(file.rfilename, str)}
        return info.sha, {name: size if type(size) is int and size >= 0 else None for name, size in files.items()}

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
        if len(weights) > MAX_SHARDS:
            raise HubError(f"{where} has more than {MAX_SHARDS} files of weights: it is not fetched.")
        for name, most in ((CONFIG, MAX_CONFIG), (self.index, MAX_JSON)):
            if (name == CONFIG or name in weights) and (sizes[self.prefix + name] or 0) > most:
                raise HubError(f"The {name} of {where} is larger than {most / 1e6:g} MB: it is no ganhub model.")
        small = {name for name in here if (sizes[self.prefix + name] or 0) <= MAX_JSON}
        texts = [name for name in (CARD, METRICS, DIRECTIONS) if name in small]
        return [self.prefix + name for name in (*weights, *texts, CONFIG)]

    def _download(self, name: str, revision: str, force: bool | None = None) -> Path:
        from huggingface_hub import hf_hub_download

        _hooked()
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


def client(token: bool | str | None) -> Any:
    """The Hub client, with ganhub's name in its requests; ``token`` None: that of the machine, False: none."""
    from huggingface_hub import HfApi

    return HfApi(token=token, library_name="ganhub", library_version=__version__)
