"""Forms from strangers: a plain boundary, no character set of their choice, and few short fields beside the files."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import IO, Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from ganhub.app.shield.payload import Refused

BOUNDARY = re.compile(rb"[\w'()+,./:=?-]{1,70}")
FILES, FIELDS, FIELD = 4, 16, 1024  # of a canvas: files, fields beside them, and bytes of one field


def plain_type(scope: dict[str, Any]) -> None:
    """Leave of a form's content type its boundary only.

    Gradio reads the texts of a form by the ``charset`` that the caller names, in the event loop: a field of a megabyte
    as "punycode" takes minutes, in which nobody else is answered.

    Raises:
        Refused: It is no form, or has no plain boundary.
    """
    told = [value for name, value in scope["headers"] if name == b"content-type"]
    kind, options = parse_options_header(told[0] if len(told) == 1 else b"")
    boundary = options.get(b"boundary", b"")
    if kind.lower() != b"multipart/form-data" or not BOUNDARY.fullmatch(boundary):
        raise Refused(415, "Files and pictures of a canvas come as a form (multipart/form-data).")
    kept = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
    scope["headers"] = [*kept, (b"content-type", b'multipart/form-data; boundary="' + boundary + b'"')]


async def fields(scope: dict[str, Any], body: IO[bytes]) -> list[tuple[str, str]]:
    """Names and texts of a canvas' fields, in order, with all that have the same name.

    Raises:
        Refused: Too many or too long ones, too many files, or no form.
    """

    async def pieces() -> AsyncIterator[bytes]:
        while piece := body.read(1 << 16):
            yield piece

    headers = Headers(raw=scope["headers"])
    try:
        parser = MultiPartParser(headers, pieces(), max_files=FILES, max_fields=FIELDS, max_part_size=FIELD)
        form = await parser.parse()
    except (MultiPartException, ValueError):
        raise Refused(400, "The form of this canvas cannot be read: load the page anew.") from None
    try:
        return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    finally:
        await form.close()
