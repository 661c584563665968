"""Other people's super-resolution and restoration networks, each from one file of weights; its code is never run.

ESRGAN and Real-ESRGAN become ganhub's own :class:`~ganhub.models.esrgan.ESRGAN`, saved and shared as every model. What
else there is (Compact, SPAN, SwinIR, DAT, HAT, ...) is recognised and built by ``spandrel``, an optional package.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganhub.config import BaseConfig
from ganhub.convert.weights import read_weights
from ganhub.errors import ConfigError, HubError
from ganhub.models import Translator
from ganhub.models.esrgan import ESRGAN
from ganhub.nn.devices import choose_device

ROOM = 64 * 2**20  # bytes that a network may take beside its weights: positions, masks of attention
_drawing = threading.Lock()  # held while a network draws from torch's own generator, which all threads share


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
        with _drawing, torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(0)  # some draw noise, as AuraSR does, but a photo has one result
            results = [self.descriptor(one) for one in x.split(1)]  # which takes one picture at a time
        return torch.cat(results) * 2 - 1

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
    tensors = read_weights(path)
    try:
        model = ESRGAN.from_tensors(tensors)
    except ConfigError:  # raised for its relatives too, such as ESRGAN+, which spandrel knows
        model = SpandrelUpscaler(_described(tensors, path.name))
    return model.to(place).eval()


def _described(tensors: dict[str, Tensor], name: str) -> Any:
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # the second: torchvision, which it needs, beside another torch
        raise ConfigError(f'{name} is no ESRGAN; others need spandrel: pip install "ganhub[upscalers]".') from error
    most = ROOM + 16 * sum(x.numel() for x in tensors.values())
    try:
        with torch.device("cpu"), _Bounded(most, 20 * len(tensors) + 2000):
            descriptor = spandrel.ModelLoader().load_from_state_dict(tensors)
    except Exception as error:  # names like those of a network, and shapes that are not
        raise HubError(f"{name} is of no network that ganhub or spandrel {spandrel.__version__} knows.") from error
    if descriptor.purpose not in ("SR", "Restoration"):
        raise ConfigError(
            f"{name} is a network for {descriptor.purpose}; only those that enlarge or restore are opened."
        )
    if (channels := (descriptor.input_channels, descriptor.output_channels)) != (3, 3):
        raise ConfigError(f"{name} has {channels[0]} channels in and {channels[1]} out; only those for RGB are opened.")
    return descriptor


class _Bounded(TorchFunctionMode):
    """Within, no more than so many bytes and new tensors: a small tensor may ask for a huge network, or a deep one."""

    def __init__(self, most: int, tensors: int) -> None:
        super().__init__()
        self.left, self.tensors = most, tensors

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MAKERS:
            self.left -= func(*args, **{**kwargs, "device": "meta"}).nbytes
            self.tensors -= 1
            if self.left < 0 or self.tensors < 0:
                raise ConfigError("The network would be larger than its weights.")
        return func(*args, **kwargs)


_MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace}
