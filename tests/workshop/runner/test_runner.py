"""The runner over real repositories, a real sandbox and real test tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cihealing import secrecy
from cihealing.domain.policy import Project
from cihealing.domain.values import Colour, Observation
from cihealing.ports import PermanentError
from cihealing.settings import SandboxSettings
from cihealing.workshop.runner import ProjectRunner
from cihealing.workshop.runner.canary import mark_of
from cihealing.workshop.sandbox import Room
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.plain import Plain
from cihealing.workshop.trees import GitTrees
from tests.workshop.repositories import Origin

REPOSITORY = "acme/shop"
CALC = "def add(a, b):\n    return a - b\n"
TESTS = (
    "from calc import add\n\n\ndef test_adds():\n    assert add(1, 2) == 3\n\n\ndef test_zero():\n "
    "   assert add(0, 0) == 0\n"
)
PYTEST = Project(command="python -m pytest -q")
ADDS, ZERO = "tests/test_calc.py::test_adds", "tests/test_calc.py::test_zero"
FIX = """\
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""

Observe = Callable[..., Observation]


@pytest.fixture(scope="module")
def room() -> Room:
    """bubblewrap where it works; these tests are about results, so the plain runner will do
    elsewhere.
    """
    sandbox = Bubblewrap()
    return sandbox if sandbox.available() is None else Plain(trusted=True)


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(
        tmp_path / "origin", {"calc.py": CALC, "tests/test_calc.py": TESTS, "conftest.py": ""}
    )


@pytest.fixture
def runner(tmp_path: Path, room: Room) -> ProjectRunner:
    return ProjectRunner(
        GitTrees(tmp_path / "mirrors"), settings=SandboxSettings(), sandbox_for=lambda _policy: room
    )


@pytest.fixture
def observe(runner: ProjectRunner, origin: Origin) -> Observe:
    def call(project: Project = PYTEST, *, commit: str = "", **more: object) -> Observation:
        at = commit or origin.first
        return runner.observe(REPOSITORY, at, project=project, policy=origin.policy(), **more)[0]  # type: ignore[arg-type]

    return call


def added(file: str, text: str) -> str:
    lines = text.splitlines()
    return f"--- /dev/null\n+++ b/{file}\n@@ -0,0 +1,{len(lines)} @@\n" + "".join(
        f"+{line}\n" for line in lines
    )


def replaced(file: str, old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    body = "".join(f"-{line}\n" for line in before) + "".join(f"+{line}\n" for line in after)
    return f"--- a/{file}\n+++ b/{file}\n@@ -1,{len(before)} +1,{len(after)} @@\n{body}"


def test_a_red_run_names_its_tests_and_its_error(observe: Observe, origin: Origin) -> None:
    seen = observe()
    assert (seen.colour, seen.exit_code, seen.counts_tests, seen.collected) == (
        Colour.RED,
        1,
        True,
        2,
    )
    assert (seen.failed_tests, seen.passed_tests) == ((ADDS,), (ZERO,))
    assert (seen.error_type, seen.error_hash[:3], seen.rule) == ("AssertionError", "v2:", "")
    assert seen.commit == origin.first
    assert seen.tree == origin.git("rev-parse", "HEAD^{tree}")
    assert "1 failed" in seen.log_tail
    assert "generated xml file" not in seen.log_tail
    assert seen.violations == ()


def test_a_patched_run_is_green_in_the_same_environment(observe: Observe) -> None:
    red, green = observe(), observe(patch=FIX)
    assert (green.colour, green.failed_tests, green.passed_tests) == (
        Colour.GREEN,
        (),
        (ADDS, ZERO),
    )
    assert (green.error_hash, green.environment) == ("", red.environment)
    assert green.tree != red.tree


def test_tests_run_alone(observe: Observe) -> None:
    seen = observe(variant="isolated", tests=[ADDS])
    assert (seen.failed_tests, seen.collected) == ((ADDS,), 1)
    own = Project(command="make nonsense", isolated="python -m pytest -q {test}")
    assert observe(own, variant="isolated", tests=[ZERO, ADDS]).exit_code == 1
    assert observe(own, variant="isolated", tests=[ZERO]).colour is Colour.GREEN


def test_the_verbose_variant_says_more(observe: Observe) -> None:
    assert f"{ZERO} PASSED" in observe(variant="verbose").log_tail
    assert (
        observe(Project(command="false", verbose="echo more words"), variant="verbose").log_tail
        == "more words\n"
    )


def test_pytest_behind_a_script_is_counted_too(observe: Observe, origin: Origin) -> None:
    commit = origin.commit({"Makefile": "test:\n\t@python -m pytest -q\n"})
    seen = observe(Project(command="make test"), commit=commit)
    assert (seen.colour, seen.failed_tests, seen.collected) == (Colour.RED, (ADDS,), 2)


def test_a_project_below_the_root_runs_there(observe: Observe, origin: Origin) -> None:
    commit = origin.commit(
        {
            "back/test_here.py": (
                "import os\ndef test_here(): assert os.path.exists('test_here.py')\n"
            ),
            "back/pytest.ini": "[pytest]\n",
        }
    )
    seen = observe(
        Project(path="back", command="pytest -q", environment={"PYTEST_ADDOPTS": "-k here"}),
        commit=commit,
    )
    assert (seen.colour, seen.passed_tests) == (Colour.GREEN, ("test_here.py::test_here",))
    with pytest.raises(PermanentError, match="path"):
        observe(Project(path="gone", command="true"))


UNIT = """\
import unittest
from calc import add

class T(unittest.TestCase):
    def test_a(self):
        self.assertEqual(add(1, 2), 3)
    def test_b(self):
        pass

if __name__ == '__main__':
    unittest.main()
"""


def test_unittest_is_counted(observe: Observe, origin: Origin) -> None:
    commit = origin.commit({"test_unit.py": UNIT})
    project = Project(command="python -m unittest test_unit")
    seen = observe(project, commit=commit)
    assert (seen.failed_tests, seen.passed_tests) == (
        ("test_unit.T.test_a",),
        ("test_unit.T.test_b",),
    )
    canary = observe(project, commit=commit, patch=FIX, canary=True, tests=["test_unit.T.test_a"])
    assert canary.canary_red
    assert canary.passed_tests == ("test_unit.T.test_a", "test_unit.T.test_b")
    direct = observe(
        Project(command="python test_unit.py -v"),
        commit=commit,
        patch=FIX,
        canary=True,
        tests=["test_unit.T.test_a"],
    )
    assert direct.canary_red


def test_the_policys_junit_file_is_read_and_a_committed_one_is_not(
    observe: Observe, origin: Origin
) -> None:
    forged = '<testsuite><testcase classname="calc" name="adds"/></testsuite>'
    script = 'mkdir -p out; [ -n "$LATE" ] || exit 1; cp late.xml out/r.xml; exit 1'
    commit = origin.commit({"out/r.xml": forged, "run.sh": script, "late.xml": forged})
    silent = observe(Project(command="sh run.sh", junit="out/*.xml"), commit=commit)
    assert (silent.counts_tests, silent.colour) == (False, Colour.RED)
    said = observe(
        Project(command="sh run.sh", junit="out/*.xml", environment={"LATE": "1"}), commit=commit
    )
    assert (said.counts_tests, said.passed_tests) == (True, ("calc.adds",))


def test_a_failed_setup_is_an_environment_that_is_not_there(observe: Observe) -> None:
    seen = observe(Project(command="true", setup="echo 'no such package: left-pad' >&2; exit 4"))
    assert seen.colour is Colour.UNAVAILABLE
    assert "no such package: left-pad" in seen.missing
    assert "exit code 4" in seen.missing


def test_setup_and_command_share_the_tree(observe: Observe) -> None:
    seen = observe(Project(command="cat made", setup="echo made by setup > made"))
    assert (seen.colour, seen.log_tail) == (Colour.GREEN, "made by setup\n")
    assert seen.environment != observe(Project(command="true")).environment


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("nonsense-tool --run", "nonsense-tool"),
        ("python -m nonsense_module", "No module named nonsense_module"),
        ("exec nonsense-tool", "nonsense-tool"),
    ],
)
def test_a_missing_tool_is_named(observe: Observe, command: str, missing: str) -> None:
    seen = observe(Project(command=command))
    assert seen.colour is Colour.UNAVAILABLE
    assert missing in seen.missing


def test_a_run_that_takes_too_long_is_told_from_a_red_one(observe: Observe) -> None:
    seen = observe(Project(command="echo begun; sleep 60", timeout=1))
    assert (seen.colour, seen.exit_code, seen.log_tail) == (Colour.TIMED_OUT, None, "begun\n")


def test_secrets_of_the_service_are_masked(runner: ProjectRunner, origin: Origin) -> None:
    secrecy.learn("a-very-private-token")
    project = Project(command="echo a-very-private-token; false")
    seen, log = runner.observe(REPOSITORY, origin.first, project=project, policy=origin.policy())
    assert "a-very-private-token" not in log + seen.log_tail


def test_names_of_tests_and_what_is_missing_hold_no_secret(
    runner: ProjectRunner, origin: Origin
) -> None:
    secrecy.learn("a-very-private-token")
    commit = origin.commit(
        {
            "late.xml": (
                '<testsuite><testcase classname="calc"'
                ' name="adds[a-very-private-token]"/></testsuite>'
            )
        }
    )
    project = Project(command="mkdir -p out; cp late.xml out/r.xml; false", junit="out/*.xml")
    seen, _ = runner.observe(REPOSITORY, commit, project=project, policy=origin.policy())
    assert seen.passed_tests[0].startswith("calc.adds[[redacted:known:")
    failing = Project(command="true", setup="echo no access with a-very-private-token; exit 4")
    unset, _ = runner.observe(REPOSITORY, commit, project=failing, policy=origin.policy())
    assert "no access with [redacted:known:" in unset.missing


def test_the_canary_is_reported_by_an_honest_runner(observe: Observe) -> None:
    seen = observe(patch=FIX, canary=True, tests=[ADDS])
    assert seen.canary_red
    assert seen.passed_tests == (ADDS, ZERO)
    mark = mark_of(tree=seen.tree, commit=seen.commit, purpose="canary")
    assert seen.failed_tests == (f"tests/test_calc.py::test_adds_{mark}",)
    assert seen.violations == ()


@pytest.mark.parametrize(
    "command",
    [
        "pytest -q -x tests",
        f"pytest -q {ADDS}",
        "pytest -q -k test_adds",
        "cd tests && PYTHONPATH=.. pytest -q test_calc.py || exit 9",
    ],
)
def test_the_canary_is_collected_as_the_failed_test_is(observe: Observe, command: str) -> None:
    assert observe(Project(command=command), patch=FIX, canary=True, tests=[ADDS]).canary_red


def test_without_a_known_failed_test_the_canary_goes_to_the_first_test_file(
    observe: Observe,
) -> None:
    assert observe(patch=FIX, canary=True).canary_red


def test_a_canary_that_is_not_the_only_red_one_shows_nothing(observe: Observe) -> None:
    seen = observe(canary=True, tests=[ADDS])
    assert len(seen.failed_tests) == 2
    assert not seen.canary_red


SWALLOW = """\
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.outcome = "passed"
"""


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(
            replaced("calc.py", CALC, CALC) + added("tests/conftest.py", SWALLOW), id="swallow"
        ),
        pytest.param(added("tests/conftest.py", "import os\nos._exit(0)"), id="exit 0"),
        pytest.param(
            added(
                "tests/conftest.py", "def pytest_collection_modifyitems(items):\n    items[:] = []"
            ),
            id="collect nothing",
        ),
        pytest.param(
            added(
                "tests/conftest.py",
                "def pytest_sessionfinish(session):\n    import os\n    os._exit(0)",
            ),
            id="exit at the end",
        ),
        pytest.param(added("pytest.ini", "[pytest]\naddopts = --collect-only"), id="collect only"),
        pytest.param(
            replaced(
                "tests/test_calc.py",
                TESTS,
                "import pytest\npytestmark = pytest.mark.skip\n" + TESTS,
            ),
            id="skip",
        ),
        pytest.param(
            replaced(
                "tests/test_calc.py",
                TESTS,
                "import pytest\npytestmark = pytest.mark.xfail\n" + TESTS,
            ),
            id="xfail",
        ),
        pytest.param(
            replaced("tests/test_calc.py", TESTS, "def test_zero():\n    pass\n"), id="delete"
        ),
    ],
)
def test_a_patch_that_silences_the_tests_shows(observe: Observe, patch: str) -> None:
    """Either the failed test is not among the passed ones, or the canary is not red."""
    green, canary = observe(patch=patch), observe(patch=patch, canary=True, tests=[ADDS])
    assert not (green.colour is Colour.GREEN and ADDS in green.passed_tests and canary.canary_red)


def test_exit_code_and_results_must_agree(observe: Observe) -> None:
    seen = observe(Project(command="python -m pytest -q; exit 0"))
    assert seen.colour is Colour.GREEN
    assert seen.failed_tests == (ADDS,)
    assert seen.violations == ("exit code 0 although 1 tests failed",)


def test_a_command_that_rewrites_its_own_tests_is_told_on(observe: Observe) -> None:
    seen = observe(
        Project(
            command="echo 'def test_adds(): pass' > tests/test_calc.py; echo > notes.txt; pytest -q"
        )
    )
    assert seen.colour is Colour.GREEN
    assert seen.violations == ("the command changed tests/test_calc.py while it ran",)


def test_results_written_by_the_code_under_test_do_not_leave_the_sandbox(
    observe: Observe, origin: Origin, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text('<testsuite><testcase classname="leaked" name="leaked"/></testsuite>')
    seen = observe(Project(command=f"rm -f r.xml; ln -s {secret} r.xml; false", junit="r.xml"))
    assert "leaked" not in str(seen)


@pytest.mark.parametrize(
    "command", ["ruff check .", "ruff check calc.py", "ruff format --check --no-cache tests"]
)
def test_the_canary_of_a_linter_is_a_file_it_must_name(observe: Observe, command: str) -> None:
    assert observe(Project(command=command), canary=True).canary_red
    assert not observe(Project(command=f"{command} --exit-zero || true"), canary=True).canary_red


def test_a_lint_error_has_a_rule(observe: Observe, origin: Origin) -> None:
    commit = origin.commit({"calc.py": "import os\n" + CALC})
    seen = observe(Project(command="ruff check --output-format concise ."), commit=commit)
    assert (seen.colour, seen.counts_tests) == (Colour.RED, False)
    assert seen.rule.startswith("ruff:")
    assert seen.rule.endswith(":calc.py")


def test_where_no_canary_can_be_planted_it_is_said(observe: Observe, origin: Origin) -> None:
    commit = origin.commit({"tests/test_calc.py": ""})
    origin.git("rm", "-q", "tests/test_calc.py")
    commit = origin.commit({"check.sh": "exit 0\n"})
    seen = observe(Project(command="sh check.sh"), commit=commit, canary=True)
    assert not seen.canary_red
    assert "canary" in seen.missing


def test_a_canary_is_never_written_through_a_link(
    observe: Observe, origin: Origin, tmp_path: Path
) -> None:
    victim = tmp_path / "test_victim.py"
    victim.write_text("def test_a(): pass\n")
    (origin.root / "tests/test_calc.py").unlink()
    (origin.root / "tests/test_calc.py").symlink_to(victim)
    (origin.root / "test_dir").symlink_to(tmp_path)
    commit = origin.commit({})
    observe(
        commit=commit,
        canary=True,
        tests=[ADDS, "test_dir/test_victim.py::test_a", "../../test_victim.py::test_a"],
    )
    assert victim.read_text() == "def test_a(): pass\n"


def test_a_canarys_name_hangs_on_the_tree() -> None:
    one = mark_of(tree="a", commit="b", purpose="canary")
    assert (
        len(
            {
                one,
                mark_of(tree="c", commit="b", purpose="canary"),
                mark_of(tree="a", commit="c", purpose="canary"),
            }
        )
        == 3
    )


def test_the_policys_project_goes_first_then_the_base_branchs_file(
    runner: ProjectRunner, origin: Origin
) -> None:
    based = origin.commit(
        {".cihealing.yml": "projects: [{jobs: ['test*'], command: 'sh base.sh'}]"}
    )
    origin.git("checkout", "--quiet", "-b", "feature")
    feature = origin.commit({".cihealing.yml": "projects: [{command: 'sh evil.sh'}]"})
    origin.git("checkout", "--quiet", "main")

    def command(job: str, *, base: str = "main", **policy: object) -> str | None:
        found = runner.project(
            REPOSITORY,
            feature,
            base=base,
            job=job,
            command_hint="sh evil.sh",
            policy=origin.policy(**policy),
        )
        return found.command if found else None

    assert command("test-a", projects=[{"command": "sh policy.sh"}]) == "sh policy.sh"
    assert command("test-a") == command("test-a", base=based) == "sh base.sh"
    assert command("other") == "python -m pytest -q"
    assert command("other", projects=[{"path": "tests"}]) == "python -m pytest -q"
    assert command("test-a", base=origin.first) == "python -m pytest -q"


def test_a_bad_file_on_the_base_branch_is_told(runner: ProjectRunner, origin: Origin) -> None:
    origin.commit({".cihealing.yml": "projects: [{timeout: never}]"})
    with pytest.raises(
        PermanentError, match=r"\.cihealing\.yml at main is not valid: projects\.0\.timeout"
    ):
        runner.project(
            REPOSITORY,
            origin.first,
            base="main",
            job="test",
            command_hint="",
            policy=origin.policy(),
        )


def test_without_a_sandbox_nothing_is_run(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cihealing.workshop.sandbox.choice.trouble_with", lambda _paths: "forbidden"
    )
    runner = ProjectRunner(
        GitTrees(tmp_path / "mirrors"), settings=SandboxSettings(sandbox="plain")
    )
    witness = tmp_path / "ran"
    with pytest.raises(PermanentError, match="no sandbox"):
        runner.observe(
            REPOSITORY,
            origin.first,
            project=Project(command=f"touch {witness}"),
            policy=origin.policy(),
        )
    assert not witness.exists()
    runner.observe(
        REPOSITORY,
        origin.first,
        project=Project(command=f"touch {witness}"),
        policy=origin.policy(trusted=True),
    )
    assert witness.exists()


def test_what_nobody_could_look_at_is_for_a_person(observe: Observe) -> None:
    deep = "/".join("d" * 300)
    with pytest.raises(PermanentError, match="below each other"):
        observe(PYTEST.model_copy(update={"command": f"mkdir -p {deep}; python -m pytest -q"}))
