"""Pull requests of ours: merged bound to a commit, looked at, closed.

Source: `repoMergePullRequest`, `repoGetPullRequest`, `repoEditPullRequest`,
`repoGetCombinedStatusByRef`, `issueGetCommentsAndTimeline`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cihealing.failpoints import failpoint
from cihealing.ports import Change, HeadMovedError, PermanentError, Published, Site, TransientError
from cihealing.providers.gitea.client import GiteaApi, GiteaRefused, connected, require_enabled
from cihealing.providers.gitea.publishing import DRAFT
from cihealing.providers.gitea.pulls import (
    comment,
    delete_branch,
    labelled,
    number_of,
    pull_at,
    pulls_of,
)
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import ours
from cihealing.providers.shared import wire as _wire

STYLES = ("merge", "rebase", "rebase-merge", "squash", "fast-forward-only")
STATES = {"success": "green", "warning": "green", "skipped": "green", "pending": "pending"}
BUSY = "try again later"
"""What it answers while it looks whether the change can be merged."""


class GiteaChanges:
    """`ports.Changes` at Gitea."""

    def __init__(self, settings: GiteaSettings, site: Site) -> None:
        self.settings, self.site = settings, site

    def merge(self, url: str, *, sha: str) -> Published:
        """Bound to `sha`; required checks, approvals and protected branches are Gitea's to insist
        on. Raises HeadMovedError.
        """
        require_enabled(self.settings)
        with self._of(url) as (api, number):
            pull = pull_at(api, number)
            if not pull.flag("merged"):
                _require_head(pull, sha)
                _merge(api, number, pull, sha)
                failpoint("forge.after_merge")
                pull = pull_at(api, number)
            return Published(url=url, commit=pull.commit("merge_commit_sha"), merged=True)

    def look(self, url: str) -> Change:
        with self._of(url) as (api, number):
            pull = pull_at(api, number)
            merged, is_open = pull.flag("merged"), pull.text("state") == "open"
            head = pull.child("head").commit("sha")
            checks, failing = _checks(api, head) if is_open else ("none", ())
            return Change(
                url=url,
                state="merged" if merged else "open" if is_open else "closed",
                head=head,
                checks=checks,
                failing=failing,
                target_head=pull.maybe("base").label("sha"),
                merged_commit=pull.commit("merge_commit_sha") if merged else "",
                opted_out=labelled(pull),
                by=pull.maybe("merged_by").label("login") or _closer(api, number, is_open=is_open),
            )

    def close(self, url: str, *, run_id: str, reason: str) -> None:
        """The branch goes last: as long as it is there a repeat finds what is to be done."""
        require_enabled(self.settings)
        with self._of(url) as (api, number):
            try:
                pull = pull_at(api, number)
            except GiteaRefused as error:
                if error.status == 404:
                    return
                raise
            if pull.text("state") == "open":
                comment(api, number, run_id, f"Closed by cihealing: {ours.plain(reason)}")
                api.call("PATCH", f"pulls/{number}", body={"state": "closed"})
            source = _source(pull, api.repository)
            if source.startswith(ours.BRANCHES):
                delete_branch(api, source)

    def opted_out(self, commit: str) -> bool:
        with connected(self.settings, self.site) as api:
            return any(labelled(pull) for pull in pulls_of(api, commit))

    @contextmanager
    def _of(self, url: str) -> Iterator[tuple[GiteaApi, str]]:
        repository, number = number_of(url)
        with connected(self.settings, self.site, repository=repository) as api:
            yield api, number


def _source(pull: _wire.Fields, repository: str) -> str:
    """The branch the change comes from; empty where it lies in another repository."""
    head = pull.child("head")
    return head.raw("ref") if head.maybe("repo").raw("full_name") in ("", repository) else ""


def _require_head(pull: _wire.Fields, sha: str) -> None:
    found = pull.child("head").raw("sha")
    if found != sha:
        raise HeadMovedError(sha, found or None)


def _merge(api: GiteaApi, number: str, pull: _wire.Fields, sha: str) -> None:
    """The draft is made ready first. What is merged by now is well; what is refused is told."""
    title = pull.raw("title")
    if title.startswith(DRAFT):
        api.call("PATCH", f"pulls/{number}", body={"title": title.removeprefix(DRAFT)})
    body = {"Do": _style(api), "head_commit_id": sha}
    try:
        api.call("POST", f"pulls/{number}/merge", body=body)
    except GiteaRefused as error:
        now = pull_at(api, number)
        if now.flag("merged"):
            return
        _require_head(now, sha)
        if BUSY in error.said.lower():
            raise TransientError(f"Gitea does not merge it yet: {error.said}") from None
        raise PermanentError(f"Gitea does not merge it: {error.said}") from None


def _style(api: GiteaApi) -> str:
    """How the repository usually merges."""
    usual = api.get("").raw("default_merge_style")
    return usual if usual in STYLES else STYLES[0]


def _checks(api: GiteaApi, head: str) -> tuple[str, tuple[str, ...]]:
    """What the newest statuses say together; our own says nothing."""
    found = [
        (status.label("context"), STATES.get(status.raw("status"), "red"))
        for status in api.listed(f"commits/{head}/status", within="statuses")
    ]
    return ours.verdict(one for one in found if one[0] != ours.CHECK)


def _closer(api: GiteaApi, number: str, *, is_open: bool) -> str:
    if is_open:
        return ""
    said = [
        event for event in api.listed(f"issues/{number}/timeline") if event.raw("type") == "close"
    ]
    return said[-1].maybe("user").label("login") if said else ""
