"""Interpolate: a walk through latent space from pin to pin, as a film."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ganhub import latents
from ganhub.creation._base import Creation, Library, OnStep, Result, bounded, choice
from ganhub.creation.checks import MAX_SEED
from ganhub.creation.generate import at_once
from ganhub.creation.inputs import Inputs
from ganhub.creation.pins import DURATIONS, Pin
from ganhub.images import video
from ganhub.latents.easing import list_easings
from ganhub.latents.paths import MAX_FRAMES
from ganhub.models import LatentGenerator, StyleGenerator


@dataclass(frozen=True, kw_only=True)
class Interpolate(Creation, verb="interpolate"):
    """A film from pin to pin; each pin is the picture of a seed.

    Attributes:
        model: A latent generator.
        seeds: Two or more, one for each pin.
        frames: Pictures of the film, at least one for each seed.
        label: Name or index of a class; None for each seed's own.
        labels: A class for each pin, "" for that of ``label``; or () for none.
        durations: For each pin how long the way to the next lasts, compared with the others; or () for the same speed
            on all ways.
        easing: How it moves between two pins: at the same speed, slowly at each pin, or it stays there, then goes.
        loop: Whether it ends where it began.
        space: "z", "w", or "" for w where the model has it.
        truncation: Below 1: more typical, less varied.
        pace: "latent", or "picture": frames differ equally.
        fps: Frames a second; a GIF has 50 at most.
        format: What kind of file the film is.
    """

    model: str
    seeds: tuple[int, ...] = bounded(0, MAX_SEED)
    frames: int = bounded(2, MAX_FRAMES, 48)
    label: str | int | None = bounded(0, 1_000_000, None)
    labels: tuple[str | int, ...] = bounded(0, 1_000_000, ())
    durations: tuple[float, ...] = bounded(*DURATIONS, ())
    easing: str = choice(*(one.name for one in list_easings()))
    loop: bool = True
    space: str = choice("", "z", "w")
    truncation: float = bounded(0, 1.5, 1.0)
    pace: str = choice("latent", "picture")
    fps: float = bounded(1, 120, 24.0)
    format: str = choice(*video.FORMATS)

    def check(self) -> None:
        count = len(self.seeds)
        self.require(count >= 2, f"Give 2 or more seeds, separated by commas; there are {count}.")
        self.require(count <= self.frames, f"frames must be from {count} to {MAX_FRAMES}, not {self.frames}.")
        for name in ("labels", "durations"):
            given = len(getattr(self, name))
            self.require(given in (0, count), f"{name} must have one value for each of {count} seeds, not {given}.")
        fastest = video.fastest(f"film.{self.format}")
        self.require(self.fps <= fastest, f"fps must be from 1 to {fastest} for a {self.format}, not {self.fps:g}.")

    def pins(self) -> list[Pin]:
        """The pins one by one."""
        labels, durations = self.labels or [""] * len(self.seeds), self.durations or [0.0] * len(self.seeds)
        return [Pin(*fields) for fields in zip(self.seeds, labels, durations, strict=True)]

    def classes(self, generator: LatentGenerator) -> Any:
        """What :func:`ganhub.latents.frames_of` takes as label."""
        if not any(label != "" for label in self.labels):
            return self.label
        count = max(1, generator.config.num_classes)
        usual = [seed % count if self.label is None else self.label for seed in self.seeds]
        return [own if label == "" else label for label, own in zip(self.labels, usual, strict=True)]

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        generator = library.open(self.model, LatentGenerator)
        space = self.space or ("w" if isinstance(generator, StyleGenerator) else "z")
        coming = latents.frames_of(
            generator, self.seeds, self.frames, label=self.classes(generator), loop=self.loop, space=space,
            truncation=self.truncation, pace=self.pace, durations=self.durations, easing=self.easing,
            batch_size=at_once(generator),
        )  # fmt: skip
        on_step(0, self.frames, None)
        film = torch.empty(self.frames, generator.config.channels, *generator.config.size)  # once, not twice
        for done, picture in enumerate(coming):
            film[done] = picture
            on_step(done + 1, self.frames, None)  # one at a time, so that one can watch and stop
        return Result(film=film)
