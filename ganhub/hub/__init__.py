"""Folders and Hub repositories: (config, tensors) in, (config, tensors) out.

A Hub folder holds ``config.json``, ``model.safetensors``, ``README.md`` (the card), ``metrics.json`` and
``samples.png``; optionally ``training/``, which inference never reads. ``folder`` reads and writes one on the disk;
``names`` finds it, ``downloads`` fetches it (``visitors`` for those of a web page), ``uploads`` pushes it, ``cards``
writes what it says of itself. They know no model class, and those three are the only ones that import
``huggingface_hub`` (inside the functions, so that ``import ganhub`` stays quick). Whatever goes wrong comes out as one
:class:`~ganhub.errors.HubError` sentence that says what to do.
"""

from ganhub.hub.downloads import client
from ganhub.hub.folder import read_config, read_shapes, read_tensors, weights_name, write_folder
from ganhub.hub.names import find_local, is_repo_id, list_local, locate, owner, repo_of
from ganhub.hub.revisions import revision_of

__all__ = ["client", "find_local", "is_repo_id", "list_local", "locate", "owner", "read_config", "read_shapes",
           "read_tensors", "repo_of", "revision_of", "weights_name", "write_folder"]  # fmt: skip
