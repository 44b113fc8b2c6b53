from __future__ import annotations

import os
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from cihealing.tree import MAX_READ, Tree
from cihealing.workshop.runner.canary import Ground, before_main
from cihealing.workshop.runner.results import (
    MAX_TESTS,
    junit_files,
    plain_name,
    pytest_name,
    read_junit,
    remove_stale,
    worst_outcomes,
)
from cihealing.workshop.runner.telling import missing_in
from cihealing.workshop.runner.tools import cargo, go, jest, jvm, lint, tool_for, unittest
from cihealing.workshop.runner.tools import pytest as pytest_tool

SUITE = """<?xml version="1.0"?><testsuites><testsuite name="s">
<testcase classname="pkg.CalcTest" name="adds"/>
<testcase classname="pkg.CalcTest" name="divides"><failure message="m">x</failure></testcase>
<testcase classname="pkg.CalcTest" name="breaks"><error/></testcase>
<testcase classname="pkg.CalcTest" name="later"><skipped/></testcase>
<testcase classname="pkg.CalcTest" name="both"/>
<testcase classname="pkg.CalcTest" name="both"><failure/></testcase>
</testsuite></testsuites>"""


def test_a_junit_file_says_what_became_of_each_test(tmp_path: Path) -> None:
    (tmp_path / "r.xml").write_text(SUITE)
    tests = read_junit(["r.xml"], tree=Tree(root=tmp_path), name=plain_name)
    assert tests is not None
    assert tests.passed == ("pkg.CalcTest.adds",)
    assert tests.failed == ("pkg.CalcTest.divides", "pkg.CalcTest.breaks", "pkg.CalcTest.both")
    assert tests.skipped == ("pkg.CalcTest.later",)
    assert tests.collected == 5


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<testsuite>",
        b"not xml",
        b"\xff\xfe\x00",
        b'<!DOCTYPE t [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>',
        b'<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite/>',
        b'<?xml version="1.0" encoding="nonsense"?><testsuite/>',
    ],
)
def test_a_junit_file_that_is_not_to_be_trusted_gives_no_results(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "good.xml").write_text(SUITE)
    (tmp_path / "r.xml").write_bytes(content)
    assert read_junit(["good.xml", "r.xml"], tree=Tree(root=tmp_path), name=plain_name) is None


def test_no_file_gives_no_results(tmp_path: Path) -> None:
    assert read_junit([], tree=Tree(root=tmp_path), name=plain_name) is None
    assert read_junit(["gone.xml"], tree=Tree(root=tmp_path), name=plain_name) is None


def test_only_a_regular_file_inside_is_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("secret")
    (root / "file").write_text("fine")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "way").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    with (root / "huge").open("wb") as file:
        file.truncate(MAX_READ + 1)
    names = ("link", "way/secret", "../secret", "loop", "pipe", "huge", "gone", ".")
    tree = Tree(root=root)
    assert [tree.read(name) for name in names] == [None] * 8
    assert tree.read("file") == b"fine"


def test_result_files_are_found_below_the_tree_alone_and_stale_ones_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "outside.xml").write_text(SUITE)
    (root / "a/r.xml").write_text(SUITE)
    (root / "way").symlink_to(tmp_path)
    tree = Tree(root=root)
    assert junit_files(tree, "**/*.xml") == ["a/r.xml"]
    for pattern in ("", "/etc/*", "../*.xml", "a/../../*.xml"):
        assert junit_files(tree, pattern) == []
    remove_stale(tree, "way/*.xml", place=".")
    remove_stale(tree, "**/*.xml", place=".")
    assert (tmp_path / "outside.xml").exists()
    assert not (root / "a/r.xml").exists()


@pytest.mark.parametrize(
    ("case", "files", "name"),
    [
        (
            'file="t/test_a.py" classname="t.test_a" name="test_x[1-a.b]"',
            [],
            "t/test_a.py::test_x[1-a.b]",
        ),
        (
            'file="t/test_a.py" classname="t.test_a.TestA.Inner" name="test_x"',
            [],
            "t/test_a.py::TestA::Inner::test_x",
        ),
        (
            'file="base.py" classname="t.test_a.TestA" name="test_x"',
            ["t/test_a.py"],
            "t/test_a.py::TestA::test_x",
        ),
        ('classname="t.test_a.TestA" name="test_x"', ["t/test_a.py"], "t/test_a.py::TestA::test_x"),
        ('classname="t.test_a.TestA" name="test_x"', [], "t.test_a.TestA::test_x"),
        ('file="t/test_a.py" classname="" name="t.test_a"', [], "t/test_a.py"),
        ('name="x"', [], "x"),
    ],
)
def test_junit_names_become_node_ids(case: str, files: list[str], name: str) -> None:
    assert pytest_name(fromstring(f"<testcase {case}/>"), exists=files.__contains__) == name


def test_one_failure_of_a_test_outweighs_its_other_results() -> None:
    tests = worst_outcomes(
        [("a", "failed"), ("a", "passed"), ("b", "passed"), ("b", "skipped"), ("c" * 900, "passed")]
    )
    assert (tests.passed, tests.failed, tests.skipped) == (("c" * 500,), ("a",), ("b",))


UNITTEST = """\
test_adds (tests.test_calc.CalcTest.test_adds) ... ok
test_doc (tests.test_calc.CalcTest.test_doc)
What it is about ... FAIL
test_later (tests.test_calc.CalcTest.test_later) ... skipped 'not now'
test_odd (tests.test_calc.CalcTest.test_odd) ... expected failure
test_old (tests.test_old.OldTest) ... ERROR

======================================================================
ERROR: test_old (tests.test_old.OldTest)
----------------------------------------------------------------------
Ran 5 tests in 0.001s

FAILED (failures=1, errors=1, skipped=1, expected failures=1)
"""

GO = """\
=== RUN   TestAdd
--- PASS: TestAdd (0.00s)
=== RUN   TestDiv
    calc_test.go:9: boom
--- FAIL: TestDiv (0.00s)
    --- FAIL: TestDiv/by_zero (0.00s)
FAIL
FAIL\texample.org/calc\t0.002s
--- SKIP: TestAdd (0.00s)
ok  \texample.org/other\t0.001s
FAIL
"""

CARGO = """\
running 3 tests
test tests::adds ... ok
test tests::divides ... FAILED
test tests::later ... ignored

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 1 test
test src/lib.rs - add (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
"""

JEST = """\
FAIL ./calc.test.js
  calc
    \u2713 adds (2 ms)
    \u2715 divides by zero (1 ms)
    \u25cb skipped later

Tests:       1 failed, 1 skipped, 1 passed, 3 total
"""

NODE = """\
\u2714 adds (0.5ms)
\u2716 divides (1.2ms)
\u2139 tests 2
\u2139 pass 1
\u2139 fail 1

\u2716 failing tests:

test at calc.test.mjs:4:1
\u2716 divides (1.2ms)
"""

TAP = "TAP version 13\nok 1 - adds\nnot ok 2 - divides\nok 3 - later # SKIP\n# tests 3\n"


@pytest.mark.parametrize(
    ("tool", "output", "passed", "failed", "skipped"),
    [
        (
            unittest,
            UNITTEST,
            ["tests.test_calc.CalcTest.test_adds"],
            ["tests.test_calc.CalcTest.test_doc", "tests.test_old.OldTest.test_old"],
            ["tests.test_calc.CalcTest.test_later", "tests.test_calc.CalcTest.test_odd"],
        ),
        (
            go,
            GO,
            ["example.org/calc.TestAdd"],
            ["example.org/calc.TestDiv", "example.org/calc.TestDiv/by_zero"],
            ["example.org/other.TestAdd"],
        ),
        (
            cargo,
            CARGO,
            ["tests::adds", "src/lib.rs - add (line 3)"],
            ["tests::divides"],
            ["tests::later"],
        ),
        (jest, JEST, ["adds"], ["divides by zero"], ["skipped later"]),
        (jest, NODE, ["adds"], ["divides"], []),
        (jest, TAP, ["adds"], ["divides"], ["later"]),
    ],
    ids=["unittest", "go", "cargo", "jest", "node", "tap"],
)
def test_a_tools_own_words_are_read(tool, output, passed, failed, skipped, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tests = tool.read(output, tree=Tree(root=tmp_path), place=".")
    assert (list(tests.passed), list(tests.failed), list(tests.skipped)) == (
        passed,
        failed,
        skipped,
    )


@pytest.mark.parametrize(
    ("tool", "output"),
    [
        (unittest, UNITTEST.replace("Ran 5", "Ran 6")),
        (unittest, UNITTEST.replace("Ran 5 tests in", "")),
        (cargo, CARGO.replace("test tests::adds ... ok\n", "")),
        (jest, JEST.replace("3 total", "30 total")),
        (jest, "all is well\n"),
        (go, "ok\n"),
    ],
    ids=["unittest more", "unittest none", "cargo", "jest", "nothing", "go"],
)
def test_half_a_list_is_no_list(tool, output, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert tool.read(output, tree=Tree(root=tmp_path), place=".") is None


def test_maven_and_gradle_leave_files(tmp_path: Path) -> None:
    for place in ("target/surefire-reports/TEST-a.xml", "sub/build/test-results/test/TEST-b.xml"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(SUITE)
    tests = jvm.read("", tree=Tree(root=tmp_path), place=".")
    assert tests is not None
    assert tests.collected == 5


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        ("pytest", "pytest"),
        ("python -m pytest -q", "pytest"),
        ("cd app && PYTHONPATH=src pytest -x tests | tee log", "pytest"),
        ("poetry run pytest", "pytest"),
        (".venv/bin/pytest -q", "pytest"),
        ("coverage run -m pytest", "pytest"),
        ("ruff check . && pytest", "pytest"),
        ("python -m unittest discover -s tests", "unittest"),
        ("python manage.py test shop", "unittest"),
        ("go test ./...", "go"),
        ("cargo test --workspace", "cargo"),
        ("npm test", "jest"),
        ("npx vitest run", "jest"),
        ("./gradlew test", "jvm"),
        ("mvn -B test", "jvm"),
        ("ruff check .", "lint"),
        ("python -m mypy src", "lint"),
        ("make test", "command"),
        ("pip install pytest-cov", "command"),
        ("echo mypytest", "command"),
    ],
)
def test_a_command_tells_its_tool(command: str, tool: str) -> None:
    assert tool_for(command).name == tool


@pytest.mark.parametrize(
    ("command", "tests", "alone"),
    [
        (
            "cd a && X=1 pytest -q tests",
            ["t.py::test_a", "t.py::test_b[a b]"],
            "cd a && X=1 pytest t.py::test_a 't.py::test_b[a b]'",
        ),
        (
            "python -m pytest -q",
            ["--evil", "$(touch x)", "a;b"],
            "python -m pytest '$(touch x)' 'a;b'",
        ),
        ("python -m pytest -q", ["-p", ""], None),
        (
            "python -m unittest discover -s tests",
            ["tests.T.test_a"],
            "python -m unittest tests.T.test_a",
        ),
        ("python manage.py test", ["a.T.test_a"], "python manage.py test a.T.test_a"),
        (
            "go test ./...",
            ["example.org/a.TestX/sub", "TestY';rm"],
            "go test -v -run '^(TestX)$' ./...",
        ),
        ("cargo test", ["m::a"], "cargo test -- --exact m::a"),
        ("npm test", ["a"], None),
        ("make test", ["a"], None),
    ],
)
def test_tests_can_be_run_alone_and_their_names_are_only_names(
    command: str, tests: list[str], alone: str | None
) -> None:
    assert tool_for(command).alone(command, tests) == alone


@pytest.mark.parametrize(
    ("command", "planned"),
    [
        ("python -m unittest", "python -m unittest -v"),
        (
            "python -m unittest discover -s t && echo x",
            "python -m unittest discover -v -s t && echo x",
        ),
        ("python -m unittest discover -v", "python -m unittest discover -v"),
        ("python manage.py test shop", "python manage.py test -v 2 shop"),
        ("go test ./...", "go test -v ./..."),
        ("go test -v ./...", "go test -v ./..."),
        ("pytest -q", "pytest -q"),
    ],
)
def test_a_command_is_asked_to_name_its_tests(command: str, planned: str) -> None:
    assert tool_for(command).plan(command, variant="").command == planned


def test_the_line_our_own_option_adds_is_taken_out_again() -> None:
    output = (
        "1 failed\n-------- generated xml file: /results/pytest.xml --------\n== short summary ==\n"
    )
    assert pytest_tool.without_note(output) == "1 failed\n== short summary ==\n"


def test_what_a_hostile_report_asks_for_is_bounded(tmp_path: Path) -> None:
    """Names of forty parts each, whose every front might be a file; and more tests than anybody
    has.
    """
    case = f'<testcase classname="{".".join("a" * 40)}" name="x"/>'
    (tmp_path / "r.xml").write_text(f"<testsuite>{case * 60_000}</testsuite>")
    asked: list[str] = []
    tests = read_junit(
        ["r.xml"], tree=Tree(root=tmp_path), name=lambda c: asked.append("") or f"{len(asked)}"
    )
    assert tests is not None
    assert (tests.collected, len(asked)) == (MAX_TESTS, MAX_TESTS)


def test_all_reports_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cihealing.workshop.runner.results.MAX_READ", 2 * len(SUITE) + 1)
    for name in ("a.xml", "b.xml", "c.xml"):
        (tmp_path / name).write_text(SUITE)
    assert read_junit(["a.xml", "b.xml"], tree=Tree(root=tmp_path), name=plain_name) is not None
    assert (
        read_junit(["a.xml", "b.xml", "c.xml"], tree=Tree(root=tmp_path), name=plain_name) is None
    )


@pytest.mark.parametrize(
    "source", ["x = 1\n" * 30_000, "if " + "+".join("a" * 2500) + ":\n    pass\n", "(" * 10_000]
)
def test_a_long_or_hostile_test_file_costs_little(source: str) -> None:
    planted = before_main(
        source + "\nif __name__ == '__main__':\n    main()\n", "def test_m(): ..."
    )
    assert planted is None or planted.index("def test_m") < planted.index("if __name__")


@pytest.mark.parametrize(
    ("line", "head"),
    [
        (
            "tests.test_calc (unittest.loader._FailedTest.tests.test_calc) ... ERROR",
            "ERROR: tests.test_calc (unittest.loader._FailedTest.tests.test_calc)",
        ),
        (
            "tests.test_calc (unittest.loader._FailedTest) ... ERROR",
            "ERROR: tests.test_calc (unittest.loader._FailedTest)",
        ),
    ],
    ids=["3.11 and newer", "older"],
)
def test_a_module_unittest_could_not_import_is_one_failed_test(
    tmp_path: Path, line: str, head: str
) -> None:
    output = f"{line}\n\n{'=' * 70}\n{head}\n{'-' * 70}\n\nRan 1 test in 0.000s\n"
    found = unittest.read(output, tree=Tree(root=tmp_path), place=".")
    assert found is not None
    assert found.failed == ("unittest.loader._FailedTest.tests.test_calc",)
    assert found.collected == 1


@pytest.mark.parametrize(
    ("output", "missing"),
    [
        ("/bin/sh: 1: ./scripts/check.sh: Permission denied\n", ""),
        ("bash: line 1: ./check.sh: Permission denied\n", ""),
        ("/bin/sh: 1: /opt/tool: Permission denied\n", "the command cannot be executed"),
        ("/bin/sh: 1: ./tool: Exec format error\n", "the command cannot be executed"),
    ],
)
def test_a_script_of_the_tree_without_its_mode_is_the_repositorys_fault(
    output: str, missing: str
) -> None:
    assert missing_in(output, 126) == missing


@pytest.mark.parametrize("tool", ["pyflakes", "yapf", "pycodestyle", "codespell", "isort"])
def test_a_tool_without_tests_has_a_canary_that_it_reports(tmp_path: Path, tool: str) -> None:
    assert lint.tool_of(f"python -m {tool} .") == tool
    (tmp_path / "shop").mkdir()
    ground = Ground(
        tree=Tree(root=tmp_path), workdir=".", command=f"{tool} shop", mark="x", tests=()
    )
    planted = lint.plant(ground)
    assert planted is not None
    text = (tmp_path / planted.file).read_text()
    assert ("recieve" if tool == "codespell" else "import sys\nimport os") in text
