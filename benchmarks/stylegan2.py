"""StyleGAN2's speed and memory against the textbook formulation: ``python benchmarks/stylegan2.py [--threads 2]``.

The textbook network is the same function of the same weights as the papers write it down: a weight tensor of its own
for each picture, grouped convolution, a separate blur, NCHW, float32. All are timed in turns in one run, the best turn
of each counts, and the machine's convolution rate is measured in the same turns, so that a busy or slow machine
cancels out. Writes Markdown.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ganhub.models.stylegan2 import Discriminator, StyledConv, StyleGAN2, StyleGAN2Config, StyleGAN2Objective
from ganhub.models.stylegan2 import StyleGAN2ObjectiveConfig as ObjectiveConfig
from ganhub.nn.precision import has_bf16
from ganhub.nn.projected import ProjectedDiscriminator
from ganhub.nn.projected import _Layer as Layer
from ganhub.nn.resample import TAPS
from ganhub.objectives import Batch
from ganhub.objectives.projected import ProjectedObjective

CHANNELS = 256  # of the convolution that stands for the machine's best: 3x3, 64 x 64 pixels, batch 8
SMALL = dict(image_size=64, latent_dim=256, style_dim=256, mapping_layers=4, channel_base=4096, max_channels=256,
             discriminator_channel_base=4096, discriminator_max_channels=256)  # fmt: skip


# The textbook


def filtered(x: Tensor, gain: float, padding: int, stride: int = 1) -> Tensor:
    """The FIR filter as a depthwise convolution."""
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device) / 8
    kernel = (taps[:, None] * taps * gain).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, padding=padding, stride=stride, groups=x.shape[1])


def modulated(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, up: bool = False) -> Tensor:
    """Equations 1 to 3 of Karras et al. 2020 with a weight for each picture."""
    n, _, height, width = x.shape
    weight = weight[None] * style[:, None, :, None, None]
    if demodulate:
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.reshape(1, -1, height, width)
    if up:
        x = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        return filtered(x.view(n, -1, *x.shape[2:]), 4.0, 1)
    x = F.conv2d(x, weight.flatten(0, 1), padding=weight.shape[-1] // 2, groups=n)
    return x.view(n, -1, *x.shape[2:])


def styled(layer: StyledConv, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """One layer of the generator."""
    x = modulated(x, layer.weight, layer.style(w), True, layer.up)
    x = x + noise * layer.noise_strength + layer.bias.view(1, -1, 1, 1)
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def textbook_synthesis(model: StyleGAN2, w: Tensor, noise: Tensor) -> Tensor:
    """``model.synthesise`` as the papers write it."""
    height, width = model.constant.shape[2:]
    at, x, picture = 0, model.constant.expand(len(w), -1, -1, -1).contiguous(), None
    for n, block in enumerate(model.blocks):
        side = (height << n, width << n)
        for index, layer in ((2 * n - 1, block.first), (2 * n, block.second)):
            if layer is not None:
                map_ = noise[:, at : at + math.prod(side)].view(-1, 1, *side)
                at += math.prod(side)
                x = styled(layer, x, w[:, index], map_)
        layer = block.to_picture
        style = layer.style(w[:, 2 * n + 1]) / math.sqrt(layer.weight.shape[1])
        share = modulated(x, layer.weight[:, :, None, None], style, False) + layer.bias.view(1, -1, 1, 1)
        if picture is not None:
            spread = picture.new_zeros(*picture.shape[:3], 2, picture.shape[3], 2)
            spread[:, :, :, 0, :, 0] = picture
            share = share + filtered(spread.flatten(4, 5).flatten(2, 3), 4.0, 2)[:, :, :-1, :-1]
        picture = share
    return picture


class TextbookModel(nn.Module):
    """A StyleGAN2 whose pictures are made the textbook way."""

    def __init__(self, model: StyleGAN2) -> None:
        super().__init__()
        self.inner = model
        model.synthesise = partial(textbook_synthesis, model)

    def __getattr__(self, name: str) -> object:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)


class TextbookDiscriminator(Discriminator):
    """The same discriminator in NCHW and float32, its skip path filtered by a strided depthwise convolution."""

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        x = F.leaky_relu(self.from_picture(images), 0.2)
        for block in self.blocks:
            y = F.leaky_relu(block.first(x), 0.2)
            x = F.leaky_relu(block.second(filtered(y, 1.0, 2)), 0.2) + block.skip(filtered(x, 1.0, 1, stride=2))
        groups = x.reshape(4, -1, *x.shape[1:]) if len(x) % 4 == 0 else x[None]
        deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3)).repeat(groups.shape[0])
        x = torch.cat([x, deviation.view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])], 1)
        x = F.leaky_relu(self.last(x), 0.2)
        return self.score(F.leaky_relu(self.features(x.flatten(1)), 0.2) * math.sqrt(2)).squeeze(1)


def in_turns(functions: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Best time of each in seconds, taking turns."""
    best = dict.fromkeys(functions, math.inf)
    for turn in range(turns + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            if turn:  # the first turn warms up
                best[name] = min(best[name], time.perf_counter() - started)
    return best


def best_convolution(dtype: torch.dtype) -> Callable[[], Tensor]:
    """The 3x3 convolution that stands for what the machine can do."""
    x = torch.randn(8, CHANNELS, 64, 64).to(dtype, memory_format=torch.channels_last)
    conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).to(dtype, memory_format=torch.channels_last)
    return lambda: conv(x)


def needed_work(config: StyleGAN2Config) -> float:
    """Multiply-adds of a picture's 3x3 convolutions, transposed ones counted at their input's size."""
    height, width, doublings = config.base
    total = 9 * config.channels_of(0) ** 2 * height * width
    for n in range(1, doublings + 1):
        places = (height << n) * (width << n)
        total += 9 * config.channels_of(n) * (config.channels_of(n - 1) * places / 4 + config.channels_of(n) * places)
    return total


def generation(size: int, batch: int, turns: int) -> list[str]:
    """Pictures a second at the paper's width, fast and textbook, and the share of the machine's rate."""
    torch.manual_seed(0)
    model = StyleGAN2(StyleGAN2Config(image_size=size)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.1)
    w, noise = model.per_layer(model.to_w(model.latent(range(batch)))).contiguous(), model.noise(range(batch))
    fast_model = StyleGAN2(model.config).eval().to(memory_format=torch.channels_last)
    fast_model.load_state_dict(model.state_dict())
    compiled = StyleGAN2(model.config).eval().to(memory_format=torch.channels_last)
    compiled.load_state_dict(model.state_dict())
    can_compile = compiles(compiled, w, noise)
    native = torch.bfloat16 if has_bf16(torch.device("cpu")) else torch.float32
    runs = {
        "conv": best_convolution(native),
        "textbook": lambda: textbook_synthesis(model, w, noise),
        "eager": lambda: fast_model.synthesise(w, noise),
    }
    if can_compile:
        runs["compiled"] = lambda: compiled.synthesise(w, noise)
    with torch.no_grad():
        exact, quick = runs["textbook"](), runs["compiled" if can_compile else "eager"]()
        best = in_turns(runs, turns)
    error = (exact.clamp(-1, 1) - quick.clamp(-1, 1)).abs().mean().item() / 2 * 255
    rate = 2 * 9 * CHANNELS**2 * 64 * 64 * 8 / best["conv"]
    work = 2 * needed_work(model.config) * batch
    kind = str(native).removeprefix("torch.")
    lines = [
        f"Generation at {size} px, batch {batch}: {work / batch / 2e9:.2f} G multiply-adds a picture; best-case 3x3 "
        f"convolution {rate / 1e9:.0f} GFLOP/s in {kind}.",
        "",
        "| formulation | time of textbook / time | share of the convolution rate |",
        "|---|---|---|",
    ]
    for name in ("textbook", "eager", "compiled"):
        if name in best:
            lines.append(f"| {name} | {best['textbook'] / best[name]:.2f} | {work / best[name] / rate:.0%} |")
    return [*lines, "", f"Mean absolute error of the fast path against float32 textbook: {error:.3f} / 255.", ""]


def compiles(model: StyleGAN2, w: Tensor, noise: Tensor) -> bool:
    """Compile the model and try it; False where there is no C++ compiler."""
    try:
        model.compile()
        with torch.no_grad():
            model.synthesise(w, noise)
    except Exception as error:  # whatever the compiler's absence raises
        print(f"No compiled path here: {type(error).__name__}", file=sys.stderr)
        return False
    return True


def training_step(kind: str, batch: int) -> Callable[[], None]:
    """Both players at 64 px, one step of each; the lazy penalties as often as they come (R1 in 16, path in 4)."""
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    fast = kind == "fast"
    layout = torch.channels_last if fast else torch.contiguous_format
    model = StyleGAN2(StyleGAN2Config(**SMALL)).to(device, memory_format=layout).train()
    game = StyleGAN2Objective(model, ObjectiveConfig()).to(device, memory_format=layout)
    if not fast:
        judge = TextbookDiscriminator(model.config).to(device)
        judge.load_state_dict(game.discriminator.state_dict())
        game.discriminator, textbook = judge, TextbookModel(model)
        game._model = (textbook,)
    players = {"discriminator": list(game.discriminator.parameters()), "generator": list(model.parameters())}
    optimisers = {name: torch.optim.Adam(p, lr=2e-3, betas=(0.0, 0.99), fused=True) for name, p in players.items()}
    images = torch.rand(batch, 3, 64, 64, device=device).mul_(2).sub_(1).contiguous(memory_format=layout)
    pictures, step = Batch(images=images, labels=None, seeds=torch.arange(batch)), [0]

    def run() -> None:
        for phase in game.phases():
            if step[0] % phase.every:
                continue
            for name, parameters in players.items():
                for parameter in parameters:
                    parameter.requires_grad_(name == phase.player)
            optimisers[phase.player].zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=fast and has_bf16(device)):
                loss = phase.loss(pictures)["loss"]
            loss.backward()
            optimisers[phase.player].step()
        step[0] += 1

    return run


def peak_memory() -> int:
    """Most memory that this process has held, in kB. ru_maxrss would be inherited from the process that started it."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def training(batch: int, steps: int) -> list[str]:
    """Images a second of training, and peak memory, each kind's in a process of its own."""
    runs = {kind: training_step(kind, batch) for kind in ("textbook", "fast")}
    seconds = dict.fromkeys(runs, 0.0)
    for _ in range(steps):  # a multiple of 16, so that the lazy phases come as often as in a run
        for kind, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[kind] += time.perf_counter() - started
    peak = {}
    for kind in runs:
        options = ["--peak", kind, "--batch", str(batch), "--threads", str(torch.get_num_threads())]
        command = [sys.executable, __file__, *options]
        peak[kind] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [
        f"Training at 64 px, batch {batch}, {steps} steps, R1 every 16th and path length every 4th:",
        "",
        "| formulation | images/s, textbook = 1 | peak memory, MB above the start |",
        "|---|---|---|",
        *(f"| {kind} | {seconds['textbook'] / seconds[kind]:.2f} | {peak[kind]:.0f} |" for kind in runs),
        "",
    ]


class FullSize(ProjectedDiscriminator):
    """As the paper puts it: features and pixels are mixed at their own size, and each head halves its map first."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.first_halving, self.halved = self.halved, [False] * len(self.halved)
        if self.pixels is not None:  # each pixel by itself, without its steps, and one 3x3 layer more at full size
            self.pixels = self.pixels[:, : self.pixels.shape[1] // 3, :1, :1] * 2
            self.full_size = Layer(self.pixels.shape[0])

    def features(self, images: Tensor) -> list[Tensor]:
        dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else images.dtype
        images, pixels, self.pixels = images.to(dtype), self.pixels, None
        mixed = super().features(images)
        self.pixels = pixels
        return mixed if pixels is None else [*mixed, F.conv2d(images, pixels.to(dtype))]

    def judge(self, features: Sequence[Tensor], labels: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        maps = list(features)
        if self.pixels is not None:
            maps[-1] = F.leaky_relu(self.full_size(maps[-1]), 0.2)
        first = [*self.first_halving, True][: len(maps)]
        halved = [F.avg_pool2d(x, 2) if halve else x for x, halve in zip(maps, first, strict=True)]
        return super().judge(halved, labels)


def projected_step(recipe: Path, *, full_size: bool) -> tuple[Callable[[], None], int]:
    """One turn of each player of a show-piece's recipe, without R1, on noise, and its batch size."""
    torch.manual_seed(0)
    tables = tomllib.loads(recipe.read_text(encoding="utf-8"))
    del tables["model"]["architecture"]
    model = StyleGAN2(StyleGAN2Config(**tables["model"])).to(memory_format=torch.channels_last).train()
    del tables["objective"]["name"]
    game = ProjectedObjective(model, ProjectedObjective.Config(**tables["objective"] | {"head_r1": 0.0}))
    c, width = model.config, game.config.width
    if full_size:
        game.discriminator = FullSize(c.size, c.channels, c.num_classes, width=width, pixel_head=True,
                                      read_classes=game.config.class_weight > 0)  # fmt: skip
    game.to(memory_format=torch.channels_last).train()
    players = {"generator": list(model.parameters()), "discriminator": list(game.discriminator.parameters())}
    optimisers = {name: torch.optim.Adam(p, lr=1e-3, betas=(0.0, 0.99), fused=True) for name, p in players.items()}
    batch = tables["train"]["batch_size"]
    images = torch.rand(batch, c.channels, *c.size).mul_(2).sub_(1).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % c.num_classes

    def run() -> None:
        for phase in game.phases():
            for name, parameters in players.items():
                for parameter in parameters:
                    parameter.requires_grad_(name == phase.player)
            optimisers[phase.player].zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16(torch.device("cpu"))):
                loss = phase.loss(Batch(images=images, labels=labels, seeds=torch.arange(batch)))["loss"]
            loss.backward()
            optimisers[phase.player].step()

    return run, batch


def projected(turns: int) -> list[str]:
    """Pictures a second of the show-pieces' training step, and the share of the machine's rate."""
    native = torch.bfloat16 if has_bf16(torch.device("cpu")) else torch.float32
    lines = [
        "| recipe | full size: images/s | ganhub: images/s | ratio | G operations a picture | share of the rate |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("stylegan2_heroes", "stylegan2_avatars"):
        recipe = Path(__file__).resolve().parents[1] / f"training/recipes/{name}.toml"
        (before, batch), (now, _) = projected_step(recipe, full_size=True), projected_step(recipe, full_size=False)
        with FlopCounterMode(display=False) as counter:
            now()
        best = in_turns({"conv": best_convolution(native), "before": before, "now": now}, turns)
        rate = 2 * 9 * CHANNELS**2 * 64 * 64 * 8 / best["conv"]
        work = counter.get_total_flops()
        lines.append(
            f"| {name} | {batch / best['before']:.1f} | {batch / best['now']:.1f} | "
            f"{best['before'] / best['now']:.2f} | {work / batch / 1e9:.2f} | {work / best['now'] / rate:.0%} |"
        )
    return [f"The projected training step, {torch.get_num_threads()} thread(s):", "", *lines, ""]


def start(size: int) -> list[str]:
    """CPU time of loading a saved model and of its first picture."""
    with tempfile.TemporaryDirectory() as folder:
        StyleGAN2(StyleGAN2Config(image_size=size)).save_pretrained(folder, dtype=torch.float16)
        began, cpu = time.perf_counter(), time.process_time()
        model = StyleGAN2.from_pretrained(folder)
        loaded, cpu_loaded = time.perf_counter(), time.process_time()
        model.sample(1, seed=0)
        first = time.process_time() - cpu_loaded
    load = f"{loaded - began:.2f} s ({cpu_loaded - cpu:.2f} s of CPU)"
    return [f"Loading the {size} px model: {load}; its first picture: {first:.2f} s of CPU.", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("generation", "training", "projected", "start"))
    parser.add_argument("--peak", choices=("fast", "textbook"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak:
        before = peak_memory()
        run = training_step(args.peak, args.batch)
        run()
        print((peak_memory() - before) / 1024)
        return
    if args.only in (None, "start"):
        print("\n".join(start(args.size)), flush=True)
    if args.only in (None, "generation"):
        print("\n".join(generation(args.size, args.batch, args.turns)), flush=True)
    if args.only in (None, "training"):
        print("\n".join(training(4 * args.batch, args.steps)), flush=True)
    if args.only in (None, "projected"):
        print("\n".join(projected(args.turns)), flush=True)


if __name__ == "__main__":
    main()
