"""JUnit XML as test runners write it: which tests failed, and what they say. Written by code under
test: bounded, no DOCTYPE.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cihealing.reading import clean
from cihealing.reading.redact import redact

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 32 << 20
MAX_TESTS = 2000
MAX_TEXT = 500


class NoReport(ValueError):
    """The message says why this is no JUnit report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTest:
    """`name` is the class's and the test's, joined as the runner's log joins them; everything is
    redacted.
    """

    name: str
    error_type: str = ""
    message: str = ""
    file: str = ""
    line: int | None = None


def failed_tests(content: bytes) -> tuple[FailedTest, ...]:
    """In the order of the report, no test twice. Raises NoReport."""
    if len(content) > MAX_BYTES:
        raise NoReport(f"it is larger than {MAX_BYTES >> 20} MB")
    try:
        document: Element = fromstring(content, forbid_dtd=True)
    except (DefusedXmlException, SyntaxError, ValueError, LookupError) as error:
        raise NoReport(f"it is no well-formed XML without a DOCTYPE ({error})"[:200]) from error
    if document.tag not in ("testsuites", "testsuite"):
        raise NoReport(f"its root is <{document.tag[:40]}>, not <testsuites> or <testsuite>")
    found = (failed(case) for case in document.iter("testcase"))
    return tuple({test.name: test for test in found if test}.values())[:MAX_TESTS]


def failed(case: Element) -> FailedTest | None:
    said = next((child for child in case if child.tag in ("failure", "error")), None)
    if said is None:
        return None
    line = case.get("line") or ""
    message = said.get("message") or next(iter((said.text or "").strip().splitlines()), "")
    return FailedTest(
        name=safe(joined(case)),
        error_type=safe((said.get("type") or "").rpartition(".")[2]),
        message=safe(message),
        file=safe(case.get("file") or ""),
        line=int(line) if re.fullmatch(r"\d{1,9}", line) else None,
    )


def joined(case: Element) -> str:
    """pytest's classes stand for files and read better as such; of all others the class's name goes
    before the test's.
    """
    file, owner, name = case.get("file") or "", case.get("classname") or "", case.get("name") or ""
    module = file.removesuffix(".py").replace("/", ".")
    if file.endswith(".py") and (owner == module or owner.startswith(f"{module}.")):
        return "::".join([file, *filter(None, owner[len(module) :].split(".")), name])
    return ".".join(filter(None, (owner, name)))


def safe(text: str) -> str:
    return redact(clean.plain(text).replace("\n", " ")).text[:MAX_TEXT]


def merged(tests: tuple[str, ...], reports: tuple[FailedTest, ...]) -> tuple[str, ...]:
    """The tests a log names, and those only a report knows."""
    known = {leaf(test) for test in tests}
    return (*tests, *(report.name for report in reports if leaf(report.name) not in known))


def leaf(name: str) -> str:
    """What a log's and a report's name of one test have in common."""
    return re.split(r"[.:#>\s/]+", re.sub(r"\(.*\)$", "", name.strip()).strip())[-1]
