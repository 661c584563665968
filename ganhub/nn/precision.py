"""What this machine can do: native number formats, and compiling."""

from __future__ import annotations

import torch


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is native on this device; where it is emulated it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private names, so they may be gone one day
    return any(getattr(torch.cpu, name, bool)() for name in probes)


def why_no_compiler(device: torch.device) -> str:
    """Why torch.compile does not work here, as the name of its error; "" where it does. Takes seconds."""
    try:
        torch.compile(lambda x: torch.sin(x) + 1)(torch.ones(8, device=device))
    except Exception as error:  # no compiler, no Triton, no writable cache: each raises its own kind
        return type(error).__name__
    return ""
