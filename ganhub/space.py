"""What a Space holds: app.py, the package, chosen models, requirements and the front matter that starts it.

A Space is filled over HTTP (:func:`ganhub.hub.uploads.upload`): the Hub refuses plain git pushes of binary files, which
weights and sample pictures are.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import Path

from ganhub import hub, zoo
from ganhub.errors import ConfigError, HubError
from ganhub.hub.cards import join_front_matter, split_front_matter
from ganhub.hub.folder import CARD
from ganhub.hub.uploads import pushed_files

PACKAGE = Path(__file__).resolve().parent
APP = '''"""The app: ``python app.py`` prints its address. A Space runs this file too."""

from ganhub.console import in_sentences
from ganhub.pages import ask_for_large_pages

if __name__ == "__main__":
    ask_for_large_pages()

with in_sentences():
    from ganhub.app import create_app, serve

    demo = create_app()

    if __name__ == "__main__":
        serve(demo)
'''
REPLACED = ("ganhub/", "model_cards/")  # folders of a Space that hold nothing but what is uploaded
_OURS = ("sdk", "sdk_version", "python_version", "app_file", "models")  # keys of the front matter that start the app
_OWN_PLACE = ("recipes", "model_cards")  # of the installed package: an app needs none, the other is its own folder
_SHIPPED = {".py", ".css", ".js", ".png", ".svg", ".ico", ".json", ".woff2", ".jpg", ".webp", ".toml", ".html"}


def space_files(models: Sequence[str] = (), torch_pages: str = "") -> dict[str, Path | bytes]:
    """Everything that a Space holds, as path in the repository -> file or bytes.

    Args:
        models: Folders, short names or ``owner/name``; without any, :data:`ganhub.zoo.SPACE` as far as they are here.
        torch_pages: Address of a package index that has torch's small builds for CPUs, under which torch/ and
            torchvision/ list them; empty for the usual build, which takes longer to install.

    Raises:
        HubError: A model that is nowhere. ConfigError: Two models of one name, or an address that is none.
    """
    files: dict[str, Path | bytes] = {
        f"ganhub/{path.relative_to(PACKAGE).as_posix()}": path
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file() and path.suffix in _SHIPPED and path.relative_to(PACKAGE).parts[0] not in _OWN_PLACE
    }
    chosen = list(models) or [name for name in zoo.SPACE if hub.find_local(name)]
    published: list[str] = []
    folders: dict[str, Path] = {}
    for source in [*chosen, *zoo.BUNDLED]:
        folder = hub.locate(source)
        name = str(source).rsplit("/", 1)[-1] if hub.repo_of(source) else folder.resolve().name
        if name in folders and folders[name] != folder:
            raise ConfigError(f"Two of the models are called {name}: rename one of the folders.")
        if name not in folders and (repo_id := published_as(source, folder)):
            published.append(repo_id)
        folders[name] = folder
    for name, folder in folders.items():
        hub.read_config(folder)
        files |= {f"model_cards/{name}/{file}": folder / file for file in pushed_files(folder)}
    files["app.py"] = APP.encode()
    files["requirements.txt"] = requirements(torch_pages).encode()
    files[CARD] = front_page([repo_id for repo_id in published if repo_id.split("/")[1] not in zoo.BUNDLED]).encode()
    return files


def published_as(source: str, folder: Path) -> str | None:
    """The repository that a model is published in: one that was named, or that of a model that comes with ganhub."""
    if hub.is_repo_id(str(source)) and not Path(source).is_dir():
        return str(source)
    if hub.find_local(source) is None:
        return hub.repo_of(source)
    shelves = (PACKAGE / "model_cards", PACKAGE.parent / "model_cards")
    return hub.repo_of(folder.name) if folder.resolve().parent in shelves else None


def requirements(torch_pages: str = "") -> str:
    """The requirements.txt of a Space: what ganhub needs, torch from a place of its own where one is given.

    Raises:
        ConfigError: ``torch_pages`` is no address.
    """
    if not torch_pages:
        return "\n".join(_needed()) + "\n"
    if not re.fullmatch(r"(https?|file)://[^\s\"']+", torch_pages):
        raise ConfigError(f"--torch-index is an address such as https://HOST/cpu, not {torch_pages!r}.")
    pages = [f"-f {torch_pages.rstrip('/')}/{name}/" for name in ("torch", "torchvision")]
    return "\n".join([*pages, *_needed()]) + "\n"


def _needed() -> list[str]:
    """What ganhub itself needs, without its extras: from the checkout, else from the installed package."""
    listed = PACKAGE.parent / "requirements.txt"
    if listed.is_file() and (PACKAGE.parent / "pyproject.toml").is_file():
        lines = listed.read_text(encoding="utf-8").splitlines()
    else:
        try:
            lines = importlib.metadata.requires("ganhub") or []
        except importlib.metadata.PackageNotFoundError:
            raise HubError("ganhub is neither installed nor a clone, so its requirements are not known.") from None
    return [line.strip() for line in lines if line.strip() and not line.startswith("#") and "extra ==" not in line]


def front_page(models: Sequence[str]) -> str:
    """README.md of a Space, with the front matter that the Hub starts it by."""
    front = {
        "title": "ganhub", "emoji": "🎨", "colorFrom": "indigo", "colorTo": "pink", "sdk": "gradio",
        "sdk_version": importlib.metadata.version("gradio"), "python_version": "3.12", "app_file": "app.py",
        "license": "apache-2.0", "short_description": "Make pictures with small GANs and style networks",
        "tags": ["gan", "style-transfer", "image-generation"],
    }  # fmt: skip
    if models:
        front["models"] = list(models)
    about = "GANs and style networks in the browser. Each folder of `model_cards/` has its model's card and licence."
    return join_front_matter(front, f"# ganhub\n\n{about}\n")


def merge_page(old: str, new: str) -> str:
    """The page of a Space that is there, with what starts the app renewed; title, colours, licence and text stay."""
    front, body = split_front_matter(old)
    ours, text = split_front_matter(new)
    merged = {**ours, **{key: value for key, value in front.items() if key not in _OURS}}
    untouched = not body.strip() or body.strip().startswith("Check out the configuration reference")  # the Hub's own
    return join_front_matter(merged, text if untouched else body)
