"""What a secret value looks like, and what only stands for one."""

from __future__ import annotations

import re

from cihealing.reading.redact.spans import MARKER

# A value that only stands for one: masks, placeholders, references, types, states.
STANDS_FOR = re.compile(
    r"(?i)(?:[*•.#?_-]+|<.*|\$[({a-z_].*|%[a-z_]\w*%?|%\(.*|\{.*|none|null|nil|true|false|undefined|required|missing|invalid|incorrect|expired|unset|empty|not["
    r" _-].*|is[ _].*"
    r"|string|str|int|integer|number|bool|boolean|bytes|object|any|optional.*|secrets?\..*|env\..*|vars?\..*|params?\..*|config\..*|process\.env.*|os\.environ.*|system\.getenv.*"
    r"|your[_-]?.*|my[_-]?(?:secret|token|password|key|api[_-]?key)s?|change[_-]?(?:me|it|this)|replace[_-]?.*|insert[_-].*|example.*|placeholder|redacted.*|\[.*|masked|hidden|filtered|removed|omitted"
    r"|dummy.*|fake.*|sample.*|default|unknown|n/a|tbd|todo|read|write|admin|root|postgres|mysql|guest|user(?:name)?|unexpected|expected|error|failed|failure|success|set|found|provided|disabled|enabled"
    r"|(?:some|the|a|test|my|user)?[-_ ]?(?:password|passwd|secret|token|api[-_"
    r" ]?key|credentials?)s?|(?:AKIA|ASIA)[A-Z0-9]{16}(?:/|%2f).*|/[\w./-]*|[~.]{1,2}/.*|[a-z]:\\.*|(?:https?|file|arn|vault|ssm|op|ref|projects|azurekeyvault)(?:://|:|/).*|\w+\(.*)$"
)
PLAIN_WORD = re.compile(r"[A-Za-z][a-z]*(?:[-_ ./:][A-Za-z]?[a-z]*)*[.:!?]?$")
PHRASE = re.compile(r"[A-Za-z]{2,20}(?:[-_.+ ][A-Za-z]{2,20}){2,12}$")
PART = re.compile(r"[-_./:@+=~ ,!?#%^*$]+")
SIGN = re.compile(r"[A-Za-z0-9][!#$^*?~][A-Za-z0-9]")
WORD = re.compile(
    r"(?:[A-Z]?[a-z]{2,}|[A-Z]{2,}s?|[A-Za-z])(?:(?<=[a-z])[A-Z][a-z]{2,}|(?<=[a-z])[A-Z]{2,5}(?![a-z]))*\d{0,4}$|\d{1,12}$|v?\d{1,4}[a-z]{0,2}\d{0,2}$"
)
CODE = re.compile(
    r"[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)+;?$|[a-z]+(?:[A-Z][a-z]+)+$|[a-z]+(?:_[a-z]+)+$|[A-Z]+(?:_[A-Z]+)+$"
)
DIGEST = re.compile(
    r"(?i)(?:sha(?:1|224|256|384|512)[-:=]|md5[-:=]|h1:).*|[\w.$]{1,200}@[0-9a-f]{4,8}$|.*\.(?:ya?ml|json|jsonl|txt|pem|key|crt|cer|pub|py|js|ts|go|java|rb|log|xml|html?|md|sh|tar|gz|tgz|zip|jar|so|lock|toml|cfg|conf|properties)$"
)


def is_mask(value: str) -> bool:
    """Already masked, by CI or by us."""
    return len(set(value) - set("*xX.•-_")) == 0 or "***" in value or bool(MARKER.search(value))


def stands_for(value: str) -> bool:
    """A placeholder, a reference or a state in the place of a secret."""
    return is_mask(value) or bool(STANDS_FOR.match(value[:300]))


def prose(value: str) -> bool:
    return bool(PLAIN_WORD.match(value[:300]))


def phrase(value: str) -> bool:
    """Several words as one: what stands for a password is hardly ever so long, and a passphrase
    is.
    """
    return len(value) >= 16 and " " not in value and bool(PHRASE.match(value[:300]))


def random(value: str) -> bool:
    """Made by a machine or meant not to be guessed, as far as a look can tell: not words, a number,
    a version, a file or code.
    """
    head = value[:300]
    if len(head) < 8 or head.isdigit() or CODE.match(head) or DIGEST.match(head) or head.isspace():
        return False
    if SIGN.search(head) and any(c.isdigit() for c in head):
        return True
    return any(part and not WORD.match(part) for part in PART.split(head))
