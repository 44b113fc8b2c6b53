"""What lies at a commit. Source: `GetTree`, which takes the hash of a commit or of a tree."""

from __future__ import annotations

import hashlib

from cihealing.providers.gitea.client import GiteaApi
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire

Listing = dict[str, tuple[str, str, str]]
"""By name: kind, mode and hash."""
TREES_PER_PAGE = 1000


class Entries:
    """The files of a commit; every directory is asked for once."""

    def __init__(self, api: GiteaApi, commit: str) -> None:
        self._api, self._commit = api, commit
        self._known: dict[str, Listing] = {}

    def at(self, path: str) -> tuple[str, str] | None:
        """(mode, hash) of the file; None where there is none."""
        *directories, name = path.split("/")
        tree = self._commit
        for directory in directories:
            kind, _, tree = self._listing(tree).get(directory, ("", "", ""))
            if kind != "tree":
                return None
        kind, mode, found = self._listing(tree).get(name, ("", "", ""))
        return (mode, found) if kind == "blob" else None

    def _listing(self, tree: str) -> Listing:
        if tree not in self._known:
            self._known[tree] = self._asked(tree)
        return self._known[tree]

    def _asked(self, tree: str) -> Listing:
        listing: Listing = {}
        for page in range(1, _outbound.MAX_PAGES + 1):
            answer = self._api.get(
                f"git/trees/{tree}", page=str(page), per_page=str(TREES_PER_PAGE)
            )
            listing |= {entry.raw("path"): _entry(entry) for entry in answer.children("tree")}
            if not answer.flag("truncated"):
                break
        return listing


def _entry(entry: _wire.Fields) -> tuple[str, str, str]:
    return entry.label("type"), entry.label("mode"), entry.label("sha")


def blob_of(content: bytes, *, like: str) -> str:
    """The hash git gives the content, in a repository whose hashes are as long as `like`."""
    kind = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return kind(b"blob %d\0%b" % (len(content), content)).hexdigest()
