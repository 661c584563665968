"""Which addresses of Gradio's server the page and the API need. All others are closed.

Closed are: the icon resized to any number of pixels, deep links (they write each session's inputs to the disk),
screen recordings, the developer's routes (reload, vibe editor, custom components), the proxies to other servers
(``proxy=``, ``file=http...``), streams of sound and film, the run history, monitoring, and the login, which opens
again where ``launch`` was given ``auth``.
"""

from __future__ import annotations

import re

_API = "/gradio_api"
MCP = f"{_API}/mcp"  # tools for agents, over streamable HTTP; the older transport over SSE stays closed
_READ = (
    "/", "/config/?", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/(?:static|assets|svelte)/.+",
    f"{_API}/info/?", f"{_API}/openapi.json", f"{_API}/theme.css", f"{_API}/startup-events", f"{_API}/app_id/?",
    f"{_API}/file=.+", f"{_API}/upload_progress", f"{_API}/queue/(?:data|status)", f"{_API}/heartbeat/[^/]+",
    rf"{_API}/call/(?:v2/)?\w+/\w+", f"{MCP}/?", f"{MCP}/http/?", f"{MCP}/schema",
)  # fmt: skip
_WRITE = (
    f"{_API}/upload", f"{_API}/queue/join", f"{_API}/cancel", f"{_API}/reset/?", f"{_API}/component_server/?",
    rf"{_API}/(?:run|api|call|call/v2)/\w+/?", f"{MCP}/?", f"{MCP}/http/?",
)  # fmt: skip
_LOGIN = ("/login/?", "/logout", f"{_API}/login_check/?", f"{_API}/user/?", f"{_API}/token/?")
_OPEN = {
    "GET": re.compile("|".join(_READ)),
    "HEAD": re.compile("|".join(_READ)),
    "POST": re.compile("|".join(_WRITE)),
}
_OPEN_LOGIN = re.compile("|".join(_LOGIN))
_ELSEWHERE = re.compile(rf"{_API}/file=[\w+.-]*:/")  # an address of the web, which the server would fetch


def is_open(method: str, path: str, *, login: bool = False) -> bool:
    """Whether a method and a decoded path, without what a proxy put before it, are part of the app.

    Args:
        login: Whether the app asks for a name and a password.
    """
    if login and _OPEN_LOGIN.fullmatch(path):
        return True
    allowed = _OPEN.get(method)
    return allowed is not None and allowed.fullmatch(path) is not None and _ELSEWHERE.match(path) is None
