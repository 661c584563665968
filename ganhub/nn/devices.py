"""Where a model runs: from the word that a user types to a device that is there."""

from __future__ import annotations

import torch

from ganhub.errors import ConfigError


def best_device() -> torch.device:
    """The fastest kind of device on this machine: cuda, then mps, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_device(device: str | torch.device) -> torch.device:
    """The device of a name: "cpu", "cuda", "cuda:1", "mps", or "auto" for the best there is.

    Raises:
        ConfigError: No such name, or no such device on this machine.
    """
    if device == "auto":
        return best_device()
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError, ValueError):
        raise ConfigError(
            f"There is no device {str(device)!r}: choose from auto, cpu, cuda (NVIDIA or AMD) and mps (Apple)."
        ) from None
    if not _is_there(chosen):
        raise ConfigError(f"There is no {chosen} here: this machine has {' and '.join(_here())}. Choose one, or auto.")
    return chosen


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "cpu":
        return True
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return (
        accelerator is not None
        and accelerator.type == device.type
        and ((device.index or 0) < torch.accelerator.device_count())
    )


def _here() -> list[str]:
    """The names of what is on this machine."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        return ["cpu"]
    return ["cpu", *(f"{accelerator.type}:{index}" for index in range(torch.accelerator.device_count()))]
