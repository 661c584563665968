"""What tests/test_distributed.py starts on two processes.

python tests/distributed_run.py follow FOLDER
    20 steps of each recipe there, batch norm by itself, a run that is stopped by SIGTERM, a run with bad numbers
python tests/distributed_run.py killed RANK FIRST TRAIN_ARGUMENTS
    training/train.py, in which that process is killed when it draws picture FIRST

Where the variable WRITES names a folder, process 1 lists there what it wrote into the run's.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # works in a clone without installing
RANK = int(os.environ.get("RANK", 0))

from ganhub.data.pictures import Pictures  # noqa: E402
from ganhub.errors import TrainingError  # noqa: E402
from ganhub.nn.batch_norm import BatchNorm2d  # noqa: E402
from ganhub.nn.processes import speaks_first  # noqa: E402
from ganhub.trainer import Trainer, read_recipe  # noqa: E402


def follow(folder: Path) -> None:
    """Everything that one pair of processes can show before one of them dies."""
    torch.set_num_threads(1)
    for recipe in sorted(folder.glob("*.toml")):
        trainer = Trainer(read_recipe(recipe), folder / f"{recipe.stem}-run", quiet=True)
        assert trainer.world == 2, "the processes do not see each other"
        steps = []
        for step in range(1, 21):
            steps.append({name: value.item() for name, value in trainer._step().items()})
            if step in (8, 20):
                networks = {"model": trainer.model, "objective": trainer.objective, "ema": trainer.ema.module}
                state = {part: network.state_dict() for part, network in networks.items()}
                torch.save(state, folder / f"{recipe.stem}-{RANK}-{step}.pt")
        (folder / f"{recipe.stem}-{RANK}.json").write_text(json.dumps(steps))
    torch.save(batch_norm(), folder / f"batch-norm-{RANK}.pt")

    list_writes(folder / "stopped")
    send(signal.SIGTERM, 1, drawn_before(5) + 4)
    Trainer(read_recipe(folder / "dcgan-r1.toml"), folder / "stopped", quiet=True).run()
    try:
        recipe = read_recipe(folder / "mlp-gan.toml", ["train.learning_rate=1e30"])
        Trainer(recipe, folder / "bad", quiet=True).run()
    except TrainingError as error:
        said = {"error": str(error), "speaks": speaks_first()}
        (folder / f"error-{RANK}.json").write_text(json.dumps(said))


def drawn_before(step: int) -> int:
    """Pictures that dcgan-r1 draws before a step, from 0: 8 for each player, and in every second step 8 for R1."""
    return 16 * step + 8 * ((step + 1) // 2)


def batch_norm() -> dict[str, object]:
    """This process's half of eight pictures through the layer: outputs, gradients, gradients of gradients."""
    layer = BatchNorm2d(3)
    half = slice(4 * RANK, 4 * RANK + 4)
    whole, weight, bias = layer_input()
    layer.load_state_dict({**layer.state_dict(), "weight": weight, "bias": bias})
    x = whole[half].clone().requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    slope.square().sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(whole[half].bfloat16())
    return {
        "y": y.detach(), "slope": slope.detach(), "x.grad": x.grad, "weight.grad": layer.weight.grad,
        "rough": rough.detach(), "state": layer.state_dict(),
    }  # fmt: skip


def layer_input() -> tuple[Tensor, Tensor, Tensor]:
    """Pictures [8, 3, 5, 5] whose mean is far from zero and differs between the halves; scale and shift [3]."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(8, 3, 5, 5, generator=generator) + torch.tensor([100.0, 0.0, -3.0]).view(3, 1, 1)
    x[4:] += 2
    return x, torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0.1, 0.0, -0.1])


def send(number: int, rank: int, first: int) -> None:
    """Have that process send itself the signal when it draws picture number ``first``."""
    draw = Pictures.batch

    def batch(self: Pictures, position: int, count: int):
        if rank == RANK and position <= first < position + count:
            Pictures.batch = draw
            os.kill(os.getpid(), number)
        return draw(self, position, count)

    Pictures.batch = batch


def list_writes(out: Path) -> None:
    """List what process 1 writes under a folder."""

    def watch(event: str, details: tuple) -> None:
        writes = event in ("os.mkdir", "os.rename", "os.remove")
        writes |= event == "open" and bool(details[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and str(details[0]).startswith(str(out)):
            with Path(os.environ["WRITES"], "writes.txt").open("a") as file:
                file.write(f"{event} {details[0]}\n")

    if RANK == 1 and "WRITES" in os.environ:
        sys.addaudithook(watch)


if __name__ == "__main__":
    if sys.argv[1] == "follow":
        follow(Path(sys.argv[2]))
    else:
        rank, first, *arguments = sys.argv[2:]
        list_writes(Path(arguments[arguments.index("--out") + 1]))
        send(signal.SIGKILL, int(rank), int(first))
        sys.argv = [str(ROOT / "training" / "train.py"), *arguments]
        runpy.run_path(sys.argv[0], run_name="__main__")
