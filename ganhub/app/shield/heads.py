"""Heads of requests (address and headers): bounded while they arrive, before there is a request for the gate."""

from __future__ import annotations

from uvicorn import config
from uvicorn.protocols.http.h11_impl import H11Protocol

SENTENCE = "This request cannot be read: its address or its headers are longer than 64 KB, or it is not HTTP."


class BoundedProtocol(H11Protocol):
    """HTTP by h11, which keeps at most 64 KB of a head, and a refusal that is a sentence.

    Where httptools is installed uvicorn would take that instead, which collects an address or a header without end.
    """

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        super().send_400_response(SENTENCE)


def bound_heads() -> None:
    """Let servers that are started from now on read heads so; Gradio has no option that hands it on to uvicorn."""
    config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedProtocol.__name__}"
