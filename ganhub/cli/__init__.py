"""The command line: ``ganhub``, or ``python -m ganhub``. One file per group of commands."""

from __future__ import annotations

import typer

from ganhub.cli import augment, card, evaluate, judge, latents, models, serve, style, translate
from ganhub.console import in_sentences

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
    """Run the command line; every error is one sentence on the error stream, and the exit status is not 0."""
    with in_sentences():
        cli()
