"""Whose code a result is of, and which definition its job: where its sender does not say."""

from __future__ import annotations

from msgspec import structs

from cihealing import service
from cihealing.domain.values import Failed, Passed
from cihealing.ports import NoLog, PermanentError, Tools


def identified(result: Failed | Passed, tools: Tools) -> Failed | Passed:
    """The provider is asked, else the commit speaks: what a branch of the repository holds is its
    own. Else the result stays partial. Raises TransientError.
    """
    if not result.partial:
        return result
    identifying = tools.identifying.get(result.execution.provider)
    try:
        if identifying:
            return identifying.identify(result)
    except NoLog:
        pass
    own = bool(result.definition and result.branch) and _on_branch(result, tools)
    return structs.replace(result, partial=not own)


def _on_branch(result: Failed | Passed, tools: Tools) -> bool:
    repository = service.current_policy().repository(result.repository)
    try:
        base = tools.trees.merge_base(
            result.repository, result.commit, result.branch, policy=repository
        )
    except PermanentError:
        return False
    return base == result.commit
