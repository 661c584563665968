"""How much a stranger may send, keep and ask for at a time."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

MB = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds of the app; bytes and counts.

    Attributes:
        json: Bytes of a JSON body.
        upload: Bytes of one upload, all its files and their headers together.
        head: Bytes of a request's headers, and of its address.
        depth: Levels of lists and objects in a JSON body.
        values: Numbers, texts, lists and objects in one.
        text: Characters of one text in it.
        sessions: Sessions whose state is kept; the one used longest ago makes room.
        sessions_address: The same of one address, so that no single one takes the state of all others.
        requests: Requests of one address that are answered at the same time, streams included.
        new_sessions: Sessions that one address may begin in a minute.
        uploads: Bytes that one address may upload in ten minutes.
        waiting: Jobs of one session in the queue.
        waiting_address: Jobs of one address in the queue.
        slow_address: The same for slow work, such as a picture that is optimised step by step.
        queue: Jobs in the queue of all visitors together.
        unheard: Seconds that a job waits for somebody who listens before it is dropped.
        disk: Bytes of uploads and results; the oldest files make room.
        files: The same as a count.
        age: Seconds after which any file goes that no job in the queue names.
        data_url: Bytes of a JSON body in which a picture is written, as base64.
        pictures: Pictures of one call of the API.
        frames: Frames of one film.
        film: Pixels of all its frames together.
        side: Pixels of the longer side of a photo that is worked on.
        steps: Of the descent that finds a photo in W.
        searched: Pictures that one search looks at.
        seconds: That one job may work; it ends at its next step.
    """

    json: int = 192 * 1024
    upload: int = 33 * MB
    head: int = 16 * 1024
    depth: int = 16
    values: int = 6_000
    text: int = 16 * 1024
    sessions: int = 200
    sessions_address: int = 100
    requests: int = 256
    new_sessions: int = 240
    uploads: int = 300 * MB
    waiting: int = 12
    waiting_address: int = 64
    slow_address: int = 8
    queue: int = 256
    unheard: float = 20.0
    disk: int = 2_000 * MB
    files: int = 20_000
    age: int = 21_600
    data_url: int = 12 * MB
    pictures: int = 64
    frames: int = 240
    film: int = 240 * 512 * 512
    side: int = 1024
    steps: int = 400
    searched: int = 1_200
    seconds: int = 900

    @classmethod
    def from_environment(cls) -> Limits:
        """The defaults of a public page, or with ``$GANHUB_PRIVATE`` those of a page for people one trusts.

        ``$GANHUB_LIMIT_FRAMES`` and the like set one of them, ``$GANHUB_DISK_MB`` the disk's. What is no whole number
        above 0 is not heeded.
        """
        base = PRIVATE if is_private() else cls()
        named = {field.name: _whole(f"GANHUB_LIMIT_{field.name.upper()}") for field in dataclasses.fields(cls)}
        if megabytes := _whole("GANHUB_DISK_MB"):
            named["disk"] = megabytes * MB
        return dataclasses.replace(base, **{name: value for name, value in named.items() if value})


PRIVATE = Limits(
    upload=200 * MB, uploads=100_000 * MB, new_sessions=10_000, sessions_address=200, requests=1024,
    waiting=64, waiting_address=256, slow_address=64, disk=20_000 * MB, data_url=64 * MB,
    pictures=4096, frames=10_000, film=10_000 * 512 * 512, side=16_384, steps=10_000, searched=200_000,
    seconds=86_400,
)  # fmt: skip


def is_private() -> bool:
    """Whether ``$GANHUB_PRIVATE`` says that the page is for people one trusts: 1, on, yes or true."""
    return os.environ.get("GANHUB_PRIVATE", "").strip().lower() in ("1", "on", "yes", "true")


def _whole(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
