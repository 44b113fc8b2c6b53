"""GitLab: an approved patch becomes a branch with one commit and a merge request of ours, once,
whatever happens in between.

GitLab makes branch and commit in one call, so there is nothing between them that a crash could
leave. What exists is adopted if its commit carries the run's trailer and stands on the proven
commit.

Source: GitLab docs, 'Commits API', 'Merge requests API'.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from cihealing.failpoints import failpoint
from cihealing.ports import (
    Call,
    FileEdit,
    HeadMovedError,
    Proposal,
    Published,
    Site,
    TransientError,
)
from cihealing.providers.gitlab.client import GitLabApi, GitLabRefused, require_enabled, text
from cihealing.providers.gitlab.settings import GitLabSettings
from cihealing.providers.shared import ours


class GitLabPublishing:
    """`ports.Publishing` at GitLab."""

    def __init__(self, settings: GitLabSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def publish(self, proposal: Proposal) -> Published:
        """Open the merge request, or find the one that was opened. Raises HeadMovedError,
        TransientError, PermanentError.
        """
        require_enabled(self.settings)
        api = GitLabApi(self.repository, self.settings)
        commit = _branch(api, proposal)
        failpoint("forge.after_ref")
        request = _opened_before(api, proposal) or _open(api, proposal)
        failpoint("forge.after_change")
        return Published(
            url=text(request, "web_url"), commit=commit, merged=request.get("state") == "merged"
        )

    def planned(self, proposal: Proposal) -> list[Call]:
        project = f"projects/{quote(self.repository, safe='')}"
        base = f"{self.settings.gitlab_url}/api/v4/{project}"
        actions = [
            {
                "action": "delete" if e.content is None else "create or update",
                "file_path": e.path,
                "content": f"<{len(e.content or b'')} bytes>",
            }
            for e in proposal.files
        ]
        return [
            Call(method="GET", url=f"{base}/repository/branches/{quote(proposal.source, safe='')}"),
            Call(method="GET", url=f"{base}/repository/branches/{quote(proposal.branch, safe='')}"),
            Call(method="POST", url=f"{base}/repository/commits", body=_commit(proposal, actions)),
            Call(method="POST", url=f"{base}/merge_requests", body=_request_body(proposal)),
        ]


def _branch(api: GitLabApi, proposal: Proposal) -> str:
    tip = _tip(api, proposal.source)
    if tip is None:
        _require_head(api, proposal)
        try:
            return text(
                api.call("post", "/repository/commits", body=_commit_body(api, proposal)), "id"
            )
        except GitLabRefused as error:
            # It is there: another try was faster, or an answer was lost.
            tip = _tip(api, proposal.source) if error.status == 400 else None
            if tip is None:
                raise
    return _adopted(proposal, tip)


def _adopted(proposal: Proposal, tip: dict[str, Any]) -> str:
    parents = tip.get("parent_ids") or []
    ours.require_ours(proposal, message=str(tip.get("message")), parents=parents)
    return text(tip, "id")


def _tip(api: GitLabApi, branch: str) -> dict[str, Any] | None:
    """The commit a branch is at; None where there is no such branch."""
    try:
        found = api.call("get", f"/repository/branches/{quote(branch, safe='')}")
    except GitLabRefused as error:
        if error.status == 404:
            return None
        raise
    tip = found.get("commit") if isinstance(found, dict) else None
    if not isinstance(tip, dict):
        raise TransientError("GitLab's answer has no commit")
    return tip


def _require_head(api: GitLabApi, proposal: Proposal) -> None:
    tip = _tip(api, proposal.branch)
    found = text(tip, "id") if tip else None
    if found != proposal.head:
        raise HeadMovedError(proposal.head, found)


def _commit_body(api: GitLabApi, proposal: Proposal) -> dict[str, Any]:
    actions = [
        _action(edit, new=edit.content is not None and not _exists(api, edit.path, proposal.head))
        for edit in proposal.files
    ]
    return _commit(proposal, actions)


def _commit(proposal: Proposal, actions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "branch": proposal.source,
        "start_sha": proposal.head,
        "commit_message": ours.message_of(proposal),
        "actions": actions,
        "author_name": "cihealing",
        "author_email": "cihealing@localhost",
    }


def _action(edit: FileEdit, *, new: bool) -> dict[str, Any]:
    if edit.content is None:
        return {"action": "delete", "file_path": edit.path}
    content = {"content": base64.b64encode(edit.content).decode(), "encoding": "base64"}
    mode = {"execute_filemode": True} if edit.mode == "100755" and new else {}
    return {"action": "create" if new else "update", "file_path": edit.path, **content, **mode}


def _exists(api: GitLabApi, path: str, commit: str) -> bool:
    try:
        api.call("get", f"/repository/files/{quote(path, safe='')}", ref=commit)
    except GitLabRefused as error:
        if error.status == 404:
            return False
        raise
    return True


def _opened_before(api: GitLabApi, proposal: Proposal) -> dict[str, Any] | None:
    found = api.listed(
        "/merge_requests", source_branch=proposal.source, target_branch=proposal.branch, state="all"
    )
    return next(
        (request for request in found if request.get("source_branch") == proposal.source), None
    )


def _open(api: GitLabApi, proposal: Proposal) -> dict[str, Any]:
    _require_head(api, proposal)
    try:
        opened = api.call("post", "/merge_requests", body=_request_body(proposal))
    except GitLabRefused as error:
        found = _opened_before(api, proposal) if error.status in (400, 409, 422) else None
        if found is None:
            raise
        return found
    if not isinstance(opened, dict):
        raise TransientError("GitLab's answer cannot be read: it is no merge request")
    return opened


def _request_body(proposal: Proposal) -> dict[str, Any]:
    title = f"Draft: {proposal.title}" if proposal.draft else proposal.title
    return {
        "source_branch": proposal.source,
        "target_branch": proposal.branch,
        "title": title,
        "description": proposal.body,
        "remove_source_branch": True,
    }
