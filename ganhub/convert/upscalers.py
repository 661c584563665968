"""Other people's super-resolution and restoration networks, each from one file of weights; its code is never run.

ESRGAN and Real-ESRGAN become ganhub's own :class:`~ganhub.models.esrgan.ESRGAN`, saved and shared as every model. What
else there is (Compact, SPAN, SwinIR, DAT, HAT, ...) is recognised and built by ``spandrel``, an optional package.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError, HubError
from ganhub.models import Translator
from ganhub.models.esrgan import ESRGAN
from ganhub.nn.devices import choose_device

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
# What weights are wrapped in, the better ones first: averages over the training before its last step.
_WRAPPERS = ("params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net")


class SpandrelUpscaler(Translator):
    """A network that spandrel has built. It is none of ganhub's architectures: it can be used, but not saved."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__(BaseConfig())
        self.network = descriptor.model  # here its parameters are found, moved and counted
        self.descriptor = descriptor
        self.architecture = descriptor.architecture.name
        # Where spandrel merely discourages tiles the user may choose: a large photo may not fit otherwise.
        self.tiles = descriptor.tiling.name != "INTERNAL"

    @property
    def scale(self) -> int:
        return self.descriptor.scale

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in [-1, 1] -> [N, 3, H * scale, W * scale] in [-1, 1], without gradients.

        spandrel pads what the network cannot take: too few pixels, no multiple, no square. So ``multiple`` stays 1.
        """
        x = (images.contiguous() / 2 + 0.5).clamp(0, 1)
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(0)  # some draw noise, as AuraSR does, but a photo has one result
            made = [self.descriptor(one) for one in x.split(1)]  # which takes one picture at a time
        return torch.cat(made) * 2 - 1

    def save_pretrained(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise HubError: no folder can hold it."""
        raise HubError(f"{self.architecture} is spandrel's network, not ganhub's: share the file that it came from.")


def open_upscaler(path: str | Path, *, device: str | torch.device = "cpu") -> Translator:
    """Read a super-resolution or restoration network of RGB pictures.

    Args:
        path: A .pth, .pt, .ckpt or .safetensors: weights alone, or a training's checkpoint around them.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.

    Returns:
        An ``ESRGAN`` or a ``SpandrelUpscaler``, in ``eval()`` and float32.

    Raises:
        ConfigError: Another suffix, other channels, another purpose, spandrel is needed and missing, or there is no
            such device.
        HubError: A file that is missing or broken, needs code to be opened, or holds no network that is known.
    """
    place, path = choose_device(device), Path(path)
    tensors = _tensors(_read(path), path.name)
    try:
        model = ESRGAN.from_tensors({key.removeprefix("generator."): x for key, x in tensors.items()})
    except ConfigError:  # raised for its relatives too, such as ESRGAN+, which spandrel knows
        model = SpandrelUpscaler(_described(tensors, path.name))
    return model.to(place).eval()


def _read(path: Path) -> Any:
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path.name} is no file of weights: these end in {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise HubError(f"There is no file {path}: check the path.")
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can make the readers raise anything
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise HubError(
                f"{path.name} holds more than weights ({code[1]}), which could run code, so it is not opened: ask for "
                "a .safetensors, or, where you trust the file, save its state_dict alone."
            ) from error
        raise HubError(f"{path.name} cannot be read as weights: fetch it again, or ask for a .safetensors.") from error


def _tensors(stored: Any, name: str) -> dict[str, Tensor]:
    for _ in range(4):  # wrappers may be wrapped, and a dict may hold itself
        around = stored if isinstance(stored, dict) else {}
        keys = (*_WRAPPERS, *(around if len(around) == 1 else ()))
        stored = next((around[key] for key in keys if isinstance(around.get(key), dict)), around)
    tensors = {key: x for key, x in stored.items() if isinstance(key, str) and isinstance(x, Tensor)}
    if not tensors:
        raise HubError(f"{name} holds no weights under any of the usual names: choose another file.")
    for prefix in ("module.", "netG."):
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): x for key, x in tensors.items()}
    return tensors


def _described(tensors: dict[str, Tensor], name: str) -> Any:
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # the second: torchvision, which it needs, beside another torch
        raise ConfigError(f'{name} is no ESRGAN; others need spandrel: pip install "ganhub[upscalers]".') from error
    try:
        found = spandrel.ModelLoader().load_from_state_dict(tensors)
    except Exception as error:  # names like those of a network, and shapes that are not
        raise HubError(f"{name} is of no network that ganhub or spandrel {spandrel.__version__} knows.") from error
    if found.purpose not in ("SR", "Restoration"):
        raise ConfigError(f"{name} is a network for {found.purpose}; only those that enlarge or restore are opened.")
    if (channels := (found.input_channels, found.output_channels)) != (3, 3):
        raise ConfigError(f"{name} has {channels[0]} channels in and {channels[1]} out; only those for RGB are opened.")
    return found
