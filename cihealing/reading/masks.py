"""What changes from one run to the next (ids, times, places, counts) is masked; what names a
failure (exit codes, symbols, types) stays.

One pass of one alternation. `START` takes the first character of a token and looks at the one
before it, so that a search stops at few places; each alternative is written without that first
character. Every one is bounded, or runs over characters where no other token can begin.

One pass is enough: a token begins and ends where a word does, a mask stands for whole words, and
nothing that looks further than one character beyond a token sees a mask otherwise than what the
mask stands for (`test_masking_is_idempotent` tries).
"""

# ruff: noqa: E501 - an expression in parts, one a line
from __future__ import annotations

import re

MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?"
ZONE = r"(?:\ ?(?:Z|UTC|GMT|[A-Z]{2,4}T|[+-]\d\d:?\d\d))"
UNIT = r"(?:[mµun]s|s(?:ecs?|econds?)?|m(?:ins?|inutes?|sec|illis(?:econds?)?|illiseconds?)?|h(?:rs?|ours?)?|d(?:ays?)?)"
PART = r"[^\s'\"`,;:()\[\]<>|*?=!&/\\]"
"""A character of one part of a path."""
NAMING = (
    "code",
    "status",
    "exit value",
    "errno",
    "signal",
    "exit",
    "exited with",
    "rc",
    "http",
    "hresult",
    "winerror",
    "returned error",
    "exitcode",
    "exit-code",
    "exit_code",
    "returncode",
    "return_code",
)
"""Words after which a number is a name: `exit code 2`, `signal: 9`, `[Errno 111]`, `HTTP 503`,
`rc=4`.
"""
NAMED = re.compile(rf"(?ais)(?:\A|.*[\s(\[\"'])(?:(?:{'|'.join(NAMING)})(?:[ =:]|: )|error )\Z")
ENDS = "(?i:" + "|".join(sorted({word[-2:] for word in (*NAMING, "error")})) + ")"
"""How those words end: a cheap look before the thorough one."""
A_COUNT = re.compile(r" [a-z]")
LOOKED_AT = 24
"""Characters before a number that may hold such a word."""

START = r"[0-9a-fA-FJMNOSTW/\\~+-](?<![A-Za-z0-9_].)"
MASK = re.compile(
    rf"""{START}(?:
    (?<=[0-9a-fA-F])(?P<id>[0-9a-fA-F]{{7}}-(?:[0-9a-fA-F]{{4}}-){{3}}[0-9a-fA-F]{{12}}(?!\w)|(?<!:.)[0-9a-fA-F]{{0,7}}(?::{{1,2}}[0-9a-fA-F]{{1,8}}){{3,9}}(?![\w:]))
  | (?<=\d)(?:
      (?P<keep>(?<=HTTP/[12])(?<![^\s"'(\[]HTTP/[12])(?:\.\d)?\ \d{{3}}\b|(?<=[A-Z>]-\d)\d{{0,8}}(?!\w))
    | (?P<time>(?:\d{{3}}[-/.]\d\d[-/.]\d\d(?:[T_\ ]{CLOCK}{ZONE}?)?|\d{{7}}T\d{{4,6}}Z?|\d?[/.]\d{{1,2}}[/.]\d{{2,4}}(?:,?\ {CLOCK}(?:\ [AP]M)?)?
        |\d?[-/\ ]{MONTH}[a-z]{{0,6}}[-/\ ]\d{{2,4}}(?:[:\ ]{CLOCK}{ZONE}?)?|\d?:\d\d:\d\d(?:[.,]\d{{1,9}})?(?:\ [AP]M|{ZONE})?)(?!\w))
    | (?P<ip>\d{{0,2}}(?:\.\d{{1,3}}){{3}}(?::\d{{1,5}})?(?!\w|\.\d))
    )
  | (?:(?<={ENDS}[ =:][-\d])|(?<={ENDS}:[ ][-\d]))(?P<named>(?:(?<=0)[xX][0-9a-fA-F]{{1,16}}|\d{{0,10}})(?<=\w)(?!\w|\.\d))
  | (?<=\d)(?:
      (?P<addr>(?<=0)[xX][0-9a-fA-F]{{1,32}}(?!\w))
    | (?P<dur>\d{{0,14}}(?:\.\d{{1,12}})?\ ?{UNIT}(?:,?\ ?(?:and\ )?\d{{1,6}}(?:\.\d{{1,9}})?\ ?{UNIT}){{0,3}}(?!\w))
    | (?P<size>\d{{0,14}}(?:\.\d{{1,9}})?\ ?(?:[KMGTkmgt]i?[Bb]?|[Bb]ytes?|B)(?:/s)?(?!\w))
    | (?P<n>\d*(?:[.,_]\d+)*(?:[eE][-+]?\d{{1,4}})?(?!\w))
    )
  | (?<=[0-9a-fA-F])(?:
      (?P<at>(?<=@.)[0-9a-f]{{4,15}}(?!\w))
    | (?P<hash>(?=[0-9a-f]{{6,127}}(?!\w)|[0-9A-F]{{6,127}}(?!\w))(?:(?<=\d)|[a-fA-F]{{0,127}}\d)[0-9a-fA-F]*)
    )
  | (?P<url>(?<=:/)/(?:(?:[^\s/@'"<>]|<secret>){{0,200}}@)?[^\s'"<>()\[\]/][^\s'"<>()\[\]]*)
  | (?P<path>(?<![.~>/\\$)@-].)(?:(?<=:/)//|(?<=[/\\])[/\\]?|(?<=[A-Za-z]):[/\\](?!/[^/])|(?<=~)(?<!:~)[/\\])(?:{PART}{{1,255}}[/\\]{{1,4}}){{1,60}}(?={PART})
        (?:(?:(?<=[/\\_]tmp[/\\])|(?<=[/\\_][Tt]emp[/\\])|(?<=/T/)|(?<=/shm/)){PART}{{1,255}}(?![/\\]|{PART})|tmp[a-z0-9_.][a-z0-9_]{{5,10}}(?!{PART}))?)
  | (?P<date>(?<=[A-Z])(?:(?:(?<=M)on|(?<=T)ue|(?<=W)ed|(?<=T)hu|(?<=F)ri|(?<=S)at|(?<=S)un)[a-z]{{0,6}},?\ (?:\d{{1,2}}\ )?{MONTH}
        |(?:(?<=J)an|(?<=F)eb|(?<=M)ar|(?<=A)pr|(?<=M)ay|(?<=J)u[nl]|(?<=A)ug|(?<=S)ep|(?<=O)ct|(?<=N)ov|(?<=D)ec))[a-z]{{0,6}}\ \d{{1,4}}(?:,?\ \d{{4}})?(?:,?\ {CLOCK}(?:\ [AP]M)?)?{ZONE}?(?:\ \d{{4}})?(?!\w))
  | (?P<signed>(?<=[-+])(?<!>.)\d+(?:[.,_]\d+)*(?:[eE][-+]?\d{{1,4}})?(?!\w))
    )""",
    re.VERBOSE | re.ASCII,
)
VARIES = re.compile(r"[0-9/\\]")
"""Each alternative needs one of these characters."""
SECRET = re.compile(r"\[redacted:[a-z0-9-]{1,40}:[0-9a-f]{4}\]|\*{3,}")
SPACES = re.compile("  +")
HOST = re.compile(r"//(?:[^/@\s]{0,200}@)?(?P<host>[A-Za-z.-]{1,80})(?=[:/?#]|$)")

ASK = ("named", "keep", "url", "path")
"""Groups whose mask depends on the text or on what stands before it."""
BY_INDEX: dict[int | None, str] = {
    index: (
        ""
        if name in ASK
        else {"at": "<addr>", "date": "<time>", "signed": "<n>"}.get(name, f"<{name}>")
    )
    for name, index in MASK.groupindex.items()
}


def replace(found: re.Match[str]) -> str:
    return BY_INDEX[found.lastindex] or special(found)


def special(found: re.Match[str]) -> str:
    text = found[0]
    match found.lastgroup:
        case "path":
            # After a colon one slash stays, or what is left could look like a part of what stands
            # before the colon.
            return (
                "<tmp>"
                if text[-1] not in "/\\"
                else "/"
                if found.string.endswith(":", 0, found.start())
                else ""
            )
        case "url":
            host = HOST.match(text)
            return f"<url:{host['host'].lower()}>" if host else "<url>"
        case "keep":
            return text
        case _:
            return text if names(found) else "<addr>" if text[1:2] in ("x", "X") else "<n>"


def names(found: re.Match[str]) -> bool:
    """Whether the number is an exit code, a signal, a status: those part two failures."""
    line, start = found.string, found.start()
    before = NAMED.match(line[max(0, start - LOOKED_AT) : start])
    return before is not None and not (
        before[0].lower().endswith("error ") and A_COUNT.match(line, found.end())
    )


def normalise(text: str) -> str:
    """The text with everything that varies masked, line by line. Idempotent: masking what is masked
    changes nothing.

    An absolute path is its last part: checkouts, homes and caches lie elsewhere on every machine.
    """
    text = one_spaced(text)
    if "***" in text or "[redacted:" in text:
        text = SECRET.sub("<secret>", text)
    return MASK.sub(replace, text) if VARIES.search(text) else text


def one_spaced(text: str) -> str:
    """One space for each run of them, none at either end of a line."""
    if "\t" in text:
        text = text.replace("\t", " ")
    if "  " in text:
        text = SPACES.sub(" ", text)
    if "\n" in text:
        text = text.replace("\n ", "\n").replace(" \n", "\n")
    return text.strip(" ")


# Beyond `normalise`: what stands in the place of a value in a line of a program's own log. Too
# coarse for a failure, right for the template of a line.
URLS = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s'\"()\[\],;<>|]{1,2000}(?<![:.])"
)
PLACES = re.compile(r"(?<![\w<>.)/\\-])(?:[A-Za-z]:)?[/\\][^\s'\"()\[\],;:<>|=]{1,500}", re.ASCII)
CHARACTER = r"(?:[A-Za-z0-9_$#@~%+*-]|\.(?!\.))"
"""Of a word in which one digit makes the whole a value: `blk_-16`, `node-D1`, `R02-M1-N0`,
`core.22`; but not of the dots before the 0 of `fetch....0`.
"""
VALUES = (
    (
        re.compile(r'"(?P<verb>(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) )?[^"\n]{0,500}"'),
        r'"\g<verb><v>"',
    ),
    (re.compile(r"(?<![\w'])'[^'\n]{1,200}'(?!\w)"), "'<v>'"),
    (
        re.compile(
            r"(?<=[\w)])(?<!code)(?<!exit)=(?:\{[^{}\n]{0,500}\}|\[[^\[\]\n]{0,500}\]|[^\s,;&)\]}]{1,300})"
        ),
        "=<v>",
    ),
    (
        re.compile(
            r"(?<![\w.-])[\w-]{1,60}(?:\.[\w-]{1,60}){1,8}(?=:<n>)|(?<!\S)[a-z][\w-]{1,60}(?=:<n>(?:"
            r" |$))"
        ),
        "<host>",
    ),
    (
        re.compile(
            r"(?<![\w.-])(?:[\w<>$-]{1,60}\.){2,10}(?![A-Z_]{3,60}(?!\w))[\w<>$-]{1,60}(?=[:,;\])\s]|$)"
        ),
        "<name>",
    ),
    (
        re.compile(
            r"(?i)(?<=\buser )(?![<\[]|unknown)[^\s,;]{1,200}(?= from| by| \[|$)|(?<=\bfor"
            r" )(?!invalid |user |[<\[])[^\s,;]{1,200}(?= from | \[)"
        ),
        "<v>",
    ),
    (re.compile(r"\b(?:[Tt]rue|TRUE|[Ff]alse|FALSE|null|NULL|None|nil)\b"), "<v>"),
    (re.compile(r" \(<(?:size|n)>\)|(?<=<n>) bytes"), ""),
    (
        re.compile(
            rf"(?<![\w<>.$#@~%+*-])(?=[^A-Za-z]{{0,80}}[A-Za-z]){CHARACTER}{{0,200}}\d{CHARACTER}{{0,200}}|(?<!\w)[0-9a-f]{{8}}(?!\w)"
        ),
        "<v>",
    ),
    (
        re.compile(
            r"(?i)(?<!exit code )(?<!exit code: )(?<!exit status )(?<!exited with"
            r" )(?<![\w<])-?\d{1,15}(?!\w)"
        ),
        "<v>",
    ),
    (
        re.compile(r"<(?:hash|addr|n|id|ip|size|time|dur|host|name|tmp|url(?::[a-z.-]{1,80})?)>"),
        "<v>",
    ),
    (re.compile(r"<<v>"), "<v>"),
    (
        re.compile(
            r"(?<![\w$~#@+*.-])(?:[\w$~#@+*.-]{1,80}(?<=[-_~$#@+*]))?<v>(?:[-_~$#@+*.]{1,4}(?=[\w~])[\w$~#@+*.-]{0,80}|<v>){0,20}"
        ),
        "<v>",
    ),
    (re.compile(r"(?<![\w-])[\w-]{0,80}\[<v>(?:[-, ]{0,2}<v>)*\]"), "<v>"),
    (re.compile(r"<v>(?:[:,./ +-]{0,2}<v>)+"), "<v>"),
)


def template(line: str) -> str:
    """The line with every value masked: what is left is what the program's author wrote."""
    line = line[:4000]
    text = normalise(PLACES.sub("<name>", URLS.sub("<name>", line) if "://" in line else line))
    for pattern, mask in VALUES:
        text = pattern.sub(mask, text)
    return text
