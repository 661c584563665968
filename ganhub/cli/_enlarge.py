"""Generated pictures, enlarged: by the upscaler that is here, or each pixel as a square."""

from __future__ import annotations

from ganhub import hub, zoo
from ganhub.errors import ConfigError, HubError

FACTORS = (1, 2, 4)
WAYS = ("auto", "upscaler", "nearest")
SMALLEST = 64  # pixels a side that the upscaler, which has learnt photos, makes something of


def chosen(scale: int, way: str, size: tuple[int, int], channels: int) -> tuple[str, str]:
    """By what pictures are enlarged, and that in words.

    The rule of "auto": grey pictures, and those with a side below 64 pixels, are enlarged by nearest, each pixel a
    square; others by the usual upscaler where it is on this machine (or in the Hub's cache), else by nearest.

    Args:
        scale: 1, 2 or 4.
        way: "auto", "upscaler" (fetched where it is missing) or "nearest".
        size, channels: Of the pictures.

    Returns:
        The name of an upscaler, or "" for each pixel a square.

    Raises:
        ConfigError: Another factor or way. HubError: There is no upscaler, and it was asked for.
    """
    if scale not in FACTORS:
        raise ConfigError(f"--scale is 1, 2 or 4, not {scale}.")
    if way not in WAYS:
        raise ConfigError(f"--enlarge is {', '.join(WAYS[:-1])} or {WAYS[-1]}, not {way!r}.")
    if scale == 1:
        return "", ""
    if way == "upscaler" or (way == "auto" and channels != 1 and min(size) >= SMALLEST):
        name = zoo.default("enlarge")
        try:
            hub.locate(name, local_files_only=way == "auto")
            return name, f"enlarged {scale} times by {name}"
        except HubError:
            if way == "upscaler":
                raise
            missing = f" ({name} is not on this machine; --enlarge upscaler fetches it)"
    else:
        missing = ""
    return "", f"enlarged {scale} times, each pixel a square{missing}"
