"""What a run remembers of earlier batches, as a part of its state."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Memory(nn.Module):
    """Buffers that grow from nothing; a state dict is loaded at whatever length it had."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for name in names:
            self.register_buffer(name, torch.empty(0))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, held in list(self.named_buffers(recurse=False)):
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(saved, device=held.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
