"""``ganhub app``: the app, for those who installed the package instead of cloning the project."""

from __future__ import annotations

from typing import Annotated

import typer


def app(
    port: Annotated[int | None, typer.Option(help="7860 or the next free one without it.")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 opens it to the local network.")] = "127.0.0.1",
) -> None:
    """Start the app and print its address."""
    from ganhub.app import create_app, launch_options  # Gradio takes seconds to import: only here

    create_app().launch(server_port=port, server_name=host, **launch_options())


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("app")(app)
