"""GitHub: an approved patch becomes a branch, a commit and a pull request of ours, once, whatever
happens in between.

The commit is made through the Git data API with the date of the commit it stands on, so that a
repeat makes the same one. What exists is adopted if it is ours: a branch whose head carries the
run's trailer, a pull request from that branch.

Source: GitHub REST docs, 'Git database', 'Pulls', 'Checks', 'Commit statuses', 'Issue comments',
'Collaborators'.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from cihealing.domain.policy import RepositoryPolicy
from cihealing.failpoints import failpoint
from cihealing.ports import (
    Call,
    Change,
    FileEdit,
    HeadMoved,
    PermanentError,
    Proposal,
    Published,
    TransientError,
)
from cihealing.providers.github import app as github_app
from cihealing.providers.github import manifest as github_manifest
from cihealing.providers.github.client import (
    Api,
    Conflict,
    Missing,
    Unprocessable,
    maybe,
    require_enabled,
    said,
    text,
)

name = "github"
opens_changes = True

TRAILER = "Cihealing-Run"
OFF = "cihealing:off"
OURS = "cihealing/"
CHECK = "cihealing"
PULL = re.compile(r"/([^/]+/[^/]+)/pull/(\d{1,10})/?\Z")
AUTHOR = {"name": "cihealing", "email": "cihealing@users.noreply.github.com"}
MAY = ("admin", "maintain", "write")
WANTED_SCOPES = ("repo", "public_repo", "read:org", "repo:status", "user:email", "read:user")
GREEN, RED = (
    ("success", "neutral", "skipped"),
    ("failure", "timed_out", "action_required", "startup_failure", "cancelled", "stale"),
)


def publish(
    proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> Published:
    """Open the pull request, or find the one that was opened. Raises HeadMoved, TransientError,
    PermanentError.
    """
    require_enabled(settings)
    api = Api(proposal.repository, settings)
    commit = _branch(api, proposal)
    failpoint("forge.after_ref")
    pull = _opened_before(api, proposal) or _open(api, proposal)
    failpoint("forge.after_change")
    return Published(
        url=text(pull, "html_url"), commit=commit, merged=bool(maybe(pull, "merged_at"))
    )


def _branch(api: Api, proposal: Proposal) -> str:
    """The commit our branch is at: made now, or by an earlier try."""
    ours = _head(api, proposal.source)
    if ours is not None:
        return _adopted(api, proposal, ours)
    _require_head(api, proposal)
    commit = _commit(api, proposal)
    try:
        api.call("POST", "/git/refs", body={"ref": f"refs/heads/{proposal.source}", "sha": commit})
    except Unprocessable:
        # It is there: another try was faster, or an answer was lost.
        ours = _head(api, proposal.source)
        if ours is None:
            raise
        return _adopted(api, proposal, ours)
    return commit


def _adopted(api: Api, proposal: Proposal, commit: str) -> str:
    """Only what carries the run's own trailer and stands on the proven commit is ours."""
    found = api.get(f"/git/commits/{commit}")
    parents = [maybe(parent, "sha") for parent in maybe(found, "parents") or []]
    if f"{TRAILER}: {proposal.run_id}" not in str(
        maybe(found, "message")
    ).splitlines() or parents != [proposal.head]:
        raise PermanentError(
            f"the branch {proposal.source} exists and is not this run's: delete it, then approve"
            " again"
        )
    return commit


def _require_head(api: Api, proposal: Proposal) -> None:
    found = _head(api, proposal.branch)
    if found != proposal.head:
        raise HeadMoved(proposal.head, found)


def _head(api: Api, branch: str) -> str | None:
    try:
        return text(api.get(f"/git/ref/heads/{quote(branch, safe='/')}"), "object", "sha")
    except Missing:
        return None


def _commit(api: Api, proposal: Proposal) -> str:
    base = api.get(f"/git/commits/{proposal.head}")
    entries = [_entry(api, edit) for edit in proposal.files]
    tree = api.call(
        "POST", "/git/trees", body={"base_tree": text(base, "tree", "sha"), "tree": entries}
    )
    who = {**AUTHOR, "date": text(base, "committer", "date")}
    body = {
        "message": message_of(proposal),
        "tree": text(tree, "sha"),
        "parents": [proposal.head],
        "author": who,
        "committer": who,
    }
    return text(api.call("POST", "/git/commits", body=body), "sha")


def _entry(api: Api, edit: FileEdit) -> dict[str, Any]:
    if edit.content is None:
        return {"path": edit.path, "mode": edit.mode, "type": "blob", "sha": None}
    content = {"content": base64.b64encode(edit.content).decode(), "encoding": "base64"}
    return {
        "path": edit.path,
        "mode": edit.mode,
        "type": "blob",
        "sha": text(api.call("POST", "/git/blobs", body=content), "sha"),
    }


def message_of(proposal: Proposal) -> str:
    trailers = [
        f"{TRAILER}: {proposal.run_id}",
        *proposal.trailers,
        *([f"Approved-by: {proposal.actor}"] if proposal.actor else []),
    ]
    return "\n\n".join(
        part for part in (proposal.title, proposal.message, "\n".join(trailers)) if part
    )


def _opened_before(api: Api, proposal: Proposal) -> dict[str, Any] | None:
    owner = proposal.repository.split("/")[0]
    found = api.listed(
        "/pulls", state="all", head=f"{owner}:{proposal.source}", base=proposal.branch
    )
    return next((pull for pull in found if maybe(pull, "head", "ref") == proposal.source), None)


def _open(api: Api, proposal: Proposal) -> dict[str, Any]:
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


def planned(
    proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> list[Call]:
    """Nothing is asked: what only GitHub knows stands as `<…>`."""
    base = f"{settings.get('CI_HEALING_GITHUB_API_URL') or 'https://api.github.com'}/repos/{proposal.repository}"
    blobs = {edit.path: len(edit.content) for edit in proposal.files if edit.content is not None}
    entries = [
        {
            "path": e.path,
            "mode": e.mode,
            "type": "blob",
            "sha": f"<blob of {e.path}>" if e.path in blobs else None,
        }
        for e in proposal.files
    ]
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
                "message": message_of(proposal),
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


def _planned_blob(base: str, path: str, size: int) -> Call:
    return Call(
        method="POST",
        url=f"{base}/git/blobs",
        body={"content": f"<{size} bytes of {path}>", "encoding": "base64"},
    )


def merge(
    proposal: Proposal, *, url: str, sha: str, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> Published:
    """Bound to `sha`, never around branch protection. Raises HeadMoved where the branch is at
    another commit.
    """
    require_enabled(settings)
    api, number = _of(url, settings)
    pull = api.get(f"/pulls/{number}")
    if maybe(pull, "merged"):
        return Published(url=url, commit=text(pull, "merge_commit_sha"), merged=True)
    if maybe(pull, "head", "sha") != sha:
        raise HeadMoved(sha, maybe(pull, "head", "sha"))
    if maybe(pull, "draft"):
        _ready(api, text(pull, "node_id"))
    try:
        done = api.call("PUT", f"/pulls/{number}/merge", body={"sha": sha})
    except Conflict as error:
        if error.status == 409:
            raise HeadMoved(sha, maybe(api.get(f"/pulls/{number}"), "head", "sha")) from None
        raise PermanentError(f"GitHub does not merge it: {error.said}") from None
    failpoint("forge.after_merge")
    return Published(url=url, commit=text(done, "sha"), merged=True)


READY = (
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest"
    " { isDraft } } }"
)


def _ready(api: Api, node: str) -> None:
    """The REST API cannot do it."""
    answer = api.call("POST", "//graphql", body={"query": READY, "variables": {"id": node}})
    if maybe(answer, "errors"):
        raise PermanentError(
            f"the draft cannot be made ready: {said({'errors': maybe(answer, 'errors')})}"
        )


def look(url: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]) -> Change:
    api, number = _of(url, settings)
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


def _closer(api: Api, number: int, is_open: bool) -> str:
    if is_open:
        return ""
    events = [
        event for event in api.listed(f"/issues/{number}/events") if event.get("event") == "closed"
    ]
    return str(maybe(events[-1], "actor", "login") or "") if events else ""


def _labelled(pull: Any) -> bool:
    labels = maybe(pull, "labels")
    return isinstance(labels, list) and any(maybe(label, "name") == OFF for label in labels)


def _checks(api: Api, head: str) -> tuple[str, tuple[str, ...]]:
    """What check runs and commit statuses say together; our own check says nothing."""
    runs = [
        run
        for run in api.listed(f"/commits/{head}/check-runs", key="check_runs")
        if run.get("name") != CHECK
    ]
    states = [(str(run.get("name")), _state(run)) for run in runs]
    combined = api.get(f"/commits/{head}/status")
    for status in maybe(combined, "statuses") or []:
        if isinstance(status, dict):
            said_so = {"success": "green", "pending": "pending"}.get(
                str(status.get("state")), "red"
            )
            states.append((str(status.get("context")), said_so))
    failing = tuple(label[:100] for label, state in states if state == "red")
    for word in ("red", "pending", "green"):
        if any(state == word for _, state in states):
            return word, failing
    return "none", ()


def _state(run: Mapping[str, Any]) -> str:
    if run.get("status") != "completed":
        return "pending"
    return "green" if run.get("conclusion") in GREEN else "red"


def close(
    url: str, *, run_id: str, reason: str, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> None:
    """What is gone is closed. The branch goes last: as long as it is there a repeat finds what is
    to be done.
    """
    require_enabled(settings)
    api, number = _of(url, settings)
    try:
        pull = api.get(f"/pulls/{number}")
    except Missing:
        return
    if maybe(pull, "state") == "open":
        _comment(api, number, run_id, f"Closed by cihealing: {plain(reason)}")
        api.call("PATCH", f"/pulls/{number}", body={"state": "closed"})
    source = str(maybe(pull, "head", "ref") or "")
    if source.startswith(OURS) and maybe(pull, "head", "repo", "full_name") in (
        None,
        api.repository,
    ):
        _delete_branch(api, source)


def plain(words: str) -> str:
    """Somebody's reason inside a comment: it calls nobody and closes nothing."""
    return "".join(c if c.isalnum() or c in " .,:;()'-" else " " for c in words)[:500]


def _delete_branch(api: Api, branch: str) -> None:
    try:
        api.call("DELETE", f"/git/refs/heads/{quote(branch, safe='/')}")
    except (Missing, Unprocessable):
        return


def marker(run_id: str) -> str:
    return f"<!-- cihealing:{run_id} -->"


def _comment(api: Api, number: int, run_id: str, words: str) -> str:
    """One comment a run: found by its marker and edited when said again."""
    body = words if marker(run_id) in words else f"{words}\n\n{marker(run_id)}"
    for known in api.listed(f"/issues/{number}/comments"):
        if marker(run_id) in str(known.get("body")):
            return text(
                api.call("PATCH", f"/issues/comments/{known['id']}", body={"body": body}),
                "html_url",
            )
    return text(api.call("POST", f"/issues/{number}/comments", body={"body": body}), "html_url")


def say(
    *,
    run_id: str,
    repository: str,
    commit: str,
    change: str,
    text: str,
    how: str,
    policy: RepositoryPolicy,
    settings: Mapping[str, str],
) -> str:
    require_enabled(settings)
    api = Api(repository, settings)
    if how == "check":
        return _check(api, commit, run_id, text)
    number = (
        _number(change)
        if change
        else next((int(p["number"]) for p in _pulls_of(api, commit)), None)
    )
    return _comment(api, number, run_id, text) if number else ""


def _check(api: Api, commit: str, run_id: str, words: str) -> str:
    body = {
        "name": CHECK,
        "head_sha": commit,
        "status": "completed",
        "conclusion": "neutral",
        "external_id": run_id,
        "output": {"title": "What broke", "summary": words[:60_000]},
    }
    for known in api.listed(f"/commits/{commit}/check-runs", key="check_runs", check_name=CHECK):
        if known.get("external_id") == run_id:
            return text(api.call("PATCH", f"/check-runs/{known['id']}", body=body), "html_url")
    return text(api.call("POST", "/check-runs", body=body), "html_url")


def _pulls_of(api: Api, commit: str) -> Iterator[dict[str, Any]]:
    """Open pull requests whose head the commit is."""
    for pull in api.listed(f"/commits/{commit}/pulls"):
        if pull.get("state") == "open" and maybe(pull, "head", "sha") == commit:
            yield pull


def opted_out(
    repository: str, commit: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> bool:
    return any(_labelled(pull) for pull in _pulls_of(Api(repository, settings), commit))


def may(
    login: str, repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,39}", login):
        return False
    try:
        answer = Api(repository, settings).get(f"/collaborators/{login}/permission")
    except Missing:
        return False
    return maybe(answer, "permission") in MAY or maybe(answer, "role_name") in MAY


def excess(*, settings: Mapping[str, str]) -> list[str]:
    """Of an App its permissions; of tokens, only classic ones name their scopes."""
    if settings.get(github_app.APP) and settings.get(github_app.KEY):
        return [
            f"the GitHub App may do more: {told}"
            for told in github_manifest.beyond(github_app.permissions(settings))
        ]
    if not settings.get("CI_HEALING_GITHUB_TOKEN"):
        return []
    headers, _ = Api("any/any", settings).asked("GET", "//rate_limit")
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


def leave(repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]) -> list[str]:
    require_enabled(settings)
    api, done = Api(repository, settings), list[str]()
    for pull in [
        p
        for p in api.listed("/pulls", state="open")
        if str(maybe(p, "head", "ref")).startswith(OURS)
    ]:
        api.call("PATCH", f"/pulls/{pull['number']}", body={"state": "closed"})
        done.append(f"closed #{pull['number']}")
    for ref in list(api.listed(f"/git/matching-refs/heads/{OURS}")):
        branch = str(ref.get("ref", "")).removeprefix("refs/heads/")
        _delete_branch(api, branch)
        done.append(f"deleted the branch {branch}")
    for comment in [
        c for c in api.listed("/issues/comments") if "<!-- cihealing:" in str(c.get("body"))
    ]:
        api.call("DELETE", f"/issues/comments/{comment['id']}")
        done.append(f"deleted the comment {comment['id']}")
    return [*done, *_unhooked(api, settings)]


def _unhooked(api: Api, settings: Mapping[str, str]) -> list[str]:
    ours = settings.get("CI_HEALING_URL", "")
    try:
        hooks = list(api.listed("/hooks")) if ours else []
    except PermanentError:
        return ["webhooks could not be listed: remove the one of this service by hand"]
    told = []
    for hook in hooks:
        if str(maybe(hook, "config", "url")).startswith(ours):
            api.call("DELETE", f"/hooks/{hook['id']}")
            told.append(f"removed the webhook {hook['id']}")
    return told


def _of(url: str, settings: Mapping[str, str]) -> tuple[Api, int]:
    found = PULL.search(urlsplit(url).path)
    if found is None:
        raise PermanentError(f"{url[:200]!r} is no pull request")
    return Api(found[1], settings), int(found[2])


def _number(url: str) -> int:
    found = PULL.search(urlsplit(url).path)
    if found is None:
        raise PermanentError(f"{url[:200]!r} is no pull request")
    return int(found[2])
