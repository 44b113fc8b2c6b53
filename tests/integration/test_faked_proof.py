"""A proof cannot be faked: what makes the command green without healing the failure is seen, with
the guard and without it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cihealing import guard
from cihealing.domain.events import Envelope
from cihealing.domain.evolve import evolve
from cihealing.domain.policy import Policy, Project, ProofRepeats
from cihealing.domain.proof import faults
from cihealing.domain.run import RunState, Seen
from cihealing.domain.values import SERVICE, Colour, Observation, Purpose
from cihealing.ports import PermanentError
from cihealing.settings import SandboxSettings
from cihealing.workshop.runner import ProjectRunner
from cihealing.workshop.sandbox.choice import trouble_with
from cihealing.workshop.sandbox.toolchain import toolchain
from cihealing.workshop.trees import GitTrees
from tests.domain.world import NOW, RUN, queued
from tests.workshop.repositories import Origin

pytestmark = pytest.mark.skipif(
    trouble_with(toolchain({})) is not None, reason="bubblewrap does not work here"
)

SHOP = "def total(prices):\n    return sum(prices) + 1\n"
TESTS = """\
from shop import total


def test_total():
    assert total([1, 2]) == 3


def test_type():
    assert isinstance(total([1]), int)
"""
FILES = {"shop.py": SHOP, "tests/test_shop.py": TESTS, "pytest.ini": "[pytest]\npythonpath = .\n"}
HONEST = {"shop.py": SHOP.replace(" + 1", "")}
SWALLOW = """\
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome = "passed"
"""
ONLY_THAT = SWALLOW.replace(
    "    report.outcome", '    if item.name == "test_total":\n        report.outcome'
)
QUIT = "def pytest_sessionfinish(session, exitstatus):\n    session.exitstatus = 0\n"
QUIT_HARD = "import os\n\n\ndef pytest_sessionfinish(session, exitstatus):\n    os._exit(0)\n"
DESELECT = """\
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.name != "test_total"]
"""
SKIP = TESTS.replace("from shop", "import pytest\nfrom shop").replace(
    "def test_total", "@pytest.mark.skip\ndef test_total"
)
FAKES: dict[str, dict[str, str | None]] = {
    "deletes the test": {
        "tests/test_shop.py": TESTS[: TESTS.index("def test_total")]
        + TESTS[TESTS.index("def test_type") :]
    },
    "deletes the test's file": {
        "tests/test_shop.py": None,
        "tests/test_other.py": "def test_other():\n    assert True\n",
    },
    "skips it": {"tests/test_shop.py": SKIP},
    "expects its failure": {"tests/test_shop.py": SKIP.replace("mark.skip", "mark.xfail")},
    "renames it away": {"tests/test_shop.py": TESTS.replace("def test_total", "def total_test")},
    "deselects it in the configuration": {
        "pytest.ini": "[pytest]\npythonpath = .\naddopts = -k type\n"
    },
    "swallows failures": {"conftest.py": SWALLOW},
    "deselects it in a hook": {"conftest.py": DESELECT},
    "exits with 0": {"conftest.py": QUIT},
    "leaves before the report": {"conftest.py": QUIT_HARD},
}
POLICY = Policy(proof_repeats=ProofRepeats(red=1, green=1, red_after=1, steady=1))
PROJECT = Project(command="python -m pytest -q")


class Lab:
    """One failing repository, its red runs, and what a patch would be seen to do."""

    def __init__(self, root: Path) -> None:
        self.origin = Origin(root / "origin", FILES)
        self.trees = GitTrees(root / "mirrors")
        self.runner = ProjectRunner(self.trees, settings=SandboxSettings())
        self.red = self.observe("")

    def observe(self, patch: str, *, canary: bool = False) -> Observation:
        rules = self.origin.policy()
        tests = ("tests/test_shop.py::test_total",) if canary else ()
        seen, _ = self.runner.observe(
            "acme/shop",
            self.origin.first,
            project=PROJECT,
            policy=rules,
            patch=patch,
            canary=canary,
            tests=tests,
        )
        return seen

    def patch(self, changes: dict[str, str | None]) -> str:
        with self.trees.at("acme/shop", self.origin.first, policy=self.origin.policy()) as tree:
            for name, content in changes.items():
                if content is None:
                    (tree.root / name).unlink()
                else:
                    (tree.root / name).write_text(content)
            return self.trees.diff(tree)

    def faults(self, patch: str) -> list[str]:
        green, canary = self.observe(patch), self.observe(patch, canary=True)
        order = [
            (Purpose.RED_BEFORE, self.red),
            (Purpose.GREEN, green),
            (Purpose.RED_AFTER, self.red),
            (Purpose.CANARY, canary),
        ]
        return faults(
            self.run(),
            [Seen(purpose=p, seen=o, at=NOW) for p, o in order],
            others=[self.red],
            policy=POLICY,
        )

    def run(self) -> RunState:
        facts = {
            "error_hash": self.red.error_hash,
            "error_type": self.red.error_type,
            "failed_tests": self.red.failed_tests,
        }
        fact = queued(commit=self.origin.first, **facts)
        return evolve(RunState(id=RUN), Envelope(event=fact, at=NOW, actor=SERVICE, source="test"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


def test_the_honest_fix_is_proven(lab: Lab) -> None:
    assert lab.red.colour is Colour.RED
    patch = lab.patch(dict(HONEST))
    assert lab.faults(patch) == []
    assert not [o for o in guard.check(patch, policy=POLICY) if o.hard]


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_is_seen_by_the_proof_alone(lab: Lab, name: str) -> None:
    assert lab.faults(lab.patch(FAKES[name]))


@pytest.mark.parametrize(
    "changes",
    [*FAKES.values(), {"conftest.py": ONLY_THAT}],
    ids=[*FAKES, "swallows the one failure"],
)
def test_a_fake_is_refused_by_the_guard_before_it_is_run(
    lab: Lab, changes: dict[str, str | None]
) -> None:
    assert [o for o in guard.check(lab.patch(changes), policy=POLICY) if o.hard]


OUTSIDE = """\
diff --git a/../outside.py b/../outside.py
new file mode 100644
--- /dev/null
+++ b/../outside.py
@@ -0,0 +1 @@
+x = 1
"""
LINK = """\
diff --git a/link b/link
new file mode 120000
--- /dev/null
+++ b/link
@@ -0,0 +1 @@
+/etc/passwd
\\ No newline at end of file
"""


@pytest.mark.parametrize("patch", [OUTSIDE, LINK], ids=["outside", "link"])
def test_a_patch_that_reaches_outside_the_tree_is_refused_by_the_guard(patch: str) -> None:
    assert [o for o in guard.check(patch, policy=POLICY) if o.hard]


def test_a_patch_that_reaches_outside_the_tree_cannot_even_be_applied(lab: Lab) -> None:
    with pytest.raises(PermanentError):
        lab.observe(OUTSIDE)
