"""Who the service is at GitHub: a GitHub App's installation in the repository, whose tokens live an
hour, else the owner of a token.

Source: GitHub docs, 'Authenticating as a GitHub App installation'.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import github
import requests
from jwt import PyJWTError

from cihealing import secrecy
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.github.settings import GitHubSettings

TOKEN, APP, KEY = (
    "CI_HEALING_GITHUB_TOKEN",
    "CI_HEALING_GITHUB_APP_ID",
    "CI_HEALING_GITHUB_APP_PRIVATE_KEY",
)
TIMEOUT = 20
KNOWN_FOR = 600.0
"""Seconds for which it is not asked again which installation a repository has."""

_lock = threading.Lock()


class Installed(github.Auth.AppInstallationAuth):
    """Whoever uses one of its tokens, it is known as a secret before it is sent."""

    @property
    def token(self) -> str:
        issued = super().token
        secrecy.learn(issued)
        return issued


def installation(repository: str, settings: GitHubSettings) -> Any:
    """PyGithub fetches a token when one is needed, and again shortly before it ends (an hour)."""
    with _lock:
        # An App that was installed anew has another installation: what was found is asked for again
        # after a while.
        return _installation(repository, settings, int(time.monotonic() // KNOWN_FOR))


def _signed(settings: GitHubSettings) -> tuple[Any, Any]:
    signing = github.Auth.AppAuth(*(settings.app or ("", "")))
    return signing, github.GithubIntegration(
        auth=signing,
        base_url=settings.github_api_url,
        timeout=TIMEOUT,
        verify=settings.ca_bundle or True,
        retry=None,
    )


def permissions(settings: GitHubSettings) -> dict[str, str]:
    """What the App may do, by GitHub's names. Raises PermanentError, TransientError."""
    try:
        found = _signed(settings)[1].get_app().permissions
    except github.GithubException as error:
        raise _error_from_status(error.status) from None
    except (requests.RequestException, OSError, ValueError, PyJWTError) as error:
        raise PermanentError(
            f"the GitHub App cannot sign in: {type(error).__name__}; check {APP} and {KEY}"
        ) from None
    return {str(name): str(level) for name, level in found.items()}


@lru_cache(maxsize=500)
def _installation(repository: str, settings: GitHubSettings, period: int) -> Any:
    try:
        signing, found = _signed(settings)
        return Installed(
            signing,
            found.get_repo_installation(*repository.split("/", 1)).id,
            requester=found.requester,
        )
    except github.UnknownObjectException:
        raise PermanentError(
            f"the GitHub App is not installed in {repository}: install it there"
        ) from None
    except github.GithubException as error:
        raise _error_from_status(error.status) from None
    except (requests.RequestException, OSError, ValueError, PyJWTError) as error:
        raise PermanentError(
            f"the GitHub App cannot sign in: {type(error).__name__}; check {APP} and {KEY}"
        ) from None


def token_for(repository: str, settings: GitHubSettings) -> str:
    """The token requests and clones of `repository` may use: short-lived where there is an App;
    empty where there is none.
    """
    if settings.app:
        try:
            return str(installation(repository, settings).token)
        except github.GithubException as error:
            raise _error_from_status(error.status) from None
    return settings.token


@dataclass(frozen=True)
class GitHubCredentials:
    """`ports.Credentials` of a GitHub App."""

    settings: GitHubSettings

    def clone_token(self, repository: str, url: str) -> str:
        """For a clone URL at the App's own GitHub; empty where there is no App, or the URL leads
        elsewhere.
        """
        if not self.settings.app:
            return ""
        api = urlsplit(self.settings.github_api_url).hostname or ""
        host = urlsplit(url).hostname or ""
        at_home = host and api in (host, f"api.{host}")
        return token_for(repository, self.settings) if at_home else ""


def _error_from_status(status: int) -> Exception:
    if status >= 500 or status in (0, 403, 429):
        return TransientError(f"GitHub answered {status} when the App signed in")
    return PermanentError(
        f"GitHub answered {status} when the App signed in: check {APP}, {KEY} and that the App is"
        " installed"
    )
