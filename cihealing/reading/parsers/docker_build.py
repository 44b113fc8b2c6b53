"""docker build, classic and BuildKit, compose, podman and kaniko: the instruction that failed, what
it printed, its place in the Dockerfile.

A step's own output is read by the parsers of the tools that ran in it; the step counts where they
know nothing. Sources: buildkit's progressui and solver errors, the classic builder, compose's
errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.forms import Form, first
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

SOLVE = ("failed to solve", "ailed to build", "building at STEP", "error building image: ")
CLASSIC = ("returned a non-zero code: ",)
SENTENCES = (
    "COPY failed: ",
    "ADD failed: ",
    "unable to prepare context: ",
    "dockerfile parse error",
    "Dockerfile parse error",
    "dependency failed to start: ",
    "didn't complete successfully: exit",
    "invalid reference format",
    "no configuration file provided",
    "neither an image nor a build context",
    "Additional property ",
    "additional properties",
    "invalid compose project",
    "depends on undefined ",
    "refers to undefined ",
)
MARKS = (*SOLVE, *CLASSIC, *SENTENCES, " | >>> ")
PROCESS = re.compile(
    r"(?:process \"|executor failed running \[).{1,2000}exit (?:code|status):? ?\d+"
)
FAILED = re.compile(
    r"(?:#\d+ )?(?:ERROR: |error: |Error: )?(?:target \S{1,100}: )?(?:[Ff]ailed to build:"
    r" )?(?:failed to solve|building at STEP|error building image)(?: with frontend \S+)?:?"
    r" ?(?P<message>.*)$"
)
NON_ZERO = re.compile(
    r"(?:ERROR: )?(?:Service '\S{1,100}' failed to build ?: )?(?P<message>The command '.{1,2000}'"
    r" returned a non-zero code: \d+)"
)
FORMS = (
    Form(
        "docker",
        re.compile(
            r"(?:ERROR: |Error: )?(?:Service '\S{1,100}' failed to build ?:"
            r" )?(?P<message>(?:COPY|ADD) failed: .+)$"
        ),
        "docker-build",
        Kind.ERROR,
        72,
    ),
    Form(
        "docker",
        re.compile(r"(?:ERROR: |Error: )?(?P<message>unable to prepare context: .+)$"),
        "docker-build",
        Kind.ERROR,
        72,
    ),
    Form(
        "docker",
        re.compile(
            r"(?:ERROR: |Error: )?(?:Error response from daemon: )?(?P<message>[Dd]ockerfile parse"
            r" error.+)$"
        ),
        "docker-build",
        Kind.ERROR,
        72,
    ),
    Form(
        "docker",
        re.compile(
            r"(?:docker|podman|ERROR|Error)(?: response from daemon)?: .{0,300}(?P<message>invalid"
            r" reference format.*)$"
        ),
        "docker",
        Kind.ERROR,
        68,
    ),
    Form(
        "compose",
        re.compile(
            r"(?P<message>(?:dependency failed to start: |service \"\S{1,100}\" (?:didn't complete"
            r" successfully: exit|has neither|depends on undefined|refers to undefined)|no"
            r" configuration file provided|invalid compose project|validating \S+: .*[Aa]dditional"
            r" propert).*)$"
        ),
        "compose",
        Kind.ERROR,
        70,
    ),
)
RULE = re.compile(r"-{4,}$")
STEP_HEAD = re.compile(r"\s*> \[(?P<step>[^\]]{1,100})\] ?(?P<what>.*?):?$")
STEP = re.compile(r"(?:Step \d+/\d+ : |STEP \d+(?:/\d+)?: )(?P<what>.+)$")
SECONDS = re.compile(r"\d{1,6}\.\d{1,4} ")
FILE = re.compile(r"(?P<file>\S{1,300}):(?P<line>\d{1,9})$")
ARROW = re.compile(r"\s*(?P<line>\d{1,9}) \| >>> ")
LOUD = re.compile(
    r"(?i).{0,300}(?:\b(?:error|fail(?:ed|ure)?|cannot|exception|fatal|denied|panic|unable to|no"
    r" such)\b|(?:not found|ERR!))"
)
STEP_WEIGHT, CAUSE_WEIGHT = 62, 70
MOST = 60


def parse(log: Log) -> Iterator[Finding]:
    places = dockerfile_places(log)
    yield from (found for n in log.having(*SOLVE) if (found := solve(log, n, places)))
    yield from (found for n in log.having(*CLASSIC) if (found := classic(log, n)))
    yield from (found for n in log.having(*SENTENCES) if (found := first(FORMS, log.line(n), n)))


def dockerfile_places(log: Log) -> dict[int, Frame]:
    """The instructions that BuildKit points at: line of the log, place in the Dockerfile."""
    found: dict[int, Frame] = {}
    for number in log.having(" | >>> "):
        arrow = ARROW.match(log.line(number))
        head = next(
            (
                match
                for n in range(number - 1, number - 12, -1)
                if (match := FILE.match(log.line(n)))
            ),
            None,
        )
        if arrow and head:
            found[number] = Frame(file=relative(head["file"]), line=int(arrow["line"]))
    return found


def solve(log: Log, number: int, places: dict[int, Frame]) -> Finding | None:
    if not (match := FAILED.match(log.line(number))):
        return None
    near = [n for n in places if number - 40 < n < number]
    frames = tuple(places[n] for n in near)[:1]
    if not PROCESS.search(match["message"]) and "while running" not in match["message"]:
        return found_at(
            number,
            message=match["message"],
            cites=[*near, number],
            frames=frames,
            weight=CAUSE_WEIGHT,
        )
    output = step_output(log, number) or printed(log, number)
    root = loudest(log, output) or number
    shown = [n for n in output if abs(n - root) <= 4]
    return found_at(
        root,
        message=SECONDS.sub("", log.line(root), count=1).strip(),
        cites=[root, *shown, *near, number],
        frames=frames,
        weight=STEP_WEIGHT,
    )


def step_output(log: Log, number: int) -> list[int]:
    """The lines between the two rules in which BuildKit repeats what the failed step printed."""
    rules = [
        n
        for n in range(number, max(0, number - MOST), -1)
        if RULE.match(log.line(n)) or STEP_HEAD.match(log.line(n))
    ]
    head = next((n for n in rules if STEP_HEAD.match(log.line(n))), 0)
    return (
        [n for n in log.block(head + 1, until=RULE, limit=MOST) if log.line(n).strip()]
        if head
        else []
    )


def classic(log: Log, number: int) -> Finding | None:
    """The classic builder prints a step's output between `Step n/m` and its last word."""
    if not (match := NON_ZERO.match(log.line(number))):
        return None
    output = printed(log, number)
    root = loudest(log, output) or number
    cites = [(output or [root])[0], root, *[n for n in output if abs(n - root) <= 4], number]
    message = match["message"] if root == number else log.line(root).strip()
    return found_at(root, message=message, cites=cites, frames=(), weight=STEP_WEIGHT)


def printed(log: Log, number: int) -> list[int]:
    """From the instruction to a line at which the step has failed; empty where no instruction
    stands near.
    """
    start = next(
        (n for n in range(number - 1, max(0, number - MOST), -1) if STEP.match(log.line(n))), number
    )
    return [
        n
        for n in range(start + 1, number)
        if log.line(n).strip() and not log.line(n).startswith((" --->", "-->"))
    ]


def loudest(log: Log, output: list[int]) -> int:
    """The first line that sounds like an error, else the last; 0 where a step printed nothing."""
    return next((n for n in output if LOUD.match(log.line(n))), output[-1] if output else 0)


def found_at(
    number: int, *, message: str, cites: list[int], frames: tuple[Frame, ...], weight: int
) -> Finding:
    return Finding(
        kind=Kind.ERROR,
        tool="docker",
        line=number,
        error_type="docker-build",
        message=message,
        cites=tuple(sorted(set(cites))),
        frames=frames,
        weight=weight,
    )
