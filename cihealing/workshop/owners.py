"""Who owns a file according to CODEOWNERS: GitHub's and GitLab's syntax, the last matching line
wins. Pure.

Source: GitHub docs "About code owners", GitLab docs "Code Owners syntax" (sections with default
owners).
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

PLACES = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")
MAX_LINES, MAX_PATTERN = 5000, 400


def owner_of(file: str, *, codeowners: str) -> str | None:
    """The first owner the last matching line names; None where no line matches or the line takes
    ownership away.
    """
    found: str | None = None
    for pattern, owners in rules(codeowners):
        if matches(file, pattern):
            found = owners[0] if owners else None
    return found


def rules(codeowners: str) -> Iterator[tuple[str, list[str]]]:
    defaults: list[str] = []
    for line in codeowners.splitlines()[:MAX_LINES]:
        text = line.split(" #")[0].strip()
        if text.startswith(("[", "^[")):
            defaults = text.rpartition("]")[2].split()
        elif text and not text.startswith("#"):
            pattern, *owners = text.replace("\\ ", "\0").split()
            yield pattern.replace("\0", " ")[:MAX_PATTERN], owners or defaults


def matches(file: str, pattern: str) -> bool:
    """gitignore's rules without `!` and `[…]`: a slash inside anchors, a name alone matches at any
    depth and all below it.
    """
    body = pattern.strip("/")
    anchored = "/" in body or pattern.startswith("/")
    segments = [*([] if anchored else ["**"]), *body.split("/")]
    if pattern.endswith("/"):
        segments.append("*")
    # `docs/*` names the files in docs alone; every other pattern also names what lies below it.
    below = not (body.endswith("/*") and anchored)
    return _fits(
        file.split("/"),
        [s.replace("[", "[[]") for s in segments],
        below=below or pattern.endswith("/"),
    )


def _fits(parts: list[str], segments: list[str], *, below: bool) -> bool:
    """Positions in `segments` that the parts read so far can have reached: linear in parts times
    segments.
    """
    reached = _skip_stars({0}, segments)
    for part in parts:
        if below and len(segments) in reached:
            return True
        stay = {i for i in reached if i < len(segments) and segments[i] == "**"}
        step = {
            i + 1
            for i in reached
            if i < len(segments) and segments[i] != "**" and fnmatchcase(part, segments[i])
        }
        reached = _skip_stars(stay | step, segments)
    return len(segments) in reached


def _skip_stars(reached: set[int], segments: list[str]) -> set[int]:
    grown = set(reached)
    for i, segment in enumerate(segments):
        if i in grown and segment == "**":
            grown.add(i + 1)
    return grown
