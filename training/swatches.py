"""Draws the example pictures of the Style tab: ``python training/swatches.py ganhub/app/assets``.

Six manners and two scenes, made of noise, nearest points and flow, from fixed seeds: no one else's picture is needed.
The two photographs beside them (cat, coffee) come with scikit-image and are CC0.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub import images  # noqa: E402
from ganhub.nn.random import normal, uniform  # noqa: E402

SIDE = 768  # drawn at this size
KEPT = 352  # and kept at this one
ASSETS = ROOT / "ganhub" / "app" / "assets"
CONTENTS = ("cat", "harbour", "coffee", "mountains")
STYLES = ("waves", "glass", "wash", "hatching", "dots", "mosaic")
PAIRS = (("mountains", "glass"), ("cat", "waves"), ("coffee", "dots"), ("harbour", "wash"))  # shown side by side


def asset(name: str) -> str:
    """Path of a picture that was drawn for the app."""
    return str(ASSETS / f"{name}.jpg")


def colour(text: str) -> Tensor:
    """'#rrggbb' -> [3, 1, 1] in [0, 1]."""
    return torch.tensor([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])[:, None, None]


def mesh() -> tuple[Tensor, Tensor]:
    """y and x of every pixel in [0, 1], each [SIDE, SIDE]."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    return torch.meshgrid(line, line, indexing="ij")


def clouds(seed: int, cells: int, octaves: int = 4, *, channels: int = 1) -> Tensor:
    """Smooth noise of ever finer cells, zero mean, about unit deviation: [channels, SIDE, SIDE]."""
    total = torch.zeros(1, channels, SIDE, SIDE)
    for octave in range(octaves):
        size = min(SIDE, cells * 2**octave) + 1
        grid = normal([seed], channels, size, size, stream=octave)
        total += F.interpolate(grid, (SIDE, SIDE), mode="bicubic", align_corners=True) / 2**octave
    return total[0] / total.std()


def blend(under: Tensor, over: Tensor, share: Tensor) -> Tensor:
    """``under`` where ``share`` is 0, ``over`` where it is 1."""
    return under + (over - under) * share.clamp(0, 1)


def step(x: Tensor, low: float, high: float) -> Tensor:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def nearest(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index of the nearest of [P, 2] (y, x), its distance, and how much further the next one is."""
    y, x = mesh()
    pixels = torch.stack([y, x], -1).view(-1, 2)
    parts = [torch.cdist(part, points).topk(2, largest=False) for part in pixels.split(65_536)]
    distance = torch.cat([part.values for part in parts]).view(SIDE, SIDE, 2)
    index = torch.cat([part.indices[:, 0] for part in parts]).view(SIDE, SIDE)
    return index, distance[..., 0], distance[..., 1] - distance[..., 0]


def palette(index: Tensor, names: str, seed: int) -> Tensor:
    """A colour of a palette for every index, with a little variation: [3, *index.shape]."""
    colours = torch.cat([colour(name).view(1, 3) for name in names.split()])
    count = int(index.max()) + 1
    draw = (uniform([seed], count)[0] * len(colours)).long()
    cells = colours[draw] + 0.06 * normal([seed], count, 1, stream=1)[0]
    return cells[index].permute(2, 0, 1).clamp(0, 1)


def glass() -> Tensor:
    """A rose window: rings of panes with lead between them."""
    points = [torch.tensor([[0.5, 0.5]])]
    for ring, count in enumerate((8, 14, 20, 26, 32, 40, 48)):
        angle = torch.arange(count) / count * math.tau + 0.17 * ring
        radius = 0.1 * (ring + 1) + 0.012 * normal([ring], count)[0]
        points.append(0.5 + torch.stack([angle.sin(), angle.cos()], -1) * radius[:, None])
    index, distance, gap = nearest(torch.cat(points))
    panes = palette(index, "#a3182b #d8552b #e8a92d #f2d06b #1d4f91 #2f7fc1 #14365f #2d7d5f #6b2a6e", 3)
    light = 1.12 - 3.2 * distance + 0.1 * clouds(1, 24, 3)
    y, x = mesh()
    ring_gap = ((((y - 0.5) ** 2 + (x - 0.5) ** 2).sqrt() - 0.25).abs() - 0.004).abs()
    lead = step(torch.minimum(gap, ring_gap * 2), 0.007, 0.012)
    return blend(colour("#15110f").expand(3, SIDE, SIDE), panes * light, lead)


def wash() -> Tensor:
    """Watercolour: pigments that run, dark where they dried last, on grained paper."""
    paper = colour("#f6f0e2") * (1 + 0.025 * clouds(90, 180, 2))
    for layer, name in enumerate("#2a4d7a #3c7a89 #b4574f #d99a3d #3b2f63 #6f9a6a".split()):
        field = clouds(20 + layer, 3 + layer % 3, 6) + 0.12 * clouds(40 + layer, 60, 2)
        wet = step(field, 0.35, 0.5)
        edge = step(field, 0.35, 0.42) * (1 - step(field, 0.42, 0.62))
        depth = wet * (0.5 + 0.22 * clouds(60 + layer, 6, 5)) + 0.34 * edge
        paper = paper * blend(torch.ones(3, 1, 1), colour(name), depth.clamp(0, 0.95))
    return paper


def hatching() -> Tensor:
    """Pen and ink: five layers of wavering strokes, one more for each darker tone."""
    y, x = mesh()
    tone = 0.5 + 0.3 * clouds(5, 3, 3)[0]
    for cy, cx, radius in ((0.34, 0.36, 0.24), (0.7, 0.68, 0.2), (0.8, 0.2, 0.12)):
        height = (1 - ((y - cy) ** 2 + (x - cx) ** 2) / radius**2).clamp_min(0).sqrt()
        lit = 0.15 + 0.95 * (height * 0.6 - (y - cy) / radius * 0.45 - (x - cx) / radius * 0.45)
        tone = torch.where(height > 0, lit, tone)
    ink = torch.zeros(SIDE, SIDE)
    for layer, (angle, level) in enumerate(((0.6, 0.95), (2.2, 0.7), (0.15, 0.5), (1.5, 0.32), (2.8, 0.18))):
        across = x * math.cos(angle) + y * math.sin(angle) + 0.005 * clouds(70 + layer, 8, 2)[0]
        wave = (across * 74 * math.tau / 1.6).sin()
        thick = 0.75 - 0.5 * step(level - tone, 0, 0.5) + 0.16 * clouds(80 + layer, 30, 2)[0]
        ink = torch.maximum(ink, step(wave, 0.0, 0.25).where(wave > thick, torch.zeros(())) * (tone < level))
    soft = F.avg_pool2d(ink[None, None], 3, 1, 1)[0]
    return blend(colour("#f4ecd8") * (1 + 0.02 * clouds(91, 120, 2)), colour("#1f1b1a"), soft * 1.3)


def dots() -> Tensor:
    """Pointillism: dabs of unmixed colour over an evening by the water."""
    y, x = mesh()
    sky = "#274b8f #5f7fc2 #c98bb0 #f0a66b #f7d774 #e98f4f #3f6ea3 #23406f".split()
    canvas = colour("#efe3c8").expand(3, SIDE, SIDE).clone()
    for layer in range(7):
        cells = 64 + 6 * layer
        offset = uniform([100 + layer], cells, cells, 2)[0]
        row, column = (y * cells).long(), (x * cells).long()
        best, index = torch.full_like(y, 9.0), torch.zeros_like(row)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                i, j = (row + down).clamp(0, cells - 1), (column + right).clamp(0, cells - 1)
                dab = offset[i, j]
                distance = ((i + dab[..., 0] - y * cells) ** 2 + (j + dab[..., 1] - x * cells) ** 2).sqrt()
                index = torch.where(distance < best, i * cells + j, index)
                best = torch.minimum(best, distance)
        at = torch.cartesian_prod(torch.arange(cells), torch.arange(cells)) + offset.view(-1, 2)
        centre = at[:, 0] / cells + 0.07 * normal([200 + layer], cells * cells)[0]
        sun = (at / cells - torch.tensor([0.44, 0.62])).norm(dim=1)
        band = (centre * (len(sky) - 1)).round().clamp(0, len(sky) - 1).long()
        band = torch.where(sun < 0.12, torch.full_like(band, 4), band)
        shades = torch.cat([colour(name).view(1, 3) for name in sky])[band]
        shades = (shades + 0.11 * normal([300 + layer], cells * cells, 3)[0]).clamp(0, 1)
        canvas = blend(canvas, shades[index].permute(2, 0, 1), step(-best, -0.46, -0.36))
    return canvas


def mosaic() -> Tensor:
    """Tesserae laid in rings, grout between them."""
    y, x = mesh()
    dy, dx = y - 0.5 + 0.02 * clouds(7, 3, 2)[0], x - 0.5 + 0.02 * clouds(8, 3, 2)[0]
    radius, angle = (dy**2 + dx**2).sqrt(), torch.atan2(dy, dx) / math.tau + 0.5
    rings = radius * 30
    ring = rings.floor()
    around = (angle * (ring * 2 + 1).clamp_min(1) * 3.1416 + ring * 0.37) % (ring.clamp_min(0.5) * 6.2832)
    stone = around.floor()
    petals = (angle * 12 * math.tau).cos() * 3 + (ring * 0.8).sin() * 2
    tones = "#173753 #24567d #6daedb #f0e7d4 #d8b35a #b5532c #7a2a1f #f0e7d4 #2f6f63".split()
    choice = ((petals + ring * 0.55).round().long() % len(tones)).clamp(0, len(tones) - 1)
    shades = torch.stack([colour(name).view(3) for name in tones])[choice].permute(2, 0, 1)
    speck = torch.frac((ring * 12.9898 + stone * 78.233).sin() * 43758.5453)
    edge = torch.minimum(torch.minimum(rings % 1, 1 - rings % 1), torch.minimum(around % 1, 1 - around % 1))
    return blend(colour("#cfc5b0").expand(3, SIDE, SIDE), shades * (0.9 + 0.22 * speck), step(edge, 0.05, 0.1))


def waves() -> Tensor:
    """Long brush strokes along a field of eddies (line integral convolution of dabs of colour)."""
    y, x = mesh()
    flow_y, flow_x = 0.25 + 0 * y, 1.0 + 0 * x
    for cy, cx, turn, reach in ((0.3, 0.3, 1, 0.2), (0.38, 0.74, -1, 0.15), (0.75, 0.5, 1, 0.17), (0.8, 0.12, -1, 0.1)):
        pull = torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * reach**2)) * 5 * turn / reach
        flow_y, flow_x = flow_y + (x - cx) * pull, flow_x - (y - cy) * pull
    length = (flow_y**2 + flow_x**2).sqrt() + 1e-3
    flow_y, flow_x = flow_y / length, flow_x / length
    tones = "#10244a #1d3f7d #2f66ab #6aa0cf #a9cfe0 #e7d37a #f2e6a8 #c98f2d".split()
    level = (clouds(12, 4, 3)[0] * 1.3 + 2.6 + 1.5 * normal([13], SIDE // 3, SIDE // 3)[0]
             .repeat_interleave(3, 0).repeat_interleave(3, 1)).round().clamp(0, 7).long()  # fmt: skip
    dabs = torch.stack([colour(name).view(3) for name in tones])[level].permute(2, 0, 1)[None]
    field = torch.stack([flow_x, flow_y])[None]
    total = torch.zeros_like(dabs)
    for sign in (1, -1):
        at = torch.stack([x, y], -1)[None] * 2 - 1
        for _ in range(22):
            total += F.grid_sample(dabs, at, padding_mode="reflection", align_corners=False)
            along = F.grid_sample(field, at, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
            at = at + sign * along * (2 * 1.6 / SIDE)
    strokes = total[0] / 44
    strokes = (strokes - strokes.mean((1, 2), keepdim=True)) * 1.9 + strokes.mean((1, 2), keepdim=True)
    relief = strokes.mean(0, keepdim=True)
    return strokes + 1.2 * (relief - relief.roll((2, 2), (1, 2)))


def mountains() -> Tensor:
    """Ridges behind ridges in morning mist."""
    y, x = mesh()
    scene = blend(colour("#f7d9b5").expand(3, SIDE, SIDE), colour("#6f9ccf"), step(-y, -0.62, 0.05))
    scene = blend(scene, colour("#fff4d6"), step(-((y - 0.3) ** 2 + (x - 0.7) ** 2).sqrt(), -0.085, -0.07))
    scene = blend(scene, colour("#ffffff"), 0.5 * step(clouds(31, 3, 5)[0] - (y - 0.2).abs() * 6, 0.4, 1.6))
    for ridge, (base, rough, name) in enumerate(
        ((0.42, 0.09, "#8fa6c4"), (0.52, 0.1, "#6b86a6"), (0.63, 0.08, "#486a79"), (0.76, 0.07, "#2f5148"))
    ):
        line = base + rough * clouds(50 + ridge, 4 + ridge, 6)[0][SIDE // 2] * 0.7
        inside = step(y - line[None, :], 0, 0.004)
        slope = 0.12 * clouds(60 + ridge, 26, 4)[0] * step(y - line[None, :], 0, 0.3)
        tint = blend(colour(name) + slope, colour("#f1dcc2"), 0.55 * step(y, base + 0.02, base + 0.24) * (ridge < 3))
        scene = blend(scene, tint, inside)
    return scene


def harbour() -> Tensor:
    """Boats on evening water."""
    y, x = mesh()
    horizon = 0.46
    scene = blend(colour("#fbd08a").expand(3, SIDE, SIDE), colour("#4d6fa8"), step(-y, -horizon, -0.02))
    scene = blend(scene, colour("#ffeebb"), step(-((y - 0.36) ** 2 + (x - 0.3) ** 2).sqrt(), -0.075, -0.065))
    hills = horizon - 0.05 - 0.045 * clouds(33, 3, 5)[0][9][None, :].clamp_min(-1)
    scene = blend(scene, colour("#5a5c83"), step(y - hills, 0, 0.004))
    ripple = (y + 0.0012 * clouds(34, 30, 2)[0]) * 150 / (y + 0.25) + 1.5 * (x * 9 + 3 * clouds(35, 4, 2)[0]).sin()
    water = blend(
        colour("#355d86").expand(3, SIDE, SIDE), colour("#f0b878"), 0.5 + 0.5 * ripple.sin() - (y - 0.5) * 1.6
    )
    water = blend(water, colour("#ffe9b0"), step(ripple.sin(), 0.2, 0.8) * step(-(x - 0.3).abs(), -0.12, 0) * 0.9)
    scene = blend(scene, water, step(y, horizon, horizon + 0.003))
    for cx, base, high, hull, sail in (
        (0.64, 0.72, 0.42, "#7a2d1e", "#f5ead2"),
        (0.27, 0.61, 0.2, "#2c3a4f", "#e9d8b4"),
        (0.87, 0.57, 0.13, "#443333", "#fff6e0"),
    ):  # fmt: skip
        up = (base - y) / high
        mirrored = (y - base) / high
        for rise, share in ((up, 1.0), (mirrored * 1.25, 0.35)):
            side = (x - cx) / high
            main = step(torch.minimum(torch.minimum(side - 0.015, 0.42 * (1 - rise) - side), rise - 0.1), 0, 0.01)
            jib = step(torch.minimum(torch.minimum(-0.015 - side, side + 0.3 * (0.85 - rise)), rise - 0.12), 0, 0.01)
            body = step(torch.minimum(torch.minimum(rise, 0.09 - rise), 0.34 + rise - side.abs()), 0, 0.008)
            scene = blend(scene, colour(sail) * 0.98, main * share)
            scene = blend(scene, colour(sail) * 0.86, jib * share)
            scene = blend(scene, colour(hull), body * share)
    return scene


def photographs() -> dict[str, Tensor]:
    """scikit-image's CC0 photographs, cropped to squares; empty where it is not installed."""
    try:
        from skimage import data
    except ImportError:
        return {}
    found = {"cat": data.chelsea()[:, 60:360], "coffee": data.coffee()[:, 60:460]}
    return {name: torch.from_numpy(photo.copy()).permute(2, 0, 1) / 255 for name, photo in found.items()}


def seal() -> Tensor:
    """The page's icon, as in its header: eight tiles around an empty place, RGBA [1, 4, 96, 96] in [-1, 1]."""
    line = torch.arange(96) + 0.5
    y, x = torch.meshgrid(line, line, indexing="ij")

    def rounded(cy: float, cx: float, half: float, corner: float) -> Tensor:
        far = torch.stack([(y - cy).abs(), (x - cx).abs()]) - (half - corner)
        return step(corner - far.clamp_min(0).norm(dim=0), -0.7, 0.7)[None]

    ink = blend(colour("#b9432a").expand(3, 96, 96), colour("#fdf3f0"), sum(
        rounded(26 + 22 * i, 26 + 22 * j, 8, 3) for i in range(3) for j in range(3) if (i, j) != (1, 1)
    ))  # fmt: skip
    return torch.cat([ink, rounded(48, 48, 48, 20)])[None] * 2 - 1


def old(photo: Tensor) -> Tensor:
    """What the Restore tab opens with: a photograph gone grey, grainy and scratched, [1, 3, H, W] in [-1, 1]."""
    grey = photo.mean(1, keepdim=True).expand_as(photo)
    height, width = photo.shape[2:]
    grain = normal([2], 3, height, width).mean(1, keepdim=True) * 10 / 127.5
    return blend(grey * 0.85 + 0.08 + grain, torch.tensor(0.82), _lost(height, width)).clamp(-1, 1)


def brushed(height: int, width: int) -> Tensor:
    """The layer that lies over it: the editor's brush drawn along each scratch, RGBA [1, 4, H, W] in [-1, 1]."""
    reach = F.max_pool2d(_lost(height, width)[None], 5, 1, 2)
    return torch.cat([colour("#e0533d")[None].expand(1, 3, height, width), 0.75 * reach[None]], 1) * 2 - 1


def _lost(height: int, width: int) -> Tensor:
    """Scratches and a corner, [H, W], 1 where the photo is gone."""
    scratches = sum(_stroke(draws, height, width) for draws in uniform([3], 5, 5)[0].tolist()).clamp(0, 1)
    scratches[: height // 6, -width // 5 :] = 1
    return scratches


def _stroke(draws: list[float], height: int, width: int) -> Tensor:
    """A thin line that bends, [H, W], 1 on it."""
    y, x, tilt, bend, _ = draws
    line = torch.linspace(-0.5, 0.5, 400)
    rows = (y + line * (0.3 + 0.5 * tilt)).clamp(0, 1) * (height - 1)
    columns = (x + line * (tilt - 0.5) + bend * line**2).clamp(0, 1) * (width - 1)
    mask = torch.zeros(height, width)
    mask[rows.long(), columns.long()] = 1
    return F.max_pool2d(mask[None, None], 3, 1, 1)[0, 0]


def main(folder: Path) -> None:
    """Draw all of them into a folder."""
    images.save_image(seal(), folder / "favicon.png")
    drawn = {draw.__name__: draw() for draw in (glass, wash, hatching, dots, mosaic, waves, mountains, harbour)}
    for name, picture in {**drawn, **photographs()}.items():
        images.save_image(images.fit(picture.clamp(0, 1)[None] * 2 - 1, KEPT, KEPT), folder / f"{name}.jpg")
    for pair in PAIRS:
        halves = [images.fit(images.load_image(folder / f"{name}.jpg"), 120, 120) for name in pair]
        images.save_image(torch.cat(halves, dim=-1), folder / f"{'-'.join(pair)}.jpg")
    photo = images.load_image(folder / "coffee.jpg")
    images.save_image(old(photo), folder / "old.jpg")
    images.save_image(brushed(*photo.shape[2:]), folder / "old-brushed.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
