"""git: the cause of a command that failed, where its last word (`fatal: …`, `error: failed to push
…`) only echoes it; conflicts with their files. Sources: git's and ssh's messages, receive-pack's
`remote:` lines, git-lfs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (
    "fatal: ",
    "error: failed to push",
    "CONFLICT (",
    "error: pathspec ",
    "error: could not apply ",
    "would be overwritten by ",
    "error: external filter ",
)
ENDS = (
    re.compile(
        r"fatal: (?!\[)(?:[Cc]ould not read|[Uu]nable to|[Rr]emote error|couldn't find"
        r" remote|reference is not a tree|repository '|[Aa]uthentication|clone of|No url"
        r" found|index-pack|early EOF|the remote end|Fetched in submodule|Unable to (?:find|fetch)"
        r" |ambiguous argument|refusing to|bad (?:object|revision|config)|pathspec|detected"
        r" dubious|unsafe repository|invalid reference|No names found|not something we can"
        r" merge|[Nn]eed a single revision|.{1,200}: smudge filter|destination path|loose"
        r" object|shallow file|protocol error|expected '|needed a single|.{1,80} is not a commit|a"
        r" branch named|tag '|could not open|[Nn]ot possible to fast-forward|error (?:when"
        r" closing|processing))(?P<message>.*)$"
    ),
    re.compile(r"error: failed to push some refs (?P<message>.*)$"),
    re.compile(r"CONFLICT \([^)]{1,60}\): (?P<message>.+)$"),
    re.compile(
        r"error: (?:pathspec |could not apply |external filter |Your local changes |The following"
        r" untracked )(?P<message>.*)$"
    ),
)
TALK = re.compile(
    r"(?:remote:|error:|fatal:|hint:|warning:| ! \[|To |CONFLICT \(|Auto-merging|Automatic"
    r" merge|git@|ssh:|Host key|kex_|\S+@\S+: Permission denied|Permission denied|ERROR:"
    r" |Connection |Error downloading object|batch response|Errors logged|Use `git |Please make"
    r" sure|and the repository exists|\s*$|send-pack|fetch-pack|index-pack|Cloning into|Smudge"
    r" error|Downloading )"
)
CAUSE = re.compile(
    r"remote: (?:error|ERROR|fatal|GitLab|Repository not found|Invalid|Permission|Write"
    r" access|HTTP)|error: (?!failed to push|could not apply|external filter)| ! \[|CONFLICT"
    r" \(|Host key|(?:\S+@\S+: )?Permission denied \(|ssh: |kex_|ERROR: (?:Repository not"
    r" found|Permission|The project)|Error downloading object|batch response|fatal: (?:remote"
    r" error|the remote end|early EOF)"
)
CAUSE_WEIGHT, WEIGHT, QUIET_WEIGHT = 72, 68, 58
QUIET = re.compile(
    r"fatal: (?:No names found|[Nn]eed(?:ed)? a single revision|ambiguous argument|bad revision)"
)
"""What scripts that ask for a version often ignore."""
MOST = 14


def parse(log: Log) -> Iterator[Finding]:
    return (found for number in log.having(*MARKS) if (found := failed(log, number)))


def failed(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    if not any(form.match(text) for form in ENDS):
        return None
    start = above(log, number)
    causes = [n for n in range(start, number) if CAUSE.match(log.line(n))]
    root = next(iter(causes), number)
    conflict = [
        n
        for n in range(start, number + 3)
        if log.line(n).startswith(("CONFLICT (", "Automatic merge failed"))
    ]
    weight = QUIET_WEIGHT if QUIET.match(text) else CAUSE_WEIGHT if causes else WEIGHT
    return Finding(
        kind=Kind.ERROR,
        tool="git",
        line=root,
        error_type="git",
        message=log.line(root).strip(),
        cites=tuple(sorted({*causes, *conflict, *listed(log, number), number})),
        weight=weight,
    )


def above(log: Log, number: int) -> int:
    """The first of the lines above that git, ssh or the server wrote in the same breath."""
    start = number
    while start > max(1, number - MOST) and TALK.match(log.line(start - 1)):
        start -= 1
    return start


def listed(log: Log, number: int) -> range:
    """Files that would be overwritten stand below, behind a tab."""
    if "would be overwritten" not in log.line(number):
        return range(0)
    return range(number + 1, log.block(number + 1, until=re.compile(r"\S"), limit=8).stop)
