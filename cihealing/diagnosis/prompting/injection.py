"""Text in logs and code that tries to instruct a model. Finding it stops nothing: a person then
looks at what came of it.

Words are compared after a normalisation that undoes what hides them: case, compatibility forms,
look-alike letters, invisible characters, letters with spaces or signs between them, digits for
letters.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

import yaml

from cihealing.diagnosis.prompting.untrusted import ROLES

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
class InjectedLine:
    rule: str
    line: int
    """Position in what was given, from 1."""
    text: str


def findings(lines: Iterable[str]) -> list[InjectedLine]:
    """What of `lines` speaks to a model rather than to people, in order."""
    return [
        InjectedLine(rule=rule, line=number, text=line[:300])
        for number, line in enumerate(lines, 1)
        for rule in rules_of(line[:MAX_LINE])
    ]


def rules_of(line: str) -> list[str]:
    found = dict.fromkeys([*_marks(line), *_rules_met(plain(line)), *_encoded(line)])
    return list(found)


INVISIBLE = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\U000e0000-\U000e007f\u180e]"
)
LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u04bb\u0501\u03bf\u03b1\u03b5\u03b9\u03bd\u0261\u1d00\u026a",
    "aeopcyxisjhdoaeivgai",
)
DIGITS = str.maketrans("013457@$", "oieastas")


def plain(line: str) -> str:
    text = unicodedata.normalize("NFKD", INVISIBLE.sub("", line)).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFC", text).split())


def _forms(text: str) -> Iterator[str]:
    """The line as it is, and as it might be meant."""
    yield text
    if re.search(r"(?:[a-z]+_){4}", text):
        yield text.replace("_", " ")
    latin = text.translate(LOOKALIKES)
    if latin != text and text.isascii() is False and re.search(r"[a-z]", text):
        yield latin
    if re.search(r"[a-z][013457@$]|[013457@$][a-z]", latin):
        yield latin.translate(DIGITS)
    if re.search(r"(?:\b[a-z]\b[\W_]+){6}", latin):
        yield re.sub(r"(?<=\b[a-z])[\W_](?=[a-z]\b)", "", latin)


def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    told = yaml.safe_load(
        (resources.files("cihealing.diagnosis.prompting") / "texts" / "injection.yaml").read_text(
            encoding="utf-8"
        )
    )
    pairs = [(rule, pattern) for entry in told["patterns"] for rule, pattern in entry.items()]
    for word, stands_for in told["words"].items():
        pairs = [(rule, pattern.replace(f"<{word}>", stands_for)) for rule, pattern in pairs]
    return tuple((rule, re.compile(pattern)) for rule, pattern in pairs)


PATTERNS = _patterns()


def _rules_met(text: str) -> Iterator[str]:
    for form in dict.fromkeys(_forms(text)):
        yield from (rule for rule, pattern in PATTERNS if pattern.search(form))


TAGS = re.compile("[\U000e0000-\U000e007f]")
VARIATIONS = re.compile("[\U000e0100-\U000e01ef]|[\x00-\x7f][\ufe00-\ufe0f]{2}")
ERASED = re.compile(
    r"\x1b\[(?:\d{1,3};){0,4}8m|\x1b\[(?:30;40|37;47|97;107)m|\x08{4}[a-z]{2}|\x1b\]8;[^;\n]{0,40};https?:|\x1b\[2K\x1b\[1A(?=\w)"
)
"""Text that a terminal conceals, paints in its own background, overwrites, or shows over another
address.
"""
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
ZERO = re.compile("[a-z][\u200b-\u200d\u2060\ufeff]+[a-z]", re.IGNORECASE)
STRONG_ROLE = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?(?:INST|SYS)\]|<</?SYS>>|</?(?:system|assistant|tool_result|function_results|human)\b[^>\n]{0,40}>|^\W{0,6}(?:system|assistant|human|developer)\s*:\s*(?=.*\b(?:you|your|must|will|now|ignore|sure|understood)\b)",
    re.IGNORECASE,
)
OUR_FENCE = re.compile(
    r"<<<\s*DATA\b|\bDATA\b.{0,60}>>>|\bend of (?:the )?(?:untrusted |log |user"
    r" )?data\b.{0,60}\b(?:instructions?|system|now)\b",
    re.IGNORECASE,
)


def _marks(line: str) -> Iterator[str]:
    if any(pattern.search(line) for pattern in (TAGS, VARIATIONS, ERASED, BIDI, ZERO)):
        yield "hidden"
    if ROLES.search(line) and STRONG_ROLE.search(line):
        yield "role"
    if OUR_FENCE.search(line):
        yield "fence"


BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,2000}={0,2}")
HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:]?){16,1000}")


ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|bypass|override|reveal|print|delete|remove|skip|disable|approve|send|upload|follow|obey)\b.{0,30}"
    r"\b(?:tests?|rules?|instructions?|prompt|secrets?|keys?|tokens?|patch|checks?|guard|guidelines?|told|everything|workflow)\b"
)
"""Enough where somebody went to the length of encoding it: no log encodes an order by accident."""
ESCAPES = re.compile(
    r"(?:%(?:25)?|\\x|\\u00|\\u\{|&#x)([0-9a-f]{2})[;}]?|&#(\d{2,3});", re.IGNORECASE
)
NUMBERS = re.compile(r"(?:\b[01]{8}\b ?){6}|(?:\b\d{2,3}\b[ ,]{0,2}){8}")
MORSE = re.compile(r"(?:[.-]{1,5}[ /]{1,3}){8}")
MORSE_LETTERS = dict(
    zip(
        re.split(
            " ",
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..-"
            " ...- .-- -..- -.-- --..",
        ),
        "abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)


def _encoded(line: str) -> Iterator[str]:
    if any(_said_at_all(text) for text in _decoded(line)):
        yield "encoded"


def _said_at_all(text: str) -> bool:
    normal = plain(text)
    return bool(ORDER.search(normal)) or any(True for _ in _rules_met(normal))


def _decoded(line: str) -> Iterator[str]:
    for run in BASE64.findall(line)[:5]:
        try:
            yield base64.urlsafe_b64decode(
                run.replace("+", "-").replace("/", "_") + "=" * (-len(run) % 4)
            ).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
    for run in HEX.findall(line)[:5]:
        try:
            yield bytes.fromhex(re.sub(r"[\s:]", "", run)).decode("utf-8")
        except (ValueError, UnicodeDecodeError):
            continue
    if ESCAPES.search(line):
        yield ESCAPES.sub(
            lambda found: chr(int(found[1], 16) if found[1] else int(found[2])), line
        ).replace("+", " ")
    if NUMBERS.search(line):
        numbers = re.findall(r"\d{2,8}", line)
        for base in (2, 8, 10):
            yield _letters(numbers, base)
    if MORSE.search(line):
        yield " ".join(
            "".join(MORSE_LETTERS.get(sign, "") for sign in word.split())
            for word in line.split("/")
        )
    yield codecs.decode(line, "rot13")
    yield line[::-1]


def _letters(numbers: list[str], base: int) -> str:
    """The text that a row of character codes spells; empty where they are none."""
    try:
        codes = [int(number, base) for number in numbers]
    except ValueError:
        return ""
    return "".join(map(chr, codes)) if all(32 <= code < 127 for code in codes) else ""
