"""The command line: ``ganhub``, or ``python -m ganhub``. One file per group of commands.

Each file without a leading underscore declares ``PLACE``, where its commands stand in the help, and ``add_to(cli)``.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ganhub._version import __version__
from ganhub.console import in_sentences
from ganhub.images.provenance import SWITCH
from ganhub.registry import import_files

cli = typer.Typer(
    help="GANs and style networks from the Hugging Face Hub to your screen.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ganhub {__version__}")
        raise typer.Exit()


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and end.")
    ] = False,
    no_mark: Annotated[
        bool, typer.Option("--no-mark", help="Files shall not say that they were generated, nor how.")
    ] = False,
) -> None:
    """GANs and style networks from the Hugging Face Hub to your screen."""
    if no_mark:
        os.environ[SWITCH] = "0"


for _group in sorted(import_files(__name__, __path__), key=lambda group: group.PLACE):
    _group.add_to(cli)


def main() -> None:
    """Run the command line; every error is one sentence on the error stream, and the exit status is not 0."""
    with in_sentences():
        cli()
