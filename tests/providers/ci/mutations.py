"""Payloads with something wrong in them: any value in any place of any sample, the same for the
same seed.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.providers.ci import payloads

SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "workflow_job": ("github", payloads.workflow_job()),
    "check_run": ("github", payloads.check_run()),
    "check_run of another app": (
        "github",
        payloads.check_run(app={"slug": "other"}, details_url="https://ci.example.com/1"),
    ),
    "workflow_run": ("github", payloads.workflow_run()),
    "check_suite": ("github", payloads.check_suite()),
    "status": ("github", payloads.status()),
    "pull_request": (
        "github",
        {
            "action": "closed",
            "pull_request": payloads.PULL,
            "repository": payloads.GITHUB_REPOSITORY,
        },
    ),
    "gitlab job": ("gitlab", payloads.gitlab_job()),
    "gitlab pipeline": (
        "gitlab",
        payloads.gitlab_pipeline(
            payloads.gitlab_build(), payloads.gitlab_build(id=1137, status="success")
        ),
    ),
    "gitlab merge request": (
        "gitlab",
        {
            "object_kind": "merge_request",
            "object_attributes": {"source_branch": "cihealing/x"},
            "project": payloads.GITLAB_PROJECT,
        },
    ),
    "jenkins": ("jenkins", payloads.jenkins()),
    "circleci job": ("circleci", payloads.circleci_job()),
    "circleci workflow": (
        "circleci",
        payloads.circleci_job(
            type="workflow-completed",
            workflow={"status": "failed", "stopped_at": "2026-05-04T11:59:30Z"},
        ),
    ),
    "buildkite": ("buildkite", payloads.buildkite_job()),
    "buildkite by exit status": ("buildkite", payloads.buildkite_job(job={"state": "finished"})),
    "generic": ("generic", payloads.generic()),
    "generic green": (
        "generic",
        payloads.generic(conclusion="success", finishedAt="2026-05-04T11:59:30Z", deliveryId="7"),
    ),
}

DEEP: Any = 0
for _ in range(60):
    DEEP = [{"a": DEEP}]

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    10**40,
    10**999,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "0",
    "1",
    "-1",
    "true",
    "null",
    "x" * 300,
    "x" * 70_000,
    "\ud800",
    "\udfff\ud800",
    "a\x00b",
    "\x00",
    "\u202e\u2066",
    "\u0130\u0131",
    "e\u0301" * 400,
    "\U0001f9ea",
    "\ufeff",
    "a\nb\r\x7f",
    "\u2028",
    "-x",
    "--upload-pack=x",
    "../../etc",
    "http://[",
    "http://" + "h" * 3_000,
    "https://h:99999999/x",
    "ftp://x",
    "::",
    "%00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "20260504",
    "9" * 40,
    "٣٤",
    "{}",
    "[]",
    [],
    [[]],
    [None],
    [True],
    [1, "x"],
    {},
    {"": ""},
    {"a": None},
    {"\x00": 1},
    {"\ud800": 1},
    DEEP,
    [{}] * 6_000,
)
GONE = object()


@dataclass(frozen=True)
class Mutant:
    sample: str
    provider: str
    event: str
    body: bytes
    told: str
    """What was done to it."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from places(inner, (*path, key))


def changed(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return None if value is GONE else value
    copied = copy.deepcopy(payload)
    at: Any = copied
    for key in path[:-1]:
        at = at[key]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copied


def mutants(samples: Mapping[str, tuple[str, Any]], *, seed: int) -> Iterator[Mutant]:
    """Without end: first every value in every place in an order of its own, then again with two
    changes at once.
    """
    dice = random.Random(seed)
    singles = [
        (name, path, value)
        for name, (_, sample) in samples.items()
        for path in places(sample)
        for value in (*VALUES, GONE)
    ]
    dice.shuffle(singles)
    for name, path, value in singles:
        yield mutant(name, samples[name], [(path, value)], dice)
    while True:
        name, path, value = dice.choice(singles)
        once = changed(samples[name][1], path, value)
        yield mutant(
            name,
            (samples[name][0], once),
            [(dice.choice(list(places(once))), dice.choice((*VALUES, GONE)))],
            dice,
        )


def mutant(
    name: str,
    sample: tuple[str, Any],
    changes: list[tuple[tuple[Any, ...], Any]],
    dice: random.Random,
) -> Mutant:
    provider, payload = sample
    for path, value in changes:
        payload = changed(payload, path, value)
    told = "; ".join(
        f"{'.'.join(map(str, path)) or 'the body'} ="
        f" {'gone' if value is GONE else repr(value)[:60]}"
        for path, value in changes
    )
    text = json.dumps(payload, ensure_ascii=dice.random() < 0.7)
    return Mutant(
        sample=name,
        provider=provider,
        event=name.split()[0],
        body=text.encode("utf-8", "surrogatepass"),
        told=told,
    )
