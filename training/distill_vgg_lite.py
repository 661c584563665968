"""Distil ``vgg-lite``, the feature network that travels inside the package, from a pruned VGG-19.

    GANHUB_SHARED=... python training/distill_vgg_lite.py --out model_cards/vgg-lite

The teacher is ``weights/vgg19-16x/encoder5.pth`` of $GANHUB_SHARED: VGG-19 distilled to a sixteenth ("Collaborative
Distillation for Ultra-Resolution Universal Style Transfer", Wang et al. 2020, arXiv:2003.08436; MIT licence). The
student starts from random weights and learns from openly licensed pictures only, among them those that come with
scikit-image (``pip install scikit-image``). The same line again resumes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub import hub, images
from ganhub._version import __version__
from ganhub.errors import DataError
from ganhub.hub import cards
from ganhub.losses.perceptual import gram, gram_distance
from ganhub.nn.vgg_lite import VGGLite, VGGLiteConfig, reflect, start_from_data

Teacher = Callable[..., dict[str, Tensor]]

# share of the crops, zip (or "skimage"), pictures per sheet side (small pictures are laid out on sheets)
SOURCES = (
    (0.45, "wallpapers.zip", 0),
    (0.15, "monet-256.zip", 0),
    (0.12, "landscapes-288.zip", 0),
    (0.12, "skimage", 0),
    (0.04, "emoji-noto-64.zip", 6),
    (0.04, "emoji-twemoji-64.zip", 6),
    (0.05, "openmoji-line2color-128.zip", 4),
    (0.03, "crawl-tiles-32.zip", 10),
)
# scikit-image's bundled pictures, by name: photographs and textures
SKIMAGE = "astronaut brick camera chelsea coffee coins grass gravel hubble_deep_field ihc moon rocket"

DATASET = (
    "Openly licensed pictures only, without labels: MATE and Plasma wallpapers (GPL-2.0-or-later, CC BY-SA 4.0), 241 "
    "Monet paintings and 504 Song and Ming landscapes (public domain), scikit-image's bundled pictures (public domain, "
    "CC0, BSD-3-Clause), Noto Emoji (Apache-2.0), Twemoji (CC BY 4.0), OpenMoji (CC BY-SA 4.0) and Dungeon Crawl tiles "
    "(CC0). The targets are the outputs of vgg19-16x (Wang et al. 2020, MIT), itself distilled from VGG-19, which was "
    "trained on ImageNet; no weight of it is copied."
)
USAGE = """\
import ganhub
from ganhub.nn.features import feature_network

network = feature_network("vgg-lite")
features = network(ganhub.load_image("photo.jpg"), ["relu1_1", "relu4_1"])  # {"relu1_1": [1, 64, H, W], ...}"""


def held_out(name: str) -> bool:
    """Whether a painting (a tenth of monet-256 and landscapes-288) is kept for benchmarks/features.py."""
    return sum(name.encode()) % 10 == 0


def load_teacher(path: Path) -> Teacher:
    """Return the teacher as a function from images [N, 3, H, W] in [-1, 1] to {"relu1_1": [N, 64, H, W], ...}.

    A layer's file holds ``convNM`` (3x3, reflection padding, ReLU) and, at N1, ``convN1_aux`` (1x1), whose ReLU
    stands for VGG-19's reluN_1. ``conv0`` turns RGB in [0, 1] into the channel order and range that VGG was trained on.
    With ``window`` only the top left window x window places of every layer are widened and returned.
    """
    tensors = torch.load(path, map_location="cpu", weights_only=True)["model"]

    def conv(x: Tensor, name: str) -> Tensor:
        return F.conv2d(x, tensors[f"{name}.weight"].to(x), tensors[f"{name}.bias"].to(x))

    @torch.no_grad()
    def teacher(pictures: Tensor, window: int | None = None) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        x = conv((pictures + 1) / 2, "conv0")
        for block in range(1, 6):
            for i in range(1, 5):
                name = f"conv{block}{i}"
                if f"{name}.weight" not in tensors:
                    break
                x = F.relu(conv(reflect(x), name))
                if i == 1:
                    features[f"relu{block}_1"] = F.relu(conv(x[..., :window, :window], f"{name}_aux"))
            x = F.max_pool2d(x, 2)
        return features

    return teacher


def read_zip(path: Path, keep: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of the pictures of a zip whose name ``keep`` accepts, in the order of their names."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.lower().endswith((".png", ".jpg", ".jpeg")) and keep(name):
                yield name, archive.read(name)


def load_pictures(shared: Path, crop: int) -> list[tuple[float, list[Tensor]]]:
    """Return (share, [uint8 pictures [3, H, W]]) per source, every picture at up to three scales."""
    sources = []
    for share, name, per_side in SOURCES:
        if name == "skimage":
            from importlib.resources import files

            data = files("skimage") / "data"
            blobs = [f.read_bytes() for f in data.iterdir() if f.name.split(".")[0] in SKIMAGE.split()]
        else:
            paintings = name.startswith(("monet", "landscapes"))
            blobs = [b for _, b in read_zip(shared / "data" / name, lambda n, p=paintings: not (p and held_out(n)))]
        if per_side:
            pictures = sheets(blobs, per_side)
        else:
            pictures = [images.load_image(b, max_side=2048) for b in blobs]
        scaled = [images.to_uint8(s)[0] for picture in pictures for s in scales(picture, crop)]
        print(f"{name}: {len(pictures)} pictures, {len(scaled)} with their smaller scales", flush=True)
        sources.append((share, scaled))
    return sources


def scales(picture: Tensor, crop: int) -> Iterator[Tensor]:
    """Yield the picture with short sides of 1000, 500 and 250 pixels, or as it is where it is smaller than that."""
    short = min(picture.shape[-2:])
    for side in (1000, 500, 250):
        if side < short * 0.8:
            yield images.resize(picture, side)
    if short <= 1250:
        yield picture if short >= crop else images.resize(picture, crop)


def sheets(blobs: list[bytes], per_side: int) -> list[Tensor]:
    """Lay small pictures out on sheets, so that a crop shows several; every other sheet is enlarged."""
    count = per_side**2
    made = []
    for i, start in enumerate(range(0, min(len(blobs), 24 * count) - count + 1, count)):
        ground = "#ffffff" if i % 3 else "#5a6e8c"
        tiles = torch.cat([images.load_image(b, background=ground) for b in blobs[start : start + count]])
        rows = [torch.cat(list(tiles[r : r + per_side]), dim=-1) for r in range(0, count, per_side)]
        sheet = torch.cat(rows, dim=-2)[None]
        made.append(images.resize(sheet, sheet.shape[-1] * 2) if i % 2 else sheet)
    return made


def draw(sources: list[tuple[float, list[Tensor]]], count: int, crop: int, generator: torch.Generator) -> Tensor:
    """Draw random crops [count, 3, crop, crop] in [-1, 1]: flipped, and some recoloured, blended or made noisy."""

    def chance() -> float:
        return torch.rand((), generator=generator).item()

    shares = torch.tensor([share for share, _ in sources])
    chosen = torch.multinomial(shares, count, replacement=True, generator=generator)
    crops = []
    for c in chosen.tolist():
        pictures = sources[c][1]
        picture = pictures[int(chance() * len(pictures))]
        top, left = (int(chance() * (side - crop + 1)) for side in picture.shape[-2:])
        x = images.from_uint8(picture[None, :, top : top + crop, left : left + crop])[0]
        if chance() < 0.5:
            x = x.flip(-1)
        if chance() < 0.25:
            x = x[torch.randperm(3, generator=generator)]
        if chance() < 0.4:  # contrast, brightness and colour cast
            x = x * (0.5 + chance()) + 0.4 * torch.randn(3, 1, 1, generator=generator) * chance()
        if crops and chance() < 0.1:
            x = x.lerp(crops[-1], chance())
        if chance() < 0.5:  # pictures under optimisation are noisy, finely and coarsely; the gradient must stay true
            coarse = 2 ** int(chance() * 4)
            noise = torch.randn(1, 3, crop // coarse, crop // coarse, generator=generator)
            x = x + 0.5 * chance() * F.interpolate(noise, x.shape[-2:], mode="bilinear")[0]
        crops.append(x.clamp(-1, 1))
    return torch.stack(crops)


def lead_astray(student: VGGLite, pictures: Tensor, steps: int, length: float) -> Tensor:
    """Move pictures [N, 3, H, W] towards the student's Gram matrices of their neighbours in the batch.

    This is what style transfer will do to the student: without such pictures it learns features that an optimiser
    can match by changes that nobody, and no teacher, sees (adversarial distillation, arXiv:1905.09747).

    Args:
        steps: Of gradient descent on the thin trunk's Gram matrices.
        length: Root mean square of one step, in the picture's units.
    """

    def grams(x: Tensor) -> list[Tensor]:
        return [gram(f) for f in student.trunk(x).values()]

    with torch.no_grad():
        targets = [g.roll(1, 0) for g in grams(pictures)]
    x = pictures
    for _ in range(steps):
        x = x.detach().requires_grad_()
        pairs = zip(grams(x), targets, strict=True)
        loss = sum((gram_distance(g, t) / t.square().mean((1, 2))).sum() for g, t in pairs)
        (slope,) = torch.autograd.grad(loss, x)
        slope = slope / slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        x = (x - length * slope).clamp(-1, 1)
    return x.detach()


def distillation_loss(student: dict[str, Tensor], teacher: dict[str, Tensor], gram_weight: float) -> dict[str, Tensor]:
    """Mean over layers of the relative squared error of the features, plus that of the Gram matrices.

    Both are relative to the teacher's energy of the same picture (plus a tenth of the batch's mean, so that an almost
    empty picture does not outweigh the others), which gives every layer the same say.
    """
    parts: dict[str, Tensor] = {}
    total = torch.zeros(())
    for name, target in teacher.items():
        mine, target = student[name].float(), target.float()
        energy = target.square().mean((1, 2, 3))
        error = ((mine - target).square().mean((1, 2, 3)) / (energy + 0.1 * energy.mean())).mean()
        some = max(1, len(target) // 3)  # Gram matrices cost more than the networks: a third of the batch is enough
        gram_mine, gram_target = gram(mine[:some]), gram(target[:some])
        gram_energy = gram_target.square().mean((1, 2))
        gram_error = (gram_distance(gram_mine, gram_target) / (gram_energy + 0.1 * gram_energy.mean())).mean()
        parts[name], parts[f"gram {name}"] = error.detach(), gram_error.detach()
        total = total + error + gram_weight * gram_error
    parts["loss"] = total / len(teacher)
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("model_cards/vgg-lite"), help="Hub folder to write")
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/vgg-lite.pt"), help="where a stopped run resumes")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--crop", type=int, default=112)
    # relu1_1 has 256 times the places of relu5_1 and is the easiest to learn: a window of it is enough
    parser.add_argument("--window", type=int, default=32, help="places a side that the loss reads of each layer")
    parser.add_argument("--lr", type=float, default=6e-3)
    parser.add_argument("--gram-weight", type=float, default=0.2)
    parser.add_argument("--plain", type=float, default=0.65, help="share of the run before pictures are led astray")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if "GANHUB_SHARED" not in os.environ:
        raise DataError("Set GANHUB_SHARED to the folder that holds data/ and weights/vgg19-16x/.")
    shared = Path(os.environ["GANHUB_SHARED"])
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    teacher = load_teacher(shared / "weights" / "vgg19-16x" / "encoder5.pth")
    sources = load_pictures(shared, args.crop)
    student = VGGLite(VGGLiteConfig())

    def batch(step: int, count: int = args.batch) -> Tensor:
        # a function of seed and step alone, so that a resumed run sees the same pictures
        generator = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        return draw(sources, count, args.crop, generator).to(args.device)

    first = batch(0, 24).cpu()
    start_from_data(student, first, teacher(first))
    student.to(args.device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(student.parameters(), lr=args.lr, betas=(0.9, 0.99))
    warm_up = 20
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / warm_up) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, s / args.steps)))
    )
    step, seconds = 0, 0.0
    if args.checkpoint.exists():
        saved = torch.load(args.checkpoint, map_location=args.device, weights_only=True)
        student.load_state_dict(saved["student"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        step, seconds = saved["step"], saved["seconds"]
        print(f"resumed at step {step}", flush=True)
    started = time.perf_counter() - seconds
    while step < args.steps:
        pictures = batch(step + 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(args.device, torch.bfloat16):
            if step >= args.steps * args.plain and step % 3:
                pictures = lead_astray(student, pictures, steps=2 + step % 4, length=0.02 + 0.01 * (step % 5))
            targets = teacher(pictures, args.window)
            thin = student.trunk(pictures)
            mine = {n: student.widen(n, x[..., : args.window, : args.window]) for n, x in thin.items()}
            parts = distillation_loss(mine, targets, args.gram_weight)
        if not torch.isfinite(parts["loss"]):
            raise DataError(f"The loss of step {step + 1} is not finite: lower --lr and start again.")
        optimiser.zero_grad(set_to_none=True)
        parts["loss"].backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        step += 1
        seconds = time.perf_counter() - started
        if step % 50 == 0 or step in (1, 10):
            shown = " ".join(f"{n} {p.item():.4f}" for n, p in parts.items())
            print(f"step {step} {seconds:.0f} s {shown}", flush=True)
        if step % 100 == 0 or step == args.steps:
            save_checkpoint(args.checkpoint, student, optimiser, schedule, step, seconds)
    write_model(args.out, student, args, seconds)


def save_checkpoint(path: Path, student: VGGLite, optimiser, schedule, step: int, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
    partial = path.with_suffix(".partial")
    torch.save({**state, "step": step, "seconds": seconds}, partial)
    partial.replace(path)


def write_model(folder: Path, student: VGGLite, args: argparse.Namespace, seconds: float) -> None:
    """Write the Hub folder: half-precision weights (the error they add is a thousandth of the student's own)."""
    config = {"architecture": "vgg-lite", "ganhub_version": __version__, **student.config.to_dict()}
    tensors = {k: v.cpu().contiguous() for k, v in student.state_dict().items()}
    hub.write_folder(folder, config, tensors, dtype=torch.float16)
    metrics_file = folder / "metrics.json"
    metrics = json.loads(metrics_file.read_text()) if metrics_file.exists() else {}
    run = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items() if k not in ("out", "checkpoint")}
    metrics["training"] = {
        "recipe": "GANHUB_SHARED=... python training/distill_vgg_lite.py",
        **run,
        "images_seen": args.steps * args.batch,
        "seconds": round(seconds),
        "precision": "bf16 autocast",
    }
    metrics_file.write_text(json.dumps(metrics, indent=2) + "\n")
    cards.write_card(folder, card_facts(student))
    print(f"wrote {folder}; measure it with: python benchmarks/features.py", flush=True)


def card_facts(network: torch.nn.Module) -> dict[str, object]:
    """Return what the model card says beyond metrics.json."""
    return {
        "licence": "apache-2.0",
        "paper": "trunk: Simonyan and Zisserman 2014 (arXiv:1409.1556); thin trunk with 1x1 heads: "
        "Wang et al. 2020 (arXiv:2003.08436)",
        "parameters": sum(p.numel() for p in network.parameters()),
        "tags": ["feature-extraction", "style-transfer", "perceptual-loss", "vgg"],
        "dataset": DATASET,
        "datasets": ["wallpapers", "monet", "song-and-ming-landscapes", "scikit-image", "noto-emoji", "twemoji"]
        + ["openmoji", "dungeon-crawl-tiles"],
        "usage": USAGE,
    }


if __name__ == "__main__":
    main()
