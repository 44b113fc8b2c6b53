"""GitLab: an approved patch becomes a branch with one commit and a merge request of ours, once,
whatever happens in between.

GitLab makes branch and commit in one call, so there is nothing between them that a crash could
leave. What exists is adopted if its commit carries the run's trailer and stands on the proven
commit.

Source: GitLab docs, 'Commits API', 'Merge requests API', 'Notes API', 'Members API', 'Personal
access tokens API'.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import gitlab
import requests

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

name = "gitlab"
opens_changes = True

ENABLED, TOKEN, URL, CA = (
    "CI_HEALING_GITLAB_ENABLED",
    "CI_HEALING_GITLAB_TOKEN",
    "CI_HEALING_GITLAB_URL",
    "CI_HEALING_CA_BUNDLE",
)
DEFAULT_URL = "https://gitlab.com"
TRAILER, OFF, OURS = "Cihealing-Run", "cihealing:off", "cihealing/"
MERGE_REQUEST = re.compile(r"/(.+?)/-/merge_requests/(\d{1,10})/?\Z")
TIMEOUT = 20
MAX_PAGES = 20
DEVELOPER = 30
GREEN, PENDING = (
    ("success", "skipped"),
    ("created", "waiting_for_resource", "preparing", "pending", "running", "scheduled", "manual"),
)
ADVICE = {
    401: f"GitLab does not know the token: set {TOKEN}",
    403: (
        "GitLab does not let the token do that: it needs the scope `api` and the role Developer in"
        " the project"
    ),
    404: (
        "GitLab has no such thing, or the token may not see it: give it the project, or correct"
        " `match` in policy"
    ),
}


class Refused(PermanentError):
    """A 4xx that hangs on the state of the thing; `said` is what GitLab wrote."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{ADVICE.get(status, f'GitLab answered {status}')} ({said})")
        self.status, self.said = status, said


class Api:
    """Calls about one project. Raises TransientError, Refused; a token is in no message."""

    def __init__(self, repository: str, settings: Mapping[str, str]) -> None:
        if not settings.get(TOKEN):
            raise PermanentError(ADVICE[401])
        self.repository, self.path = repository, f"/projects/{quote(repository, safe='')}"
        self.lab = gitlab.Gitlab(
            settings.get(URL) or DEFAULT_URL,
            private_token=settings[TOKEN],
            timeout=TIMEOUT,
            ssl_verify=settings.get(CA) or True,
            retry_transient_errors=False,
            keep_base_url=True,
        )

    def call(
        self, verb: str, path: str, *, body: dict[str, Any] | None = None, **query: Any
    ) -> Any:
        """The answer's JSON. `path` is below the project, or begins with `//` for the API's
        root.
        """
        place = path[1:] if path.startswith("//") else self.path + path
        try:
            answer = self.lab.http_request(
                verb,
                place,
                post_data=body,
                query_data=query,
                obey_rate_limit=False,
                retry_transient_errors=False,
            )
            return answer.json() if answer.content else {}
        except gitlab.GitlabHttpError as error:
            raise told(error.response_code or 0, _said(error)) from None
        except gitlab.GitlabError as error:
            raise told(getattr(error, "response_code", None) or 0, _said(error)) from None
        except requests.Timeout:
            raise TransientError("GitLab did not answer in time") from None
        except (requests.RequestException, OSError) as error:
            raise TransientError(f"GitLab cannot be reached: {type(error).__name__}") from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise TransientError(
                f"GitLab's answer cannot be read: {type(error).__name__}"
            ) from None

    def listed(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            found = self.call("get", path, per_page=100, page=page, **query)
            if not isinstance(found, list):
                raise TransientError("GitLab's answer cannot be read: it is no list")
            yield from (entry for entry in found if isinstance(entry, dict))
            if len(found) < 100:
                return


def _said(error: gitlab.GitlabError) -> str:
    """GitLab's own words, bounded and on one line; a page of whatever stands before it is none of
    them.
    """
    words = "".join(c if c.isprintable() else " " for c in str(error.error_message or ""))[
        :300
    ].strip()
    return (
        "it sent a page instead of an answer"
        if words.startswith(("<", "b'<"))
        else words or "no reason was given"
    )


def told(status: int, said: str) -> Exception:
    if status == 429 or status >= 500 or status in (0, 408):
        return TransientError(
            f"GitLab answered {status}: {said}", retry_after=60.0 if status == 429 else None
        )
    return Refused(status, said)


def text(value: Any, *path: str) -> str:
    """A string at the path of an answer. Raises TransientError where there is none."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise TransientError(f"GitLab's answer has no {'.'.join(path)}")
    return value


def require_enabled(settings: Mapping[str, str]) -> None:
    if settings.get(ENABLED, "false").lower() != "true":
        raise PermanentError(f"writing to GitLab is switched off: set {ENABLED}=true")


def publish(
    proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> Published:
    """Open the merge request, or find the one that was opened. Raises HeadMoved, TransientError,
    PermanentError.
    """
    require_enabled(settings)
    api = Api(proposal.repository, settings)
    commit = _branch(api, proposal)
    failpoint("forge.after_ref")
    request = _opened_before(api, proposal) or _open(api, proposal)
    failpoint("forge.after_change")
    return Published(
        url=text(request, "web_url"), commit=commit, merged=request.get("state") == "merged"
    )


def _branch(api: Api, proposal: Proposal) -> str:
    ours = _tip(api, proposal.source)
    if ours is None:
        _require_head(api, proposal)
        try:
            return text(
                api.call("post", "/repository/commits", body=_commit_body(api, proposal)), "id"
            )
        except Refused as error:
            # It is there: another try was faster, or an answer was lost.
            ours = _tip(api, proposal.source) if error.status == 400 else None
            if ours is None:
                raise
    return _adopted(proposal, ours)


def _adopted(proposal: Proposal, tip: dict[str, Any]) -> str:
    if f"{TRAILER}: {proposal.run_id}" not in str(tip.get("message")).splitlines() or tip.get(
        "parent_ids"
    ) != [proposal.head]:
        raise PermanentError(
            f"the branch {proposal.source} exists and is not this run's: delete it, then approve"
            " again"
        )
    return text(tip, "id")


def _tip(api: Api, branch: str) -> dict[str, Any] | None:
    """The commit a branch is at; None where there is no such branch."""
    try:
        found = api.call("get", f"/repository/branches/{quote(branch, safe='')}")
    except Refused as error:
        if error.status == 404:
            return None
        raise
    tip = found.get("commit") if isinstance(found, dict) else None
    if not isinstance(tip, dict):
        raise TransientError("GitLab's answer has no commit")
    return tip


def _require_head(api: Api, proposal: Proposal) -> None:
    tip = _tip(api, proposal.branch)
    found = text(tip, "id") if tip else None
    if found != proposal.head:
        raise HeadMoved(proposal.head, found)


def _commit_body(api: Api, proposal: Proposal) -> dict[str, Any]:
    actions = [
        _action(edit, new=edit.content is not None and not _exists(api, edit.path, proposal.head))
        for edit in proposal.files
    ]
    return _commit(proposal, actions)


def _commit(proposal: Proposal, actions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "branch": proposal.source,
        "start_sha": proposal.head,
        "commit_message": message_of(proposal),
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


def _exists(api: Api, path: str, commit: str) -> bool:
    try:
        api.call("get", f"/repository/files/{quote(path, safe='')}", ref=commit)
    except Refused as error:
        if error.status == 404:
            return False
        raise
    return True


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
    found = api.listed(
        "/merge_requests", source_branch=proposal.source, target_branch=proposal.branch, state="all"
    )
    return next(
        (request for request in found if request.get("source_branch") == proposal.source), None
    )


def _open(api: Api, proposal: Proposal) -> dict[str, Any]:
    _require_head(api, proposal)
    try:
        opened = api.call("post", "/merge_requests", body=_request_body(proposal))
    except Refused as error:
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


def planned(
    proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> list[Call]:
    base = (
        f"{settings.get(URL) or DEFAULT_URL}/api/v4/projects/{quote(proposal.repository, safe='')}"
    )
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


def merge(
    proposal: Proposal, *, url: str, sha: str, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> Published:
    """Bound to `sha`; a pipeline that must succeed, approvals and protected branches are GitLab's
    to insist on.
    """
    require_enabled(settings)
    api, number = _of(url, settings)
    request = _request(api, number)
    if request.get("state") == "merged":
        return Published(url=url, commit=_merged_commit(request), merged=True)
    if request.get("sha") != sha:
        raise HeadMoved(sha, str(request.get("sha") or "") or None)
    if request.get("draft"):
        api.call(
            "put",
            f"/merge_requests/{number}",
            body={"title": str(request.get("title", "")).removeprefix("Draft: ")},
        )
    try:
        done = api.call("put", f"/merge_requests/{number}/merge", body={"sha": sha})
    except Refused as error:
        if error.status == 409:
            raise HeadMoved(sha, str(_request(api, number).get("sha") or "") or None) from None
        raise PermanentError(f"GitLab does not merge it: {error.said}") from None
    failpoint("forge.after_merge")
    return Published(url=url, commit=_merged_commit(done), merged=True)


def _merged_commit(request: Any) -> str:
    for field in ("merge_commit_sha", "squash_commit_sha", "sha"):
        if isinstance(request, dict) and isinstance(request.get(field), str):
            return str(request[field])
    raise TransientError("GitLab's answer has no merge_commit_sha")


def _request(api: Api, number: int) -> dict[str, Any]:
    found = api.call("get", f"/merge_requests/{number}")
    if not isinstance(found, dict) or "state" not in found:
        raise TransientError("GitLab's answer cannot be read: it is no merge request")
    return found


def look(url: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]) -> Change:
    api, number = _of(url, settings)
    request = _request(api, number)
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
        opted_out=OFF in (request.get("labels") or []),
        by=str(by.get("username", "")) if isinstance(by, dict) else "",
    )


def _checks(api: Api, head: str, request: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
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


def close(
    url: str, *, run_id: str, reason: str, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> None:
    require_enabled(settings)
    api, number = _of(url, settings)
    try:
        request = _request(api, number)
    except Refused as error:
        if error.status == 404:
            return
        raise
    if request["state"] == "opened":
        _note(api, number, run_id, f"Closed by cihealing: {plain(reason)}")
        api.call("put", f"/merge_requests/{number}", body={"state_event": "close"})
    source = str(request.get("source_branch") or "")
    if source.startswith(OURS):
        _delete_branch(api, source)


def plain(words: str) -> str:
    return "".join(c if c.isalnum() or c in " .,:;()'-" else " " for c in words)[:500]


def _delete_branch(api: Api, branch: str) -> None:
    try:
        api.call("delete", f"/repository/branches/{quote(branch, safe='')}")
    except Refused as error:
        if error.status != 404:
            raise


def _note(api: Api, number: int, run_id: str, words: str) -> str:
    """One note a run: found by its marker and edited when said again."""
    mark = f"<!-- cihealing:{run_id} -->"
    body = {"body": words if mark in words else f"{words}\n\n{mark}"}
    for known in api.listed(f"/merge_requests/{number}/notes"):
        if mark in str(known.get("body")):
            api.call("put", f"/merge_requests/{number}/notes/{known['id']}", body=body)
            return f"note {known['id']}"
    return f"note {api.call('post', f'/merge_requests/{number}/notes', body=body).get('id')}"


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
    """GitLab has no neutral checks: a diagnosis is a note on the merge request whose head the
    commit is.
    """
    require_enabled(settings)
    api = Api(repository, settings)
    number = (
        _of(change, settings)[1]
        if change
        else next((int(r["iid"]) for r in _requests_of(api, commit)), None)
    )
    return _note(api, number, run_id, text) if number else ""


def _requests_of(api: Api, commit: str) -> Iterator[dict[str, Any]]:
    for request in api.listed(f"/repository/commits/{commit}/merge_requests"):
        if request.get("state") == "opened" and request.get("sha") == commit:
            yield request


def opted_out(
    repository: str, commit: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> bool:
    return any(
        OFF in (request.get("labels") or [])
        for request in _requests_of(Api(repository, settings), commit)
    )


def may(
    login: str, repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> bool:
    """Developer or more, inherited memberships included."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", login):
        return False
    api = Api(repository, settings)
    for member in api.listed("/members/all", query=login):
        if (
            str(member.get("username")).lower() == login.lower()
            and member.get("state", "active") == "active"
        ):
            level = member.get("access_level")
            return isinstance(level, int) and level >= DEVELOPER
    return False


def excess(*, settings: Mapping[str, str]) -> list[str]:
    if not settings.get(TOKEN):
        return []
    scopes = Api("any", settings).call("get", "//personal_access_tokens/self").get("scopes")
    wanted = ("api", "read_api", "read_repository", "write_repository", "read_user")
    return (
        [f"the GitLab token may do more than is needed: {s}" for s in scopes if s not in wanted]
        if isinstance(scopes, list)
        else []
    )


def leave(repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]) -> list[str]:
    require_enabled(settings)
    api, done = Api(repository, settings), list[str]()
    for request in [
        r
        for r in api.listed("/merge_requests", state="opened")
        if str(r.get("source_branch")).startswith(OURS)
    ]:
        api.call("put", f"/merge_requests/{request['iid']}", body={"state_event": "close"})
        done.append(f"closed !{request['iid']}")
    for branch in [
        str(b.get("name")) for b in api.listed("/repository/branches", search=f"^{OURS}")
    ]:
        if branch.startswith(OURS):
            _delete_branch(api, branch)
            done.append(f"deleted the branch {branch}")
    ours = settings.get("CI_HEALING_URL", "")
    for hook in list(api.listed("/hooks")) if ours else []:
        if str(hook.get("url")).startswith(ours):
            api.call("delete", f"/hooks/{hook['id']}")
            done.append(f"removed the webhook {hook['id']}")
    return done


def _of(url: str, settings: Mapping[str, str]) -> tuple[Api, int]:
    found = MERGE_REQUEST.search(urlsplit(url).path)
    if found is None:
        raise PermanentError(f"{url[:200]!r} is no merge request")
    return Api(unquote(found[1]), settings), int(found[2])
