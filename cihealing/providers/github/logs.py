"""The logs of jobs, and the jobs of workflow runs."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from cihealing.domain.values import Failed, JobFacts, Passed, Result
from cihealing.http import archive_rules, archives
from cihealing.http.client import Conversation
from cihealing.ports import NoLog
from cihealing.providers.github.actions import asked_about, is_id, jobs_at, talk
from cihealing.providers.github.results import job_result, of_run, run_facts
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire


@dataclass(frozen=True)
class GitHubLogs:
    """`ports.Logs`, `ports.Expanding` and `ports.Identifying` at GitHub."""

    settings: GitHubSettings
    transport: httpx.BaseTransport | None = None

    def fetch_log(self, failed: Result) -> str:
        """The job's log, of a workflow run the logs of its jobs, at most 64 MB of it (head and
        tail).

        Sources: REST 'Download job logs for a workflow run', 'Download workflow run attempt logs'.
        """
        facts = _results.facts_of(failed)
        job = facts.execution.job_run_id
        if not is_id(job) and not facts.coarse:
            raise NoLog(
                f"{facts.job!r} is no job of GitHub Actions, GitHub holds no log of it: send it"
                " with `cihealing notify --log build.log`"
            )
        wanted = "the jobs of the workflow and their logs" if facts.coarse else "the log"
        with (
            _outbound.no_log(),
            talk(
                self.settings,
                facts.repository,
                host=facts.execution.host,
                wanted=wanted,
                transport=self.transport,
            ) as conversation,
        ):
            actions, asked = (
                f"/repos/{facts.repository}/actions",
                asked_about(f"{job} of {facts.repository}", facts.repository),
            )
            if facts.coarse:
                return _logs_of_run(
                    conversation,
                    f"{actions}/runs/{facts.parent_id}/attempts/{facts.execution.attempt}/logs",
                    asked=asked,
                )
            return _outbound.whole_log(conversation, f"{actions}/jobs/{job}/logs", asked=asked)

    def expand(self, coarse: Result) -> list[Result]:
        """The red and green jobs of one attempt of a workflow run. Source: REST 'List jobs for a
        workflow run attempt'.
        """
        facts = _results.facts_of(coarse)
        run = f"/repos/{facts.repository}/actions/runs/{facts.parent_id}"
        path = f"{run}/attempts/{facts.execution.attempt}/jobs"
        asked = asked_about(
            f"workflow run {facts.parent_id} of {facts.repository}", facts.repository
        )
        with (
            _outbound.no_log(),
            talk(
                self.settings,
                facts.repository,
                host=facts.execution.host,
                wanted="the list of jobs",
                transport=self.transport,
            ) as conversation,
            asked.readable(),
        ):
            jobs = jobs_at(conversation, path, asked=asked)
            return _outbound.results([_listed_job(job, facts) for job in jobs])

    def identify(self, result: Failed | Passed) -> Failed | Passed:
        """By the job's workflow run. Source: REST 'Get a workflow run'."""
        path = f"/repos/{result.repository}/actions/runs/{result.parent_id}"
        asked = asked_about(
            f"workflow run {result.parent_id} of {result.repository}", result.repository
        )
        with (
            _outbound.no_log(),
            talk(
                self.settings,
                result.repository,
                host=result.execution.host,
                wanted="whose code it built",
                transport=self.transport,
            ) as conversation,
            asked.readable(),
        ):
            run = asked.fields(conversation.get(path))
            facts = run_facts(run, repository=result.repository, host=result.execution.host)
            return _results.checked(of_run(result, facts))


def _logs_of_run(conversation: Conversation, path: str, *, asked: _outbound.Subject) -> str:
    """One log a job, in the jobs' order, from the archive that holds them whole and again step by
    step.
    """
    answer = conversation.get(path, limit=archive_rules.MAX_PACKED)
    asked.check(answer)
    logs = [(name, text) for name, text in archives.read(answer.body) if "/" not in name]
    chunks = (f"==> {name}\n{text}\n".encode() for name, text in logs)
    return _outbound.kept(chunks)


def _listed_job(job: _wire.Fields, facts: JobFacts) -> Result:
    return job_result(job, repository=facts.repository, host=facts.execution.host, run=facts)
