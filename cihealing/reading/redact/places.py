"""Secrets known by the place they stand in: a URL, a header, a cookie, an option of a command, a CI
system's own command.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cihealing.reading.redact.spans import Chunk, Span
from cihealing.reading.redact.values import phrase, prose, random, stands_for

MAX_URL = 600
REACH = 800
"""So far before its option a command's name is looked for."""
MAX_TRIES = 50
"""Options looked at in one line."""
MIN_DIGITS = 6
"""A shorter number is a port or a count."""
WORD = re.compile(r"[^\s'\"<>`]{1,600}")
TRIVIAL = {
    "pass",
    "test",
    "secret",
    "foo",
    "bar",
    "pw",
    "pwd",
    "passwd",
    "password",
    "token",
    "xxx",
}
HEADER = re.compile(r"(?i:cookies?)(?:\\{0,3}['\"])?\s{0,3}(?:=>|[:=,])\s{0,3}\[?(?:\\{0,3}['\"])?")
COOKIE = re.compile(r"(?P<name>[\w.$-]{1,80})=(?P<value>[^;\s,'\"]{8,4000})")


def anything(value: str) -> bool:
    return not stands_for(value) and value.lower() not in TRIVIAL


def likely(value: str) -> bool:
    return (
        anything(value)
        and (phrase(value) or not prose(value))
        and not (value.isdigit() and len(value) < MIN_DIGITS)
    )


def machine_made(value: str) -> bool:
    return not stands_for(value) and len(value) >= 16 and random(value)


def credentials(value: str) -> bool:
    """Base64 of `user:password`."""
    try:
        raw = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in raw and raw.isascii() and raw.decode("ascii").isprintable()


def header(value: str) -> bool:
    return machine_made(value) or credentials(value)


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """`pattern` begins with the lower-case `needle`; its group `s` is the secret if `fits` says
    so.
    """

    kind: str
    needle: str
    pattern: re.Pattern[str]
    fits: Callable[[str], bool]


def place(kind: str, needle: str, rest: str, fits: Callable[[str], bool] = anything) -> SecretPlace:
    return SecretPlace(
        kind, needle, re.compile(rf"(?i:{re.escape(needle)}{rest})"), fits
    )  # pragma: no mutate


Q = r"(?:\\{0,3}['\"])?"
VALUE = rf"{Q}(?P<s>[^\s'\"]{{3,500}})"
USER = rf"{Q}[^\s:'\"]{{1,200}}:{VALUE}"
PLACES = (
    place(
        "authorization",
        "auth",
        rf"orization(?:_header|-header)?{Q}[ \t]{{0,3}}(?:=>|[:=,]|%3a)["
        rf" \t]{{0,3}}\[?{Q}(?:[a-z][\w-]{{2,24}}(?:["
        r" \t]|%20){1,3})?(?P<s>[A-Za-z0-9+/._~:-]{8,4000}={0,2})",
        header,
    ),
    place(
        "authorization",
        "auth",
        rf"orization{Q}[ \t]{{0,3}}[:=]["
        rf" \t]{{0,3}}{Q}(?:basic|bearer|token|digest|apikey|negotiate|splunk|key)["
        r" \t]{1,3}(?P<s>[A-Za-z0-9+/._~:-]{6,4000}={0,2})",
        likely,
    ),
    place("signature", "sig", r"=(?<=[?&;]sig=)(?P<s>[A-Za-z0-9+/%_-]{20,200}={0,2})"),
    place("signature", "sig", r"nature=(?P<s>[A-Za-z0-9%+/_-]{32,600}={0,2})"),
    place(
        "slack-webhook",
        "hook",
        r"s\.slack\.com/(?:services|workflows|triggers)/(?P<s>[A-Za-z0-9/_-]{20,200})",
    ),
    place("discord-webhook", "hook", r"s/\d{10,25}/(?P<s>[\w-]{40,100})"),
    place(
        "teams-webhook",
        "hook",
        r"(?:b2)?/[^\s/]{20,120}/IncomingWebhook/(?P<s>[0-9a-f]{32}/[^\s'\"]{10,120})",
    ),
    place("zapier-webhook", "hook", r"s\.zapier\.com/hooks/catch/(?P<s>\d{1,12}/\w{4,20})"),
    place(
        "password",
        "pass",
        r"wd(?<=htpasswd)\s(?:-[a-zA-Z]{1,8}[ \t]{1,3}){1,4}[^\s-]\S{0,200}["
        rf" \t]{{1,3}}[\w.@-]{{1,80}}[ \t]{{1,3}}{VALUE}",
        likely,
    ),
    place(
        "password",
        "pass",
        r"(?:(?<=-pass pass)|(?<=-passin pass)|(?<=-passout pass)):(?P<s>[^\s'\"]{3,500})",
    ),
    place("secret", "secret", r"=true[^\]\n]{0,80}\](?P<s>[^\s'\"]{3,4000})"),
    place("password", "securestring", rf"(?:[ \t]{{1,3}}-String)?[ \t]{{1,3}}{VALUE}", likely),
    place("secret", "login", rf"(?<=(?:vault|cargo) login)[ \t]{{1,3}}{VALUE}", machine_made),
    place("secret", "login", rf"(?<=sonar.login)[ \t]{{0,2}}[=:][ \t]{{0,2}}{VALUE}", machine_made),
    place("secret", "auth", rf"(?<=(?:snyk|grok) auth)(?:token)?[ \t]{{1,3}}{VALUE}", machine_made),
    place("secret", "token", rf"(?<=pypi-token)\.[\w-]{{1,60}}[ \t]{{1,3}}{VALUE}", machine_made),
    place(
        "bearer-token",
        "bearer",
        rf"(?:[ \t]|%20){{1,3}}{Q}(?P<s>[A-Za-z0-9+/._~-]{{16,4000}}={{0,2}})",
        machine_made,
    ),
    place(
        "basic-credentials",
        "basic ",
        r"[ \t]{0,3}(?P<s>[A-Za-z0-9+/_-]{8,2000}={0,2})",
        credentials,
    ),
    place("secret", "mask::", r"(?<=::add-mask::)(?P<s>[^\s]{4,4000})"),
    place(
        "sql-password",
        "identified ",
        r"(?:with \w{1,40} )?(?:by|as)\s{1,4}(?:password\s{1,4})?\\?['\"](?P<s>[^'\"\n]{3,500})",
    ),
)
OPTION = re.compile(
    rb" -(?:(?:[a-z]{0,6}[pua]|w|t|-user|-proxy-user|-auth|-(?:src-|dest-)?creds)(?=["
    rb" =:'\"]|(?<=-p)\S)|-password-stdin|-with-token|-token-stdin|s(?<=sudo -s) )"
)
PIPES = (b"-stdin", b"-token", b"-s ")
WITH_PAIR = re.compile(
    rf"(?: -[a-zA-Z]{{0,6}}[uUa]| --\S{{4,12}}?)[ =]{{0,2}}{Q}[^\s:,%'\"/=]{{1,200}}[:,%]{VALUE}"
)
ALONE = re.compile(rf" -[pPawt][ =]{{0,2}}{VALUE}")
TAKES_PAIR = re.compile(
    r"\b(?:curl|https?|lftp|smbclient|skopeo|podman|crane|buildah|oras|wget|svn)\b"
)
TAKES_PASSWORD = re.compile(
    r"\b(?:codecov|doctl|mysql\w{0,10}|mariadb[\w-]{0,10}|login|sshpass|mongo\w{0,10}|twine|[a-z]{3,8}-keychain|altool|notarytool|poetry|nuget|7z|redis-cli|sqlcmd|bcp|unzip|zip|ldap\w{1,10})\b"
)
PIPED = re.compile(
    r"(?:echo|printf)\s{1,3}(?:-n\s{1,3}|['\"]?%s['\"]?\s{1,3})?['\"]?(?P<s>[^\s'\"|]{6,2000})['\"]?\s{0,3}\|[^|\n]{0,400}\Z"
)
ORACLE = re.compile(r"(?:thin:|sqlplus )[\w.]{1,80}/(?P<s>[^\s@/'\"]{3,200})$")


def line_end(text: str, at: int) -> int:
    end = text.find("\n", at, at + 4000)
    return end if end >= 0 else min(len(text), at + 4000)


def placed_spans(chunk: Chunk, hits: Mapping[str, Sequence[int]]) -> Iterator[Span]:
    yield from url_spans(chunk)
    yield from option_spans(chunk)
    yield from cookie_spans(chunk.text, hits["cookie"])
    for one in PLACES:
        done = 0
        for at in hits[one.needle]:
            match = one.pattern.match(chunk.text, at) if at >= done else None
            if match and one.fits(match["s"]):
                done = match.end()
                yield match.start("s"), match.end("s"), one.kind


def url_spans(chunk: Chunk) -> Iterator[Span]:
    """`scheme://user:password@host`, `scheme://token@host`; a URL may stand in another."""
    done = 0
    for at in chunk.places(b"@"):
        begin = (
            chunk.lower.rfind(b"://", max(0, at - chunk.start - MAX_URL), at - chunk.start)
            if at >= done
            else -1
        )
        word = WORD.match(chunk.text, chunk.start + begin + 3) if begin >= 0 else None
        if word:
            done = word.end()
            yield from userinfo(word[0], word.start())
        elif (
            at >= done
            and chunk.lower.rfind(b"/", max(0, at - chunk.start - 200), at - chunk.start) >= 0
            and (oracle := ORACLE.search(chunk.text, max(0, at - 300), at))
        ):
            yield oracle.start("s"), oracle.end("s"), "password"


def userinfo(part: str, start: int) -> Iterator[Span]:
    """The secret of what stands between `://` and the last `@` before the path (a password may hold
    a slash: then it must be random).
    """
    info, found, _ = part.split("/", 1)[0].rpartition("@")
    if not found:
        info = part.partition("@")[0]
        if not random(info.partition(":")[2]) or info.partition(":")[2].split("/")[0].isdigit():
            return
    user, colon, password = info.partition(":")
    if (
        colon
        and len(password) >= 3
        and anything(password)
        and not (password == user and prose(password))
    ):
        yield start + len(user) + 1, start + len(info), "url-password"
    if (not colon or password in ("", "x-oauth-basic")) and machine_made(user):
        yield start, start + len(user), "url-token"


def option_spans(chunk: Chunk) -> Iterator[Span]:
    """Options that carry a password: of commands that have such, anywhere on the line behind the
    command's name.
    """
    done, line, tries = 0, -1, 0
    for at, option in chunk.matches(OPTION):
        top = chunk.text.rfind("\n", max(0, at - REACH), at)
        line, tries = top, tries + 1 if top == line or top < 0 else 0
        match = (
            secret_of(chunk.text, max(top + 1, at - REACH), at, option)
            if tries < MAX_TRIES and at >= done
            else None
        )
        if match and likely(match["s"]):
            done = at + len(option)
            yield match.start("s"), match.end("s"), "password"


def secret_of(text: str, top: int, at: int, option: bytes) -> re.Match[str] | None:
    """What the option at a place says, or what is piped into its command."""
    if option.endswith(PIPES):
        return PIPED.search(text, top, at)
    for pattern, takes in ((WITH_PAIR, TAKES_PAIR), (ALONE, TAKES_PASSWORD)):
        match = pattern.match(text, at)
        if match and takes.search(text, top, at):
            return match
    return None


def cookie_spans(text: str, hits: Sequence[int]) -> Iterator[Span]:
    done = 0
    for at in hits:
        head = HEADER.match(text, at) if at >= done else None
        if head is None:
            continue
        done = line_end(text, head.end())
        for pair in COOKIE.finditer(text, head.end(), done):
            if random(pair["value"]) and pair["name"].lower() not in (
                "expires",
                "domain",
                "path",
                "max-age",
            ):
                yield pair.start("value"), pair.end("value"), "cookie"
