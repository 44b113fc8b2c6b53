"""Who the service is at GitHub: a GitHub App's installation in the repository, whose tokens live an
hour, else the owner of a token.

Source: GitHub docs, 'Authenticating as a GitHub App installation'.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import github
import requests
from jwt import PyJWTError

from cihealing import secrecy
from cihealing.ports import PermanentError, TransientError

TOKEN, APP, KEY = (
    "CI_HEALING_GITHUB_TOKEN",
    "CI_HEALING_GITHUB_APP_ID",
    "CI_HEALING_GITHUB_APP_PRIVATE_KEY",
)
API, CA = "CI_HEALING_GITHUB_API_URL", "CI_HEALING_CA_BUNDLE"
DEFAULT_API = "https://api.github.com"
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


def installation(repository: str, settings: Mapping[str, str]) -> Any:
    """PyGithub fetches a token when one is needed, and again shortly before it ends (an hour)."""
    with _lock:
        # An App that was installed anew has another installation: what was found is asked for again
        # after a while.
        return _installation(repository, *_of(settings), int(time.monotonic() // KNOWN_FOR))


def _of(settings: Mapping[str, str]) -> tuple[str, str, str, str]:
    return settings[APP], settings[KEY], settings.get(API) or DEFAULT_API, settings.get(CA, "")


def _signed(app: str, key: str, api: str, ca: str) -> tuple[Any, Any]:
    signing = github.Auth.AppAuth(app, key)
    return signing, github.GithubIntegration(
        auth=signing, base_url=api, timeout=TIMEOUT, verify=ca or True, retry=None
    )


def permissions(settings: Mapping[str, str]) -> dict[str, str]:
    """What the App may do, by GitHub's names. Raises PermanentError, TransientError."""
    try:
        found = _signed(*_of(settings))[1].get_app().permissions
    except github.GithubException as error:
        raise _told(error.status) from None
    except (requests.RequestException, OSError, ValueError, PyJWTError) as error:
        raise PermanentError(
            f"the GitHub App cannot sign in: {type(error).__name__}; check {APP} and {KEY}"
        ) from None
    return {str(name): str(level) for name, level in found.items()}


@lru_cache(maxsize=500)
def _installation(repository: str, app: str, key: str, api: str, ca: str, period: int) -> Any:
    try:
        signing, found = _signed(app, key, api, ca)
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
        raise _told(error.status) from None
    except (requests.RequestException, OSError, ValueError, PyJWTError) as error:
        raise PermanentError(
            f"the GitHub App cannot sign in: {type(error).__name__}; check {APP} and {KEY}"
        ) from None


def token_for(repository: str, settings: Mapping[str, str]) -> str:
    """The token requests and clones of `repository` may use: short-lived where there is an App;
    empty where there is none.
    """
    if settings.get(APP) and settings.get(KEY):
        try:
            return str(installation(repository, settings).token)
        except github.GithubException as error:
            raise _told(error.status) from None
    return settings.get(TOKEN, "")


def clone_token(repository: str, url: str, settings: Mapping[str, str]) -> str:
    """A short-lived token for a clone URL at the App's own GitHub; empty where there is no App, or
    the URL leads elsewhere.
    """
    if not (settings.get(APP) and settings.get(KEY)):
        return ""
    api, host = (
        urlsplit(settings.get(API) or DEFAULT_API).hostname or "",
        urlsplit(url).hostname or "",
    )
    return token_for(repository, settings) if host and api in (host, f"api.{host}") else ""


def _told(status: int) -> Exception:
    if status >= 500 or status in (0, 403, 429):
        return TransientError(f"GitHub answered {status} when the App signed in")
    return PermanentError(
        f"GitHub answered {status} when the App signed in: check {APP}, {KEY} and that the App is"
        " installed"
    )
