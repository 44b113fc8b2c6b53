"""Pull requests of ours: merged bound to a commit, looked at, closed.

Source: GitHub REST docs, 'Pulls', 'Checks', 'Commit statuses', 'Issue events'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cihealing.failpoints import failpoint
from cihealing.ports import Change, HeadMovedError, PermanentError, Published, Site
from cihealing.providers.github.client import (
    Conflict,
    GitHubApi,
    Missing,
    maybe,
    own_words,
    require_enabled,
    text,
)
from cihealing.providers.github.pulls import comment, delete_branch, number_of, pulls_of
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared import ours

GREEN, RED = (
    ("success", "neutral", "skipped"),
    ("failure", "timed_out", "action_required", "startup_failure", "cancelled", "stale"),
)


class GitHubChanges:
    """`ports.Changes` at GitHub."""

    def __init__(self, settings: GitHubSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def merge(self, url: str, *, sha: str) -> Published:
        """Bound to `sha`, never around branch protection. Raises HeadMovedError where the branch is
        at another commit.
        """
        require_enabled(self.settings)
        api, number = self._of(url)
        pull = api.get(f"/pulls/{number}")
        if maybe(pull, "merged"):
            return Published(url=url, commit=text(pull, "merge_commit_sha"), merged=True)
        if maybe(pull, "head", "sha") != sha:
            raise HeadMovedError(sha, maybe(pull, "head", "sha"))
        if maybe(pull, "draft"):
            _ready(api, text(pull, "node_id"))
        try:
            done = api.call("PUT", f"/pulls/{number}/merge", body={"sha": sha})
        except Conflict as error:
            if error.status == 409:
                raise HeadMovedError(
                    sha, maybe(api.get(f"/pulls/{number}"), "head", "sha")
                ) from None
            raise PermanentError(f"GitHub does not merge it: {error.said}") from None
        failpoint("forge.after_merge")
        return Published(url=url, commit=text(done, "sha"), merged=True)

    def look(self, url: str) -> Change:
        api, number = self._of(url)
        pull = api.get(f"/pulls/{number}")
        head = text(pull, "head", "sha")
        merged = bool(maybe(pull, "merged"))
        is_open = maybe(pull, "state") == "open"
        checks, failing = _checks(api, head) if is_open else ("none", ())
        return Change(
            url=url,
            state="merged" if merged else "open" if is_open else "closed",
            head=head,
            checks=checks,
            failing=failing,
            target_head=str(maybe(pull, "base", "sha") or ""),
            merged_commit=str(maybe(pull, "merge_commit_sha") or "") if merged else "",
            opted_out=_labelled(pull),
            by=(
                str(maybe(pull, "merged_by", "login") or "")
                if merged
                else _closer(api, number, is_open)
            ),
        )

    def close(self, url: str, *, run_id: str, reason: str) -> None:
        """What is gone is closed. The branch goes last: as long as it is there a repeat finds what
        is to be done.
        """
        require_enabled(self.settings)
        api, number = self._of(url)
        try:
            pull = api.get(f"/pulls/{number}")
        except Missing:
            return
        if maybe(pull, "state") == "open":
            comment(api, number, run_id, f"Closed by cihealing: {ours.plain(reason)}")
            api.call("PATCH", f"/pulls/{number}", body={"state": "closed"})
        source = str(maybe(pull, "head", "ref") or "")
        if source.startswith(ours.BRANCHES) and maybe(pull, "head", "repo", "full_name") in (
            None,
            api.repository,
        ):
            delete_branch(api, source)

    def opted_out(self, commit: str) -> bool:
        return any(
            _labelled(pull) for pull in pulls_of(GitHubApi(self.repository, self.settings), commit)
        )

    def _of(self, url: str) -> tuple[GitHubApi, int]:
        repository, number = number_of(url)
        return GitHubApi(repository, self.settings), number


READY = (
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest"
    " { isDraft } } }"
)


def _ready(api: GitHubApi, node: str) -> None:
    """The REST API cannot do it."""
    answer = api.call("POST", "//graphql", body={"query": READY, "variables": {"id": node}})
    if maybe(answer, "errors"):
        raise PermanentError(
            f"the draft cannot be made ready: {own_words({'errors': maybe(answer, 'errors')})}"
        )


def _closer(api: GitHubApi, number: int, is_open: bool) -> str:
    if is_open:
        return ""
    events = [
        event for event in api.listed(f"/issues/{number}/events") if event.get("event") == "closed"
    ]
    return str(maybe(events[-1], "actor", "login") or "") if events else ""


def _labelled(pull: Any) -> bool:
    labels = maybe(pull, "labels")
    return isinstance(labels, list) and any(maybe(label, "name") == ours.OFF for label in labels)


def _checks(api: GitHubApi, head: str) -> tuple[str, tuple[str, ...]]:
    """What check runs and commit statuses say together; our own check says nothing."""
    runs = [
        run
        for run in api.listed(f"/commits/{head}/check-runs", key="check_runs")
        if run.get("name") != ours.CHECK and not _informational(run)
    ]
    states = [(str(run.get("name")), _state(run)) for run in runs]
    combined = api.get(f"/commits/{head}/status")
    for status in maybe(combined, "statuses") or []:
        if isinstance(status, dict) and not ours.informational(str(status.get("context"))):
            said_so = {"success": "green", "pending": "pending"}.get(
                str(status.get("state")), "red"
            )
            states.append((str(status.get("context")), said_so))
    return ours.verdict(states)


def _informational(run: Mapping[str, Any]) -> bool:
    """Jobs of Actions may have any name."""
    by_actions = maybe(run, "app", "slug") == "github-actions"
    return not by_actions and ours.informational(str(run.get("name")))


def _state(run: Mapping[str, Any]) -> str:
    if run.get("status") != "completed":
        return "pending"
    return "green" if run.get("conclusion") in GREEN else "red"
