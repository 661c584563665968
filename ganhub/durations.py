"""Seconds in words, as a forecast says them."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """As in: about 40 seconds, about 5 minutes, about 2.5 hours."""
    if seconds < 1.5:
        return "about a second"
    if seconds < 90:
        return f"about {seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.1f} hours"
