"""Workflows, run again from what failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from cihealing.domain.values import JobFacts, Result
from cihealing.http.client import Conversation
from cihealing.ports import PermanentError
from cihealing.providers.circleci.api import ID, asked_about, jobs_of, known, paged, talk
from cihealing.providers.circleci.results import facts_of, listed, result_of
from cihealing.providers.circleci.settings import CircleCISettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire

ENDED = (
    "success",
    "failed",
    "error",
    "canceled",
    "unauthorized",
    "not_run",
    "infrastructure_fail",
    "timedout",
)


@dataclass(frozen=True)
class CircleCIReruns:
    """`ports.Reruns` at CircleCI."""

    settings: CircleCISettings
    transport: httpx.BaseTransport | None = None

    def rerun(self, execution: Mapping[str, str]) -> str:
        """Rerun the job's workflow from what failed. A later run of it, one more than were asked
        for before, is adopted.

        The handle names the new workflow, the old one and the job (`-`: the workflow itself).
        Source: API v2 'Rerun a workflow'.
        """
        with talk(
            self.settings, transport=self.transport, otherwise=_outbound.NOT_HERE
        ) as conversation:
            workflow, asked = _workflow_of(execution), asked_about("the rerun of a workflow")
            job = execution.get("jobRunId", "")
            with asked.readable():
                later, before = (
                    _later(conversation, workflow, asked=asked),
                    _outbound.asked_before(execution),
                )
                if len(later) <= before:
                    answer = conversation.send(
                        "POST",
                        f"api/v2/workflow/{[workflow, *later][-1]}/rerun",
                        content={"from_failed": True},
                    )
                    later.append(known(asked.fields(answer).ident("workflow_id")))
            return _outbound.handle(
                later[min(before, len(later) - 1)],
                workflow,
                "-" if job.startswith("workflow-") else known(job),
            )

    def rerun_result(self, handle: str) -> Result | None:
        """The result of the job in the new workflow; TransientError until it has ended, None
        without a token.
        """
        if not self.settings.token:
            return None
        new, old, job = _outbound.parts_of(handle, ID, ID, rf"-|{ID}")
        asked = asked_about("the rerun of a workflow")
        with talk(self.settings, transport=self.transport) as conversation, asked.readable():
            workflow = asked.fields(conversation.get(f"api/v2/workflow/{new}"))
            facts = _workflow_facts(conversation, workflow, asked=asked)
            if job == "-":
                return _outbound.ended(
                    result_of(facts, status=workflow.label("status"))
                    if workflow.label("status") in ENDED
                    else None
                )
            names = [
                one.label("name")
                for one in jobs_of(conversation, old, asked=asked)
                if one.label("id") == job
            ]
            again = [
                one
                for one in jobs_of(conversation, new, asked=asked)
                if one.label("name") in names and one.label("id") != job
            ]
            return _outbound.ended(
                listed(again[0], facts) if again and again[0].label("status") in ENDED else None
            )


def _workflow_of(execution: Mapping[str, str]) -> str:
    """The workflow a job is part of: by its own id, by `parentId`, or by the address of its
    page.
    """
    page = re.search(rf"/workflows/({ID})", execution.get("pipelineUrl", ""))
    own = execution.get("jobRunId", "")
    found = (
        own.removeprefix("workflow-")
        if own.startswith("workflow-")
        else execution.get("parentId") or (page[1] if page else "")
    )
    if not re.fullmatch(ID, found):
        raise PermanentError(
            "the workflow of this job is not known: it cannot be rerun from here, run it again at"
            " CircleCI"
        )
    return found


def _later(conversation: Conversation, workflow: str, *, asked: _outbound.Subject) -> list[str]:
    """Ids of the later runs of the same workflow in its pipeline, oldest first."""
    first = asked.fields(conversation.get(f"api/v2/workflow/{workflow}"))
    began = first.moment("created_at")
    others = paged(
        conversation, f"api/v2/pipeline/{known(first.ident('pipeline_id'))}/workflow", asked=asked
    )
    later = [
        (moment, one.ident("id"))
        for one in others
        if one.label("name") == first.label("name") and (moment := one.moment("created_at"))
    ]
    return [known(found) for moment, found in sorted(later) if began and moment > began]


def _workflow_facts(
    conversation: Conversation, workflow: _wire.Fields, *, asked: _outbound.Subject
) -> JobFacts:
    """Of the workflow itself, with what its pipeline says of the source."""
    pipeline = asked.fields(
        conversation.get(f"api/v2/pipeline/{known(workflow.ident('pipeline_id'))}")
    )
    page = {
        "id": workflow.ident("id"),
        "url": f"https://app.circleci.com/pipelines/workflows/{workflow.ident('id')}",
    }
    body = _wire.Fields.of(workflow=_wire.Fields(page), pipeline=pipeline)
    return facts_of(body, workflow, run=f"workflow-{workflow.ident('id')}", coarse=True)
