"""Pictures of a folder or zip, and their labels from the folders' names, metadata.csv or .jsonl, or dataset.json."""

from __future__ import annotations

import csv
import fnmatch
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganhub.data.collection import Listing, Picture, composed, counted, is_hidden, list_pictures, shown
from ganhub.data.layout import Layout, layout_of
from ganhub.data.sources import Entry, Opener, Source, classes_of
from ganhub.errors import DataError

Labelled = tuple[list[Picture], list[str], list[str]]  # pictures, their labels, what is to be said of them


def open_folder(path: Path, *, split: str, only: str, labels: str | None, channels: int, background: str) -> Source:
    """List a folder or zip; ``labels`` is as in ``DataConfig``, or None where none are wanted.

    Raises:
        DataError: No pictures, no part ``split``, or labels that are missing or cannot be used.
    """
    listing = list_pictures(path)
    pictures, values, notes = _chosen(listing, split, only, labels)
    class_names, indices = ((), [-1] * len(pictures)) if labels is None else classes_of(values, str(path))
    notes = [note for note in notes if note]
    opened = Opener(str(path), channels, background, notes)

    def entry(picture: Picture, index: int) -> Entry:
        return Entry(picture.name, index, lambda: opened(listing.source(picture)))

    def takes(parts: tuple[str, ...]) -> bool:
        if any(map(is_hidden, parts)):
            return False
        others = [picture for picture in listing.pictures if picture.parts != parts]
        later = replace(listing, pictures=sorted([*others, Picture(parts, path)], key=lambda picture: picture.name))
        try:
            chosen = {picture.parts for picture in _chosen(later, split, only, labels)[0]}
        except DataError:  # with it the collection could not be opened
            return True
        return parts in chosen or chosen != {picture.parts for picture in pictures} - {parts}

    entries = [entry(*pair) for pair in zip(pictures, indices, strict=True)]
    return Source(entries, class_names, notes, takes)


def _chosen(listing: Listing, split: str, only: str, labels: str | None) -> Labelled:
    """Those of a listing that are asked for, with their labels where some are wanted."""
    path, passed_over = listing.path, listing.passed_over_sentence()
    layout = layout_of(listing.pictures, split, path)
    pictures = [picture for picture in layout.pictures if not only or _fits(picture, layout.depth, only)]
    if not pictures:
        matching = f" that match data.only = {only!r}" if only else ""
        advice = "Put PNG, JPEG or WebP files there, or change data.path."
        raise DataError(f"{path} holds no pictures{matching}. {advice} {passed_over}".rstrip())
    notes, values = [passed_over, _of_parts(path, layout)], []
    if labels is not None:
        pictures, values, more = _labelled(listing, layout, pictures, labels)
        notes += more
    return pictures, values, notes


def _fits(picture: Picture, depth: int, only: str) -> bool:
    """Whether a pattern fits the whole name, or what is left of it inside the folders around the classes."""
    names = {picture.name, "/".join(picture.parts[depth:])}
    return any(fnmatch.fnmatch(composed(name), composed(only)) for name in names)


def _of_parts(path: Path, layout: Layout) -> str:
    if not layout.parts:
        return ""
    left = f", without {counted(len(layout.left_out))} of the other parts" if layout.left_out else ""
    return f"Of {path} the part {' and '.join(layout.parts)} is read{left} (data.split chooses)."


# Labels


def _labelled(listing: Listing, layout: Layout, pictures: list[Picture], labels: str) -> Labelled:
    """Take labels from where ``data.labels`` says, or from where there are some."""
    if labels == "file":
        return pictures, [composed(picture.stem) for picture in pictures], []
    if labels != "folder":
        column = labels or "label"
        for tables in (("metadata.csv", "metadata.jsonl"), ("dataset.json",)):
            rows, columns, named = _rows_of(listing, tables, column)
            if column in columns:
                return _by_rows(listing, pictures, rows, column, named)
            if labels and columns:
                names = ", ".join(name for name in columns if name != "file_name")
                raise DataError(f'{listing.path} has no column "{labels}" to take labels from (it has: {names}).')
        if labels:
            have = "it has no metadata.csv with such columns"
            raise DataError(f'{listing.path} has no column "{labels}" to take labels from ({have}).')
    return pictures, _by_folders(listing, layout, pictures), _of_folders(listing, layout, pictures)


def _by_folders(listing: Listing, layout: Layout, pictures: list[Picture]) -> list[str]:
    values = [layout.class_of(picture) for picture in pictures]
    if not all(values):
        name = pictures[values.index("")].name
        raise DataError(
            f"The model needs labels, and {name} of {listing.path} lies in no class folder. Put each picture in a "
            "folder named after its class, or name a metadata.csv column in data.labels."
        )
    return values


def _of_folders(listing: Listing, layout: Layout, pictures: list[Picture]) -> list[str]:
    depth, notes = layout.depth, []
    if layout.around:
        around = f'Everything of {listing.path} lies in "{layout.around}"'
        notes.append(f"{around}, so the folders inside it are the classes.")
    places = {picture.parts[:depth] for picture in pictures}
    classes = {picture.parts[: depth + 1] for picture in listing.pictures}
    empty = sorted(f for f in listing.folders if len(f) == depth + 1 and f[:depth] in places and f not in classes)
    if empty:
        notes.append(f"No pictures lie in {shown(['/'.join(folder) for folder in empty])}, so there is no such class.")
    return notes


def _by_rows(listing: Listing, pictures: list[Picture], rows: dict[str, Any], column: str, named: str) -> Labelled:
    keys = [composed(picture.name) for picture in pictures]
    kept = [(picture, rows[key]) for picture, key in zip(pictures, keys, strict=True) if key in rows]
    left = [picture.name for picture, key in zip(pictures, keys, strict=True) if key not in rows]
    if not kept:
        names = f"it names {shown(list(rows))}; the pictures are {shown([picture.name for picture in pictures])}"
        raise DataError(
            f"{named} of {listing.path} names none of its pictures: {names}. Mend the names, or set data.labels = "
            '"folder" if the folders are the classes.'
        )
    for picture, value in kept:
        if isinstance(value, list | dict):
            raise DataError(
                f'"{column}" in {named} of {listing.path} holds more than one value ({picture.name}): write one word '
                "or number for each picture, or name another column in data.labels."
            )
    values = [_text(value) for _, value in kept]
    if bare := [picture.name for (picture, _), value in zip(kept, values, strict=True) if not value]:
        raise DataError(
            f"Some pictures of {listing.path} have no label in {named} ({len(bare):,}: {shown(bare)}); label them all "
            "or remove them."
        )
    notes = []
    if left:
        notes.append(f"{named} of {listing.path} does not name {counted(len(left))} of {len(keys):,}, left out here: "
                     f"{shown(left)}.")  # fmt: skip
    if gone := sorted(rows.keys() - {composed(picture.name) for picture in listing.pictures}):
        notes.append(f"{named} of {listing.path} names {counted(len(gone))} that cannot be found: {shown(gone)}.")
    return [picture for picture, _ in kept], values, notes


def _text(value: Any) -> str:
    """A label as it was typed: numbers are left as text by the readers below."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else composed(str(value)).strip()


# Tables


def _rows_of(listing: Listing, names: Sequence[str], column: str) -> tuple[dict[str, Any], dict[str, None], str]:
    """Name of a picture -> its value in ``column``; all columns; and the tables' names in words.

    Names in a table are those below the folder that the table lies in.
    """
    rows: dict[str, Any] = {}
    columns: dict[str, None] = {}
    tables_read = []
    for table in listing.tables:
        kind = table.parts[-1].lower()
        if kind not in names:
            continue
        tables_read.append(table.name)
        for row in _READERS[kind](listing.text(table), f"{table.name} of {listing.path}"):
            columns.update(dict.fromkeys(row))
            if column not in row:
                continue
            inside = [part for part in str(row["file_name"]).replace("\\", "/").split("/") if part not in ("", ".")]
            name = composed("/".join((*table.parts[:-1], *inside)))
            if name in rows and rows[name] != row[column]:
                raise DataError(
                    f"{table.name} of {listing.path} gives {name} two labels, {_text(rows[name])!r} and "
                    f"{_text(row[column])!r}: keep one."
                )
            rows[name] = row[column]
    return rows, columns, " and ".join(tables_read)


def _csv_rows(text: str, where: str) -> Iterator[dict[str, Any]]:
    """Rows of a table that has a column file_name; of a spreadsheet's semicolons or tabs too."""
    columns: list[str] = []
    try:
        for delimiter in ",;\t":
            reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
            columns = max(columns, [str(name) for name in reader.fieldnames or ()], key=len)
            if "file_name" in columns:
                for row in reader:
                    row.pop(None, None)  # more values than columns
                    yield row
                return
    except csv.Error as error:
        raise DataError(f"{where} is no readable table: {error}.") from error
    raise DataError(
        f'{where} has no column "file_name" (it has: {shown(columns) or "none"}): give that name to the column with '
        'the names of the pictures, or set data.labels = "folder".'
    )


def _json_lines(text: str, where: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            row = _parsed(line, f"Line {number} of {where}")
            if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
                raise DataError(f'Line {number} of {where} must be an object with "file_name".')
            yield row


def _stylegan_rows(text: str, where: str) -> Iterator[dict[str, Any]]:
    """The labels of StyleGAN2-ADA's and StyleGAN3's data sets: {"labels": [[name, class], ...]}.

    Another dataset.json, which has no "labels", says nothing.
    """
    whole = _parsed(text, where)
    if not isinstance(whole, dict) or "labels" not in whole:
        return
    pairs = whole["labels"]
    if pairs is None:
        raise DataError(f'The model needs labels, and {where} has none; set data.labels = "folder" if its folders are '
                        "classes.")  # fmt: skip
    if not isinstance(pairs, list):
        raise DataError(f'"labels" in {where} must be a list of [name, class], not {type(pairs).__name__}.')
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise DataError(f'"labels" in {where} must be a list of [name, class].')
        yield {"file_name": pair[0], "label": pair[1]}


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)  # numbers stay as they were typed
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no valid JSON: {error}.") from error


_READERS = {"metadata.csv": _csv_rows, "metadata.jsonl": _json_lines, "dataset.json": _stylegan_rows}
