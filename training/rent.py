"""Train a line of ZOO.md on a rented machine for so many minutes, and pack what must come home into small files.

    python training/rent.py stylegan2-heroes --data DATA --minutes 8 --pack home
    python training/rent.py stylegan2-heroes --data DATA --minutes 8 --from home --pack home2 --last

Each call goes on from the checkpoint that the one before packed (``--from``), and the last one lets the learning rate
fall to zero as the recipe says (``--last``). ``--pack`` gets the checkpoint in parts of at most 15 MB, the model folder
as weights.zip, the newest grid and the log. To go on at home: ``--unpack RUN`` puts the checkpoint back into a run's
folder, and the line's own command resumes there.

A GPU trains in bfloat16 and channels-last by itself; ``train.compile=true`` at the end of the line compiles. Printed at
the end: pictures per second, and which share of the machine's own rate of 3x3 convolutions the training reached.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

PART_BYTES = 15_000_000
PARTS = "checkpoint-{:03d}.part"


def line_of(name: str, data: str, zoo: Path = ROOT / "training" / "ZOO.md") -> list[str]:
    """Recipe and overrides of the first command that ZOO.md has for a model.

    Raises:
        SystemExit: For a name that has no line there.
    """
    command = r"^\| `([\w.-]+)` \| .*?`python training/train\.py ([^`]+)`"
    commands = dict(re.findall(command, zoo.read_text("utf-8"), re.MULTILINE))
    if name not in commands:
        raise SystemExit(f"error: training/ZOO.md has no line for {name}; it has {', '.join(commands)}.")
    words = shlex.split(commands[name])
    if "--out" in words:
        del words[words.index("--out") : words.index("--out") + 2]
    return [word.replace("DATA/", data.rstrip("/") + "/") for word in words]


def pack(run: Path, home: Path) -> None:
    """Write the newest checkpoint in parts, the model folder, the newest grid and the log into ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    for old in home.glob("checkpoint-*.part"):
        old.unlink()
    newest = max((run / "checkpoints").glob("[0-9]*.pt"))
    (home / "checkpoint.txt").write_text(newest.name, "utf-8")
    with newest.open("rb") as file:
        for i, part in enumerate(iter(lambda: file.read(PART_BYTES), b"")):
            (home / PARTS.format(i)).write_bytes(part)
    with zipfile.ZipFile(home / "weights.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("config.json", "model.safetensors", "README.md", "metrics.json", "samples.png", "curves.png"):
            if (run / name).is_file():
                archive.write(run / name, name)
    if grids := sorted((run / "grids").glob("*.png")):
        shutil.copyfile(grids[-1], home / "grid.png")
    shutil.copyfile(run / "log.jsonl", home / "log.jsonl")


def unpack(home: Path, run: Path) -> None:
    """Put a packed checkpoint and its log back into a run's folder.

    Raises:
        SystemExit: When the parts are not there.
    """
    parts = sorted(home.glob("checkpoint-*.part"))
    if not parts or [part.name for part in parts] != [PARTS.format(i) for i in range(len(parts))]:
        raise SystemExit(f"error: {home} does not hold all parts of a checkpoint: name the folder that --pack wrote.")
    name = (home / "checkpoint.txt").read_text("utf-8").strip()
    if not re.fullmatch(r"\d{12}\.pt", name):
        raise SystemExit(f"error: {home}/checkpoint.txt must name the checkpoint, for example 000000064000.pt.")
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    with (run / "checkpoints" / name).open("wb") as file:
        for part in parts:
            file.write(part.read_bytes())
    if (home / "log.jsonl").is_file():
        shutil.copyfile(home / "log.jsonl", run / "log.jsonl")


def convolution_rate(device, seconds: float = 2.0) -> float:
    """Operations per second of a 3x3 convolution, 256 channels, 64 x 64 pixels, in the dtype that trains here."""
    import torch

    from ganhub.nn.precision import has_bf16

    dtype = torch.bfloat16 if has_bf16(device) else torch.float32
    count = 64 if device.type == "cuda" else 4
    x = torch.randn(count, 256, 64, 64, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    network = torch.nn.Conv2d(256, 256, 3, padding=1).to(device, dtype).to(memory_format=torch.channels_last)
    turns = 0
    with torch.no_grad():
        for _ in range(3):
            network(x)
        wait(device)
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            network(x)
            turns += 1
            if turns % 50 == 0 or device.type != "cuda":
                wait(device)
        wait(device)
    return turns * 2 * count * 64 * 64 * 256 * 256 * 9 / (time.perf_counter() - began)


def wait(device) -> None:
    """Until the device has done what it was asked for."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def operations_per_picture(trainer) -> float:
    """Floating-point operations that one training picture costs: counted over one step, which is then forgotten."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        trainer._step()
    return counter.get_total_flops() / max(trainer.images_seen, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a model that has a line in training/ZOO.md")
    parser.add_argument("overrides", nargs="*", help="table.key=value, after those of the line")
    parser.add_argument("--data", default="DATA", help="folder with the data sets that the line names")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--run", type=Path, help="the run's folder (runs/NAME)")
    parser.add_argument("--from", dest="begin", type=Path, help="folder that an earlier call packed")
    parser.add_argument("--pack", type=Path, help="folder for what comes home")
    parser.add_argument("--unpack", type=Path, metavar="RUN", help="only put the checkpoint of --from into RUN")
    parser.add_argument("--last", action="store_true", help="let the learning rate fall to zero at the end")
    arguments = parser.parse_intermixed_args()
    run = arguments.unpack or arguments.run or Path("runs") / arguments.name
    if arguments.begin:
        unpack(arguments.begin, run)
    if arguments.unpack:
        return
    train(arguments, run)
    if arguments.pack:
        pack(run, arguments.pack)


def train(arguments: argparse.Namespace, run: Path) -> None:
    """Train the line for the minutes, then print the speed."""
    import tempfile

    from ganhub.errors import GanhubError
    from ganhub.trainer import Trainer, read_recipe

    recipe, *overrides = line_of(arguments.name, arguments.data)
    overrides += [f"train.minutes={arguments.minutes}", *([] if arguments.last else ["train.cooldown=0"])]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            trial = Trainer(read_recipe(ROOT / recipe, [*overrides, *arguments.overrides]), scratch, quiet=True)
            cost, peak = operations_per_picture(trial), convolution_rate(trial.device)
        # What the trial has read is not read again. It took one step: the run's own networks are built anew.
        trainer = Trainer(read_recipe(ROOT / recipe, [*overrides, *arguments.overrides]), run, data=trial.data)
        del trial
        trainer.run()
    except GanhubError as error:
        raise SystemExit(f"error: {error}") from None
    last = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    speed = [line["images_per_second"] for line in last if "images_per_second" in line][-1]
    print(
        f"{speed:,.0f} pictures/s, {cost / 1e9:.2f} GFLOP each: {speed * cost / 1e12:.2f} TFLOP/s, "
        f"{100 * speed * cost / peak:.0f} % of this machine's rate for one large convolution ({peak / 1e12:.2f} TFLOP/s)"
    )


if __name__ == "__main__":
    main()
