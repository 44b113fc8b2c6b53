from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cihealing.ports import Ran
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.plain import Plain

TROUBLE = Bubblewrap().available()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree inside a directory that stands for the data directory."""
    root = tmp_path / "data" / "tree"
    root.mkdir(parents=True)
    return root


@pytest.fixture(params=["bubblewrap", "plain"])
def run(request: pytest.FixtureRequest, tree: Path) -> Callable[..., Ran]:
    """Runs a command in each of the sandboxes."""
    if request.param == "bubblewrap" and TROUBLE is not None:
        pytest.skip(f"no bubblewrap on this machine: {TROUBLE}")
    sandbox = Bubblewrap() if request.param == "bubblewrap" else Plain(trusted=True)

    def call(
        command: str,
        *,
        timeout: float = 30,
        environment: dict[str, str] | None = None,
        workdir: str = ".",
    ) -> Ran:
        return sandbox.run(
            command, tree=tree, workdir=workdir, environment=environment or {}, timeout=timeout
        )

    return call


@pytest.fixture
def bubblewrap() -> Bubblewrap:
    if TROUBLE is not None:
        pytest.skip(f"no bubblewrap on this machine: {TROUBLE}")
    return Bubblewrap()
