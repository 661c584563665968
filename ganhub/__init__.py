"""ganhub: GANs and style networks, each one readable file, from the Hugging Face Hub to the browser."""

from ganhub._version import __version__
from ganhub.errors import GanhubError
from ganhub.images import load_image, save_grid, save_image
from ganhub.models import AutoModel, list_architectures

__all__ = [
    "AutoModel",
    "GanhubError",
    "__version__",
    "list_architectures",
    "load_image",
    "save_grid",
    "save_image",
]
