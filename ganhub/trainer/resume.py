"""Going on: the whole state of a run as a checkpoint keeps it, and the way back into a trainer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import torch

from ganhub.console import printable
from ganhub.errors import ConfigError, TrainingError
from ganhub.files import expanded
from ganhub.hub.folder import CONFIG, weights_name
from ganhub.trainer.identity import check_same_run
from ganhub.trainer.report import hardware, is_published, restate, trim_log
from ganhub.trainer.statement import started_from

if TYPE_CHECKING:
    from ganhub.trainer.loop import Trainer


def begin_record(trainer: Trainer) -> dict[str, Any]:
    """What the card tells of a run beside its settings; it lies in the checkpoint and grows when the run goes on."""
    return {
        "id": uuid.uuid4().hex[:16],
        "hardware": [(f"{trainer.world} x " if trainer.world > 1 else "") + hardware(trainer.device)],
        "precision": ["bf16" if trainer.bf16 else "fp32"],
        "changes": [],
        "started_from": started_from(trainer.train.init),
    }


def state_of(trainer: Trainer) -> dict[str, Any]:
    """Everything that a run needs to go on bit for bit."""
    optimizers = {player: optimizer.state_dict() for player, optimizer in trainer.optimizers.items()}
    return {
        "images_seen": trainer.images_seen, "step": trainer.step, "drawn": trainer.drawn, "seconds": trainer.seconds,
        "model": trainer.model.state_dict(), "objective": trainer.objective.state_dict(),
        "ema": trainer.ema.state_dict(), "optimizers": optimizers,
        "random": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state(trainer.device) if trainer.cuda else None,
        "fingerprint": trainer.fingerprint, "record": trainer.record,
    }  # fmt: skip


def begin(trainer: Trainer) -> None:
    """Begin a run in a folder without checkpoints.

    Raises:
        TrainingError: When a model lies there, which training would write over, or the folder is one of the pictures'.
    """
    if all((trainer.out / name).is_file() for name in (CONFIG, weights_name())):
        raise TrainingError(
            f"{trainer.out} holds a model and no checkpoints from which its training could go on. "
            f"Take another --out folder (there, train.init={trainer.out} starts from this model)."
        )
    for pictures in filter(None, (trainer.data, trainer.data.other)):
        place = expanded(pictures.config.path).resolve()
        if place.is_dir() and not pictures.config.only and trainer.out.resolve().is_relative_to(place):
            raise TrainingError(
                f"The run's folder {trainer.out} lies in {pictures.config.path}, so what the run draws would be taken "
                "for pictures to learn from: take an --out folder elsewhere."
            )
    if trainer.main:
        trim_log(trainer.out, 0)  # what a run that left no checkpoint logged


def restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Put a checkpoint's state back, apply the settings that may change, and say which did.

    Raises:
        ConfigError: When the run was begun as something else.
    """
    changes = check_same_run(trainer.out, state.get("fingerprint"), trainer)
    try:
        trainer.model.load_state_dict(state["model"])
        trainer.objective.load_state_dict(state["objective"])
        trainer.ema.load_state_dict(state["ema"])
        for player, optimizer in trainer.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][player])
        trainer.images_seen, trainer.step, trainer.drawn = state["images_seen"], state["step"], state["drawn"]
        trainer.seconds = state["seconds"]
        torch.set_rng_state(state["random"])
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError):
        raise ConfigError(
            f"The checkpoint in {trainer.out} was made with another [model] or [objective]; "
            "take a new --out folder for the new recipe."
        ) from None
    for group in (group for optimizer in trainer.optimizers.values() for group in optimizer.param_groups):
        held, group["betas"] = list(group["betas"]), trainer.train.betas
        if "fingerprint" not in state and held != list(trainer.train.betas):
            changes = [f"train.betas was {held} and is {list(trainer.train.betas)} now"]
    if trainer.cuda and state.get("cuda") is not None:  # begun on a CPU, it has none
        torch.cuda.set_rng_state(state["cuda"], trainer.device)
    finished = trainer.images_seen >= trainer.train.images
    _go_on(trainer, state.get("record"), [] if finished else changes)
    if trainer.main and not finished:
        trim_log(trainer.out, trainer.images_seen)
        anew = f" From here on: {'; '.join(changes)}." if changes else ""
        print(f"Resuming {printable(trainer.out)} after {trainer.images_seen:,} pictures.{anew}")


def _go_on(trainer: Trainer, held: dict[str, Any] | None, changes: list[str]) -> None:
    """Take up the record of the run, and write into it what is new."""
    now, trainer.record = trainer.record, held or {**trainer.record, "id": ""}
    if trainer.images_seen < trainer.train.images:
        for name in ("hardware", "precision"):
            if trainer.record[name][-1] != now[name][0]:
                trainer.record[name].append(now[name][0])
    trainer.record["changes"] += [f"after {trainer.images_seen:,} pictures: {change}" for change in changes]


def finish_again(trainer: Trainer) -> bool:
    """Whether the run was at its end before it was called: then that is said, and nothing is trained or written.

    Only texts for the card that the command line states anew are taken over.
    """
    if trainer.images_seen < trainer.train.images or not is_published(trainer):
        return False
    if trainer.main:
        told = restate(trainer)
        done = f"The card now has the new {', '.join(told)}; nothing else" if told else "Nothing"
        print(
            f"The run in {printable(trainer.out)} is finished, after {trainer.images_seen:,} pictures. {done} was "
            f"changed. To train on, set train.images above {trainer.images_seen:,}."
        )
    return True
