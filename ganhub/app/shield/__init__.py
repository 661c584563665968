"""What stands between strangers and the app. ``docs/security.md`` says what is promised.

Three places, in the order in which a request meets them: ``gate`` (routes, host, sizes, and that every file a request
names is an upload), ``queue`` (places in the queue for each visitor, work for nobody ends), ``editors`` (what the
brush sends). ``disk`` keeps the folder of uploads and results small.
"""

from starlette.middleware import Middleware

from ganhub.app.shield.editors import raw_editor
from ganhub.app.shield.gate import Shield
from ganhub.app.shield.limits import Limits
from ganhub.app.shield.payload import check_files

__all__ = ["Limits", "Shield", "check_files", "middleware", "raw_editor"]


def middleware(limits: Limits | None = None) -> list[Middleware]:
    """What ``launch(app_kwargs={"middleware": ...})`` takes."""
    return [Middleware(Shield, limits=limits)]
