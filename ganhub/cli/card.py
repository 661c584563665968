"""``ganhub card``: rebuilds a model's card from the files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ganhub import hub
from ganhub.cli._inputs import say
from ganhub.config import nearest
from ganhub.errors import HubError
from ganhub.hub import cards
from ganhub.models import AutoModel, list_architectures
from ganhub.nn.features import FEATURE_NETWORKS


def card(model: Annotated[str, typer.Argument(help="A folder on this disk, or a name from `ganhub list`.")]) -> None:
    """Write a model's README.md anew, from its config, metrics, pictures and log; what you wrote into it stays."""
    folder = _folder(model)
    facts = _facts(folder)
    cards.read_metrics(folder)  # says what is wrong with it before anything is written
    plot = _draw(folder)
    path = cards.write_card(folder, facts)
    if not cards.has_markers(cards.read_card(path)):
        say(f"{path} has no generated part between {cards.BEGIN} and {cards.END}: it was left as it is.")
        return
    say(f"Wrote {path}" + (f", with its plot {plot.name}." if plot else "."))


def _folder(model: str) -> Path:
    folder = hub.find_local(model)
    if folder is not None:
        return folder
    if hub.is_repo_id(model):
        raise HubError(
            f"There is no folder {model} here, and a card is rebuilt in a folder: if it is a model on the Hub, "
            "save it to one with save_pretrained and name that."
        )
    raise HubError(
        f"There is no folder or model '{model}' here.{nearest(model, hub.list_local())} `ganhub list` names the models."
    )


def _facts(folder: Path) -> dict[str, Any]:
    """What the model can say for itself. A feature network has no model class: its card keeps the facts it has."""
    architecture = hub.read_config(folder).get("architecture")
    if architecture in FEATURE_NETWORKS and architecture not in list_architectures():
        return {}
    return AutoModel.from_pretrained(folder).card_facts()


def _draw(folder: Path) -> Path | None:
    """Draw curves.png from the log of the run, or from the short copy of it that is published."""
    logs = [place for place in (folder, folder / "training") if (place / "log.jsonl").is_file()]
    if not logs:
        return None
    try:
        from ganhub.trainer.curves import write_curves
        from ganhub.trainer.log import read_log
    except ImportError as error:
        say(f'The plot is left as it is, drawing it needs {error.name}: pip install "ganhub[train]".')
        return None
    path = folder / cards.PICTURES["curves"]
    return path if write_curves(read_log(logs[0]), path) else None


PLACE = 60  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("card")(card)
