"""Project: the point of W whose picture is most like a photo."""

from __future__ import annotations

from dataclasses import dataclass

from ganhub import images
from ganhub.creation._base import Creation, Library, OnStep, Result, bounded, choice, picture
from ganhub.creation.checks import MAX_SEED
from ganhub.creation.inputs import Inputs
from ganhub.latents import Projection, project
from ganhub.latents.projection import MAX_STEPS, SPACES
from ganhub.models import StyleGenerator


@dataclass(frozen=True, kw_only=True)
class Project(Creation, verb="project"):
    """The projection of a photo. Its result has the picture of the point, the photo, and the tensors "w" and "noise".

    Attributes:
        model: A generator with a space of styles.
        photo: Its sha256.
        size: The photo is shrunk until no side is longer; 0 leaves it as it is.
        label: Name or index of a class; None for the nearest to the photo.
        space: "w+" comes closer to the photo, "w" edits more cleanly.
        steps: Of the descent.
        seconds: Stop after about so many; None makes every step, and the same result each time.
        network: Feature network of the distance, "vgg-lite" or "vgg19".
        seed: First of the seeds that are started from, and of the noise inputs.
    """

    model: str
    photo: str = picture()
    size: int = bounded(0, 16_384, 0)
    label: str | int | None = bounded(0, 1_000_000, None)
    space: str = choice(*SPACES)
    steps: int = bounded(1, MAX_STEPS, 300)
    seconds: float | None = bounded(0.1, 1e6, None)
    network: str = "vgg-lite"
    seed: int = bounded(0, MAX_SEED, 0)

    def make(self, library: Library, inputs: Inputs, on_step: OnStep) -> Result:
        projection = self.projection(library, inputs, on_step)
        text = (
            f"Perceptual distance ({self.network}) {projection.error:.4f}, from {projection.start_error:.4f} for the "
            f"best seed, in {projection.steps} steps and {projection.seconds:.0f} s."
        )
        return Result(
            pictures=projection.picture, photo=projection.target, text=text,
            tensors={"w": projection.w, "noise": projection.noise}, notes=[projection.note] if projection.note else [],
        )  # fmt: skip

    def projection(self, library: Library, inputs: Inputs, on_step: OnStep) -> Projection:
        """The point, and how close it came."""
        generator = library.open(self.model, StyleGenerator)
        # Four channels, so that it is said what becomes of transparency.
        photo = images.load_image(inputs.find(self.photo, "photo"), channels=4, max_side=self.size or None)
        on_step(0, self.steps, None)
        return project(
            generator, photo, label=self.label, space=self.space, steps=self.steps, network=self.network,
            seconds=self.seconds, seed=self.seed, on_step=on_step,
        )  # fmt: skip
