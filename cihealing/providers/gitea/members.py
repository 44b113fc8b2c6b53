"""Who may do what at Gitea; speaking there; whose token fetches; and taking everything of ours out.

Source: `repoGetRepoPermissions`, `repoCreateStatus`, `issueGetRepoComments`, `repoListHooks`;
`services/auth/basic.go`: a token is the password of whatever user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cihealing.ports import PermanentError, Site
from cihealing.providers.gitea.api import TOKEN
from cihealing.providers.gitea.client import (
    GiteaApi,
    GiteaRefused,
    connected,
    known_hosts,
    require_enabled,
)
from cihealing.providers.gitea.pulls import comment, delete_branch, pulls_of
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import ours
from cihealing.providers.shared import wire as _wire

MAY = ("write", "admin", "owner")
NEUTRAL = "warning"
"""Gitea has no neutral state; this one it shows as neither red nor green."""


class GiteaVoice:
    """`ports.Voice` at Gitea: a commit status or a comment on the open pull request."""

    def __init__(self, settings: GiteaSettings, site: Site) -> None:
        self.settings, self.site = settings, site

    def say(self, text: str, *, run_id: str, commit: str, how: str) -> str:
        require_enabled(self.settings)
        with connected(self.settings, self.site) as api:
            if how == "check":
                return self._status(api, commit, run_id, text)
            number = next((pull.ident("number") for pull in pulls_of(api, commit)), "")
            return comment(api, number, run_id, text) if number else ""

    def _status(self, api: GiteaApi, commit: str, run_id: str, text: str) -> str:
        """Of one context the newest counts."""
        address = self.site.url
        body = {
            "context": ours.CHECK,
            "state": NEUTRAL,
            "description": " ".join(ours.plain(text.partition("\n")[0]).split())[:140],
            "target_url": f"{address}/runs/{run_id}" if address else "",
        }
        return api.call("POST", f"statuses/{commit}", body=body).link("url")


class GiteaPermissions:
    """`ports.Permissions` at Gitea."""

    def __init__(self, settings: GiteaSettings, site: Site) -> None:
        self.settings, self.site = settings, site

    def may(self, login: str) -> bool:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", login):
            return False
        with connected(self.settings, self.site) as api:
            try:
                return api.get(f"collaborators/{login}/permission").raw("permission") in MAY
            except GiteaRefused as error:
                if error.status == 404:
                    return False
                if error.status == 403:
                    raise PermanentError(
                        f"Gitea says what {login} may do in {self.site.repository} to its"
                        f" administrators alone: give {TOKEN}'s owner that role"
                    ) from None
                raise


class GiteaLeaving:
    """`ports.Leaving` at Gitea."""

    def __init__(self, settings: GiteaSettings, site: Site) -> None:
        self.settings, self.site = settings, site

    def leave(self) -> list[str]:
        require_enabled(self.settings)
        with connected(self.settings, self.site) as api:
            return [*_closed(api), *_deleted(api), *_silenced(api), *_unhooked(api, self.site.url)]


def _closed(api: GiteaApi) -> list[str]:
    found = [
        pull.ident("number")
        for pull in api.listed("pulls", state="open")
        if pull.maybe("head").raw("ref").startswith(ours.BRANCHES)
    ]
    for number in found:
        api.call("PATCH", f"pulls/{number}", body={"state": "closed"})
    return [f"closed #{number}" for number in found]


def _deleted(api: GiteaApi) -> list[str]:
    branches = [branch.raw("name") for branch in api.listed("branches", key="name")]
    found = [branch for branch in branches if branch.startswith(ours.BRANCHES)]
    for branch in found:
        delete_branch(api, branch)
    return [f"deleted the branch {branch}" for branch in found]


def _silenced(api: GiteaApi) -> list[str]:
    comments = list(api.listed("issues/comments"))
    found = [one.ident("id") for one in comments if ours.MARKER in one.raw("body")]
    for comment_id in found:
        api.call("DELETE", f"issues/comments/{comment_id}")
    return [f"deleted the comment {comment_id}" for comment_id in found]


def _unhooked(api: GiteaApi, address: str) -> list[str]:
    try:
        hooks = list(api.listed("hooks")) if address else []
    except PermanentError:
        return ["webhooks could not be listed: remove the one of this service by hand"]
    found = [one.ident("id") for one in hooks if _leads_to(one, address)]
    for hook in found:
        api.call("DELETE", f"hooks/{hook}")
    return [f"removed the webhook {hook}" for hook in found]


def _leads_to(hook: _wire.Fields, address: str) -> bool:
    return hook.maybe("config").raw("url").startswith(address)


@dataclass(frozen=True)
class GiteaCredentials:
    """`ports.Credentials` at Gitea: its token also clones."""

    settings: GiteaSettings

    def clone_token(self, repository: str, url: str) -> str:
        """For an https clone URL at a Gitea that is set; one set for clones goes before."""
        if self.settings.git_token.get_secret_value() or not url.startswith("https://"):
            return ""
        return self.settings.token if _wire.host_of(url) in known_hosts(self.settings) else ""
