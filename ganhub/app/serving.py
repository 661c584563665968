"""Serving a page: ``app.py``, ``ganhub app`` and ``ganhub judge`` alike."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import gradio as gr

from ganhub.addresses import check_address, settle_proxies
from ganhub.app.page import launch_options
from ganhub.errors import ConfigError


def serve(
    page: gr.Blocks, options: dict[str, Any] | None = None, *, port: int | None = None, host: str | None = None
) -> None:
    """Serve a page until it is stopped.

    Args:
        options: Of ``launch``; those of the app without it.
        port: Without it $GRADIO_SERVER_PORT or 7860, or the next free one.
        host: Without it $GRADIO_SERVER_NAME or 127.0.0.1.

    Raises:
        ConfigError: The port is out of range or in use, or the host is not this machine's.
    """
    host = host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    check_address(host, port)
    settle_proxies(host)
    give_memory_back()
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"  # as Gradio puts it into its address
    try:
        page.launch(server_port=port, server_name=host, **(options or launch_options()))
    except OSError as error:
        raise ConfigError(f"The page cannot be served at {host} ({error}): choose another --port or --host.") from error


def give_memory_back() -> None:
    """Tell the C library, where it is GNU's, to give the memory of pictures back to the system at once.

    Each job has a thread of its own, and by default each thread keeps what it has used: 45 visitors cost 110 MB more.
    """
    try:
        settings = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    settings(-8, 2)  # M_ARENA_MAX, from malloc.h: threads share two heaps
    settings(-3, 131_072)  # M_MMAP_THRESHOLD: what is larger lies in no heap
