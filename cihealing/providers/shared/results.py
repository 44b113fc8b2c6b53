"""Results of jobs as they are kept: every value of its declared type, and short enough."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from cihealing.domain.values import Failed, JobFacts, Passed, Result
from cihealing.ports import BadPayload, PermanentError
from cihealing.providers.shared.refs import placed

ResultOfJob = TypeVar("ResultOfJob", bound=Failed | Passed)
LONGEST = {
    "host": 255,
    "job_run_id": 200,
    "parent_id": 200,
    "repository": 300,
    "branch": 300,
    "base_branch": 300,
    "commit": 64,
    "job": 300,
    "definition": 300,
    "head_repository": 300,
    "ref": 300,
    "change": 20,
    "pipeline_url": 2_000,
}
"""Characters each fact of a job may have: the columns they are kept in hold no more."""


def failed(facts: JobFacts, **more: Any) -> Failed:
    """Raises BadPayload as `checked` does."""
    return placed(checked(Failed(**structs.asdict(facts), **more)))


def passed(facts: JobFacts, **more: Any) -> Passed:
    """Raises BadPayload as `checked` does."""
    return placed(checked(Passed(**structs.asdict(facts), **more)))


def checked(result: ResultOfJob) -> ResultOfJob:
    """The result, if every value in it is of the type it was declared with and short enough to be
    kept.

    Python looks at neither; what slips through a provider would be stored, and could never be read
    again. Raises BadPayload.
    """
    told = msgspec.to_builtins(result, builtin_types=(datetime,))
    try:
        msgspec.convert(told, type(result), strict=True)
    except msgspec.ValidationError as error:
        raise BadPayload(f"this result cannot be kept: {error}") from None
    facts = {**told, **told["execution"]}
    for name, most in LONGEST.items():
        if len(facts.get(name, "")) > most:
            raise BadPayload(f"{name} of the job has more than the {most} characters that are kept")
    return result


def facts_of(result: Result) -> JobFacts:
    """Raises PermanentError for what is no result of a job."""
    if not isinstance(result, JobFacts):
        raise PermanentError("an ignored event has no job")
    return result


def own_change(repository: object, branch: object) -> tuple[str, str] | None:
    """Repository and branch, where both are told and the branch is one the service made."""
    if isinstance(repository, str) and isinstance(branch, str) and branch.startswith("cihealing/"):
        return repository[:300], branch[:300]
    return None


def at(value: Any, *path: str) -> Any:
    """What stands at the path of a payload nobody vouches for; None where nothing does."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value
