"""The Gradio app: ``serve(create_app())``, or ``create_app().launch(**launch_options())``."""

from ganhub.addresses import settle_environment

settle_environment()  # before Gradio is imported

from ganhub.app.library import Library  # noqa: E402
from ganhub.app.page import create_app, launch_options  # noqa: E402
from ganhub.app.serving import serve  # noqa: E402

__all__ = ["Library", "create_app", "launch_options", "serve"]
