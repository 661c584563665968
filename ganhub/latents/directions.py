"""Directions of W along which something nameable changes, found without labels or with them, and edits along them.

Without labels: the principal components of w ("GANSpace", Haerkoenen et al. 2020, arXiv:2004.02546) and the inputs that
the first affine maps answer to most ("Closed-Form Factorization of Latent Semantics in GANs", SeFa, Shen and Zhou 2021,
arXiv:2007.06600). With labels: the way from one class's mean to another's, and the normal of a linear boundary between
two kinds of points ("Interpreting the Latent Space of GANs for Semantic Face Editing", Shen et al. 2020,
arXiv:1907.10786).

Everything is computed in float64 on the CPU, and signs are fixed, so that a direction is the same each time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.latents.mixing import Layers, layer_range, needs_w
from ganhub.models import StyleGenerator
from ganhub.models._named import COMPUTED, named_here

PRINCIPAL, CLOSED_FORM, CLASSES = COMPUTED
FEW = 2_000  # points that a deviation or a class's mean is taken from
BATCH = 1_000
SHOWN = 30  # named directions that a sentence lists


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in W.

    Attributes:
        name: What `direction` finds it by, such as "pca:3" or "glasses".
        vector: float32 [style_dim] on the CPU, of length 1.
        deviation: The unit of `edit`: the standard deviation of w along it; of a named direction what its file says.
        layers: First layer that it is meant for, and one past the last.
        source: Where it comes from, in words.
        depth: How many layers the model has; 0 where that is not known, which means all of them.
    """

    name: str
    vector: Tensor
    deviation: float
    layers: tuple[int, int]
    source: str
    depth: int = 0


@torch.no_grad()
def sample_w(
    model: StyleGenerator, samples: int, *, seed: int = 0, label: int | str | None = None
) -> tuple[Tensor, Tensor | None]:
    """w of the seeds from ``seed`` on, and their classes (all in turn without a label).

    Returns:
        float32 [samples, style_dim] on the CPU, and int64 [samples] or None for a model without classes.
    """
    labels = needs_w(model).labels(samples, label, seed)
    parts = []
    for start in range(0, samples, BATCH):
        seeds = range(seed + start, seed + min(start + BATCH, samples))
        parts.append(model.to_w(model.latent(seeds), None if labels is None else labels[start : start + BATCH]).cpu())
    return torch.cat(parts), labels


def _centred(points: Tensor, labels: Tensor | None) -> Tensor:
    """Points minus the mean of their class, float64: what varies within a class."""
    points = points.double()
    if labels is None:
        return points - points.mean(0)
    groups = int(labels.max()) + 1
    sums = torch.zeros(groups, points.shape[1], dtype=torch.float64, device="cpu").index_add_(0, labels, points)
    return points - (sums / labels.bincount(minlength=groups).clamp_min(1)[:, None])[labels]


def _made(name: str, vector: Tensor, deviation: float, layers: tuple[int, int], source: str, depth: int) -> Direction:
    unit = vector / vector.norm()
    return Direction(name, unit.float(), float(deviation), layers, source, depth)


def _signed(vector: Tensor) -> Tensor:
    """An eigenvector's sign is anyone's: its largest component shall be positive."""
    return vector * torch.where(vector[vector.abs().argmax()] < 0, -1.0, 1.0)


def _count(model: StyleGenerator, count: int) -> int:
    width = needs_w(model).style_mean.shape[1]
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= width:
        raise ConfigError(f"W has {width} directions: ask for 1 to {width}, not {count!r}.")
    return count


def principal_directions(
    model: StyleGenerator,
    count: int = 8,
    samples: int = 10_000,
    seed: int = 0,
    label: int | str | None = None,
) -> list[Direction]:
    """The directions in which w varies most: GANSpace, section 2.1 of arXiv:2004.02546, for models with W.

    Args:
        model: A model with a W space.
        count: How many, the widest first.
        samples: How many w, of the seeds from ``seed`` on, at least 2.
        seed: See there.
        label: One class. None takes all in turn, each about its own mean: the directions of what varies within a
            class, not of the classes themselves (`difference_direction` gives those).

    Returns:
        "pca:0", "pca:1", ..., at right angles to each other, for all layers.

    Raises:
        ConfigError: For a model without a W space, or numbers out of range.
    """
    _count(model, count)
    if isinstance(samples, bool) or not isinstance(samples, int) or not 2 <= samples <= 1_000_000:
        raise ConfigError(f"samples must be from 2 to 1,000,000, not {samples!r}.")
    centred = _centred(*sample_w(model, samples, seed=seed, label=label))
    values, vectors = torch.linalg.eigh(centred.T @ centred / (len(centred) - 1))
    source = f"principal component of w, {samples:,} seeds from {seed}" + ("" if label is None else f", class {label}")
    return [
        _made(f"{PRINCIPAL}:{i}", _signed(vectors[:, -1 - i]), values[-1 - i].clamp_min(0).sqrt(), (0, model.layers),
              source, model.layers)
        for i in range(count)
    ]  # fmt: skip


def closed_form_directions(model: StyleGenerator, count: int = 8, layers: Layers = None) -> list[Direction]:
    """The directions that change a picture's styles most, from the weights alone: SeFa, arXiv:2007.06600, equation 8.

    They are the eigenvectors of A^T A with the largest eigenvalues, where A holds the affine maps from w to the styles
    of the chosen layers, one below the other.

    Args:
        model: A model with a W space.
        count: How many, the strongest first.
        layers: As in `layer_range`; None for all.

    Returns:
        "sefa:0", "sefa:1", ..., at right angles to each other, for these layers.

    Raises:
        ConfigError: For a model without a W space, a number out of range, or layers that do not exist.
    """
    _count(model, count)
    start, stop = layer_range(layers, model.layers)
    weights = torch.cat([weight.detach().cpu().double() for weight in model.style_weights()[start:stop]])
    _, vectors = torch.linalg.eigh(weights.T @ weights)
    centred = _centred(*sample_w(model, FEW))
    where = "" if (start, stop) == (0, model.layers) else f"@{start}-{stop}"
    directions = []
    for i in range(count):
        vector = _signed(vectors[:, -1 - i])
        source = f"eigenvector of the style weights of layers {start}-{stop}"
        name = f"{CLOSED_FORM}:{i}{where}"
        directions.append(_made(name, vector, (centred @ vector).std(), (start, stop), source, model.layers))
    return directions


def difference_direction(model: StyleGenerator, first: int | str, second: int | str) -> Direction:
    """The way from one class to another: the difference of their mean w, over the same 2,000 seeds.

    Its deviation is that within the two classes; ``second`` lies on the positive side.

    Raises:
        ConfigError: For a model without a W space or without classes, an unknown class, or the same class twice.
    """
    classes = [needs_w(model).class_index(label) for label in (first, second)]
    if classes[0] == classes[1]:
        raise ConfigError(f"{first!r} and {second!r} are the same class: name two.")
    both = [sample_w(model, FEW, label=label)[0].double() for label in classes]
    difference = both[1].mean(0) - both[0].mean(0)
    if not difference.norm() > 0:
        raise ConfigError(f"This model makes no difference between {first!r} and {second!r}: there is no way between.")
    along = torch.cat([points - points.mean(0) for points in both]) @ (difference / difference.norm())
    names = model.config.class_names or [str(i) for i in range(model.config.num_classes)]
    name = f"{CLASSES}:{names[classes[0]]}>{names[classes[1]]}"
    source = f"difference of the classes' means, {FEW:,} seeds each"
    return _made(name, difference, along.std(), (0, model.layers), source, model.layers)


def boundary_direction(points: Tensor, labels: Tensor, *, name: str = "boundary", ridge: float = 1e-3) -> Direction:
    """The normal of a linear boundary between two kinds of points: arXiv:1907.10786, section 3.1.

    The boundary is that of ridge regression to -1 and +1, both kinds with equal weight, which is Fisher's linear
    discriminant: (S + ridge s I)^-1 (m1 - m0), where m0 and m1 are the means of the kinds, S is the mean of their
    covariances and s its mean diagonal.

    Args:
        points: w [N, D], of pictures that were looked at.
        labels: [N], what was found: True or 1, False or 0. The direction points to the former.
        name: What to call it.
        ridge: Above 0; more trusts the means more, and how the points scatter less.

    Returns:
        A direction for all layers. Its deviation is that within the kinds.

    Raises:
        ConfigError: For other shapes, a kind with fewer than two points, or two kinds with one mean.
    """
    if points.dim() != 2 or labels.shape != points.shape[:1]:
        raise ConfigError(f"A boundary needs points [N, D] and labels [N], not {list(points.shape)} and "
                          f"{list(labels.shape)}.")  # fmt: skip
    if not ridge > 0:
        raise ConfigError(f"ridge must be above 0, not {ridge!r}.")
    sides = labels.cpu().double()
    if not ((sides == 0) | (sides == 1)).all():
        raise ConfigError("The labels of a boundary are 0 or 1, or False or True.")
    points = points.detach().cpu().double()
    kinds = [points[sides == side] for side in (0, 1)]
    if min(map(len, kinds)) < 2:
        raise ConfigError(f"A boundary needs two points of each kind; there are {len(kinds[0])} and {len(kinds[1])}.")
    difference = kinds[1].mean(0) - kinds[0].mean(0)
    within = sum(kind.T.cov().view(points.shape[1], -1) for kind in kinds) / 2
    within.diagonal().add_((ridge * within.diagonal().mean()).clamp_min(1e-12))
    normal = torch.linalg.solve(within, difference)
    if not normal.isfinite().all() or not normal.norm() > 0:
        raise ConfigError("The two kinds of points have the same mean: nothing tells them apart.")
    along = _centred(points, sides.long()) @ (normal / normal.norm())
    source = f"linear boundary between {len(kinds[0])} and {len(kinds[1])} points"
    return _made(name, normal, along.std(), (0, 0), source, 0)


def direction(model: StyleGenerator, name: str, label: int | str | None = None) -> Direction:
    """Find a direction by its name.

    Args:
        model: A model with a W space.
        name: One of ``model.named``, such as "glasses"; or "pca:3" for the fourth of `principal_directions`, "sefa:0"
            of `closed_form_directions`, "class:cat>dog" for `difference_direction`; with "@4-8" or "@fine" behind it,
            for these layers only.
        label: The class of the point that is to be moved, for names that mean another direction in each.

    Raises:
        ConfigError: For any other name; it says which exist. For a named direction that does not hold for the class.
    """
    needs_w(model)
    text, _, where = str(name).strip().partition("@")
    one = named_here(model.named, text, None if label is None else class_name(model, label))
    if one is None:
        return _computed(model, text, where)
    if one.vector is None:
        base, _, its_layers = one.reference.partition("@")
        found = replace(_computed(model, base, its_layers), name=one.name)
    else:
        found = Direction(one.name, one.vector, one.deviation, one.layers, one.source, model.layers)
    if not where.strip():
        return found
    layers = layer_range(where.strip(), model.layers)
    return replace(found, name=f"{one.name}@{layers[0]}-{layers[1]}", layers=layers)


def class_name(model: StyleGenerator, label: int | str) -> str:
    """The name of a class that is given by name or index; the index as text where classes have no names."""
    index = model.class_index(label)
    return model.config.class_names[index] if model.config.class_names else str(index)


def _computed(model: StyleGenerator, text: str, where: str) -> Direction:
    """The direction of a name such as "pca:3", for the layers that ``where`` says."""
    width, classes = model.style_mean.shape[1], model.config.num_classes
    kind, _, rest = text.partition(":")
    layers = layer_range(where.strip() or None, model.layers)
    if kind == CLASSES and classes and ">" in rest:
        chosen = difference_direction(model, *map(str.strip, rest.split(">", 1)))
    elif kind in (PRINCIPAL, CLOSED_FORM) and re.fullmatch(r"\d{1,6}", rest) and int(rest) < width:
        number = int(rest) + 1
        if kind == PRINCIPAL:
            chosen = principal_directions(model, number)[-1]
        else:
            chosen = closed_form_directions(model, number, layers)[-1]
    else:
        raise ConfigError(_which_there_are(model, text, kind))
    if layers == (0, model.layers):
        return chosen
    return replace(chosen, name=f"{text}@{layers[0]}-{layers[1]}", layers=layers)


def _which_there_are(model: StyleGenerator, text: str, kind: str) -> str:
    """A sentence on a name that is no direction's."""
    width, classes = model.style_mean.shape[1], model.config.num_classes
    named = list(dict.fromkeys(one.name for one in model.named))
    known = [*named[:SHOWN], *(["..."] if len(named) > SHOWN else [])]
    known += [f"{PRINCIPAL}:0 to {PRINCIPAL}:{width - 1}", f"{CLOSED_FORM}:0 to {CLOSED_FORM}:{width - 1}"]
    if classes:
        first, second = (*model.config.class_names, "0", "1")[:2]
        known.append(f"{CLASSES}:FIRST>SECOND as in {CLASSES}:{first}>{second}")
    hint = "" if kind in COMPUTED else nearest(text, named) or (nearest(kind, COMPUTED) if ":" in text else "")
    return (
        f"There is no direction {text[:60]!r}.{hint} There are {', '.join(known)}, each with layers as in "
        f"{PRINCIPAL}:0@fine or {PRINCIPAL}:0@0-{model.layers}."
    )


def edit(w: Tensor, direction: Direction, amount: float, layers: Layers = None) -> Tensor:
    """Move points along a direction.

    Args:
        w: [N, D] or w+ [N, L, D], in any floating type.
        direction: A direction of the same D.
        amount: In standard deviations of w along the direction; 1 to 3 are visible and safe.
        layers: As in `layer_range`; None for those of the direction.

    Returns:
        The same shape; of w [N, D] moved in some layers only, w+ [N, L, D].

    Raises:
        ConfigError: For another D or L, an amount that is no number, or layers that do not exist.
    """
    width = len(direction.vector)
    fits = w.dim() == 2 or (w.dim() == 3 and direction.depth in (0, w.shape[1]))
    if not fits or w.shape[-1] != width:
        shapes = f"[N, {width}] or [N, {direction.depth or 'L'}, {width}]"
        raise ConfigError(f"{direction.name} moves points {shapes}, not {list(w.shape)}: take w of the same model.")
    if not abs(amount) < float("inf"):  # NaN fails too
        raise ConfigError(f"amount is a number of standard deviations, not {amount!r}.")
    depth = w.shape[1] if w.dim() == 3 else direction.depth
    whole = layers == "all" or (layers is None and direction.layers == (0, direction.depth))
    step = (direction.vector * (amount * direction.deviation)).to(w)
    if whole:
        return w + step
    if not depth:
        raise ConfigError(f"{direction.name} does not know how many layers there are: give w+, as of model.per_layer.")
    start, stop = direction.layers if layers is None else layer_range(layers, depth)
    moved = (w.unsqueeze(1).expand(-1, depth, -1) if w.dim() == 2 else w).clone()
    moved[:, start:stop] += step
    return moved
