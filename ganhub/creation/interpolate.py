"""Interpolate: a walk through latent space from seed to seed, as a film."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ganhub import latents
from ganhub.creation._base import Creation, Library, OnStep, Result, bounded, choice
from ganhub.creation.checks import MAX_SEED
from ganhub.creation.generate import at_once
from ganhub.creation.inputs import Inputs
from ganhub.latents.paths import MAX_FRAMES
from ganhub.models import LatentGenerator, StyleGenerator


@dataclass(frozen=True, kw_only=True)
class Interpolate(Creation, verb="interpolate"):
    """A film from seed to seed.

    Attributes:
        model: A latent generator.
        seeds: Two or more.
        frames: Pictures of the film, at least one for each seed.
        label: Name or index of a class; None for each seed's own.
        loop: Whether it ends where it began.
        space: "z", "w", or "" for w where the model has it.
        truncation: Below 1: more typical, less varied.
        pace: "latent", or "picture": frames differ equally.
        fps: Frames a second.
    """

    model: str
    seeds: tuple[int, ...] = bounded(0, MAX_SEED)
    frames: int = bounded(2, MAX_FRAMES, 48)
    label: str | int | None = bounded(0, 1_000_000, None)
    loop: bool = True
    space: str = choice("", "z", "w")
    truncation: float = bounded(0, 1.5, 1.0)
    pace: str = choice("latent", "picture")
    fps: float = bounded(1, 120, 24.0)

    def check(self) -> None:
        count = len(self.seeds)
        self.require(count >= 2, f"Give 2 or more seeds, separated by commas; there are {count}.")
        self.require(count <= self.frames, f"frames must be from {count} to {MAX_FRAMES}, not {self.frames}.")

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        generator = library.open(self.model, LatentGenerator)
        space = self.space or ("w" if isinstance(generator, StyleGenerator) else "z")
        coming = latents.frames_of(
            generator, self.seeds, self.frames, label=self.label, loop=self.loop, space=space,
            truncation=self.truncation, pace=self.pace, batch_size=at_once(generator),
        )  # fmt: skip
        on_step(0, self.frames, None)
        film = torch.empty(self.frames, generator.config.channels, *generator.config.size)  # once, not twice
        for done, picture in enumerate(coming):
            film[done] = picture
            on_step(done + 1, self.frames, None)  # one at a time, so that one can watch and stop
        return Result(film=film)
