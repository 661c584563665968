"""Edit: the picture of a seed, or of a photo's projection, moved along directions of W and mixed with another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ganhub.creation._base import Creation, Library, OnStep, Result, bounded, choice, picture
from ganhub.creation.checks import MAX_SEED, number, shown
from ganhub.creation.inputs import Inputs
from ganhub.creation.project import Project
from ganhub.latents import Direction, Projection, direction, edit, layer_range, mix, principal_directions
from ganhub.latents.directions import class_name
from ganhub.models import StyleGenerator
from ganhub.models._named import COMPUTED, named_here, written

REACH = 4.0  # standard deviations to either side
NOTHING = "nothing"
PARTS = {"coarse": "shape", "middle": "details", "fine": "colours"}  # of the layers -> what they decide on
MIXES = (NOTHING, *PARTS, "coarse+middle", "coarse+fine", "middle+fine", "coarse+middle+fine")
MOST_CHANGES = 64  # directions of one picture
COUNT = 8  # principal directions that are computed together
MOST = 256  # directions of a model that are remembered
STARTS = 2  # points of W that are kept beside those of the newest edit
KINDS = {"pca": "Change", "sefa": "Other change"}  # of a direction's name -> in words
_directions: WeakKeyDictionary[StyleGenerator, dict[str, Direction]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Start:
    """What edits begin from.

    Attributes:
        label: Index of the class, [1], or None.
        w: w+ [1, L, style_dim].
        noise: [1, noise_dim].
        picture: What edits are seen beside, [1, C, H, W]: that of the seed, or the photo; None where it is kept.
        text: A sentence about it.
    """

    label: Tensor | None
    w: Tensor
    noise: Tensor
    picture: Tensor | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Edit(Creation, verb="edit"):
    """An edited picture: first mixing, then truncation, then directions.

    Attributes:
        model: A generator with a space of styles.
        seed: Of the picture to begin with, where there is no photo.
        photo: sha256 of a photo, which is projected to W first.
        size: The photo is shrunk until no side is longer; 0 leaves it as it is.
        steps: Of that projection.
        label: Name or index of a class; None for the seed's own, or the nearest to the photo.
        directions: (name, amount in standard deviations, or in the unit of a named direction).
        mixed: Which styles are those of another picture.
        mix_seed: Its seed, where it is no photo.
        mix_label: The class of that seed's picture; None for the class of the picture that is edited.
        mix_photo: sha256 of a photo, which is projected to W first, with ``size`` and ``steps``.
        truncation: Below 1: more typical.
    """

    model: str
    seed: int = bounded(0, MAX_SEED, 0)
    photo: str = picture("")
    size: int = bounded(0, 16_384, 0)
    steps: int = bounded(1, 10_000, 300)
    label: str | int | None = bounded(0, 1_000_000, None)
    directions: tuple[tuple[str, float], ...] = ()
    mixed: str = choice(*MIXES)
    mix_seed: int = bounded(0, MAX_SEED, 0)
    mix_label: str | int | None = bounded(0, 1_000_000, None)
    mix_photo: str = picture("")
    truncation: float = bounded(0, 1.5, 1.0)

    has_details = True

    def check(self) -> None:
        count = len(self.directions)
        self.require(count <= MOST_CHANGES, f"Change a picture along at most {MOST_CHANGES} directions, not {count}.")
        for name, amount in self.directions:
            number(shown(in_words(name)), amount, -REACH, REACH)

    def details(self, library: Library) -> str:
        return details_of(self.model, [name for name, _ in self.directions], library)

    @property
    def source(self) -> str:
        """What edits begin from, in words."""
        return "photo" if self.photo else f"seed {self.seed}"

    @property
    def projects(self) -> bool:
        """Whether a photo has to be found in the model, which takes minutes."""
        return bool(self.photo or self.mix_photo)

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        start, photo = self._start(library, inputs, on_step)
        other = self._other()._start(library, inputs, on_step)[0] if self._other() and self.mixed != NOTHING else None
        wanted = (self._unedited(), self._other())
        others = [key for key in list(inputs.kept) if key[0] not in wanted]
        for key in others[:-STARTS]:  # it stays small; the newest may be of another job, which is at work now
            inputs.kept.pop(key, None)
        generator = library.open(self.model, StyleGenerator)
        w, notes = self._move(generator, start, other)
        picture = generator.from_w(w, noise=start.noise)
        tensors = {"w": w.cpu().contiguous(), "noise": start.noise.float().cpu().contiguous()}
        return Result(pictures=picture, photo=photo, text=start.text, tensors=tensors, notes=notes)

    def require_inputs(self, inputs: Inputs) -> None:
        kept = [start for start, _ in list(inputs.kept)]
        for one in (self._unedited(), self._other()):
            if one is not None and one not in kept:
                for digest in one.digests():
                    inputs.find(digest, "photo" if digest == self.photo else "other photo")

    def _unedited(self) -> Edit:
        """The same without edits, which is what the start depends on."""
        return replace(
            self, directions=(), mixed=NOTHING, mix_seed=0, mix_label=None, mix_photo="", truncation=1.0, revision=""
        )

    def _other(self) -> Edit | None:
        """The photo that styles are taken from, without edits; None where there is none."""
        if not self.mix_photo:
            return None
        return Edit(model=self.model, photo=self.mix_photo, size=self.size, steps=self.steps)

    def _start(self, library: Library, inputs: Inputs, on_step: OnStep) -> tuple[Start, Tensor | None]:
        """What edits begin from, computed once for the same inputs, as that of a photo takes minutes; and its picture,
        None where it was computed before."""
        key = (self._unedited(), library.revision(self.model))
        if (kept := inputs.kept.get(key)) is not None:
            return kept, None
        start = self._project(library, inputs, on_step) if self.photo else self._sample(library, on_step)
        inputs.kept[key] = replace(start, picture=None)
        return start, start.picture

    def _project(self, library: Library, inputs: Inputs, on_step: OnStep) -> Start:
        """The point of W of the photo, with early looks."""
        generator = library.open(self.model, StyleGenerator)
        for name, _ in self.directions:
            require_direction(generator, name, self.label)  # says what is wrong now: a projection takes minutes
        project = Project(model=self.model, photo=self.photo, size=self.size, steps=self.steps, label=self.label)
        projection = project.projection(library, inputs, on_step)
        label = None if projection.label is None else torch.tensor([projection.label])
        return Start(label, projection.w, projection.noise, projection.target, closeness(projection))

    def _sample(self, library: Library, on_step: OnStep) -> Start:
        """The point of W of the seed."""
        generator = library.open(self.model, StyleGenerator)
        on_step(0, 0, None)
        label = generator.labels(1, self.label, self.seed)
        w = generator.per_layer(generator.to_w(generator.latent([self.seed]), label)).clone()
        noise = generator.noise([self.seed])
        return Start(label, w, noise, generator.from_w(w, noise=noise), f"This is seed {self.seed}.")

    def _move(self, generator: StyleGenerator, start: Start, other: Start | None) -> tuple[Tensor, list[str]]:
        """w+ of the edits, [1, L, style_dim], and what was done in words."""
        w, notes = start.w.to(generator.device), []
        label = None if start.label is None else start.label.to(generator.device)
        if self.mixed != NOTHING:
            own = label if self.mix_label is None else generator.labels(1, self.mix_label).to(generator.device)
            wanted = other.w.to(w) if other else generator.to_w(generator.latent([self.mix_seed]), own)
            for part in self.mixed.split("+"):
                w = mix(generator, w, wanted, part)
            taken = " and ".join(PARTS[part] for part in self.mixed.split("+"))
            notes.append(f"{taken} of {'another photo' if other else f'seed {self.mix_seed}'}")
        if self.truncation != 1:
            w = generator.truncate_w(w, label, self.truncation)
            notes.append(f"truncation {self.truncation:g}")
        for name, amount in self.directions:
            if amount:
                w = edit(w, cached_direction(generator, name, None if label is None else int(label)), amount)
                notes.append(f"{in_words(name)} {amount:+.1f}")
        return w.float(), notes


def kept_start(creation: Edit, inputs: Inputs) -> Start | None:
    """What the edits of a Creation began from, where it was computed with these inputs."""
    plain = creation._unedited()
    return next((kept for (start, _), kept in list(inputs.kept.items()) if start == plain), None)


def details_of(model: str, names: Sequence[str], library: Library) -> str:
    """What ``directions.json`` says of directions, of those of these names that are in it; "" where none is."""
    bases = {name.partition("@")[0].strip() for name in names}
    if all(base.partition(":")[0] in COMPUTED for base in bases):
        return ""
    return written(library.open(model, StyleGenerator).named, bases)


def in_words(name: str) -> str:
    """ "pca:2" -> "Change 3", "pca:2@fine" -> "Change 3 (colours)", "class:cat>dog" -> "cat to dog"; names stay."""
    base, _, layers = str(name).partition("@")
    kind, _, rest = base.partition(":")
    where = f" ({PARTS.get(layers, f'layers {layers}')})" if layers else ""
    if kind in KINDS and re.fullmatch(r"[0-9]{1,6}", rest):
        return f"{KINDS[kind]} {int(rest) + 1}{where}"
    return f"{rest.replace('>', ' to ', 1)}{where}" if kind == "class" and ">" in rest else f"{base}{where}"


def require_direction(generator: StyleGenerator, name: str, label: str | int | None) -> None:
    """Raise ConfigError unless there is a direction of this name, for the class or, without one, for any."""
    base = name.partition("@")[0].strip().casefold()
    if label is not None or not any(one.name.casefold() == base for one in generator.named):
        cached_direction(generator, name, None if label is None else generator.class_index(label))


def cached_direction(generator: StyleGenerator, name: str, label: int | None = None) -> Direction:
    """:func:`ganhub.latents.direction`, computed once for each model in memory: a slider asks at every move."""
    name, directions = name.strip(), _directions.setdefault(generator, {})
    base, _, layers = name.partition("@")
    if any(one.name.casefold() == base.strip().casefold() for one in generator.named):
        return _named(generator, name, label)
    if name.startswith("pca:") and "pca:0" not in directions:
        few = min(COUNT, generator.style_mean.shape[1])
        directions.update({way.name: way for way in principal_directions(generator, few)})
    if name not in directions and base.startswith("pca:") and base in directions:  # the same way, in some of the layers
        return replace(directions[base], name=name, layers=layer_range(layers.strip() or None, generator.layers))
    if name not in directions:
        if len(directions) > MOST:
            directions.clear()
        directions[name] = direction(generator, name)
    return directions[name]


def _named(generator: StyleGenerator, name: str, label: int | None) -> Direction:
    """A named direction; what it refers to is computed once."""
    base, _, layers = name.partition("@")
    one = named_here(generator.named, base, None if label is None else class_name(generator, label))
    if one.vector is not None:
        return direction(generator, name, label)
    way = cached_direction(generator, one.reference)
    return way if not layers.strip() else replace(way, layers=layer_range(layers.strip(), generator.layers))


def closeness(projection: Projection) -> str:
    """How near a projection came, in a few sentences."""
    times = projection.start_error / max(projection.error, 1e-9)
    near = f"{times:.1f} times closer than the best seed" if times >= 1.05 else "as close as the best seed"
    return f"Found in {projection.seconds:.0f} s, {near}. {projection.note}".strip()
