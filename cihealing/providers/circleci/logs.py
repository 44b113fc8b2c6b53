"""The output of jobs, and the jobs of workflows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from cihealing.domain.values import Result
from cihealing.http.client import Conversation
from cihealing.ports import NoLog
from cihealing.providers.circleci.api import asked_about, jobs_of, known, talk
from cihealing.providers.circleci.results import listed
from cihealing.providers.circleci.settings import CircleCISettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

MAX_OUTPUTS = 40


@dataclass(frozen=True)
class CircleCILogs:
    """`ports.Logs` and `ports.Expanding` at CircleCI."""

    settings: CircleCISettings
    transport: httpx.BaseTransport | None = None

    def fetch_log(self, failed: Result) -> str:
        """The output of the job's steps, at most 64 MB of it (head and tail).

        Source: API v2 'Get a workflow's jobs'; API v1.1 'Single job', whose actions name the
        short-lived addresses of their output.
        """
        facts = _results.facts_of(failed)
        job = facts.execution.job_run_id
        with (
            _outbound.no_log(),
            talk(self.settings, transport=self.transport, otherwise=_outbound.SEND) as conversation,
        ):
            asked = asked_about(f"job {job[:50]} of {facts.repository}")
            with asked.readable():
                found = [
                    one
                    for one in jobs_of(conversation, known(facts.parent_id), asked=asked)
                    if one.label("id") == job
                ]
                if not found or "job_number" not in found[0]:
                    raise NoLog(
                        f"{facts.job!r} ran no steps CircleCI has the output of: send the log with"
                        " `cihealing notify --log build.log`"
                    )
                path = f"api/v1.1/project/{_slug(found[0])}/{found[0].ident('job_number')}"
                actions = _actions(asked.fields(conversation.get(path)))
            chunks = (
                chunk for action in actions for chunk in _output(conversation, action, asked=asked)
            )
            return _outbound.kept(chunks)

    def expand(self, coarse: Result) -> list[Result]:
        """The red and green jobs of a workflow. Source: API v2 'Get a workflow's jobs'."""
        facts = _results.facts_of(coarse)
        with (
            _outbound.no_log(),
            talk(
                self.settings, transport=self.transport, otherwise=_outbound.EVENTS
            ) as conversation,
        ):
            asked = asked_about(f"workflow {facts.parent_id} of {facts.repository}")
            jobs = jobs_of(conversation, known(facts.parent_id), asked=asked)
            with asked.readable():
                return _outbound.results([listed(job, facts) for job in jobs])


def _slug(job: _wire.Fields) -> str:
    found = job.text("project_slug")
    if not re.fullmatch(r"[A-Za-z]{2,20}(?:/[A-Za-z0-9._-]{1,100}){2}", found):
        raise job.bad("project_slug", "a slug as gh/owner/name is expected")
    return found


def _actions(build: _wire.Fields) -> list[_wire.Fields]:
    """The steps' actions that have output, in their order; of too many the failed ones."""
    found = [
        action
        for step in build.children("steps")
        for action in step.children("actions")
        if action.link("output_url")
    ]
    failed = [
        action
        for action in found
        if action.flag("failed") or action.label("status") in ("failed", "timedout")
    ]
    return (found if len(found) <= MAX_OUTPUTS else failed)[:MAX_OUTPUTS]


def _output(
    conversation: Conversation, action: _wire.Fields, *, asked: _outbound.Subject
) -> Iterator[bytes]:
    """What one action wrote, under its name and command."""
    answer = conversation.get(action.link("output_url"), limit=_outbound.MAX_LOG)
    asked.check(answer)
    yield f"==> {action.label('name')}\n".encode()
    yield from (text.encode("utf-8", "replace") for text in _messages(answer.body))
    yield b"\n"


def _messages(body: bytes) -> list[str]:
    """A list of `{message, …}`: a log may hold any characters, so it is not read as strictly as
    what decides. Else the text itself.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return [body.decode("utf-8", errors="replace")]
    return (
        [str(one["message"]) for one in found if isinstance(one, dict) and "message" in one]
        if isinstance(found, list)
        else []
    )
