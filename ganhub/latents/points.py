"""Points of W as files: safetensors with "w" and perhaps "noise", and a few words about them as metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ganhub.errors import ConfigError, FileError
from ganhub.files import write_atomically
from ganhub.models import StyleGenerator


def save_w(
    w: Tensor, path: str | os.PathLike[str], *, noise: Tensor | None = None, about: Mapping[str, str] | None = None
) -> Path:
    """Write points.

    Args:
        w: [N, style_dim] or [N, L, style_dim].
        path: Ends in .safetensors; folders on the way are made.
        noise: [N, noise_dim], the noise inputs of their pictures.
        about: Metadata, such as {"model": "stylegan2-landscapes"}.

    Raises:
        ConfigError: For another suffix.
        FileError: For a place that cannot be written to.
    """
    from safetensors.torch import save_file

    path = Path(path)
    if path.suffix != ".safetensors":
        raise ConfigError(f"{path.name} does not say that it holds tensors: end its name in .safetensors.")
    tensors = {"w": w.detach().float().cpu().contiguous()}
    if noise is not None:
        tensors["noise"] = noise.detach().float().cpu().contiguous()
    return write_atomically(path, lambda place: save_file(tensors, place, metadata=dict(about or {})))


def load_w(path: str | os.PathLike[str], model: StyleGenerator | None = None) -> tuple[Tensor, Tensor | None]:
    """Read points that `save_w` wrote: w, and the noise inputs or None, float32 on the CPU.

    Args:
        path: A .safetensors file.
        model: What the points shall fit.

    Raises:
        FileError: For a file that is missing or holds no points.
        ConfigError: For points of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise FileError(f"{Path(path).name} cannot be read as safetensors ({error}): save the point again.") from error
    w, noise = tensors.get("w"), tensors.get("noise")
    if w is None or w.dim() not in (2, 3) or not w.is_floating_point() or not w.isfinite().all():
        raise FileError(f"{Path(path).name} holds no points of W: give a file that ganhub project or save_w wrote.")
    if model is not None:
        model.per_layer(w)  # says what is wrong with the shape
        if noise is not None and noise.shape != (len(w), model.noise_dim):
            noise = None
    return w.float(), None if noise is None else noise.float()
