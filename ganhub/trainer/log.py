"""The log of a run: log.jsonl, one JSON line for every so many pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ganhub.errors import TrainingError
from ganhub.files import disk_is_full, write_atomically
from ganhub.hub._card_parts import is_number
from ganhub.trainer.curves import thin_log

LOG = "log.jsonl"


def write_log(
    out: Path,
    line: dict[str, Any],
    say: Callable[[str], None],
    *,
    alarms: Sequence[str] = (),
    news: Sequence[str] = (),
    tracker: str = "",
) -> None:
    """Add one JSON line to out/log.jsonl, and print (and send to the tracker) which alarms are new.

    Args:
        out: The run's folder.
        line: Its values; ``images`` counts the pictures seen.
        say: Takes a sentence for each new alarm.
        alarms: What the watchdog sees wrong now.
        news: Those of them that it did not see before.
        tracker: "trackio", or "" for none.
    """
    if alarms:
        line = {**line, "alarms": list(alarms)}
    for alarm in news:
        say(f"Alarm after {line['images']:,} pictures: {alarm}.")
        if tracker:
            import trackio

            trackio.alert(f"{out.name}: {alarm.partition(':')[0]}", alarm)
    append_line(out, line)


def append_line(out: Path, line: dict[str, Any]) -> None:
    """Add one JSON line to out/log.jsonl, and make the folder; TrainingError when it cannot be written."""
    path = out / LOG
    try:
        out.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        reason = "the disk is full" if disk_is_full(error) else error.strerror
        raise TrainingError(
            f"{path} cannot be written ({reason}), so the run stops; its last checkpoint is good. Make room, or look "
            "at the permissions, and run the same command again."
        ) from error


def read_log(out: Path) -> list[dict[str, Any]]:
    """Lines of out/log.jsonl; a last line cut short by a crash is left out, and so is what a run does not write."""
    path = out / LOG
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else ""
    except OSError as error:
        raise TrainingError(f"{path} cannot be read ({error.strerror}): look at its permissions.") from error
    lines = []
    for one in text.splitlines():
        try:
            line = json.loads(one)
        except (ValueError, RecursionError):
            break
        if isinstance(line, dict) and is_number(line.get("images")):
            lines.append(line)
    return lines


def trim_log(out: Path, images_seen: int) -> None:
    """Drop what a crashed run logged after the checkpoint from which it resumes."""
    path = Path(os.path.realpath(out / LOG))  # a link stays a link
    if not path.is_file():
        return
    lines = read_log(out)
    kept = "".join(json.dumps(line) + "\n" for line in lines if line["images"] <= images_seen).encode()
    if kept != path.read_bytes():
        write_atomically(path, lambda part: part.write_bytes(kept), sync=True)


def write_short_log(log: list[dict[str, Any]], folder: Path) -> None:
    """Write at most ``curves.MOST_LINES`` lines of a log to folder/log.jsonl."""
    text = "".join(json.dumps(line) + "\n" for line in thin_log(log))
    write_atomically(folder / LOG, lambda part: part.write_text(text, encoding="utf-8"), sync=True)


def alarms_of(log: list[dict[str, Any]]) -> list[str]:
    """Each kind of alarm in a log once: in its first wording, with the first and last number of pictures seen."""
    kinds: dict[str, tuple[str, int, int]] = {}  # the first alarm of its kind, its first and its last picture
    for line in log:
        for alarm in line.get("alarms", ()):
            kind = alarm.partition(":")[0]
            first, began, _ = kinds.get(kind, (alarm, line["images"], 0))
            kinds[kind] = (first, began, line["images"])
    return [
        f"{alarm} (after {began:,} pictures{f', until {ended:,}' if ended > began else ''})"
        for alarm, began, ended in kinds.values()
    ]
