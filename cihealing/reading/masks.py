"""What changes from one run to the next (ids, times, places, counts) is masked; what names a failure (exit codes, symbols, types) stays.

One alternation, tried left to right at each place; every alternative is bounded or cannot match twice over the same text.
"""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Callable

MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?"
MASK = re.compile(
    rf"""
    (?P<secret>\[redacted:[a-z0-9-]{{1,40}}:[0-9a-f]{{4}}\]|\*{{3,}})
  | (?P<mark><(?:secret|id|time|addr|hash|ip|tmp|dur|size|n|url(?::[a-z.-]{{1,80}})?)>)
  | (?P<keep>(?i:\bexit(?:ed)?(?:\ (?:with|code|status|value)){{0,3}}(?:\ |:\ ?|=)-?\d{{1,6}}\b|\bstatus\ code:?\ \d{{1,5}}\b
        |\breturned\ error:\ \d{{3}}\b|\bHTTP(?:/[\d.]{{1,3}})?\ \d{{3}}\b|\bsignal\ \d{{1,2}}\b))
  | (?P<url>\b(?:https?|git|ssh|s?ftp|file|jar|docker|tcp|udp|rediss?|postgres(?:ql)?|mysql|amqps?|mongodb)://[^\s'"<>()\[\]]+)
  | (?P<id>(?<![\w-])[0-9a-fA-F]{{8}}-(?:[0-9a-fA-F]{{4}}-){{3}}[0-9a-fA-F]{{12}}(?![0-9a-zA-Z])|(?<![\w:])[0-9a-fA-F]{{1,4}}(?::{{1,2}}[0-9a-fA-F]{{1,4}}){{3,7}}(?![\w:])(?<=[a-fA-F0-9]{{3}})|(?<![\w:])(?:[0-9A-Fa-f]{{2,8}}:){{4,9}}[0-9A-Fa-f]{{2,12}}(?![\w:]))
  | (?P<time>(?<![\w.])(?:\d{{4}}[-/]\d\d[-/]\d\d(?:[T_\ ]{CLOCK}(?:\ ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?)?
        |(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{{0,6}},?\ )?(?:\d{{1,2}}\ )?{MONTH}[a-z]{{0,6}}\ \d{{1,4}}(?:,?\ \d{{4}})?(?:,?\ {CLOCK})?(?:\ [A-Z]{{3,4}}\ \d{{4}})?
        |\d{{1,2}}/\d{{1,2}}/\d{{2,4}}(?:\ {CLOCK})?|{CLOCK}(?:\ [AP]M)?)(?!\w))
  | (?P<addr>\b0[xX][0-9a-fA-F]{{1,32}}\b|(?<=@)[0-9a-f]{{5,16}}\b)
  | (?P<hash>(?<![\w.])(?:sha(?:1|256|384|512)[:-])?(?=[a-fA-F]{{0,64}}\d)(?:[0-9a-f]{{7,128}}|[0-9A-F]{{7,128}})(?![\w.]\w|\w))
  | (?P<ip>(?<![\w.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d{{1,5}})?(?![\w.]\d))
  | (?P<path>(?<![\w.~>/\\$)-])(?:~|[A-Za-z]:)?[/\\][^\s'"`,;:()\[\]<>|*?=!&]+)
  | (?P<dur>(?<![\w.])(?:\d{{1,6}}h\ ?)?(?:\d{{1,6}}m(?:in)?\ ?)\d{{1,6}}(?:\.\d{{1,9}})?s(?:ecs?)?(?!\w)
        |(?<![\w.])\d{{1,15}}(?:\.\d{{1,12}})?\ ?(?:ms|[µun]s|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?|milliseconds?)(?!\w))
  | (?P<size>(?<![\w.])\d{{1,15}}(?:\.\d{{1,9}})?\ ?(?:[KMGTkmgt]i?[Bb]?|[Bb]ytes?|B)(?:/s)?(?!\w))
  | (?P<n>(?<![A-Za-z_0-9])[-+]?\d+(?:[.,_]\d+)*(?:[eE][-+]?\d{{1,4}})?%?(?![A-Za-z_0-9]))
    """,
    re.VERBOSE,
)
HOST = re.compile(r"[a-z]+://(?:[^/@\s]{1,200}@)?(?P<host>[A-Za-z.-]{1,80})(?=[:/]|$)")
TEMPORARY = re.compile(r"(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm)(?:/|$)|[A-Za-z]:\\.*\\Temp(?:\\|$)")
SPACES = re.compile(r"[ \t]{2,}")


def mask_url(text: str) -> str:
    host = HOST.match(text)
    return f"<url:{host['host'].lower()}>" if host else "<url>"


def mask_path(text: str) -> str:
    """An absolute path is its last part: checkouts, homes and caches lie elsewhere on every machine."""
    parts = [part for part in re.split(r"[/\\]", text) if part]
    if TEMPORARY.match(text) and len(parts) < 3:
        return "<tmp>"
    if len(parts) < 2:
        return text
    return MASK.sub(replace, parts[-1])


def mask_hash(text: str) -> str:
    return "<n>" if text.isdigit() else "<hash>"


SPECIAL: dict[str, Callable[[str], str]] = {
    "mark": str, "keep": str, "url": mask_url, "path": mask_path, "hash": mask_hash,
}  # fmt: skip


def replace(found: re.Match[str]) -> str:
    kind = found.lastgroup or "n"
    special = SPECIAL.get(kind)
    return special(found[0]) if special else f"<{kind}>"


def normalise(line: str) -> str:
    """The line with everything that varies masked. Idempotent: masking what is masked changes nothing."""
    for _ in range(8):
        masked = SPACES.sub(" ", MASK.sub(replace, line)).strip()
        if masked == line:
            return masked
        line = masked
    return line


# Beyond `normalise`: what stands in the place of a value in a line of a program's own log. Too coarse for a failure, right for the template of a line.
VALUES = (
    (re.compile(r'"(?P<verb>(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) )?[^"\n]{0,500}"'), r'"\g<verb><v>"'),
    (re.compile(r"(?<=[\w)])(?<!code)(?<!exit)=(?:\{[^{}\n]{0,500}\}|\[[^\[\]\n]{0,500}\]|[^\s,;&)\]}]{1,300})"), "=<v>"),
    (re.compile(r"(?<![\w.-])[\w-]{1,60}(?:\.[\w-]{1,60}){1,8}(?=:<n>)|(?<!\S)[a-z][\w-]{1,60}(?=:<n>(?: |$))"), "<host>"),
    (re.compile(r"(?<![\w.-])(?:[\w<>-]{1,60}\.){2,10}[\w<>-]{1,60}(?=[:\s]|$)"), "<name>"),
    (re.compile(r"(?i)(?<=\buser )(?!<)[^\s,;]{1,200}(?= from| \[)|(?<=password for )(?!invalid)[^\s,;]{1,200}(?= from)"), "<v>"),
    (re.compile(r"\b(?:true|false|null|None)\b"), "<v>"),
    (re.compile(r" \(<(?:size|n)>\)|(?<=<n>) bytes"), ""),
    (re.compile(r"(?<=status code )\d{3}\b"), "<v>"),
    (re.compile(r"<(?:hash|addr|n|id|ip|size|time|dur|host|name)>"), "<v>"),
    (re.compile(r"<<v>"), "<v>"),
    (re.compile(r"<v>(?:[:,./ -]{0,2}<v>)+"), "<v>"),
)


def template(line: str) -> str:
    """The line with every value masked: what is left is what the program's author wrote."""
    text = normalise(line[:4000])
    for pattern, mask in VALUES:
        text = pattern.sub(mask, text)
    return text
