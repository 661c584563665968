"""From a name to a folder.

Everywhere a model is named, the first of these answers: a path (anything with a slash or a dot in front, such as
``./mine``); a model folder of that name in the working directory; ``./model_cards/NAME``; ``$GANHUB_MODELS/NAME``; the
models that come with ganhub (all of them in a clone, those without large weights in an installed package); and
``OWNER/NAME`` on the Hub, from its cache where there is no network. OWNER is ``ganhub``, or what ``$GANHUB_OWNER``
says.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ganhub.config import nearest
from ganhub.errors import HubError
from ganhub.files import expanded
from ganhub.hub.downloads import Repository, checked_subfolder
from ganhub.hub.folder import (
    CONFIG,
    PLAIN_NAME,
    clipped,
)

OWNER = "ganhub"  # who publishes the models that have short names; $GANHUB_OWNER names another
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO_ID = re.compile(rf"{_PART}/{_PART}")


def is_repo_id(text: str) -> bool:
    """Whether ``text`` is ``owner/name`` as the Hub allows it; never true for a path that leads elsewhere."""
    if not isinstance(text, str) or not _REPO_ID.fullmatch(text):
        return False
    return "--" not in text and ".." not in text and not text.endswith(".git")


def list_local() -> dict[str, Path]:
    """Name -> folder of every model here: ./model_cards, $GANHUB_MODELS, the package, the checkout."""
    folders: dict[str, Path] = {}
    for shelf in _shelves():
        try:
            names = sorted(os.listdir(shelf))
        except OSError:  # there is none, or it may not be read
            continue
        for name in names:
            # A name that cannot be printed (control characters, no Unicode) can be neither listed nor typed.
            if name.isprintable() and not name.startswith(".") and os.path.isfile(shelf / name / CONFIG):
                folders.setdefault(name, shelf / name)
    return folders


def _shelves() -> list[Path]:
    package = Path(__file__).resolve().parent.parent
    shelves = [Path("model_cards")]
    if os.environ.get("GANHUB_MODELS"):
        shelves.append(expanded(os.environ["GANHUB_MODELS"]))
    return [*shelves, package / "model_cards", package.parent / "model_cards"]


def find_local(source: str | Path, subfolder: str | None = None) -> Path | None:
    """The folder on this machine that a path or short name means, in the order of the module's docstring; or None.

    A folder that is no model does not hide one of the same short name: "adain" is the model also beside a folder of
    pictures with that name, and "./adain" is always the folder.
    """
    path, text = expanded(source), str(source)
    if not text.strip():  # as a shell leaves of an unset variable; Path("") would be the working directory
        return None
    if not PLAIN_NAME.fullmatch(text) or (isinstance(source, Path) and os.path.isdir(path)):
        return path if os.path.isdir(path) else None
    below = Path(checked_subfolder(subfolder)) / CONFIG
    places = [place for place in (path, *(shelf / text for shelf in _shelves())) if os.path.isdir(place)]
    wanted = [place for place in places if os.path.isfile(place / below)]
    return next(iter(wanted or [place for place in places if os.path.isfile(place / CONFIG)]), None)


def owner() -> str:
    """Whose repositories short names mean on the Hub.

    Raises:
        HubError: ``$GANHUB_OWNER`` is no name of a user or organisation.
    """
    name = os.environ.get("GANHUB_OWNER") or OWNER
    if not is_repo_id(f"{name}/name"):
        raise HubError(f"$GANHUB_OWNER is {clipped(repr(name), 100)}, no name of a Hub user: write the name alone.")
    return name


def repo_of(source: str | Path) -> str | None:
    """``owner/name`` on the Hub of a repository id or a short name; None where ``source`` can be neither."""
    if isinstance(source, str) and is_repo_id(source):
        return source
    repo = f"{owner()}/{source}"
    return repo if PLAIN_NAME.fullmatch(str(source)) and is_repo_id(repo) else None


def _missing(source: str | Path) -> str:
    return f"There is no model {clipped(repr(str(source)), 100)}.{nearest(str(source), list_local())}"


def _tried(name: str) -> str:
    """Where a short name was looked for, in words."""
    here = f"./{name}"
    if os.path.exists(name):
        here += f" (no model: it has no {CONFIG})" if os.path.isdir(name) else " (a file, not a model's folder)"
    shelf = "$GANHUB_MODELS" + ("" if os.environ.get("GANHUB_MODELS") else " (not set)")
    return f"{here}, ./model_cards, {shelf}, the models that come with ganhub"


def locate(
    source: str | Path,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    variant: str | None = None,
    token: bool | str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    max_bytes: int | None = None,
) -> Path:
    """The local folder of a model: a folder, a short name, or a Hub repository; see the module's docstring.

    Of a repository only config, weights, card and metrics are fetched into the Hub's cache. Without a network the
    cache answers.

    Args:
        revision: Branch, tag or commit of a Hub repository.
        max_bytes: Refuse a repository whose files add up to more; asked before the download.

    Raises:
        HubError: One sentence for each way this can fail; of a short name it lists what was tried.
    """
    folder = find_local(source, subfolder)
    if folder is not None:
        if revision is not None:
            raise HubError(f"{folder} is a local folder without revisions: leave out revision={revision!r}.")
        folder = folder / checked_subfolder(subfolder)
        if not os.path.isdir(folder):
            raise HubError(f"There is no folder {clipped(folder)}: check subfolder={clipped(repr(subfolder), 80)}.")
        return folder
    repo_id = repo_of(source)
    if repo_id is None:
        raise HubError(
            f"{_missing(source)} Give a folder, owner/name on the Hub, or one of the names that `ganhub list` shows."
        )
    repository = Repository(
        repo_id,
        revision,
        subfolder,
        variant,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
    )
    try:
        return repository.fetch(max_bytes)
    except HubError as error:
        if repo_id == source:
            raise
        raise HubError(f"{_missing(source)} Tried: {_tried(str(source))}, and {repo_id} on the Hub. {error}") from error
