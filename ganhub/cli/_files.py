"""Which files a command reads and writes, and one after the other with a progress bar."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ganhub import images
from ganhub.cli._forecast import Forecast
from ganhub.cli._inputs import progress, say
from ganhub.console import LIST, printable, sentence
from ganhub.creation import Result
from ganhub.data.collection import SUFFIXES, Listing, Picture, list_pictures
from ganhub.errors import ConfigError, GanhubError
from ganhub.files import check_place
from ganhub.images import video
from ganhub.images.provenance import Mark

FILMS = tuple(video.READERS)
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")]


def work_through(
    jobs: Sequence[tuple[Path, Path]], work: Callable[[Path, Path, Callable], list[str]], done: str
) -> None:
    """``work(source, target, show)`` for each pair; it returns notes to be said and calls ``show(step, steps)``.

    Raises:
        ConfigError: After all of them, for those that could not be worked on; ``done`` says what the others are.
    """
    from rich.markup import escape

    failed, forecast = [], Forecast("All of it" if len(jobs) > 1 else str(jobs[0][0]) if jobs else "")
    with progress() as bar:
        overall = bar.add_task("Photos", total=len(jobs), visible=len(jobs) > 1)
        steps = bar.add_task("")

        def show(step: int, total: int, look: object = None) -> None:
            bar.update(steps, completed=step, total=total or None)
            forecast.at((number + (step / total if total else 0)) / len(jobs))

        for number, (source, target) in enumerate(jobs):  # noqa: B007
            bar.reset(steps, description=escape(printable(source.name)))  # [red] in a name is no markup
            try:
                notes = work(source, target, show)
                say(printable(f"{source} -> {target}{''.join(f'; {note}' for note in notes)}"))
            except GanhubError as error:
                failed.append(f"{source}: {error}")
            except OSError as error:  # such as a full disk: the others may lie elsewhere
                failed.append(f"{source}: {sentence(error)}")
            bar.advance(overall)
            forecast.at((number + 1) / len(jobs), whole=True)
    if failed and len(jobs) == 1:
        raise ConfigError(failed[0].removeprefix(f"{jobs[0][0]}: "))
    if failed:
        lines = "".join(LIST + printable(line) for line in failed)
        raise ConfigError(f"{len(jobs) - len(failed)} of {len(jobs)} are {done}; these are not:{lines}")


def sources(arguments: Sequence[str], films: bool = True) -> list[Path]:
    """Files of all arguments, in order, each once; from folders films only where they are worked on.

    What folders and patterns hold besides is passed over and said.
    """
    paths: dict[Path, None] = {}
    for text in arguments:
        files = [Path(text)]  # a missing one is told apart from the others when its turn comes
        if _is_many(text):
            listing = _listed(text, films)
            files = [picture.place for picture in listing.pictures]
            remark = listing.passed_over_sentence()
            if not files and not os.path.isdir(text) and not remark:
                raise ConfigError(f"No file fits the pattern {text}.")
            if not files:
                where = f"the folder {text}" if os.path.isdir(text) else f"the pattern {text}"
                raise ConfigError(f"There are no photos{' or films' if films else ''} in {where}. {remark}".rstrip())
            if remark:
                say(remark, err=True)
        paths.update(dict.fromkeys(files))
    return list(paths)


def _is_many(text: str) -> bool:
    """Whether an argument stands for any number of files: a folder or a pattern."""
    return os.path.isdir(text) or glob.has_magic(text) and not os.path.exists(text)


def _listed(text: str, films: bool) -> Listing:
    suffixes_read = SUFFIXES | set(FILMS) if films else SUFFIXES
    if os.path.isdir(text):
        listing = list_pictures(Path(text), deep=False, suffixes=suffixes_read)
        for table in listing.tables:
            listing.pass_over(table.parts)
        return listing
    listing = Listing(Path(text))
    for path in sorted(map(Path, glob.glob(text, recursive=True))):
        if path.suffix.lower() in suffixes_read and os.path.isfile(path):
            listing.pictures.append(Picture(path.parts, path))
        elif os.path.isfile(path):
            listing.pass_over(path.parts)
    return listing


def targets(arguments: Sequence[str], out: Path, read: Sequence[str], films: bool = True) -> list[tuple[Path, Path]]:
    """(source, target) pairs of :func:`sources`; no target is a file that is read.

    Without ``films`` a GIF counts as a picture. Of one file ``out`` may be a file, of a folder it is a folder, unless
    it ends as a picture does.
    """
    paths = sources(arguments, films)
    film = films and is_film(paths[0])
    written = (".mp4", ".gif") if film else tuple(images.SUFFIXES)
    one_file = len(paths) == 1 and out.suffix and not os.path.isdir(out)
    if one_file and not any(map(_is_many, arguments)):
        must_end_in(out, written)
    if one_file and out.suffix.lower() in written:
        jobs = [(paths[0], out)]
    else:
        jobs = _into_folder(paths, out, films)
    kept = {os.path.realpath(text) for text in (*map(str, paths), *read)}
    for _, target in jobs:
        if os.path.realpath(target) in kept:
            raise ConfigError(f"{target} is read here and would be overwritten: choose another --out.")
    return jobs


def _into_folder(paths: Sequence[Path], out: Path, films: bool) -> list[tuple[Path, Path]]:
    if os.path.isfile(out) or out.suffix.lower() in (*images.SUFFIXES, *FILMS) and not os.path.isdir(out):
        raise ConfigError(f"{len(paths)} photos do not fit into one file: let --out name a folder, not {out}.")
    jobs, taken = [], set()
    for source in paths:
        suffix, stem, number = written_as(source, films), source.stem, 1
        while (name := f"{stem}{suffix}").lower() in taken:
            number += 1
            stem = f"{source.stem}-{number}"
        taken.add(name.lower())
        jobs.append((source, out / name))
    return jobs


def written_as(source: Path, films: bool) -> str:
    """The photo's own suffix, where it can be written."""
    suffix = source.suffix.lower()
    if films and is_film(source):
        return ".gif" if suffix == ".gif" else ".mp4"
    return source.suffix if suffix in images.SUFFIXES else ".png"


def must_end_in(out: Path, suffixes: Iterable[str], option: str = "--out") -> None:
    """Raise ConfigError unless a file's name says which of some kinds it is."""
    if out.suffix.lower() not in suffixes:
        raise ConfigError(f"{out.name or out}: end {option} in {', '.join(suffixes)}.")


def may_write(targets: Iterable[Path], force: bool) -> None:
    """Ask before files are overwritten; refuse where there is nobody to ask, as in a script.

    Called before the work, so that it also says what cannot be written anyway.

    Raises:
        ConfigError: One cannot be written, or some are there, ``force`` is not set, and nobody has said yes.
    """
    targets = list(targets)
    for target in targets:
        try:
            check_place(target)
        except OSError as error:
            raise ConfigError(f"{target} cannot be written ({error.strerror}): choose another place.") from None
    there = [target for target in targets if os.path.isfile(target)]
    if force or not there:
        return
    named = f"{there[0]} is" if len(there) == 1 else f"{len(there)} of the files to write, such as {there[0]}, are"
    if sys.stdin is not None and sys.stdin.isatty() and typer.confirm(f"{named} there already. Overwrite?", err=True):
        return
    raise ConfigError(f"{named} there already: choose another --out, or add --force to overwrite.")


def is_film(source: Path) -> bool:
    """Whether a file is worked on frame by frame; a GIF of one frame is a picture."""
    suffix = source.suffix.lower()
    if suffix != ".gif":
        return suffix in FILMS
    try:
        return images.is_animated(source)
    except GanhubError:
        return True  # what is wrong with it is said when its turn comes


def save_result(result: Result, source: Path, target: Path, mark: Mark | None) -> list[str]:
    """Write what was made of a photo; notes on what its file cannot hold or did not give."""
    images.save_image(result.pictures, target, srgb=result.srgb, mark=mark)
    see_through = result.photo.shape[1] == 4 and bool((result.photo[:, 3:] < 1).any())
    laid = see_through and target.suffix.lower() in (".jpg", ".jpeg", ".bmp")
    return first_only(source) + (["transparency laid on white, which a .png would keep"] if laid else [])


def first_only(source: Path) -> list[str]:
    """A note for what is worked on as a picture and is an animation."""
    return ["only the first frame of an animation"] if images.is_animated(source) else []


def side_of_tiles(text: str) -> str | int:
    """What ``tile`` is to the functions of ganhub, from the text of --tile."""
    if text in ("auto", "off"):
        return 0 if text == "off" else text
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", text):
        raise ConfigError(f"--tile is auto, off or pixels a side, not {text!r}.")
    return int(text)
