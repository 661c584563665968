"""The progress of a search as a small SVG: the best so far and the mean of each generation."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 28, 34
BEST, MEAN = "#2f6fb3", "#d1702b"  # told apart by the colour-blind as well


def progress_svg(progress: Sequence[tuple[float, float]], population: int) -> str:
    """SVG text of (best so far, mean) after each generation; lettering takes the colour of the text around it.

    Args:
        progress: At least one generation.
        population: Pictures of a generation.
    """
    best, mean = ([values[i] for values in progress] for i in (0, 1))
    low, high = min(mean + best), max(best)
    span = (high - low) or 1.0
    low, high = low - 0.05 * span, high + 0.05 * span
    last = max(len(progress) - 1, 1)

    def line(values: list[float], colour: str, dash: str) -> str:
        at = [
            f"{LEFT + i / last * (WIDTH - LEFT - RIGHT):.1f},{place(value):.1f}" for i, value in enumerate(values)
        ]  # fmt: skip
        at = at * 2 if len(at) == 1 else at  # a single point, seen by its round ends
        return (f'<polyline points="{" ".join(at)}" fill="none" stroke="{colour}" stroke-width="2.5" '
                f'stroke-linecap="round" stroke-linejoin="round"{dash}/>')  # fmt: skip

    def place(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    ticks = [low + (high - low) * share for share in (0.1, 0.5, 0.9)]
    grid = "".join(
        f'<path d="M{LEFT} {place(tick):.1f}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".15"/>'
        f'<text x="{LEFT - 6}" y="{place(tick) + 4:.1f}" text-anchor="end">{tick:.2f}</text>'
        for tick in ticks
    )
    pictures = len(progress) * population
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" '
        f'font-family="sans-serif" font-size="12" fill="currentColor" style="color:inherit">'
        f"<title>Best score so far {best[-1]:.3f} after {pictures} pictures; it began with {best[0]:.3f}.</title>"
        f"{grid}{line(mean, MEAN, ' stroke-dasharray=' + chr(34) + '2 6' + chr(34))}{line(best, BEST, '')}"
        f'<text x="{LEFT}" y="16" fill="{BEST}">— best so far</text>'
        f'<text x="{LEFT + 110}" y="16" fill="{MEAN}">·· mean of the generation</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 12}">{population}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">{pictures} pictures looked at</text></svg>'
    )
