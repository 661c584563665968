"""Real pictures as a metric needs them: read batch by batch, and their features, computed once for each content."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ganhub.data import Pictures
from ganhub.errors import FileError, MetricError
from ganhub.files import write_atomically
from ganhub.images import to_uint8
from ganhub.metrics._base import OnStep
from ganhub.metrics.extractors import Extractor

BATCH = 64


def read(source: Pictures, count: int, what: str, on_step: OnStep) -> tuple[Tensor, Tensor | None]:
    """The first ``count`` pictures of a collection and their classes, batch by batch."""
    images, labels = [], []
    for first in range(0, count, BATCH):
        batch = source.batch(first, min(BATCH, count - first))
        images.append(batch.images)
        labels.append(batch.labels)
        on_step(what, min(first + BATCH, count), count)
    if not images:
        raise MetricError("The collection holds no pictures: check --data.")
    return torch.cat(images), None if labels[0] is None else torch.cat(labels)


def feature_cache() -> Path | None:
    """Where features of real pictures are kept: $GANHUB_CACHE/features, or ~/.cache/ganhub/features.

    None where nobody knows the user's home: then they are computed each time.
    """
    home = os.path.expanduser("~")
    if folder := os.environ.get("GANHUB_CACHE") or ("" if home == "~" else os.path.join(home, ".cache", "ganhub")):
        return Path(os.path.expanduser(folder)) / "features"
    return None


def features_of(pictures: Tensor, network: Extractor, cache: Path | None, on_step: OnStep) -> Tensor:
    """Features [N, dim] of pictures, computed once for each content: the cache's key is a hash of all pixels."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    digest = hashlib.sha256(f"{network.name} {network.weights} {network.resize} {tuple(pictures.shape)}".encode())
    for part in pictures.split(256):
        digest.update(to_uint8(part).numpy().tobytes())
    folder = cache or feature_cache()
    path = folder and folder / f"{network.name}-{digest.hexdigest()[:32]}.safetensors"
    with suppress(OSError, SafetensorError, KeyError):  # not there yet, or cut off
        features = load_file(path)["features"] if path else torch.empty(0)
        if features.shape == (len(pictures), network.dim):
            return features
    rows = []
    for first in range(0, len(pictures), BATCH):
        rows.append(network(pictures[first : first + BATCH]))
        on_step("measuring real pictures", min(first + BATCH, len(pictures)), len(pictures))
    features = torch.cat(rows)
    if path is None:
        return features
    # A full or read-only disk costs the next run its time, nothing else.
    with suppress(FileError, SafetensorError):
        write_atomically(path, lambda part: save_file({"features": features}, part))
    return features
