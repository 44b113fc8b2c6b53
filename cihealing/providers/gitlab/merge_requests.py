"""What changes, voice and leaving share: merge requests of ours, their notes, our branches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from cihealing.ports import PermanentError, TransientError
from cihealing.providers.gitlab.client import GitLabApi, GitLabRefused
from cihealing.providers.shared import ours

MERGE_REQUEST = re.compile(r"/(.+?)/-/merge_requests/(\d{1,10})/?\Z")


def number_of(url: str) -> tuple[str, int]:
    """Project and number of a merge request. Raises PermanentError for another URL."""
    found = MERGE_REQUEST.search(urlsplit(url).path)
    if found is None:
        raise PermanentError(f"{url[:200]!r} is no merge request")
    return unquote(found[1]), int(found[2])


def request_at(api: GitLabApi, number: int) -> dict[str, Any]:
    found = api.call("get", f"/merge_requests/{number}")
    if not isinstance(found, dict) or "state" not in found:
        raise TransientError("GitLab's answer cannot be read: it is no merge request")
    return found


def requests_of(api: GitLabApi, commit: str) -> Iterator[dict[str, Any]]:
    for request in api.listed(f"/repository/commits/{commit}/merge_requests"):
        if request.get("state") == "opened" and request.get("sha") == commit:
            yield request


def delete_branch(api: GitLabApi, branch: str) -> None:
    try:
        api.call("delete", f"/repository/branches/{quote(branch, safe='')}")
    except GitLabRefused as error:
        if error.status != 404:
            raise


def note(api: GitLabApi, number: int, run_id: str, words: str) -> str:
    """One note a run: found by its marker and edited when said again."""
    body = {"body": ours.marked(words, run_id)}
    for known in api.listed(f"/merge_requests/{number}/notes"):
        if ours.marker(run_id) in str(known.get("body")):
            api.call("put", f"/merge_requests/{number}/notes/{known['id']}", body=body)
            return f"note {known['id']}"
    return f"note {api.call('post', f'/merge_requests/{number}/notes', body=body).get('id')}"
