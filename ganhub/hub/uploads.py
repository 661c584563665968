"""From a folder to the Hub: model folders as they are, byte for byte, and whatever else is to be uploaded.

An upload that broke off goes on by the same call: what the Hub holds already is not sent again, and nothing is seen
before the one commit at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ganhub.errors import HubError
from ganhub.hub import cards, client, is_repo_id
from ganhub.hub._errors import explain, retried
from ganhub.hub.folder import CARD, PLAIN_NAME, read_config
from ganhub.hub.names import OWNER

_PUSHED = {".json", ".safetensors", ".md", ".png", ".jpg", ".gif", ".webp", ".mp4", ".toml", ".txt", ".jsonl"}
# What a run keeps for itself: training/ has what others go on from, and best/ is a model folder of its own.
_OF_A_RUN = {"checkpoints", "grids", "best", "log.jsonl"}


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: bool | str | None = None,
    branch: str | None = None,
    commit_message: str = "Upload with ganhub",
    create_pr: bool = False,
    include_training: bool = False,
    tag: str | None = None,
) -> str:
    """Push a model folder as one commit, making the repository when it is missing; the address of the commit.

    Each file goes as it lies there; the card says how to load it from ``repo_id``. The card on the Hub is never lost:
    its generated block is replaced and the text outside it kept; a card without the markers of that block was written
    by hand and is left alone.

    Args:
        private: Whether a new repository is private; one that exists stays as it is.
        branch: Made when missing.
        create_pr: Propose the files as a pull request instead of writing them.
        include_training: The adversary and the log, too, from which others go on training.
        tag: Name for the commit, such as "v1.0".

    Raises:
        HubError: No such folder, no ``config.json``, no permission, no network.
    """
    require_repo_id(repo_id)
    folder = Path(folder)
    read_config(folder)
    files: dict[str, Path | bytes] = {name: folder / name for name in pushed_files(folder, include_training)}
    if CARD in files:
        files[CARD] = cards.loaded_from(cards.read_card(folder / CARD), repo_id.removeprefix(f"{OWNER}/")).encode()
    if tag is not None and (create_pr or not PLAIN_NAME.fullmatch(tag)):
        raise HubError(f"{tag!r} cannot be the tag: write a name such as v1.0, and no pull request beside it.")
    return upload(
        files, repo_id, private=private, token=token, branch=branch, commit_message=commit_message,
        create_pr=create_pr, tag=tag,
    )  # fmt: skip


def pushed_files(folder: Path, include_training: bool = False) -> list[str]:
    """Names of the files of a model folder that belong on the Hub, sorted."""
    names = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [name.as_posix() for name in names if _is_pushed(name, include_training)]


def upload(
    files: Mapping[str, Path | bytes],
    repo_id: str,
    *,
    space: bool = False,
    private: bool | None = None,
    token: bool | str | None = None,
    branch: str | None = None,
    commit_message: str = "Upload with ganhub",
    create_pr: bool = False,
    tag: str | None = None,
    replace: Sequence[str] = (),
    merge: Callable[[str, str], str | None] | None = None,
) -> str:
    """Upload files as one commit, making the repository when it is missing; the address of the commit.

    Args:
        files: Path in the repository -> a file, or its bytes.
        space: The repository is a Space of Gradio's, not a model.
        replace: Folders in the repository whose other files are deleted, such as "ganhub/".
        merge: From the README.md on the Hub and the new one to that which is uploaded; None: leave it as it is. By
            default as model cards are merged.

    Raises:
        HubError: ``repo_id`` is no id, no permission, no network, a full Hub.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    require_repo_id(repo_id, space)
    where = {"repo_type": "space" if space else "model"}
    try:
        api = client(token)
        api.create_repo(repo_id, private=private, exist_ok=True, space_sdk="gradio" if space else None, **where)
        if branch is not None:
            api.create_branch(repo_id, branch=branch, exist_ok=True, **where)
        old = _card_there(repo_id, branch, token, where["repo_type"]) if CARD in files else None
        files = _with_card(files, old, merge or _merged_card)
        if CARD in files and not space:
            cards.warn_of_licence(_text(files[CARD]), repo_id)
        operations: list = [
            CommitOperationAdd(name, x if isinstance(x, bytes) else str(x)) for name, x in files.items()
        ]
        # Large files first: those that the Hub holds are skipped, so that a call after a break goes on.
        retried(lambda: api.preupload_lfs_files(repo_id, operations, revision=branch, create_pr=create_pr, **where))
        if replace:
            there = api.list_repo_files(repo_id, revision=branch, **where)
            gone = [name for name in there if name.startswith(tuple(replace)) and name not in files]
            operations += [CommitOperationDelete(name) for name in gone]
        commit = retried(
            lambda: api.create_commit(
                repo_id, operations, commit_message=commit_message, revision=branch, create_pr=create_pr, **where
            )
        )
        if tag is not None:
            api.create_tag(repo_id, tag=tag, revision=commit.oid, exist_ok=True, **where)
    except HubError:
        raise
    except Exception as error:
        raise explain(error, repo_id, branch, pushing=True) from error
    return str(commit.pr_url or commit.commit_url)


def require_repo_id(repo_id: str, space: bool = False) -> None:
    """Raise HubError unless something can be pushed to ``repo_id``."""
    if not is_repo_id(repo_id):
        raise HubError(f"{repo_id!r} is no Hub {'Space' if space else 'model'} id: write it as owner/name.")


def _text(card: Path | bytes) -> str:
    return card.decode() if isinstance(card, bytes) else cards.read_card(card)


def _with_card(
    files: Mapping[str, Path | bytes], old: str | None, merge: Callable[[str, str], str | None]
) -> dict[str, Path | bytes]:
    """Files whose card is joined with the one on the Hub; without it where that one is to stay as it is."""
    files = dict(files)
    if CARD in files and old is not None:
        card = merge(old, _text(files.pop(CARD)))
        if card is not None:
            files[CARD] = card.encode()
    return files


def _is_pushed(name: Path, include_training: bool) -> bool:
    left_out = _OF_A_RUN if include_training else {*_OF_A_RUN, "training"}
    return (
        (name.suffix in _PUSHED or name.name in ("LICENSE", "NOTICE"))
        and not left_out.intersection(name.parts[:1] if include_training else name.parts)
        and not any(part.startswith(".") or part == "__pycache__" for part in name.parts)
    )


def _card_there(repo_id: str, branch: str | None, token: bool | str | None, repo_type: str) -> str | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    with tempfile.TemporaryDirectory() as fresh:  # not the user's cache: an old card there must not win
        try:
            path = hf_hub_download(repo_id, CARD, revision=branch, token=token, cache_dir=fresh, repo_type=repo_type)
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return None
        return cards.read_card(path)


def _merged_card(old: str, new: str) -> str | None:
    return cards.merge_card(old, new) if cards.has_markers(old) else None
