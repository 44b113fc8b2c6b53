"""Small trees, failures as reading gives them, and contexts over both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cihealing.domain.policy import Project
from cihealing.domain.values import Failure, Frame, Line
from cihealing.ports import FixContext, Ran, Sandbox, Tree
from cihealing.workshop.sandbox.plain import Plain


class NoSandbox:
    """For fixers that must run nothing."""

    name = "none"

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
    ) -> Ran:
        raise AssertionError(f"ran {command}")


def failure(
    *log: str, frames: tuple[tuple[str, int], ...] = (), summary: str = "", command: str = ""
) -> Failure:
    return Failure(
        error_hash="v1:0",
        strong=True,
        error_type="x",
        summary=summary or (log[0] if log else ""),
        command=command,
        excerpt=tuple(Line(line=n, text=t) for n, t in enumerate(log, 1)),
        frames=tuple(Frame(file=f, line=n) for f, n in frames),
    )


def write(tree: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def read(tree: Path) -> dict[str, str]:
    """Every file but caches, links not followed."""
    return {
        p.relative_to(tree).as_posix(): p.read_bytes().decode()
        for p in sorted(tree.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }


def context(
    tree: Path,
    failed: Failure,
    *,
    command: str = "",
    path: str = ".",
    sandbox: Sandbox | None = None,
) -> FixContext:
    return FixContext(
        failure=failed,
        repository="acme/shop",
        commit="1" * 40,
        project=Project(command=command, path=path),
        tree=Tree(root=tree),
        sandbox=sandbox or NoSandbox(),
    )


def plain() -> Sandbox:
    return Plain(trusted=True)
