"""npm (`npm ERR!`, `npm error`), pnpm and yarn: what could not be resolved, fetched or run. Source:
npm 6 to 11, pnpm 7 to 10, yarn 1 to 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

YARN = (
    "error An unexpected error",
    "error Couldn't find",
    'error Command "',
    "error Your lockfile",
    "error Integrity check",
    "error Received ",
    'The engine "',
    'error Package "',
    "error No license",
    "error Lockfile does not",
)
MARKS = ("npm ERR! ", "npm error ", "ERR_PNPM_", "➤ YN0", "Failed with errors in", *YARN)
NPM = re.compile(r"npm (?:ERR!|error) ?(?P<text>.*)$")
CODE = re.compile(r"code (?P<code>\S+)$")
NOISE = re.compile(
    r"$|code |errno |syscall |path |dest |file |command |signal |cwd |Linux |Darwin |Windows|argv"
    r" |node |npm |A complete log of |/\S+\.log$|Exit status |Failed at the |This is probably not"
    r" |Test failed\."
    r"|[\w@/.-]+@\S+ [\w:-]+: `|\d{3}$|Lifecycle script |Error: command failed|  in workspace: | "
    r" at location: |If you need help|Additional logging|To see a list of scripts|  npm run$|not ok"
    r" code"
)
TAG = re.compile(
    r"(?:404|notarget|notsup|enoent|network|peer|audit|gyp|git|shrinkwrap|ERESOLVE|auth|need"
    r" auth) +"
)
ECHO = ("ELIFECYCLE", "EUSAGE_ECHO")
PNPM = re.compile(r"\s?(?:\[?ERROR\]? )?(?P<code>ERR_PNPM_\w+)\s{1,4}(?P<message>\S.*)$")
PNPM_ECHO = re.compile(r"ERR_PNPM_(?:RECURSIVE_(?:RUN_|EXEC_)?FIRST_FAIL|RECURSIVE_FAIL)")
YARN_ERROR = re.compile(
    r"error (?P<message>(?!Command failed|An unexpected error occurred: \"Command failed)\S.*)$"
)
BERRY = re.compile(r"➤ (?P<code>YN0\d{3}): (?:[│└┌·] ?)?(?P<message>\S.*)$")
BERRY_ERRORS = frozenset(
    f"YN{code:04}"
    for code in (
        1,
        9,
        10,
        15,
        16,
        18,
        20,
        22,
        27,
        28,
        35,
        40,
        41,
        47,
        50,
        56,
        62,
        71,
        78,
        80,
        82,
        83,
        85,
        91,
    )
)


def parse(log: Log) -> Iterator[Finding]:
    done = 0
    for number in log.having("npm ERR! ", "npm error "):
        if number > done and NPM.match(log.line(number)):
            block = log.block(number, until=re.compile(r"(?!npm (?:ERR!|error))"), limit=120)
            done = block.stop - 1
            if found := npm(log, block):
                yield found
    yield from (found for n in log.having("ERR_PNPM_") if (found := pnpm(log, n)))
    yield from (found for n in log.having(*YARN) if (found := yarn(log, n)))
    if log.has("Failed with errors in"):
        yield from (found for n in log.having("➤ YN0") if (found := berry(log, n)))


def text_of(log: Log, number: int) -> str:
    match = NPM.match(log.line(number))
    return match["text"].rstrip() if match else ""


def npm(log: Log, block: range) -> Finding | None:
    """A block of npm's; none where it only repeats that a script failed."""
    code = next((match["code"] for n in block if (match := CODE.match(text_of(log, n)))), "")
    said = [n for n in block if not NOISE.match(text_of(log, n))]
    if (
        code in ECHO
        or not said
        or (not code and said[0] == block.start and "cript" not in text_of(log, said[0]))
    ):
        return None
    message = TAG.sub("", text_of(log, said[0]), count=1).strip()
    error_type = (
        "MissingScript"
        if message.lower().startswith("missing script")
        else code
        if code.startswith("E")
        else "npm"
    )
    return Finding(
        kind=Kind.ERROR,
        tool="npm",
        line=said[0],
        error_type=error_type,
        message=message,
        cites=tuple(said[:14]),
        weight=73 if code.startswith("E") else 63,
    )


def pnpm(log: Log, number: int) -> Finding | None:
    match = PNPM.match(log.line(number))
    if match is None or PNPM_ECHO.match(match["code"]):
        return None
    below = [
        n
        for n in log.block(
            number + 1, until=re.compile(r" (?:ERR_PNPM|WARN|ELIFECYCLE)|Progress:"), limit=12
        )
        if log.line(n)
    ]
    return Finding(
        kind=Kind.ERROR,
        tool="pnpm",
        line=number,
        error_type=match["code"],
        message=match["message"],
        cites=(number, *below[:6]),
        weight=73,
    )


def yarn(log: Log, number: int) -> Finding | None:
    match = YARN_ERROR.match(log.line(number))
    if match is None:
        return None
    return Finding(
        kind=Kind.ERROR,
        tool="yarn",
        line=number,
        error_type="yarn",
        message=match["message"],
        weight=72,
    )


def berry(log: Log, number: int) -> Finding | None:
    match = BERRY.match(log.line(number))
    if match is None or match["code"] not in BERRY_ERRORS:
        return None
    return Finding(
        kind=Kind.ERROR,
        tool="yarn",
        line=number,
        error_type=match["code"],
        message=match["message"],
        weight=72,
    )
