"""A recipe: TOML with the tables [model] [objective] [train] [data]. Defaults < recipe < ``table.key=value``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError
from ganhub.trainer.data import DataConfig

TABLES = ("model", "objective", "train", "data")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(BaseConfig):
    """The [train] table. Every duration is counted in real pictures seen.

    Attributes:
        images: Length of the run.
        batch_size: Pictures per step over all processes.
        accumulate: Parts in which a batch is computed, to save memory; the result is the same but for what looks at the
            batch as a whole (training/README.md has the list).
        learning_rate: Of Adam, for all players, or a table with one for each player.
        betas: Of Adam.
        cooldown: Over the last so many pictures the learning rate falls linearly to zero (at most the
            whole run).
        max_gradient_norm: A longer gradient of a player is shortened to this (0: never).
        ema_half_life: After so many pictures an old weight counts half in the moving average that is published.
        precision: "auto" (bf16 where the processor has it), "bf16" or "fp32".
        compile: Use torch.compile where a C++ compiler is; goes on without where none is.
        init: Folder or "owner/name" whose weights training starts from.
        seed: Of everything random.
        log_every, grid_every, checkpoint_every: Pictures between two log lines, sample grids, checkpoints.
        keep_checkpoints: How many are kept.
        watch: Look out for collapse and keep the best weights (in ``best/``), for at most 3 % of the time.
        stop_when_lost: End the run when the watchdog has raised the alarm for a twentieth of it without a break.
        half: Store the published weights in half precision.
        tracker: "trackio" to log there too; empty for log.jsonl alone.
        licence: SPDX name of the licence of the published weights, for the card.
        dataset: What the weights were trained on and its licence, for the card.
        intended_use: What the weights are good for, in a sentence or two, for the card.
        limits: Where they fail, likewise.
    """

    images: int = 1_000_000
    batch_size: int = 64
    accumulate: int = 1
    learning_rate: float | dict[str, float] = 2e-4
    betas: tuple[float, ...] = (0.5, 0.999)
    cooldown: int = 0
    max_gradient_norm: float = 0.0
    ema_half_life: int = 20_000
    precision: str = "auto"
    compile: bool = False
    init: str = ""
    seed: int = 0
    log_every: int = 2_000
    grid_every: int = 50_000
    checkpoint_every: int = 50_000
    keep_checkpoints: int = 2
    watch: bool = True
    stop_when_lost: bool = False
    half: bool = True
    tracker: str = ""
    licence: str = ""
    dataset: str = ""
    intended_use: str = ""
    limits: str = ""

    def __post_init__(self) -> None:
        for name in ("images", "batch_size", "accumulate", "log_every", "grid_every", "checkpoint_every",
                     "keep_checkpoints", "ema_half_life"):  # fmt: skip
            self.require(getattr(self, name) >= 1, f"train.{name} must be 1 or more, not {getattr(self, name)}.")
        self.require(self.batch_size % self.accumulate == 0, "train.batch_size must be a multiple of train.accumulate.")
        self.require(self.precision in ("auto", "bf16", "fp32"), "train.precision must be auto, bf16 or fp32.")
        self.require(len(self.betas) == 2, "train.betas must be two numbers.")
        self.require(self.max_gradient_norm >= 0, "train.max_gradient_norm must be 0 or more.")
        self.require(self.cooldown >= 0, "train.cooldown must be 0 or more.")
        self.require(self.tracker in ("", "trackio"), 'train.tracker must be "trackio" or empty.')
        rates = self.learning_rate if isinstance(self.learning_rate, dict) else {"": self.learning_rate}
        self.require(all(rate > 0 for rate in rates.values()), "train.learning_rate must be above 0.")

    def rate_at(self, player: str, images_seen: int) -> float:
        """Learning rate of a player after so many pictures, the cooldown counted in."""
        length = min(self.cooldown, self.images)
        left = max(self.images - images_seen, 0)
        return self.rate_of(player) * (left / length if left < length else 1.0)

    def rate_of(self, player: str) -> float:
        """Learning rate of a player."""
        if not isinstance(self.learning_rate, dict):
            return self.learning_rate
        if player not in self.learning_rate:
            raise ConfigError(f"train.learning_rate has no entry for the player '{player}'.")
        return self.learning_rate[player]


@dataclass(frozen=True)
class Recipe:
    """The four tables, the last two as checked configs."""

    model: dict[str, Any]
    objective: dict[str, Any]
    train: TrainConfig
    data: DataConfig
    name: str = "recipe"
    tables: dict[str, Any] = field(default_factory=dict, compare=False)


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a TOML recipe and apply ``table.key=value`` overrides.

    Raises:
        ConfigError: When the file is missing or no TOML, for an unknown table or key, or a value out of range.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"The recipe {path} cannot be read ({error.strerror}). Is the path right?") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The recipe {path} is not valid TOML in UTF-8: {error}.") from None
    for override in overrides:
        apply_override(tables, override)
    return make_recipe(tables, name=path.stem)


def make_recipe(tables: dict[str, Any], *, name: str = "recipe") -> Recipe:
    """Check plain tables and make a :class:`Recipe` of them."""
    for table in tables:
        if table not in TABLES:
            raise ConfigError(f"A recipe has no table [{table}].{nearest(table, TABLES)} It has {', '.join(TABLES)}.")
    model, objective = dict(tables.get("model", {})), dict(tables.get("objective", {}))
    train, data = TrainConfig.from_dict(tables.get("train", {})), DataConfig.from_dict(tables.get("data", {}))
    return Recipe(model, objective, train, data, name, tables)


def apply_override(tables: dict[str, Any], text: str) -> None:
    """Put one ``table.key=value`` of a command line into plain tables."""
    key, equals, value = text.partition("=")
    table, dot, name = key.partition(".")
    if not (equals and dot and name) or table not in TABLES:
        raise ConfigError(f"'{text}' must look like table.key=value, the table one of {', '.join(TABLES)}.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value  # an unquoted string, as one types it on a command line
    target = tables.setdefault(table, {})
    *parents, leaf = name.split(".")
    for parent in parents:
        target = target.setdefault(parent, {})
    target[leaf] = parsed
