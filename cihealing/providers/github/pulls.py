"""What changes, voice and leaving share: pull requests of ours, their comments, our branches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from cihealing.ports import PermanentError
from cihealing.providers.github.client import GitHubApi, Missing, Unprocessable, maybe, text
from cihealing.providers.shared import ours

PULL = re.compile(r"/([^/]+/[^/]+)/pull/(\d{1,10})/?\Z")


def number_of(url: str) -> tuple[str, int]:
    """Repository and number of a pull request. Raises PermanentError for another URL."""
    found = PULL.search(urlsplit(url).path)
    if found is None:
        raise PermanentError(f"{url[:200]!r} is no pull request")
    return found[1], int(found[2])


def pulls_of(api: GitHubApi, commit: str) -> Iterator[dict[str, Any]]:
    """Open pull requests whose head the commit is."""
    for pull in api.listed(f"/commits/{commit}/pulls"):
        if pull.get("state") == "open" and maybe(pull, "head", "sha") == commit:
            yield pull


def delete_branch(api: GitHubApi, branch: str) -> None:
    try:
        api.call("DELETE", f"/git/refs/heads/{quote(branch, safe='/')}")
    except (Missing, Unprocessable):
        return


def comment(api: GitHubApi, number: int, run_id: str, words: str) -> str:
    """One comment a run: found by its marker and edited when said again."""
    body = ours.marked(words, run_id)
    for known in api.listed(f"/issues/{number}/comments"):
        if ours.marker(run_id) in str(known.get("body")):
            return text(
                api.call("PATCH", f"/issues/comments/{known['id']}", body={"body": body}),
                "html_url",
            )
    return text(api.call("POST", f"/issues/{number}/comments", body={"body": body}), "html_url")
