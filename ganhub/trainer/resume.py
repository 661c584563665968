"""Going on: a folder that a run may begin in, a checkpoint that it goes on from, a run that is at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganhub.console import printable
from ganhub.data.pictures import Pictures
from ganhub.errors import TrainingError
from ganhub.files import expanded
from ganhub.hub.folder import CONFIG, weights_name
from ganhub.trainer.identity import check_same_run
from ganhub.trainer.log import trim_log
from ganhub.trainer.recipe import Recipe, TrainConfig
from ganhub.trainer.report import is_published, restate
from ganhub.trainer.state import RunState

DRAWN = ("samples.png", "grids/000000001.png")  # of what a run draws, one of its folder and one of those inside


def check_folder(out: Path, data: Pictures) -> None:
    """Refuse a folder without checkpoints in which a run must not begin.

    Raises:
        TrainingError: When a model lies there, which training would write over, or what the run draws would
            become part of the collection that it learns from.
    """
    if all((out / name).is_file() for name in (CONFIG, weights_name())):
        raise TrainingError(
            f"{out} holds a model and no checkpoints from which its training could go on. "
            f"Take another --out folder (there, train.init={out} starts from this model)."
        )
    for pictures in filter(None, (data, data.other)):
        place, run = expanded(pictures.config.path).resolve(), out.resolve()
        if not place.is_dir() or not run.is_relative_to(place):
            continue
        parts = run.relative_to(place).parts
        if any(pictures.source.takes((*parts, *Path(name).parts)) for name in DRAWN):
            raise TrainingError(
                f"The run's folder {out} lies in {pictures.config.path}, so what the run draws would be taken "
                "for pictures to learn from: take an --out folder elsewhere."
            )


def restore(state: RunState, held: dict[str, Any], out: Path, train: TrainConfig, *, main: bool = True) -> None:
    """Put a checkpoint's state back, apply the settings that may change, and say which did.

    Args:
        state: The state of a run that is ready for its first step.
        held: The checkpoint.
        out: The run's folder.
        train: The settings now.
        main: Whether this process speaks and writes.

    Raises:
        ConfigError: When the run was begun as something else.
        TrainingError: When its random numbers cannot be put back.
    """
    changes = check_same_run(out, held.get("fingerprint"), state.fingerprint(), say=main)
    state.load_dict(held)
    for group in (group for optimizer in state.optimizers.values() for group in optimizer.param_groups):
        before, group["betas"] = list(group["betas"]), train.betas
        if "fingerprint" not in held and before != list(train.betas):
            changes = [f"train.betas was {before} and is {list(train.betas)} now"]
    finished = state.images_seen >= train.images
    _go_on(state, held.get("record"), [] if finished else changes, finished)
    if main and not finished:
        trim_log(out, state.images_seen)
        anew = f" From here on: {'; '.join(changes)}." if changes else ""
        print(f"Resuming {printable(out)} after {state.images_seen:,} pictures.{anew}")


def _go_on(state: RunState, held: dict[str, Any] | None, changes: list[str], finished: bool) -> None:
    """Take up the record of the run, and write into it what is new."""
    now, state.record = state.record, held or {**state.record, "id": ""}
    if not finished:
        for name in ("hardware", "precision"):
            if state.record[name][-1] != now[name][0]:
                state.record[name].append(now[name][0])
    state.record["changes"] += [f"after {state.images_seen:,} pictures: {change}" for change in changes]


def finish_again(out: Path, state: RunState, recipe: Recipe, data: Pictures, *, main: bool = True) -> bool:
    """Whether the run was at its end before it was called: then that is said, and nothing is trained or written.

    Only texts for the card that the command line states anew are taken over.
    """
    if state.images_seen < recipe.train.images or not is_published(out, state):
        return False
    if main:
        new = restate(out, state, recipe, data)
        done = f"The card now has the new {', '.join(new)}; nothing else" if new else "Nothing"
        print(
            f"The run in {printable(out)} is finished, after {state.images_seen:,} pictures. {done} was "
            f"changed. To train on, set train.images above {state.images_seen:,}."
        )
    return True
