"""Mistakes in the code, as compilers, interpreters and tests say them."""

from __future__ import annotations

from cihealing.diagnosis.pattern import ENV, PRODUCT, VALUE, WORD, pattern

DECIDE = (
    "Decide which of the two is right: correct the code, or the expectation if the change was meant"
)

PATTERNS = (
    pattern(
        "undefined-name",
        PRODUCT,
        rf"NameError: (?:global )?name '(?P<name>{WORD})' is not defined",
        cause="The name {name} is used and never defined or imported",
        fix="Import or define {name} in the file that uses it",
        confidence=0.85,
    ),
    pattern(
        "undefined-name",
        PRODUCT,
        rf"\bF821\b.{{0,20}}[Uu]ndefined name [`'\"](?P<name>{WORD})",
        cause="The name {name} is used and never defined or imported",
        fix="Import or define {name} in the file that uses it",
        confidence=0.85,
    ),
    pattern(
        "import-name",
        PRODUCT,
        rf"ImportError: cannot import name '(?P<name>{WORD})' from (?P<partly>partially initialized"
        rf" module )?'(?P<module>{WORD})'",
        cause="The module {module} has no {name} (any more), or the two import each other",
        fix=(
            "Import {name} from where it is defined now, or break the circle by importing inside"
            " the function"
        ),
        confidence=0.8,
    ),
    pattern(
        "missing-module",
        ENV,
        rf"(?:ModuleNotFoundError: )?No module named '?(?P<module>{WORD})'?",
        cause=(
            "The Python module {module} is not there: it is not installed in this environment, or"
            " it was moved or renamed"
        ),
        fix=(
            "If {module} is a dependency, declare it; if it belongs to the repository, correct the"
            " import"
        ),
        confidence=0.75,
    ),
    pattern(
        "missing-module",
        ENV,
        r"(?:Cannot find module|Can't resolve|Module not found: Error: Can't resolve)"
        rf" '(?P<module>{WORD})'",
        cause=(
            "The JavaScript module {module} is not there: it is not installed, or its path changed"
        ),
        fix="Declare {module} in package.json and update the lock file, or correct the path",
        confidence=0.75,
    ),
    pattern(
        "missing-module",
        ENV,
        rf"(?:cannot find package|no required module provides package) \"?(?P<module>{WORD})\"?",
        cause="The Go package {module} is not there",
        fix="Run `go get {module}` and commit go.mod and go.sum, or correct the import path",
        confidence=0.75,
    ),
    pattern(
        "merge-marks",
        PRODUCT,
        r"(?:^|[\s'\"+`])(?P<mark><{7}|>{7}) (?P<branch>\S{1,100})",
        cause="A file still holds the marks of a merge conflict ({mark} {branch})",
        fix="Resolve the conflict and remove the marks",
        confidence=0.85,
    ),
    pattern(
        "syntax",
        PRODUCT,
        rf"(?P<kind>SyntaxError|IndentationError|TabError): (?P<message>{VALUE})$",
        cause="A source file cannot be parsed: {message}",
        fix="Correct the syntax at the line named above the message",
        confidence=0.85,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"\bassert (?P<actual>{VALUE}) == (?P<expected>{VALUE})$",
        cause="A test found {actual} where it expects {expected}",
        fix=DECIDE,
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"AssertionError: (?P<actual>{VALUE}) != (?P<expected>{VALUE})(?: : .{{0,200}})?$",
        cause="A test found {actual} and {expected} to differ",
        fix=DECIDE,
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"\bexpected: ?<(?P<expected>{VALUE})> but was: ?<(?P<actual>{VALUE})>",
        cause="A test found {actual} where it expects {expected}",
        fix=DECIDE,
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"^\s*[Ee]xpected:? (?P<expected>{VALUE})$",
        second=rf"^\s*(?:[Rr]eceived|[Aa]ctual|[Gg]ot|to equal):? (?P<actual>{VALUE})$",
        cause="A test found {actual} where it expects {expected}",
        fix=DECIDE,
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"^\s*left: (?P<actual>{VALUE}),?$",
        second=rf"^\s*right: (?P<expected>{VALUE})$",
        cause="A test found {actual} on the left and {expected} on the right",
        fix=DECIDE,
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"\b[Gg]ot:? (?P<actual>{VALUE})[,;] ?[Ww](?:ant|anted):? (?P<expected>{VALUE})$",
        cause="A test got {actual} and wants {expected}",
        fix=DECIDE,
        confidence=0.65,
    ),
    pattern(
        "snapshot",
        PRODUCT,
        r"(?P<count>\d{1,6}) snapshots? (?:failed|obsolete)|does not match (?:the )?stored"
        r" snapshot",
        cause="What is rendered no longer equals the stored snapshot",
        fix="Look at the difference; where it is meant, store the new snapshot in the same change",
    ),
)
