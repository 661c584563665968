"""``ganhub app``: the app, for those who installed the package instead of cloning the project."""

from __future__ import annotations

from typing import Annotated

import typer

from ganhub.addresses import check_address


def app(
    port: Annotated[int | None, typer.Option(help="7860 or the next free one without it.")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 opens it to the local network.")] = "127.0.0.1",
) -> None:
    """Start the app and print its address."""
    check_address(host, port)
    from ganhub.app import create_app, serve  # Gradio takes seconds to import: only here

    serve(create_app(), port=port, host=host)


PLACE = 20  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("app")(app)
