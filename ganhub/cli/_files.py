"""Which files a command reads and writes, and one after the other with a progress bar."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ganhub import images, video
from ganhub.cli._inputs import progress, say
from ganhub.console import LIST, printable, sentence
from ganhub.errors import ConfigError, GanhubError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
FILMS = tuple(video.READERS)


def work_through(
    jobs: Sequence[tuple[Path, Path]], work: Callable[[Path, Path, Callable], list[str]], done: str
) -> None:
    """``work(source, target, show)`` for each pair; it returns notes to be said and calls ``show(step, steps)``.

    Raises:
        ConfigError: After all of them, for those that could not be worked on; ``done`` says what the others are.
    """
    from rich.markup import escape

    failed = []
    with progress() as bar:
        overall = bar.add_task("Photos", total=len(jobs), visible=len(jobs) > 1)
        steps = bar.add_task("")

        def show(step: int, total: int, look: object = None) -> None:
            bar.update(steps, completed=step, total=total or None)

        for source, target in jobs:
            bar.reset(steps, description=escape(printable(source.name)))  # [red] in a name is no markup
            try:
                notes = work(source, target, show)
                say(printable(f"{source} -> {target}{''.join(f'; {note}' for note in notes)}"))
            except GanhubError as error:
                failed.append(f"{source}: {error}")
            except OSError as error:  # such as a full disk: the others may lie elsewhere
                failed.append(f"{source}: {sentence(error)}")
            bar.advance(overall)
    if failed and len(jobs) == 1:
        raise ConfigError(failed[0].removeprefix(f"{jobs[0][0]}: "))
    if failed:
        lines = "".join(LIST + printable(line) for line in failed)
        raise ConfigError(f"{len(jobs) - len(failed)} of {len(jobs)} are {done}; these are not:{lines}")


def sources(arguments: Sequence[str], films: bool = True) -> list[Path]:
    """Files of all arguments, in order, each once; from folders films only where they are worked on."""
    wanted = PICTURES + (FILMS if films else (".gif",))
    found: dict[Path, None] = {}
    for text in arguments:
        path = Path(text)
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if one.suffix.lower() in wanted and one.is_file())
            if not files:
                raise ConfigError(f"There are no photos{' or films' if films else ''} in the folder {path}.")
        elif glob.has_magic(text) and not path.exists():
            files = sorted(Path(one) for one in glob.glob(text, recursive=True) if Path(one).is_file())
            if not files:
                raise ConfigError(f"No file fits the pattern {text}.")
        else:
            files = [path]  # a missing one is told apart from the others when its turn comes
        found.update(dict.fromkeys(files))
    return list(found)


def targets(sources: list[Path], out: Path, read: Sequence[str], films: bool = True) -> list[tuple[Path, Path]]:
    """(source, target) pairs; no target is a file that is read. Without ``films`` a GIF counts as a picture."""
    if len(sources) == 1 and out.suffix and not out.is_dir():
        film = films and sources[0].suffix.lower() in FILMS
        written = (".mp4", ".gif") if film else tuple(images.SUFFIXES)
        if out.suffix.lower() not in written:
            raise ConfigError(f"{out.name}: end --out in {', '.join(written)}.")
        jobs = [(sources[0], out)]
    else:
        if out.is_file() or out.suffix.lower() in (*images.SUFFIXES, *FILMS) and not out.is_dir():
            raise ConfigError(f"{len(sources)} photos do not fit into one file: let --out name a folder, not {out}.")
        jobs, taken = [], set()
        for source in sources:
            suffix, stem, number = written_as(source, films), source.stem, 1
            while (name := f"{stem}{suffix}").lower() in taken:
                number += 1
                stem = f"{source.stem}-{number}"
            taken.add(name.lower())
            jobs.append((source, out / name))
    kept = {os.path.realpath(text) for text in (*map(str, sources), *read)}
    for _, target in jobs:
        if os.path.realpath(target) in kept:
            raise ConfigError(f"{target} is read here and would be overwritten: choose another --out.")
    return jobs


def written_as(source: Path, films: bool) -> str:
    """The photo's own suffix, where it can be written."""
    suffix = source.suffix.lower()
    if films and suffix in FILMS:
        return ".gif" if suffix == ".gif" else ".mp4"
    return source.suffix if suffix in images.SUFFIXES else ".png"


def side_of_tiles(text: str) -> str | int:
    """What ``tile`` is to the functions of ganhub, from the text of --tile."""
    if text in ("auto", "off"):
        return 0 if text == "off" else text
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(f"--tile is auto, off or pixels a side, not {text!r}.")
    return int(text)
