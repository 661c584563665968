"""Instance normalisation whose statistics can be those of a picture larger than what is at hand.

"Instance Normalization: The Missing Ingredient for Fast Stylization" (Ulyanov et al. 2016, arXiv:1607.08022): each
channel of each picture is brought to mean 0 and deviation 1 over its places. A large picture is painted tile by tile;
were each tile normalised by itself, its neighbours would come out in other colours. So the statistics are gathered
first, over all tiles, and then held.

They belong to the call that gathers them, not to the network: several threads may use one network at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-4
_current: ContextVar[SharedStatistics | None] = ContextVar("shared_statistics", default=None)  # of this thread


class InstanceNorm(nn.Module):
    """[N, C, H, W] -> the same shape, normalised per picture and channel; no parameters of its own."""

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = self.measure(x)
        return (x - mean) / deviation

    def measure(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation, [N, C, 1, 1] each, or [1, C, 1, 1] for all tiles of one picture."""
        shared = _current.get()
        return moments(x) if shared is None else shared.measure(self, x)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the places of [N, C, H, W], [N, C, 1, 1] each, in float32 and back."""
    # As products with a row of ones: three times as fast as torch.var_mean on channels-last maps.
    places = x.float().movedim(1, -1).flatten(1, 2)
    ones = places.new_full((len(places), 1, places.shape[1]), 1 / places.shape[1])
    with torch.autocast(x.device.type, enabled=False):
        mean, square = torch.bmm(ones, places), torch.bmm(ones, places.square())
    deviation = (square - mean.square()).clamp_min(0).add(EPSILON).sqrt()
    return tuple(value.movedim(1, 2)[..., None].to(x.dtype) for value in (mean, deviation))


def _weighted_moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation, [1, C, 1, 1] each, over the places of all [N, C, H, W] by their weights [N, 1, h, w]."""
    # Features have fewer places than the picture: each counts as much as those do that it stands for.
    weights = F.adaptive_avg_pool2d(weights.to(x.device, torch.float32), x.shape[2:]).flatten()
    weights = weights / weights.sum()
    places = x.float().transpose(0, 1).flatten(1)
    with torch.autocast(x.device.type, enabled=False):
        mean = places @ weights
        variance = (places - mean[:, None]).square() @ weights
    return mean.view(1, -1, 1, 1), (variance + EPSILON).sqrt().view(1, -1, 1, 1)


class _Enough(Exception):
    """Ends a call of the network whose moments have been seen as far as they are wanted."""


class SharedStatistics:
    """Moments that tiles of one picture share, see :func:`shared_statistics`.

    Attributes:
        complete: Whether those of all layers are held.
    """

    def __init__(self, norms: set[InstanceNorm], layers: int) -> None:
        self.complete, self._norms, self._layers = not norms, norms, layers
        self._weights: Tensor | None = None  # set while moments are gathered
        self._held: dict[InstanceNorm, tuple[Tensor, Tensor]] = {}
        self._sums: dict[InstanceNorm, tuple[float, Tensor, Tensor]] = {}  # of weights, means and squares

    @contextmanager
    def gathered(self, weights: Tensor) -> Iterator[None]:
        """Within, one call of the network with tiles, which ends, with the block, at the last layer of this round.

        Args:
            weights: How much each place of these tiles counts, [N, 1, H, W], 0 or more: tiles overlap, and what lies
                at their borders does not count. See ``ganhub.apply.tiling.samples``.
        """
        self._weights, self._left = weights, self._layers
        try:
            yield
            self.complete = True  # the call came to its end
        except _Enough:
            pass
        finally:
            self._weights = None

    def settle(self) -> None:
        """End a round: what was gathered from all tiles is held from now on."""
        for norm, (total, first, second) in self._sums.items():
            mean = first / total  # the variance of all is that within the batches and that between their means
            deviation = (second / total - mean.square()).clamp_min(EPSILON).sqrt()
            self._held[norm] = mean.float(), deviation.float()
        self._sums = {}
        self.complete |= len(self._held) == len(self._norms)

    def measure(self, norm: InstanceNorm, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation, [1, C, 1, 1] each."""
        if norm in self._held:
            mean, deviation = self._held[norm]
        elif self._weights is None or norm not in self._norms:  # or of another network that runs meanwhile
            return moments(x)
        else:
            mean, deviation = _weighted_moments(x, self._weights)
            # In float64, which not every device has.
            share, exact, spread = float(self._weights.sum()), mean.cpu().double(), deviation.cpu().double()
            new = share, share * exact, share * (exact.square() + spread.square())
            self._sums[norm] = tuple(a + b for a, b in zip(self._sums.get(norm, (0, 0, 0)), new, strict=True))
            self._left -= 1
            if self._left == 0:
                raise _Enough
        return mean.to(x), deviation.to(x)


@contextmanager
def shared_statistics(network: nn.Module, layers: int = 1) -> Iterator[SharedStatistics]:
    """Within, ``network`` normalises by moments that were gathered: those of one picture, from all its tiles.

    They are gathered in rounds, each over all tiles, from the first layer to the last, as each layer's moments depend
    on those before::

        with shared_statistics(network) as shared:
            while not shared.complete:
                for tiles, weights in ganhub.apply.tiling.samples(picture, grid):
                    with shared.gathered(weights):
                        network(tiles)
                shared.settle()
            painted = ganhub.apply.tiling.tiled(network, picture, grid)

    Args:
        network: Holds :class:`InstanceNorm` modules, each used once in a call, or none: then nothing changes.
        layers: How many are gathered in a round. With 1 the moments are exactly those of the whole picture. With more
            a batch is meanwhile normalised by its own moments, which is exact only where one batch holds all tiles.
    """
    shared = SharedStatistics({module for module in network.modules() if isinstance(module, InstanceNorm)}, layers)
    token = _current.set(shared)
    try:
        yield shared
    finally:
        _current.reset(token)
