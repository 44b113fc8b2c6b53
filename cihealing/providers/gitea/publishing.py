"""Gitea and Forgejo: an approved patch becomes a branch with one commit and a pull request of ours,
once, whatever happens in between.

Branch and commit are made in one call, so there is nothing between them that a crash could leave.
That call takes whole files and a branch to stand on; that the commit stands on the proven one and
holds just what was proven is looked at before anything is opened. What exists is adopted if its
commit carries the run's trailer.

Source: `repoChangeFiles`, `repoGetBranch`, `repoGetSingleCommit`, `repoCreatePullRequest`,
`repoGetPullRequestByBaseHead`; `services/repository/files/update.go`: the mode of a file is kept,
that of a new one is 100644. (`repoApplyDiffPatch` mends white space on the way.)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
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
)
from cihealing.providers.gitea.client import GiteaApi, GiteaRefused, connected, require_enabled
from cihealing.providers.gitea.entries import Entries, blob_of
from cihealing.providers.gitea.hosts import HOSTS
from cihealing.providers.gitea.pulls import delete_branch
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import ours
from cihealing.providers.shared import wire as _wire

WHO = {"name": "cihealing", "email": "cihealing@localhost"}
DRAFT = "WIP: "
"""What makes a pull request a draft, unless the server is set up otherwise."""
PLAIN = "100644"


class GiteaPublishing:
    """`ports.Publishing` at Gitea."""

    def __init__(self, settings: GiteaSettings, site: Site) -> None:
        self.settings, self.site = settings, site

    def publish(self, proposal: Proposal) -> Published:
        """Open the pull request, or find the one that was opened. Raises HeadMovedError,
        TransientError, PermanentError.
        """
        require_enabled(self.settings)
        with connected(self.settings, self.site) as api:
            commit = _branch(api, proposal)
            failpoint("forge.after_ref")
            pull = _opened_before(api, proposal) or _open(api, proposal)
            failpoint("forge.after_change")
            return Published(
                url=pull.text("html_url", limit=2_000), commit=commit, merged=pull.flag("merged")
            )

    def planned(self, proposal: Proposal) -> list[Call]:
        """Nothing is asked: what only Gitea knows stands as `<…>`."""
        server = next(iter(self.settings.gitea_url), f"<{HOSTS.setting}>")
        base = f"{server.rstrip('/')}/api/v1/repos/{self.site.repository}"
        files = [_planned_change(edit) for edit in proposal.files]
        content = _commit_body(proposal, files, date="<date of the head>")
        return [
            Call(method="GET", url=f"{base}/branches/{proposal.source}"),
            Call(method="GET", url=f"{base}/branches/{proposal.branch}"),
            Call(method="GET", url=f"{base}/git/trees/{proposal.head}"),
            Call(method="POST", url=f"{base}/contents", body=content),
            Call(method="GET", url=f"{base}/git/commits/<commit>"),
            Call(method="POST", url=f"{base}/pulls", body=_pull_body(proposal)),
        ]


def _branch(api: GiteaApi, proposal: Proposal) -> str:
    """The commit our branch is at: made now, or by an earlier try."""
    tip = _head(api, proposal.source) or _commit(api, proposal)
    found = _commit_at(api, tip)
    parents = [parent.raw("sha") for parent in found.children("parents")]
    ours.require_ours(proposal, message=found.child("commit").raw("message"), parents=parents)
    _require_proven(api, proposal, tip)
    return tip


def _head(api: GiteaApi, branch: str) -> str | None:
    try:
        return api.get(f"branches/{quote(branch)}").child("commit").commit("id")
    except GiteaRefused as error:
        if error.status == 404:
            return None
        raise


def _require_head(api: GiteaApi, proposal: Proposal) -> None:
    found = _head(api, proposal.branch)
    if found != proposal.head:
        raise HeadMovedError(proposal.head, found)


def _commit_at(api: GiteaApi, commit: str) -> _wire.Fields:
    return api.get(f"git/commits/{commit}", stat="false", verification="false", files="false")


def _commit(api: GiteaApi, proposal: Proposal) -> str:
    _require_head(api, proposal)
    before = Entries(api, proposal.head)
    changes = [_change(edit, before.at(edit.path)) for edit in proposal.files]
    date = _commit_at(api, proposal.head).child("commit").child("committer").text("date")
    try:
        done = api.call("POST", "contents", body=_commit_body(proposal, changes, date=date))
    except GiteaRefused as error:
        # It is there: another try was faster, or an answer was lost. Or a file is another by now.
        tip = _head(api, proposal.source) if error.status == 422 else None
        if tip is None:
            _require_head(api, proposal)
            raise
        return tip
    return _on_head(api, proposal, done.child("commit"))


def _on_head(api: GiteaApi, proposal: Proposal, commit: _wire.Fields) -> str:
    """The commit just made. It stands on whatever the branch was at when the server looked."""
    parents = [parent.commit("sha") for parent in commit.children("parents")]
    if parents != [proposal.head]:
        delete_branch(api, proposal.source)
        raise HeadMovedError(proposal.head, next(iter(parents), None))
    return commit.commit("sha")


def _change(edit: FileEdit, before: tuple[str, str] | None) -> dict[str, str]:
    """Bound to the file that was there. Raises PermanentError for a mode that cannot be given."""
    mode, sha = before or (PLAIN, "")
    if edit.content is None:
        return {"operation": "delete", "path": edit.path, "sha": sha}
    if edit.mode != mode:
        raise PermanentError(
            f"{edit.path[:200]!r} would get the mode {edit.mode}, which Gitea's API cannot give a"
            " file: set it in the repository first, or take the patch over by hand"
        )
    content = base64.b64encode(edit.content).decode()
    if before is None:
        return {"operation": "create", "path": edit.path, "content": content}
    return {"operation": "update", "path": edit.path, "sha": sha, "content": content}


def _require_proven(api: GiteaApi, proposal: Proposal, commit: str) -> None:
    """A server may keep a file elsewhere (LFS) or encode it anew: that is not what was proven."""
    entries = Entries(api, commit)
    for edit in proposal.files:
        content = edit.content
        wanted = None if content is None else (edit.mode, blob_of(content, like=commit))
        if entries.at(edit.path) != wanted:
            raise PermanentError(
                f"the branch {proposal.source} holds another {edit.path[:200]!r} than was proven:"
                " take the patch over by hand, or delete the branch, then approve again"
            )


def _commit_body(
    proposal: Proposal, changes: list[dict[str, str]], *, date: str
) -> Mapping[str, object]:
    """With the date of the commit it stands on: a repeat makes the same one."""
    return {
        "branch": proposal.branch,
        "new_branch": proposal.source,
        "message": ours.message_of(proposal),
        "files": changes,
        "author": WHO,
        "committer": WHO,
        "dates": {"author": date, "committer": date},
    }


def _opened_before(api: GiteaApi, proposal: Proposal) -> _wire.Fields | None:
    try:
        return api.get(f"pulls/{quote(proposal.branch, safe='')}/{quote(proposal.source)}")
    except GiteaRefused as error:
        if error.status == 404:
            return None
        raise


def _open(api: GiteaApi, proposal: Proposal) -> _wire.Fields:
    _require_head(api, proposal)
    try:
        return api.call("POST", "pulls", body=_pull_body(proposal))
    except GiteaRefused as error:
        found = _opened_before(api, proposal) if error.status in (409, 422) else None
        if found is None:
            raise
        return found


def _pull_body(proposal: Proposal) -> dict[str, object]:
    return {
        "title": DRAFT + proposal.title if proposal.draft else proposal.title,
        "body": proposal.body,
        "head": proposal.source,
        "base": proposal.branch,
    }


def _planned_change(edit: FileEdit) -> dict[str, str]:
    if edit.content is None:
        return {"operation": "delete", "path": edit.path, "sha": f"<blob of {edit.path}>"}
    return {
        "operation": "create or update",
        "path": edit.path,
        "content": f"<{len(edit.content)} bytes>",
    }
