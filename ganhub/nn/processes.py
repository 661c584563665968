"""Several processes that train one model together (``torchrun``): sums over all of them, and who speaks for them."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from ganhub.errors import ProcessDied


def process_count() -> int:
    """Processes that train together; 1 where nobody started several."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_index() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if process_count() > 1 else 0


def total(tensor: Tensor) -> Tensor:
    """Sum over all processes, the same bits in each. Every process has to call it, in the same order.

    The gradient of a sum that everybody gets is the sum of everybody's gradients, so that it can be differentiated
    any number of times, as gradient penalties need.

    Args:
        tensor: Floating, any shape, the same in all processes.

    Returns:
        The same shape, contiguous.

    Raises:
        ProcessDied: When one of the processes is gone, or does not answer within the process group's time limit.
    """
    return _Total.apply(tensor)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        result = tensor.clone(memory_format=torch.contiguous_format)
        try:
            dist.all_reduce(result)
        except RuntimeError as error:
            raise ProcessDied(
                "A process of this run died or does not answer any more. "
                "Run the same command again to go on from the last checkpoint."
            ) from error
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _Total.apply(gradient)


def part() -> None:
    """Leave the others, at the end of a run that went well."""
    if process_count() > 1:
        dist.destroy_process_group()


def speaks_first() -> bool:
    """Whether this process is the one to tell the user of an error that ends them all: the first that asks.

    Before the processes know each other it is the first of each machine.
    """
    if process_count() == 1:
        return int(os.environ.get("LOCAL_RANK", 0)) == 0
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=5))
        return store.add(f"ganhub/speaker/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", 1) == 1
    except (KeyError, RuntimeError):  # the process that kept the list is the one that is gone
        return True
