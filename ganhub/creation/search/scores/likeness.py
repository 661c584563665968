"""Scores of a picture beside others: the colours of a given picture, its look, and what differs from an archive."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from ganhub import images
from ganhub.creation.search.scores._base import score
from ganhub.images.colour import to_lab
from ganhub.nn.features import MIN_SIDE, FeatureNetwork, feature_network
from ganhub.nn.random import normal

WAYS = 24  # directions of colour space
COLOURS = 256  # quantiles of a picture's colours along each
FAR = 0.25  # distance of palettes, in CIELAB scaled to [-1, 1], at which the match is 1 / e
LAYERS = ("relu3_1", "relu4_1")
NEAREST = 5
SIDE = 48  # pixels of the short side that are enough to tell pictures by, and quick
_targets: WeakIdKeyDictionary = WeakIdKeyDictionary()  # a search asks again and again for the same one


@score("Its colours", "the colours of the given picture, wherever they are")
def palette(pictures: Tensor, target: Tensor) -> Tensor:
    """How alike two distributions of colours are, whatever is where: exp(-d / 0.25).

    d is the sliced Wasserstein distance of the colours in CIELAB ("Wasserstein Barycenter and its Application to
    Texture Mixing", Rabin et al. 2011, section 3): the mean over directions of the mean difference of sorted
    projections. 1 for the same colours, whatever the two sizes.
    """
    ways = F.normalize(normal([0], WAYS, 3)[0].double(), dim=1)
    difference = _quantiles(pictures, ways) - _quantiles(target, ways)
    return torch.exp(-difference.abs().mean((1, 2)) / FAR)


def _quantiles(pictures: Tensor, ways: Tensor) -> Tensor:
    """[N, 3, H, W] -> the sorted colours along each way, [N, WAYS, COLOURS]."""
    colours = to_lab(pictures).double().flatten(2)
    along = (ways.to(colours) @ colours).sort(dim=2).values
    return F.interpolate(along, COLOURS, mode="linear", align_corners=True).cpu()


@score("Like it", "the look of the given picture")
def similarity(pictures: Tensor, target: Tensor) -> Tensor:
    """1 - d / sqrt(2), d the distance of the features of vgg-lite, each of length 1, meaned over places and two layers.

    1 for the same picture; 0 where no feature of the one is in the other.
    """
    if target not in _targets:
        _targets[target] = _maps(target)
    values, maps = [], _maps(pictures)
    for layer, wanted in _targets[target].items():
        seen = maps[layer]
        if seen.shape[2:] != wanted.shape[2:]:
            wanted = F.interpolate(wanted, seen.shape[2:], mode="bilinear", antialias=True)
        cosine = F.cosine_similarity(seen, wanted, dim=1)
        values.append(1 - (1 - cosine).clamp(0, 1).sqrt().mean((1, 2)))
    return torch.stack(values).mean(0)


@score("Unusual", "unlike what the model usually draws")
def novelty(pictures: Tensor, archive: Tensor) -> Tensor:
    """Mean distance to the five nearest of an archive in feature space, from 0 to 1.

    The sparseness of "Abandoning Objectives: Evolution through the Search for Novelty Alone" (Lehman and Stanley 2011,
    Evolutionary Computation 19, equation 1), with the archive fixed, so that a picture's score stays what it is.
    """
    distances = torch.cdist(describe(pictures), archive) / math.sqrt(2)
    return distances.sort(dim=1).values[:, :NEAREST].mean(1)


def describe(pictures: Tensor) -> Tensor:
    """Pictures [N, 3, H, W] in [-1, 1] -> one feature vector each, of length 1, with all components at least 0."""
    means = [maps.mean((2, 3)) for maps in _maps(pictures).values()]
    return F.normalize(torch.cat([F.normalize(one, dim=1) for one in means], 1), dim=1).double()


@functools.cache
def _network() -> FeatureNetwork:
    return feature_network("vgg-lite")


@torch.no_grad()
def _maps(pictures: Tensor) -> dict[str, Tensor]:
    """Features of the trunk of vgg-lite by layer, on the CPU; small pictures are enlarged, large ones shrunk."""
    pictures = pictures.float().cpu()
    factor = math.ceil(MIN_SIDE / min(pictures.shape[-2:]))
    pictures = F.interpolate(pictures, scale_factor=factor, mode="nearest") if factor > 1 else pictures
    pictures = images.resize(pictures, SIDE) if min(pictures.shape[-2:]) > SIDE else pictures
    return _network().trunk(pictures, LAYERS)
