"""What the guard says of honest and of hostile patches."""

from __future__ import annotations

import time

import pytest

from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.guard import check
from tests.guard.patches import added, changed, created, deleted, renamed
from tests.tables import table

POLICY = Policy()


def hard(patch: str, policy: Policy = POLICY) -> set[str]:
    return {o.rule for o in check(patch, policy=policy) if o.hard}


def soft(patch: str, policy: Policy = POLICY) -> set[str]:
    return {o.rule for o in check(patch, policy=policy) if not o.hard}


@table(
    "patch",
    [
        changed(
            "shop/cart.py",
            "import os\nimport sys\n\nprint(sys.path)",
            "import sys\n\nprint(sys.path)",
        ),
        changed(
            "shop/cart.py",
            "def total(items):\n    return sum(items)",
            "import json\n\n\ndef total(items):\n    return sum(items)",
        ),
        changed("src/a.ts", "export const a = 1;", "export const a = 2;"),
        changed(
            "shop/cart.py",
            "def eq(self, o):\n    return self.x == o.x",
            "def eq(self, o):\n    return self.x == o.x and self.y == o.y",
        ),
        changed("shop/cart.py", "import os  # noqa: F401", "import os, sys  # noqa: F401"),
        changed(
            "shop/cart.py", "if x:\n    sys.exit(0)", "if x:\n    if y:\n        pass\nsys.exit(0)"
        ),
        changed("shop/naïve.py", "a = 1", "a = 2"),
        changed("docs/a.md", "run", "stop with `exit 0`"),
        created("shop/new_thing.py", "VALUE = 1"),
        changed("shop/form feed.py", "a = 1\x0c", "a = 2\x0c"),
        changed("src/testing_ground.py", "a = 1", "a = 2"),
    ],
)
def test_an_honest_patch_meets_no_objection(patch: str) -> None:
    assert check(patch, policy=POLICY) == []


TEST = (
    "import shop\n\n\ndef test_total():\n    assert shop.total([1, 2]) == 3\n    assert"
    " shop.total([]) == 0"
)


@table(
    ("rule", "patch"),
    [
        ("deletes-test", deleted("tests/test_cart.py", TEST)),
        ("deletes-test", deleted("tests/data/expected.json", "{}")),
        ("deletes-test", changed("tests/test_cart.py", TEST, "import shop")),
        (
            "deletes-test",
            changed("tests/test_cart.py", TEST, TEST.replace("def test_total", "def _test_total")),
        ),
        (
            "deletes-test",
            changed("tests/test_cart.py", TEST, TEST.replace("def test_total", "def test_sum")),
        ),
        ("deletes-test", changed("src/lib.rs", "#[test]\nfn adds() {}", "fn adds() {}")),
        (
            "deletes-test",
            changed(
                "cart_test.go", "func TestTotal(t *testing.T) {\n}", "func total(t *testing.T) {\n}"
            ),
        ),
        ("deletes-test", changed("a.test.js", "it('adds', () => {\n})", "const adds = () => {\n}")),
        ("deletes-test", changed("CartTest.java", "@Test\nvoid adds() {}", "void adds() {}")),
        ("renames-test", renamed("tests/test_cart.py", "tests/cart.py")),
        ("renames-test", renamed("tests/test_cart.py", "shop/cart_checks.py")),
        (
            "weakens-assert",
            changed(
                "tests/test_cart.py", TEST, TEST.replace("\n    assert shop.total([]) == 0", "")
            ),
        ),
        (
            "weakens-assert",
            changed(
                "src/a.test.ts", "it('a', () => {\n  expect(a).toBe(1)\n})", "it('a', () => {\n})"
            ),
        ),
        (
            "weakens-assert",
            changed(
                "tests/test_cart.py",
                TEST,
                TEST.replace("assert shop.total([]) == 0", "shop.total([])"),
            ),
        ),
        (
            "empties-test",
            changed(
                "tests/test_cart.py",
                TEST,
                TEST.replace("assert shop.total([]) == 0", "assert shop.x\n    pass"),
            ),
        ),
        (
            "returns-early",
            changed(
                "tests/test_cart.py", TEST, TEST.replace("total():\n", "total():\n    return\n")
            ),
        ),
        (
            "always-equal",
            changed("tests/test_cart.py", TEST, TEST.replace("shop.total([]) == 0", "True")),
        ),
        ("always-equal", changed("tests/test_cart.py", TEST, TEST.replace("== 0", "== 0 or True"))),
        ("always-equal", added("shop/money.py", "    def __eq__(self, other): return True")),
        (
            "always-equal",
            changed(
                "shop/money.py", "x", "def __eq__(self, other):\n    # equal\n\n    return True"
            ),
        ),
    ],
)
def test_a_patch_may_not_lose_or_weaken_a_test(rule: str, patch: str) -> None:
    assert rule in hard(patch)


@table(
    ("path", "line"),
    [
        ("tests/test_a.py", "@pytest.mark.skip"),
        ("tests/test_a.py", "@pytest.mark.skipif(True, reason='x')"),
        ("tests/test_a.py", "    pytest . skip('x')"),
        ("tests/test_a.py", "pytestmark = [pytest.mark.xfail]"),
        ("tests/test_a.py", "np = pytest.importorskip('numpy')"),
        ("tests/test_a.py", "from pytest import mark, skip"),
        ("tests/test_a.py", "@unittest.skipUnless(False, '')"),
        ("tests/test_a.py", "    self.skipTest('later')"),
        ("tests/test_a.py", "    raise SkipTest"),
        ("tests/test_a.py", "__test__ = False"),
        ("tests/test_a.py", "@pytest.mark.flaky(reruns=5)"),
        ("shop/cart.py", "import pytest; pytest.exit('done')"),
        ("docs/guide.rst", ">>> total()  # doctest: +SKIP"),
        ("a.test.js", "it.skip('adds', () => {})"),
        ("a.test.ts", "describe.only('cart', () => {})"),
        ("a.test.ts", "test.each([1]).skip('x')"),
        ("a.spec.js", "xit('adds', () => {})"),
        ("a.spec.js", "fdescribe('cart', () => {})"),
        ("a.spec.js", "it['skip']('adds', f)"),
        ("cart_test.go", '\tt.Skip("later")'),
        ("cart_test.go", "\tt.SkipNow()"),
        ("cart_test.go", "//go:build never"),
        ("src/test/java/CartTest.java", "    @Disabled"),
        ("src/test/java/CartTest.java", '    @Ignore("later")'),
        ("src/test/java/CartTest.java", "    Assumptions.assumeTrue(false);"),
        ("src/lib.rs", "    #[ignore]"),
        ("src/lib.rs", '#[cfg_attr(all(), ignore = "x")]'),
        ("spec/cart_spec.rb", "  pending 'later'"),
        ("spec/cart_spec.rb", "  it 'adds', skip: true do"),
        ("spec/cart_spec.rb", "  xit 'adds' do"),
        ("tests/CartTest.php", "  $this->markTestSkipped();"),
        ("tests/CartTests.cs", '  [Fact(Skip = "later")]'),
        ("pom.xml", "<testFailureIgnore>true</testFailureIgnore>"),
        ("build.gradle", "  ignoreFailures = true"),
        ("scripts/test.sh", "pytest --deselect tests/test_a.py"),
    ],
)
def test_a_patch_may_not_skip_a_test(path: str, line: str) -> None:
    assert "skips-test" in hard(added(path, line))


def test_what_was_there_before_excuses_as_much_once() -> None:
    text = "import os  # noqa: F401\nx = 1"
    assert "silences-check" not in hard(
        changed("shop/a.py", text, "x = 1\nimport os, re  # noqa: F401")
    )
    assert "silences-check" in hard(
        changed("shop/a.py", text, "import os, re  # noqa: F401\nx = 1  # noqa: F401")
    )


def test_a_skip_is_not_excused_by_one_that_went() -> None:
    before = "@pytest.mark.skip\ndef test_a(): ...\n\n\ndef test_b(): ..."
    after = "def test_a(): ...\n\n\n@pytest.mark.skip\ndef test_b(): ..."
    assert "skips-test" in hard(changed("tests/test_a.py", before, after))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("src/list.ts", "const x = items.filter(Boolean).map(fit.fit(a))"),
        ("app/controllers/a.rb", "  skip_before_action :login, only: :show"),
        ("src/A.cs", "  query.Skip = 5;"),
        ("src/main/java/User.java", "  this.enabled = false;"),
        ("shop/a.py", "skipped = [t for t in tests if t.done]"),
        ("src/a.go", "rows = reader.SkipLines(3)"),
    ],
)
def test_words_of_ordinary_code_are_no_skip(path: str, line: str) -> None:
    assert "skips-test" not in hard(added(path, line))


@table(
    "path",
    [
        "conftest.py",
        "tests/unit/conftest.py",
        "pytest.ini",
        "tox.ini",
        "setup.cfg",
        "noxfile.py",
        ".coveragerc",
        "Makefile",
        "sub/GNUmakefile",
        "jest.config.js",
        "vitest.config.ts",
        "sitecustomize.py",
        "lib/usercustomize.py",
        "zz.pth",
        "CONFTEST.PY",
        ".rspec",
        "phpunit.xml.dist",
        ".eslintrc.json",
        "ruff.toml",
        ".flake8",
        "mypy.ini",
        ".rubocop.yml",
        ".golangci.yml",
        ".gitattributes",
        ".gitmodules",
        ".gitignore",
        ".cargo/config.toml",
        ".pre-commit-config.yaml",
        "tsconfig.json",
    ],
)
def test_the_configuration_of_runners_and_checks_is_not_for_patches(path: str) -> None:
    assert "runner-config" in hard(added(path, "x = 1"))
    assert "runner-config" in hard(created(path, "x = 1"))
    assert "runner-config" in hard(deleted(path, "x = 1"))


@table(
    "path",
    [
        ".github/workflows/ci.yml",
        ".github/CODEOWNERS",
        ".gitlab-ci.yml",
        ".circleci/config.yml",
        "Jenkinsfile",
        ".cihealing.yml",
        "sub/.cihealing.yml",
        ".GitHub/workflows/ci.yml",
        ".travis.yml",
        "deploy/secret.txt",
    ],
)
def test_protected_paths_are_not_for_patches(path: str) -> None:
    policy = Policy(protected_paths=(*POLICY.protected_paths, "deploy/**"))
    assert "protected-path" in hard(added(path, "x"), policy)


PYPROJECT = (
    '[project]\ndependencies = [\n    "httpx>=0.27",\n]\n\n[tool.pytest.ini_options]\naddopts ='
    " '-q'\ntestpaths = ['tests']"
)
PACKAGE = (
    '{\n  "scripts": {\n    "test": "jest"\n  },\n  "dependencies": {\n    "left-pad": "^1.0.0"\n '
    " }\n}"
)


@table(
    ("patch", "refused"),
    [
        (changed("pyproject.toml", PYPROJECT, PYPROJECT.replace("0.27", "0.28")), False),
        (changed("pyproject.toml", PYPROJECT, PYPROJECT.replace("-q", "-q --co")), True),
        (changed("pyproject.toml", "a\nb\nc\naddopts = '-q'", "a\nb\nc\naddopts = '-q -x'"), True),
        (added("pyproject.toml", "[tool.ruff.lint]"), True),
        (added("pyproject.toml", "[project.entry-points.pytest11]"), True),
        (added("pyproject.toml", '    "requests>=2,<3",'), False),
        (added("pyproject.toml", 'tool.pytest.ini_options.addopts = "-x"'), True),
        (changed("package.json", PACKAGE, PACKAGE.replace("^1.0.0", "^1.0.1")), False),
        (changed("package.json", PACKAGE, PACKAGE.replace('"jest"', '"exit 0"')), True),
        (changed("package.json", PACKAGE, PACKAGE.replace('"jest"', '"1"')), True),
        (added("sub/package.json", '  "jest": {"testMatch": []},'), True),
        (added("package.json", '    "pretest": "0.0.1",'), True),
    ],
)
def test_in_a_manifest_only_dependencies_may_change(patch: str, refused: bool) -> None:
    assert ("runner-config" in hard(patch)) is refused
    assert "dependency" in soft(patch)


@table(
    ("rule", "path", "line"),
    [
        ("exit-zero", "run.sh", "exit 0"),
        ("exit-zero", "run.sh", "pytest || true"),
        ("exit-zero", "run.sh", "pytest ||:"),
        ("exit-zero", "run.sh", "set +e"),
        ("exit-zero", "shop/a.py", "    sys.exit(0)"),
        ("exit-zero", "shop/a.py", "sys.exit()"),
        ("exit-zero", "shop/a.py", "os._exit(0)"),
        ("exit-zero", "shop/a.py", "from os import _exit as leave"),
        ("exit-zero", "shop/a.py", "raise SystemExit(0)"),
        ("exit-zero", "shop/a.py", "raise SystemExit"),
        ("exit-zero", "src/a.js", "process.exit(0)"),
        ("exit-zero", "src/a.js", "process.exitCode = 0"),
        ("exit-zero", "a.go", "\tos.Exit(0)"),
        ("exit-zero", "src/main.rs", "    std::process::exit(0);"),
        ("test-hook", "shop/a.py", "def pytest_runtest_makereport(item, call):"),
        ("test-hook", "shop/a.py", "def pytest_collection_modifyitems(items):"),
        ("test-hook", "tests/test_a.py", "pytest_plugins = ['shop.hide']"),
        ("test-hook", "shop/a.py", "from _pytest.runner import CallInfo"),
        ("test-hook", "shop/a.py", "atexit.register(leave)"),
        ("test-hook", "shop/a.py", "sys.modules['shop.cart'] = fake"),
        ("test-hook", "shop/a.py", "unittest.TestCase.assertEqual = lambda *a: None"),
        ("asks-for-the-test", "shop/a.py", "if 'PYTEST_CURRENT_TEST' in os.environ:"),
        ("asks-for-the-test", "shop/a.py", 'if os.environ.get("CI"):'),
        ("asks-for-the-test", "shop/a.py", "if 'pytest' in sys.modules:"),
        ("swallows-failure", "shop/a.py", "    except: pass"),
        ("swallows-failure", "shop/a.py", "except (ValueError, TypeError) as e: ..."),
        ("swallows-failure", "shop/a.py", "with contextlib.suppress(Exception):"),
        ("swallows-failure", "shop/a.py", "except AssertionError as e:"),
        ("swallows-failure", "src/a.js", "} catch (e) {}"),
        ("swallows-failure", "src/a.js", "load().catch(() => {})"),
        ("swallows-failure", "a.go", "\tdefer func() { recover() }()"),
        ("silences-check", "shop/a.py", "import os  # noqa"),
        ("silences-check", "shop/a.py", "x = f()  # type: ignore[attr-defined]"),
        ("silences-check", "shop/a.py", "# ruff: noqa: F401"),
        ("silences-check", "src/a.ts", "// eslint-disable-next-line no-unused-vars"),
        ("silences-check", "src/a.ts", "// @ts-ignore"),
        ("silences-check", "src/lib.rs", "#![allow(dead_code)]"),
        ("silences-check", "a.go", "x := f() //nolint:errcheck"),
        ("silences-check", "A.java", '@SuppressWarnings("all")'),
    ],
)
def test_a_patch_may_not_look_green_without_being_it(rule: str, path: str, line: str) -> None:
    assert rule in hard(added(path, line))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "try:\n    f()\nexcept ValueError:\n    raise",
            "try:\n    f()\nexcept ValueError:\n    pass",
        ),
        (
            "try:\n    f()\n    pass",
            "try:\n    f()\nexcept Exception as error:  # why\n    # never mind\n\n    pass",
        ),
        ("try {\n  f();\n} catch (e) {\n  throw e;\n}", "try {\n  f();\n} catch (e) {\n}"),
    ],
)
def test_a_handler_over_several_lines_may_not_do_nothing(before: str, after: str) -> None:
    assert "swallows-failure" in hard(changed("shop/a.py", before, after))


@table(
    ("rule", "patch"),
    [
        ("path-outside", created("../x.py", "a")),
        ("path-outside", created("a/../../x.py", "a")),
        ("path-outside", created("/etc/passwd", "a")),
        ("path-outside", created("a//b.py", "a")),
        ("path-outside", created(".git/hooks/pre-commit", "a")),
        ("path-outside", created("sub/.GIT/config", "a")),
        ("path-outside", created("git~1/config", "a")),
        ("path-outside", created("C:/x", "a")),
        ("path-outside", created("a\\..\\x", "a")),
        ("path-outside", created("shop/\u202etxt.py", "a")),
        ("symlink", created("link", "/etc/passwd", mode="120000")),
        ("submodule", created("vendor", "Subproject commit 1", mode="160000")),
        ("executable", created("run.sh", "echo", mode="100755")),
        ("executable", "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"),
        ("symlink", "diff --git a/x b/x\nold mode 100644\nnew mode 120000\n"),
        ("mode", "diff --git a/x b/x\nold mode 100755\nnew mode 100644\n"),
        ("mode", created("x.py", "a", mode="100777")),
        (
            "binary",
            "diff --git a/x b/x\nindex 1111111..2222222 100644\nBinary files a/x and b/x differ\n",
        ),
        (
            "binary",
            (
                "diff --git a/x b/x\nindex 1111111..2222222 100644\nGIT binary patch\nliteral"
                " 3\nKcmZQz\n\nliteral 0\nKcmV+b\n\n"
            ),
        ),
        ("shadows-module", created("pytest.py", "a")),
        ("shadows-module", created("json.py", "a")),
        ("shadows-module", created("src/unittest/__init__.py", "a")),
        ("redaction-marker", added("shop/a.py", 'KEY = "[redacted:token]"')),
        ("unseen-characters", added("shop/a.py", "ok = user\u202e # \u2066admin")),
        ("unseen-characters", added("shop/a.py", "a\u200bb = 1")),
        ("unseen-characters", added("shop/a.py", "x = '\x1b[2K'")),
        ("long-line", added("shop/a.py", "x" * 601)),
        ("empty", ""),
        ("file-twice", changed("a.py", "x", "y") + changed("a.py", "y", "z")),
    ],
)
def test_a_patch_stays_inside_the_tree_and_can_be_read(rule: str, patch: str) -> None:
    assert rule in hard(patch)


@pytest.mark.parametrize(
    "line",
    [
        'k = "AKIA' + "ABCDEFGHIJ234567" + '"',
        't = "ghp_' + "a1B2" * 9 + '"',
        "-----BEGIN RSA PRIVATE" + " KEY-----",
        'password = "' + "h7Gk2" * 5 + '"',
        'url = "https://bob:' + 'hunter22@example.org/"',
    ],
)
def test_a_patch_may_not_hold_a_secret(line: str) -> None:
    found = [o for o in check(added("shop/a.py", line), policy=POLICY) if o.rule == "secret"]
    assert [o.hard for o in found] == [True]
    assert line[5:] not in found[0].text


@table(
    "patch",
    [
        "no patch at all",
        "fine so far\n" + changed("a.py", "x", "y"),
        changed("a.py", "x", "y") + "and a word after\n",
        changed("a.py", "x", "y").replace("+++ b/a.py", "+++ b/conftest.py"),
        changed("a.py", "x", "y").replace("--- a/a.py", "--- a/b.py"),
        changed("a.py", "x", "y").replace("b/a.py\nindex", "b/conftest.py\nindex"),
        changed("a.py", "x", "y").replace("@@ -1 +1 @@", "@@ -1,9 +1,9 @@"),
        changed("a.py", "x", "y").replace("--- a/a.py\n", ""),
        changed("a.py", "x", "y").replace("+++ b/a.py", "+++ b/a.py\t1970-01-01 00:00:00 +0000"),
        "--- a/a.py\n+++ b/a.py\t1970-01-01 00:00:00 +0000\n@@ -1 +1 @@\n-x\n+y\n",
        "--- a.py\n+++ a.py\n@@ -1 +1 @@\n-x\n+y\n",
        "diff --git a/x b/x\nrename from x\n",
        "diff --git a/x b/y\nold mode 100644\nnew mode 100755\n",
        'diff --git "a/x\\q" "b/x\\q"\nold mode 100644\nnew mode 100755\n',
        "diff --git a/x b/x\nnew file mode 100644\ndeleted file mode 100644\n",
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n",
        "@@ -1 +1 @@\n-x\n+y\n",
        "x" * 600_000,
        "--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-x\n+y\n",
    ],
)
def test_what_is_not_plainly_a_git_diff_is_refused(patch: str) -> None:
    assert hard(patch) == {"unreadable"}


def test_a_quoted_name_is_read_as_git_stores_it() -> None:
    patch = (
        changed("a.py", "x", "y")
        .replace("a/a.py", '"a/\\303\\251/conftest.py"')
        .replace("b/a.py", '"b/\\303\\251/conftest.py"')
    )
    assert [o.text for o in check(patch, policy=POLICY)] == [
        "é/conftest.py configures the test runner"
    ]


def many(count: int) -> str:
    return "".join(changed(f"shop/a{n}.py", "x = 1", "x = 2") for n in range(count))


@table(
    ("patch", "hard_rules", "soft_rules"),
    [
        (many(5), set(), set()),
        (many(6), {"too-many-files"}, set()),
        (created("shop/a.py", "\n".join(["x = 1"] * 100)), set(), set()),
        (created("shop/a.py", "\n".join(["x = 1"] * 101)), set(), {"many-lines"}),
        (created("shop/a.py", "\n".join(["x = 1"] * 201)), {"too-many-lines"}, set()),
        (added("tests/test_a.py", "x = 1"), set(), {"touches-tests"}),
        (
            changed("tests/test_a.py", "assert f() == 1", "assert f() == 2"),
            {"only-expectations"},
            {"touches-tests", "changes-assert"},
        ),
        (added("poetry.lock", "x"), set(), {"dependency"}),
        (added("requirements/base.txt", "left==0.28"), set(), {"dependency"}),
        (created("shop/migrations/0002_x.py", "x = 1"), set(), {"migration"}),
        (deleted("shop/old.py", "x = 1"), set(), {"deletes-file"}),
        (added("shop/a.py", "subprocess.run(['ls'])"), set(), {"power"}),
        (added("shop/a.py", "    except Exception as error:"), set(), {"catches-everything"}),
        (added("shop/a.py", "time.sleep(5)"), set(), {"waits"}),
    ],
)
def test_caps_and_what_needs_a_person(
    patch: str, hard_rules: set[str], soft_rules: set[str]
) -> None:
    assert hard(patch) == hard_rules
    assert soft(patch) == soft_rules


def test_policy_sets_the_caps() -> None:
    assert "too-many-files" in hard(many(2), Policy(max_patch_files=1))
    assert "too-many-lines" in hard(many(2), Policy(max_patch_lines=3))


def test_hard_objections_come_first() -> None:
    found = check(added("tests/test_a.py", "@pytest.mark.skip"), policy=POLICY)
    assert [o.hard for o in found] == [True, False]


def test_an_objection_is_one_printable_line() -> None:
    found = check(created("shop/\x1b[2Ka\u202e.py", "exit 0"), policy=POLICY)
    assert found
    assert all(o.text.isprintable() and len(o.text) <= 300 for o in found)


@table(
    "line",
    [
        "exit(" + " " * 590,
        "assert " * 85,
        "import " * 85,
        "environ " * 75,
        "except " * 85,
        "suppress(" * 65,
        "password" * 75,
        "#" * 600,
        "://a" * 150,
        "eyJ" * 200,
        " \t" * 300,
    ],
    ids=range(11),
)
def test_no_line_makes_the_guard_slow(line: str) -> None:
    patch = created("tests/test_a.py", "\n".join([line] * 50 + [line * (200_000 // len(line))]))
    began = time.process_time()
    check(patch, policy=POLICY)
    assert time.process_time() - began < 2.5


def of(**fields: object) -> RepositoryPolicy:
    return RepositoryPolicy.model_validate({"match": "acme/*", **fields})


def test_a_repository_protects_more_than_the_server() -> None:
    patch, server = (
        changed("shop/cart.py", "a = 1", "a = 2"),
        POLICY.model_copy(update={"protected_paths": ("docs/**",)}),
    )
    assert check(patch, policy=server, repository=of()) == []
    found = check(patch, policy=server, repository=of(protected_paths=["shop/**"]))
    assert [(o.rule, o.hard) for o in found] == [("protected-path", True)]
    docs = changed("docs/a.md", "a", "b")
    assert [
        o.rule for o in check(docs, policy=server, repository=of(protected_paths=["shop/**"]))
    ] == ["protected-path"]


def test_a_repository_may_take_doubt_for_a_refusal() -> None:
    patch = changed("requirements.txt", "a==1", "a==2")
    assert [(o.rule, o.hard) for o in check(patch, policy=POLICY, repository=of())] == [
        ("dependency", False)
    ]
    found = check(patch, policy=POLICY, repository=of(soft_is_hard=True))
    assert [(o.rule, o.text, o.hard) for o in found] == [
        ("dependency", "requirements.txt names what is installed", True)
    ]


def test_what_is_too_long_is_not_searched_line_by_line() -> None:
    assert hard(created("shop/a.py", "\n".join(["import os  # noqa"] * 500))) == {"too-many-lines"}


def in_utf16(line: str, codec: str) -> str:
    """A patch that adds the line to a file in UTF-16, as bytes that git takes."""
    feed = "\n".encode(codec)
    first, second = "x = 0".encode(codec) + feed, line.encode(codec) + feed
    mark = b"\xff\xfe" if codec.endswith("le") else b"\xfe\xff"
    rest = (first + second).split(b"\n")
    lines = [b" " + mark + rest[0], b"+" + rest[1]]
    if rest[2]:
        lines += [b" " + rest[2] + b"\n\\ No newline at end of file"]
    old = len(lines) - 1
    head = f"--- a/shop/a.py\n+++ b/shop/a.py\n@@ -1,{old} +1,{old + 1} @@\n"
    return head + b"\n".join([*lines, b""]).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_is_read_as_its_characters(codec: str) -> None:
    found = check(in_utf16("größe = 1", codec), policy=POLICY)
    assert [(o.rule, o.hard) for o in found] == [("other-encoding", False)]
    exits = hard(added("shop/a.py", "import os; os._exit(0)"))
    assert exits
    assert hard(in_utf16("import os; os._exit(0)", codec)) == exits


@pytest.mark.parametrize("line", ["\0rm -rf / #", "rm\0 -rf /", "\0\0"])
def test_a_nul_hides_nothing(line: str) -> None:
    assert "unseen-characters" in hard(added("shop/a.sh", line))


def test_a_letter_of_latin1_is_for_a_person_and_a_control_is_refused() -> None:
    found = check(added("shop/a.py", "n = 'caf\udce9'"), policy=POLICY)
    assert [(o.rule, o.hard) for o in found] == [("other-encoding", False)]
    assert "unseen-characters" in hard(added("shop/a.py", "n = '\udc9b'"))


def test_a_byte_order_mark_may_stay_and_not_come() -> None:
    head = "--- a/shop/a.py\n+++ b/shop/a.py\n@@ -1 +1 @@\n"
    assert hard(f"{head}-\ufeffx = 1\n+\ufeffx = 2\n") == set()
    assert "unseen-characters" in hard(f"{head}-x = 1\n+\ufeffx = 2\n")
    assert "unseen-characters" in hard(f"{head}-\ufeffx = 1\n+\ufeffx\ufeff = 2\n")
