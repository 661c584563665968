"""The command line: ``ganhub``, or ``python -m ganhub``. One file per group of commands."""

from __future__ import annotations

import sys

import typer

from ganhub.cli import augment, card, evaluate, judge, latents, models, serve, style, translate
from ganhub.errors import GanhubError

cli = typer.Typer(
    help="GANs and style networks from the Hugging Face Hub to your screen.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models.add_to(cli)
serve.add_to(cli)
evaluate.add_to(cli)
judge.add_to(cli)
augment.add_to(cli)
card.add_to(cli)
latents.add_to(cli)
style.add_to(cli)
translate.add_to(cli)


def main() -> None:
    """Run the command line; an error that ganhub raises on purpose is one sentence and exit status 1."""
    try:
        cli()
    except GanhubError as error:
        print(f"ganhub: {error}", file=sys.stderr)
        raise SystemExit(1) from None
