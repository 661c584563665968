"""What a run leaves behind: the log, the sample grids, and at its end a Hub folder whose card tells the run."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganhub import hub, images
from ganhub.console import printable
from ganhub.errors import HubError, TrainingError
from ganhub.files import disk_is_full, make_folder, write_atomically
from ganhub.hub import cards
from ganhub.hub._card_parts import is_number
from ganhub.hub.folder import CARD, CONFIG, weights_name
from ganhub.models import LatentGenerator
from ganhub.objectives import BaseObjective
from ganhub.trainer.curves import thin_log, write_curves
from ganhub.trainer.statement import stated, statement

LOG = "log.jsonl"

if TYPE_CHECKING:
    from tqdm import tqdm

    from ganhub.trainer.loop import Trainer


def write_log(trainer: Trainer, line: dict[str, Any], bar: tqdm) -> None:
    """Add one JSON line to log.jsonl, and say aloud (and to trackio) what the watchdog has newly seen."""
    out, dog = trainer.out, trainer.watchdog
    if dog and dog.alarms:
        line = {**line, "alarms": dog.alarms}
    for alarm in dog.news if dog else ():
        bar.write(f"Alarm after {trainer.images_seen:,} pictures: {alarm}.")
        if trainer.train.tracker:
            import trackio

            trackio.alert(f"{out.name}: {alarm.partition(':')[0]}", alarm)
    _append(out, line)


def _append(out: Path, line: dict[str, Any]) -> None:
    path = out / LOG
    make_folder(out)
    try:
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


def write_grid(model: LatentGenerator, path: Path, *, count: int = 64) -> None:
    """Seeds 0 to count - 1 in rows of eight, uncurated."""
    make_folder(path.parent)
    images.save_grid(model.sample(count, seed=0), path, columns=8)


def keep_best(trainer: Trainer, bar: tqdm) -> None:
    """Write the weights to ``best/``, a Hub folder of its own, if no earlier ones came closer to the data."""
    best = trainer.out / "best"
    result = trainer.watchdog.check(trainer.ema.module, trainer.seconds)
    if result is None:
        return
    _append(
        trainer.out,
        {
            "images": trainer.images_seen,
            "step": trainer.step,
            "watch/distance": float(f"{result.value:.6g}"),
            "watch/distance_error": float(f"{result.error:.3g}"),
        },
    )
    bar.write(f"{trainer.images_seen:,} pictures: {result.label} {result.value:.4g} ± {result.error:.2g}")
    held = cards.read_metrics(best).get("watch", {})
    # What is another run's, or lies ahead of this one (a crash left it), does not count.
    ours = held.get("run", "") == trainer.record["id"] and held.get("images_seen", math.inf) <= trainer.images_seen
    if not ours or result.value < held.get("value", math.inf):
        started = time.perf_counter()
        write_hub_folder(trainer, best)
        how = {"measured": result.protocol.sentence(named=False), "images_seen": trainer.images_seen}
        how["run"] = trainer.record["id"]
        cards.record(best, "watch", {**result.to_dict(), **how}, trainer.ema.module.card_facts())
        trainer.watchdog.seconds += time.perf_counter() - started


def write_hub_folder(trainer: Trainer, folder: Path | None = None) -> None:
    """Turn a run's folder into a Hub folder: averaged weights, card, metrics, samples, the plot of the run.

    Beside them, in ``training/``, lie the adversary and a thinned copy of the log, from which the plot is drawn again.
    """
    model, train, out = trainer.ema.module, trainer.train, folder or trainer.out
    half = torch.float16 if train.half else None
    log = read_log(trainer.out)
    last = next((line for line in reversed(log) if any(key.endswith("/loss") for key in line)), {})
    numbers = {
        "recipe": trainer.recipe.name,
        "images_seen": trainer.images_seen,
        "seed": train.seed,
        "seconds": round(trainer.seconds, 1),
        "images_per_second": round(trainer.images_seen / max(trainer.seconds, 1e-9), 1),
        "hardware": ", then ".join(trainer.record["hardware"]),
        "precision": ", then ".join(trainer.record["precision"]),
        **statement(trainer),
        "losses": {k: v for k, v in last.items() if "/" in k},
    }
    if trainer.watchdog:
        numbers["alarms"] = alarms_of(log)
    if isinstance(model, LatentGenerator):
        write_grid(model, out / "samples.png")
    objective = trainer.objective
    fields = {"objective": objective.name, **objective.config.to_dict()}
    hub.write_folder(out / "training", fields, _lasting(objective), dtype=half)
    write_curves(log, out / "curves.png")
    write_short_log(log, out / "training")
    for place, one in {"": model, **trainer.ema.companions}.items():
        name = printable(f"{out.name}/{place}" if place else out.name)
        one.save_pretrained(out / place, dtype=half, card={"name": name})
        cards.record(out / place, "training", numbers, one.card_facts())


def is_published(trainer: Trainer) -> bool:
    """Whether the folder's models are those of this moment of the run, with their cards."""
    folders = [trainer.out / place for place in ("", *trainer.ema.companions)]
    whole = all((folder / name).is_file() for folder in folders for name in (CONFIG, CARD, weights_name()))
    if not whole:
        return False
    runs = [cards.read_metrics(folder).get("training", {}) for folder in folders]
    return all(run.get("images_seen") == trainer.images_seen for run in runs)


def restate(trainer: Trainer) -> list[str]:
    """Put the texts that the command line states into the cards, and return the names of those that are new there."""
    new: list[str] = []
    for place, one in {"": trainer.ema.module, **trainer.ema.companions}.items():
        run = cards.read_metrics(trainer.out / place)["training"]
        texts = stated(trainer.recipe)
        if changed := [name for name, text in texts.items() if run.get(name) != text]:
            new = changed
            words = {name: text for name, text in statement(trainer).items() if name in texts or name == "read"}
            gone = {"licence_stated"} & run.keys() if "licence" in texts else set()
            gone |= {"dataset_name", "datasets"} & run.keys() if "dataset" in texts else set()
            kept = {name: value for name, value in run.items() if name not in gone}
            cards.record(trainer.out / place, "training", kept | words, one.card_facts())
    return new


def write_short_log(log: list[dict[str, Any]], folder: Path) -> None:
    """Write at most ``curves.MOST_LINES`` lines of a log to folder/log.jsonl."""
    text = "".join(json.dumps(line) + "\n" for line in thin_log(log))
    write_atomically(folder / LOG, lambda part: part.write_text(text, encoding="utf-8"), sync=True)


def alarms_of(log: list[dict[str, Any]]) -> list[str]:
    """Each kind of alarm in a log once: as it was first said, with the first and last number of pictures seen."""
    said: dict[str, tuple[str, int, int]] = {}
    for line in log:
        for alarm in line.get("alarms", ()):
            kind = alarm.partition(":")[0]
            first, began, _ = said.get(kind, (alarm, line["images"], 0))
            said[kind] = (first, began, line["images"])
    return [
        f"{alarm} (after {began:,} pictures{f', until {ended:,}' if ended > began else ''})"
        for alarm, began, ended in said.values()
    ]


def _lasting(objective: BaseObjective) -> dict[str, torch.Tensor]:
    return {name: x for name, x in objective.state_dict().items() if not name.startswith(objective.transient)}


def load_adversary(source: str, objective: BaseObjective) -> bool:
    """Load the adversary of a published model (its folder ``training``); False where there is none that fits."""
    try:
        tensors = hub.read_tensors(hub.locate(source, subfolder="training"))
    except HubError:
        return False
    own = _lasting(objective)
    if {name: x.shape for name, x in own.items()} != {name: x.shape for name, x in tensors.items()}:
        return False  # found out before the first tensor is copied: half an adversary is worse than none
    objective.load_state_dict({**objective.state_dict(), **tensors})
    return True


def hardware(device: torch.device) -> str:
    """One line on the machine, for the card: the GPU, or the processor and the threads used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    threads = min(torch.get_num_threads(), os.cpu_count() or 1)
    return f"{threads} CPU thread{'s' if threads > 1 else ''} ({name})"
