"""Say which command stands for the job that failed: from policy or from the base branch, never from
a payload or a log.
"""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordProject
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import PermanentError, Tools

UNKNOWN = (
    "no command is known for this job: name one under `projects` in the policy, or in"
    " `.cihealing.yml` on the base branch; what a log or a payload says was run is never executed"
)


def find_project(
    effect: f.FindProject, *, run: RunState, policy: Policy, tools: Tools
) -> RecordProject:
    repository = policy.repository(run.failure.repository)
    base = repository.target_branch or run.failure.base_branch or run.failure.branch
    try:
        at = tools.trees.head(run.failure.repository, base, policy=repository) or run.failure.commit
        project = tools.runner.project(
            run.failure.repository,
            run.failure.commit,
            base=at,
            job=run.failure.job,
            command_hint=run.failure.command,
            policy=repository,
        )
    except PermanentError as error:
        return RecordProject(command="", reason=str(error))
    if project is None:
        return RecordProject(command="", reason=UNKNOWN)
    stored = tools.artifacts.put(project.model_dump_json(), kind="project")
    source = "policy" if project in repository.projects else "the repository"
    return RecordProject(
        command=project.command, workdir=project.path, source=source, project=stored
    )


HANDLER = EffectHandler(f.FindProject, find_project)
