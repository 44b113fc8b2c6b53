"""Where a dependency comes from: another index, a URL, a repository or the disk is no version
bump.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from cihealing.domain.values import Objection
from cihealing.guard.change import DiffLine, FileChange
from cihealing.guard.kinds import is_dependency
from cihealing.guard.objections import hard

REGISTRIES = frozenset(
    {
        "pypi.org",
        "files.pythonhosted.org",
        "registry.npmjs.org",
        "registry.yarnpkg.com",
        "npm.pkg.github.com",
        "crates.io",
        "static.crates.io",
        "index.crates.io",
        "proxy.golang.org",
        "sum.golang.org",
        "rubygems.org",
        "repo.maven.apache.org",
        "repo1.maven.org",
        "plugins.gradle.org",
        "services.gradle.org",
        "dl.google.com",
        "packagist.org",
        "repo.packagist.org",
        "api.github.com",
        "api.nuget.org",
        "pub.dev",
        "hex.pm",
        "repo.hex.pm",
    }
)
"""Hosts of the public package registries. Source: each package manager's own documentation of its
default.
"""

ELSEWHERE = re.compile(
    r"(?:^|\s)(?:-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)[\s=]"
    r"|\b(?:git|hg|svn|bzr)\+\w+:|(?:^|\s)git://|\bgit\s*=\s*[\"']|\bgit\s*:|[\"'](?:github|gitlab|bitbucket|gist|git|npm|file|link|portal|patch|exec):"
    r"|\s@\s*(?:https?|file):|(?:^|\s)https?://\S+\.(?:whl|tar\.gz|zip|tgz|egg)\b"
    r"|^\s*(?:-e|--editable)\s|^\s*-r\s+(?:/|\.\./|https?:)|\bpath\s*(?:=|=>|:)\s*[\"'](?:\.\.|/)"
    r"|^\s*replace\b|=>\s*\S+\s+v?\d|^\s*(?:source|registry)\b\s*[=:\"'(h]|\b(?:index-url|extra-index-url|index_url)\b"
    r"|<(?:repository|pluginRepository)>|\bmaven\s*[({]|\bmavenLocal\b|\brepositories\s*[\"']?\s*[:{]"
    r"|^\s*ADD\s+(?:--\S+\s+)*https?:|^\s*RUN\b.{0,300}\b(?:curl|wget)\b.{0,300}\|\s*(?:ba)?sh\b"
)
URL = re.compile(r"\b(?:https?|git|ssh)://[^\s\"'<>)\]#]{3,300}")


def check(files: Iterable[FileChange]) -> list[Objection]:
    return [o for f in files if is_dependency(f.path) for o in objections(f)]


def objections(file: FileChange) -> Iterator[Objection]:
    known = {e.text.strip() for e in file.removed}
    for edit in file.added:
        if edit.text.strip() not in known and ELSEWHERE.search(edit.plain):
            yield hard(
                "dependency-source",
                f"{file.path}:{edit.line} takes a dependency from somewhere else than a registry",
            )
            return
    if (found := next(other_hosts(file), None)) is not None:
        yield hard(
            "dependency-source", f"{file.path}:{found[0].line} takes a dependency from {found[1]}"
        )


def other_hosts(file: FileChange) -> Iterator[tuple[DiffLine, str]]:
    """Added hosts that are neither a public registry nor used before in the lines that go; never
    unencrypted.
    """
    before = {host for e in file.removed for host, _ in hosts(e.plain)}
    for edit in file.added:
        for host, scheme in hosts(edit.plain):
            if scheme == "http" or (host not in REGISTRIES and host not in before):
                yield edit, host


def hosts(text: str) -> Iterator[tuple[str, str]]:
    for url in URL.findall(text):
        try:
            parts = urlsplit(url)
            yield (parts.hostname or "?").casefold(), parts.scheme
        except ValueError:
            yield "?", "?"
