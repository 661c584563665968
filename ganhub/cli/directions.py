"""``ganhub directions``: the named directions of a model, and names for more of them."""

from __future__ import annotations

from typing import Annotated

import typer

from ganhub import hub
from ganhub.cli._inputs import say
from ganhub.errors import ConfigError
from ganhub.latents.mixing import needs_w
from ganhub.latents.named import forget_direction, name_direction
from ganhub.models import AutoModel, StyleGenerator
from ganhub.models._named import NamedDirection


def directions(
    model: Annotated[str, typer.Argument(help="A folder, a name from `ganhub list`, or owner/name on the Hub.")],
    keep: Annotated[str, typer.Option(help="Give this direction a name, such as pca:3 or sefa:0@coarse.")] = "",
    name: Annotated[str, typer.Option(help="The name for it, in plain words.")] = "",
    remove: Annotated[str, typer.Option(help="Remove this name.")] = "",
) -> None:
    """List what a model's pictures can be changed along, and keep names for it in the model's folder."""
    if bool(keep) != bool(name):
        raise ConfigError("A name and a direction go together: write --keep pca:3 --name 'more hair'.")
    generator = needs_w(AutoModel.from_pretrained(model))
    if keep or remove:
        folder = hub.find_local(model)
        if folder is None:
            raise ConfigError(f"{model} is not a folder on this machine, so no name can be kept in it: copy it here "
                              "first, as with `hf download`.")  # fmt: skip
        if remove:
            forget_direction(generator, folder, remove)
            say(f"The name {remove!r} is removed from {folder}.")
        if keep:
            one = name_direction(generator, folder, name, keep)
            say(f"{one.reference} is called {one.name!r} from now on, in {folder}.")
        return
    for line in listed(generator):
        say(line)


def listed(model: StyleGenerator) -> list[str]:
    """What there is, one line each."""
    lines = ["Named directions:" if model.named else "No named directions: give a computed one a name with --keep."]
    rows = [(one.name, ", ".join(one.classes) or "all classes", figures(one)) for one in model.named]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    lines += ["  " + "  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows]
    width = model.style_mean.shape[1] - 1
    classes = ", class:FIRST>SECOND" if model.config.num_classes else ""
    return [*lines, f"Computed: pca:0 to pca:{width}, sefa:0 to sefa:{width}{classes}."]


def figures(one: NamedDirection) -> str:
    """What was measured of it, or which direction it stands for."""
    success = one.success
    if "changed" in success and "amount" in success:
        kept = f", leaves the rest alone in {success['least kept']:.0%}" if "least kept" in success else ""
        return f"at {success['amount']:g} does so in {success['changed']:.0%}{kept}"
    return one.reference or one.source


PLACE = 71  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("directions")(directions)
