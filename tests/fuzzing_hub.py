"""Repositories of a Hub on loopback that lie about themselves, as cases of ``fuzzing.py``.

Twenty-six kinds of lie, one or two at a time: in the list of files, in the headers, in the bodies, in the files.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganhub import hub
from ganhub.hub import _errors, visitors
from ganhub.models import Model, get_architecture
from tests.fuzzing import Case, broken_bytes, odd
from tests.hub_server import HubServer, connected

Answer = tuple[int, Any, dict[str, str]]
Lie = Callable[[random.Random, int, Any, dict[str, str]], Answer]
INFO, FILE = "/api/", "/resolve/"  # where a lie is told


def _field(name: str, *values: Any) -> Lie:
    def lie(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
        return status, {**content, name: rng.choice(values) if values else odd(rng)}, headers

    return lie


def _sizes(value: Any) -> Lie:
    def lie(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
        return status, {**content, "siblings": [{**file, "size": value} for file in content["siblings"]]}, headers

    return lie


def _names(value: Any) -> Lie:
    def lie(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
        extra = [{"rfilename": value, "size": 10}] * rng.choice((1, 3000))
        return status, {**content, "siblings": [*content["siblings"], *extra]}, headers

    return lie


def _header(name: str, value: str) -> Lie:
    def lie(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
        return status, content, {**headers, name: value}

    return lie


def _status(*codes: int) -> Lie:
    def lie(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
        return rng.choice(codes), {"error": "no"}, {"X-Error-Code": rng.choice(("", "RepoNotFound", "GatedRepo", "x"))}

    return lie


def _garbage(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
    return status, rng.choice((b"", b"[]", b"null", b"{", b"\xff\xfe", b"<html>", b"[" * 5000, b"3")), headers


def _damaged(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
    return status, broken_bytes(rng, content) if isinstance(content, bytes) and content else content, headers


def _more(rng: random.Random, status: int, content: Any, headers: dict[str, str]) -> Answer:
    return status, content + bytes(100_000) if isinstance(content, bytes) else content, headers


LIES: list[tuple[str, Lie]] = [
    (INFO, _field("sha")), (INFO, _field("sha", "../../../x", "main", "A" * 40, "0" * 39)), (INFO, _field("siblings")),
    (INFO, _field("siblings", [{}], [None], [{"rfilename": None}], [{"rfilename": "config.json", "size": "x"}])),
    (INFO, _field("id")), (INFO, _field("gated")), (INFO, _field("cardData")), (INFO, _field("safetensors")),
    (INFO, _sizes(None)), (INFO, _sizes(-1)), (INFO, _sizes("9")), (INFO, _sizes(10**12)), (INFO, _sizes(1e400)),
    (INFO, _names("../../../../evil")), (INFO, _names("model-00001-of-99999.safetensors")), (INFO, _names("\ud800")),
    (INFO, _garbage), (INFO, _status(401, 403, 404, 418, 500)),
    (FILE, _header("ETag", '"../../../../evil"')), (FILE, _header("ETag", "")),
    (FILE, _header("X-Linked-Etag", '"a/b"')),
    (FILE, _header("X-Repo-Commit", "../../evil")), (FILE, _header("X-Repo-Commit", "f" * 40)),
    (FILE, _header("Content-Length", "99999999")), (FILE, _header("X-Linked-Size", "-5")),
    (FILE, _status(401, 404, 410, 416, 500)), (FILE, _damaged), (FILE, _more),
]  # fmt: skip


def repositories(folder: Path, canary: Path) -> Case:
    """A small model on a Hub that lies; each case begins with an empty cache."""
    model = get_architecture("dcgan").tiny().save_pretrained(folder / "m")
    server = HubServer()
    server.put("o/m", model)

    def case(rng: random.Random) -> None:
        told = rng.sample(LIES, rng.choice((1, 1, 2)))
        cache = Path(tempfile.mkdtemp(dir=folder))

        def twist(path: str, status: int, content: Any, headers: dict[str, str]) -> Answer:
            for place, lie in told:
                if place in path and (place != INFO or isinstance(content, dict)):
                    with suppress(KeyError, TypeError):  # a second lie about what the first one spoilt
                        status, content, headers = lie(rng, status, content, headers)
            return status, content, headers

        server.twist = twist
        with connected(server, folder / "home") as patch:
            patch.setattr(_errors, "WAIT", 0.0)
            there = visitors.locate_repo("o/m", cache_dir=cache)
            outside = [path for path in folder.rglob("*evil*") if not path.is_relative_to(cache)]
            assert not outside, f"written outside the cache: {outside}"
            Model.from_folder(there)
            hub.locate("o/m", cache_dir=cache, local_files_only=True)

    return case
