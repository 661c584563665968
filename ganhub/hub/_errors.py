"""What the Hub client's errors mean, in one sentence each, and which of them are worth another try.

Errors are told apart by the names of their classes: the HTTP library under the client differs between its versions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ganhub.errors import HubError
from ganhub.files import disk_is_full

WAIT = 0.5  # seconds before the second try; doubles with each further one
T = TypeVar("T")


def retried(call: Callable[[], T], attempts: int = 4) -> T:
    """Call again while the Hub is busy or drops the connection; one that cannot be reached fails at once."""
    for attempt in range(attempts):
        try:
            return call()
        except Exception as error:
            # Of a dropped connection the client itself has tried to read the rest, several times.
            if attempt == (attempts if _status(error) else 2) - 1 or not _passing(error):
                raise
            time.sleep(WAIT * 2**attempt)
    raise AssertionError("unreachable")


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _kinds(error: BaseException) -> set[str]:
    """Class names of an error, its bases and causes; the client's HTTP library differs between versions."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return names | (_kinds(error.__cause__) if error.__cause__ is not None else set())


def _passing(error: BaseException) -> bool:
    return _status(error) in {408, 429, 500, 502, 503, 504} or bool(
        _kinds(error) & {"RemoteProtocolError", "ReadError", "ReadTimeout"}
    )


def unreachable(error: BaseException) -> bool:
    """Whether the Hub did not answer, so that the cache may: no network, or a Hub that stays busy."""
    kinds = {"TransportError", "ConnectionError", "OfflineModeIsEnabled", "Timeout"}
    proxy = isinstance(error, ImportError | ValueError) and "proxy" in str(error).lower()  # one that cannot be used
    return _passing(error) or proxy or bool(_kinds(error) & kinds)


def short(error: BaseException) -> str:
    """A few words on an error, to stand in brackets."""
    status = _status(error)
    if status is not None:
        return f"it answers {status}"
    if "OfflineModeIsEnabled" in _kinds(error):
        return "HF_HUB_OFFLINE is set"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def explain(
    error: BaseException, repo_id: str, revision: str | None, *, pushing: bool = False, visitor: bool = False
) -> HubError:
    """The sentence for an error of the Hub client.

    Args:
        pushing: Something was to be written there.
        visitor: Asked without a token, on purpose.
    """
    kinds, status = _kinds(error), _status(error)
    if disk_is_full(error):
        text = f"The disk is full, so {repo_id} was not downloaded: free some space and try again."
    elif "GatedRepoError" in kinds:
        text = f"{repo_id} is gated: accept its terms on its Hub page, then pass token= of that account."
    elif "RevisionNotFoundError" in kinds:
        text = f"{repo_id} has no revision {revision or 'main'!r}: check the branch, tag or commit."
    elif pushing and ("RepositoryNotFoundError" in kinds or status in {401, 403}):
        text = f"You may not push to {repo_id}: log in with `hf auth login` as somebody who may write there."
    elif visitor and ("RepositoryNotFoundError" in kinds or status in {401, 403}):
        text = f"{repo_id} does not exist on the Hub, or is private: check the name."
    elif "RepositoryNotFoundError" in kinds or status in {401, 403}:
        text = (
            f"{repo_id} does not exist on the Hub, or is private and your token may not see it: check the "
            "name, or log in with `hf auth login`."
        )
    elif "RemoteEntryNotFoundError" in kinds:
        text = f"A file of {repo_id} is missing on the Hub: check the revision."
    elif unreachable(error) or "LocalEntryNotFoundError" in kinds:
        then = "what has arrived is not sent twice" if pushing else "or pass a local folder"
        text = f"The Hub cannot be reached for {repo_id} ({short(error)}): try again later, {then}."
    elif pushing:
        text = (
            f"The push to {repo_id} broke off ({short(error)}) and nothing of it is seen there: run the same command "
            "again, and what has arrived is not sent twice."
        )
    else:
        text = f"{repo_id} cannot be used ({short(error)}): try again, or pass a local folder."
    return HubError(text)
