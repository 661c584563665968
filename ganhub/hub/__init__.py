"""Folders and Hub repositories: (config, tensors) in, (config, tensors) out.

A Hub folder holds ``config.json``, ``model.safetensors``, ``README.md`` (the card), ``metrics.json`` and
``samples.png``; optionally ``directions.json`` (named directions of a space of styles) and ``training/``, which
inference never reads. ``folder`` reads and writes one on the disk; ``names`` finds it, ``downloads`` fetches it
(``visitors`` for those of a web page), ``uploads`` pushes it, ``cards`` writes its card. They know no model class. Only
``downloads``, ``uploads`` and ``visitors`` import ``huggingface_hub``, inside their functions: ``import ganhub``
stays quick that way. Whatever goes wrong with a folder or the Hub is raised as a :class:`~ganhub.errors.HubError`, and
a file that cannot be written as a :class:`~ganhub.errors.FileError`: one sentence that says what to do.
"""

from ganhub.hub.downloads import client
from ganhub.hub.folder import read_config, read_shapes, read_tensors, weights_name, write_folder
from ganhub.hub.names import find_local, is_repo_id, list_local, locate, owner, repo_of
from ganhub.hub.revisions import revision_of

__all__ = ["client", "find_local", "is_repo_id", "list_local", "locate", "owner", "read_config", "read_shapes",
           "read_tensors", "repo_of", "revision_of", "weights_name", "write_folder"]  # fmt: skip
