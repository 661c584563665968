"""Captions and attributes of a collection: what its pictures show, in words."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ganhub.errors import DataError
from ganhub.files import read_within

MOST_BYTES = 256 * 1024**2  # of the text: a million long captions
MOST_WORDS = 100  # different values of one attribute; more are no attribute


@dataclass(frozen=True)
class Captions:
    """What each picture shows, in the order of the pictures.

    Attributes:
        texts: Language ("en", "zh") -> one sentence for each picture.
        attributes: One dictionary for each picture: {"hair": "long", "glasses": "yes"}.
    """

    texts: dict[str, tuple[str, ...]]
    attributes: tuple[dict[str, str], ...]

    def __len__(self) -> int:
        return len(self.attributes)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The attributes, each with its values in the order of the alphabet."""
        values: dict[str, set[str]] = {}
        for one in self.attributes:
            for name, value in one.items():
                values.setdefault(name, set()).add(value)
        return {name: tuple(sorted(words)) for name, words in sorted(values.items()) if len(words) <= MOST_WORDS}

    def labels(self, name: str) -> tuple[tuple[str, ...], list[int]]:
        """The values of an attribute, and for each picture the index of its own, -1 where it is not known.

        Raises:
            DataError: For an attribute that the collection does not have; it says which there are.
        """
        if name not in self.names:
            raise DataError(f"The captions know no attribute {name!r}; there are {', '.join(self.names) or 'none'}.")
        values = self.names[name]
        index = {value: i for i, value in enumerate(values)}
        return values, [index.get(one.get(name, ""), -1) for one in self.attributes]


def read_captions(path: str | Path, count: int) -> Captions:
    """Read a .json file, or a .zip with one: lists ``caption_LANGUAGE`` and ``attributes``, one entry a picture.

    Args:
        path: The file.
        count: How many pictures the collection has.

    Raises:
        DataError: When it cannot be read, or does not match the pictures in number.
    """
    data = _load(Path(path))
    texts = {k.removeprefix("caption_"): v for k, v in data.items() if k.startswith("caption_")}
    attributes = data.get("attributes") or [{}] * count
    lists = {**{f"caption_{k}": v for k, v in texts.items()}, "attributes": attributes}
    for name, entries in lists.items():
        if not isinstance(entries, list) or len(entries) != count:
            length = f"{len(entries):,} entries" if isinstance(entries, list) else "no list"
            raise DataError(
                f"{path}: {name} has {length}, and there are {count:,} pictures: the captions must belong to "
                "these pictures, one entry each and in the same order."
            )
    if not all(isinstance(text, str) for lines in texts.values() for text in lines):
        raise DataError(f"{path}: every caption must be text.")
    if not all(isinstance(one, dict) for one in attributes):
        raise DataError(f'{path}: every entry of attributes must look like {{"hair": "long"}}.')
    spoken = tuple({str(k): _word(v) for k, v in one.items() if v not in (None, "")} for one in attributes)
    return Captions({k: tuple(v) for k, v in texts.items()}, spoken)


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _load(path: Path) -> dict:
    try:
        if path.suffix.lower() == ".zip" and os.path.isfile(path):  # a pipe would be waited for without end
            with zipfile.ZipFile(path) as archive:
                names = [info for info in archive.infolist() if info.filename.lower().endswith(".json")]
                if len(names) != 1:
                    raise DataError(f"{path} must hold one .json file with the captions; it holds {len(names)}.")
                if names[0].file_size > MOST_BYTES:
                    raise DataError(f"{path} unpacks to more than {MOST_BYTES // 1024**2} MB and is not read.")
                data = json.loads(archive.read(names[0]).decode("utf-8-sig"))
        else:
            data = json.loads(read_within(path, MOST_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"The captions {path} cannot be read ({error.strerror}): is data.captions right?") from None
    except (ValueError, RecursionError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path} holds no captions that can be read: {error}") from None
    if not isinstance(data, dict):
        raise DataError(f'{path} must hold {{"caption_en": [...], "attributes": [...]}}.')
    return data
