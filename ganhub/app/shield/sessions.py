"""What Gradio keeps of each session, made small: it describes every component of the page anew for each visitor.

On a page of some hundred components that takes a tenth of a second and more, in the thread that answers everybody: for
each new session, and for each call without one. Only deep links read these descriptions, and their routes are closed.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig


class PageConfig(BlocksConfig):
    """The components and listeners of a page, of which each session gets a copy."""

    def __copy__(self) -> SessionConfig:
        new = super().__copy__()
        new.__class__ = SessionConfig
        return new


class SessionConfig(BlocksConfig):
    """A session's copy: what its state needs, and no descriptions."""

    @staticmethod
    def config_for_block(_id: int, rendered_ids: list[int], block: Any, *renderable: Any) -> dict:
        """Nothing for a session's own table; parts of the page that are rendered anew are described as ever."""
        return BlocksConfig.config_for_block(_id, rendered_ids, block, *renderable) if renderable else {}


def keep_sessions_small(app: gr.Blocks) -> None:
    """Let sessions of an app hold no descriptions of its components; called when the page is complete."""
    app.default_config.__class__ = PageConfig
