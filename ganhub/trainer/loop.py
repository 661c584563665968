"""The training loop: everything that has no opinion about GANs."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from ganhub.config import nearest
from ganhub.errors import ConfigError, TrainingError
from ganhub.models import LatentGenerator, Model, get_architecture
from ganhub.nn.precision import has_bf16
from ganhub.objectives import BaseObjective, Phase, get_objective
from ganhub.trainer.checkpoint import load_checkpoint, save_checkpoint
from ganhub.trainer.data import Pictures, open_data
from ganhub.trainer.ema import EMA
from ganhub.trainer.recipe import Recipe
from ganhub.trainer.report import append_log, load_adversary, trim_log, write_grid, write_hub_folder


class Trainer:
    """Runs a recipe in a folder; the same call again goes on where the run stopped.

    The folder ends as a Hub folder. Beside it lie ``log.jsonl``, ``grids/`` and ``checkpoints/``.

    Args:
        recipe: What to train, on what, for how long.
        out: The run's folder.
        data: Pictures to use instead of those that the recipe names (tests do).
        quiet: No progress bar.
    """

    def __init__(self, recipe: Recipe, out: str | Path, *, data: Pictures | None = None, quiet: bool = False) -> None:
        self.recipe, self.train, self.out = recipe, recipe.train, Path(out)
        self.quiet = quiet
        self.accelerator = Accelerator(log_with=recipe.train.tracker or None)
        self.device = self.accelerator.device
        self.bf16 = self.train.precision == "bf16" or (self.train.precision == "auto" and has_bf16(self.device))
        torch.manual_seed(self.train.seed)

        model = _build_model(recipe)
        labelled = bool(getattr(model.config, "num_classes", 0))
        size, channels = model.config.image_size, model.config.channels
        self.data = data or open_data(recipe.data, height=size, width=size, channels=channels, labelled=labelled)
        if self.data.skipped and self.accelerator.is_main_process:
            named = "; ".join(self.data.skipped[:5]) + ("; ..." if len(self.data.skipped) > 5 else "")
            print(f"{len(self.data.skipped)} of the pictures cannot be used and are left out: {named}")
        model = _take_class_names(model, self.data)
        self.model = model.to(self.device, memory_format=torch.channels_last).train()
        self.objective = _build_objective(recipe, self.model).to(self.device, memory_format=torch.channels_last)
        if self.train.init and not load_adversary(self.train.init, self.objective):
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
        self.ema = EMA(self.model, self.train.ema_half_life)
        self.step = self.images_seen = self.drawn = 0
        self.seconds = 0.0
        self.stop_asked = False
        if self.train.compile:
            self._compile()

    def run(self) -> Path:
        """Train to the end, or to the next Ctrl-C, and write the Hub folder.

        Returns:
            The run's folder.

        Raises:
            TrainingError: For a loss or gradient that is not finite, or a full disk; the last good checkpoint stays.
        """
        self._resume()
        main = self.accelerator.is_main_process
        if self.train.tracker:
            options = {self.train.tracker: {"name": self.out.name}}
            self.accelerator.init_trackers("ganhub", config=dict(self.recipe.tables), init_kwargs=options)
        bar = tqdm(total=self.train.images, initial=self.images_seen, unit="img", unit_scale=True,
                   disable=self.quiet or not main, dynamic_ncols=True, desc=self.recipe.name)  # fmt: skip
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        counts: dict[str, int] = defaultdict(int)
        with _ctrl_c(self):
            while self.images_seen < self.train.images and not self.stop_asked:
                before, started = self.images_seen, time.perf_counter()
                for name, value in self._step().items():
                    sums[name] += value
                    counts[name] += 1
                self.seconds += time.perf_counter() - started
                bar.update(self.images_seen - before)
                done = self.images_seen >= self.train.images or self.stop_asked
                if done or _crosses(before, self.images_seen, self.train.log_every):
                    self._log({name: (sums[name] / counts[name]).item() for name in sums}, bar)
                    sums.clear(), counts.clear()
                if main and isinstance(self.model, LatentGenerator):
                    if done or _crosses(before, self.images_seen, self.train.grid_every):
                        write_grid(self.ema.module, self.out / "grids" / f"{self.images_seen:09d}.png")
                if main and (done or _crosses(before, self.images_seen, self.train.checkpoint_every)):
                    self.save()
        bar.close()
        if main:
            write_hub_folder(self)
        if self.train.tracker:
            self.accelerator.end_training()
        if self.stop_asked and main:
            print(f"Stopped after {self.images_seen:,} pictures; saved. Run the same command again to go on.")
        return self.out

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
        self.ema.update(self.model, self.images_seen, self.images_seen - images_before or self.train.batch_size)
        return numbers

    def _turn(self, phase: Phase) -> dict[str, Tensor]:
        """Draw a fresh batch, minimise one phase's loss by one optimiser step."""
        for player, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(player == phase.player)
        optimizer, parameters = self.optimizers[phase.player], self.parameters[phase.player]
        optimizer.zero_grad(set_to_none=True)
        numbers: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
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
            self._average_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, math.inf)
        loss = numbers[f"{phase.player}/loss"]
        if not torch.isfinite(norm + loss):
            raise TrainingError(
                f"The {phase.player}'s loss or gradient is not a finite number after {self.images_seen:,} pictures "
                f"(loss {loss.item():g}, gradient norm {norm.item():g}). The run stops; its last checkpoint is good. "
                "Lower train.learning_rate, or set train.precision=fp32, and run the same command again."
            )
        for group in optimizer.param_groups:
            group["lr"] = self.train.rate_at(phase.player, self.images_seen)
        optimizer.step()
        numbers[f"{phase.player}/gradient_norm"] = norm.detach()
        return dict(numbers)

    def _average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Mean over the processes, in one message. Unlike DDP's hooks it works under second-order penalties."""
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = self.accelerator.reduce(torch.cat([g.reshape(-1) for g in gradients]), reduction="mean")
        for parameter, mean in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = mean.view_as(parameter)

    def _to_device(self, batch: Any) -> Any:
        images = batch.images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        labels = None if batch.labels is None else batch.labels.to(self.device, non_blocking=True)
        return type(batch)(images=images, labels=labels, seeds=batch.seeds)

    def _log(self, numbers: dict[str, float], bar: tqdm) -> None:
        speed = self.images_seen / max(self.seconds, 1e-9)
        line = {"images": self.images_seen, "step": self.step, "seconds": round(self.seconds, 1)}
        line |= {"images_per_second": round(speed, 1), **{k: round(v, 5) for k, v in sorted(numbers.items())}}
        if self.accelerator.is_main_process:
            append_log(self.out, line)
        bar.set_postfix({k.replace("/loss", ""): f"{v:.3g}" for k, v in numbers.items() if k.endswith("/loss")})
        if self.train.tracker:
            self.accelerator.log({k: v for k, v in line.items() if k != "step"}, step=self.step)

    def save(self) -> Path:
        """Write a checkpoint from which the run resumes bit for bit."""
        state = {
            "images_seen": self.images_seen, "step": self.step, "drawn": self.drawn, "seconds": self.seconds,
            "model": self.model.state_dict(), "objective": self.objective.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimizers": {player: optimizer.state_dict() for player, optimizer in self.optimizers.items()},
            "random": torch.get_rng_state(),
        }  # fmt: skip
        return save_checkpoint(self.out / "checkpoints", self.images_seen, state, keep=self.train.keep_checkpoints)

    def _resume(self) -> None:
        state = load_checkpoint(self.out / "checkpoints")
        if state is None:
            trim_log(self.out, 0)  # what a run that left no checkpoint logged
            return
        try:
            self.model.load_state_dict(state["model"])
            self.objective.load_state_dict(state["objective"])
            self.ema.module.load_state_dict(state["ema"])
        except RuntimeError:
            raise ConfigError(
                f"The checkpoint in {self.out} was made with another [model] or [objective]; "
                "take a new --out folder for the new recipe."
            ) from None
        for player, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][player])
        torch.set_rng_state(state["random"])
        self.images_seen, self.step, self.drawn = state["images_seen"], state["step"], state["drawn"]
        self.seconds = state["seconds"]
        trim_log(self.out, self.images_seen)
        if self.accelerator.is_main_process:
            print(f"Resuming {self.out} after {self.images_seen:,} pictures.")

    def _compile(self) -> None:
        """Compile the networks whose gradients are not differentiated again, if this machine can compile at all."""
        try:
            torch.compile(lambda x: torch.sin(x) + 1)(torch.ones(8, device=self.device))
        except Exception as error:  # no compiler, no Triton, no writable cache: each raises its own kind
            print(f"torch.compile does not work here ({type(error).__name__}); training goes on without it.")
            return
        for player, networks in self.objective.players().items():
            if player not in self.objective.second_order:
                for network in networks:
                    network.compile()


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
        if list(value) != held[key] if isinstance(value, list) else value != held[key]:
            raise ConfigError(f"train.init was trained with {key} = {held[key]!r}, the recipe asks for {value!r}.")
    return model


def _take_class_names(model: Model, data: Pictures) -> Model:
    """Check the number of classes against the data, and keep their names in the config."""
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


def _crosses(before: int, after: int, every: int) -> bool:
    return before // every != after // every


@contextmanager
def _ctrl_c(trainer: Trainer):
    """Ctrl-C (and a polite kill) end the run after the step, saved; a second Ctrl-C ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if trainer.stop_asked:
            raise KeyboardInterrupt
        trainer.stop_asked = True
        print("\nStopping after this step ...", file=sys.stderr)

    previous = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
