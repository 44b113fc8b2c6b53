"""Checks that read single changed lines: a table of patterns, one engine.

Patterns read `Edit.plain` (short, runs of blanks made one), so that none of them can be made slow.
What is only moved or indented anew is excused where a rule says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from cihealing.domain.values import Objection
from cihealing.guard.change import MAX_LINE, Edit, FileChange
from cihealing.guard.kinds import is_prose, is_test
from cihealing.guard.objections import hard, soft

Where = Literal["anywhere", "code", "tests"]
Excuse = Literal["nothing", "moved line", "same match"]


@dataclass(frozen=True, kw_only=True)
class LineRule:
    """An added line that matches is objected to, unless `excuse` says that the patch took the same away elsewhere in the file."""

    name: str
    says: str
    pattern: re.Pattern[str]
    where: Where = "code"
    suffixes: tuple[str, ...] = ()
    """File endings it speaks for; empty: all."""
    excuse: Excuse = "moved line"
    is_hard: bool = True


def rule(name: str, says: str, *patterns: str, **options: object) -> LineRule:
    return LineRule(name=name, says=says, pattern=re.compile("|".join(f"(?:{p})" for p in patterns)), **options)  # type: ignore[arg-type]


PYTHON = (".py", ".pyi", ".pyx", ".ipynb")
SCRIPT = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".svelte")
JVM = (".java", ".kt", ".kts", ".scala", ".groovy")
RUBY = (".rb", ".rake")
OTHERS = (".php", ".cs", ".fs", ".vb", ".cc", ".cpp", ".cxx", ".c", ".h", ".swift", ".m", ".exs", ".ex", ".dart")

SKIPS = (
    rule(
        "skips-test",
        "skips a test",
        r"\bpytest\s*\.\s*(?:skip|xfail|importorskip|exit)\b",
        r"\bmark\s*\.\s*(?:skip|skipif|xfail|flaky)\b",
        r"\bunittest\s*\.\s*(?:skip|expectedFailure|SkipTest)",
        r"@\s*(?:skip|skipIf|skipUnless|skipif|xfail|expectedFailure|flaky)\b",
        r"\bself\s*\.\s*skipTest\b",
        r"\bSkipTest\b",
        r"\bimport\b.{0,120}\b(?:skip|skipIf|skipif|xfail|importorskip|expectedFailure)\b",
        r"__test__\s*=",
        r"\bcollect_ignore",
        r"#\s*doctest:\s*\+(?:SKIP|ELLIPSIS)",
        excuse="nothing",
        suffixes=(*PYTHON, ".rst", ".md", ".txt"),
    ),
    rule(
        "skips-test",
        "skips a test",
        r"\b(?:it|test|describe|context|suite|specify|bench)\s*(?:\.\s*[a-zA-Z]+\s*)?\.\s*(?:skip|only|todo|fails|failing|fixme|skipIf|runIf)\b",
        r"(?<![\w.])(?:xit|xtest|xdescribe|xcontext|xspecify|fit|fdescribe)\s*(?:\.\s*each\s*)?[(`]",
        r"\bthis\.skip\s*\(",
        r"\bjest\.retryTimes\b",
        r"""\[\s*["'](?:skip|only|todo)["']\s*\]""",
        excuse="nothing",
        suffixes=SCRIPT,
    ),
    rule(
        "skips-test",
        "skips a test",
        r"\.\s*(?:only|skip|todo|failing)\s*\(",
        r"(?<![\w.])pending\s*\(",
        where="tests",
        excuse="nothing",
        suffixes=SCRIPT,
    ),
    rule(
        "skips-test",
        "skips a test",
        r"\b[a-z]{1,3}\.Skip(?:f|Now)?\s*\(",
        r"\btesting\.Short\s*\(",
        r"^//\s*\+build\b",
        r"^//go:build\b",
        excuse="nothing",
        suffixes=(".go",),
    ),
    rule(
        "skips-test",
        "skips a test",
        r"@(?:org\.junit\.[a-z.]{0,40})?(?:Disabled|Ignore)\b",
        r"@(?:Enabled|Disabled)(?:If|On)",
        r"\b(?:org\.junit\.[a-z.]{0,40})(?:Assumptions?|Assume|Disabled|Ignore)\b",
        excuse="nothing",
        suffixes=JVM,
    ),
    rule(
        "skips-test",
        "skips a test",
        r"\b(?:Assumptions?|Assume)\b",
        r"\bassume(?:True|False|That)\s*\(",
        r"\benabled\s*=\s*false",
        r"\bignore\s*\(",
        where="tests",
        excuse="nothing",
        suffixes=JVM,
    ),
    rule(
        "skips-test",
        "skips a test",
        r"#\s*!?\s*\[\s*ignore\b",
        r"#\s*!?\s*\[\s*cfg_attr\s*\(.{0,120}\bignore\b",
        r"#\s*!?\s*\[\s*cfg\s*\(\s*not\s*\(\s*test\b",
        r"#\s*\[\s*should_panic",
        r"^\s*//[/!]\s*```.*\b(?:ignore|no_run|compile_fail)\b",
        excuse="nothing",
        suffixes=(".rs",),
    ),
    rule(
        "skips-test",
        "skips a test",
        r"^\s*(?:pending|skip)\b",
        r"\b(?:xit|xdescribe|xcontext|xspecify|xexample|fit|fdescribe)\b",
        r"\b(?:skip|pending|focus)\s*:",
        r":(?:skip|pending|focus)\b",
        where="tests",
        excuse="nothing",
        suffixes=RUBY,
    ),
    rule(
        "skips-test",
        "skips a test",
        r"\bmarkTest(?:Skipped|Incomplete)\b",
        r"@(?:group|requires)\b",
        r"\b(?:Skip|Ignore)\s*=",
        r"\[\s*(?:Ignore|Explicit)\b",
        r"\bGTEST_SKIP\b",
        r"\bDISABLED_",
        r"\bXCTSkip",
        r"@(?:module)?tag\s+:?skip",
        r"\bAssert\.(?:Ignore|Inconclusive)\b",
        where="tests",
        excuse="nothing",
        suffixes=OTHERS,
    ),
    rule(
        "skips-test",
        "leaves tests out of the run",
        r"(?:^|[\s\"'])--(?:deselect|ignore|ignore-glob|testPathIgnorePatterns|passWithNoTests|skip-tests)\b",
        r"\bmaven\.test\.skip\b",
        r"-DskipTests\b|\bskipTests\b",
        r"\btest(?:FailureIgnore|PathIgnorePatterns)\b",
        r"\bignoreFailures\b",
        r"\bfailOnError\b",
        r"\ballow_failure\b",
        r"\bcontinue-on-error\b",
        where="anywhere",
        excuse="nothing",
    ),
    rule("returns-early", "leaves a test early", r"^\s*return\s*;?\s*(?:#.*|//.*)?$", where="tests"),
)

CHEATS = (
    rule(
        "exit-zero",
        "makes a failing command look green",
        r"\bexit\s+0\b",
        r"\|\|\s*(?:true|:|exit\s+0|echo\b|/bin/true)",
        r"(?:^|[;&\s])set\s+\+(?:e|o\s+(?:errexit|pipefail))\b",
        r"\bexit\s*\(\s*(?:0|None|False)?\s*\)",
        r"\bos\s*\.\s*_exit\b",
        r"\bSystemExit\s*\(\s*(?:0|None|False)?\s*\)",
        r"\braise\s+SystemExit\s*(?:#.*)?$",
        r"\bos\s*\.\s*(?:kill|abort|exec[lv]p?e?)\b",
        r"\bimport\b.{0,120}\b_exit\b",
        r"\bprocess\s*\.\s*(?:exit|exitCode|reallyExit|kill)\b",
        r"\bSystem\s*\.\s*exit\b",
        r"\bRuntime\b.{0,60}\bhalt\s*\(",
        r"\bprocess::exit\b",
        r"\bos\s*\.\s*Exit\s*\(\s*0",
        r"\bexit!?\s*\(?\s*(?:0|true)\b",
        r"\bquit\s*\(\s*0?\s*\)",
    ),
    rule(
        "test-hook",
        "hooks into the test runner",
        r"\bdef\s+pytest_[a-z_]+",
        r"\bpytest_(?:plugins|runtest|collection|session|configure|report|terminal|unconfigure|pyfunc)",
        r"\bhookimpl\b",
        r"\b_pytest\b",
        r"\bpytest11\b",
        r"\batexit\s*\.\s*register\b|\bimport\b.{0,120}\batexit\b",
        r"\bsys\s*\.\s*(?:settrace|setprofile|excepthook|meta_path|path_hooks|modules)\b",
        r"\bthreading\s*\.\s*excepthook\b",
        r"\bbuiltins\s*\.\s*[A-Za-z_]+\s*=(?!=)",
        r"__builtins__",
        r"\b(?:TestCase|TestReport|TestRunner|CallInfo|ExceptionInfo)\s*\.\s*\w+\s*=(?!=)",
        r"\bTestResult\b",
        r"\bload_tests\b",
        r"\bprocess\s*\.\s*on\s*\(\s*.(?:exit|beforeExit|uncaughtException|unhandledRejection)",
        r"\bexpect\s*\.\s*extend\b",
        r"\bglobal(?:This)?\s*\.\s*(?:expect|it|test|describe|assert)\s*=(?!=)",
        r"\bTestMain\b",
        r"\bat_exit\b",
    ),
    rule(
        "asks-for-the-test",
        "asks whether it is being tested",
        r"\bPYTEST_[A-Z_]+",
        r"""["']pytest["']\s+(?:not\s+)?in\b""",
        r"""\b(?:environ|getenv|Getenv|ENV|env)\b[^#\n]{0,40}["'](?:CI|GITHUB_ACTIONS|GITLAB_CI|JENKINS_URL|NODE_ENV|TESTING|JEST_WORKER_ID)["']""",
        r"\bprocess\.env\.(?:CI|NODE_ENV|JEST_WORKER_ID|VITEST)\b",
        r"\bimport\.meta\.vitest\b",
        r"\binspect\s*\.\s*(?:stack|currentframe)\b",
        r"\bsys\s*\.\s*_getframe\b",
    ),
    rule(
        "swallows-failure",
        "swallows a failure",
        r"\bexcept\b[^:#\n]{0,200}:\s*(?:pass|\.\.\.|continue)\s*(?:#.*)?$",
        r"\bsuppress\s*\([^)\n]{0,200}\b(?:BaseException|Exception|AssertionError)\b",
        r"\bexcept\b[^:#\n]{0,200}\bAssertionError\b",
        r"\bcatch\s*(?:\([^)\n]{0,200}\)\s*)?\{\s*\}",
        r"\.catch\s*\(\s*(?:\(\s*\w*\s*\)|\w+)\s*=>\s*(?:\{\s*\}|null|undefined)\s*\)",
        r"\brescue\s*(?:=>\s*\w+\s*)?(?:;\s*)?nil\b",
        r"\brecover\s*\(\s*\)",
    ),
    rule(
        "always-equal",
        "makes a comparison always true",
        r"""\bassert\s*\(?\s*(?:True|1|not\s+False|not\s+None|"[^"]*"|'[^']*')\s*\)?\s*(?:,.*|#.*)?$""",
        r"\bassert\b.{0,200}\bor\s+(?:True|1)\b",
        r"\bassertTrue\s*\(\s*(?:True|true|1)\s*[,)]",
        r"\bassertFalse\s*\(\s*(?:False|false|0)\s*[,)]",
        r"\bexpect\s*\(\s*(?:true|1|!0)\s*\)",
        r"\bassert(?:_eq)?!\s*\(\s*true\b",
        r"\bassert\.(?:ok|True)\s*\(\s*(?:t\s*,\s*)?true\s*\)",
        r"\bdef\s+__(?:eq|ne|bool|contains|lt|gt|le|ge|instancecheck|subclasscheck)__\b.{0,120}:\s*return\s+True",
        r"__(?:eq|ne|bool|instancecheck)__\s*=\s*lambda\b",
    ),
    rule(
        "silences-check",
        "silences a check instead of meeting it",
        r"#\s*(?i:noqa)\b",
        r"#\s*type:\s*ignore",
        r"#\s*(?:mypy|pyright|ruff|pylint|flake8|isort|fmt|yapf|pytype)\s*:\s*\S+",
        r"#\s*(?:nosec|nosemgrep|NOSONAR)\b",
        r"#\s*pragma:\s*no\s*cover",
        r"#\s*pyre-(?:ignore|fixme)",
        r"\b(?:eslint|tslint|stylelint|jshint|jslint|biome|oxlint|standard|prettier|markdownlint|htmlhint)-(?:disable|ignore|enable)",
        r"@ts-(?:ignore|nocheck|expect-error)",
        r"\$Flow(?:FixMe|Ignore)",
        r"\b(?:istanbul|c8|v8)\s+ignore\b",
        r"//\s*nolint\b",
        r"#\s*!?\s*\[\s*(?:allow|expect|rustfmt::skip)\b",
        r"@(?:SuppressWarnings|Suppress|SuppressFBWarnings)\b",
        r"//\s*(?:NOSONAR|NOLINT)",
        r"#\s*rubocop:\s*(?:disable|todo)",
        r"#\s*:nocov:",
        r"\bphpcs:(?:ignore|disable)",
        r"@phpstan-ignore|@psalm-suppress",
        r"#\s*pragma\s+warning\s+disable",
        r"#\s*shellcheck\s+disable",
        r"\bwarnings\s*\.\s*(?:simplefilter|filterwarnings)\b",
        r"@(?:typing\.)?no_type_check\b",
        where="anywhere",
        excuse="same match",
    ),
)

SECRETS = (
    rule(
        "secret",
        "holds what looks like a secret",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{20}",
        r"\bgithub_pat_[A-Za-z0-9_]{20}",
        r"\bglpat-[A-Za-z0-9_-]{16}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10}",
        r"\bsk-[A-Za-z0-9_-]{20}",
        r"\bsk_live_[A-Za-z0-9]{10}",
        r"\bAIza[A-Za-z0-9_-]{30}",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY",
        r"\beyJ[A-Za-z0-9_-]{10,500}\.eyJ",
        r"\bnpm_[A-Za-z0-9]{30}",
        r"\bpypi-[A-Za-z0-9_-]{40}",
        r"://[^\s/:@\"']{1,100}:[^\s/:@\"'{}$<]{4,100}@",
        r"""(?i:(?:password|passwd|secret|token|api_?key|private_?key)\w{0,20})["']?\s{0,5}[:=]\s{0,5}["']"""
        r"""(?=[^"'\s]{0,100}[0-9])(?=[^"'\s]{0,100}[A-Za-z])[^"'\s{}<>$]{20,200}["']""",
        where="anywhere",
    ),
)

POWERS = (
    rule(
        "power",
        "reaches for the shell, the network or generated code",
        r"\b(?:eval|exec|compile|__import__)\s*\(",
        r"\b(?:subprocess|socket|ctypes|pickle|importlib|child_process|base64|urllib|httpx|unsafe)\b",
        r"\bos\s*\.\s*(?:system|popen|environ)\b",
        r"\bnew\s+Function\b",
        r"\b(?:curl|wget|nc)\s",
        r"\brequests\s*\.",
        r"\bRuntime\.getRuntime\b",
        is_hard=False,
    ),
    rule(
        "catches-everything",
        "catches every exception",
        r"^\s*except\s*(?:\(?\s*(?:Base)?Exception\b[^:\n]{0,100})?:",
        r"\bcatch\s*\(\s*(?:final\s+)?(?:Throwable|Exception|\.\.\.)",
        r"^\s*rescue\s*(?:=>\s*\w+)?$",
        r"\bsuppress\s*\(",
        is_hard=False,
    ),
    rule("waits", "waits or tries again", r"\bsleep\s*\(", r"\bretry|\bretries\b", r"\bsetTimeout\s*\(", is_hard=False),
)

RULES = (*SKIPS, *CHEATS, *SECRETS, *POWERS)


def check(files: Iterable[FileChange]) -> list[Objection]:
    return [o for f in files for o in (*length_objections(f), *(o for r in RULES if applies(r, f.path) for o in rule_objections(r, f)))]


def applies(rule: LineRule, path: str) -> bool:
    if rule.suffixes and not path.casefold().endswith(rule.suffixes):
        return False
    match rule.where:
        case "anywhere":
            return True
        case "code":
            return bool(rule.suffixes) or not is_prose(path)
        case "tests":
            return is_test(path)


def rule_objections(rule: LineRule, file: FileChange) -> Iterator[Objection]:
    """At most one objection a file: it cites the first line nothing excuses."""
    excused = Counter(filter(None, (key(rule, e) for e in file.removed)))
    for edit in file.added:
        found = key(rule, edit)
        if found is None:
            continue
        if rule.excuse != "nothing" and excused[found] > 0:
            excused[found] -= 1
            continue
        say = hard if rule.is_hard else soft
        yield say(rule.name, f"{file.path}:{edit.line} {rule.says}")
        return


def key(rule: LineRule, edit: Edit) -> str | None:
    """What two lines must share to count as the same; None where the rule does not match."""
    matched = rule.pattern.search(edit.plain)
    if matched is None:
        return None
    return matched[0] if rule.excuse == "same match" else edit.text.strip()


def length_objections(file: FileChange) -> Iterator[Objection]:
    for edit in file.added:
        if len(edit.text) > MAX_LINE:
            yield hard("long-line", f"{file.path}:{edit.line} is longer than {MAX_LINE} characters: nobody can review it")
            return
