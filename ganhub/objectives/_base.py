"""What training minimises, player by player: the paper's algorithm box, without a loop and without an optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError
from ganhub.nn.ada import build_augment


@dataclass(frozen=True)
class Batch:
    """Real pictures that one phase sees.

    Attributes:
        images: [N, C, H, W] in [-1, 1].
        labels: Class indices [N], int64, or None.
        seeds: int64 [N] on the CPU, one per drawn picture of the run; latents and augmentation derive from it.
        other: Pictures of the recipe's second collection ([data.other]), as many, unpaired; or None.
        indices: int64 [N] on the CPU, which picture of the collection each is; None where they come from a stream, or
            cut, mirrored or turned at random.
    """

    images: Tensor
    labels: Tensor | None
    seeds: Tensor
    other: Batch | None = None
    indices: Tensor | None = None

    def partner(self, missing: str) -> Batch:
        """The second collection's part of the batch.

        Raises:
            ConfigError: ``missing``, where the recipe has no second collection.
        """
        if self.other is None:
            raise ConfigError(missing)
        return self.other

    def pair(self, missing: str) -> tuple[Tensor, Tensor]:
        """Pictures of the two collections, [N, C, H, W] each; raises as :meth:`partner` does."""
        return self.images, self.partner(missing).images


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One line of the algorithm box: whose turn it is and what that player minimises.

    Attributes:
        player: A key of :meth:`BaseObjective.players`; only its networks receive gradients and step.
        loss: Maps a fresh batch to named scalars; "loss" is minimised, the rest is logged.
        every: Runs in every so many trainer steps (lazy penalties: 16).
        repeat: Turns per step, each on a fresh batch (WGAN-GP's critic: 5).
        start: Real pictures seen before the phase begins (warm-up of the other players).
    """

    player: str
    loss: Callable[[Batch], dict[str, Tensor]]
    every: int = 1
    repeat: int = 1
    start: int = 0


class BaseObjective(nn.Module):
    """Holds the adversaries of a model and says phase by phase what each player minimises.

    A subclass names itself, ``class X(BaseObjective, name="x")``, has a ``Config`` and is built as
    ``X(model, config)``. Its own parameters are those of the adversaries alone: the model stays outside its
    state dict.
    """

    Config: ClassVar[type[BaseConfig]] = BaseConfig
    name: ClassVar[str] = ""
    # Players whose gradient is itself differentiated (gradient penalties): torch.compile cannot do that.
    second_order: ClassVar[frozenset[str]] = frozenset()
    # Beginnings of names in the state dict that only a resumed run needs: they are not published.
    transient: ClassVar[tuple[str, ...]] = ()
    # Beginnings of names that the adversary of a published model may lack, or have of another shape: they begin anew.
    optional: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, name: str = "", **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if name:
            if name in _OBJECTIVES:
                raise ConfigError(f"Two objectives are called '{name}'; give one of them another name.")
            cls.name = name
            _OBJECTIVES[name] = cls

    def __init__(self, model: nn.Module, config: BaseConfig) -> None:
        super().__init__()
        self.config = config
        self._model = (model,)  # in a tuple, so that nn.Module does not take it for a child

    @property
    def model(self) -> nn.Module:
        """The model in training."""
        return self._model[0]

    def players(self) -> dict[str, list[nn.Module]]:
        """Trainable networks by player."""
        raise NotImplementedError

    def phases(self) -> Sequence[Phase]:
        """The phases in the order in which they run within a step; images are counted by the first, which begins at
        once."""
        raise NotImplementedError

    @property
    def samples(self) -> bool:
        """Whether what the model makes of noise shows how a run goes."""
        return True

    def preview(self, model: nn.Module) -> Tensor | None:
        """What a run shows of itself in its grids, [N, C, H, W] in [-1, 1], or None.

        Args:
            model: Its averaged weights.
        """
        return model.preview()

    def companions(self) -> dict[str, nn.Module]:
        """Models that a run publishes beside its own, by subfolder."""
        return {}

    def sides(self) -> tuple[int, int]:
        """The least side of the pictures that it can learn from, in pixels, and the number whose multiple it is."""
        return 1, 1

    def check(self, height: int, width: int, paired: bool, count: int) -> None:
        """Refuse pictures that it cannot learn from, before any work.

        Args:
            height, width: Size of each picture.
            paired: Whether each comes with its partner of the second collection.
            count: How many there are; 0 where they come from a stream, or cut, mirrored or turned at random.

        Raises:
            ConfigError: With what to set instead.
        """
        least, multiple = self.sides()
        if min(height, width) < least or height % multiple or width % multiple:
            raise ConfigError(
                f'The objective "{self.name}" learns from sides of {least} pixels or more, multiples of {multiple}, '
                f"not from {height} x {width}: set data.size, or the model's image_size."
            )

    def start_from_scratch(self) -> None:
        """Refuse to begin a run with adversaries that nobody has trained, where they could not learn in it.

        Raises:
            ConfigError: With what to set instead.
        """

    def at(self, images_seen: int) -> None:
        """Move growth, fades and schedules to this point of the run."""


class GameObjective(BaseObjective):
    """A game of one discriminator against the model, on pictures augmented by the ``augment`` of its config.

    Args:
        discriminator: By default the model's own adversary.
    """

    def __init__(self, model: nn.Module, config: BaseConfig, discriminator: nn.Module | None = None) -> None:
        super().__init__(model, config)
        self.discriminator = model.adversary() if discriminator is None else discriminator
        self.augment = build_augment(config.augment)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"discriminator": [self.discriminator], "generator": [self.model]}


class LateGame(BaseObjective):
    """A game that the discriminator, the model's own adversary, joins late.

    A subclass defines ``generator_loss``, which asks whether the discriminator is ``playing``, and
    ``discriminator_loss``.

    Args:
        joins_at: Real pictures of the run after which it plays; None: never.
    """

    def __init__(self, model: nn.Module, config: BaseConfig, joins_at: int | None) -> None:
        super().__init__(model, config)
        self.joins_at, self.playing = joins_at, joins_at is not None
        self.discriminator = model.adversary() if self.playing else None

    def players(self) -> dict[str, list[nn.Module]]:
        players = {"generator": [self.model]}
        return players if self.discriminator is None else {"discriminator": [self.discriminator], **players}

    def phases(self) -> Sequence[Phase]:
        phases = [Phase(player="generator", loss=self.generator_loss)]
        if self.joins_at is not None:
            phases.append(Phase(player="discriminator", loss=self.discriminator_loss, start=self.joins_at))
        return phases

    def at(self, images_seen: int) -> None:
        self.playing = self.joins_at is not None and images_seen >= self.joins_at

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """What the generator minimises."""
        raise NotImplementedError

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """What the discriminator minimises."""
        raise NotImplementedError


_OBJECTIVES: dict[str, type[BaseObjective]] = {}


def list_objectives() -> list[str]:
    """Names of all registered objectives, sorted: of this package, and of families that have their own."""
    return sorted(_OBJECTIVES)


def get_objective(name: str) -> type[BaseObjective]:
    """Return the objective class of that name; an unknown name raises ConfigError and names the nearest."""
    if name not in _OBJECTIVES:
        names = ", ".join(list_objectives())
        raise ConfigError(f"There is no objective '{name}'.{nearest(name, _OBJECTIVES)} Known: {names}.")
    return _OBJECTIVES[name]
