"""Ansible: failed and unreachable hosts under their task, and the engine's own errors with the
place in the playbook. Sources: the default and yaml callbacks, AnsibleError's message; ansible-core
2.19's `[ERROR]: …` with `Origin: file:line:column`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

HOSTS = ("FAILED! => ", "UNREACHABLE! => ", "failed: [")
ENGINE = ("ERROR! ", "[ERROR]: ")
TASKS, RECAP = ("TASK [", "RUNNING HANDLER ["), (" unreachable=",)
MARKS = (*HOSTS, *ENGINE, *TASKS, *RECAP)
HOST = re.compile(
    r"(?:fatal|failed): \[(?P<host>[^\]]{1,200})\](?: \(item=.{0,300}?\))?(?::"
    r" (?P<how>FAILED|UNREACHABLE)!)? => (?P<result>.*)$"
)
ERROR = re.compile(r"(?:ERROR! |\[ERROR\]: )(?P<message>.+)$")
TASK = re.compile(r"(?:TASK|RUNNING HANDLER) \[(?P<task>.{1,300})\] \*+$")
PLACE = re.compile(
    r"The error appears to (?:be|have been) in '(?P<file>[^']{1,300})': line (?P<line>\d{1,9}),"
    r" column \d+|Origin: (?P<file2>\S{1,300}?):(?P<line2>\d{1,9}):\d+$"
)
SAID = re.compile(r'"(?:msg|stderr)": "(?P<text>(?:[^"\\]|\\.){1,2000})"')
YAML_SAID = re.compile(r"\s+(?:msg|stderr): (?:[|>]-?)?(?P<text>.*)$")
SEPARATE = re.compile(r"(?:TASK|PLAY|RUNNING HANDLER) |fatal: |ok: |changed: |failed: |skipping: ")
BAD_RECAP = re.compile(r".{1,300}: ok=\d+ .*(?:unreachable|failed)=[1-9]")
VAGUE = (
    "non-zero return code",
    "MODULE FAILURE",
    "All items completed",
    "One or more items failed",
)
WEIGHT, TASK_WEIGHT, ENGINE_WEIGHT = 70, 66, 72
"""Of a host's failure, of what ansible-core 2.19 says of the task above it, of the engine's own
error.
"""
OWN = ("the playbook: ", "couldn't resolve", "Unexpected Exception", "Syntax Error", "No inventory")
PASSED = Saying(RECAP, re.compile(r".{1,300}: ok=\d+ .*unreachable=0 .*failed=0\b"))
FAILED = Saying(RECAP, BAD_RECAP)


def parse(log: Log) -> Iterator[Finding]:
    recaps = [log.line(n) for n in log.having(*RECAP) if ": ok=" in log.line(n)]
    if recaps and not any(BAD_RECAP.match(text) for text in recaps):
        return  # every failure was ignored or rescued
    yield from hosts(log)
    yield from (found for n in log.having(*ENGINE) if (found := engine(log, n)))


def hosts(log: Log) -> Iterator[Finding]:
    task, heads = 0, {n for n in log.having(*TASKS) if TASK.match(log.line(n))}
    for number in log.having(*HOSTS, *TASKS):
        task = number if number in heads else task
        match = None if number in heads else HOST.match(log.line(number))
        if match and (found := host_failed(log, number, match, task=task)):
            yield found


def host_failed(log: Log, number: int, match: re.Match[str], *, task: int) -> Finding | None:
    lines = log.block(number + 1, until=SEPARATE, limit=30)
    if any(log.line(n).startswith("...ignoring") for n in lines):
        return None
    message, root = find_message(log, number, match, lines)
    how = (match["how"] or "FAILED").lower()
    below = [n for n in lines if log.line(n).startswith("  ")][:10]
    return Finding(
        kind=Kind.ERROR,
        tool="ansible",
        line=root,
        error_type=f"ansible-{how}",
        message=message,
        cites=tuple(sorted({task or number, number, root, *below})),
        frames=places(log, range(max(task, number - 20) + 1, number)),
        weight=WEIGHT,
    )


def places(log: Log, numbers: range) -> tuple[Frame, ...]:
    """The first place in a playbook that one of the lines names."""
    for number in numbers:
        if match := PLACE.match(log.line(number)):
            return (
                Frame(
                    file=relative(match["file"] or match["file2"]),
                    line=int(match["line"] or match["line2"]),
                ),
            )
    return ()


def find_message(log: Log, number: int, match: re.Match[str], lines: range) -> tuple[str, int]:
    """The message of a result and its line: JSON on the host's line, or YAML below it; what a
    command printed where the message says nothing.
    """
    texts = [(found["text"], number) for found in SAID.finditer(match["result"])]
    texts += [(found["text"], n) for n in lines for found in SAID.finditer(log.line(n))]
    texts += [
        (found["text"] or log.line(n + 1).strip(), n)
        for n in lines
        if (found := YAML_SAID.match(log.line(n)))
    ]
    clear = [pair for pair in texts if pair[0] and not pair[0].startswith(VAGUE)]
    text, line = next(iter(clear or texts), ("", number))
    return text.replace("\\n", " ").replace('\\"', '"'), line


def engine(log: Log, number: int) -> Finding | None:
    if not (match := ERROR.match(log.line(number))):
        return None
    frames = places(log, range(number + 1, number + 8))
    if (
        not frames and log.line(number).startswith("[") and not match["message"].startswith(OWN)
    ):  # other tools write [ERROR]: too
        return None
    stop = log.block(number + 1, until=SEPARATE, limit=14).stop
    cites = [n for n in range(number, stop) if log.line(n).strip()]
    return Finding(
        kind=Kind.ERROR,
        tool="ansible",
        line=number,
        error_type="ansible",
        message=match["message"],
        cites=tuple(cites),
        frames=frames,
        weight=TASK_WEIGHT if match["message"].startswith("Task failed") else ENGINE_WEIGHT,
    )
