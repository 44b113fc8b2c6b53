"""Secrets known by the name of what they are assigned to: `DB_PASSWORD=…`, `"apiKey": "…"`,
`--auth-token …`, `<password>…</password>`.

The end of a name is looked for, the whole name is taken apart into words, and these say how much
the value itself must look like a secret.
"""

# ruff: noqa: E501 - an expression in parts, one a line
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cihealing.reading.redact.spans import Span
from cihealing.reading.redact.values import CODE, phrase, prose, random, stands_for
from cihealing.reading.redact.vocabulary import (
    ABOUT,
    BEHIND,
    KEY_OF,
    NO_KEY,
    PASSWORDS,
    SECRETS,
    SESSIONS,
    TOKENS,
)

NEEDLES = ("token", "key", "pwd", "pat", "sess", "pass", "secret", "cred", "auth")
QUOTE = r"(?:\\{0,4}[\"'`]|&quot;|&\#34;|%22)"
ASSIGNED = re.compile(
    rf"""
    (?P<tail>[A-Za-z0-9_.-]{{0,60}}+)(?P<close>(?:{QUOTE}|\]){{0,2}})
    (?:
      (?P<pair>[ \t]{{0,4}},?\s{{0,80}}(?:-[ ])?{QUOTE}?(?i:value|default|content)s?{QUOTE}?[ \t]{{0,4}}[:=][ \t]{{0,4}})
      | [ \t]{{0,40}}(?P<op>=>|:=|::|<<<|[ ]provided:|;[\w=;]{{0,40}}\]|=(?!=)|:|\||>|%3[DdAa]|(?:is|was)(?:[ ]set[ ]to)?:?(?=[ ]))[ \t]{{0,40}}
      | (?P<space>[ \t]{{1,4}})
    )
    (?: [bBuUrR]?(?P<q>{QUOTE})(?P<quoted>(?:(?!(?P=q))(?:[^\n\\]|\\.)){{4,4000}}+)(?P=q)
      | {QUOTE}?(?P<bare>[^\s"'`]{{4,4000}}) )
    """,
    re.VERBOSE,
)
NAME_CHARACTERS = "$-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_NAME = 80
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
DECLARES = re.compile(
    r"(?i)(?:\b(?:setenv|setx|env|arg|set -[gxulU]{1,4}|config set|configure set|secrets?"
    r" set|variable set|login \S{1,80})\s{1,3}(?:\S{1,200}:)?)$"
)
OF_WORD = re.compile(
    r"(?i)\b(api|access|secret|private|account|license|auth|encryption|signing|deploy|subscription)[ ]$"
)
PARSING = re.compile(
    r"(?i)(?:unexpected|illegal|unknown|syntax|parse|parsing|reserved|next|end|near|bad|current|last|previous)["
    r" ](?:\w{1,12}[ ])?$|\d{12}:$"
)
BARE_END = re.compile(
    r"[,;&|](?=$|[\w.\[$-]{1,60}[=:]|[,;&|]|https?:)|[)\]}>]{1,20}(?=[,;:.)\]}>]{0,20}$)|(?<=.)[,;:.]{1,20}$|</|\\{1,4}[nrt](?=[A-Za-z_-]|$)|\\{1,8}$|&amp;|&quot;|%26|%22|\("
)
MIN_VALUE, MIN_SURE, MIN_SESSION, MIN_TOKEN = 4, 6, 12, 20
"""Characters of a value: at all, where name and operator say all, where it must look made by a
machine, where nothing but its name speaks for it.
"""
MAX_REJECTED = 200
"""A longer value that is none is skipped as a whole, so that time stays linear."""


def named_spans(text: str, hits: Mapping[str, Sequence[int]]) -> Iterator[Span]:
    for needle in NEEDLES:
        done = 0
        for at in hits[needle]:
            match = ASSIGNED.match(text, at) if at >= done else None
            if match is None:
                continue
            span = assigned(text, match)
            if span:
                done = span[1]
                yield span
            elif match.end() - at > MAX_REJECTED:
                done = match.end()


def assigned(text: str, match: re.Match[str]) -> Span | None:
    name = name_of(text, match)
    family = family_of(name, text, match.start())
    if not family:
        return None
    quoted = match["quoted"] is not None
    value = match["quoted"] if quoted else bare(match["bare"])
    if (
        len(value) < MIN_VALUE
        or not is_secret(text, match, name, family, value)
        or stands_for(value)
        or complains(text, match, family)
    ):
        return None
    start = match.start("quoted" if quoted else "bare")
    return start, start + len(value), "password" if family == "password" else "secret"


def name_of(text: str, match: re.Match[str]) -> str:
    before = text[max(0, match.start() - MAX_NAME) : match.start()]
    return before[len(before.rstrip(NAME_CHARACTERS)) :] + match["tail"]


def bare(value: str) -> str:
    """An unquoted value without what follows it: `…;Encrypt=yes`, `…&page=2`, `…})`."""
    end = BARE_END.search(value)
    return value[: end.start()] if end else value


def family_of(name: str, text: str, at: int) -> str:
    """What the name says it holds: `password`, `secret` (of any kind), `session`, `about` (surely
    none), or nothing.
    """
    words = [word.lower() for word in WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in BEHIND or words[-1].isdigit()):
        words.pop()
    last = words[-1] if words else ""
    if last in PASSWORDS or last.endswith(("password", "passwd", "passphrase", "pwd")):
        # Test runners print `pass`, so that alone it must hold what looks made by a machine.
        return "password" if last != "pass" or len(words) > 1 else "auth"
    if NO_KEY.intersection(words):
        return ""
    if (
        last in SECRETS
        or last in TOKENS
        or last.endswith(
            ("secret", "token", "apikey", "secretkey", "accesskey", "privatekey", "authkey")
        )
    ):
        return "secret"
    if last in ("key", "keys"):
        return _key(words, name, text, at)
    if (
        last in SESSIONS
        or last.endswith(("sessionid", "sessid"))
        or "".join(words[-2:]) in SESSIONS
    ):
        return "session"
    if last == "auth":
        return "auth"
    return (
        ""
        if last in ABOUT
        or not {*PASSWORDS, *SECRETS, *TOKENS}.intersection(words)
        or not name.isupper()
        else "key"
    )


def _key(words: Sequence[str], name: str, text: str, at: int) -> str:
    alone = len(words) == 1
    if KEY_OF.intersection(words[:-1]) or (alone and OF_WORD.search(text, max(0, at - 14), at)):
        return "secret"
    return "key" if name.isupper() and not alone else ""


def is_secret(text: str, match: re.Match[str], name: str, family: str, value: str) -> bool:
    """Whether the value of a name of this family is a secret, by how it is assigned and what it
    looks like.
    """
    quoted, keyed, op = (
        match["quoted"] is not None,
        bool(match["close"]),
        "pair" if match["pair"] else (match["op"] or " "),
    )
    if not assigns(text, match, name, op, value):
        return False
    sure = (name.isupper() and op in ("=", " ")) or (name.startswith("-") and "=" in op)
    match family:
        case "password":
            return password(op, value, sure=sure, quoted=quoted, keyed=keyed)
        case "session":
            return ("=" in op or keyed) and len(value) >= MIN_SESSION and random(value)
        case "auth":
            return (
                ("=" in op or value.endswith("=") or keyed or name.startswith("-"))
                and len(value) >= MIN_SESSION
                and random(value)
            )
        case "key":
            return len(value) >= MIN_SESSION and random(value)
        case _:
            return random(value) or (sure and len(value) >= MIN_SURE and not value.isdigit())


def complains(text: str, match: re.Match[str], family: str) -> bool:
    """A parser says what it met: `unexpected token: x1`."""
    return (
        match["op"] == ":"
        and family != "password"
        and bool(PARSING.search(text, max(0, match.start() - 30), match.start()))
    )


def assigns(text: str, match: re.Match[str], name: str, op: str, value: str) -> bool:
    """Whether the operator really assigns: no call, no closed tag."""
    if op == ">":
        return in_tag(text, match.start())
    if op == " " and not declared(text, match, name, value):
        return False
    return match["quoted"] is not None or not match["bare"][len(value) :].startswith("(")


def in_tag(text: str, at: int) -> bool:
    before = text[max(0, at - 120) : at]
    return before.rfind("<") > before.rfind(">")


def declared(text: str, match: re.Match[str], name: str, value: str) -> bool:
    """A blank assigns only behind an option such as `--token`, in `setenv NAME`, in netrc's and in
    SQL's `PASSWORD '…'`.
    """
    quoted = match["quoted"] is not None
    if value.startswith("-") or (prose(value) and not phrase(value)):
        return False
    if name.startswith("-") or (
        (random(value) or (quoted and not value.isalpha()))
        and name.lower().endswith(("password", "requirepass"))
    ):
        return True
    if (
        quoted
        and name.lower() == "key"
        and len(value) >= MIN_SESSION
        and OF_WORD.search(text, max(0, match.start() - 14), match.start())
    ):
        return True
    if (
        name.lower().endswith("token")
        and not match["close"]
        and len(value) >= MIN_TOKEN
        and random(value)
    ):
        return not PARSING.search(text, max(0, match.start() - 30), match.start())
    start = match.start() + len(match["tail"]) - len(name)
    before = text[max(0, start - 100) : start].rpartition("\n")[2]
    return bool(DECLARES.search(before) or (name == "password" and before.isspace())) and (
        random(value) or quoted or name.isupper()
    )


def password(op: str, value: str, *, sure: bool, quoted: bool, keyed: bool) -> bool:
    """A password may be a word; what a form, a translation or a program says of one may not be
    taken for it.
    """
    if sure or op == "pair":
        return not (quoted and " " in value and prose(value))
    if "=" in op and quoted:
        return not prose(value) or value.islower()
    if keyed and quoted:
        return (
            not prose(value)
            or (value.islower() and value.isalpha() and len(value) >= 8)
            or value.count("-") >= 2
        )
    if phrase(value) or op == "|":
        return phrase(value) or random(value)
    return (
        not prose(value)
        and (quoted or not CODE.match(value))
        and (random(value) or (not value.isalpha() and len(value) >= 6))
    )
