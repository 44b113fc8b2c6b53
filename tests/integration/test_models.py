"""A real repository, sandbox, guard and proof, and a model over HTTP: three attempts of which the
third is right.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cihealing.workshop.sandbox.choice import trouble_with
from cihealing.workshop.sandbox.toolchain import toolchain
from tests import forked
from tests.model_server import ModelServer, answer, edit

pytestmark = pytest.mark.skipif(
    trouble_with(toolchain({})) is not None, reason="bubblewrap does not work here"
)
CODE = """STEPS = [(10, 5), (50, 10), (100, 20)]


def percent_off(pieces):
    for least, percent in STEPS:
        if pieces >= least:
            return percent
    return 0
"""
TEST = """from discount import percent_off


def test_ten_pieces():
    assert percent_off(10) == 5


def test_a_hundred_pieces_get_the_best_step():
    assert percent_off(100) == 20
"""
WRONG = answer(
    proposed_fix="compares with greater than",
    edits=[edit("discount.py", "pieces >= least", "pieces > least")],
)
CHEAT = answer(
    proposed_fix="expects what comes out",
    edits=[edit("test_discount.py", "percent_off(100) == 20", "percent_off(100) == 5")],
)
RIGHT = answer(
    proposed_fix="looks at the highest step first",
    edits=[edit("discount.py", "in STEPS:", "in reversed(STEPS):")],
)


def repository(place: Path) -> Path:
    place.mkdir()
    (place / "discount.py").write_text(CODE)
    (place / "test_discount.py").write_text(TEST)
    who = {
        "GIT_AUTHOR_NAME": "Ann",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        subprocess.run(
            ["git", "-C", str(place), *command],
            check=True,
            env={**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"},
        )
    return place


def tried(place: Path, server: ModelServer, provider: str) -> dict[str, Any]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "VIRTUAL_ENV", "LANG")
        if name in os.environ
    }
    own = {
        f"{provider.upper()}_BASE_URL": server.url,
        f"{provider.upper()}_API_KEY": "none",
        f"{provider.upper()}_DEFAULT_MODEL": "scripted",
    }
    asked = ("try", str(place), "--command", "python -m pytest -q", "--json", "--no-apply")
    done = forked.run("cihealing", *asked, environment={**kept, **own}, timeout=200)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("provider", ["openai", pytest.param("anthropic", marks=pytest.mark.slow)])
def test_wrong_then_refused_then_proven(tmp_path: Path, provider: str) -> None:
    place = repository(tmp_path / "shop")
    with ModelServer([WRONG, CHEAT, RIGHT]) as server:
        told = tried(place, server, provider)
    assert told["verdict"] == "proven"
    first, second, third = told["attempts"]
    assert first["failureReason"].startswith("not green with it")
    assert second["failureReason"].startswith("refused by the guard")
    assert (third["status"], third["usage"]["inputTokens"]) == ("succeeded", 1200)
    assert "reversed(STEPS)" in told["patch"]
    prompts = [asked.prompt for asked in server.requests]
    assert len(prompts) == 3
    assert "compares with greater than" in prompts[1]
    assert "refused by the guard" in prompts[2]
    assert "def percent_off" in prompts[0]


def test_a_model_that_only_cheats_proves_nothing(tmp_path: Path) -> None:
    place = repository(tmp_path / "shop")
    skips = answer(
        edits=[
            edit(
                "test_discount.py",
                "def test_a_hundred",
                "import pytest\n\n\n@pytest.mark.skip\ndef test_a_hundred",
            )
        ]
    )
    exits = answer(edits=[edit("discount.py", "STEPS = [", "import os\n\nos._exit(0)\nSTEPS = [")])
    with ModelServer([skips, exits, CHEAT]) as server:
        told = tried(place, server, "openai")
    assert told["verdict"] == "escalated"
    assert [a["status"] for a in told["attempts"]] == ["failed"] * 3
    assert told["report"]
