"""Ports, hosts and proxies: what is wrong with them is a sentence, and a proxy does not stop a page from starting."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import httpx
import pytest

from ganhub.addresses import check_address, settle_environment, settle_proxies
from ganhub.errors import ConfigError
from ganhub.hub._errors import unreachable

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """The environment without any proxy; it is as it was afterwards."""
    kept = dict(os.environ)
    for name in (*NAMES, *map(str.upper, NAMES)):
        os.environ.pop(name, None)
    yield os.environ
    os.environ.clear()
    os.environ.update(kept)


@pytest.mark.parametrize("port", [-1, 0, 65536, 2**40])
def test_a_port_out_of_range(port: int) -> None:
    with pytest.raises(ConfigError, match="from 1 to 65535"):
        check_address("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]"])
def test_a_port_in_use(host: str) -> None:
    bare = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET) as taken:
        try:
            taken.bind((bare, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} is in use"):
            check_address(host, port)
    check_address(host, port)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "no-such-host-" + 60 * "x", "a..b"])
def test_a_host_that_is_not_ours(host: str) -> None:
    with pytest.raises(ConfigError, match="The host .* is (no address of this machine|unknown)"):
        check_address(host, None)


@pytest.mark.parametrize("text", ["many", "", "-5", "70000", "1" * 30])
def test_a_port_of_the_environment(text: str, environment: dict[str, str]) -> None:
    environment["GRADIO_SERVER_PORT"] = text
    with pytest.raises(ConfigError, match="GRADIO_SERVER_PORT must be a number"):
        settle_environment()


@pytest.mark.parametrize("name", ["all_proxy", "ALL_PROXY", "https_proxy", "http_proxy"])
@pytest.mark.parametrize(
    "url", ["socks5h://127.0.0.1:9", "socks://127.0.0.1:9", "socks4://[::1", "http://a:b:c", "://"]
)
def test_a_proxy_that_cannot_be_used(name: str, url: str, environment: dict[str, str]) -> None:
    environment |= {name: url, "no_proxy": "fe80::/10,[::1],intern.example,日本"}
    settle_proxies("10.1.2.3")
    httpx.Client().close()  # raises where a proxy of the environment cannot be used
    assert all(url != environment.get(one) for one in (name.lower(), name.upper())) or url.startswith("socks5")
    assert environment["no_proxy"] == "::1,intern.example,localhost,127.0.0.1,10.1.2.3"


def test_a_proxy_serves_others_only(environment: dict[str, str]) -> None:
    environment |= {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "a.example"}
    settle_proxies()
    assert urllib.request.getproxies()["http"] == "http://127.0.0.1:9"
    hosts = ("127.0.0.1", "localhost", "a.example", "b.example")
    bypassed = [urllib.request.proxy_bypass_environment(host) for host in hosts]
    assert list(map(bool, bypassed)) == [True, True, True, False]


def test_without_a_proxy_nothing_changes(environment: dict[str, str]) -> None:
    before = dict(environment)
    if urllib.request.getproxies():
        pytest.skip("the system has a proxy")
    settle_proxies()
    assert dict(environment) == before


def test_a_page_starts_behind_proxies(environment: dict[str, str]) -> None:
    """Importing Gradio, and its look at itself: both ask the proxies of the environment."""
    environment |= {
        "all_proxy": "socks5://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "no_proxy": "fe80::/10",
    }  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "from ganhub.app import serve\nimport gradio\nwith gradio.Blocks() as page: gradio.HTML()\n"
        f"serve(page, {{'prevent_thread_lock': True, 'ssr_mode': False}}, port={port})\nprint('served')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "served" in done.stdout, done.stderr


def test_a_model_in_the_cache_is_found_behind_a_bad_proxy(environment: dict[str, str]) -> None:
    """The Hub client is not made at all where the environment names a proxy that it cannot use."""
    environment["all_proxy"] = "socks://127.0.0.1:9"
    with pytest.raises(ValueError, match="proxy") as error:
        httpx.Client()
    assert unreachable(error.value)
