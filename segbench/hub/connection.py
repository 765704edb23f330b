"""The Hub's client, and what it raises as one line without a secret in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from segbench.errors import HubError, SegbenchError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = [
    "LOG_IN",
    "ConflictError",
    "NotFoundOnHubError",
    "UnavailableError",
    "api",
    "check_name",
    "explained",
    "is_offline",
    "is_reachable",
    "repo_url",
    "shown_endpoint",
]

LOG_IN = "Log in with 'hf auth login', or set HF_TOKEN."
_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_PART}/{_PART}", flags=re.ASCII)
# Too many requests, a time-out, and all that the server blames on itself; what is asked for again may succeed.
_TRANSIENT = {408, 425, 429}
CONFLICT = (409, 412)
SILENCE_S = 300.0
PATIENCE_S = 10.0
_METADATA = "Invalid metadata in README.md."


class UnavailableError(HubError):
    """The Hub did not answer, or asked to come back later.

    Args:
        message: One line.
        hint: The next step.
        wait_s: Seconds that the Hub wants to be left alone for, where it said so.
    """

    def __init__(self, message: str, hint: str = "", wait_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.wait_s = wait_s


class NotFoundOnHubError(HubError):
    """There is no such repository, revision or file, or it may not be seen."""


class ConflictError(HubError):
    """Somebody else changed the repository in the meantime."""


def check_name(repo_id: str, option: str = "--repo") -> str:
    """``ORG/NAME`` as it was given.

    Args:
        repo_id: What was given.
        option: Where it was given.

    Raises:
        HubError: It is something else.
    """
    if not _NAME.fullmatch(repo_id) or "--" in repo_id or ".." in repo_id or repo_id.endswith(".git"):
        # An address may hold a token; only what looks like a name is repeated.
        shown = f"'{repo_id}'" if re.fullmatch(r"[\w./-]{1,96}", repo_id) and "hf_" not in repo_id else "what was given"
        raise HubError(
            f"{option} is ORG/NAME in letters, digits, '.', '_' and '-'; {shown} is not.",
            f"Example: {option} lab/segnet",
        )
    return repo_id


def is_offline() -> bool:
    """Whether the Hub may not be asked."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def is_reachable() -> bool:
    """Whether the Hub answers one request at all; the client itself would ask six times, for most of a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(f"{constants.ENDPOINT}/api/models", timeout=PATIENCE_S)
    except _of_the_network():
        return False
    return True


def api(purpose: str) -> HfApi:
    """The client of somebody who may write.

    Args:
        purpose: What it is for, such as ``push to lab/segnet``.

    Raises:
        HubError: The Hub may not be asked, or there is no token.
    """
    from huggingface_hub import HfApi, get_session, get_token

    if is_offline():
        raise HubError(f"Cannot {purpose}: HF_HUB_OFFLINE is set.", "Unset it, or see --dry-run.")
    with explained(purpose):
        known = bool(get_token())
    if not known:
        raise HubError(f"Cannot {purpose}: there is no Hugging Face token.", LOG_IN)
    # The client itself waits for ever.
    get_session().timeout = SILENCE_S
    return HfApi(library_name="segbench")


def shown_endpoint() -> str:
    """Address of the Hub, without a slash at its end and without a password or a query that HF_ENDPOINT may hold."""
    from huggingface_hub import constants

    parts = urlsplit(constants.ENDPOINT)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def repo_url(repo_id: str, repo_type: str) -> str:
    """Where people find a repository."""
    prefix = "" if repo_type == "model" else f"{repo_type}s/"
    return f"{shown_endpoint()}/{prefix}{repo_id}"


@contextmanager
def explained(purpose: str) -> Iterator[None]:
    """Turns whatever the client raises into one line.

    The line is made of what we know. What the server says, an address or a header is not repeated, and the error that
    was raised is not shown below it: any of them may hold the token.

    Raises:
        UnavailableError: It may be tried again.
        ConflictError: Somebody else was faster.
        HubError: It may not.
    """
    try:
        yield
    except SegbenchError:
        raise
    except Exception as error:
        found = _explanation(purpose, error)
    else:
        return
    raise found from None


def _explanation(purpose: str, error: Exception) -> HubError:
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubError(f"Cannot {purpose}: HF_HUB_OFFLINE is set.", "Unset it.")
    if isinstance(error, errors.LocalEntryNotFoundError) and is_offline():
        return HubError(f"Cannot {purpose}: HF_HUB_OFFLINE is set, and it was not fetched before.", "Unset it once.")
    if isinstance(error, errors.GatedRepoError):
        return HubError(f"Cannot {purpose}: its terms have to be accepted on the Hub first.", LOG_IN)
    if isinstance(error, errors.RevisionNotFoundError):
        return NotFoundOnHubError(f"Cannot {purpose}: there is no such revision.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return NotFoundOnHubError(
            f"Cannot {purpose}: there is no such repository, or the token may not see it.", LOG_IN
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return NotFoundOnHubError(f"Cannot {purpose}: the repository lacks a file that is needed.")
    if isinstance(error, errors.HfHubHTTPError):
        return _of_status(purpose, error)
    if type(error).__name__ in ("LocalProtocolError", "UnicodeEncodeError"):
        return HubError(f"Cannot {purpose}: the token holds characters that no token has.", LOG_IN)
    if isinstance(error, _of_the_network()):
        return UnavailableError(
            f"Cannot {purpose}: the Hub cannot be reached ({type(error).__name__}).", "Try again later."
        )
    if f"{error}".startswith(_METADATA):
        return HubError(f"Cannot {purpose}: the Hub does not accept the metadata of README.md:{_reason(error)}")
    return HubError(f"Cannot {purpose}: {type(error).__name__} in the Hub's client.")


def _reason(error: Exception) -> str:
    """What the Hub has against a card."""
    from huggingface_hub import get_token

    said = " ".join(f"{error}".removeprefix(_METADATA).split())[:300]
    return " " + said.replace(get_token() or "\0", "(the token)")


def _of_status(purpose: str, error: Exception) -> HubError:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", 0)
    if status in CONFLICT:
        return ConflictError(f"Cannot {purpose}: somebody else is changing the repository (the Hub answered {status}).")
    if status == 401:
        return HubError(f"Cannot {purpose}: the Hub does not accept the token.", LOG_IN)
    if status == 403:
        return HubError(f"Cannot {purpose}: the token may not do that.", "Use a token with write access to it.")
    line = f"Cannot {purpose}: the Hub answered {status}."
    if status in _TRANSIENT or status >= 500:
        return UnavailableError(line, "Try again later.", _wait(response))
    return HubError(line)


def _wait(response: object) -> float | None:
    """Seconds that the answer asks to wait: in its own header, or until the Hub's count of requests begins anew."""
    headers = getattr(response, "headers", {})
    found = re.fullmatch(r"(\d{1,6})", headers.get("Retry-After", "")) or re.search(
        r";\s*t=(\d{1,6})", headers.get("RateLimit", "")
    )
    return float(found[1]) if found else None


def _of_the_network() -> tuple[type[BaseException], ...]:
    from huggingface_hub import errors

    # The root of the client's own errors: which HTTP library stands behind it depends on its version.
    root = errors.HfHubHTTPError.__mro__[1]
    return root, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError
