"""A raw CI log in, plain lines out. Line n of the result is line n of the file: 1-based, universal
newlines (CRLF, CR, LF).
"""

from __future__ import annotations

import codecs
import json
import re

MAX_LINE = 4000
"""Characters of one line that are looked at; a longer line keeps its head and its tail."""

ANSI = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI
    r"|\x1b[\]_PX^][^\x07\x1b\n]{0,4000}(?:\x07|\x1b\\)?"  # OSC, APC (Buildkite's timestamps), DCS
    r"|\x1b[ -/]{0,4}[0-~]?"
)
# What a reader cannot see or what reorders what they see, and everything other tools would count as
# a line break.
CONTROLS = bytes({*range(9), *range(11, 32), 127})
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
EMOJI_STYLE = re.compile("(?<=[\u2139-\u3299\U0001f000-\U0001faff])\ufe0f")
MARKS_OF_ORDER = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
STAMP = rf"\d{{4}}-\d\d-\d\d[T ]{CLOCK}(?:Z|[+-]\d\d:?\d\d)"
TASK = r"(?:test|build|lint|check|ci|e2e|compile|type-?check|unit|integration|format)[\w:-]{0,40}"
PREFIX = re.compile(
    # `gh run view --log`: job, step
    rf"(?:[^\t\n]{{1,200}}\t[^\t\n]{{0,200}}\t(?={STAMP}|<U\+FEFF>))?"
    r"(?:<U\+FEFF>)?"
    # GitHub, Azure, Jenkins timestamper, GitLab with its stream mark
    rf"(?:\[?{STAMP}\]?(?: \d\d[OE][ +]| |$))?"
    # the clocks of Jenkins, AppVeyor and TeamCity
    rf"(?:\[{CLOCK}\](?:[WEF]?:\s{{1,8}}\[Step \d{{1,3}}/\d{{1,3}}\])? |{CLOCK} {{1,2}}(?=\S))?"
    r"(?:#\d{1,4} \d{1,6}\.\d{1,3} )?"  # docker buildx: step, seconds
    r"(?:[\w.-]{1,60}[-_]\d{1,3} {1,20}\| )?"  # docker compose: service and number
    # turbo, pnpm -r: package and task
    rf"(?:(?:@[\w.-]{{1,60}}/)?[\w.-]{{1,60}}:{TASK}:(?:"
    rf" |$)|(?:\.|[\w@.-]{{1,60}}/[\w./-]{{1,100}}) {TASK}: )?"
    r"(?:\d{2,8} (?=\[(?:INFO|ERROR|WARNING|DEBUG)\]))?"  # Maven's relative time
)
GROUP = re.compile(
    r"(?:travis_(?:fold|time):[\w:.=,-]*|section_(?:start|end):\d+:[\w.-]+(?:\[[\w=,]*\])?)[ \t]*"
)


def decoder_of(start: bytes) -> codecs.IncrementalDecoder:
    """UTF-8, or UTF-16 where a mark of byte order says so; bytes that are neither are replaced."""
    encoding = next((name for mark, name in MARKS_OF_ORDER if start.startswith(mark)), "utf-8")
    return codecs.getincrementaldecoder(encoding)(errors="replace")


def decoded(raw: bytes) -> str:
    return decoder_of(raw).decode(raw, final=True)


def plain(log: str) -> str:
    """Newlines made one kind, colours and terminal commands taken out, what is invisible or
    reorders text written as `<U+202E>`.
    """
    text = log.replace("\r\n", "\n").replace("\r", "\n") if "\r" in log else log
    if "\x1b" in text:
        text = ANSI.sub("", text)
    if "\ufe0f" in text:
        text = EMOJI_STYLE.sub("", text)
    return INVISIBLE.sub(lambda m: f"<U+{ord(m[0]):04X}>", text) if may_hide(text) else text


def may_hide(text: str) -> bool:
    """Whether a slow look for invisible characters is worth it."""
    if not text.isascii():
        return True
    raw = text.encode()
    return len(raw.translate(None, CONTROLS)) != len(raw)


def shorten(line: str) -> str:
    if len(line) <= MAX_LINE:
        return line
    return f"{line[: MAX_LINE - 500]} …{len(line) - MAX_LINE} characters… {line[-450:]}"


def lines_of(text: str) -> list[str]:
    """The lines of `plain` text, none longer than is looked at; `said` takes off what CI and
    runners put before each.
    """
    return [shorten(line) for line in text.split("\n")]


def bare_line(line: str) -> str:
    """A line without time stamps, job prefixes and fold marks; a container's log line without its
    JSON.
    """
    begin = PREFIX.match(line)
    line = line[begin.end() :] if begin else line
    if "travis_" in line or "section_" in line:
        line = GROUP.sub("", line)
    if line.startswith('{"log":"'):
        line = of_container(line)
    return line.rstrip()


def of_container(line: str) -> str:
    """What docker's json-file driver wraps: `{"log":"text\\n","stream":"stderr","time":"…"}`."""
    try:
        text = json.loads(line)["log"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return line
    return plain(text).replace("\n", " ") if isinstance(text, str) else line
