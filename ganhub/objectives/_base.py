"""What training minimises, player by player: the paper's algorithm box, without a loop and without an optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError


@dataclass(frozen=True)
class Batch:
    """Real pictures that one phase sees.

    Attributes:
        images: [N, C, H, W] in [-1, 1].
        labels: Class indices [N], int64, or None.
        seeds: int64 [N] on the CPU, one per drawn picture of the run; latents and augmentation derive from it.
        other: Pictures of the recipe's second collection ([data.other]), as many, unpaired; or None.
    """

    images: Tensor
    labels: Tensor | None
    seeds: Tensor
    other: Batch | None = None


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

    def companions(self) -> dict[str, nn.Module]:
        """Models that a run publishes beside its own, by subfolder."""
        return {}

    def sides(self) -> tuple[int, int]:
        """The least side of the pictures that it can learn from, in pixels, and the number whose multiple it is."""
        return 1, 1

    def check(self, height: int, width: int, paired: bool) -> None:
        """Refuse pictures of another size than it can learn from, before any work.

        Args:
            height, width: Of each picture.
            paired: Whether each comes with its partner of the second collection.

        Raises:
            ConfigError: With what to set instead.
        """
        least, multiple = self.sides()
        if min(height, width) < least or height % multiple or width % multiple:
            raise ConfigError(
                f'The objective "{self.name}" learns from sides of {least} pixels or more, multiples of {multiple}, '
                f"not from {height} x {width}: set data.size, or the model's image_size."
            )

    def at(self, images_seen: int) -> None:
        """Move growth, fades and schedules to this point of the run."""


_OBJECTIVES: dict[str, type[BaseObjective]] = {}


def list_objectives() -> list[str]:
    """Names of all registered objectives, sorted: of this package, and of families that have their own."""
    return sorted(_OBJECTIVES)


def get_objective(name: str) -> type[BaseObjective]:
    """Return the objective class of that name; an unknown name raises ConfigError and names the nearest."""
    if name not in _OBJECTIVES:
        known = ", ".join(list_objectives())
        raise ConfigError(f"There is no objective '{name}'.{nearest(name, _OBJECTIVES)} Known: {known}.")
    return _OBJECTIVES[name]
