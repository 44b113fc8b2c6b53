"""What GitLab says of people and tokens; speaking there; and taking everything of ours out.

Source: GitLab docs, 'Notes API', 'Members API', 'Personal access tokens API', 'Webhooks API'.
"""

from __future__ import annotations

import re

from cihealing.ports import Site
from cihealing.providers.gitlab.client import GitLabApi, require_enabled
from cihealing.providers.gitlab.merge_requests import delete_branch, note, requests_of
from cihealing.providers.gitlab.settings import GitLabSettings
from cihealing.providers.shared import ours

DEVELOPER = 30


class GitLabVoice:
    """`ports.Voice` at GitLab, which has no neutral checks: a diagnosis is a note on the merge
    request whose head the commit is.
    """

    def __init__(self, settings: GitLabSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def say(self, text: str, *, run_id: str, commit: str, how: str) -> str:
        require_enabled(self.settings)
        api = GitLabApi(self.repository, self.settings)
        number = next((int(request["iid"]) for request in requests_of(api, commit)), None)
        return note(api, number, run_id, text) if number else ""


class GitLabPermissions:
    """`ports.Permissions` at GitLab."""

    def __init__(self, settings: GitLabSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def may(self, login: str) -> bool:
        """Developer or more, inherited memberships included."""
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", login):
            return False
        api = GitLabApi(self.repository, self.settings)
        for member in api.listed("/members/all", query=login):
            if (
                str(member.get("username")).lower() == login.lower()
                and member.get("state", "active") == "active"
            ):
                level = member.get("access_level")
                return isinstance(level, int) and level >= DEVELOPER
        return False


class GitLabLeaving:
    """`ports.Leaving` at GitLab."""

    def __init__(self, settings: GitLabSettings, site: Site) -> None:
        self.repository, self.settings, self.address = site.repository, settings, site.url

    def leave(self) -> list[str]:
        require_enabled(self.settings)
        api, done = GitLabApi(self.repository, self.settings), list[str]()
        for request in [
            r
            for r in api.listed("/merge_requests", state="opened")
            if str(r.get("source_branch")).startswith(ours.BRANCHES)
        ]:
            api.call("put", f"/merge_requests/{request['iid']}", body={"state_event": "close"})
            done.append(f"closed !{request['iid']}")
        for branch in [
            str(b.get("name"))
            for b in api.listed("/repository/branches", search=f"^{ours.BRANCHES}")
        ]:
            if branch.startswith(ours.BRANCHES):
                delete_branch(api, branch)
                done.append(f"deleted the branch {branch}")
        for hook in list(api.listed("/hooks")) if self.address else []:
            if str(hook.get("url")).startswith(self.address):
                api.call("delete", f"/hooks/{hook['id']}")
                done.append(f"removed the webhook {hook['id']}")
        return done


def excess(settings: GitLabSettings) -> list[str]:
    if not settings.token:
        return []
    scopes = GitLabApi("any", settings).call("get", "//personal_access_tokens/self").get("scopes")
    wanted = ("api", "read_api", "read_repository", "write_repository", "read_user")
    return (
        [f"the GitLab token may do more than is needed: {s}" for s in scopes if s not in wanted]
        if isinstance(scopes, list)
        else []
    )
