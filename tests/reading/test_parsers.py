"""One small log a tool: failed tests, exception type, message, lint rule."""

from __future__ import annotations

import pytest

from cihealing.reading.clean import lines_of, plain
from cihealing.reading.log import Log
from cihealing.reading.parsers import findings
from tests.tables import table

TESTS = [
    (
        "FAILED tests/test_a.py::TestA::test_b[x - y] - ValueError: bad\n",
        "tests/test_a.py::TestA::test_b[x - y]",
        "ValueError",
        "bad",
    ),
    (
        "tests/test_a.py::test_one PASSED [ 50%]\ntests/test_a.py::test_two FAILED [100%]\n",
        "tests/test_a.py::test_two",
        "Failed",
        "",
    ),
    (
        (
            "=== FAILURES ===\n____ test_list ____\n\n>   assert [1, 2] == [1, 3]\nE  "
            " AssertionError: assert [1, 2] == [1, 3]\nE     \nE     At index 1 diff: 2 != 3\nE    "
            " \nE     Full diff:\nE       [\nE     -     3,\nE       ]\n\ntest_a.py:2:"
            " AssertionError\n"
        ),
        "test_a.py::test_list",
        "AssertionError",
        "assert [1, 2] == [1, 3]",
    ),
    ("[gw1] [ 50%] FAILED tests/test_a.py::test_two \n", "tests/test_a.py::test_two", "Failed", ""),
    (
        "=" * 70
        + "\nFAIL: test_x (pkg.tests.TestY)\n"
        + "-" * 70
        + "\nTraceback (most recent call last):\nAssertionError: 1 != 2\n",
        "pkg.tests.TestY.test_x",
        "AssertionError",
        "1 != 2",
    ),
    (
        (
            "--- FAIL: TestSum (0.01s)\n    sum_test.go:9: got 3, want"
            " 4\nFAIL\texample.org/calc\t0.02s\n"
        ),
        "example.org/calc.TestSum",
        "TestFailed",
        "got 3, want 4",
    ),
    (
        (
            "--- FAIL: TestSum (0.00s)\n    --- FAIL: TestSum/zero (0.00s)\n        sum_test.go:9:"
            " no\nFAIL\tcalc\t0.02s\n"
        ),
        "calc.TestSum/zero",
        "TestFailed",
        "no",
    ),
    (
        "  ● sum › adds\n\n    expect(received).toBe(expected)\n",
        "sum › adds",
        "AssertionError",
        "expect(received).toBe(expected)",
    ),
    (
        " FAIL  src/sum.test.ts > sum > adds\nAssertionError: expected 3 to be 4\n",
        "src/sum.test.ts > sum > adds",
        "AssertionError",
        "expected 3 to be 4",
    ),
    (
        (
            "  1 failing\n\n  1) sum\n       adds\n         small numbers:\n     TypeError: x is"
            " not a function\n"
        ),
        "sum adds small numbers",
        "TypeError",
        "x is not a function",
    ),
    ("not ok 2 - adds numbers\n", "adds numbers", "TestFailed", ""),
    (
        (
            "[ERROR] org.acme.CalcTest.adds  Time elapsed: 0.01 s  <<<"
            " FAILURE!\norg.opentest4j.AssertionFailedError: expected: <1> but was: <2>\n\tat"
            " org.acme.CalcTest.adds(CalcTest.java:9)\n"
        ),
        "org.acme.CalcTest.adds",
        "AssertionFailedError",
        "expected: <1> but was: <2>",
    ),
    (
        (
            "adds(org.acme.CalcTest)  Time elapsed: 0.1 sec  <<<"
            " ERROR!\njava.lang.IllegalStateException: no\n"
        ),
        "org.acme.CalcTest.adds",
        "IllegalStateException",
        "no",
    ),
    (
        "org.acme.CalcTest > adds() FAILED\n    java.lang.AssertionError at CalcTest.java:9\n",
        "org.acme.CalcTest.adds()",
        "AssertionError",
        "",
    ),
    (
        (
            "    [junit] Running org.acme.CalcTest\n    [junit] Testcase: adds took 0.1 sec\n   "
            " [junit] \tFAILED\n"
        ),
        "org.acme.CalcTest.adds",
        "TestFailed",
        "",
    ),
    (
        (
            "test calc::adds ... FAILED\n\n---- calc::adds stdout ----\nthread 'calc::adds'"
            " panicked at src/lib.rs:9:5:\nleft != right\n"
        ),
        "calc::adds",
        "panic",
        "left != right",
    ),
    (
        "rspec ./spec/calc_spec.rb:3 # Calc adds numbers\n",
        "Calc adds numbers",
        "ExpectationNotMetError",
        "rspec ./spec/calc_spec.rb:3 # Calc adds numbers",
    ),
    (
        "  1) Failure:\nCalcTest#test_adds [test/calc_test.rb:5]:\nExpected: 1\n",
        "CalcTest#test_adds",
        "Assertion",
        "Expected: 1",
    ),
]


def found_in(text: str) -> list[object]:
    return list(findings(Log(lines_of(plain(text)))))


@table(("text", "test", "error_type", "message"), TESTS, ids=[row[1][:30] for row in TESTS])
def test_failed_tests(text: str, test: str, error_type: str, message: str) -> None:
    found = {f.test: f for f in findings(Log(lines_of(plain(text)))) if f.test}
    assert test in found
    assert (found[test].error_type, found[test].message) == (error_type, message)


LINTS = [
    ("a/b.py:4:1: F401 'sys' imported but unused", "F401", "a/b.py", "lint"),
    ("a/b.py:4:1: F401 [*] `sys` imported but unused", "F401", "a/b.py", "lint"),
    ("F401 [*] `os` imported but unused\n --> a/b.py:1:8\n  |\n", "F401", "a/b.py", "lint"),
    (
        (
            'a/b.py:4: error: Incompatible return value type (got "int", expected "str") '
            " [return-value]"
        ),
        "return-value",
        "a/b.py",
        "types",
    ),
    (
        "src/a.ts(3,13): error TS7006: Parameter 'y' implicitly has an 'any' type.",
        "TS7006",
        "src/a.ts",
        "types",
    ),
    (
        "\n/repo/src/a.js\n  2:10  error  'x' is defined but never used  no-unused-vars\n",
        "no-unused-vars",
        "/repo/src/a.js",
        "lint",
    ),
    (
        "lib/a.rb:3:5: C: Style/StringLiterals: Prefer single quotes",
        "Style/StringLiterals",
        "lib/a.rb",
        "lint",
    ),
    (
        "a.yml:1:81: [error] line too long (122 > 80 characters) (line-length)",
        "line-length",
        "a.yml",
        "lint",
    ),
    (
        "a/b.py:3:0: C0114: Missing module docstring (missing-module-docstring)",
        "C0114",
        "a/b.py",
        "lint",
    ),
    ("would reformat a/b.py", "", "a/b.py", "lint"),
    ("src/a.c:3:5: error: expected ';'", "", "src/a.c", "compile"),
    ("src\\a.cpp(89): error C2143: syntax error: missing ','", "C2143", "src\\a.cpp", "compile"),
    ("[ERROR] /repo/src/A.java:[23,29] cannot find symbol", "", "/repo/src/A.java", "compile"),
    ("src/A.java:12: error: ';' expected", "", "src/A.java", "compile"),
    (
        "error[E0308]: mismatched types\n --> src/lib.rs:3:5\n  |\n",
        "E0308",
        "src/lib.rs",
        "compile",
    ),
    ("./calc.go:12:3: undefined: x", "", "./calc.go", "compile"),
]


@table(("text", "rule", "file", "error_type"), LINTS, ids=[row[0][:40] for row in LINTS])
def test_lint_and_compile_errors(text: str, rule: str, file: str, error_type: str) -> None:
    found = [(f.rule, f.file, f.error_type) for f in findings(Log(lines_of(plain(text))))]
    assert (rule, file, error_type) in found


@pytest.mark.parametrize(
    "text",
    [
        "  ● Console\n\n    console.warn\n",
        "ERROR    root:a.py:12 logged by the code under test\n",
        "> Task :test FAILED\n",
        "[INFO] <<< maven-source-plugin:2.4:jar (attach-sources) < generate-sources @ a <<<\n",
        "ok  \texample.org/a\t0.1s\n",
        "test a ... ok\n",
        "not ok 3 - later # TODO not done\n",
    ],
)
def test_what_is_no_failed_test(text: str) -> None:
    assert [f.test for f in findings(Log(lines_of(plain(text)))) if f.test] == []
