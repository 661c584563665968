"""How fast a run will be on this machine: ten steps of a copy of it, measured before it begins."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace

import torch

from ganhub.console import printable
from ganhub.durations import in_words
from ganhub.trainer.checkpoint import list_checkpoints
from ganhub.trainer.log import read_log
from ganhub.trainer.loop import Trainer

STEPS = 10
SHORT = 5 * STEPS  # a run of fewer steps is not measured: it would take longer than to wait


def expected_speed(trainer: Trainer) -> tuple[float, str] | None:
    """Pictures a second that a run will do, and what that is known by; None where it is not measured.

    A run that goes on is known by its log; a new one by :func:`measure`. Runs of several processes, of streamed data
    and of fewer than fifty steps are not measured.
    """
    if list_checkpoints(trainer.out / "checkpoints"):
        speeds = [line["images_per_second"] for line in read_log(trainer.out) if line.get("images_per_second")]
        return (float(speeds[-1]), "by its log") if speeds else None
    train = trainer.train
    if trainer.world > 1 or trainer.data.streamed or train.images < SHORT * train.batch_size:
        return None
    return measure(trainer), f"by {STEPS} measured steps"


def images_done(trainer: Trainer) -> int:
    """Pictures after which a run goes on: those of its newest checkpoint, or 0."""
    saved = list_checkpoints(trainer.out / "checkpoints")
    return max((int(path.stem) for path in saved if path.stem.isdigit()), default=0)


def announcement(trainer: Trainer) -> str:
    """How long a run takes, how to stop it and where to look, in words; "" where nothing of it is left to do.

    Every process of a run has to ask, the first alone speaks.
    """
    done = images_done(trainer)
    left = trainer.train.images - done
    if left <= 0:
        return ""
    speed = expected_speed(trainer)
    length = f"{left:,} pictures"
    if speed is not None:
        length += f" take {in_words(left / speed[0])} here ({speed[0]:,.3g} a second, {speed[1]})"
    if trainer.train.minutes:
        length += f"; train.minutes ends the run after {in_words(trainer.train.minutes * 60)}"
    return f"{length}. Ctrl-C stops and saves; the same command goes on. Samples: {printable(trainer.out / 'grids')}."


def measure(trainer: Trainer, steps: int = STEPS) -> float:
    """Pictures a second of a copy of the run, taken as it will be half way, when all of its phases are due.

    The copy is thrown away; the run itself, its folder and its random numbers stay as they are.
    """
    train = replace(trainer.train, watch=False, tracker="")
    on_gpu = trainer.device.type == "cuda"
    with torch.random.fork_rng([trainer.device] if on_gpu else []), tempfile.TemporaryDirectory() as folder:
        copy = Trainer(replace(trainer.recipe, train=train), folder, data=trainer.data, quiet=True)
        copy.state.images_seen = train.images // 2
        copy._step()  # the first one allocates
        before, started = copy.images_seen, time.perf_counter()
        for _ in range(steps):
            copy._step()
        if on_gpu:
            torch.cuda.synchronize(trainer.device)
        seconds = time.perf_counter() - started
        return (copy.images_seen - before) / max(seconds, 1e-9)
