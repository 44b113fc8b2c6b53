"""Who may do what at GitHub, and taking everything of ours out of a repository.

Source: GitHub REST docs, 'Collaborators', 'Git references', 'Issue comments', 'Webhooks'.
"""

from __future__ import annotations

import re

from cihealing.ports import PermanentError, Site
from cihealing.providers.github import app as github_app
from cihealing.providers.github import manifest as github_manifest
from cihealing.providers.github.client import GitHubApi, Missing, maybe, require_enabled
from cihealing.providers.github.pulls import delete_branch
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared import ours

MAY = ("admin", "maintain", "write")
WANTED_SCOPES = ("repo", "public_repo", "read:org", "repo:status", "user:email", "read:user")


class GitHubPermissions:
    """`ports.Permissions` at GitHub."""

    def __init__(self, settings: GitHubSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def may(self, login: str) -> bool:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,39}", login):
            return False
        try:
            answer = GitHubApi(self.repository, self.settings).get(
                f"/collaborators/{login}/permission"
            )
        except Missing:
            return False
        return maybe(answer, "permission") in MAY or maybe(answer, "role_name") in MAY


class GitHubLeaving:
    """`ports.Leaving` at GitHub."""

    def __init__(self, settings: GitHubSettings, site: Site) -> None:
        self.repository, self.settings, self.address = site.repository, settings, site.url

    def leave(self) -> list[str]:
        require_enabled(self.settings)
        api, done = GitHubApi(self.repository, self.settings), list[str]()
        for pull in [
            p
            for p in api.listed("/pulls", state="open")
            if str(maybe(p, "head", "ref")).startswith(ours.BRANCHES)
        ]:
            api.call("PATCH", f"/pulls/{pull['number']}", body={"state": "closed"})
            done.append(f"closed #{pull['number']}")
        for ref in list(api.listed(f"/git/matching-refs/heads/{ours.BRANCHES}")):
            branch = str(ref.get("ref", "")).removeprefix("refs/heads/")
            delete_branch(api, branch)
            done.append(f"deleted the branch {branch}")
        for comment in [
            c for c in api.listed("/issues/comments") if ours.MARKER in str(c.get("body"))
        ]:
            api.call("DELETE", f"/issues/comments/{comment['id']}")
            done.append(f"deleted the comment {comment['id']}")
        return [*done, *_unhooked(api, self.address)]


def _unhooked(api: GitHubApi, address: str) -> list[str]:
    try:
        hooks = list(api.listed("/hooks")) if address else []
    except PermanentError:
        return ["webhooks could not be listed: remove the one of this service by hand"]
    told = []
    for hook in hooks:
        if str(maybe(hook, "config", "url")).startswith(address):
            api.call("DELETE", f"/hooks/{hook['id']}")
            told.append(f"removed the webhook {hook['id']}")
    return told


def excess(settings: GitHubSettings) -> list[str]:
    """Of an App its permissions; of tokens, only classic ones name their scopes."""
    if settings.app:
        return [
            f"the GitHub App may do more: {told}"
            for told in github_manifest.beyond(github_app.permissions(settings))
        ]
    if not settings.token:
        return []
    headers, _ = GitHubApi("any/any", settings).asked("GET", "//rate_limit")
    scopes = [
        scope.strip()
        for scope in str(headers.get("x-oauth-scopes") or "").split(",")
        if scope.strip()
    ]
    return [
        f"the GitHub token may do more than is needed: {scope}"
        for scope in scopes
        if scope not in WANTED_SCOPES
    ]
