"""The state of a run: all that it needs to go on bit for bit, saved and restored as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ganhub.errors import ConfigError, TrainingError
from ganhub.models import Model
from ganhub.objectives import BaseObjective
from ganhub.trainer.ema import EMA


@dataclass(kw_only=True)
class RunState:
    """What a checkpoint holds, and nothing else.

    Attributes:
        model: The one in training.
        objective: Holds the adversaries.
        ema: The averages that are published.
        optimizers: One for each player of the objective.
        identity: Computes the fingerprint.
        record: What the card says of the run beside its settings (id, hardware, precision, changes, started_from).
        images_seen: Real pictures so far, as the first phase counts them.
        step: Steps so far.
        drawn: Pictures drawn from the data so far, by all phases.
        seconds: Time spent in training so far.
    """

    model: Model
    objective: BaseObjective
    ema: EMA
    optimizers: dict[str, torch.optim.Optimizer]
    identity: Callable[[], dict[str, Any]]
    record: dict[str, Any]
    images_seen: int = 0
    step: int = 0
    drawn: int = 0
    seconds: float = 0.0
    _fingerprint: dict[str, Any] | None = None

    def fingerprint(self) -> dict[str, Any]:
        """What the run is, as plain values (see :mod:`ganhub.trainer.identity`); the first call looks at pictures."""
        if self._fingerprint is None:
            self._fingerprint = self.identity()
        return self._fingerprint

    def to_dict(self) -> dict[str, Any]:
        """Plain values and tensors for a checkpoint, torch's random numbers among them."""
        device = self.model.device
        return {
            "images_seen": self.images_seen, "step": self.step, "drawn": self.drawn, "seconds": self.seconds,
            "model": self.model.state_dict(), "objective": self.objective.state_dict(), "ema": self.ema.state_dict(),
            "optimizers": {player: optimizer.state_dict() for player, optimizer in self.optimizers.items()},
            "random": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "fingerprint": self.fingerprint(), "record": self.record,
        }  # fmt: skip

    def load_dict(self, held: Mapping[str, Any]) -> None:
        """Put back what :meth:`to_dict` gave, but for fingerprint and record: these are compared and joined first.

        Raises:
            ConfigError: It is of another model or objective.
            TrainingError: The random numbers cannot be put back on this machine.
        """
        try:
            self._load_networks(held)
        except (torch.OutOfMemoryError, torch.AcceleratorError):  # RuntimeErrors that say nothing of the checkpoint
            raise
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"The checkpoint of {held.get('images_seen', 0):,} pictures was made with another [model] or "
                "[objective]; take a new --out folder for the new recipe."
            ) from error
        try:
            self._load_random(held)
        except (RuntimeError, TypeError) as error:
            raise TrainingError(
                f"The random numbers of the checkpoint cannot be put back here ({error}): go on with the torch and the "
                "kind of GPU that wrote it, or begin a new --out folder with train.init and this run's folder."
            ) from error

    def _load_networks(self, held: Mapping[str, Any]) -> None:
        self.model.load_state_dict(held["model"])
        self.objective.load_state_dict(held["objective"])
        self.ema.load_state_dict(held["ema"])
        for player, optimizer in self.optimizers.items():
            optimizer.load_state_dict(held["optimizers"][player])
        self.images_seen, self.step, self.drawn = held["images_seen"], held["step"], held["drawn"]
        self.seconds = held["seconds"]

    def _load_random(self, held: Mapping[str, Any]) -> None:
        torch.set_rng_state(held["random"])
        if self.model.device.type == "cuda" and held.get("cuda") is not None:  # a run begun on a CPU has none
            torch.cuda.set_rng_state(held["cuda"], self.model.device)
