"""What tests of several rooms share: a policy of their own, and a repository with one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.forge import OpenForge
from tests.fakes.models import FakeModel
from tests.fakes.service import Bench


@pytest.fixture
def policy(settings: Any, tmp_path: Path) -> Callable[..., None]:
    """Puts a policy in force: `policy(ai={...}, repository={...}, max_attempts=2)`."""

    def put(*, repository: dict[str, Any] | None = None, **fields: Any) -> None:
        entry = {"match": "*", "clone_url": "/srv/shop.git", **(repository or {})}
        path = tmp_path / "policy.yml"
        path.write_text(yaml.safe_dump({"version": 1, "repositories": [entry], **fields}))
        settings.CI_HEALING = {**settings.CI_HEALING, "POLICY_FILE": path, "POLICY_OVERRIDES": {}}

    return put


@pytest.fixture
def asking(policy: Callable[..., None], tmp_path: Path) -> Callable[..., Bench]:
    """A bench whose repository a model may be asked about; no fixer finds anything."""

    def make(
        model: FakeModel | None = None, *, forge: OpenForge | None = None, **fields: Any
    ) -> Bench:
        policy(**{"repository": {"forge": "forge"} if forge else {}, **fields})
        bench = Bench(fixers=())
        root = tmp_path / "tree"
        root.mkdir(exist_ok=True)
        (root / "shop.py").write_text("bad = 1\n")
        bench.trees.root = root
        bench.use(model=model or FakeModel(), forge=forge)
        return bench

    return make
