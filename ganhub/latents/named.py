"""Names for directions: kept in the model's folder, in ``directions.json``."""

from __future__ import annotations

from pathlib import Path

from ganhub.errors import ConfigError
from ganhub.latents.directions import direction
from ganhub.latents.mixing import needs_w
from ganhub.models import StyleGenerator
from ganhub.models._named import NamedDirection, checked_name, checked_reference, with_named, write_named


def name_direction(model: StyleGenerator, folder: str | Path, name: str, reference: str) -> NamedDirection:
    """Give a computed direction a name in plain words, and keep it in the model's folder.

    Args:
        model: As it was loaded from ``folder``; it knows the name from then on.
        folder: A Hub folder on this machine.
        name: Such as "more hair"; takes the place of the direction that had it.
        reference: Which direction, such as "pca:3" or "pca:3@coarse".

    Raises:
        ConfigError: What cannot be a name, or a direction that does not exist.
        FileError: The folder cannot be written.
    """
    one = NamedDirection(checked_name(name), reference=checked_reference(reference.strip()), source="named by a person")
    direction(needs_w(model), one.reference)  # says what is wrong with it
    model.read_beside(Path(folder))  # somebody else may have named one since the model was loaded
    named = with_named(model.named, one)
    write_named(Path(folder), named)
    model.named = named
    return one


def forget_direction(model: StyleGenerator, folder: str | Path, name: str) -> int:
    """Remove a name from a model and its folder; returns how many directions had it (it may differ by class).

    Raises:
        ConfigError: No direction has that name.
        FileError: The folder cannot be written.
    """
    needs_w(model).read_beside(Path(folder))
    kept = tuple(one for one in model.named if one.name.casefold() != name.strip().casefold())
    gone = len(model.named) - len(kept)
    if not gone:
        known = ", ".join(dict.fromkeys(one.name for one in model.named)) or "none"
        raise ConfigError(f"No direction is called {name[:60]!r} here. Named directions: {known}.")
    write_named(Path(folder), kept)
    model.named = kept
    return gone
