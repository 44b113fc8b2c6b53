"""helm and kubectl: what the client or the server refuses, a template's place; and, where a
roll-out only times out, the state of the pods that explains it. Sources: helm's action errors,
kubectl's cmdutil.CheckErr, the pod states of `kubectl get` and `describe`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

MARKS = (
    "INSTALLATION FAILED: ",
    "UPGRADE FAILED: ",
    "ROLLBACK FAILED: ",
    "/templates/",
    "[ERROR] templates/",
    "error: unable to recognize ",
    "error: error validating ",
    "error: error parsing ",
    "Error from server",
    "error validating data",
    "timed out waiting for ",
    "progress deadline",
    " is invalid: ",
    "Unable to connect to the server",
    "The connection to the server ",
    "error: resource mapping not found",
    "error: no context exists",
    "error: the path ",
    "error: no objects passed",
    "BackOff",
    "ErrImagePull",
    "CreateContainerConfigError",
    "OOMKilled",
    "ailedScheduling",
    "error: no matches for kind",
)
FORMS = (
    (
        76,
        "helm",
        re.compile(
            r"(?:Error: )?(?:INSTALLATION|UPGRADE|ROLLBACK) FAILED: (?!timed out|context"
            r" deadline|release \S+ failed, and has been)(?P<message>.+)$"
        ),
    ),
    (
        66,
        "helm",
        re.compile(r"(?:Error: )?(?:INSTALLATION|UPGRADE|ROLLBACK) FAILED: (?P<message>.+)$"),
    ),
    (
        76,
        "helm",
        re.compile(
            r"(?:Error: )?(?P<message>(?:template: |parse error at \(|execution error at \(|YAML"
            r" parse error on |values don't meet).+)$"
        ),
    ),
    (74, "helm", re.compile(r"\[ERROR\] (?P<message>templates/.+)$")),
    (
        76,
        "kubectl",
        re.compile(
            r"(?P<message>error: (?:unable to recognize |error validating |error parsing |resource"
            r" mapping not found|no context exists|the path |no objects passed|no matches for"
            r" kind).*)$"
        ),
    ),
    (64, "kubectl", re.compile(r"(?P<message>Error from server(?: \(\w{1,40}\))?: .+)$")),
    (74, "kubectl", re.compile(r"(?P<message>The [\w.]{1,80} \"[^\"]{1,200}\" is invalid: .+)$")),
    (
        64,
        "kubectl",
        re.compile(
            r"(?P<message>Unable to connect to the server: .+|The connection to the server \S+ was"
            r" refused.*)$"
        ),
    ),
    (
        66,
        "kubectl",
        re.compile(
            r"(?P<message>error: (?:timed out waiting for .+|deployment \"\S+\" exceeded its"
            r" progress deadline).*)$"
        ),
    ),
)
POD = re.compile(
    r"(?:\S{1,100}\s+)?(?P<pod>[\w.-]{1,253})\s+\d+/\d+\s+(?:Init:)?(?P<state>ImagePullBackOff|ErrImagePull|CrashLoopBackOff|CreateContainerConfigError|InvalidImageName|OOMKilled)\s"
)
EVENT = re.compile(
    r"\s*(?:\S+\s+)?Warning\s+(?P<state>Failed|BackOff|FailedScheduling|FailedMount|Unhealthy)\s.{0,200}?(?P<message>(?:Failed"
    r" to pull image|Error: |\d+/\d+ nodes are available|MountVolume|Back-off).+)$"
)
TEMPLATE = re.compile(
    r".{0,300}?[(\s](?P<file>[\w./-]{1,300}/templates/[\w./-]{1,200}):(?P<line>\d{1,9})\b"
)
POD_WEIGHT = 70


def parse(log: Log) -> Iterator[Finding]:
    return (
        found
        for number in log.having(*MARKS)
        if (found := refusal(log, number) or pod(log, number))
    )


def refusal(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    for weight, tool, form in FORMS:
        if match := form.match(text):
            place = TEMPLATE.match(text)
            frames = (
                (Frame(file=relative(place["file"]), line=int(place["line"])),) if place else ()
            )
            stop = log.block(number + 1, until=re.compile(r"\S|\s*$"), limit=6).stop
            return Finding(
                kind=Kind.ERROR,
                tool=tool,
                line=number,
                error_type=tool,
                message=match["message"],
                cites=tuple(range(number, stop)),
                frames=frames,
                weight=weight,
            )
    return None


def pod(log: Log, number: int) -> Finding | None:
    match = POD.match(log.line(number)) or EVENT.match(log.line(number))
    if not match:
        return None
    return Finding(
        kind=Kind.ERROR,
        tool="kubernetes",
        line=number,
        error_type=match["state"],
        message=" ".join(log.line(number).split()),
        weight=POD_WEIGHT,
    )
