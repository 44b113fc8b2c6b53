"""Stack frames of all common languages, own code before libraries, paths relative to the checkout
where its root is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cihealing.domain.values import Frame

MAX_FRAMES = 30
FORMS = (
    re.compile(
        r'[\s|]{0,60}File "(?P<file>[^"\n]{1,500})", line (?P<line>\d{1,9})(?:, in'
        r" (?P<fn>\S{1,200}))?"
    ),  # Python
    re.compile(
        r"\s*(?:\[[\w:-]{1,24}\]\s{1,8})?(?:at )?(?P<fn>[\w.$<>/"
        r" -]{1,300})\((?P<file>[\w$]{1,100}\.(?:java|kt|scala|groovy)):(?P<line>\d{1,9})\)"
    ),  # JVM
    re.compile(
        r"\s+(?P<fn>)[\w.$]{1,300} at"
        r" (?P<file>[\w$]{1,100}\.(?:java|kt|scala|groovy)):(?P<line>\d{1,9})$"
    ),  # Gradle, short
    re.compile(
        r"\s*(?:at )?(?:async )?(?P<fn>[^\s(]{1,200}(?: \[as [^\]]{1,80}\])?)"
        r" \((?:file://)?(?P<file>[^()\s:]{1,400}|[A-Za-z]:[^()\s:]{1,400}):(?P<line>\d{1,9}):\d{1,9}\)"
    ),  # V8; node:test's TAP leaves out the `at`
    re.compile(
        r"\s*❯ (?:(?P<fn>\S{1,200}) )?(?P<file>[^()\s:]{1,400}):(?P<line>\d{1,9}):\d{1,9}$"
    ),  # vitest
    re.compile(
        r"\s*at (?P<fn>)(?:file://)?(?P<file>/?[^()\s:]{1,400}\.\w{1,4}):(?P<line>\d{1,9}):\d{1,9}$"
    ),  # V8 without a name; Rust
    re.compile(
        r"(?P<file>[^\s:()]{1,300}\.py):(?P<line>\d{1,9}): in (?P<fn>\S{1,200})"
    ),  # pytest, short
    re.compile(
        r"(?P<file>[^\s:()]{1,300}\.py):(?P<line>\d{1,9}):(?P<fn>) (?:[A-Za-z_][\w.]{0,200})?$"
    ),  # pytest, long
    re.compile(
        r"\s*(?:from |# )?(?P<file>[^\s:()]{1,300}\.rb):(?P<line>\d{1,9}):in"
        r" ['`](?P<fn>[^'`]{1,200})"
    ),  # Ruby
    re.compile(
        r".{1,300} \[(?P<file>[^\s:()\[\]]{1,300}\.rb):(?P<line>\d{1,9})\](?P<fn>):?$"
    ),  # minitest
    re.compile(
        r"\s*at (?P<fn>[^\s(]{1,300})\(.{0,400}\) in (?P<file>.{1,400}):line (?P<line>\d{1,9})$"
    ),  # .NET
    re.compile(
        r"\s{0,8}(?:#\d{1,4} |│ )?(?P<file>[^\s:()]{1,300}\.php)(?::|\()(?P<line>\d{1,9})(?:\):"
        r" (?P<fn>[\w\\:>-]{1,200})\(.*|\)?)$"
    ),  # PHP
    re.compile(
        r".{1,1000} in (?P<file>[^\s:()]{1,300}\.php) on line (?P<line>\d{1,9})(?P<fn>)$"
    ),  # PHP itself
    re.compile(r"\s*(?P<fn>)(?P<file>\S{1,300}\.go):(?P<line>\d{1,9})(?: \+0x|: |$)"),  # Go
    re.compile(r"\s*--> (?P<file>[^\s:]{1,400}):(?P<line>\d{1,9}):\d{1,9}(?P<fn>)"),  # rustc, ruff
    re.compile(
        r"\s*thread '[^']{0,200}'(?: \(\d{1,20}\))? panicked at (?:'.{0,1000}',"
        r" )?(?P<file>[^\s:]{1,400}):(?P<line>\d{1,9}):\d{1,9}:?$(?P<fn>)"
    ),  # Rust
    re.compile(
        r"\s*right: `.{0,1000}', (?P<file>[^\s:']{1,400}\.rs):(?P<line>\d{1,9}):\d{1,9}$(?P<fn>)"
    ),  # Rust before 1.73
    re.compile(
        r"\s{0,8}(?:\[\w+\]"
        r" )?(?P<file>(?:[A-Za-z]:[\\/])?[^\s:()\[\]]{1,300}\.[A-Za-z]{1,5})(?::\[?"
        r"|\()(?P<line>\d{1,9})[:,)](?P<fn>)"
    ),  # compilers, linters; on Windows with a drive
)
LIBRARY = re.compile(
    r"(?:^|.*[/\\])(?:site-packages|dist-packages|node_modules|\.cargo|\.rustup|gems|\.m2|\.gradle|vendor|lib/python[\d.]*|lib64/python[\d.]*|pkg/mod|rustc)[/\\]|<|node:|internal/|/usr/(?:lib|local/go)|.*/libexec/|testing(?:/testing)?\.go$|runtime/\w+\.go$|time/sleep\.go$"
)
LIBRARY_CALL = re.compile(
    r"(?:java|javax|jdk|sun|junit|org\.(?:junit|testng|apache\.maven|gradle|codehaus|opentest4j|hamcrest|jenkinsci)|hudson|kotlin|scala|com\.sun)\."
)
ROOT = re.compile(
    r"(?:/home/runner/work/[^/]+/[^/]+|/__w/[^/]+/[^/]+|/github/workspace|/home/travis/build/[^/]+/[^/]+|/builds/[^/]+/[^/]+|(?:/[^/\n]{1,80}){0,4}/_work/[^/]+/[^/]+"
    r"|/home/vsts/work/\d+/s|(?:/[^/\n]{1,80}){0,4}/[Jj]enkins[^/]{0,20}(?:/agent)?/workspace/[^/]+|/home/circleci/(?:project|repo)|/root/(?:project|repo)"
    r"|/(?:var/lib/)?buildkite(?:-agent)?/builds/[^/]+/[^/]+/[^/]+|/opt/atlassian/pipelines/agent/build|/opt/buildagent/work/[^/]+|/drone/src|/usr/src/app"
    r"|/codebuild/output/src\d+/src/[^/]+/[^/]+/[^/]+|/workspaces/[^/]+|/Users/runner/work/[^/]+/[^/]+"
    r"|/(?:home|Users)/[^/]+/(?:(?:work|src|projects?|code|dev|git|repos?|workspaces?)/)?[^/.][^/]*"
    r"|/workspace|/workdir|/build|/app|/code|/src|/tree|/repo|[A-Za-z]:[/\\](?:a[/\\][^/\\]+|projects|workspace)[/\\][^/\\]+)[/\\]"
)


def relative(path: str) -> str:
    """The path below the checkout where its root is one CI uses; else as it is, with forward
    slashes.
    """
    root = ROOT.match(path)
    path = path[root.end() :] if root else path
    return path.replace("\\", "/").removeprefix("./")


def frame_of(line: str) -> Frame | None:
    for form in FORMS:
        if found := form.match(line):
            return Frame(
                file=relative(found["file"]),
                line=int(found["line"]),
                function=(found["fn"] or "").strip(),
            )
    return None


def is_library(frame: Frame) -> bool:
    return bool(LIBRARY.match(frame.file) or LIBRARY_CALL.match(frame.function))


def frames_of(lines: Iterable[str]) -> tuple[Frame, ...]:
    """Own frames in the order of the lines; library frames only where there is nothing else. No
    frame twice, at most MAX_FRAMES.
    """
    found = dict.fromkeys(frame for line in lines if (frame := frame_of(line)))
    own = [frame for frame in found if not is_library(frame)]
    return tuple((own or list(found))[:MAX_FRAMES])
