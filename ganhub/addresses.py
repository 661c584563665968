"""The address that a page is served at, and the proxies that the environment names: both are checked before the work.

Nothing here imports Gradio: what is wrong with a port is said at once, and proxies are looked at before Gradio is
imported, which ends in a traceback where one cannot be used.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
import urllib.request

from ganhub.errors import ConfigError

log = logging.getLogger(__name__)
_NUMBERS = ("GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS")  # which Gradio reads when it is imported
OWN = ("localhost", "127.0.0.1", "::1")  # of this machine, whatever the network


def settle_environment() -> None:
    """Check what Gradio reads from the environment when it is imported, and make proxies fit; call it before.

    Raises:
        ConfigError: For a port that is none.
    """
    for name in _NUMBERS:
        text = os.environ.get(name)
        if text is not None and not (text.isdecimal() and 1 <= int(text[:9]) <= 65535):
            raise ConfigError(f"{name} must be a number from 1 to 65535, not {text[:40]!r}: correct it or remove it.")
    settle_proxies()


def check_address(host: str, port: int | None) -> None:
    """Raise ConfigError unless a server may listen at a host and port (None: at some port) of this machine."""
    if port is not None and not 1 <= port <= 65535:
        raise ConfigError(f"The port must be from 1 to 65535, not {port}.")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        family, kind, protocol, _, place = _resolved(bare, port or 0)
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":  # there it would allow to take a port that is in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (socket.gaierror, UnicodeError):
        raise ConfigError(f"The host {host} is unknown: give 127.0.0.1, or 0.0.0.0 for all of this machine.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"Port {port} is in use: choose another --port, or leave it out.") from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ConfigError(f"You may not use port {port}: choose a --port of 1024 or more.") from None
        raise ConfigError(
            f"The host {host} is no address of this machine ({error.strerror}): give 127.0.0.1, or 0.0.0.0 for all."
        ) from None


def _resolved(host: str, port: int) -> tuple:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return family, socket.SOCK_STREAM, 0, "", (host, port)


def settle_proxies(*hosts: str) -> None:
    """Make the environment's proxies such that an app starts: none for this machine, and none that cannot be used.

    Gradio asks itself over HTTP whether it is up. Its HTTP client cannot be built where the environment names a
    proxy that it cannot use. Without any proxy nothing is changed.

    Args:
        hosts: Further names and addresses of this machine.
    """
    proxies = {name: url for name, url in urllib.request.getproxies().items() if name in ("http", "https", "all")}
    if not proxies:
        return
    for name, url in proxies.items():
        if why := _unusable(url):
            os.environ.pop(f"{name}_proxy", None)
            os.environ.pop(f"{name}_proxy".upper(), None)
            log.warning("The proxy %s of %s_proxy is left out: %s", url.rpartition("@")[2], name, why)
        else:  # of macOS and Windows too, whose settings no_proxy below would hide
            os.environ[f"{name}_proxy"] = url
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    direct = [part.strip().removeprefix("[").removesuffix("]") for part in named.split(",")]
    direct = [part for part in direct if part and _is_host(part)]
    os.environ["no_proxy"] = ",".join(dict.fromkeys([*direct, *OWN, *hosts]))


def _unusable(url: str) -> str:
    """Why the HTTP client cannot use a proxy, or ""."""
    import httpx

    try:
        httpx.HTTPTransport(proxy=url if "://" in url else f"http://{url}").close()
    except ImportError:
        return "SOCKS needs one more package, pip install socksio."
    except (ValueError, httpx.InvalidURL):
        return "write it as http://HOST:PORT or socks5://HOST:PORT."
    return ""


def _is_host(text: str) -> bool:
    """Whether the HTTP client can read an entry of no_proxy."""
    import httpx

    try:
        httpx.URL(text if "://" in text else f"all://[{text}]" if text.count(":") > 1 else f"all://*{text}")
    except httpx.InvalidURL:
        return False
    return True
