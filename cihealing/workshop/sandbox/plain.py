"""The plain runner: repository code as a child process, for repositories the operator marked
`trusted`.

It keeps the worker's environment from the command, bounds time, output and single processes and
files, and leaves no process behind. It hides neither files nor network and bounds nothing in total:
that takes bubblewrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cihealing.domain.policy import Limits
from cihealing.ports import PermanentError, Ran, TransientError
from cihealing.scratch import scratch
from cihealing.workshop import process
from cihealing.workshop.sandbox.toolchain import default_toolchain, variables


class Plain:
    name = "plain"

    def __init__(
        self,
        *,
        trusted: bool,
        toolchain: Sequence[Path] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Raises PermanentError unless the caller says that the repository is trusted."""
        if trusted is not True:
            raise PermanentError(
                "the plain runner takes trusted repositories only: mark the repository `trusted:"
                " true` in the policy"
            )
        self.toolchain = tuple(default_toolchain() if toolchain is None else toolchain)
        self.limits = limits or Limits()

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
        results: Path | None = None,
    ) -> Ran:
        process.require_workdir(tree, workdir)
        argv = ["/bin/sh", "-c", command]
        with scratch("home") as home:
            values = {**self.environment(home), **environment}
            try:
                return process.run(
                    argv,
                    cwd=tree / workdir,
                    environment=values,
                    timeout=timeout,
                    output_mb=self.limits.output_mb,
                )
            except OSError as error:
                raise TransientError(f"the command could not be started: {error}") from error

    def environment(self, home: Path) -> dict[str, str]:
        return {"HOME": str(home), "TMPDIR": str(home), **variables(self.toolchain)}

    def inside(self, results: Path) -> str:
        """Where the command finds the results directory."""
        return str(results)
