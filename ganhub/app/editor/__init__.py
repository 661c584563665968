"""What makes the page an editor: the tray of results with undo, links that are the Creation, and what leaves the page.

The browser keeps the tray (Creations as links, and thumbnails) and the server none of it: what one visitor keeps is
nowhere where another could see it. A session remembers the files of its own results and photos while it lasts.
"""

from ganhub.app.editor.tray import build_tray

__all__ = ["build_tray"]
