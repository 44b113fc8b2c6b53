"""Small git repositories for tests: an origin one commits to, and the policy that names it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cihealing.domain.policy import RepositoryPolicy


class Origin:
    """A repository with one file a key of `files`; `commit` returns the new commit's id."""

    def __init__(self, root: Path, files: Mapping[str, str] | None = None) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "--quiet", "-b", "main")
        self.first = self.commit(files or {"README": "hello\n"})

    def git(self, *args: str, author: str = "ann@example.org") -> str:
        identity = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Ann"), ("EMAIL", author))
        }
        environment = {
            **os.environ,
            **identity,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        done = subprocess.run(
            ["git", "-C", str(self.root), *args],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(
        self, files: Mapping[str, str], *, author: str = "ann@example.org", message: str = "change"
    ) -> str:
        for name, content in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-m", message, author=author)
        return self.git("rev-parse", "HEAD")

    def policy(self, **changes: object) -> RepositoryPolicy:
        return RepositoryPolicy.model_validate(
            {"match": "*", "clone_url": str(self.root), "forge": "local_git", **changes}
        )
