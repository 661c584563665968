"""Growing a labelled folder: DIR/CLASS/*.png comes back with its originals and with new pictures, labels kept.

New pictures are samples of a conditional GAN that was trained on these very pictures and nothing else (or of a model
that knows the same classes), or the originals painted in other styles. Nothing is curated. What will be made is decided
before anything is: ``plan_samples`` and ``plan_restyled`` are functions of the folder and a seed, so the same call
resumes and ends in the same files.
"""

from ganhub.augment.by_generator import (
    check_classes,
    generator_recipe,
    generator_size,
    plan_samples,
    sample_into,
    train_generator,
)
from ganhub.augment.by_style import plan_restyled, restyle, restyle_into
from ganhub.augment.folder import Labelled, New, Original, begin, counts, read_labelled

__all__ = [
    "Labelled",
    "New",
    "Original",
    "begin",
    "check_classes",
    "counts",
    "generator_recipe",
    "generator_size",
    "plan_restyled",
    "plan_samples",
    "read_labelled",
    "restyle",
    "restyle_into",
    "sample_into",
    "train_generator",
]
