"""What a model is shown: the code around the frames, the failing test, what the commit changed,
what was tried, what healed the like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from cihealing.diagnosis.prompting import names
from cihealing.diagnosis.prompting.context import Context, ProvenFix, Snippet, TriedFix
from cihealing.diagnosis.prompting.functions import around
from cihealing.diagnosis.prompting.given import NotApplicable
from cihealing.domain.policy import Policy
from cihealing.domain.run import AttemptState, RunState
from cihealing.domain.values import Colour, Failure, Frame
from cihealing.effects.shared.frames import TEST, failure_of
from cihealing.ports import PermanentError, Stored, Tools
from cihealing.texts import text_of

MAX_FILE = 512 * 1024
MAX_SNIPPETS = 12
MAX_NOTES = 4_000
MAX_DIFF = 20_000
WHOLE = 200
"""Lines up to which a file is shown whole."""
NOTES = (
    "CONTRIBUTING.md",
    "AGENTS.md",
    "CLAUDE.md",
    ".github/CONTRIBUTING.md",
    "docs/CONTRIBUTING.md",
    "README.md",
)


def gather(run: RunState, *, policy: Policy, tools: Tools, purpose: str) -> Context:
    """Where the tree cannot be had, the log alone must do. `purpose` is `fix` or `explain`. Raises
    TransientError.
    """
    failure, repository = failure_of(run, tools), policy.repository(run.failure.repository)
    snippets, notes, diff = (), "", ""  # type: tuple[Snippet, ...], str, str
    try:
        with tools.trees.stored(run.failure.repository, run.head, policy=repository) as stored:
            snippets, notes = tuple(_snippets(failure, stored)), _notes(stored)
        diff = tools.trees.show(run.failure.repository, run.failure.commit, policy=repository)[
            :MAX_DIFF
        ]
    except PermanentError:
        pass
    return Context(
        failure=failure,
        repository=run.failure.repository,
        job=run.failure.job,
        command=run.project.command or run.failure.command,
        diff=diff,
        snippets=snippets,
        notes=notes,
        similar=_similar(run, tools),
        tried=tuple(_tried(a, tools) for a in run.attempts) if purpose == "fix" else (),
    )


def _snippets(failure: Failure, stored: Stored) -> Iterator[Snippet]:
    """One a place, the code under test before its tests, then what the failing tests import."""
    seen: dict[tuple[str, int], Snippet] = {}
    reversed_frames = list(reversed(failure.frames))  # the deepest first
    frames = sorted(reversed_frames, key=lambda frame: bool(TEST.search(frame.file)))
    for frame in (*frames, *_tests(failure)):
        found = _snippet(
            frame, stored, "a frame of the failure" if frame.line > 1 else "it holds a failing test"
        )
        if found:
            seen.setdefault((found.path, found.first_line), found)
    for path in _imported(list(seen.values()), stored):
        found = _snippet(Frame(file=path, line=1), stored, "the failing code imports it")
        if found and all(known != path for known, _ in seen):
            seen.setdefault((path, found.first_line), found)
    yield from list(seen.values())[:MAX_SNIPPETS]


def _tests(failure: Failure) -> Iterator[Frame]:
    for name in failure.failed_tests[:5]:
        path = name.split("::")[0].split(" > ")[0]
        if "/" in path or "." in path:
            yield Frame(file=path, line=1)


def _snippet(frame: Frame, stored: Stored, why: str) -> Snippet | None:
    path = _inside(frame.file, stored)
    raw = None if path is None else stored.read(path, limit=MAX_FILE)
    text = None if raw is None else text_of(raw)
    if path is None or text is None:
        return None
    lines = text.content.splitlines()
    first, last = (
        (1, len(lines))
        if len(lines) <= WHOLE
        else around(text.content.encode("utf-8", "replace"), path=path, line=frame.line)
    )
    shown = "\n".join(lines[first - 1 : last])
    return Snippet(path=path, first_line=first, text=shown, why=why, encoding=text.in_words)


def _inside(name: str, stored: Stored) -> str | None:
    """The path of a readable text file below the root, as the repository names it; None for
    everything else.
    """
    bare = name.strip().removeprefix("./")
    parts = PurePosixPath(bare).parts
    for skipped in range(min(len(parts), 6)):
        # A log names files from where it ran: the longest end of the path that is in the repository
        # is meant.
        tail = "/".join(parts[skipped:]).lstrip("/")
        if found := _tracked(tail, stored):
            return found
    return None


def _tracked(path: str, stored: Stored) -> str | None:
    """The file a path leads to, through links where there are any."""
    try:
        found = names.through_links(path, stored)
    except NotApplicable:
        return None
    return found if found in stored.modes else None


def _imported(snippets: Iterable[Snippet], stored: Stored) -> Iterator[str]:
    """Files of the repository that Python and JavaScript snippets import by name."""
    for snippet in snippets:
        here = PurePosixPath(snippet.path).parent
        for line in snippet.text.splitlines()[:400]:
            for candidate in _candidates(line, here):
                if _inside(candidate, stored) == candidate:
                    yield candidate


def _candidates(line: str, here: PurePosixPath) -> Iterator[str]:
    words = line.split()
    if len(words) > 1 and words[0] in ("from", "import"):
        module = words[1].strip(".,;").replace(".", "/")
        for base in dict.fromkeys(("", f"{here}/", "src/", "lib/")):
            yield from (f"{base}{module}.py", f"{base}{module}/__init__.py")
        if words[0] == "from" and len(words) > 3:
            yield from (f"{module}/{name.strip(',()')}.py" for name in words[3:8])
    for quote in ("'", '"'):
        named = line.split(quote)[1:2] if "require(" in line or "import" in line else []
        for name in named:
            if name.startswith("."):
                joined = _joined(here, name)
                yield from (
                    joined,
                    *(
                        f"{joined}{suffix}"
                        for suffix in (".js", ".ts", ".mjs", ".cjs", "/index.js")
                    ),
                )


def _joined(here: PurePosixPath, name: str) -> str:
    parts = list(here.parts)
    for piece in name.split("/"):
        if piece == "..":
            parts = parts[:-1]
        elif piece not in ("", "."):
            parts.append(piece)
    return "/".join(parts)


def _notes(stored: Stored) -> str:
    for name in NOTES:
        path = _tracked(name, stored)
        content = stored.read(path, limit=MAX_FILE) if path else None
        if content is not None:
            return content.decode("utf-8", "replace")[:MAX_NOTES]
    return ""


def _similar(run: RunState, tools: Tools) -> tuple[ProvenFix, ...]:
    found = tools.history.similar_fixes(
        run.failure.repository, error_hash=run.failure.error_hash, error_type=run.failure.error_type
    )
    return tuple(ProvenFix(summary=fix.summary, patch=fix.patch[:8_000]) for fix in found)


def _tried(attempt: AttemptState, tools: Tools) -> TriedFix:
    try:
        patch = tools.artifacts.text(attempt.patch)[:8_000] if attempt.patch else ""
    except KeyError:
        patch = ""
    red = next(
        (
            s.seen
            for s in reversed(attempt.observations)
            if s.patch and s.seen.colour is not Colour.GREEN
        ),
        None,
    )
    return TriedFix(
        number=attempt.number,
        proposed_fix=attempt.proposed_fix,
        patch=patch,
        how_it_failed=attempt.failure_reason,
        log_tail=red.log_tail if red else "",
    )
