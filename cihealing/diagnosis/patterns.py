"""Failures everybody has seen, as data: what the line says, what it means, what usually helps.

Specific before general: of two patterns on one line the first counts. Every expression is linear
and reads one bounded line.
"""

# ruff: noqa: E501 - a pattern and what it says are read on one line each
from __future__ import annotations

import re
from dataclasses import dataclass

from cihealing.domain.values import FailureClass

VALUE = r"[^\n]{1,120}?"
WORD = r"[\w.$/@+-]{1,120}"


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """`cause` and `fix` are filled with the named groups of both expressions. `second` has to match
    within the next three lines.
    """

    name: str
    failure_class: FailureClass
    first: re.Pattern[str]
    cause: str
    fix: str
    confidence: float = 0.7
    second: re.Pattern[str] | None = None


def pattern(
    name: str,
    failure_class: FailureClass,
    first: str,
    *,
    cause: str,
    fix: str,
    second: str = "",
    confidence: float = 0.7,
) -> Pattern:
    then = re.compile(second) if second else None
    return Pattern(
        name=name,
        failure_class=failure_class,
        first=re.compile(first),
        second=then,
        cause=cause,
        fix=fix,
        confidence=confidence,
    )


PRODUCT, ENV, INFRA, DATA, FLAKY = (
    FailureClass.PRODUCT,
    FailureClass.ENV,
    FailureClass.INFRA,
    FailureClass.DATA,
    FailureClass.FLAKY,
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
        rf"ImportError: cannot import name '(?P<name>{WORD})' from (?P<partly>partially initialized module )?'(?P<module>{WORD})'",
        cause="The module {module} has no {name} (any more), or the two import each other",
        fix="Import {name} from where it is defined now, or break the circle by importing inside the function",
        confidence=0.8,
    ),
    pattern(
        "missing-module",
        ENV,
        rf"(?:ModuleNotFoundError: )?No module named '?(?P<module>{WORD})'?",
        cause="The Python module {module} is not there: it is not installed in this environment, or it was moved or renamed",
        fix="If {module} is a dependency, declare it; if it belongs to the repository, correct the import",
        confidence=0.75,
    ),
    pattern(
        "missing-module",
        ENV,
        rf"(?:Cannot find module|Can't resolve|Module not found: Error: Can't resolve) '(?P<module>{WORD})'",
        cause="The JavaScript module {module} is not there: it is not installed, or its path changed",
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
        fix="Decide which of the two is right: correct the code, or the expectation if the change was meant",
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"AssertionError: (?P<actual>{VALUE}) != (?P<expected>{VALUE})(?: : .{{0,200}})?$",
        cause="A test found {actual} and {expected} to differ",
        fix="Decide which of the two is right: correct the code, or the expectation if the change was meant",
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"\bexpected: ?<(?P<expected>{VALUE})> but was: ?<(?P<actual>{VALUE})>",
        cause="A test found {actual} where it expects {expected}",
        fix="Decide which of the two is right: correct the code, or the expectation if the change was meant",
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"^\s*[Ee]xpected:? (?P<expected>{VALUE})$",
        second=rf"^\s*(?:[Rr]eceived|[Aa]ctual|[Gg]ot|to equal):? (?P<actual>{VALUE})$",
        cause="A test found {actual} where it expects {expected}",
        fix="Decide which of the two is right: correct the code, or the expectation if the change was meant",
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"^\s*left: (?P<actual>{VALUE}),?$",
        second=rf"^\s*right: (?P<expected>{VALUE})$",
        cause="A test found {actual} on the left and {expected} on the right",
        fix="Decide which of the two is right: correct the code, or the expectation if the change was meant",
        confidence=0.65,
    ),
    pattern(
        "assertion",
        PRODUCT,
        rf"\b[Gg]ot:? (?P<actual>{VALUE})[,;] ?[Ww](?:ant|anted):? (?P<expected>{VALUE})$",
        cause="A test got {actual} and wants {expected}",
        fix="Decide which of the two is right: correct the code, or the expectation if the change was meant",
        confidence=0.65,
    ),
    pattern(
        "snapshot",
        PRODUCT,
        r"(?P<count>\d{1,6}) snapshots? (?:failed|obsolete)|does not match (?:the )?stored snapshot",
        cause="What is rendered no longer equals the stored snapshot",
        fix="Look at the difference; where it is meant, store the new snapshot in the same change",
    ),
    pattern(
        "out-of-memory",
        INFRA,
        r"\bMemoryError\b|JavaScript heap out of memory|java\.lang\.OutOfMemoryError|\bOOMKilled\b|[Cc]annot allocate memory|Out of memory: Killed",
        cause="The process needed more memory than the machine gives it",
        fix="Run it on a larger machine or with fewer parallel workers; where the need grew with this change, look for the leak",
        confidence=0.75,
    ),
    pattern(
        "killed",
        INFRA,
        r"\bexit(?:ed)?(?: with)?(?: code| status)? 137\b|\bsignal: killed\b|^Killed\b",
        cause="The process was killed from outside, most often for its use of memory",
        fix="Run it again; if it is killed again, give it more memory or less to do at once",
        confidence=0.6,
    ),
    pattern(
        "disk-full",
        INFRA,
        r"No space left on device|\bENOSPC\b|[Dd]isk quota exceeded",
        cause="The disk of the machine is full",
        fix="Clear the runner's disk (caches, old images), then run the job again",
        confidence=0.85,
    ),
    pattern(
        "name-resolution",
        INFRA,
        rf"(?:Could not resolve host|Temporary failure in name resolution|Name or service not known|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)):?\s?(?P<host>{WORD})?",
        cause="A host name could not be resolved ({host})",
        fix="Run the job again; if it stays so, check the runner's DNS and the spelling of the host",
        confidence=0.75,
    ),
    pattern(
        "connection-refused",
        INFRA,
        rf"(?:[Cc]onnection refused|\bECONNREFUSED\b)(?:\s(?P<host>{WORD}(?::\d{{1,5}})?))?",
        cause="Nothing answered where the program connected to ({host})",
        fix="Check that the service is started and ready before the step; if it is another team's, run the job again when it is back",
        confidence=0.75,
    ),
    pattern(
        "connection-lost",
        INFRA,
        r"[Cc]onnection reset by peer|\bECONNRESET\b|\bEPIPE\b|[Rr]emote end closed connection|unexpected EOF|TLS handshake timeout|early EOF",
        cause="A connection was cut while it was used",
        fix="Run the job again; if it stays so, ask who runs the other side",
    ),
    pattern(
        "certificate",
        INFRA,
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|x509: certificate|SSL certificate problem|certificate has expired",
        cause="The certificate of the other side was not accepted",
        fix="Check its date and issuer, and that the runner knows your company's authority",
        confidence=0.75,
    ),
    pattern(
        "rate-limit",
        INFRA,
        r"\b429\b.{0,40}Too Many Requests|[Rr]ate limit (?:exceeded|reached)|toomanyrequests",
        cause="The other side refused further requests (rate limit)",
        fix="Run the job again later; sign in or cache what is fetched each time",
        confidence=0.8,
    ),
    pattern(
        "server-error",
        INFRA,
        r"\b(?P<status>50[0234])\b.{0,60}(?:Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)",
        cause="The other side answered with an error of its own ({status})",
        fix="Run the job again when it is back",
    ),
    pattern(
        "credentials",
        ENV,
        r"\b40[13]\b.{0,30}(?:Unauthorized|Forbidden)|[Aa]uthentication failed|[Pp]ermission denied \(publickey|denied: requested access|could not read Username",
        cause="The job was not allowed in: its credential is missing, wrong or expired",
        fix="Renew the credential in the CI's settings and check what it may do",
        confidence=0.75,
    ),
    pattern(
        "timeout",
        INFRA,
        r"exceeded the (?:maximum execution time|timeout)|[Jj]ob (?:timed out|exceeded)|[Tt]he operation was canceled|execution took longer than",
        cause="The job ran longer than it may",
        fix="Find the step that hangs (the last line before the end), then raise the limit or mend the step",
        confidence=0.6,
    ),
    pattern(
        "test-timeout",
        FLAKY,
        r"(?:Exceeded timeout of|Timeout -|Test timeout of|Timeout of) ?(?P<limit>\d{1,9} ?m?s)|Failed: Timeout >\s?(?P<seconds>[\d.]{1,12}s)|panic: test timed out",
        cause="A test did not end in time",
        fix="Run it alone a few times: if it ends sometimes, it waits for something it should not; if never, it hangs",
        confidence=0.6,
    ),
    pattern(
        "waited",
        INFRA,
        r"(?:[Rr]ead|[Cc]onnect(?:ion)?|[Oo]peration|Gateway) ?[Tt]imed? ?-?out|\bETIMEDOUT\b|\bTimeoutError\b|i/o timeout|context deadline exceeded",
        cause="An answer did not come in time",
        fix="Run the job again; if it stays so, check the other side and the time-out that is set",
        confidence=0.6,
    ),
    pattern(
        "port-in-use",
        FLAKY,
        r"[Aa]ddress already in use|\bEADDRINUSE\b",
        cause="A port is taken already: two processes, or two tests, use the same one",
        fix="Let the program choose a free port (0), or stop what still runs",
        confidence=0.75,
    ),
    pattern(
        "command-not-found",
        ENV,
        rf"(?:(?P<name>{WORD}): (?:command )?not found$|exec: \"(?P<name2>{WORD})\": executable file not found|spawn (?P<name3>{WORD}) ENOENT)",
        cause="A program is not installed here ({name}{name2}{name3})",
        fix="Install it in the job's set-up or image, or correct its name",
        confidence=0.8,
    ),
    pattern(
        "dependency-conflict",
        ENV,
        r"\bERESOLVE\b|ResolutionImpossible|version solving failed|No matching distribution found for (?P<name>\S{1,120})|Could not find a version that satisfies the requirement",
        cause="The declared dependencies cannot be installed together, or one does not exist in that version",
        fix="Look at the versions named in the log; loosen or pin the one that changed last",
        confidence=0.75,
    ),
    pattern(
        "lock-file",
        ENV,
        r"lock ?file.{0,60}(?:out of date|not up to date|needs to be updated|is not in sync)|npm ci. can only install packages when",
        cause="The lock file does not match the declared dependencies",
        fix="Make the lock file anew and commit it with the manifest",
        confidence=0.85,
    ),
    pattern(
        "permission",
        ENV,
        rf"(?:PermissionError|EACCES|[Pp]ermission denied):?\s?(?P<path>{VALUE})?$",
        cause="The job may not read, write or run a file ({path})",
        fix="Check owner and mode of the file, and the user the job runs as",
        confidence=0.65,
    ),
    pattern(
        "missing-table",
        DATA,
        rf"(?:no such (?:table|column)|relation \"[^\"]{{1,100}}\" does not exist|Unknown column|Table '[^']{{1,100}}' doesn't exist):?\s?(?P<name>{VALUE})?$",
        cause="The database does not have what the code asks for: a migration is missing or was not run",
        fix="Add the migration to the change, and check that the job runs migrations before its tests",
        confidence=0.8,
    ),
    pattern(
        "missing-file",
        DATA,
        rf"(?:FileNotFoundError|ENOENT|No such file or directory):?\s?(?:\[Errno 2\] No such file or directory: )?(?P<path>{VALUE})?$",
        cause="A file is not there ({path})",
        fix="Check whether it is committed, made by an earlier step, or looked for from the wrong directory",
    ),
    pattern(
        "constraint",
        DATA,
        r"IntegrityError|violates (?:unique|foreign key|not-null|check) constraint|UNIQUE constraint failed|Duplicate entry",
        cause="Data breaks a rule of the database",
        fix="Look at the record the message names: the test data or the code that writes it is wrong",
    ),
    pattern(
        "none-attribute",
        PRODUCT,
        rf"'NoneType' object (?:has no attribute '(?P<name>{WORD})'|is not \w+)|Cannot read propert(?:y|ies) of (?:undefined|null)|NullPointerException|nil pointer dereference",
        cause="A value that should be there is missing (None, null, undefined)",
        fix="Follow the value back from the line named in the trace: who was to set it, and when does it stay empty",
        confidence=0.65,
    ),
    pattern(
        "attribute",
        PRODUCT,
        rf"AttributeError: (?P<message>{VALUE})$|TypeError: (?P<message2>{VALUE})$|(?<!\S)(?P<message3>\S{{1,100}} is not a function)$",
        cause="A value is not of the kind the code takes it for: {message}{message2}{message3}",
        fix="Look at the call named in the trace: the interface of one side changed",
        confidence=0.6,
    ),
    pattern(
        "missing-key",
        PRODUCT,
        rf"(?P<kind>KeyError|IndexError|IndexOutOfBoundsException|index out of range)(?:: (?P<message>{VALUE}))?$",
        cause="Something was looked up that is not there: {kind} {message}",
        fix="Check what the data really holds at the line named in the trace",
        confidence=0.6,
    ),
    pattern(
        "format",
        PRODUCT,
        r"^(?:W|w)ould reformat:? (?P<file>\S{1,300})|(?<!\S)(?P<file2>\S{1,300}) (?:is not formatted|needs formatting)|Code style issues found",
        cause="A file is not formatted as the project wants it ({file}{file2})",
        fix="Run the project's formatter and commit the result",
        confidence=0.9,
    ),
    pattern(
        "lint",
        PRODUCT,
        rf"(?<![^\s(])(?P<file>[^\s:()]{{1,300}}):(?P<line>\d{{1,7}}):\d{{1,6}}: (?P<rule>[A-Z]{{1,4}}\d{{2,4}}):? (?P<message>{VALUE})$",
        cause="The linter objects to {file} line {line}: {rule} {message}",
        fix="Correct that line; many rules have a safe automatic correction",
        confidence=0.85,
    ),
    pattern(
        "lint",
        PRODUCT,
        rf"^\s*\d{{1,7}}:\d{{1,6}}\s{{1,8}}error\s{{1,8}}(?P<message>{VALUE})\s{{2,8}}(?P<rule>[@\w/-]{{2,80}})$",
        cause="The linter objects: {message} ({rule})",
        fix="Correct that line; many rules have a safe automatic correction",
        confidence=0.85,
    ),
    pattern(
        "lint",
        PRODUCT,
        rf"^(?P<rule>[A-Z]{{1,4}}\d{{3,4}}) (?:\[\*\] )?(?P<message>{VALUE})$",
        second=r"^\s*-->\s(?P<file>[^\s:]{1,300}):(?P<line>\d{1,7})",
        cause="The linter objects to {file} line {line}: {rule} {message}",
        fix="Correct that line; many rules have a safe automatic correction",
        confidence=0.85,
    ),
    pattern(
        "types",
        PRODUCT,
        rf"(?<![^\s(])(?P<file>[^\s:()]{{1,300}}\.\w{{1,4}}):(?P<line>\d{{1,7}})(?::\d{{1,6}})?: error: (?P<message>{VALUE})$",
        cause="The compiler or type checker refuses {file} line {line}: {message}",
        fix="Correct the line it names; the first error often causes the others",
        confidence=0.8,
    ),
    pattern(
        "types",
        PRODUCT,
        rf"\berror (?P<rule>TS\d{{3,5}}): (?P<message>{VALUE})$",
        cause="TypeScript refuses the code: {message} ({rule})",
        fix="Correct the line it names; the first error often causes the others",
        confidence=0.8,
    ),
    pattern(
        "types",
        PRODUCT,
        rf"^error(?:\[(?P<rule>E\d{{4}})\])?: (?P<message>{VALUE})$",
        cause="The compiler refuses the code: {message}",
        fix="Correct the line it names; the first error often causes the others",
        confidence=0.6,
    ),
    pattern(
        "symbol",
        PRODUCT,
        rf"error: cannot find symbol|undefined reference to [`'](?P<name>{VALUE})'|\bundefined: (?P<name2>{WORD})",
        cause="The compiler does not know a name ({name}{name2})",
        fix="Import or define it, or correct its spelling where it is used",
        confidence=0.8,
    ),
    pattern(
        "coverage",
        PRODUCT,
        r"(?:[Rr]equired test coverage of|[Cc]overage.{0,40}(?:threshold|below|less than)|Coverage failure).{0,80}",
        cause="Fewer lines are covered by tests than the project wants",
        fix="Add tests for the lines of this change",
        confidence=0.8,
    ),
    pattern(
        "segfault",
        PRODUCT,
        r"[Ss]egmentation fault|\bSIGSEGV\b|core dumped",
        cause="A process crashed in native code",
        fix="Look at the native extension or its version that changed last",
        confidence=0.6,
    ),
    pattern(
        "panic",
        PRODUCT,
        rf"\bpanicked at (?P<message>{VALUE})$|^panic: (?P<message2>{VALUE})$",
        cause="The program panicked: {message}{message2}",
        fix="Look at the first frame of the trace that is your own code",
        confidence=0.6,
    ),
)
