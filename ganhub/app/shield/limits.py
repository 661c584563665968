"""How much a stranger may send, keep and ask for at a time."""

from __future__ import annotations

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

    @classmethod
    def from_environment(cls) -> Limits:
        """The defaults, with the disk quota of ``$GANHUB_DISK_MB`` where that is a whole number."""
        text = os.environ.get("GANHUB_DISK_MB", "")
        return cls(disk=int(text) * MB) if text.isascii() and text.isdigit() and int(text) else cls()
