"""Data, values, and what linters and compilers refuse."""

from __future__ import annotations

from cihealing.diagnosis.pattern import DATA, PRODUCT, VALUE, WORD, pattern

PATTERNS = (
    pattern(
        "constraint",
        DATA,
        r"IntegrityError|violates (?:unique|foreign key|not-null|check) constraint|UNIQUE"
        r" constraint failed|Duplicate entry",
        cause="Data breaks a rule of the database",
        fix=(
            "Look at the record the message names: the test data or the code that writes it is"
            " wrong"
        ),
    ),
    pattern(
        "none-attribute",
        PRODUCT,
        rf"'NoneType' object (?:has no attribute '(?P<name>{WORD})'|is not \w+)|Cannot read"
        r" propert(?:y|ies) of (?:undefined|null)|NullPointerException|nil pointer dereference",
        cause="A value that should be there is missing (None, null, undefined)",
        fix=(
            "Follow the value back from the line named in the trace: who was to set it, and when"
            " does it stay empty"
        ),
        confidence=0.65,
    ),
    pattern(
        "attribute",
        PRODUCT,
        rf"AttributeError: (?P<message>{VALUE})$|TypeError:"
        rf" (?P<message2>{VALUE})$|(?<!\S)(?P<message3>\S{{1,100}} is not a function)$",
        cause="A value is not of the kind the code takes it for: {message}{message2}{message3}",
        fix="Look at the call named in the trace: the interface of one side changed",
        confidence=0.6,
    ),
    pattern(
        "missing-key",
        PRODUCT,
        r"(?P<kind>KeyError|IndexError|IndexOutOfBoundsException|index out of range)(?::"
        rf" (?P<message>{VALUE}))?$",
        cause="Something was looked up that is not there: {kind} {message}",
        fix="Check what the data really holds at the line named in the trace",
        confidence=0.6,
    ),
    pattern(
        "format",
        PRODUCT,
        r"^(?:W|w)ould reformat:? (?P<file>\S{1,300})|(?<!\S)(?P<file2>\S{1,300}) (?:is not"
        r" formatted|needs formatting)|Code style issues found",
        cause="A file is not formatted as the project wants it ({file}{file2})",
        fix="Run the project's formatter and commit the result",
        confidence=0.9,
    ),
    pattern(
        "lint",
        PRODUCT,
        r"(?<![^\s(])(?P<file>[^\s:()]{1,300}):(?P<line>\d{1,7}):\d{1,6}:"
        rf" (?P<rule>[A-Z]{{1,4}}\d{{2,4}}):? (?P<message>{VALUE})$",
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
        r"(?<![^\s(])(?P<file>[^\s:()]{1,300}\.\w{1,4}):(?P<line>\d{1,7})(?::\d{1,6})?:"
        rf" error: (?P<message>{VALUE})$",
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
        rf"error: cannot find symbol|undefined reference to [`'](?P<name>{VALUE})'|\bundefined:"
        rf" (?P<name2>{WORD})",
        cause="The compiler does not know a name ({name}{name2})",
        fix="Import or define it, or correct its spelling where it is used",
        confidence=0.8,
    ),
    pattern(
        "coverage",
        PRODUCT,
        r"(?:[Rr]equired test coverage of|[Cc]overage.{0,40}(?:threshold|below|less than)|Coverage"
        r" failure).{0,80}",
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
