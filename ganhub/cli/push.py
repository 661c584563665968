"""``ganhub push`` and ``ganhub push-space``: a model folder, and the app with chosen models, go to the Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from ganhub import hub, space
from ganhub.cli._inputs import say
from ganhub.errors import ConfigError, HubError
from ganhub.hub import uploads

Private = Annotated[bool, typer.Option("--private", help="Make a new repository private.")]
Message = Annotated[str, typer.Option(help="Message of the commit.")]


def push(
    folder: Annotated[str, typer.Argument(help="A model folder, such as that of a finished run.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository; created if missing.")],
    private: Private = False,
    branch: Annotated[str | None, typer.Option(help="Branch; created if missing. main without it.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Propose the files, as a pull request.")] = False,
    tag: Annotated[str | None, typer.Option(help="Name for what is pushed, such as v1.0.")] = None,
    training: Annotated[
        bool, typer.Option("--training", help="Push the adversary and the log, too, so that others can train on.")
    ] = False,
    commit_message: Message = "Upload with ganhub",
) -> None:
    """Push a model folder to the Hub, its files as they are.

    Log in first with `hf auth login`. What the Hub holds already is not sent again, so the same command goes on after a
    break. What a person wrote into the card on the Hub stays.
    """
    uploads.require_repo_id(repo)
    here = hub.find_local(folder)
    if here is None:
        raise HubError(f"There is no folder {folder}: name the folder of a run or of a saved model.")
    files = uploads.pushed_files(here, training)
    size = sum((here / name).stat().st_size for name in files)
    say(f"{len(files)} files of {here}, {size / 1e6:.1f} MB, go to {repo}.", err=True)
    address = uploads.push_folder(
        here, repo, private=private or None, branch=branch, commit_message=commit_message, create_pr=create_pr,
        include_training=training, tag=tag,
    )  # fmt: skip
    say(f"Pushed: {address}")
    if not create_pr and branch is None:
        say(f'It loads with AutoModel.from_pretrained("{repo}").')


def push_space(
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The Space; created if missing.")],
    models: Annotated[
        str,
        typer.Option(
            help="Models that the Space has with it, comma-separated: folders, short names, or owner/name on the Hub.",
            show_default="the published ones that are here and serve every tab",
        ),
    ] = "",
    torch_index: Annotated[
        str,
        typer.Option(
            help="Address of PyTorch's packages for CPUs, as its install page shows it: a Space without a GPU then "
            "installs the small build."
        ),
    ] = "",
    private: Private = False,
    commit_message: Message = "Upload with ganhub",
) -> None:
    """Make a Space of the app: the app, the package, chosen models and what they need, uploaded over HTTP.

    Title, colours, licence and text of a Space that is there stay as they are. A visitor of it can open any other
    ganhub model on the Hub by its name.
    """
    names = [name.strip() for name in models.split(",") if name.strip()]
    if models and not names:
        raise ConfigError("--models names no model: write names with commas between them.")
    uploads.require_repo_id(repo, space=True)
    files = space.space_files(names, torch_index)
    size = sum(len(content) if isinstance(content, bytes) else content.stat().st_size for content in files.values())
    shown = sorted({name.split("/")[1] for name in files if name.startswith("model_cards/")})
    say(f"{len(files)} files, {size / 1e6:.1f} MB, go to the Space {repo}, with {', '.join(shown)}.", err=True)
    address = uploads.upload(
        files, repo, space=True, private=private or None, commit_message=commit_message, replace=space.REPLACED,
        merge=space.merge_page,
    )  # fmt: skip
    say(f"Pushed: {address}. The Hub builds the Space now, which takes some minutes.")


PLACE = 110  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("push")(push)
    cli.command("push-space")(push_space)
