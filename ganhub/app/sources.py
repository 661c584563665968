"""Pictures that a caller of the API gives: an upload, or a data URL. No address of the web is ever fetched."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
from typing import Any

from ganhub import images
from ganhub.app.shield import is_upload
from ganhub.creation import Creation, Inputs
from ganhub.creation.checks import SHA256
from ganhub.errors import ConfigError

DATA_URL = re.compile(r"data:image/[\w.+-]{1,40};base64,")
HOW = "give the path of a file that was uploaded here, or a data URL (data:image/png;base64,...)"


def looks_like_picture(value: Any) -> bool:
    """Whether a value is meant to be a picture: a file of Gradio's, a data URL, or a path or an address."""
    if isinstance(value, dict):
        return True
    return isinstance(value, str) and (value.startswith("data:") or "://" in value or is_upload(value))


def digest_of(value: Any, name: str, inputs: Inputs) -> Any:
    """Take a picture into ``inputs``, and return its sha256; a sha256, "" and None stay as they are.

    Args:
        value: The path of an upload, Gradio's dictionary of one, or a data URL.
        name: Of the field, for the sentence.

    Raises:
        ConfigError: Anything else, such as a path or an address of somewhere else.
        ImageError: The file cannot be read.
    """
    if isinstance(value, dict):
        value = value.get("path")
    if not value or (isinstance(value, str) and SHA256.fullmatch(value)):
        return value or ""
    if isinstance(value, str) and value.startswith("data:"):
        return inputs.add(decoded(value, name))
    if isinstance(value, str) and is_upload(value):
        with contextlib.suppress(OSError):  # it is used, so it is not the oldest
            os.utime(value)
        return inputs.add(value)
    raise ConfigError(f"{name} is no picture that is here: {HOW}.")


def with_digests(fields: dict[str, Any], pictures: set[str], inputs: Inputs) -> dict[str, Any]:
    """Fields of a Creation with each picture as its sha256.

    Args:
        pictures: Names of the fields that hold one picture. In lists of the others, such as the styles of a painting,
            what looks like a picture is one.
    """

    def replaced(value: Any, name: str) -> Any:
        if isinstance(value, list | tuple):
            return [replaced(part, name) for part in value]
        return digest_of(value, name, inputs) if looks_like_picture(value) else value

    return {
        name: digest_of(value, name, inputs) if name in pictures
        else replaced(value, name) if isinstance(value, list | tuple) else value
        for name, value in fields.items()
    }  # fmt: skip


def require_small(creation: Creation, inputs: Inputs, side: int) -> None:
    """Refuse a photo that would be worked on at more pixels than this page allows."""
    size = getattr(creation, "size", None)
    if not isinstance(size, int) or 0 < size <= side:
        return
    for digest in filter(None, (getattr(creation, name, "") for name in ("photo", "mix_photo"))):
        longest = max(images.open_image(inputs.find(digest, "photo")).size)
        if longest > side:
            raise ConfigError(
                f"The photo is {longest} pixels long; here at most {side} are: set size to {side} or less."
            )


def decoded(text: str, name: str) -> bytes:
    """The bytes of a data URL.

    Raises:
        ConfigError: It is none of a picture; ``name`` is the field's, for the sentence.
    """
    start = DATA_URL.match(text)
    try:
        if start:
            return base64.b64decode(text[start.end() :], validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ConfigError(f"{name} is no data URL of a picture: {HOW}.")
