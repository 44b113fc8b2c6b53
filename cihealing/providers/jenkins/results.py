"""Results from builds as the REST API shows them."""

from __future__ import annotations

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.jenkins import names
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "jenkins"
RED = ("FAILURE", "UNSTABLE")


def build_result(build: _wire.Fields, *, job: str, page: str, host: str) -> Result:
    """From a build as the REST API shows it."""
    number, revision = build.ident("number"), revision_of(build, "")
    if revision is None:
        return Ignored(reason=f"build {number} of {job} checked nothing out")
    branch = _wire.plain_branch(
        next((one.label("name") for one in revision.children("branch")), "")
    )
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host, job_run_id=names.run_of(f"{page}/{number}/")
        ),
        repository=next(
            (
                found
                for action in build.children("actions")
                for found in _repositories(action)
                if found
            ),
            "",
        ),
        branch="" if branch == "detached" or not _wire.is_branch(branch) else branch,
        commit=revision.commit("SHA1"),
        job=names.job_of(job, branch=branch),
        pipeline_url=f"{page}/{number}/",
    )
    facts = names.of_change(facts, job)
    status = build.label("result").upper()
    if status == "SUCCESS":
        return _results.passed(facts)
    return (
        _results.failed(facts, conclusion=status.lower())
        if status in RED
        else Ignored(reason=f"status {status} is neither red nor green")
    )


def revision_of(build: _wire.Fields, repository: str) -> _wire.Fields | None:
    """What was checked out: of several checkouts (shared libraries have their own) the one of
    `repository`, else the first.
    """
    actions = [action for action in build.children("actions") if "lastBuiltRevision" in action]
    own = [action for action in actions if repository and repository in _repositories(action)]
    return (own or actions)[0].child("lastBuiltRevision") if actions else None


def _repositories(action: _wire.Fields) -> list[str]:
    return [_wire.repository_of(url) for url in action.texts("remoteUrls")[:20]]
