"""GitHub: an approved patch becomes a branch, a commit and a pull request of ours, once, whatever
happens in between.

The commit is made through the Git data API with the date of the commit it stands on, so that a
repeat makes the same one. What exists is adopted if it is ours: a branch whose head carries the
run's trailer, a pull request from that branch.

Source: GitHub REST docs, 'Git database', 'Pulls'.
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
    PermanentError,
    Proposal,
    Published,
    Site,
    TransientError,
)
from cihealing.providers.github.client import (
    GitHubApi,
    Missing,
    Unprocessable,
    maybe,
    require_enabled,
    text,
)
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared import ours

AUTHOR = {"name": "cihealing", "email": "cihealing@users.noreply.github.com"}


class GitHubPublishing:
    """`ports.Publishing` at GitHub."""

    def __init__(self, settings: GitHubSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def publish(self, proposal: Proposal) -> Published:
        """Open the pull request, or find the one that was opened. Raises HeadMovedError,
        TransientError, PermanentError.
        """
        require_enabled(self.settings)
        api = GitHubApi(self.repository, self.settings)
        commit = _branch(api, proposal)
        failpoint("forge.after_ref")
        pull = _opened_before(api, proposal) or _open(api, proposal)
        failpoint("forge.after_change")
        return Published(
            url=text(pull, "html_url"), commit=commit, merged=bool(maybe(pull, "merged_at"))
        )

    def planned(self, proposal: Proposal) -> list[Call]:
        """Nothing is asked: what only GitHub knows stands as `<…>`."""
        base = f"{self.settings.github_api_url}/repos/{self.repository}"
        blobs = {
            edit.path: len(edit.content) for edit in proposal.files if edit.content is not None
        }
        entries = [_planned_entry(edit) for edit in proposal.files]
        who = {**AUTHOR, "date": "<date of the head>"}
        return [
            Call(method="GET", url=f"{base}/git/ref/heads/{proposal.source}"),
            Call(method="GET", url=f"{base}/git/ref/heads/{proposal.branch}"),
            *(_planned_blob(base, path, size) for path, size in blobs.items()),
            Call(
                method="POST",
                url=f"{base}/git/trees",
                body={"base_tree": f"<tree of {proposal.head}>", "tree": entries},
            ),
            Call(
                method="POST",
                url=f"{base}/git/commits",
                body={
                    "message": ours.message_of(proposal),
                    "tree": "<tree>",
                    "parents": [proposal.head],
                    "author": who,
                    "committer": who,
                },
            ),
            Call(
                method="POST",
                url=f"{base}/git/refs",
                body={"ref": f"refs/heads/{proposal.source}", "sha": "<commit>"},
            ),
            Call(method="POST", url=f"{base}/pulls", body=_pull_body(proposal)),
        ]


def _branch(api: GitHubApi, proposal: Proposal) -> str:
    """The commit our branch is at: made now, or by an earlier try."""
    tip = _head(api, proposal.source)
    if tip is not None:
        return _adopted(api, proposal, tip)
    _require_head(api, proposal)
    commit = _commit(api, proposal)
    try:
        api.call("POST", "/git/refs", body={"ref": f"refs/heads/{proposal.source}", "sha": commit})
    except Unprocessable:
        # It is there: another try was faster, or an answer was lost.
        tip = _head(api, proposal.source)
        if tip is None:
            raise
        return _adopted(api, proposal, tip)
    return commit


def _adopted(api: GitHubApi, proposal: Proposal, commit: str) -> str:
    found = api.get(f"/git/commits/{commit}")
    parents = [maybe(parent, "sha") for parent in maybe(found, "parents") or []]
    ours.require_ours(proposal, message=str(maybe(found, "message")), parents=parents)
    return commit


def _require_head(api: GitHubApi, proposal: Proposal) -> None:
    found = _head(api, proposal.branch)
    if found != proposal.head:
        raise HeadMovedError(proposal.head, found)


def _head(api: GitHubApi, branch: str) -> str | None:
    try:
        return text(api.get(f"/git/ref/heads/{quote(branch, safe='/')}"), "object", "sha")
    except Missing:
        return None


def _commit(api: GitHubApi, proposal: Proposal) -> str:
    base = api.get(f"/git/commits/{proposal.head}")
    entries = [_entry(api, edit) for edit in proposal.files]
    tree = api.call(
        "POST", "/git/trees", body={"base_tree": text(base, "tree", "sha"), "tree": entries}
    )
    who = {**AUTHOR, "date": text(base, "committer", "date")}
    body = {
        "message": ours.message_of(proposal),
        "tree": text(tree, "sha"),
        "parents": [proposal.head],
        "author": who,
        "committer": who,
    }
    return text(api.call("POST", "/git/commits", body=body), "sha")


def _entry(api: GitHubApi, edit: FileEdit) -> dict[str, Any]:
    if edit.content is None:
        return {"path": edit.path, "mode": edit.mode, "type": "blob", "sha": None}
    content = {"content": base64.b64encode(edit.content).decode(), "encoding": "base64"}
    return {
        "path": edit.path,
        "mode": edit.mode,
        "type": "blob",
        "sha": text(api.call("POST", "/git/blobs", body=content), "sha"),
    }


def _opened_before(api: GitHubApi, proposal: Proposal) -> dict[str, Any] | None:
    owner = proposal.repository.split("/")[0]
    found = api.listed(
        "/pulls", state="all", head=f"{owner}:{proposal.source}", base=proposal.branch
    )
    return next((pull for pull in found if maybe(pull, "head", "ref") == proposal.source), None)


def _open(api: GitHubApi, proposal: Proposal) -> dict[str, Any]:
    _require_head(api, proposal)
    try:
        opened = api.call("POST", "/pulls", body=_pull_body(proposal))
    except Unprocessable as error:
        found = _opened_before(api, proposal)
        if found is None:
            raise PermanentError(f"GitHub opens no pull request: {error.said}") from None
        return found
    if not isinstance(opened, dict):
        raise TransientError("GitHub's answer cannot be read: it is no pull request")
    return opened


def _pull_body(proposal: Proposal) -> dict[str, Any]:
    return {
        "title": proposal.title,
        "body": proposal.body,
        "head": proposal.source,
        "base": proposal.branch,
        "draft": proposal.draft,
        "maintainer_can_modify": False,
    }


def _planned_entry(edit: FileEdit) -> dict[str, Any]:
    sha = None if edit.content is None else f"<blob of {edit.path}>"
    return {"path": edit.path, "mode": edit.mode, "type": "blob", "sha": sha}


def _planned_blob(base: str, path: str, size: int) -> Call:
    return Call(
        method="POST",
        url=f"{base}/git/blobs",
        body={"content": f"<{size} bytes of {path}>", "encoding": "base64"},
    )
