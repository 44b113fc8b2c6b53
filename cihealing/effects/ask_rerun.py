"""Ask CI to run the unchanged commit again, within the cap that counts per (repository, commit, CI
job).
"""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import LoseRerun, RecordRerun
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import PermanentError, Tools


def ask_rerun(
    effect: f.AskRerun, *, run: RunState, policy: Policy, tools: Tools
) -> RecordRerun | LoseRerun:
    asked = tools.history.reruns(run.failure.repository, run.failure.commit, run.failure.job)
    if asked >= policy.max_auto_reruns:
        return LoseRerun(
            number=effect.number,
            reason=f"{asked} reruns of this job on this commit were asked for already",
        )
    reruns = tools.reruns.get(run.failure.provider)
    if reruns is None:
        return LoseRerun(
            number=effect.number,
            reason=f"jobs of {run.failure.provider} are not rerun from here: run the job again"
            " there, its result is picked up",
        )
    try:
        handle = reruns.rerun(execution_of(run, number=effect.number, asked=asked, tools=tools))
    except PermanentError as error:
        return LoseRerun(number=effect.number, reason=str(error))
    return RecordRerun(number=effect.number, handle=handle)


HANDLER = EffectHandler(f.AskRerun, ask_rerun)


def execution_of(run: RunState, *, number: int, asked: int, tools: Tools) -> dict[str, str]:
    """What a provider needs to find the job again. `asked`: reruns of this job on this commit
    before, over all runs.
    """
    ref = run.failure.execution
    return {
        "repository": run.failure.repository,
        "branch": run.failure.branch,
        "commit": run.failure.commit,
        "job": run.failure.job,
        "host": ref.host if ref else "",
        "jobRunId": ref.job_run_id if ref else "",
        "attempt": str(ref.attempt if ref else 1),
        "pipelineUrl": run.failure.pipeline_url,
        "parentId": tools.history.parent_of(ref) if ref else "",
        "asked": str(asked),
        "rerun": f"{run.id}-{run.generation}-{number}",
    }
