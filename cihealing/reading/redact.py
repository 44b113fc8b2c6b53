"""Secrets out of a text before anybody stores, shows or sends it.

A secret becomes `[redacted:KIND:xxxx]`, the same marker for the same secret (the last part is the start of its SHA-256), so that a reader sees
which are equal and the fingerprint sees one token. Lines keep their numbers. Token shapes: the providers' own documentation of their prefixes.
"""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

MIN_KNOWN = 8
"""Known values shorter than this are not masked: they would blank half of a log."""
MAX_KNOWN = 1000
MARKER = re.compile(r"\[redacted:[a-z0-9-]{1,40}:[0-9a-f]{4}\]")


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    count: int
    """How many places were masked."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A well-known form of secret. `pattern` begins with one of `hints` (so that `str.find` finds it); group `s` is the secret."""

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


def shape(kind: str, hints: str, pattern: str) -> Shape:
    return Shape(kind, tuple(hints.split()), re.compile(pattern))


A, Z = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
SHAPES = (
    shape("private-key", "-----BEGIN", r"(?P<s>-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?)"),
    shape("github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", A + r"(?P<s>gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{22,255})" + Z),
    shape("gitlab-token", "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- gloas- GR1348941", A + r"(?P<s>gl(?:pat|dt|rt|cbt|ptt|ft|soat|oas)-[\w.-]{20,100}|GR1348941[\w-]{20,50})"),
    shape("aws-access-key", "AKIA ASIA", A + r"(?P<s>(?:AKIA|ASIA)[A-Z0-9]{16})" + Z),
    shape("slack-token", "xox xapp-", A + r"(?P<s>xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250})"),
    shape("slack-webhook", "hooks.slack.com/", r"(?P<s>hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,200})"),
    shape("stripe-key", "sk_live_ rk_live_ sk_test_ rk_test_ whsec_", A + r"(?P<s>[sr]k_(?:live|test)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9+/=]{20,100})"),
    shape("anthropic-key", "sk-ant-", A + r"(?P<s>sk-ant-[\w-]{20,200})"),
    shape("openai-key", "sk-", A + r"(?P<s>sk-(?:proj-|svcacct-|admin-)?(?=[\w-]{0,60}\d)[A-Za-z0-9_-]{32,200})"),
    shape("google-key", "AIza GOCSPX- ya29.", A + r"(?P<s>AIza[\w-]{35}|GOCSPX-[\w-]{20,60}|ya29\.[\w-]{20,500})"),
    shape("npm-token", "npm_", A + r"(?P<s>npm_[A-Za-z0-9]{36})" + Z),
    shape("pypi-token", "pypi-Ag", A + r"(?P<s>pypi-Ag[\w-]{50,500})"),
    shape("docker-token", "dckr_", A + r"(?P<s>dckr_(?:pat|oat)_[\w-]{20,100})"),
    shape("huggingface-token", "hf_", A + r"(?P<s>hf_[A-Za-z0-9]{30,60})" + Z),
    shape("sendgrid-key", "SG.", A + r"(?P<s>SG\.[\w-]{16,32}\.[\w-]{32,64})"),
    shape("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", A + r"(?P<s>do[opr]_v1_[a-f0-9]{64})"),
    shape("vault-token", "hvs. hvb.", A + r"(?P<s>hv[sb]\.[\w-]{20,300})"),
    shape("buildkite-token", "bkua_ bkpt_", A + r"(?P<s>bk(?:ua|pt)_[A-Za-z0-9]{30,60})"),
    shape("circleci-token", "CCIPAT_ CCIPRJ_", A + r"(?P<s>CCIP(?:AT|RJ)_[A-Za-z0-9_]{20,100})"),
    shape("telegram-token", ":AA", r"(?<=\d{8}):(?P<s>AA[\w-]{32,35})(?![\w-])"),
    shape("azure-key", "AccountKey= SharedAccessKey= ?sig= &sig=", r"(?:AccountKey=|SharedAccessKey=|[?&]sig=)(?P<s>[A-Za-z0-9+/%=]{20,200})"),
    shape("jwt", "eyJ", A + r"(?P<s>eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,2000})"),
    shape("url-password", "://", r"://[^\s/@:'\"<>]{0,200}:(?P<s>[^\s/@'\"<>]{3,500})@"),
    shape("url-token", "://", r"://(?P<s>[A-Za-z0-9_-]{16,300})@"),
    shape("authorization", "uthorization UTHORIZATION", r"(?i:uthorization)['\"]?\s{0,3}[:=]\s{0,3}['\"]?(?i:(?:basic|bearer|token|digest)\s{1,3})(?P<s>[A-Za-z0-9+/._~=-]{8,4000})"),
    shape("bearer-token", "earer ", r"earer (?P<s>(?=[A-Za-z+/._~-]{0,300}\d)[A-Za-z0-9+/._~-]{20,4000}=*)"),
)  # fmt: skip

# A secret by its name: the end of the name is looked for, then what is assigned to it.
NAMES = ("password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "key")
KEY_BEFORE = re.compile(r"(?:api|access|secret|private|signing|encryption|license|auth|account|master|deploy|storage)[_-]?$")
FLAG_BEFORE = re.compile(r"--[a-z0-9-]*$")
ASSIGNED = re.compile(
    r"(?i)(?P<name>(?:passwords?|passwd|passphrase|pwd|secrets?|tokens?|credentials?|keys?)(?:_[a-z0-9]{1,20}){0,2})['\"]?(?P<op>\s{0,2}(?:=>|:=|=|:)\s{0,2}|(?P<space>\s))"
    r"(?:(?P<q>['\"])(?P<quoted>[^'\"\n]{6,4000})(?P=q)|(?P<bare>[^\s'\"`,;(){}\[\]<>&|]{6,4000}))"
)
# A value that only stands for one: placeholders, references, types, states.
NO_SECRET = re.compile(
    r"(?i)(?:\*+|x{3,}|\.{3,}|<.*|\$.*|%.*%|\{\{.*|none|null|nil|true|false|undefined|required|missing|invalid|expired|unset|not[ _-].*|is[ _].*|string|str|int|bool"
    r"|bytes|object|optional.*|secrets\..*|env\..*|process\.env.*|os\.environ.*|your[_-].*|changeme|example.*|placeholder|redacted.*|\[redacted.*|masked|hidden|read|write|/.*|https?://.*"
    r"|unexpected|expected|error|failed|set|found|in|\w+\(.*|[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+)$"
)
PLAIN_WORD = re.compile(r"[A-Za-z][a-z]*(?:[-_ ./][A-Za-z][a-z]*)*[.:!?]?$")
MAX_REJECTED = 200
"""A longer value that is none is skipped as a whole, so that time stays linear."""

Span = tuple[int, int, str]


def marker(kind: str, secret: str) -> str:
    """Breaks inside the secret are kept, so that what follows keeps its line number."""
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:4]
    return f"[redacted:{kind}:{digest}]" + "\n" * secret.count("\n")


def redact(text: str, known: Sequence[str] = ()) -> Redacted:
    """Mask well-known shapes, secrets by their name, and the `known` values of at least 8 characters (also URL-encoded, also line by line)."""
    text, count = replaced(text, known_spans(text, known))
    text, more = replaced(text, [span for one in SHAPES for span in shape_spans(text, one)])
    text, named = replaced(text, list(named_spans(text)))
    return Redacted(text, count + more + named)


def replaced(text: str, spans: list[Span]) -> tuple[str, int]:
    """The text with a marker for every span; of overlapping spans the one that begins first, then the longest."""
    pieces, at, count = [], 0, 0
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= at:
            pieces += [text[at:start], marker(kind, text[start:end])]
            at, count = end, count + 1
    return "".join([*pieces, text[at:]]), count


def places(text: str, needle: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + 1)


def known_spans(text: str, known: Sequence[str]) -> list[Span]:
    values = {form for value in known[:MAX_KNOWN] for form in forms(value)}
    present = sorted((value for value in values if value in text), key=lambda value: (-len(value), value))
    if not present:
        return []
    return [(m.start(), m.end(), "known") for m in re.finditer("|".join(map(re.escape, present)), text)]


def forms(value: str) -> set[str]:
    """The ways a known value may stand in a log."""
    pieces = {value, value.strip(), *value.splitlines(), quote(value, safe="", errors="replace")}
    return {piece for piece in pieces if len(piece.strip()) >= MIN_KNOWN}


def shape_spans(text: str, one: Shape) -> Iterator[Span]:
    for hint in one.hints:
        done = 0
        for at in places(text, hint):
            match = one.pattern.match(text, at) if at >= done else None
            if match and not is_mask(match["s"]):
                done = match.end()
                yield match.start("s"), match.end("s"), one.kind


def is_mask(value: str) -> bool:
    return set(value) <= set("*xX.") or bool(MARKER.search(value))


def named_spans(text: str) -> Iterator[Span]:
    lower = text.replace("\u0130", "i").lower()  # the only character that `lower` would make two of
    for name in NAMES:
        done = 0
        for at in places(lower, name):
            if at < done or (name == "key" and not KEY_BEFORE.search(lower, max(0, at - 12), at)):
                continue
            match = ASSIGNED.match(text, at)
            if match and (span := assigned(text, match)):
                done = match.end()
                yield span
            elif match and match.end() - at > MAX_REJECTED:
                done = match.end()


def assigned(text: str, match: re.Match[str]) -> Span | None:
    """The value, where it is one; a blank assigns only behind an option such as `--token`."""
    group = "quoted" if match["quoted"] is not None else "bare"
    value = match[group]
    if match["space"] and not FLAG_BEFORE.search(text[max(0, match.start() - 60) : match.start()]):
        return None
    if (
        NO_SECRET.match(value)
        or is_mask(value)
        or (match["space"] and value.startswith("-"))
        or harmless(match, value, quoted=group == "quoted")
    ):
        return None
    return match.start(group), match.end(group), "secret"


def harmless(match: re.Match[str], value: str, *, quoted: bool) -> bool:
    """Prose is not an assignment: `token: unexpected`, `Password: ` in a form, `tokens: 1234`."""
    if value.isdigit() and len(value) < MIN_KNOWN:
        return True
    if match["op"].strip() == "=" and match["name"].isupper():
        return False
    return bool(PLAIN_WORD.match(value)) and not (quoted and "=" in match["op"])
