"""The Gradio app: ``create_app().launch(**launch_options())``."""

from ganhub.app.library import Library
from ganhub.app.page import create_app, launch_options

__all__ = ["Library", "create_app", "launch_options"]
