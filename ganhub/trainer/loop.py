"""The training loop: everything that has no opinion about GANs."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from ganhub.config import nearest
from ganhub.data.pictures import Pictures, open_data
from ganhub.errors import ConfigError, ProcessDied, TrainingError
from ganhub.models import LatentGenerator, Model, get_architecture
from ganhub.nn.precision import has_bf16, why_no_compiler
from ganhub.nn.processes import total
from ganhub.objectives import BaseObjective, Phase, get_objective
from ganhub.trainer.budget import Budget
from ganhub.trainer.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from ganhub.trainer.ema import EMA
from ganhub.trainer.identity import fingerprint
from ganhub.trainer.lock import hold
from ganhub.trainer.recipe import Recipe
from ganhub.trainer.report import keep_best, load_adversary, read_log, write_grid, write_hub_folder, write_log
from ganhub.trainer.resume import begin, begin_record, finish_again, restore, state_of
from ganhub.trainer.signals import ignore_kill, stop_when_asked
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
        quiet: No progress bar.
    """

    def __init__(self, recipe: Recipe, out: str | Path, *, data: Pictures | None = None, quiet: bool = False) -> None:
        self.recipe, self.train, self.out = recipe, recipe.train, Path(out)
        self.budget = Budget(self.train.minutes)
        self.quiet = quiet
        self.accelerator = _accelerator(recipe.train.tracker)
        self.device, self.cuda = self.accelerator.device, self.accelerator.device.type == "cuda"
        self.main, self.world = self.accelerator.is_main_process, self.accelerator.num_processes
        _check_batch(self.train.batch_size, self.train.accumulate, self.world)
        self.bf16 = self.train.precision == "bf16" or (self.train.precision == "auto" and has_bf16(self.device))
        torch.manual_seed(self.train.seed % 2**64)

        model = _build_model(recipe)
        labelled = bool(getattr(model.config, "num_classes", 0))
        side = recipe.data.size or 256  # of a model that takes pictures of any size
        (height, width), channels = getattr(model.config, "size", (side, side)), getattr(model.config, "channels", 3)
        self.data = data or open_data(recipe.data, height=height, width=width, channels=channels, labelled=labelled)
        for remark in self.data.remarks() if self.main else ():
            print(remark)
        model = _take_class_names(model, self.data)
        self.model = model.to(self.device, memory_format=torch.channels_last).train()
        self.objective = _build_objective(recipe, self.model).to(self.device, memory_format=torch.channels_last)
        self.objective.check(height, width, self.data.paired)
        if self.train.init and not load_adversary(self.train.init, self.objective) and self.main:
            print(f"{self.train.init} holds no adversary that fits (training/): the adversary starts from scratch.")
        self.phases = list(self.objective.phases())
        self.parameters = {
            player: [p for network in networks for p in network.parameters()]
            for player, networks in self.objective.players().items()
        }
        self.optimizers = {
            player: torch.optim.Adam(parameters, lr=self.train.rate_of(player), betas=self.train.betas, fused=True)
            for player, parameters in self.parameters.items()
        }
        self.ema = EMA(self.model, self.train.ema_half_life, self.objective.companions())
        self.record = begin_record(self)
        self.step = self.images_seen = self.drawn = self._turns = 0
        self.seconds = 0.0
        self._left = math.inf  # pictures that the time still allows, as all processes see it
        self.stop_asked = False  # of this process
        self._stop_agreed = False  # between several
        watched = self.main and self.train.watch and isinstance(self.model, LatentGenerator)
        self.watchdog = Watchdog(self.data, self.train.images) if watched else None
        if self.train.compile:
            self._compile()

    def run(self) -> Path:
        """Train to the end, or to the next Ctrl-C, and write the Hub folder.

        Returns:
            The run's folder.

        Raises:
            TrainingError: For a loss or gradient that is not finite, a full disk, another run in the folder, or another
                process that died; the last good checkpoint stays.
            ConfigError: When the folder holds a run of other pictures or settings.
        """
        with hold(self):
            self._resume()
            return self.out if finish_again(self) else self._train()

    def _train(self) -> Path:
        main, stopping = self.main, False
        self.budget.start(self.images_seen)
        if self.watchdog:
            self.watchdog.remember(read_log(self.out))
        if self.train.tracker and main:
            options = {self.train.tracker: {"name": self.out.name}}
            self.accelerator.init_trackers("ganhub", config=dict(self.recipe.tables), init_kwargs=options)
        bar = tqdm(total=self.train.images, initial=self.images_seen, unit="img", unit_scale=True,
                   disable=self.quiet or not main, dynamic_ncols=True, desc=self.recipe.name)  # fmt: skip
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        counts: dict[str, int] = defaultdict(int)
        with stop_when_asked(self), bar:
            while self.images_seen < self.train.images and not stopping:
                before, started = self.images_seen, time.perf_counter()
                for name, value in self._whole_step().items():
                    sums[name] += value
                    counts[name] += 1
                self.seconds += time.perf_counter() - started
                bar.update(self.images_seen - before)
                self.stop_asked |= self.budget.pictures_left(self.images_seen) < self.train.batch_size
                stopping = self.stop_asked if self.world == 1 else self._stop_agreed
                done = self.images_seen >= self.train.images or stopping
                if done or _crosses(before, self.images_seen, self.train.log_every):
                    self._log({name: (sums[name] / counts[name]).item() for name in sums}, bar)
                    sums.clear(), counts.clear()
                if main and isinstance(self.model, LatentGenerator):
                    if done or _crosses(before, self.images_seen, self.train.grid_every):
                        write_grid(self.ema.module, self.out / "grids" / f"{self.images_seen:09d}.png")
                if main and (done or _crosses(before, self.images_seen, self.train.checkpoint_every)):
                    with self.budget.writing():
                        self.save()
                        if self.watchdog:
                            keep_best(self, bar)
        if main:
            write_hub_folder(self)
        if self.train.tracker:
            self.accelerator.end_training()
        if stopping and self.watchdog and self.train.stop_when_lost and self.watchdog.lost:
            seen = "; ".join(self.watchdog.alarms)
            print(
                f"Stopped after {self.images_seen:,} pictures because the run is lost: {seen}. "
                "Lower train.learning_rate, or change the recipe, and start in another --out folder."
            )
        elif stopping and main:
            why = f" at the end of its {self.train.minutes:g} minutes" if self.budget.over else ""
            print(f"Stopped{why} after {self.images_seen:,} pictures; saved. Run the same command again to go on.")
        return self.out

    def _whole_step(self) -> dict[str, Tensor]:
        """A step, or a sentence and the state before it where another process died on the way."""
        if self.world == 1:
            return self._step()
        networks = (self.model, self.objective)
        # Until the first optimiser steps, running statistics are all that a step changes.
        before = [(b, b.clone()) for network in networks for b in network.buffers()]
        drawn, random, self._turns = self.drawn, torch.get_rng_state(), 0
        try:
            return self._step()
        except ProcessDied as error:
            ignore_kill()
            if self.main and self.step and not self._turns:
                for buffer, value in before:
                    buffer.copy_(value)
                self.drawn = drawn
                torch.set_rng_state(random)
                self.save()
            saved = [int(path.stem) for path in list_checkpoints(self.out / "checkpoints")]
            last = f"go on from the checkpoint of {saved[-1]:,} pictures" if saved else "start again, none is saved"
            raise ProcessDied(
                f"A process of this run died, or does not answer any more, after {self.images_seen:,} pictures. "
                f"Run the same command again to {last}."
            ) from error

    def _step(self) -> dict[str, Tensor]:
        """One turn of every due phase, then the moving average. Returns the numbers to log."""
        self.objective.at(self.images_seen)
        numbers: dict[str, Tensor] = {}
        images_before = self.images_seen
        for index, phase in enumerate(self.phases):
            if self.step % phase.every or images_before < phase.start:
                continue
            for _ in range(phase.repeat):
                numbers |= self._turn(phase)
                if index == 0:
                    self.images_seen += self.train.batch_size
        self.step += 1
        self.ema.update(self.images_seen, self.images_seen - images_before or self.train.batch_size)
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
            batch = self._to_device(self.data.batch(self.drawn + (part * world + rank) * count, count))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                losses = phase.loss(batch)
            self.accelerator.backward(losses["loss"] / parts)
            for name, value in losses.items():
                numbers[f"{phase.player}/{name}"] += value.detach().float() / parts
        self.drawn += self.train.batch_size
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
        flags = torch.tensor([*used, self.stop_asked, self._left], dtype=torch.float32)
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
        self._stop_agreed |= stop > 0

    def _to_device(self, batch: Any) -> Any:
        images = batch.images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        labels = None if batch.labels is None else batch.labels.to(self.device, non_blocking=True)
        other = self._to_device(batch.other) if batch.other else None
        return type(batch)(images=images, labels=labels, seeds=batch.seeds, other=other)

    def _log(self, numbers: dict[str, float], bar: tqdm) -> None:
        if self.watchdog:
            numbers |= self.watchdog.look(self.model, self.images_seen, numbers, self.seconds)
            self.stop_asked |= self.train.stop_when_lost and self.watchdog.lost
        speed = self.images_seen / max(self.seconds, 1e-9)
        line = {"images": self.images_seen, "step": self.step, "seconds": round(self.seconds, 1)}
        line |= {"images_per_second": round(speed, 1), **{k: round(v, 5) for k, v in sorted(numbers.items())}}
        if self.main:
            write_log(self, line, bar)
        bar.set_postfix({k.replace("/loss", ""): f"{v:.3g}" for k, v in numbers.items() if k.endswith("/loss")})
        if self.train.tracker and self.main:
            self.accelerator.log({k: v for k, v in line.items() if k != "step"}, step=self.step)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What this run is; see :mod:`ganhub.trainer.identity`."""
        return fingerprint(self)

    def save(self) -> Path:
        """Write a checkpoint from which the run resumes bit for bit."""
        state = state_of(self)
        return save_checkpoint(self.out / "checkpoints", self.images_seen, state, keep=self.train.keep_checkpoints)

    def _resume(self) -> None:
        state = load_checkpoint(self.out / "checkpoints", quiet=not self.main)
        if self.world > 1:
            self._check_same_start(state["images_seen"] if state else 0)
        if state is None:
            begin(self)
        else:
            restore(self, state)

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


def _build_model(recipe: Recipe) -> Model:
    """The model of the recipe, untrained or from ``train.init``."""
    fields = dict(recipe.model)
    architecture = fields.pop("architecture", None)
    if not recipe.train.init:
        if architecture is None:
            raise ConfigError('The recipe\'s [model] needs an architecture, for example architecture = "dcgan".')
        model_class = get_architecture(architecture)
        return model_class.build(model_class.Config.from_dict(fields))
    model = Model.from_pretrained(recipe.train.init)
    if architecture not in (None, model.architecture):
        raise ConfigError(f"train.init holds a {model.architecture}, the recipe asks for a {architecture}.")
    asked, held = fields, model.config.to_dict()
    for key, value in asked.items():
        if key not in held:
            raise ConfigError(f"[model] has no field '{key}'.{nearest(key, held)}")
        if key.startswith("discriminator"):  # of the adversary, which starts from scratch where it does not fit
            held[key] = value
        elif list(value) != held[key] if isinstance(value, list) else value != held[key]:
            raise ConfigError(f"train.init was trained with {key} = {held[key]!r}, the recipe asks for {value!r}.")
    model.config = type(model.config).from_dict(held)
    return model


def _take_class_names(model: Model, data: Pictures) -> Model:
    """Check the number of classes against the data, and keep their names in the config."""
    styles = getattr(model.config, "style_names", ())
    if styles and (data.other is None or tuple(data.other.class_names) != tuple(styles)):
        found = ", ".join(data.other.class_names) if data.other else "nothing"
        raise ConfigError(
            f"data.other must hold one picture for each of the model's style_names ({', '.join(styles)}), read with "
            f'labels = "file" and in this order; it holds {found}.'
        )
    count = getattr(model.config, "num_classes", 0)
    if not count:
        return model
    names = tuple(data.class_names)
    if len(names) != count:
        raise ConfigError(f"The data has {len(names)} classes, the model num_classes = {count}: set model.num_classes.")
    if model.config.class_names not in ((), names):
        raise ConfigError("The classes of the data are not those that the model was made for.")
    fields = {**model.config.to_dict(), "class_names": names}
    model.config = type(model.config).from_dict(fields)
    return model


def _build_objective(recipe: Recipe, model: Model) -> BaseObjective:
    fields = dict(recipe.objective)
    objective_class = get_objective(fields.pop("name", model.default_objective))
    return objective_class(model, objective_class.Config.from_dict(fields))


def _check_batch(batch_size: int, accumulate: int, processes: int) -> None:
    parts = accumulate * processes
    if batch_size % parts:
        near = max(batch_size // parts, 1) * parts
        raise ConfigError(
            f"train.batch_size is {batch_size}, which {processes} processes times train.accumulate = {accumulate} "
            f"cannot share evenly; take {near} or {near + parts}."
        )


def _crosses(before: int, after: int, every: int) -> bool:
    return before // every != after // every
