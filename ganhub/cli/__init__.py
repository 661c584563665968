"""The command line: ``ganhub``, or ``python -m ganhub``. One file per group of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from ganhub._version import __version__
from ganhub.cli import augment, card, evaluate, judge, latents, models, push, serve, style, train, translate
from ganhub.console import in_sentences

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
) -> None:
    """GANs and style networks from the Hugging Face Hub to your screen."""


models.add_to(cli)
serve.add_to(cli)
evaluate.add_to(cli)
judge.add_to(cli)
augment.add_to(cli)
card.add_to(cli)
latents.add_to(cli)
style.add_to(cli)
translate.add_to(cli)
train.add_to(cli)
push.add_to(cli)


def main() -> None:
    """Run the command line; every error is one sentence on the error stream, and the exit status is not 0."""
    with in_sentences():
        cli()
