"""Text in logs and code that tries to instruct a model. Finding it stops nothing: a person then looks at what came of it.

Words are compared after a normalisation that undoes what hides them: case, compatibility forms, look-alike letters, invisible characters,
letters with spaces or signs between them, digits for letters.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cihealing.prompting.untrusted import ROLES

RULES: Mapping[str, str] = {
    "override": "it tells a model to forget or ignore what it was told",
    "role": "it holds marks of chat turns, as if the service itself were speaking",
    "persona": "it tells a model to be somebody else or to have no rules",
    "reveal": "it asks a model for its instructions, keys or surroundings",
    "steer": "it addresses a model and tells it what to do",
    "weaken": "it tells a model to remove, skip or loosen tests or checks",
    "verdict": "it tells a model or the service which verdict to give",
    "exfiltrate": "it asks for data to be sent somewhere",
    "hidden": "it holds characters that people cannot see",
    "encoded": "it holds such an instruction in encoded form",
    "fence": "it imitates the marks that fence data in a prompt",
}
MAX_LINE = 4_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    rule: str
    line: int
    """Position in what was given, from 1."""
    text: str


def findings(lines: Iterable[str]) -> list[Finding]:
    """What of `lines` speaks to a model rather than to people, in order."""
    return [Finding(rule=rule, line=number, text=line[:300]) for number, line in enumerate(lines, 1) for rule in rules_of(line[:MAX_LINE])]


def rules_of(line: str) -> list[str]:
    found = dict.fromkeys([*_marks(line), *_said(plain(line)), *_encoded(line)])
    return list(found)


# ---------------------------------------------------------------- normal forms

INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\U000e0000-\U000e007f\u180e]")
LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u04bb\u0501\u03bf\u03b1\u03b5\u03b9\u03bd\u0261\u1d00\u026a",
    "aeopcyxisjhdoaeivgai",
)
DIGITS = str.maketrans("013457@$", "oieastas")


def plain(line: str) -> str:
    text = unicodedata.normalize("NFKD", INVISIBLE.sub("", line)).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(text.split())


def _forms(text: str) -> Iterator[str]:
    """The line as it is, and as it might be meant."""
    yield text
    latin = text.translate(LOOKALIKES)
    if latin != text and text.isascii() is False and re.search(r"[a-z]", text):
        yield latin
    if re.search(r"[a-z][013457@$]|[013457@$][a-z]", latin):
        yield latin.translate(DIGITS)
    if re.search(r"(?:\b[a-z]\b[\W_]+){6}", latin):
        yield re.sub(r"(?<=\b[a-z])[\W_](?=[a-z]\b)", "", latin)


# ---------------------------------------------------------------- what is said

ANY = r"[^.!?\n]{0,60}?"
MODEL = r"(?:\b(?:ai|llms?|a\.i\.|language model|chatbot|assistant|copilot|chatgpt|gpt(?:-?\d)?|claude|gemini|agents?|bots?|cihealing|(?:auto|self)-?heal\w*|code ?fixer)\b)"
SAID = r"(?:instruction|prompt|rule|guideline|direction|directive|order|command|context|message|polic|constraint|restriction|safeguard|guardrail|filter|system message|training|told)\w*"
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (rule, re.compile(pattern))
    for rule, pattern in (
        ("override", rf"\b(?:ignore|disregard|forget|override|bypass|overrule|neglect|skip|drop|discard|do not (?:follow|obey))\b{ANY}\b(?:all|any|previous|prior|above|earlier|preceding|your|system|former|everything|these|those|the)\b{ANY}\b{SAID}"),
        ("override", rf"\b(?:new|updated|revised|real|actual|following) (?:system )?(?:instructions?|prompt|directives?|orders?)\b{ANY}[:\-]"),
        ("override", r"\b(?:ignore|disregard|forget) (?:all|everything|anything)(?: (?:of )?(?:the|that))? (?:above|before|previous|said|told)"),
        ("override", r"\b(?:ignorier|vergiss|missachte)\w*\b.{0,40}\b(?:anweisung|vorgabe|regel|befehl)|\b(?:ignore[zr]?|oublie[zr]?|ne tiens pas compte)\b.{0,40}\b(?:instructions?|consignes?|regles?)|\b(?:ignora|olvida|descarta|desatiende)\w*\b.{0,40}\b(?:instruccion|instrucoes|reglas|istruzion|ordenes)|\b(?:\u0438\u0433\u043d\u043e\u0440\u0438\u0440\u0443|\u0437\u0430\u0431\u0443\u0434\u044c|\u043f\u0440\u0435\u043d\u0435\u0431\u0440\u0435\u0433|\u043d\u0435 \u0441\u043b\u0435\u0434\u0443\u0439)\w*.{0,40}(?:\u0438\u043d\u0441\u0442\u0440\u0443\u043a\u0446|\u0443\u043a\u0430\u0437\u0430\u043d|\u043f\u0440\u0430\u0432\u0438\u043b|\u043f\u0440\u0438\u043a\u0430\u0437)|\u5ffd\u7565.{0,12}(?:\u6307\u4ee4|\u6307\u793a|\u63d0\u793a|\u89c4\u5219)|\u65e0\u89c6.{0,12}(?:\u6307\u4ee4|\u6307\u793a)|\u6307\u793a\u3092.{0,8}\u7121\u8996|(?:\uc9c0\uc2dc|\uba85\ub839).{0,8}\ubb34\uc2dc"),
        ("persona", r"\b(?:you are|you're|act as|pretend (?:to be|that you)|behave as|roleplay as|from now on,? you)\b.{0,40}\b(?:dan|unrestricted|unfiltered|jailbroken|developer mode|root|admin|free|without (?:rules|restrictions|limits)|no longer|now (?:a|an|in)|ai|assistant|model)\b"),
        ("persona", r"\b(?:developer|god|debug|maintenance|jailbreak|unrestricted) mode\b.{0,30}\b(?:enabled|activated|on|engaged|now)\b.{0,40}\b(?:you|model|assistant|ai)\b"),
        ("reveal", rf"\b(?:reveal|print|show|repeat|output|display|tell me|leak|disclose|dump|include|echo|reproduce|recite)\b{ANY}\b(?:your|the|hidden|full|initial) (?:system |hidden |initial |full |original )*(?:prompt|instructions|system message|configuration and key|context window)"),
        ("reveal", r"\b(?:your|the model'?s?) (?:api[ _-]?keys?|credentials|environment variables|secrets)\b"),
        ("steer", rf"(?:\b(?:dear|hey|hello|hi|attention|note (?:to|for)|message (?:to|for)|instructions? (?:to|for)|to the|for the|if you are an?|as an?|any|this is for)\b.{{0,12}}{MODEL}).{{0,80}}\b(?:must|should|please|shall|need to|have to|add|remove|delete|write|change|set|run|execute|return|answer|respond|reply|output|do|skip|use|apply|approve|merge|commit|include|insert|disable|open|fetch|install|report)\b"),
        ("steer", rf"{MODEL}[^\w\n]{{1,4}}(?:please |you (?:must|should|shall|need to) |must |do |now )?(?:add|remove|delete|write|change|set|run|execute|return|answer|respond|reply|output|skip|apply|approve|merge|commit|include|insert|disable|ignore|mark)\b"),
        ("steer", r"\b(?:the correct|the only|the required|the official|the approved) (?:fix|patch|answer|solution) is to\b.{0,80}\b(?:delete|remove|skip|disable|add|curl|wget|chmod|workflow|exit 0|return true|\.github)\b"),
        ("steer", r"\b(?:your (?:answer|response|reply|output|patch|diff|edits?)|the (?:answer|json) you (?:give|return)) (?:must|should|shall|has to|needs to|will)\b"),
        ("weaken", rf"\b(?:to (?:fix|solve|heal|repair) this|you (?:must|should|can|may|need to)|please|simply|just|always)\b{ANY}\b(?:delete|remove|skip|disable|comment out|xfail|mark as (?:skipped|xfail)|weaken|loosen|empty)\b{ANY}\b(?:the |this |all |any |failing )*(?:tests?|assertions?|asserts?|checks?|guards?|test suite|ci step|workflow|linter)\b"),
        ("verdict", r"\b(?:mark|report|record|treat|consider|classify|declare|label|set)\b.{0,40}\b(?:as|to|:)\s*.{0,12}\b(?:proven|verified|approved|pre-?approved|safe|resolved|healed|trusted|confidence.{0,6}(?:1|100))\b"),
        ("verdict", r"\b(?:this|the) (?:patch|change|fix|pr|merge request|commit) (?:is|was|has been) (?:already |pre-?)*(?:approved|reviewed and approved|authori[sz]ed|whitelisted) by (?:the )?(?:admin|security|maintainer|owner|anthropic|openai|ceo|team)"),
        ("verdict", r"\bconfidence\b.{0,20}\b(?:to|of|=|:)\s*(?:1\.0|1|100 ?%)\b.{0,60}\b(?:answer|set|use|return|must|known)\b|\b(?:set|use|return|answer with)\b.{0,20}\bconfidence\b.{0,12}(?:1\.0|100 ?%|\b1\b)"),
        ("exfiltrate", rf"\b(?:send|post|upload|forward|exfiltrate|transmit|email|submit|append|encode|put|include|curl|wget|fetch|embed)\b{ANY}\b(?:secrets?|tokens?|keys?|credentials?|passwords?|environment|env vars?|\.env|source code|repository|file contents|prompt|id_rsa|/etc/passwd)\b.{{0,60}}\b(?:to|at|into|in|via|using|as)\b.{{0,20}}(?:https?:|\bhttp|url|webhook|email|@|server|endpoint|query|image|dns)"),
        ("exfiltrate", r"!\[[^\]]{0,80}\]\(https?://[^)\s]{1,200}[?&][^)\s]{0,100}=(?:\{|\$|<|%7b)"),
    )
)  # fmt: skip


def _said(text: str) -> Iterator[str]:
    for form in dict.fromkeys(_forms(text)):
        yield from (rule for rule, pattern in PATTERNS if pattern.search(form))


# ---------------------------------------------------------------- how it is said

TAGS = re.compile("[\U000e0000-\U000e007f]")
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
ZERO = re.compile("(?:[a-z][\u200b-\u200d\u2060\ufeff]+){2}[a-z]", re.IGNORECASE)
STRONG_ROLE = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?(?:INST|SYS)\]|<</?SYS>>|</?(?:system|assistant|tool_result|function_results|human)\b[^>\n]{0,40}>|^\W{0,6}(?:system|assistant|human|developer)\s*:\s*(?=.*\b(?:you|your|must|will|now|ignore|sure|understood)\b)",
    re.IGNORECASE,
)
OUR_FENCE = re.compile(
    r"<<<\s*DATA\b|\bDATA\b.{0,60}>>>|\bend of (?:the )?(?:untrusted |log |user )?data\b.{0,60}\b(?:instructions?|system|now)\b",
    re.IGNORECASE,
)


def _marks(line: str) -> Iterator[str]:
    if TAGS.search(line) or BIDI.search(line) or ZERO.search(line):
        yield "hidden"
    if ROLES.search(line) and STRONG_ROLE.search(line):
        yield "role"
    if OUR_FENCE.search(line):
        yield "fence"


BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,2000}={0,2}")
HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:]?){16,1000}")


def _encoded(line: str) -> Iterator[str]:
    if any(_said_at_all(text) for text in _decoded(line)):
        yield "encoded"


def _said_at_all(text: str) -> bool:
    return bool(text) and any(True for _ in _said(plain(text)))


def _decoded(line: str) -> Iterator[str]:
    for run in BASE64.findall(line)[:5]:
        try:
            yield base64.urlsafe_b64decode(run.replace("+", "-").replace("/", "_") + "=" * (-len(run) % 4)).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
    for run in HEX.findall(line)[:5]:
        try:
            yield bytes.fromhex(re.sub(r"[\s:]", "", run)).decode("utf-8")
        except (ValueError, UnicodeDecodeError):
            continue
    if "%20" in line or "\\u00" in line:
        yield re.sub(r"%([0-9a-fA-F]{2})|\\u00([0-9a-fA-F]{2})", lambda found: chr(int(found[1] or found[2], 16)), line)
    yield codecs.decode(line, "rot13")
    yield line[::-1]
