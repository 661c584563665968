"""The training loop: everything that has no opinion about GANs."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from ganhub.data.pictures import Pictures
from ganhub.errors import ConfigError, ProcessDied, TrainingError
from ganhub.nn.precision import has_bf16, why_no_compiler
from ganhub.nn.processes import total
from ganhub.objectives import Phase
from ganhub.trainer.budget import Budget
from ganhub.trainer.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from ganhub.trainer.lock import hold
from ganhub.trainer.log import read_log, trim_log, write_log
from ganhub.trainer.prepare import prepare
from ganhub.trainer.recipe import Recipe
from ganhub.trainer.report import keep_best, write_grid, write_hub_folder
from ganhub.trainer.resume import check_folder, finish_again, restore
from ganhub.trainer.signals import Stop, ignore_sigterm, stop_when_asked
from ganhub.trainer.watchdog import Watchdog


class Trainer:
    """Runs a recipe in a folder; the same call again goes on where the run stopped.

    The folder ends as a Hub folder. Beside it lie ``log.jsonl``, ``grids/`` and ``checkpoints/``.

    On several processes (``torchrun``) each takes its part of every batch, all hold the same weights, and the first
    alone writes. The losses are those of one process with the whole batch.

    Args:
        recipe: What to train, on what, for how long.
        out: The run's folder.
        data: Pictures to use instead of those that the recipe names (tests do).
        quiet: No progress bar, and no remarks on the pictures.
    """

    def __init__(self, recipe: Recipe, out: str | Path, *, data: Pictures | None = None, quiet: bool = False) -> None:
        self.recipe, self.train, self.out = recipe, recipe.train, Path(out)
        self.budget = Budget(self.train.minutes)
        self.quiet = quiet
        self.accelerator = _accelerator(recipe.train.tracker)
        self.device = self.accelerator.device
        self.main, self.world = self.accelerator.is_main_process, self.accelerator.num_processes
        self.bf16 = self.train.precision == "bf16" or (self.train.precision == "auto" and has_bf16(self.device))
        self.state, self.data = prepare(
            recipe, self.device, data=data, processes=self.world, bf16=self.bf16,
            begins=not list_checkpoints(self.out / "checkpoints"),
            say=print if self.main and not quiet else lambda text: None,
        )  # fmt: skip
        self._said = self.data.remarks()
        self.model, self.objective, self.ema = self.state.model, self.state.objective, self.state.ema
        self.optimizers = self.state.optimizers
        self.phases = list(self.objective.phases())
        self.parameters = {
            player: [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for player, optimizer in self.optimizers.items()
        }
        self.stop = Stop()
        self._turns = 0  # of optimisers in this step, between several processes
        self._left = math.inf  # pictures that the time still allows, as all processes see it
        watched = self.main and self.train.watch and self.model.watched and self.objective.samples
        self.watchdog = Watchdog(self.data, self.train.images) if watched else None
        if self.train.compile:
            self._compile()

    @property
    def images_seen(self) -> int:
        """Real pictures so far."""
        return self.state.images_seen

    def run(self) -> Path:
        """Train to the end, or to the next Ctrl-C, and write the Hub folder.

        Returns:
            The run's folder.

        Raises:
            TrainingError: For a loss or gradient that is not finite, a full disk, another run in the folder, or another
                process that died; the last good checkpoint stays.
            ConfigError: When the folder holds a run of other pictures or settings.
        """
        with hold(self.out, main=self.main, world=self.world, device=self.device):
            self._resume()
            if finish_again(self.out, self.state, self.recipe, self.data, main=self.main):
                return self.out
            return self._train()

    def _train(self) -> Path:
        state, stopping = self.state, False
        self.budget.start(state.images_seen)
        if self.watchdog:
            self.watchdog.remember(read_log(self.out))
        if self.train.tracker and self.main:
            options = {self.train.tracker: {"name": self.out.name}}
            self.accelerator.init_trackers("ganhub", config=dict(self.recipe.tables), init_kwargs=options)
        bar = tqdm(total=self.train.images, initial=state.images_seen, unit="img", unit_scale=True,
                   disable=self.quiet or not self.main, dynamic_ncols=True, desc=self.recipe.name)  # fmt: skip
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        counts: dict[str, int] = defaultdict(int)
        with stop_when_asked(self.stop, several=self.world > 1, say=self.main), bar:
            while state.images_seen < self.train.images and not stopping:
                before, started = state.images_seen, time.perf_counter()
                for name, value in self._whole_step().items():
                    sums[name] += value
                    counts[name] += 1
                state.seconds += time.perf_counter() - started
                bar.update(state.images_seen - before)
                self.stop.asked |= self.budget.pictures_left(state.images_seen) < self.train.batch_size
                stopping = self.stop.asked if self.world == 1 else self.stop.agreed
                done = state.images_seen >= self.train.images or stopping
                if done or _crosses(before, state.images_seen, self.train.log_every):
                    self._log({name: (sums[name] / counts[name]).item() for name in sums}, bar)
                    sums.clear(), counts.clear()
                    if done or before < self.train.log_every:
                        self._say_of_pictures(bar.write)
                if self.main:
                    self._write(before, done, bar)
        if self.main:
            write_hub_folder(self.out, state, self.recipe, self.data, watched=bool(self.watchdog))
        if self.train.tracker:
            self.accelerator.end_training()
        if state.images_seen < self.train.images:
            self._say_why()
        return self.out

    def _write(self, before: int, done: bool, bar: tqdm) -> None:
        """The grid, the checkpoint and the best weights that are due after a step."""
        state = self.state
        if done or _crosses(before, state.images_seen, self.train.grid_every):
            pictures = self.objective.preview(self.ema.module)
            write_grid(pictures, self.out / "grids" / f"{state.images_seen:09d}.png")
        if done or _crosses(before, state.images_seen, self.train.checkpoint_every):
            with self.budget.writing():
                self.save()
                if self.watchdog:
                    keep_best(self.out, state, self.recipe, self.watchdog, bar.write)

    def _say_of_pictures(self, say: Callable[[str], None]) -> None:
        """What has turned out of pictures that are read as they come."""
        news = [remark for remark in self.data.remarks() if remark not in self._said]
        self._said += news
        for remark in news if self.main and not self.quiet else ():
            say(remark)

    def _say_why(self) -> None:
        """Why the run ends before its end."""
        seen = f"{self.state.images_seen:,} pictures"
        if self.watchdog and self.train.stop_when_lost and self.watchdog.lost:
            print(
                f"Stopped after {seen} because the run is lost: {'; '.join(self.watchdog.alarms)}. "
                "Lower train.learning_rate, or change the recipe, and start in another --out folder."
            )
        elif self.main:
            why = f" at the end of its {self.train.minutes:g} minutes" if self.budget.over else ""
            print(f"Stopped{why} after {seen}; saved. Run the same command again to go on.")

    def _whole_step(self) -> dict[str, Tensor]:
        """A step, or a sentence and the state before it where another process died on the way."""
        if self.world == 1:
            return self._step()
        state, networks = self.state, (self.model, self.objective)
        # Until the first optimiser steps, running statistics are all that a step changes.
        modules = [module for network in networks for module in network.modules()]
        before = [(one, name, b, b.clone()) for one in modules for name, b in one.named_buffers(recurse=False)]
        drawn, random, self._turns = state.drawn, torch.get_rng_state(), 0
        try:
            return self._step()
        except ProcessDied as error:
            ignore_sigterm()
            if self.main and state.step and not self._turns:
                for module, name, buffer, value in before:
                    setattr(module, name, buffer.copy_(value))  # some put another tensor in its place
                state.drawn = drawn
                torch.set_rng_state(random)
                self.save()
            saved = [int(path.stem) for path in list_checkpoints(self.out / "checkpoints")]
            last = f"go on from the checkpoint of {saved[-1]:,} pictures" if saved else "start again, none is saved"
            raise ProcessDied(
                f"A process of this run died, or does not answer any more, after {state.images_seen:,} pictures. "
                f"Run the same command again to {last}."
            ) from error

    def _step(self) -> dict[str, Tensor]:
        """One turn of every due phase, then the moving average. Returns the numbers to log."""
        state = self.state
        self.objective.at(state.images_seen)
        numbers: dict[str, Tensor] = {}
        images_before = state.images_seen
        for index, phase in enumerate(self.phases):
            if state.step % phase.every or images_before < phase.start:
                continue
            for _ in range(phase.repeat):
                numbers |= self._turn(phase)
                if index == 0:
                    state.images_seen += self.train.batch_size
        state.step += 1
        self.ema.update(state.images_seen, state.images_seen - images_before or self.train.batch_size)
        return numbers

    def _turn(self, phase: Phase) -> dict[str, Tensor]:
        """Draw a fresh batch, minimise one phase's loss by one optimiser step."""
        for player, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(player == phase.player)
        optimizer, parameters = self.optimizers[phase.player], self.parameters[phase.player]
        optimizer.zero_grad(set_to_none=True)
        numbers: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        world, rank = self.world, self.accelerator.process_index
        self._left = self.budget.pictures_left(self.images_seen)
        parts = self.train.accumulate
        count = self.train.batch_size // (parts * world)
        for part in range(parts):
            batch = self._to_device(self.data.batch(self.state.drawn + (part * world + rank) * count, count))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                losses = phase.loss(batch)
            self.accelerator.backward(losses["loss"] / parts)
            for name, value in losses.items():
                numbers[f"{phase.player}/{name}"] += value.detach().float() / parts
        self.state.drawn += self.train.batch_size
        if world > 1:
            self._average(parameters, numbers)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.train.max_gradient_norm or math.inf)
        loss = numbers[f"{phase.player}/loss"]
        if not torch.isfinite(norm + loss):
            raise TrainingError(
                f"The {phase.player}'s loss or gradient is not a finite number after {self.images_seen:,} pictures "
                f"(loss {loss.item():g}, gradient norm {norm.item():g}). The run stops; its last checkpoint is good. "
                "Lower train.learning_rate, or set train.precision=fp32, and run the same command again."
            )
        for group in optimizer.param_groups:
            group["lr"] = self.train.rate_at(phase.player, self.images_seen, self._left)
        optimizer.step()
        self._turns += 1
        numbers[f"{phase.player}/gradient_norm"] = norm.detach()
        return dict(numbers)

    def _average(self, parameters: list[nn.Parameter], numbers: dict[str, Tensor]) -> None:
        """Mean over the processes of gradients, numbers and time left, and whether one was asked to stop: one message.

        Unlike DDP's hooks it works under second-order penalties.
        """
        used = [p.grad is not None for p in parameters]
        flags = torch.tensor([*used, self.stop.asked, self._left], dtype=torch.float32)
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        parts += [*numbers.values(), flags.to(self.device)]
        mean = total(torch.cat([part.detach().reshape(-1) for part in parts])) / self.world
        *means, flags = mean.split([part.numel() for part in parts])
        *used, stop, self._left = flags.tolist()
        for parameter, gradient, use in zip(parameters, means, used, strict=False):
            # Without a gradient Adam leaves a parameter alone, with one of zeros it does not. And fused Adam takes the
            # layout in memory to be the parameter's.
            parameter.grad = torch.empty_like(parameter).copy_(gradient.view(parameter.shape)) if use else None
        for name, number in zip(numbers, means[len(parameters) :], strict=True):
            numbers[name] = number.view(())
        self.stop.agreed |= stop > 0

    def _to_device(self, batch: Any) -> Any:
        images = batch.images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        labels = None if batch.labels is None else batch.labels.to(self.device, non_blocking=True)
        other = self._to_device(batch.other) if batch.other else None
        return replace(batch, images=images, labels=labels, other=other)

    def _log(self, numbers: dict[str, float], bar: tqdm) -> None:
        state = self.state
        if self.watchdog:
            numbers |= self.watchdog.look(self.model, state.images_seen, numbers, state.seconds)
            self.stop.asked |= self.train.stop_when_lost and self.watchdog.lost
        speed = state.images_seen / max(state.seconds, 1e-9)
        line = {"images": state.images_seen, "step": state.step, "seconds": round(state.seconds, 1)}
        line |= {"images_per_second": round(speed, 1), **{k: round(v, 5) for k, v in sorted(numbers.items())}}
        if self.main:
            dog = self.watchdog
            alarms, news = (dog.alarms, dog.news) if dog else ((), ())
            write_log(self.out, line, bar.write, alarms=alarms, news=news, tracker=self.train.tracker)
        bar.set_postfix({k.replace("/loss", ""): f"{v:.3g}" for k, v in numbers.items() if k.endswith("/loss")})
        if self.train.tracker and self.main:
            self.accelerator.log({k: v for k, v in line.items() if k != "step"}, step=state.step)

    def save(self) -> Path:
        """Write a checkpoint from which the run resumes bit for bit."""
        folder, keep = self.out / "checkpoints", self.train.keep_checkpoints
        return save_checkpoint(folder, self.state.images_seen, self.state.to_dict(), keep=keep)

    def _resume(self) -> None:
        held = load_checkpoint(self.out / "checkpoints", quiet=not self.main)
        if self.world > 1:
            self._check_same_start(held["images_seen"] if held else 0)
        if held is not None:
            restore(self.state, held, self.out, self.train, main=self.main)
            return
        check_folder(self.out, self.data)
        self.state.fingerprint()  # now: while the run goes on, its pictures may go away
        if self.main:
            trim_log(self.out, 0)  # what a run that left no checkpoint logged

    def _check_same_start(self, images_seen: int) -> None:
        """All processes have read before one writes, and have read the same."""
        seen = torch.zeros(self.world, dtype=torch.float64, device=self.device)
        seen[self.accelerator.process_index] = images_seen
        seen = total(seen).long().tolist()
        if len(set(seen)) > 1:
            raise ConfigError(
                f"The processes of this run find checkpoints of different age in {self.out} ({min(seen):,} and "
                f"{max(seen):,} pictures); let --out be a folder that all machines share."
            )

    def _compile(self) -> None:
        """Compile the networks whose gradients are not differentiated again, if this machine can compile at all."""
        if reason := why_no_compiler(self.device):
            if self.main:
                print(f"torch.compile does not work here ({reason}); training goes on without it.")
            return
        for player, networks in self.objective.players().items():
            if player not in self.objective.second_order:
                for network in networks:
                    network.compile()


def _accelerator(tracker: str) -> Accelerator:
    """The device, and the other processes where a launcher started several."""
    started = int(os.environ.get("WORLD_SIZE", 1)) if "LOCAL_RANK" in os.environ else 1
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    # Processes on CPUs find each other only if Accelerate is told that CPUs are meant; else each would run alone.
    on_cpus = started > 1 and (device is None or device.type == "mps")
    accelerator = Accelerator(cpu=on_cpus, log_with=tracker or None)
    if accelerator.num_processes != started:
        raise TrainingError(
            f"{started} processes were started and this one sees {accelerator.num_processes}: they would train apart "
            "and write over each other. Start them with torchrun, before anything else uses Accelerate."
        )
    return accelerator


def _crosses(before: int, after: int, every: int) -> bool:
    return before // every != after // every
