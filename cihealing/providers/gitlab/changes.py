"""Merge requests of ours: merged bound to a commit, looked at, closed.

Source: GitLab docs, 'Merge requests API', 'Pipelines API', 'Notes API'.
"""

from __future__ import annotations

from typing import Any

from cihealing.failpoints import failpoint
from cihealing.ports import Change, HeadMovedError, PermanentError, Published, Site, TransientError
from cihealing.providers.gitlab.client import GitLabApi, GitLabRefused, require_enabled, text
from cihealing.providers.gitlab.merge_requests import (
    delete_branch,
    note,
    number_of,
    request_at,
    requests_of,
)
from cihealing.providers.gitlab.settings import GitLabSettings
from cihealing.providers.shared import ours

GREEN, PENDING = (
    ("success", "skipped"),
    ("created", "waiting_for_resource", "preparing", "pending", "running", "scheduled", "manual"),
)


class GitLabChanges:
    """`ports.Changes` at GitLab."""

    def __init__(self, settings: GitLabSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def merge(self, url: str, *, sha: str) -> Published:
        """Bound to `sha`; a pipeline that must succeed, approvals and protected branches are
        GitLab's to insist on.
        """
        require_enabled(self.settings)
        api, number = self._of(url)
        request = request_at(api, number)
        if request.get("state") == "merged":
            return Published(url=url, commit=_merged_commit(request), merged=True)
        if request.get("sha") != sha:
            raise HeadMovedError(sha, str(request.get("sha") or "") or None)
        if request.get("draft"):
            api.call(
                "put",
                f"/merge_requests/{number}",
                body={"title": str(request.get("title", "")).removeprefix("Draft: ")},
            )
        try:
            done = api.call("put", f"/merge_requests/{number}/merge", body={"sha": sha})
        except GitLabRefused as error:
            if error.status == 409:
                raise HeadMovedError(
                    sha, str(request_at(api, number).get("sha") or "") or None
                ) from None
            raise PermanentError(f"GitLab does not merge it: {error.said}") from None
        failpoint("forge.after_merge")
        return Published(url=url, commit=_merged_commit(done), merged=True)

    def look(self, url: str) -> Change:
        api, number = self._of(url)
        request = request_at(api, number)
        state = {"opened": "open", "locked": "open", "merged": "merged"}.get(
            str(request["state"]), "closed"
        )
        head = text(request, "sha")
        checks, failing = _checks(api, head, request) if state == "open" else ("none", ())
        by = (
            request.get("merged_by") or request.get("merge_user")
            if state == "merged"
            else request.get("closed_by")
        )
        return Change(
            url=url,
            state=state,
            head=head,
            checks=checks,
            failing=failing,
            merged_commit=_merged_commit(request) if state == "merged" else "",
            opted_out=ours.OFF in (request.get("labels") or []),
            by=str(by.get("username", "")) if isinstance(by, dict) else "",
        )

    def close(self, url: str, *, run_id: str, reason: str) -> None:
        require_enabled(self.settings)
        api, number = self._of(url)
        try:
            request = request_at(api, number)
        except GitLabRefused as error:
            if error.status == 404:
                return
            raise
        if request["state"] == "opened":
            note(api, number, run_id, f"Closed by cihealing: {ours.plain(reason)}")
            api.call("put", f"/merge_requests/{number}", body={"state_event": "close"})
        source = str(request.get("source_branch") or "")
        if source.startswith(ours.BRANCHES):
            delete_branch(api, source)

    def opted_out(self, commit: str) -> bool:
        return any(
            ours.OFF in (request.get("labels") or [])
            for request in requests_of(GitLabApi(self.repository, self.settings), commit)
        )

    def _of(self, url: str) -> tuple[GitLabApi, int]:
        repository, number = number_of(url)
        return GitLabApi(repository, self.settings), number


def _merged_commit(request: Any) -> str:
    for field in ("merge_commit_sha", "squash_commit_sha", "sha"):
        if isinstance(request, dict) and isinstance(request.get(field), str):
            return str(request[field])
    raise TransientError("GitLab's answer has no merge_commit_sha")


def _checks(api: GitLabApi, head: str, request: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The newest pipeline of the head says it; an older one speaks of another commit."""
    pipeline = request.get("head_pipeline")
    if not isinstance(pipeline, dict) or pipeline.get("sha") != head:
        return "none", ()
    status = str(pipeline.get("status"))
    if status in GREEN:
        return "green", ()
    if status in PENDING:
        return "pending", ()
    jobs = api.listed(f"/pipelines/{pipeline.get('id')}/jobs", scope="failed")
    return "red", tuple(str(job.get("name"))[:100] for job in jobs if not job.get("allow_failure"))
