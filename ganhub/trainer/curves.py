"""The plot of a run: losses and, where the watchdog looked, distance to the data and spread, over pictures seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganhub import images

WIDTH, HEIGHT, DPI = 1400, 700, 140  # pixels
MOST_LINES = 200  # of a published log
INK, FAINT, ALARM, ALARM_SHADE = "#333333", "#8a8a8a", "#c0392b", "#faeceb"
PLAYERS = ("#2f6fb3", "#d1702b", "#3a8f62", "#7d5ba6", "#a8325e")  # told apart by the colour-blind as well
DISTANCE, SPREAD = "#1d7f8c", "#7d5ba6"
STYLE = {
    "font.size": 9, "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.titlepad": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": FAINT,
    "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5, "axes.grid": True, "axes.axisbelow": True, "grid.color": "#e6e6e6", "grid.linewidth": 0.7,
    "legend.frameon": False, "legend.fontsize": 9, "lines.solid_capstyle": "round",
}  # fmt: skip
Line = Mapping[str, Any]


def write_curves(log_lines: Iterable[Line], path: str | Path) -> bool:
    """Draw the lines of a log.jsonl as a PNG of 1400 x 700 pixels on white; panels without data are left out.

    Args:
        log_lines: Each with ``images`` and any of "PLAYER/loss", "watch/distance" (and "watch/distance_error"),
            "watch/spread" and "alarms"; what else they hold is ignored, and so is what is no finite number.
        path: Replaced at once when it exists.

    Returns:
        Whether there is a plot: False, and no file, without anything to draw or without matplotlib (a sentence
        says so once).
    """
    lines = [line for line in log_lines if isinstance(line, Mapping) and _number(line.get("images")) is not None]
    players = sorted({key for line in lines for key in line if str(key).endswith("/loss")}, key=_generator_first)
    losses = {key.removesuffix("/loss"): _series(lines, key) for key in players}
    losses = {player: series for player, series in losses.items() if len(series[0])}
    distance, spread = _series(lines, "watch/distance"), _series(lines, "watch/spread")
    panels: list[tuple[Callable[[Any], None], int]] = []  # of the right-hand column, with their heights
    if len(distance[0]):
        panels.append((lambda axes: _draw_distance(axes, *distance, _errors(lines)), 3))
    if len(spread[0]):
        panels.append((lambda axes: _draw_spread(axes, *spread), 2))
    if not losses and not panels or not _matplotlib():
        return False

    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():  # whatever style the user has, and without leaving ours behind
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white", layout="constrained")
        canvas = FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08, wspace=0.03, hspace=0.03)
        grid = figure.add_gridspec(1, 2 if losses and panels else 1)
        drawn = []
        if losses:
            drawn.append(figure.add_subplot(grid[0]))
            _draw_losses(drawn[0], losses)
        if panels:
            column = grid[-1].subgridspec(len(panels), 1, height_ratios=[height for _, height in panels])
            for row, (draw, _) in enumerate(panels):
                drawn.append(figure.add_subplot(column[row]))
                draw(drawn[-1])
        _share_axis(drawn, lines, named={0, len(drawn) - 1} if losses else {len(drawn) - 1})
        _legend(drawn[0])
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    pixels = np.rint(pixels / 17) * 17  # sixteen tones a channel look the same and take a third of the bytes
    image = images.from_uint8(torch.from_numpy(pixels.astype(np.uint8)).permute(2, 0, 1)[None])[0]
    images.save_image(image, path)
    return True


def thin_log(log_lines: Sequence[Line], most: int = MOST_LINES) -> list[Line]:
    """At most so many lines of a log, in order: what the plot cannot do without first, the rest evenly.

    The first and the last line, all with a distance and all with alarms stay; then those with the spread.
    """
    ranks: list[list[int]] = [[], [], [], [], []]
    for place, line in enumerate(log_lines):
        ends = place in (0, len(log_lines) - 1)
        wanted = (ends, "watch/distance" in line, bool(line.get("alarms")), "watch/spread" in line, True)
        ranks[wanted.index(True)].append(place)
    chosen: list[int] = []
    for places in ranks:
        room = most - len(chosen)
        if len(places) > room:
            places = [places[(2 * i + 1) * len(places) // (2 * room)] for i in range(room)]
        chosen += places
    return [log_lines[place] for place in sorted(chosen)]


@cache
def _matplotlib() -> bool:
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
    except ImportError:
        print('The run is not drawn as a plot, which needs matplotlib: pip install "ganhub[train]".')
        return False
    return True


# ---- reading lines


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
    return float(value) if good else None  # NaN is not below anything


def _series(lines: Sequence[Line], key: str) -> tuple[np.ndarray, np.ndarray]:
    """(pictures, values) of one key, in the order of the pictures."""
    pairs = [(float(line["images"]), _number(line.get(key))) for line in lines]
    pairs = sorted((images, value) for images, value in pairs if value is not None)
    return np.array([images for images, _ in pairs]), np.array([value for _, value in pairs])


def _errors(lines: Sequence[Line]) -> np.ndarray:
    """Standard errors beside :func:`_series` of the distance, 0 where the log has none."""
    checks = [line for line in lines if _number(line.get("watch/distance")) is not None]
    checks.sort(key=lambda line: (line["images"], line["watch/distance"]))
    return np.array([max(_number(line.get("watch/distance_error")) or 0.0, 0.0) for line in checks])


def _spells(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """(first, last) of the pictures in each stretch of lines with an alarm; lines with a distance alone say nothing."""
    spells: list[tuple[float, float]] = []
    before = False
    for line in lines:
        if not any(str(key).endswith("/loss") for key in line) and not line.get("alarms"):
            continue
        now = bool(line.get("alarms"))
        if now:
            spells[-1:] = [(spells[-1][0], line["images"])] if before else [*spells[-1:], (line["images"],) * 2]
        before = now
    return spells


def _generator_first(key: str) -> tuple[bool, str]:
    return not key.startswith("generator"), key


# ---- panels


def _draw_losses(axes: Any, losses: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Each player's loss: faint as logged, strong as its running median, which a single spike does not move."""
    axes.set_title("Losses")
    shown = []
    for place, (player, (seen, values)) in enumerate(losses.items()):
        colour = PLAYERS[place % len(PLAYERS)]
        few = len(values) < 12
        window = max(len(values) // 20, 2)
        smooth = values if few else _running(_running(values, window, np.median), window // 2, np.mean)
        if not few:  # without antialiasing: it makes half of the file and nobody sees it
            axes.plot(seen, values, color=_pale(colour), linewidth=0.8, antialiased=False)
        axes.plot(
            seen, smooth, color=colour, linewidth=2, marker="o" if few else "", markersize=4, label=player, zorder=3
        )
        shown.append((values, smooth))
    low = min(min(np.quantile(values, 0.02), smooth.min()) for values, smooth in shown)
    high = max(max(np.quantile(values, 0.98), smooth.max()) for values, smooth in shown)
    pad = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    axes.set_ylim(low - pad, high + pad)


def _draw_distance(axes: Any, seen: np.ndarray, values: np.ndarray, errors: np.ndarray) -> None:
    axes.set_title("Kernel distance to the data (vgg-lite) ↓")
    axes.plot(seen, values, color=_pale(DISTANCE, 0.35), linewidth=1.4)
    axes.errorbar(seen, values, errors, fmt="o", color=DISTANCE, markersize=4, elinewidth=1.2, capsize=2.5, zorder=3)
    best = int(values.argmin())
    axes.plot(seen[best], values[best], "o", markersize=10, markerfacecolor="none", markeredgecolor=DISTANCE)
    axes.set_title(f"best {values[best]:.3g}", loc="right", fontsize=9, fontweight="normal", color=DISTANCE)
    if values.min() > 0 and values.max() > 30 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _draw_spread(axes: Any, seen: np.ndarray, values: np.ndarray) -> None:
    axes.set_title("Spread of the pictures (the data's is 1)")
    axes.axhline(1, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(seen, values, color=SPREAD, linewidth=1.8, marker="o" if len(values) < 12 else "", markersize=4)
    axes.set_ylim(0, max(1.15, values.max() * 1.1))


def _share_axis(drawn: Sequence[Any], lines: Sequence[Line], *, named: set[int]) -> None:
    """Pictures seen, from 0, below every panel (those of ``named`` say so), and where there were alarms."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(line["images"] for line in lines), max(line["images"] for line in lines)
    spells = _spells(lines)
    for place, axes in enumerate(drawn):
        axes.set_xlim(0, high * 1.03 or 1)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(lambda value, _: _short(value))
        if place in named:
            axes.set_xlabel("pictures seen" if low < high else f"pictures seen: {high:,.0f}")
        _mark(axes, spells, named=place == 0)


def _mark(axes: Any, spells: Sequence[tuple[float, float]], *, named: bool) -> None:
    """Where the watchdog was alarmed: a line where it began, a shade as long as it lasted."""
    for i, (first, last) in enumerate(spells):
        axes.axvspan(first, last, color=ALARM_SHADE, linewidth=0, zorder=0)
        axes.axvline(first, color=ALARM, linewidth=1.3, label="alarm" if named and not i else None)


def _legend(axes: Any) -> None:
    """Beside the title, where it hides nothing, as long as it fits there."""
    count = len(axes.get_legend_handles_labels()[1])
    if 0 < count <= 4 and not axes.get_title("right"):
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.995), ncols=count, borderaxespad=0.2, columnspacing=1.4)
    elif count:
        axes.legend(loc="best")


def _pale(colour: str, share: float = 0.72) -> str:
    """A colour mixed with white: as seen through, but with fewer tones in the file than transparency gives."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * share):02x}" for part in parts)


def _running(values: np.ndarray, window: int, what: Callable[[np.ndarray], Any]) -> np.ndarray:
    """``what`` of the neighbours within half a window, of fewer towards the ends."""
    half = max(window // 2, 1)
    return np.array([what(values[max(i - half, 0) : i + half + 1]) for i in range(len(values))])


def _short(value: float) -> str:
    """100,000 as 100k, 1,500,000 as 1.5M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit and math.isfinite(value):
            return f"{value / unit:g}{name}"
    return f"{value:g}"
