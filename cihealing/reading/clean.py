"""A raw CI log in, plain lines out. Line n of the result is line n of the file: 1-based, universal newlines (CRLF, CR, LF)."""

from __future__ import annotations

import re

MAX_LINE = 4000
"""Characters of one line that are looked at; a longer line keeps its head and its tail."""

ANSI = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI
    r"|\x1b[\]_PX^][^\x07\x1b\n]{0,4000}(?:\x07|\x1b\\)?"  # OSC, APC (Buildkite's timestamps), DCS
    r"|\x1b[ -/]{0,4}[0-~]?"
)
NEWLINE = re.compile(r"\r\n?")
# What a reader cannot see or what reorders what they see, and everything other tools would count as a line break.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
EMOJI_STYLE = re.compile("(?<=[\u2139-\u3299\U0001f000-\U0001faff])\ufe0f")

CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
STAMP = rf"\d{{4}}-\d\d-\d\d[T ]{CLOCK}(?:Z|[+-]\d\d:?\d\d)"
PREFIX = re.compile(
    rf"(?m)^(?:[^\t\n]{{1,200}}\t[^\t\n]{{0,200}}\t(?={STAMP}|<U\+FEFF>))?"  # `gh run view --log`: job, step
    r"(?:<U\+FEFF>)?"
    rf"(?:\[?{STAMP}\]?(?: \d\d[OE][ +]|  ?|(?=\n)|$))?"  # GitHub, Azure, Jenkins timestamper, GitLab with its stream mark
    rf"(?:\[{CLOCK}\] |{CLOCK} {{1,2}}(?=\S))?"  # Jenkins' and TeamCity's clock
    r"(?:#\d{1,4} \d{1,6}\.\d{1,3} )?"  # docker buildx: step, seconds
    r"(?:\d{2,8} (?=\[(?:INFO|ERROR|WARNING|DEBUG)\]))?"  # Maven's relative time
)
GROUP = re.compile(r"(?m)^(?:travis_(?:fold|time):[\w:.=,-]*|section_(?:start|end):\d+:[\w.-]+(?:\[[\w=,]*\])?)[ \t]*")


def plain(log: str) -> str:
    """Newlines made one kind, colours and terminal commands taken out, what is invisible or reorders text written as `<U+202E>`."""
    text = NEWLINE.sub("\n", log)
    if "\x1b" in text:
        text = ANSI.sub("", text)
    if "\ufe0f" in text:
        text = EMOJI_STYLE.sub("", text)
    return INVISIBLE.sub(lambda m: f"<U+{ord(m[0]):04X}>", text)


def shorten(line: str) -> str:
    if len(line) <= MAX_LINE:
        return line
    return f"{line[: MAX_LINE - 500]} …{len(line) - MAX_LINE} characters… {line[-450:]}"


def lines_of(text: str) -> list[str]:
    """The lines of `plain` text without time stamps, job prefixes and fold marks."""
    text = PREFIX.sub("", text)
    if "travis_" in text or "section_" in text:
        text = GROUP.sub("", text)
    return [shorten(line).rstrip() for line in text.split("\n")]
