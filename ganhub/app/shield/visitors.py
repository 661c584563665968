"""Who asks: the visitor's address, the names under which the app may be asked, and how often one address asks."""

from __future__ import annotations

import inspect
import ipaddress
import os
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request

from ganhub.app.shield.limits import Limits
from ganhub.app.shield.payload import Refused

MOST_ADDRESSES = 4096  # that are remembered
HOST = re.compile(r"(?:[\w.-]{1,253}|\[[\da-fA-F:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
Scope = Mapping


def header(scope: Scope, name: bytes) -> str:
    """A request's header, or "" where there is none; of several of one name, all of them with commas."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def on_a_space() -> bool:
    """Whether this is a Hugging Face Space, whose only way in is its own proxy."""
    return bool(os.environ.get("SPACE_ID"))


# ---- the visitor's address


def address(scope: Scope) -> str:
    """The visitor's address; what a proxy says of it counts only where ``$GANHUB_PROXIES`` or a Space says so.

    ``$GANHUB_PROXIES`` is how many proxies of one's own stand before the app: each appends the address that it saw to
    ``X-Forwarded-For``, so the visitor's is that many places from the right, and what a visitor wrote there himself is
    further left. On a Space it is the rightmost address that is not the Space's own network. Of IPv6 it is the network
    of 64 bits, as whoever has one address there has all of these.
    """
    return _network(_told_address(scope))


def address_of(request: Any) -> str:
    """The address of a listener's request, as the gate has noted it; "" where there is none."""
    return _noted(request, "ganhub.address", "")


def caller(request: Any) -> dict[str, Any]:
    """What :meth:`ganhub.app.jobs.Jobs.start` is told of the call that a listener's request is.

    Returns:
        "who": its address; "turn": its place among all requests, 0 where the gate has not seen it; "over": an event
        that is set once the call is answered, None outside the queue.
    """
    return {
        "who": address_of(request), "turn": _noted(request, "ganhub.turn", 0),
        "over": _noted(request, "ganhub.over", None),
    }  # fmt: skip


def _noted(request: Any, name: str, otherwise: Any) -> Any:
    inner = getattr(request, "request", request)
    scope = getattr(inner, "scope", None) or {}
    return scope.get(name, otherwise)


def _told_address(scope: Scope) -> str:
    host, port = scope.get("client") or ("", 0)
    if port == 0 and host:  # uvicorn took it from the header, which it does for callers on this machine only
        host = "127.0.0.1"
    told = [part.strip() for part in header(scope, b"x-forwarded-for").split(",") if part.strip()]
    proxies = os.environ.get("GANHUB_PROXIES", "")
    if proxies.isascii() and proxies.isdigit() and 0 < int(proxies) <= len(told):
        return told[-int(proxies)][:64]
    if on_a_space() and not proxies:
        return next((part[:64] for part in reversed(told) if _is_public(part)), host)
    return host


def _network(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return text
    if found.version == 4 or found.ipv4_mapped:
        return str(getattr(found, "ipv4_mapped", None) or found)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


# ---- the app's own name


def check_host(scope: Scope, *, shared: bool = False) -> None:
    """Refuse a name that somebody made to point here, and a page of another site that posts to this machine.

    A browser on this machine that is shown ``http://evil.example``, made to point at 127.0.0.1, would let that page
    read a local app (DNS rebinding). So a connection over loopback is asked by a name of loopback, by the machine's
    own, or by one in ``$GANHUB_HOSTS`` (names with commas; for a proxy on the same machine). Where ``$GANHUB_HOSTS``
    is set, other connections must use one of these, too.

    Args:
        shared: Whether the app was given a public link, whose tunnel ends on this machine.
    """
    hosts = _listed_hosts()
    local = _is_loopback((scope.get("server") or ("",))[0] or "")
    if shared or on_a_space() or not (local or hosts):
        return
    asked = _name(header(scope, b"host"))
    if not (asked in hosts or (_is_own(asked) if local or _is_loopback(asked) else False)):
        raise Refused(
            421, "The app does not go by this name: open the address that it printed, or set GANHUB_HOSTS to this name."
        )
    origin = header(scope, b"origin")
    if scope["method"] != "GET" and origin:
        page = _name(origin.partition("://")[2])
        if not (page in hosts or _is_own(page)):
            raise Refused(403, "A page of another site may not ask this app.")


def forget_names(scope: dict[str, Any], *, shared: bool = False) -> None:
    """Take from a request the names of hosts that no proxy of one's own told.

    Gradio believes ``X-Forwarded-Host`` of anybody, and keeps the first one in what it tells all later visitors of its
    API.

    Raises:
        Refused: A host that is no name.
    """
    hosts = [header(scope, name).partition(",")[0].strip() for name in (b"host", b"x-forwarded-host")]
    if not all(HOST.fullmatch(host) for host in hosts if host):
        raise Refused(400, "The request's host is no name.")
    known = shared or on_a_space() or os.environ.get("GANHUB_PROXIES") or _name(hosts[1]) in _listed_hosts()
    gone = (b"x-gradio-server",) if known else (b"x-gradio-server", b"x-forwarded-host")
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in gone]


def _listed_hosts() -> set[str]:
    return {name.strip().lower() for name in os.environ.get("GANHUB_HOSTS", "").split(",") if name.strip()}


def _name(host: str) -> str:
    """A host without its port, in lower case: "[::1]:7860" -> "::1"."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_own(name: str) -> bool:
    own = socket.gethostname().lower()
    return name in ("localhost", "0.0.0.0", own, f"{own}.local") or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


# ---- by which password


def asks_for_login(app: Any) -> bool:
    """Whether ``launch`` was given ``auth``."""
    return getattr(app, "auth", None) is not None or getattr(app, "auth_dependency", None) is not None


async def require_login(app: Any, scope: Scope) -> None:
    """Refuse whoever has not logged in: as Gradio does at its own routes, but not where it answers agents."""
    request = Request(scope)
    if app.auth_dependency is not None:
        user = app.auth_dependency(request)
        user = await user if inspect.isawaitable(user) else user
    else:
        names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
        user = next((app.tokens[key] for name in names if (key := request.cookies.get(name)) in app.tokens), None)
    if user is None:
        raise Refused(401, "This app asks for a name and a password: log in first, and send the cookies of the login.")


# ---- how often


class Visitors:
    """What each address has open, began and uploaded lately; used in the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[str, int] = {}
        self._begun: dict[str, deque[float]] = {}
        self._sent: dict[str, deque[tuple[float, int]]] = {}
        self._sessions: dict[str, deque[str]] = {}

    @contextmanager
    def answering(self, who: str) -> Iterator[None]:
        """Count a request of an address until its answer ends."""
        if self._open.get(who, 0) >= self.limits.requests:
            raise Refused(429, "Too many requests of this address are open: close a page, and try again.")
        self._open[who] = self._open.get(who, 0) + 1
        try:
            yield
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]

    def begins(self, who: str) -> None:
        """Count a new session of an address."""
        begun = _of(self._begun, who)
        _forget(begun, lambda seen: seen < time.monotonic() - 60)
        if len(begun) >= self.limits.new_sessions:
            raise Refused(429, "Too many new sessions of this address: wait a minute.")
        begun.append(time.monotonic())

    def keeps(self, who: str, session: str, used: dict[str, Any]) -> str | None:
        """Count a session whose state is kept; the one of this address that has to make room for it, or None.

        Args:
            used: When each session whose state is kept was last used.
        """
        sessions = _of(self._sessions, who)
        for name in [name for name in sessions if name not in used]:
            sessions.remove(name)
        oldest = min(sessions, key=used.__getitem__) if len(sessions) >= self.limits.sessions_address else None
        sessions.append(session)
        return oldest

    def sends(self, who: str, size: int) -> None:
        """Count bytes that an address uploads."""
        sent = _of(self._sent, who)
        _forget(sent, lambda seen: seen[0] < time.monotonic() - 600)
        if sum(seen[1] for seen in sent) + size > self.limits.uploads:
            raise Refused(429, "Too much was uploaded from this address: wait ten minutes.")
        sent.append((time.monotonic(), size))


def _of(table: dict[str, deque], who: str) -> deque:
    """An address' entry, at the end of the table; the oldest entry makes room."""
    entry = table.pop(who, None)
    table[who] = deque() if entry is None else entry
    while len(table) > MOST_ADDRESSES:
        del table[next(iter(table))]
    return table[who]


def _forget(entry: deque, is_old: Callable[[Any], bool]) -> None:
    while entry and is_old(entry[0]):
        entry.popleft()
