"""What is the same program in another layout, and what the guard makes of that."""

from __future__ import annotations

from cihealing.domain.policy import Policy
from cihealing.guard import check, same_program
from tests.guard.patches import changed
from tests.tables import table

BEFORE = "def test_a():\n    assert add( 1,2 )==3, 'a'\n"
AFTER = 'def test_a():\n    assert (\n        add(1, 2) == 3\n    ), "a"\n'
DOCUMENTED = 'class A:\n    """A\n    b  \n    c\n    """\n'


@table(
    ("path", "before", "after", "same"),
    [
        ("test_a.py", BEFORE, AFTER, True),
        ("test_a.py", "import b\nimport a, c\n", "import a\nimport b\nimport c\n", True),
        ("test_a.py", "from a import c, b\n", "from a import (\n    b,\n    c,\n)\n", True),
        ("test_a.py", DOCUMENTED, DOCUMENTED.replace("\n    ", "\n      "), True),
        ("test_a.py", DOCUMENTED, DOCUMENTED.replace("b  ", "b"), True),
        ("test_a.py", DOCUMENTED, DOCUMENTED.replace("    c", "      c"), False),
        ("test_a.py", "x = u'a'  # one\n", 'x = "a"\n', True),
        ("test_a.py", "assert x == 3\n", "assert x == 4\n", False),
        ("test_a.py", "from a import b\n", "from c import b\n", False),
        ("test_a.py", "import a\nx = a.y\nimport b\n", "import b\nx = a.y\nimport a\n", False),
        ("test_a.py", "import a\nimport b\n", "import a\n", False),
        ("test_a.py", "if x:\n    y()\n", "if x:\n    y()\nelse:\n    z()\n", False),
        ("test_a.py", "def broken(\n", "def broken(  \n", False),
        ("a.snap", "x\n", "x\n", False),
    ],
)
def test_only_the_layout_may_differ(path: str, before: str, after: str, same: bool) -> None:
    assert same_program(path, before, after) is same


def test_layout_alone_is_no_change_of_what_tests_expect() -> None:
    patch = changed("tests/test_a.py", BEFORE.rstrip("\n"), AFTER.rstrip("\n"))
    assert "only-expectations" in {o.rule for o in check(patch, policy=Policy())}
    found = check(patch, policy=Policy(), reformatted=("tests/test_a.py",))
    assert [(o.rule, o.hard) for o in found] == [("touches-tests", False)]


def test_what_else_the_lines_hold_is_still_objected_to() -> None:
    patch = changed("tests/test_a.py", "x = 1", "x = 1  # type: ignore")
    found = check(patch, policy=Policy(), reformatted=("tests/test_a.py",))
    assert any(o.hard for o in found)


MODE = "diff --git a/scripts/check.sh b/scripts/check.sh\nold mode 100644\nnew mode 100755\n"


def test_a_script_becomes_executable_only_where_something_was_red_for_want_of_it() -> None:
    found = check(MODE, policy=Policy(), denied=("scripts/check.sh",))
    assert [(o.rule, o.hard) for o in found] == [("executable", False)]
    found = check(MODE, policy=Policy(), denied=("scripts/other.sh",))
    assert [(o.rule, o.hard) for o in found] == [("executable", True)]
