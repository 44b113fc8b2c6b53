"""Speaking to GitHub's REST API through PyGithub: who we are, and what its answers mean.

Source: GitHub REST docs, 'Rate limits', 'Troubleshooting', 'Authenticating as a GitHub App
installation'.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import github
import requests

from cihealing.ports import PermanentError, TransientError
from cihealing.providers.github.app import APP, KEY, TIMEOUT, TOKEN, installation
from cihealing.providers.github.settings import GitHubSettings

ENABLED = "CI_HEALING_GITHUB_ENABLED"
MAX_PAGES = 20
SECONDARY = ("secondary rate limit", "abuse detection", "rate limit exceeded", "too many requests")
ADVICE = {
    401: f"GitHub does not know the token: set {TOKEN}, or {APP} with {KEY}",
    403: (
        "GitHub does not let the token do that: it needs contents, pull requests and checks (write)"
        " of this repository"
    ),
    404: (
        "GitHub has no such thing, or the token may not see it: give it the repository, or correct"
        " `match` in policy"
    ),
    410: "GitHub says that this is switched off for the repository",
    451: "GitHub may not show the repository",
}


class Unprocessable(PermanentError):
    """422: what was asked for is there already, or makes no sense; `said` is what GitHub wrote."""

    def __init__(self, said: str) -> None:
        super().__init__(f"GitHub refused it: {said}")
        self.said = said


class Conflict(PermanentError):
    """409 or 405: the state of the thing does not allow it."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"GitHub does not allow it now: {said}")
        self.status, self.said = status, said


class Missing(PermanentError):
    """404 or 410."""


def require_enabled(settings: GitHubSettings) -> None:
    if not settings.github_enabled:
        raise PermanentError(f"writing to GitHub is switched off: set {ENABLED}=true")


class GitHubApi:
    """Calls about one repository. Raises TransientError, PermanentError, and the three above; a
    token is in no message.
    """

    def __init__(self, repository: str, settings: GitHubSettings) -> None:
        if repository.count("/") != 1 or not all(repository.split("/")):
            raise PermanentError(
                f"{repository[:100]!r} is no repository at GitHub: it is owner/name"
            )
        self.repository, self.path = repository, "/repos/" + quote(repository, safe="/")
        self.requester = client(repository, settings)

    def get(self, path: str, **parameters: Any) -> Any:
        return self.call("GET", path, parameters=parameters or None)

    def call(
        self, verb: str, path: str, *, body: Any = None, parameters: dict[str, Any] | None = None
    ) -> Any:
        """The answer's JSON. `path` is below the repository, or begins with `//` for the API's
        root.
        """
        return self.asked(verb, path, body=body, parameters=parameters)[1]

    def asked(
        self, verb: str, path: str, *, body: Any = None, parameters: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], Any]:
        """(headers, JSON) of the answer."""
        url = path[1:] if path.startswith("//") else self.path + path
        try:
            headers, data = self.requester.requestJsonAndCheck(
                verb, url, parameters=parameters, input=body
            )
            return headers, data
        except github.GithubException as error:
            raise error_from_github(error) from None
        except requests.Timeout:
            raise TransientError("GitHub did not answer in time") from None
        except (requests.RequestException, OSError) as error:
            raise TransientError(f"GitHub cannot be reached: {type(error).__name__}") from None
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            AssertionError,
            RecursionError,
        ) as error:
            raise TransientError(
                f"GitHub's answer cannot be read: {type(error).__name__}"
            ) from None

    def listed(self, path: str, *, key: str = "", **parameters: Any) -> Iterator[dict[str, Any]]:
        """Every entry of a paged list; what is no object is left out."""
        for page in range(1, MAX_PAGES + 1):
            found = self.get(path, per_page=100, page=page, **parameters)
            entries = found.get(key) if key and isinstance(found, dict) else found
            if not isinstance(entries, list):
                raise TransientError("GitHub's answer cannot be read: it is no list")
            yield from (entry for entry in entries if isinstance(entry, dict))
            if len(entries) < 100:
                return


def text(value: Any, *path: str) -> str:
    """A string at the path of an answer. Raises TransientError where there is none: half an answer
    is none.
    """
    found = maybe(value, *path)
    if not isinstance(found, str) or not found:
        raise TransientError(f"GitHub's answer has no {'.'.join(path)}")
    return found


def maybe(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def own_words(data: Any) -> str:
    """GitHub's own words, bounded and on one line."""
    if not isinstance(data, dict):
        return "no reason was given"
    errors = data.get("errors")
    more = [_one_of(error) for error in errors] if isinstance(errors, list) else []
    words = [str(data.get("message", "")), *more]
    return (
        "".join(c if c.isprintable() else " " for c in "; ".join(w for w in words if w))[:300]
        or "no reason was given"
    )


def _one_of(error: Any) -> str:
    return (
        str(error.get("message") or error.get("code") or "")
        if isinstance(error, dict)
        else str(error)
    )


def error_from_github(error: github.GithubException) -> Exception:
    """What a refused call means for who asked."""
    status, words = error.status or 0, own_words(error.data)
    headers = {str(name).lower(): str(value) for name, value in (error.headers or {}).items()}
    if status == 429 or (status == 403 and _limited(words, headers)):
        return TransientError(f"GitHub asks for a pause: {words}", retry_after=_pause(headers))
    if status >= 500 or status in (0, 408, 425):
        return TransientError(f"GitHub answered {status}: {words}", retry_after=_named(headers))
    if status == 422:
        return Unprocessable(words)
    if status in (405, 409):
        return Conflict(status, words)
    if status in (404, 410):
        return Missing(ADVICE[status])
    return PermanentError(f"{ADVICE.get(status, f'GitHub answered {status}')} ({words})")


def _limited(words: str, headers: Mapping[str, str]) -> bool:
    return (
        headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in headers
        or any(sign in words.lower() for sign in SECONDARY)
    )


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds, a minute where none are named: GitHub's own advice for secondary limits."""
    reset = headers.get("x-ratelimit-reset", "")
    left = (
        float(reset) - time.time()
        if reset.isascii()
        and reset.isdecimal()
        and len(reset) < 15
        and headers.get("x-ratelimit-remaining") == "0"
        else None
    )
    return min(max(_named(headers) or left or 60.0, 1.0), 3_600.0)


def _named(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 9 else None


def client(repository: str, settings: GitHubSettings) -> Any:
    """A requester that acts as the App's installation in this repository, else as the token's
    owner.
    """
    if settings.app:
        return _hub(settings, installation(repository, settings)).requester
    if not settings.token:
        raise PermanentError(ADVICE[401])
    return _hub(settings, github.Auth.Token(settings.token)).requester


def _hub(settings: GitHubSettings, auth: Any) -> github.Github:
    return github.Github(
        auth=auth,
        base_url=settings.github_api_url,
        timeout=TIMEOUT,
        verify=settings.ca_bundle or True,
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
        per_page=100,
    )
