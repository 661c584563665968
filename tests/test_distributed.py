"""Two processes, for real: they follow one, the first alone writes, and a signal or a death ends both in order."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ganhub import AutoModel
from ganhub.errors import ConfigError, TrainingError
from ganhub.models import get_architecture
from ganhub.nn.batch_norm import BatchNorm2d
from ganhub.nn.processes import process_count, process_index
from ganhub.trainer import Trainer, read_recipe
from ganhub.trainer.checkpoint import list_checkpoints, load_checkpoint
from ganhub.trainer.prepare import check_batch
from tests.distributed_run import drawn_before, layer_input

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 240

pytestmark = pytest.mark.skipif(not torch.distributed.is_available() or os.name == "nt", reason="needs gloo and POSIX")

RECIPES = {
    "mlp-gan": ("mlp-gan", {}),
    "wgan-gp": ("wgan-gp", {"augment": "colour"}),  # second order in the critic, batch norm in the generator
    "dcgan-r1": ("dcgan", {"r1_gamma": 1.0, "r1_every": 2}),  # second order through batch norm
    "conditional-gan": ("conditional-gan", {}),
}


def write_recipe(folder: Path, name: str, **train: object) -> Path:
    """A recipe for a tiny model: 20 steps of 8 pictures, in full precision."""
    architecture, objective = RECIPES[name]
    config = get_architecture(architecture).tiny().config.to_dict()
    config.pop("class_names")
    data = folder / f"{name}.npz"
    size = config["image_size"]
    x = np.random.default_rng(0).integers(0, 256, (50, size, size, config["channels"]), dtype=np.uint8)
    np.savez(data, x=x, y=np.arange(50) % 3)
    settings = {"images": 160, "batch_size": 8, "precision": "fp32", "log_every": 8, "checkpoint_every": 32}
    tables = {
        "model": {"architecture": architecture, **config},
        "objective": objective,
        "train": {**settings, "grid_every": 80, "watch": False, **train},
        "data": {"path": str(data), "images": "x", "flip": True},
    }
    path = folder / f"{name}.toml"
    path.write_text(
        "".join(f"[{t}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in c.items()) for t, c in tables.items())
    )
    return path


class Done:
    """What two processes said: their exit code, and by process the standard output and errors.

    Started by torchrun, which stops the other when one ends badly, or by hand, when nobody does (and sooner).
    """

    def __init__(self, folder: Path, *arguments: object, torchrun: bool = True) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        script = [str(ROOT / "tests" / "distributed_run.py"), *map(str, arguments)]
        environment = {**os.environ, "WRITES": str(folder), "OMP_NUM_THREADS": "1"}
        if sys.platform == "linux":
            environment["GLOO_SOCKET_IFNAME"] = "lo"
        if torchrun:
            logs = folder / f"said-{port}"
            command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_addr"]
            command += ["127.0.0.1", "--master_port", str(port), "--redirects", "3", "--log-dir", str(logs), *script]
            self.code = subprocess.run(
                command, env=environment, cwd=folder, timeout=TIMEOUT, stderr=subprocess.DEVNULL
            ).returncode
            self.out, self.errors = (
                [next(logs.rglob(f"{rank}/{name}.log")).read_text() for rank in (0, 1)] for name in ("stdout", "stderr")
            )
            return
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
        environment |= {"LOCAL_WORLD_SIZE": "2"}
        both = [
            subprocess.Popen(
                [sys.executable, *script], env={**environment, "RANK": rank, "LOCAL_RANK": rank}, cwd=folder,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for rank in ("0", "1")
        ]  # fmt: skip
        try:
            said = [process.communicate(timeout=TIMEOUT) for process in both]
        finally:
            for process in both:
                process.kill()
        self.out, self.errors = zip(*said, strict=True)
        self.code = max(abs(process.returncode) for process in both)

    def error(self) -> str:
        """The one sentence that the run ended with."""
        assert self.code != 0
        both = "\n".join(self.errors)
        assert "Traceback" not in both
        (line,) = [line for line in both.splitlines() if line.startswith("error: ")]
        return line


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> tuple[Path, Done]:
    """Where two processes left what they saw in 20 steps of every recipe, and what they said."""
    folder = tmp_path_factory.mktemp("follow")
    for name in RECIPES:
        write_recipe(folder, name)
    done = Done(folder, "follow", folder)
    assert done.code == 0, done.errors
    return folder, done


@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_follow_one(name, followed):
    followed, _ = followed
    one = Trainer(read_recipe(followed / f"{name}.toml"), followed / f"{name}-one", quiet=True)
    two, other = (json.loads((followed / f"{name}-{rank}.json").read_text()) for rank in (0, 1))
    assert two == other and len(two) == 20
    for step, numbers in enumerate(two):
        alone = one._step()
        assert alone.keys() == numbers.keys()
        # the sign is taken about the middle of each process's own scores, so its mean is another number
        for key in alone.keys() - {"discriminator/real_sign", "critic/real_sign"}:
            assert numbers[key] == pytest.approx(alone[key].item(), rel=1e-4, abs=1e-5), (step, key)
    states = [torch.load(followed / f"{name}-{rank}-20.pt", weights_only=True) for rank in (0, 1)]
    for part, network in (("model", one.model), ("objective", one.objective), ("ema", one.ema.module)):
        assert same(states[0][part], states[1][part]), "the processes hold different weights"
        for key, value in network.state_dict().items():
            assert torch.allclose(states[0][part][key].float(), value.float(), rtol=1e-3, atol=2e-4), (part, key)


def test_batch_norm_of_two_processes_is_that_of_the_whole_batch(followed):
    whole, weight, bias = layer_input()
    layer = nn.BatchNorm2d(3)
    with torch.no_grad():
        layer.weight.copy_(weight), layer.bias.copy_(bias)
    x = whole.clone().requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    slope.square().sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(whole.bfloat16())
    halves = [torch.load(followed[0] / f"batch-norm-{rank}.pt", weights_only=True) for rank in (0, 1)]
    for key, value in {"y": y, "slope": slope, "x.grad": x.grad}.items():
        got = torch.cat([half[key] for half in halves])
        assert torch.allclose(got, value, rtol=1e-3, atol=1e-4 * value.abs().max().item()), key
    parts = [half["weight.grad"] for half in halves]  # each process has its pictures' share of the sum
    assert torch.allclose(sum(parts), layer.weight.grad, rtol=1e-3)
    got = torch.cat([half["rough"] for half in halves])
    assert got.dtype == rough.dtype == torch.bfloat16 and (got - rough).abs().max() < 0.1
    assert same(halves[0]["state"], halves[1]["state"])
    for key, value in layer.state_dict().items():
        assert torch.allclose(halves[0]["state"][key].float(), value.float(), rtol=1e-4, atol=1e-5), key


def test_batch_norm_of_one_process_is_torchs_bit_for_bit():
    assert process_count() == 1 and process_index() == 0
    whole, weight, bias = layer_input()
    ours, torchs = BatchNorm2d(3), nn.BatchNorm2d(3)
    assert ours.state_dict().keys() == torchs.state_dict().keys()
    for training in (True, False):
        ours.train(training), torchs.train(training)
        assert torch.equal(ours(whole), torchs(whole))
    assert same(ours.state_dict(), torchs.state_dict())


def test_an_error_of_both_is_said_once(followed):
    first, second = (json.loads((followed[0] / f"error-{rank}.json").read_text()) for rank in (0, 1))
    assert first["error"] == second["error"] and "is not a finite number after" in first["error"]
    assert {first["speaks"], second["speaks"]} == {True, False}


def test_one_process_asked_to_stop_stops_both_and_the_first_alone_writes(followed):
    """SIGTERM to the second process, in its half of the discriminator's batch of the sixth step."""
    folder, done = followed
    assert "Stopped after 48 pictures; saved. Run the same command again" in done.out[0] and not done.out[1]
    assert load_checkpoint(folder / "stopped" / "checkpoints")["images_seen"] == 48
    assert AutoModel.from_pretrained(folder / "stopped").architecture == "dcgan"
    assert not (folder / "writes.txt").exists(), (folder / "writes.txt").read_text()


def test_when_a_process_dies_the_other_says_so_and_the_same_command_goes_on(followed, tmp_path):
    """After a stop and two deaths the weights are those of as many steps at a stretch, bit for bit."""
    recipe, out = followed[0] / "dcgan-r1.toml", tmp_path / "run"
    checkpoints = out / "checkpoints"
    shutil.copytree(followed[0] / "stopped", out)

    def run(rank: int, first: int, **options: bool) -> Done:
        return Done(tmp_path, "killed", rank, first, recipe, "--out", out, **options)

    # The second process dies in the first turn of the eighth step: no weight has changed since the seventh.
    died = run(1, drawn_before(7) + 4)
    assert "Resuming" in died.out[0] and "Resuming" not in died.out[1]
    assert "process of this run died" in died.error() and "after 56 pictures" in died.error()
    assert "Run the same command again to go on from the checkpoint of 56 pictures" in died.error()
    assert load_checkpoint(checkpoints)["images_seen"] == 56

    # The first process dies in the middle of the tenth step: nobody may write, the checkpoint of 64 serves.
    died = run(0, drawn_before(9) + 8, torchrun=False)
    assert "after 80 pictures" in died.error()  # its discriminator has seen the tenth batch
    assert "the checkpoint of 64 pictures" in died.error()
    assert load_checkpoint(checkpoints)["images_seen"] == 64

    state, expected = load_checkpoint(checkpoints), torch.load(followed[0] / "dcgan-r1-0-8.pt", weights_only=True)
    for part in ("model", "objective", "ema"):
        assert same(state[part], expected[part]), part

    # One process alone can go on as well.
    Trainer(read_recipe(recipe), out, quiet=True).run()
    state, expected = load_checkpoint(checkpoints), torch.load(followed[0] / "dcgan-r1-0-20.pt", weights_only=True)
    assert state["images_seen"] == 160
    for key, value in expected["ema"].items():
        assert torch.allclose(state["ema"][key].float(), value.float(), rtol=1e-3, atol=2e-4), key
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["images"] for line in log] == list(range(8, 161, 8))
    assert not (tmp_path / "writes.txt").exists(), "the first process alone writes"
    assert not list(checkpoints.glob(".ganhub-*.tmp")) and len(list_checkpoints(checkpoints)) == 2


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ConfigError, match="2 processes .* cannot share evenly; take 6 or 8"):
        check_batch(7, 1, 2)
    check_batch(8, 2, 2)


def test_processes_that_do_not_see_each_other_are_refused(tmp_path, monkeypatch):
    """Else each would train alone, and both write to one folder."""
    recipe = read_recipe(write_recipe(tmp_path, "mlp-gan"))
    Trainer(recipe, tmp_path / "run", quiet=True)  # Accelerate now knows of one process
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TrainingError, match="3 processes were started and this one sees 1"):
        Trainer(recipe, tmp_path / "run", quiet=True)
