"""Jobs, retried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from cihealing.domain.values import Result
from cihealing.http.client import Conversation
from cihealing.ports import PermanentError
from cihealing.providers.buildkite.api import JOB, ROOT, asked_about, build_path, talk
from cihealing.providers.buildkite.results import ENDED, of_build
from cihealing.providers.buildkite.settings import BuildkiteSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire


@dataclass(frozen=True)
class BuildkiteReruns:
    """`ports.Reruns` at Buildkite."""

    settings: BuildkiteSettings
    transport: httpx.BaseTransport | None = None

    def rerun(self, execution: Mapping[str, str]) -> str:
        """Retry the job. A retry of it that is there already, one more than were asked for before,
        is adopted.

        The handle names the build and the retry's own job. Source: Jobs API, 'Retry a job': each
        job is retried once, then its retry is.
        """
        job, scope = execution.get("jobRunId", ""), "read_builds and write_builds"
        with talk(
            self.settings, scope=scope, transport=self.transport, otherwise=_outbound.NOT_HERE
        ) as conversation:
            build, asked = (
                build_path(execution.get("pipelineUrl", "")),
                asked_about(f"the retry of job {job[:36]}", scope=scope),
            )
            if not re.fullmatch(JOB, job):
                raise PermanentError(
                    f"{job[:100]!r} is no job of Buildkite: it cannot be rerun from here"
                )
            with asked.readable():
                retries, before = (
                    _retries(_whole(conversation, build, asked=asked), job),
                    _outbound.asked_before(execution),
                )
                if len(retries) <= before:
                    made = asked.fields(
                        conversation.send("PUT", f"{build}/jobs/{[job, *retries][-1]}/retry")
                    )
                    retries.append(made.ident("id"))
            return _outbound.handle(
                build.removeprefix(ROOT), retries[min(before, len(retries) - 1)]
            )

    def rerun_result(self, handle: str) -> Result | None:
        """The result of the retry; TransientError until it has ended, None without a token."""
        if not self.settings.token:
            return None
        build, job = _outbound.parts_of(
            handle, r"[A-Za-z0-9_-]+/pipelines/[A-Za-z0-9_-]+/builds/[0-9]+", JOB
        )
        asked = asked_about(f"job {job}", scope="read_builds")
        with (
            talk(self.settings, scope="read_builds", transport=self.transport) as conversation,
            asked.readable(),
        ):
            found = _whole(conversation, f"{ROOT}{build}", asked=asked)
            ended = [
                one
                for one in found.children("jobs")
                if one.label("id") == job and one.label("state").lower() in ENDED
            ]
            return _outbound.ended(of_build(found, ended[0]) if ended else None)


def _whole(conversation: Conversation, build: str, *, asked: _outbound.Subject) -> _wire.Fields:
    return asked.fields(conversation.get(build, params={"include_retried_jobs": "true"}))


def _retries(build: _wire.Fields, job: str) -> list[str]:
    """Ids of the jobs that retried the job and one another, oldest first."""
    after = {one.label("id"): one.label("retried_in_job_id") for one in build.children("jobs")}
    found: list[str] = []
    while (
        re.fullmatch(JOB, following := after.get(([job, *found])[-1], ""))
        and following not in found
    ):
        found.append(following)
    return found
