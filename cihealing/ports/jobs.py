"""What may be asked of a CI about its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cihealing.domain.values import Failed, Passed, Result


class Logs(Protocol):
    def fetch_log(self, failed: Result) -> str:
        """The log of a failed job. Raises NoLog, TransientError (not there yet)."""


class Expanding(Protocol):
    def expand(self, coarse: Result) -> list[Result]:
        """The job results a coarse (workflow, pipeline) result stands for. Raises NoLog,
        TransientError.
        """


class Identifying(Protocol):
    def identify(self, result: Failed | Passed) -> Failed | Passed:
        """The result with what its sender did not say: whose code was built, and of which
        definition the job is. It stays partial where nobody can tell. Raises NoLog, TransientError.
        """


class Reruns(Protocol):
    def rerun(self, execution: Mapping[str, str]) -> str:
        """Ask CI to run the job again on the same commit; returns a handle of at most 200
        characters.

        `execution` says repository, branch, commit, job, host, jobRunId, attempt, parentId,
        pipelineUrl and how many were `asked` for before; `rerun` tells one rerun from another.
        Asked for the same `rerun` again it may answer the same. Raises TransientError,
        PermanentError.
        """

    def rerun_result(self, handle: str) -> Result | None:
        """The result of a rerun where this provider can tell; None where it will arrive as a
        webhook.

        Raises TransientError with `retry_after` while the rerun has not ended. Ignored: it was
        cancelled or skipped.
        """
