"""What changes, voice and leaving share: pull requests of ours, their comments, our branches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from cihealing.ports import PermanentError
from cihealing.providers.gitea.client import GiteaApi, GiteaRefused
from cihealing.providers.shared import ours
from cihealing.providers.shared import wire as _wire

PULL = re.compile(r"/([^/]+/[^/]+)/pulls/(\d{1,10})/?\Z")


def number_of(url: str) -> tuple[str, str]:
    """Repository and number of a pull request. Raises PermanentError for another URL."""
    found = PULL.search(urlsplit(url).path)
    if found is None:
        raise PermanentError(f"{url[:200]!r} is no pull request")
    return found[1], found[2]


def pull_at(api: GiteaApi, number: str) -> _wire.Fields:
    return api.get(f"pulls/{number}")


def pulls_of(api: GiteaApi, commit: str) -> Iterator[_wire.Fields]:
    """Open pull requests whose head the commit is."""
    for pull in api.listed("pulls", state="open"):
        if pull.maybe("head").raw("sha") == commit:
            yield pull


def labelled(pull: _wire.Fields) -> bool:
    return any(label.raw("name") == ours.OFF for label in pull.children("labels"))


def delete_branch(api: GiteaApi, branch: str) -> None:
    try:
        api.call("DELETE", f"branches/{quote(branch)}")
    except GiteaRefused as error:
        if error.status != 404:
            raise


def comment(api: GiteaApi, number: str, run_id: str, words: str) -> str:
    """One comment a run: found by its marker and edited when said again."""
    body = {"body": ours.marked(words, run_id)}
    for known in api.listed(f"issues/{number}/comments"):
        if ours.marker(run_id) in known.raw("body"):
            return api.call("PATCH", f"issues/comments/{known.ident('id')}", body=body).link(
                "html_url"
            )
    return api.call("POST", f"issues/{number}/comments", body=body).link("html_url")
