"""The gate: an ASGI middleware before Gradio's routes, which refuses what the app has no use for."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any
from urllib.parse import parse_qs

from gradio.routes import file_upload_statuses

from ganhub.app.shield import disk, routes
from ganhub.app.shield.forms import fields, plain_type
from ganhub.app.shield.limits import Limits
from ganhub.app.shield.payload import NO_UPLOAD, Refused, all_paths, is_upload, parse
from ganhub.app.shield.queue import Listeners
from ganhub.app.shield.visitors import (
    Visitors,
    address,
    asks_for_login,
    check_host,
    forget_names,
    header,
    require_login,
)

log = logging.getLogger(__name__)
API = "/gradio_api"
SESSION = re.compile(r"[\w.-]{1,64}")
DRAINED = 200_000_000  # bytes of a body that is too large which are read, and thrown away, before the refusal
LOOK, TIDY = 2.0, 5  # seconds between two looks at the queue, and looks between two at the disk
WATCHED = 512  # uploads whose progress is told
SPOOL = 1_000_000  # bytes of a body that wait in memory; more wait in a file without a name
DIRECT = re.compile(rf"{API}/(?:run|api)/\w+/?$")  # calls that wait for their answer, without the queue
RANGE = re.compile(r"bytes=\d{1,12}-\d{0,12}|bytes=-\d{1,12}")
OF_FILES = (b"host", b"cookie", b"range", b"if-none-match", b"if-modified-since", b"origin", b"accept-encoding")
MISSING = re.compile(r"No value provided for required argument: (\w{1,64})$")
UNKNOWN = re.compile(r"Parameter `(\w{1,64})` is not a valid")
# On every answer: what is served is what its type says; a file is no page of this site, whatever it holds.
SAFE = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))
SAFE_FILE = ((b"content-security-policy", b"sandbox; default-src 'none'; style-src 'unsafe-inline'"),)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Shield:
    """Stands between strangers and the app: ``launch(app_kwargs={"middleware": [Middleware(Shield)]})``.

    Args:
        app: What the gate stands before.
        limits: What a request may hold and a visitor may take.
    """

    def __init__(self, app: Callable, limits: Limits | None = None) -> None:
        self.app, self.limits = app, limits or Limits.from_environment()
        self.visitors = Visitors(self.limits)
        self.listeners = Listeners(self.limits.unheard)
        self._turns = itertools.count(1)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Hand a request on, or answer it with a refusal."""
        if scope["type"] == "lifespan":
            keeper = asyncio.create_task(self._keep_house(scope["app"]))
            try:
                await self.app(scope, receive, send)
            finally:
                keeper.cancel()
            return
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # none is used here
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        receive = _Watched(receive, none=not (_length(scope) or header(scope, b"transfer-encoding")))
        answer = _Answer(send, scope["path"], receive)
        try:
            self._check_head(scope)
            if scope["method"] == "HEAD" and scope["path"] == "/":
                # `launch` asks for this within 3 s, or gives up; on a busy machine the whole page takes longer.
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
                await send({"type": "http.response.body", "body": b""})
                return
            scope["ganhub.address"] = who = address(scope)
            scope["ganhub.turn"] = next(self._turns)
            with self.visitors.answering(who):
                await self._hand_on(scope, receive, answer)
        except Refused as refusal:
            await answer.refuse(refusal)

    async def _hand_on(self, scope: dict[str, Any], receive: _Watched, answer: _Answer) -> None:
        try:
            if _route(scope).startswith(routes.MCP) and asks_for_login(scope["app"]):
                await require_login(scope["app"], scope)
            body = await self._admit(scope, receive)
            with self._heard(scope):
                await self.app(scope, body, answer)
        except Refused as refusal:
            if refusal.status == 413 and (_length(scope) or 0) <= DRAINED:
                await receive.drain(DRAINED)  # a browser shows the sentence only once it has sent everything
            raise
        except Exception as error:  # of Gradio's routes, for requests that they do not expect; listeners are calm
            kind, text = type(error).__name__, str(error)
            log.warning("Gradio did not answer %s %.200r: %s %.300r", scope["method"], scope["path"], kind, text)
            raise Refused(400, _unanswered(text)) from error

    @contextmanager
    def _heard(self, scope: dict[str, Any]) -> Iterator[None]:
        """While an answer of the queue is open, somebody listens to its session."""
        path, session = scope["path"].rstrip("/"), None
        if path.endswith("/queue/data"):
            session = next(iter(parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", ())), None)
        elif "/gradio_api/call/" in path and scope["method"] == "GET":
            session = path.rsplit("/", 1)[1]
        if session is None:
            yield
            return
        self.listeners.comes(session)
        try:
            yield
        finally:
            self.listeners.leaves(session)

    async def _keep_house(self, server: Any) -> None:
        """Every few seconds: end work for nobody, make room on the disk, forget uploads that nobody watches."""
        turn = 0
        while True:
            await asyncio.sleep(LOOK)
            turn += 1
            try:
                app = server.get_blocks()
                await self.listeners.end_unheard(app._queue)
                self.listeners.forget_idle(app._queue)
                if turn % TIDY == 0:
                    await asyncio.to_thread(disk.keep_tidy, app, self.limits)
                for table in (file_upload_statuses._signals, file_upload_statuses._statuses):
                    while len(table) > WATCHED:
                        table.pop(next(iter(table)), None)
            except Exception:  # the next look must come
                log.exception("The app's housekeeping failed.")

    def _check_head(self, scope: dict[str, Any]) -> None:
        """Refuse by what is known before the body: the address, the name of the host, the headers."""
        path, app = _route(scope), scope.get("app")
        if scope["method"] in ("GET", "HEAD", "OPTIONS") and (_length(scope) or header(scope, b"transfer-encoding")):
            raise Refused(400, "This request has no use for a body.")
        of_page = path == "/" or path.startswith((f"{API}/queue/join", f"{API}/run/"))
        if of_page and len(scope["query_string"]) > self.limits.head:
            # A link, which Gradio sends with each call: the page's script reads it, and says that this one is too long.
            scope["query_string"] = b""
        size = sum(len(key) + len(value) for key, value in scope["headers"])
        if size > self.limits.head or len(path) + len(scope["query_string"]) > self.limits.head:
            raise Refused(431, "The request's headers are too long.")
        login = asks_for_login(app)
        shared = bool(getattr(getattr(app, "blocks", None), "share", False))
        check_host(scope, shared=shared)
        forget_names(scope, shared=shared)
        if scope["method"] != "OPTIONS" and not routes.is_open(scope["method"], path, login=login):
            raise Refused(404, "There is nothing here.")
        if path.startswith(f"{API}/file="):  # a part of a file is answered with all headers of the request
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] in OF_FILES]
        if (wanted := header(scope, b"range")) and not RANGE.fullmatch(wanted):
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"range"]
        for name in ("session_hash", "upload_id"):
            for value in parse_qs(scope["query_string"].decode("latin-1")).get(name, ()):
                _check_session(value)

    async def _admit(self, scope: dict[str, Any], receive: Receive) -> Receive:
        """What the app receives instead: the body, after it was read and checked within its bounds."""
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return receive
        path = _route(scope).rstrip("/")  # the whole of it: an endpoint may be called "upload", too
        if path == f"{API}/upload":
            plain_type(scope)
            self._check_length(scope, self.limits.upload)
            self.visitors.sends(scope["ganhub.address"], _length(scope) or 0)
            return _Bounded(receive, self.limits.upload, lambda n: self._count(scope, n))
        if path == f"{API}/component_server":
            plain_type(scope)
            return await self._spooled(scope, receive)
        if path == "/login":
            self._check_length(scope, self.limits.head)
            return _Bounded(receive, self.limits.head)
        return await self._json(scope, receive)

    def _count(self, scope: dict[str, Any], size: int) -> None:
        if _length(scope) is None:  # with a length it was counted before
            self.visitors.sends(scope["ganhub.address"], size)

    def _check_length(self, scope: dict[str, Any], most: int) -> None:
        length = _length(scope)
        if length is not None and length > most:
            raise Refused(413, f"This is too large: at most {most / 1e6:.1f} MB are read.")

    async def _json(self, scope: dict[str, Any], receive: Receive) -> Receive:
        most = self.limits.json + self.limits.data_url  # `parse` bounds what is no picture
        self._check_length(scope, most)
        body = bytearray()
        async for chunk in _chunks(receive):
            body += chunk
            if len(body) > most:
                raise Refused(413, f"This is too large: at most {most / 1e6:.1f} MB are read.")
        if len(body) > self.limits.json:
            self.visitors.sends(scope["ganhub.address"], len(body))
        value = parse(bytes(body), self.limits)
        if isinstance(value, dict):
            name = value.get("session_hash")
            if name is None and _route(scope).startswith(f"{API}/call/"):  # Gradio gives it one of its own
                self.visitors.begins(scope["ganhub.address"])
            self._check_session(scope, name)
            # Those of "data" are refused by the listener, so that the page shows the sentence (payload.check_files).
            if not all(is_upload(path) for path in all_paths({**value, "data": None})):
                raise Refused(403, NO_UPLOAD)
        # Written anew: what was checked is what the app reads, whatever another parser makes of odd JSON.
        data = json.dumps(value).encode()
        kept = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"transfer-encoding")]
        scope["headers"] = [*kept, (b"content-length", str(len(data)).encode())]
        return _Replayed(receive, [data])

    def _check_session(self, scope: dict[str, Any], name: Any) -> None:
        if name is None:
            return
        _check_session(name)
        holder, who = scope["app"].state_holder, scope["ganhub.address"]
        if name not in holder:
            self.visitors.begins(who)
            oldest = self.visitors.keeps(who, name, holder.time_last_used)
            if oldest is not None:
                holder.session_data.pop(oldest, None)
                holder.time_last_used.pop(oldest, None)

    async def _spooled(self, scope: dict[str, Any], receive: Receive) -> Receive:
        """The whole body before the app sees any of it: a caller who leaves in the middle leaves no file behind."""
        self._check_length(scope, self.limits.upload)
        self.visitors.sends(scope["ganhub.address"], _length(scope) or 0)
        with ExitStack() as until_here:
            spool, size = until_here.enter_context(tempfile.SpooledTemporaryFile(SPOOL)), 0
            async for chunk in _chunks(receive):
                size += len(chunk)
                if size > self.limits.upload:
                    raise Refused(413, f"This is too large: at most {self.limits.upload / 1e6:.1f} MB are read.")
                spool.write(chunk)
            self._count(scope, size)
            spool.seek(0)
            for name, value in await fields(scope, spool):
                if name == "session_hash":
                    self._check_session(scope, value)
            spool.seek(0)
            return _Replayed(receive, _pieces(spool, until_here.pop_all()))


class _Watched:
    """The messages of a request; ``ended`` once its body is over, or the caller is gone, or where it has ``none``."""

    def __init__(self, receive: Receive, *, none: bool = False) -> None:
        self._receive, self.ended = receive, none

    async def __call__(self) -> dict[str, Any]:
        message = await self._receive()
        self.ended = not message.get("more_body", False)
        return message

    async def drain(self, most: int) -> None:
        """Read what is left of the body, and throw it away; not more than so many bytes."""
        while not self.ended and most > 0:
            most -= len((await self()).get("body", b""))


class _Bounded:
    """Messages of a request as they come, until its body is longer than it may be: then as if the caller had left."""

    def __init__(self, receive: Receive, most: int, on_bytes: Callable[[int], None] = lambda n: None) -> None:
        self._receive, self._left, self._on_bytes = receive, most, on_bytes

    async def __call__(self) -> dict[str, Any]:
        message = await self._receive()
        size = len(message.get("body", b""))
        self._left -= size
        self._on_bytes(size)
        if self._left < 0:
            raise Refused(413, "This is too large.")
        return message


class _Replayed:
    """Messages of a body that was read before, and after it those of the connection."""

    def __init__(self, receive: Receive, chunks: Any) -> None:
        self._receive, self._chunks, self._ended = receive, iter(chunks), False

    async def __call__(self) -> dict[str, Any]:
        if self._ended:
            return await self._receive()
        chunk = next(self._chunks, b"")
        self._ended = not chunk
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}


def _pieces(spool: IO[bytes], until_read: ExitStack) -> Iterator[bytes]:
    with until_read:
        while piece := spool.read(1 << 18):
            yield piece


async def _chunks(receive: Receive) -> Any:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request ended early.")
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _unanswered(text: str) -> str:
    """A sentence for what Gradio says of a request."""
    if found := MISSING.match(text):
        return f"A value is missing, {found[1]}: /gradio_api/info lists what this takes."
    if found := UNKNOWN.match(text):
        return f"There is no parameter {found[1]} here: /gradio_api/info lists what this takes."
    return "The app cannot answer this request: check its address and its values."


def _length(scope: dict[str, Any]) -> int | None:
    text = header(scope, b"content-length")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _check_session(name: Any) -> None:
    if not isinstance(name, str) or not SESSION.fullmatch(name):
        raise Refused(400, "A session's name is up to 64 letters, digits, dots and dashes.")


def _route(scope: dict[str, Any]) -> str:
    """The decoded path, without what a proxy put before it."""
    path, root = scope["path"], scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


class _Answer:
    """Sends an answer with the headers that keep a browser from taking an upload for a page of this site.

    It closes the connection where the request goes on: the server would read the rest for ever, and throw it away.
    """

    def __init__(self, send: Send, path: str, request: _Watched) -> None:
        self._send, self._request, self._begun = send, request, False
        self._direct = DIRECT.search(path) is not None
        self._more = SAFE + (SAFE_FILE if f"{API}/file=" in path else ())

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            if self._direct and message["status"] == 500:  # Gradio's for what a listener refuses in a sentence
                message = {**message, "status": 400}
            close = () if self._request.ended else ((b"connection", b"close"),)
            message = {**message, "headers": [*message.get("headers", ()), *self._more, *close]}
        await self._send(message)

    async def refuse(self, refusal: Refused) -> None:
        """A refusal instead of the app's answer; where that has begun, its end."""
        body = b""
        if not self._begun:
            body = json.dumps({"detail": str(refusal), "error": str(refusal)}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await self({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
