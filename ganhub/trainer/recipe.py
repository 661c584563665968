"""A recipe: TOML with the tables [model] [objective] [train] [data]. Defaults < recipe < ``table.key=value``."""

from __future__ import annotations

import copy
import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganhub.config import BaseConfig, Seed, apply_override, nearest
from ganhub.data.config import DataConfig
from ganhub.errors import ConfigError
from ganhub.files import read_within

MAX_RECIPE = 1_000_000  # bytes


@dataclass(frozen=True, kw_only=True)
class TrainConfig(BaseConfig):
    """The [train] table. Every duration is counted in real pictures seen.

    Attributes:
        images: Length of the run.
        minutes: The run ends in this time, cooldown and folder included, even if ``images`` are not reached (0: no such
            end). Each call counts anew.
        batch_size: Pictures per step over all processes.
        accumulate: Parts in which a batch is computed, to save memory; the result is the same but for what looks at the
            batch as a whole (training/README.md has the list).
        learning_rate: Adam's, one for all players, or a table with one for each player.
        betas: Adam's beta1 and beta2.
        cooldown: Over the last so many pictures the learning rate falls linearly to zero (at most the
            whole run).
        max_gradient_norm: A longer gradient of a player is shortened to this (0: never).
        ema_half_life: After so many pictures an old weight counts half in the moving average that is published.
        precision: "auto" (bf16 where the processor has it), "bf16" or "fp32".
        compile: Use torch.compile where a C++ compiler is; goes on without where none is.
        threads: Processor threads (0: those that are free when training starts, or what OMP_NUM_THREADS says).
        init: Folder or "owner/name" whose weights training starts from.
        seed: Decides everything that is random.
        log_every, grid_every, checkpoint_every: Pictures between two log lines, sample grids, checkpoints.
        keep_checkpoints: How many are kept.
        watch: Look out for collapse and keep the best weights (in ``best/``), for at most 3 % of the time.
        stop_when_lost: End the run when the watchdog, which it needs, has raised the alarm for a twentieth of it.
        half: Store the published weights in half precision.
        tracker: "trackio" to log there too; empty for log.jsonl alone.
        licence: SPDX name of the licence of the published weights, for the card.
        dataset: What the weights were trained on and its licence, for the card.
        intended_use: What the weights are good for, in a sentence or two, for the card.
        limits: Where they fail, likewise.
    """

    table = "train"

    images: int = 1_000_000
    minutes: float = 0.0
    batch_size: int = 64
    accumulate: int = 1
    learning_rate: float | dict[str, float] = 2e-4
    betas: tuple[float, ...] = (0.5, 0.999)
    cooldown: int = 0
    max_gradient_norm: float = 0.0
    ema_half_life: int = 20_000
    precision: str = "auto"
    compile: bool = False
    threads: int = 0
    init: str = ""
    seed: Seed = Seed(0)
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
        self.require(0 <= self.minutes <= 1e6, f"train.minutes must be 0 (no end) or more, not {self.minutes:g}.")
        free = f"train.threads must be from 0 (those that are free) to 1024, not {self.threads}."
        self.require(0 <= self.threads <= 1024, free)
        self.require(self.cooldown >= 0, "train.cooldown must be 0 or more.")
        seen = self.watch or not self.stop_when_lost
        self.require(seen, "train.stop_when_lost needs the watchdog: set train.watch = true, or leave it out.")
        self.require(self.tracker in ("", "trackio"), 'train.tracker must be "trackio" or empty.')
        rates = self.learning_rate if isinstance(self.learning_rate, dict) else {"": self.learning_rate}
        self.require(all(rate > 0 for rate in rates.values()), "train.learning_rate must be above 0.")

    def rate_at(self, player: str, images_seen: int, time_left: float = math.inf) -> float:
        """Learning rate of a player after so many pictures, the cooldown counted in.

        Args:
            time_left: How many pictures the time of ``minutes`` still allows.
        """
        length = min(self.cooldown, self.images)
        left = max(min(self.images - images_seen, time_left), 0)
        return self.rate_of(player) * (left / length if left < length else 1.0)

    def rate_of(self, player: str) -> float:
        """Learning rate of a player."""
        if not isinstance(self.learning_rate, dict):
            return self.learning_rate
        if player not in self.learning_rate:
            raise ConfigError(f"train.learning_rate has no entry for the player '{player}'.")
        return self.learning_rate[player]


# Table -> what its keys are, where that is known before the table is read.
TABLES: dict[str, type[BaseConfig] | None] = {
    "model": None, "objective": None, "train": TrainConfig, "data": DataConfig
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """The four tables, the last two as checked configs.

    Attributes:
        tables: All four as plain values, with what the command line changed.
        written: The same as the file has them.
        overrides: "table.key" of what the command line gave.
    """

    model: dict[str, Any]
    objective: dict[str, Any]
    train: TrainConfig
    data: DataConfig
    name: str = "recipe"
    tables: dict[str, Any] = field(default_factory=dict, compare=False)
    written: dict[str, Any] = field(default_factory=dict, compare=False)
    overrides: frozenset[str] = frozenset()


def read_recipe(path: str | Path, overrides: Sequence[str] = (), *, data: str | None = None) -> Recipe:
    """Read a TOML recipe and apply ``table.key=value`` overrides.

    Args:
        path: The file.
        overrides: What the command line changes; they win.
        data: One's own pictures: becomes ``data.path``, and ``data.other.path`` where the recipe takes both from one
            place.

    Raises:
        ConfigError: When the file is missing or no TOML, for an unknown table or key, or a value out of range.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(read_within(path, MAX_RECIPE).decode("utf-8-sig"))
        written = copy.deepcopy(tables)
    except OSError as error:
        raise ConfigError(f"The recipe {path} cannot be read ({error.strerror}). Is the path right?") from None
    except RecursionError:
        raise ConfigError(f"The recipe {path} is nested too deep: take out some of its brackets.") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, too large
        raise ConfigError(f"The recipe {path} is not valid TOML in UTF-8: {error}.") from None
    overrides = [*(_own_data(tables, data) if data else ()), *overrides]
    for override in overrides:
        apply_override(tables, override, TABLES)
    given = frozenset(override.partition("=")[0] for override in overrides)
    return replace(make_recipe(tables, name=path.stem), written=written, overrides=given)


def _own_data(tables: dict[str, Any], data: str) -> list[str]:
    """``data.path=DATA``, and the same for the second collection of a recipe that takes both from one place."""
    first = tables.get("data", {})
    other = first.get("other", {}) if isinstance(first, dict) else {}
    shared = isinstance(other, dict) and other.get("path") and other["path"] == first.get("path")
    return [f"data.{key}={json.dumps(data)}" for key in ("path", *(("other.path",) if shared else ()))]


def make_recipe(tables: dict[str, Any], *, name: str = "recipe") -> Recipe:
    """Check plain tables and make a :class:`Recipe` of them."""
    for table in tables:
        if table not in TABLES:
            raise ConfigError(f"A recipe has no table [{table}].{nearest(table, TABLES)} It has {', '.join(TABLES)}.")
        if not isinstance(tables[table], dict):
            raise ConfigError(f"'{table}' must be a table of the recipe: write its keys below a line [{table}].")
    model, objective = dict(tables.get("model", {})), dict(tables.get("objective", {}))
    train, data = TrainConfig.from_dict(tables.get("train", {})), DataConfig.from_dict(tables.get("data", {}))
    return Recipe(model, objective, train, data, name, tables, tables)
