"""Input pictures: a Creation names them by sha256, and their bytes come from here."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ganhub import images
from ganhub.errors import ConfigError, ImageError

Bytes = str | os.PathLike[str] | bytes


class Inputs:
    """Pictures by the sha256 of their files.

    Args:
        sources: Files, or the bytes of files.

    Attributes:
        kept: What took long to compute from a picture and is of use again, by what it depends on: the point of W of a
            photo, so that the next edit of it does not start with a projection. It lives as long as the inputs.
    """

    def __init__(self, *sources: Bytes) -> None:
        self.kept: dict[Any, Any] = {}
        self._known: dict[str, Bytes] = {}
        for source in sources:
            self.add(source)

    def add(self, source: Bytes) -> str:
        """Take a picture in, and return its sha256.

        Raises:
            ImageError: A file that cannot be read.
        """
        digest = sha256_of(source)
        self._known[digest] = source
        return digest

    def files(self) -> list[str]:
        """The pictures that are files."""
        return [os.fspath(source) for source in self._known.values() if not isinstance(source, bytes)]

    def find(self, digest: str, name: str = "picture") -> Bytes:
        """The file or bytes with this sha256.

        Raises:
            ConfigError: It was not given, or the file has changed since.
        """
        source = self._known.get(digest)
        if source is None:
            others = ", ".join(known[:12] for known in self._known) or "none"
            raise ConfigError(f"The {name} is not here: give the picture with sha256 {digest[:12]}… (given: {others}).")
        if (now := sha256_of(source)) != digest:
            raise ConfigError(
                f"The {name} is another picture now: its sha256 is {now[:12]}…, not {digest[:12]}…. Give the same file."
            )
        return source


def sha256_of(source: Bytes) -> str:
    """sha256 of a file or of bytes, 64 hex digits; ImageError where the file cannot be read."""
    if not isinstance(source, str | os.PathLike | bytes):
        raise ImageError(f"A picture is given as a file or its bytes, not as {type(source).__name__}.")
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        if not os.path.isfile(source):
            images.open_image(source)  # says what is wrong with it
        with Path(source).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(f"{Path(source).name} cannot be read ({error.strerror}): give another file.") from error
