"""What a run leaves behind: the sample grids, and at its end a Hub folder whose card tells the run."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ganhub import hub, images
from ganhub.console import printable
from ganhub.data.pictures import Pictures
from ganhub.errors import HubError
from ganhub.hub import cards
from ganhub.hub.folder import CARD, CONFIG, weights_name
from ganhub.images.small import save_sheet
from ganhub.objectives import BaseObjective
from ganhub.trainer.curves import write_curves
from ganhub.trainer.log import alarms_of, append_line, read_log, write_short_log
from ganhub.trainer.recipe import Recipe
from ganhub.trainer.state import RunState
from ganhub.trainer.statement import stated, statement
from ganhub.trainer.watchdog import Watchdog


def write_grid(pictures: torch.Tensor | None, path: Path, *, save: Callable[..., None] = images.save_grid) -> None:
    """What a model or a run shows of itself, in rows of eight, uncurated; nothing where it shows nothing."""
    if pictures is not None:
        save(pictures, path, columns=8)


def keep_best(out: Path, state: RunState, recipe: Recipe, watchdog: Watchdog, say: Callable[[str], None]) -> None:
    """Write the weights to ``best/``, a Hub folder of its own, if no earlier ones came closer to the data."""
    best = out / "best"
    result = watchdog.check(state.ema.module, state.seconds)
    if result is None:
        return
    append_line(
        out,
        {
            "images": state.images_seen,
            "step": state.step,
            "watch/distance": float(f"{result.value:.6g}"),
            "watch/distance_error": float(f"{result.error:.3g}"),
        },
    )
    say(f"{state.images_seen:,} pictures: {result.label} {result.value:.4g} ± {result.error:.2g}")
    held = cards.read_metrics(best).get("watch", {})
    # What is another run's, or lies ahead of this one (a crash left it), does not count.
    ours = held.get("run", "") == state.record["id"] and held.get("images_seen", math.inf) <= state.images_seen
    if not ours or result.value < held.get("value", math.inf):
        started = time.perf_counter()
        write_hub_folder(out, state, recipe, watchdog.data, folder=best, watched=True)
        how = {"measured": result.protocol.sentence(named=False), "images_seen": state.images_seen}
        how["run"] = state.record["id"]
        cards.record(best, "watch", {**result.to_dict(), **how}, state.ema.module.card_facts())
        watchdog.seconds += time.perf_counter() - started


def write_hub_folder(
    run: Path, state: RunState, recipe: Recipe, data: Pictures, *, folder: Path | None = None, watched: bool = False
) -> None:
    """Turn a run's folder into a Hub folder: averaged weights, card, metrics, samples, the plot of the run.

    Beside them, in ``training/``, lie the adversary and a thinned copy of the log, from which the plot is drawn again.

    Args:
        run: The run's folder, where its log lies.
        state: The state of the run.
        recipe, data: What it trains on, for the card.
        folder: The one that is written, by default ``run``.
        watched: Whether a watchdog looked at the run, so that the card says what it saw.
    """
    model, train, out = state.ema.module, recipe.train, folder or run
    half = torch.float16 if train.half else None
    log = read_log(run)
    last = next((line for line in reversed(log) if any(key.endswith("/loss") for key in line)), {})
    numbers = {
        "recipe": recipe.name,
        "images_seen": state.images_seen,
        "seed": train.seed,
        "seconds": round(state.seconds, 1),
        "images_per_second": round(state.images_seen / max(state.seconds, 1e-9), 1),
        "hardware": ", then ".join(state.record["hardware"]),
        "precision": ", then ".join(state.record["precision"]),
        **statement(recipe, data, state.images_seen, state.record),
        "losses": {k: v for k, v in last.items() if "/" in k},
    }
    if watched:
        numbers["alarms"] = alarms_of(log)
    write_grid(model.preview(), out / "samples.png", save=save_sheet)
    objective = state.objective
    fields = {"objective": objective.name, **objective.config.to_dict()}
    hub.write_folder(out / "training", fields, _lasting(objective), dtype=half)
    write_curves(log, out / "curves.png")
    write_short_log(log, out / "training")
    for place, one in {"": model, **state.ema.companions}.items():
        name = printable(f"{out.name}/{place}" if place else out.name)
        one.save_pretrained(out / place, dtype=half, card={"name": name})
        cards.record(out / place, "training", numbers, one.card_facts())


def is_published(out: Path, state: RunState) -> bool:
    """Whether the folder's models are those of this moment of the run, with their cards."""
    folders = [out / place for place in ("", *state.ema.companions)]
    whole = all((folder / name).is_file() for folder in folders for name in (CONFIG, CARD, weights_name()))
    if not whole:
        return False
    runs = [cards.read_metrics(folder).get("training", {}) for folder in folders]
    return all(run.get("images_seen") == state.images_seen for run in runs)


def restate(out: Path, state: RunState, recipe: Recipe, data: Pictures) -> list[str]:
    """Put the texts that the command line states into the cards, and return the names of those that are new there."""
    new: list[str] = []
    for place, one in {"": state.ema.module, **state.ema.companions}.items():
        run = cards.read_metrics(out / place)["training"]
        texts = stated(recipe)
        if changed := [name for name, text in texts.items() if run.get(name) != text]:
            new = changed
            statements = statement(recipe, data, state.images_seen, state.record)
            words = {name: text for name, text in statements.items() if name in texts or name == "read"}
            gone = {"licence_stated"} & run.keys() if "licence" in texts else set()
            gone |= {"dataset_name", "datasets"} & run.keys() if "dataset" in texts else set()
            kept = {name: value for name, value in run.items() if name not in gone}
            cards.record(out / place, "training", kept | words, one.card_facts())
    return new


def _lasting(objective: BaseObjective) -> dict[str, torch.Tensor]:
    return {name: x for name, x in objective.state_dict().items() if not name.startswith(objective.transient)}


def load_adversary(source: str, objective: BaseObjective) -> bool:
    """Load the adversary of a published model (its folder ``training``); False where there is none that fits.

    Tensors that are ``optional`` are left out where they do not fit.
    """
    try:
        tensors = hub.read_tensors(hub.locate(source, subfolder="training"))
    except HubError:
        return False
    own = {name: x.shape for name, x in _lasting(objective).items()}
    needed = {name for name in own if not name.startswith(objective.optional)}
    held = {
        name: x for name, x in tensors.items() if not name.startswith(objective.optional) or own.get(name) == x.shape
    }
    if not needed <= held.keys() or any(own.get(name) != x.shape for name, x in held.items()):
        return False  # found out before the first tensor is copied: half an adversary is worse than none
    objective.load_state_dict({**objective.state_dict(), **held})
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
