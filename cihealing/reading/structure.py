"""The steps of a job as its CI marks them: name, command, lines, exit code, duration; which one
failed; the command to run again.

Sources: the runners' own output of GitHub Actions, Azure Pipelines, GitLab, Jenkins (pipeline and
freestyle), Travis, Buildkite, CircleCI, Bitbucket.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cihealing.reading.log import RUN, Log

MAX_STEPS = 20_000
"""Of a log with more (a shell that traces a loop) the last ones."""
MAX_COMMAND = 1000
ANNOTATION = "##[error]"
MARKS = (
    RUN,
    "[command]",
    "##[section]",
    "\n+ ",
    "Z + ",
    "] + ",
    "\n$ ",
    "Z $ ",
    "] $ ",
    "[Pipeline] ",
    "section_start:",
    "section_end:",
    "travis_time:end:",
    ANNOTATION,
    "\n--- ",
    "\n+++ ",
    "\n~~~ ",
    "exited with ",
    "exit code ",
    "xited with code",
    "exit status ",
    "Post job cleanup.",
    "Cleaning up orphan",
)
COMMAND = re.compile(
    r"(?:(?:\[\S{1,200} ?\S{0,200}\] ?)?\$ |\+ |\[command\]|##\[command\])(?P<command>\S.*)"
)
NO_STEP = re.compile(
    r"(?:\$|\+) (?:export |echo |cd |set |\[|\{|\(|<|>|\||\^|#|:\s*$|true$|shopt |unset |local"
    r" |printf )"
)
BEGIN = re.compile(
    r"##\[section\]Starting: (?P<azure>.+)|\[Pipeline\] \{ \((?P<jenkins>.+)\)$|(?:---|\+\+\+|~~~)"
    r" (?P<buildkite>(?!a/|b/|/|\d)[^\s-].{0,200})$"
)
RAW_BEGIN = re.compile(r".{0,60}section_start:(?P<at>\d{1,12}):(?P<name>[\w.-]+)")
RAW_END = re.compile(
    r".{0,60}(?:section_end:(?P<at>\d{1,12}):|travis_time:end:\w*:(?:start=\d+,finish=\d+,)?duration=(?P<nano>\d{1,18}))"
)
END = re.compile(
    r"##\[section\]Finishing: |\[Pipeline\] \}|Post job cleanup\.|Cleaning up orphan processes"
)
EXIT = (
    re.compile(
        r"(?:##\[error\])?(?:\w{1,20} (?:completed|exited) with (?:exit )?code"
        r" '?(?P<code>-?\d{1,6})'?)"
    ),
    re.compile(r'The command ".{0,900}" (?:failed and )?exited with (?P<code>\d{1,6})'),
    re.compile(
        r"ERROR: (?:Job failed: exit (?:code|status) |script returned exit code )(?P<code>\d{1,6})"
    ),
    re.compile(r".{0,4}Error: The command exited with status (?P<code>\d{1,6})"),
    re.compile(
        r"(?:Exited with code )?exit status (?P<code>\d{1,6})\s*$|\[(?:cihealing|ci)\] exit code"
        r" (?P<ours>\d{1,6})$"
    ),
)
STAMP = re.compile(r".{0,200}?(?P<at>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?P<part>\.\d{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStep:
    """`first` and `last` are line numbers. `seconds` and `exit_code` are None where the log does
    not tell.
    """

    name: str
    command: str
    first: int
    last: int
    exit_code: int | None = None
    seconds: float | None = None
    annotated: bool = False
    """CI wrote an error of its own into it."""

    @property
    def failed(self) -> bool:
        return bool(self.exit_code) or self.annotated

    def holds(self, number: int) -> bool:
        return self.first <= number <= self.last


def steps_of(log: Log) -> Sequence[LogStep]:
    """In the order of the log. A stage with several commands is a step for each of them."""
    headers = {header.start: header for header in log.headers}
    walk = Walk(log)
    for number in log.having(*MARKS):
        if number in headers:
            walk.begin(
                number,
                name=log.line(number).removeprefix(RUN).strip(),
                command=script(log, headers[number]),
                github=True,
            )
        elif number not in log.echoed:
            walk.line(number)
    return walk.done()


def script(log: Log, header: range) -> str:
    """What a `run:` step runs: the lines between the first of its header and its shell. An action
    has none.
    """
    lines = [log.line(n) for n in header[1:]]
    shell = next((i for i, text in enumerate(lines) if text.startswith("shell: ")), 0)
    return "\n".join(text for text in lines[:shell] if text.strip())[:MAX_COMMAND]


class Walk:
    """Marks in, steps out."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.steps: list[LogStep] = []
        self.open: LogStep | None = None
        self.began: int | None = None
        self.github = False
        self.buildkite = log.has("\n~~~ ")
        """Elsewhere lines that begin so are go's verdicts, and files in a difference."""

    def line(self, number: int) -> None:
        raw, text = self.log.raw(number), self.log.line(number)
        if self.open and text.startswith(ANNOTATION):
            self.open = replace(self.open, annotated=True)
        if "section_" in raw or "travis_time:" in raw:
            self.fold(number, raw)
        elif (code := exit_code(text)) is not None:
            self.exited(number, code)
        elif END.match(text):
            self.end(number)
        elif (found := BEGIN.match(text)) and (found["buildkite"] is None or self.buildkite):
            self.begin(
                number, name=next(name for name in found.groups() if name is not None).strip()
            )
        elif (said := COMMAND.match(text)) and not NO_STEP.match(text) and not self.github:
            self.begin(
                number,
                name=self.open.name if self.open else "",
                command=said["command"][:MAX_COMMAND],
            )

    def fold(self, number: int, raw: str) -> None:
        if begin := RAW_BEGIN.match(raw):
            self.begin(number, name=begin["name"])
            self.began = int(begin["at"])
        elif (end := RAW_END.match(raw)) and self.open:
            seconds = (
                int(end["nano"]) / 1e9
                if end["nano"]
                else float(int(end["at"]) - self.began)
                if self.began is not None
                else None
            )
            self.open = replace(self.open, seconds=seconds)
            if end["at"]:
                self.end(number)

    def begin(self, number: int, *, name: str, command: str = "", github: bool = False) -> None:
        """The commands of one stage follow each other: what opens a stage and runs nothing gives
        its name to the first of them.
        """
        if self.open and not (self.open.name == name and not self.open.command):
            self.end(number - 1)
        first = self.open.first if self.open else number
        self.open = LogStep(name=name[:200], command=command, first=first, last=number)
        self.github = github

    def exited(self, number: int, code: int) -> None:
        if self.open:
            self.open = replace(self.open, exit_code=code or self.open.exit_code)
        elif code and self.steps and self.steps[-1].exit_code is None:
            self.steps[-1] = replace(self.steps[-1], exit_code=code, last=number)

    def end(self, number: int) -> None:
        if not self.open:
            return
        ended = replace(self.open, last=number)
        if ended.seconds is None:
            ended = replace(
                ended, seconds=seconds_between(self.log.raw(ended.first), self.log.raw(number))
            )
        self.steps.append(ended)
        self.open, self.began = None, None

    def done(self) -> Sequence[LogStep]:
        self.end(len(self.log))
        return tuple(self.steps[-MAX_STEPS:])


def exit_code(text: str) -> int | None:
    return next(
        (
            int(code)
            for form in EXIT
            if (found := form.match(text))
            for code in found.groups()
            if code is not None
        ),
        None,
    )


def seconds_between(first: str, last: str) -> float | None:
    begin, end = stamp(first), stamp(last)
    return round((end - begin).total_seconds(), 3) if begin and end and end >= begin else None


def stamp(raw: str) -> datetime | None:
    found = STAMP.match(raw[:300])
    try:
        return (
            datetime.fromisoformat(found["at"] + (found["part"] or ".0").ljust(7, "0"))
            if found
            else None
        )
    except ValueError:  # the 31st of February
        return None


def failed_step(steps: Sequence[LogStep], root: int) -> LogStep | None:
    """The step that the root line stands in; where that one did not fail, the one that did."""
    around = [step for step in steps if step.holds(root)]
    failed = [step for step in steps if step.failed]
    inside = [step for step in around if step.failed]
    chosen = inside or around or failed
    return chosen[-1] if chosen else None


def step_at(steps: Sequence[LogStep], number: int) -> LogStep | None:
    """The one of `steps`, which follow each other, that a line stands in."""
    at = bisect_right(steps, number, key=lambda step: step.first) - 1
    return steps[at] if at >= 0 and steps[at].holds(number) else None


def innocent(steps: Sequence[LogStep], *, end: int) -> Sequence[LogStep]:
    """The steps that did not fail the job, where the log tells: all others did where none has an
    exit code. `end`: the line at which CI gave up.

    A script that stops at its first error ends with the command that failed; CI says so right
    behind it.
    """
    if any(step.failed for step in steps):
        return [step for step in steps if not step.failed]
    last = next((step for step in reversed(steps) if step.command and step.first < end), None)
    return [step for step in steps if last and step.last < last.first and step.name == last.name]


def command_at(log: Log, step: LogStep | None, root: int) -> str:
    """The command to run again: the last one traced in the failing step up to the root line, else
    the step's own.
    """
    traced = [n for n in commands(log) if (step.first if step else 0) <= n <= root]
    said = COMMAND.match(log.line(traced[-1])) if traced else None
    if said and not (step and "\n" in step.command):
        return said["command"][:MAX_COMMAND]
    return step.command if step else ""


def commands(log: Log) -> Iterator[int]:
    marks = ("[command]", "\n+ ", "Z + ", "] + ", "\n$ ", "Z $ ", "] $ ")
    return (
        n
        for n in log.having(*marks)
        if n not in log.echoed and COMMAND.match(log.line(n)) and not NO_STEP.match(log.line(n))
    )
