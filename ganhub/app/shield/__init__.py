"""What stands between strangers and the app. ``docs/security.md`` says what is promised.

Three places, in the order in which a request meets them: ``gate`` (routes, host, sizes, and that every file a request
names is an upload), ``queue`` (places in the queue for each visitor, work for nobody ends), ``editors`` (what the
brush sends). ``disk`` keeps the folder of uploads and results small.
"""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from gradio.utils import MatplotlibBackendMananger
from starlette.middleware import Middleware

from ganhub.app.shield.disk import hold, let_go, own_folder, results_place
from ganhub.app.shield.editors import raw_editor
from ganhub.app.shield.gate import Shield
from ganhub.app.shield.heads import bound_heads
from ganhub.app.shield.limits import Limits
from ganhub.app.shield.payload import FAILED, check_files, is_upload
from ganhub.app.shield.queue import Twin, guard_queue
from ganhub.app.shield.sessions import keep_sessions_small
from ganhub.app.shield.visitors import address_of, caller

__all__ = [
    "FAILED", "Limits", "Shield", "Twin", "address_of", "caller", "guard", "hold", "is_upload", "let_go", "middleware",
    "own_folder", "raw_editor", "results_place",
]  # fmt: skip


def guard(app: gr.Blocks, twins: Mapping[int, Twin] | None = None, limits: Limits | None = None) -> None:
    """Guard an app's listeners: their files, and their places in the queue. Called after ``app.queue``."""
    check_files(app)
    keep_sessions_small(app)
    with MatplotlibBackendMananger():  # Gradio imports it in the first call, which stops the server for seconds
        pass
    guard_queue(app, limits or Limits.from_environment(), twins)


def middleware(limits: Limits | None = None) -> list[Middleware]:
    """What ``launch(app_kwargs={"middleware": ...})`` takes; servers read bounded heads from now on."""
    bound_heads()
    return [Middleware(Shield, limits=limits)]
