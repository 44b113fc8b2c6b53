"""Speaking to GitLab's REST API through python-gitlab: who we are, and what its answers mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import gitlab
import requests

from cihealing.ports import PermanentError, TransientError
from cihealing.providers.gitlab.settings import GitLabSettings

ENABLED, TOKEN = "CI_HEALING_GITLAB_ENABLED", "CI_HEALING_GITLAB_TOKEN"
TIMEOUT = 20
MAX_PAGES = 20
ADVICE = {
    401: f"GitLab does not know the token: set {TOKEN}",
    403: (
        "GitLab does not let the token do that: it needs the scope `api` and the role Developer in"
        " the project"
    ),
    404: (
        "GitLab has no such thing, or the token may not see it: give it the project, or correct"
        " `match` in policy"
    ),
}


class GitLabRefused(PermanentError):
    """A 4xx that hangs on the state of the thing; `said` is what GitLab wrote."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{ADVICE.get(status, f'GitLab answered {status}')} ({said})")
        self.status, self.said = status, said


class GitLabApi:
    """Calls about one project. Raises TransientError, GitLabRefused; a token is in no message."""

    def __init__(self, repository: str, settings: GitLabSettings) -> None:
        if not settings.token:
            raise PermanentError(ADVICE[401])
        self.repository, self.path = repository, f"/projects/{quote(repository, safe='')}"
        self.lab = gitlab.Gitlab(
            settings.gitlab_url,
            private_token=settings.token,
            timeout=TIMEOUT,
            ssl_verify=settings.ca_bundle or True,
            retry_transient_errors=False,
            keep_base_url=True,
        )

    def call(
        self, verb: str, path: str, *, body: dict[str, Any] | None = None, **query: Any
    ) -> Any:
        """The answer's JSON. `path` is below the project, or begins with `//` for the API's
        root.
        """
        place = path[1:] if path.startswith("//") else self.path + path
        try:
            answer = self.lab.http_request(
                verb,
                place,
                post_data=body,
                query_data=query,
                obey_rate_limit=False,
                retry_transient_errors=False,
            )
            return answer.json() if answer.content else {}
        except gitlab.GitlabHttpError as error:
            raise error_from_status(error.response_code or 0, _own_words(error)) from None
        except gitlab.GitlabError as error:
            raise error_from_status(
                getattr(error, "response_code", None) or 0, _own_words(error)
            ) from None
        except requests.Timeout:
            raise TransientError("GitLab did not answer in time") from None
        except (requests.RequestException, OSError) as error:
            raise TransientError(f"GitLab cannot be reached: {type(error).__name__}") from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise TransientError(
                f"GitLab's answer cannot be read: {type(error).__name__}"
            ) from None

    def listed(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            found = self.call("get", path, per_page=100, page=page, **query)
            if not isinstance(found, list):
                raise TransientError("GitLab's answer cannot be read: it is no list")
            yield from (entry for entry in found if isinstance(entry, dict))
            if len(found) < 100:
                return


def _own_words(error: gitlab.GitlabError) -> str:
    """GitLab's own words, bounded and on one line; a page of whatever stands before it is none of
    them.
    """
    words = "".join(c if c.isprintable() else " " for c in str(error.error_message or ""))[
        :300
    ].strip()
    return (
        "it sent a page instead of an answer"
        if words.startswith(("<", "b'<"))
        else words or "no reason was given"
    )


def error_from_status(status: int, said: str) -> Exception:
    if status == 429 or status >= 500 or status in (0, 408):
        return TransientError(
            f"GitLab answered {status}: {said}", retry_after=60.0 if status == 429 else None
        )
    return GitLabRefused(status, said)


def text(value: Any, *path: str) -> str:
    """A string at the path of an answer. Raises TransientError where there is none."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise TransientError(f"GitLab's answer has no {'.'.join(path)}")
    return value


def require_enabled(settings: GitLabSettings) -> None:
    if not settings.gitlab_enabled:
        raise PermanentError(f"writing to GitLab is switched off: set {ENABLED}=true")
