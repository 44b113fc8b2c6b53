"""What is a secret, what only looks like one, and that line numbers survive."""

from __future__ import annotations

import base64
import html
import json
import re
from random import Random
from time import process_time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import secrets
from cihealing.reading import read
from cihealing.reading.redact import redact
from tests.reading import clean_lines, secret_lines
from tests.tables import table

# Built from pieces, so that no scanner takes this file for a leak.
B62 = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5jK7m"
SECRETS = {
    "github-token": "gh" + "p_" + B62[:36],
    "gitlab-token": "glp" + "at-" + B62[:20],
    "aws-access-key": "AK" + "IA" + "Z7Q2M4N8P6R3T5V9",
    "slack-token": "xo" + "xb-123456789012-" + B62[:24],
    "stripe-key": "sk_" + "live_" + B62[:24],
    "anthropic-key": "sk-" + "ant-api03-" + B62,
    "openai-key": "sk-" + "proj-" + B62,
    "google-key": "AI" + "za" + B62[:35],
    "npm-token": "np" + "m_" + B62[:36],
    "jwt": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTYifQ." + B62,
    "sendgrid-key": "SG" + "." + B62[:22] + "." + B62[:40],
}


@table(("kind", "secret"), SECRETS.items(), ids=list(SECRETS))
@table("line", ["using {}", "'{}'", "a={} b", "{}", "x:{},"])
def test_well_known_tokens_are_masked_wherever_they_stand(
    kind: str, secret: str, line: str
) -> None:
    redacted = redact(line.format(secret))
    assert secret not in redacted.text
    assert secret[6:] not in redacted.text
    assert redacted.count == 1
    assert re.search(rf"\[redacted:(?:{kind}|secret):[0-9a-f]{{4}}\]", redacted.text)


@table(
    ("text", "secret"),
    [
        ("DB_PASSWORD=hunter22x", "hunter22x"),
        ("export API_KEY='s3cr3t-value'", "s3cr3t-value"),
        ('"client_secret": "abc123def456"', "abc123def456"),
        ("login --password Tr0ub4dor3", "Tr0ub4dor3"),
        ("deploy --auth-token=q1w2e3r4t5", "q1w2e3r4t5"),
        ("postgresql://app:pa55w0rdX@db.local:5432/shop", "pa55w0rdX"),
        (
            "git clone https://x-access-token:0123456789abcdefABCDEF@github.com/a/b",
            "0123456789abcdefABCDEF",
        ),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
        (
            "AccountKey=Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5;",
            "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5",
        ),
        ("SECRET_KEY_BASE=correcthorse", "correcthorse"),
    ],
)
def test_secrets_are_known_by_their_name_or_place(text: str, secret: str) -> None:
    redacted = redact(text)
    assert secret not in redacted.text
    assert redacted.count >= 1


@table(
    "text",
    [
        "HEAD is now at 3f786850e387550fdab836ed7e6dc881de23001b fix",
        "digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "request 123e4567-e89b-12d3-a456-426614174000 failed",
        (
            "integrity"
            " sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdB"
            "eoGlODJ6+SfaPg=="
        ),
        "TOKEN: ***",
        "password: ********",
        "SyntaxError: Unexpected token: punctuation",
        "token: ${{ secrets.GITHUB_TOKEN }}",
        "SCRIBE_GRAPHQL_ACCESS_TOKEN is NOT set",
        "max_tokens: 4096",
        "Invalid token: expected identifier",
        "cache key: node-modules-linux",
        "see https://docs.example.org/api/token/refresh for more",
        "npm_config_registry=https://registry.example.org/",
        "KeyError: 'password'",
        "def test_password(self): assert password == other_password",
        "primary key (id), foreign key (owner)",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text).text == text


def test_known_values_are_masked_in_every_form_but_short_ones_stay() -> None:
    redacted = redact("a p@ss/word! b p%40ss%2Fword%21 c short d", ["p@ss/word!", "short"])
    assert "p@ss/word!" not in redacted.text
    assert "p%40ss%2Fword%21" not in redacted.text
    assert "short" in redacted.text
    assert redacted.count == 2


def test_the_same_secret_gets_the_same_marker_and_another_one_another() -> None:
    a, b = SECRETS["github-token"], SECRETS["github-token"].replace("aB3", "xY8")
    first, second, third = redact(f"{a}\n{b}\n{a}").text.split("\n")
    assert first == third
    assert first != second


def test_a_private_key_goes_and_the_lines_below_keep_their_numbers() -> None:
    key = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\nABCDEF\n-----END RSA " + "PRIVATE KEY-----"
    redacted = redact(f"before\n{key}\nafter")
    assert "MIIEow" not in redacted.text
    assert redacted.text.split("\n")[5] == "after"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=3))
def test_redacting_twice_changes_nothing_and_line_count_stays(text: str, known: list[str]) -> None:
    known = [value for value in known if "\n" not in value and "redacted" not in value]
    once = redact(text, known).text
    assert redact(once).text == once
    assert once.count("\n") == text.count("\n")


def ways(table: str) -> list[str]:
    return [line for line in table.split("\n") if line.strip()]


@table("secret", secret_lines.PASSWORDS)
@table("way", ways(secret_lines.PASSWORD_WAYS))
def test_a_password_goes_however_it_is_printed(way: str, secret: str) -> None:
    assert_gone(way.format(p=secret), secret)


@table("secret", secret_lines.TOKENS)
@table("way", ways(secret_lines.TOKEN_WAYS))
def test_a_token_goes_however_it_is_printed(way: str, secret: str) -> None:
    assert_gone(way.format(p=secret), secret)


def assert_gone(line: str, secret: str) -> None:
    """No eight characters of the secret are left, what stands around it is, and a second look finds
    nothing.
    """
    masked = redact(f"before 1\n{line}\nafter 2").text
    assert not secrets.survives(secret, masked), masked
    assert masked.startswith("before 1\n")
    assert masked.endswith("\nafter 2")
    assert redact(masked).text == masked


@table("line", ways(clean_lines.CLEAN))
def test_no_false_alarm_on(line: str) -> None:
    assert redact(f"x\n{line}\ny").text == f"x\n{line}\ny"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_planted_secret_survives_in_a_log(seed: int) -> None:
    log = (
        "2026-02-03T04:05:06.1234567Z + npm ci\nadded 214 packages in 3s\nTests: 1 failed, 3"
        " passed\n" * 3
    )
    corpus = list(secrets.corpus(Random(seed)))
    lost = [
        s
        for s in corpus
        if any(secrets.survives(part, redact(f"{log}{s.text}\n{log}").text) for part in s.parts)
    ]
    assert len(corpus) >= 250
    assert len({s.kind for s in corpus}) >= 60
    assert len({s.way for s in corpus}) >= 25
    assert len(lost) <= len(corpus) // 200, lost


KNOWN = 'S3rvice/"pass" & word+x'


@table(
    "form",
    [
        KNOWN,
        quote(KNOWN, safe=""),
        quote_plus(KNOWN),
        json.dumps(KNOWN),
        json.dumps(json.dumps(KNOWN)),
        html.escape(KNOWN),
        base64.b64encode(KNOWN.encode()).decode(),
        base64.b64encode(f"user:{KNOWN}".encode()).decode(),
        base64.urlsafe_b64encode(f"ab{KNOWN}cd".encode()).decode(),
        f"{KNOWN[:9]}\n{KNOWN[9:]}",
        "\n".join(KNOWN),
        base64.b64encode(KNOWN.encode()).decode()[:12]
        + "\n"
        + base64.b64encode(KNOWN.encode()).decode()[12:],
    ],
)
def test_a_known_value_goes_in_every_form(form: str) -> None:
    masked = redact(f"a {form} b", [KNOWN])
    assert masked.count >= 1
    assert form[4:-4] not in masked.text
    assert masked.text.count("\n") == form.count("\n")
    assert re.fullmatch(
        r"a .{0,8}\[redacted:known:[0-9a-f]{4}\]\n*.{0,8} b", masked.text, re.DOTALL
    )


def test_a_value_split_by_colours_is_whole_again_before_it_is_masked() -> None:
    log = "using \x1b[31mthe-services-\x1b[0mown-secret\x1b[K now"
    assert "own-secret" not in read(log, known_secrets=["the-services-own-secret"]).redacted_log


def test_several_lines_of_a_known_value_go_one_by_one() -> None:
    masked = redact(
        "first-line-of-it\nsomething\nsecond-line-of-it", ["first-line-of-it\nsecond-line-of-it"]
    ).text
    assert re.fullmatch(r"\[redacted:known:\w{4}\]\nsomething\n\[redacted:known:\w{4}\]", masked)


BODY = [B62[n:] + B62[:n] + "Ab3/+dE5gH7jK9mN1pQ3" for n in range(6)]
BEGIN, END = "-----BEGIN {}PRIV" + "ATE KEY-----", "-----END {}PRIV" + "ATE KEY-----"


@table("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "])
@table("lead", ["", "    ", "2026-02-03T04:05:06.1234567Z ", "12:04:05 | ", "+ "])
@table("cut", [(0, 8), (0, 6), (2, 8)])
def test_a_private_key_goes_whole_or_in_part(kind: str, lead: str, cut: tuple[int, int]) -> None:
    lines = [BEGIN.format(kind), *BODY, END.format(kind)][cut[0] : cut[1]]
    masked = redact(
        "\n".join(["before it", *(lead + line for line in lines), "Done in 3s", "all good"])
    ).text
    assert not any(secrets.survives(line, masked) for line in lines[1:-1])
    assert masked.split("\n")[0] == "before it"
    assert masked.split("\n")[len(lines) + 1 :] == ["Done in 3s", "all good"]


def test_a_mention_of_a_key_hides_nothing() -> None:
    text = (
        f"if '{BEGIN.format('')}' in line:\n  warn(line)\n  return 1\nassert"
        f" '{END.format('')}'\nTests failed"
    )
    assert redact(text).text == text


def test_a_certificate_is_no_secret() -> None:
    text = (
        "-----BEGIN CERTIFICATE-----\n"
        + "\n".join(BODY)
        + "\n-----END CERTIFICATE-----\n"
        + base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIC").decode() * 3
    )
    assert redact(text).text == text


PIECES = st.sampled_from(
    [
        "password",
        "token",
        "API_KEY",
        "secret",
        "=",
        ": ",
        " ",
        "\n",
        '"',
        "'",
        "\\",
        "\\n",
        "://",
        "@",
        ":",
        "/",
        "[redacted:secret:0a1b]",
        "[redacted:",
        "***",
        "user",
        "hunter22x",
        B62[:36],
        "gh" + "p_",
        "ey" + "J",
        ".",
        ",",
        ";",
        "&",
        "-u ",
        "curl ",
        "login -p ",
        "Authorization: Basic ",
        "Cookie: a=",
        "]",
        "}",
        ")",
        ">",
        "<",
        "%3D",
        "$",
        "{",
        BEGIN.format(""),
        END.format(""),
        "é",
        "\u2028",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(PIECES, max_size=30).map("".join),
    st.lists(st.sampled_from(["hunter22x", "redacted", "password: ", B62[:36]]), max_size=2),
)
def test_what_is_redacted_stays_as_it_is(text: str, known: list[str]) -> None:
    once = redact(text, known)
    again = redact(once.text, known)
    assert again.text == once.text
    assert again.count == 0
    assert once.text.count("\n") == text.count("\n")


HOSTILE = (
    "token=",
    "://a:",
    "://a:@",
    "eyJ",
    "-eyJ",
    "@",
    "/@",
    BEGIN.format("RSA "),
    BEGIN.format("") + "\n",
    END.format("") + "\n",
    "AAAAAAAAAAAAAAAAAAAAAAAA\n",
    "password: ",
    'password="',
    "password='\\\"",
    "secret: 'a",
    "curl -u a:",
    " -pabc1",
    "login -p a1",
    "cookie: a=",
    "Authorization: Basic a",
    "bearer ",
    "_gh" + "p_",
    "SG.aaaaaaaaaaaaaaaaaaaa.",
    "signature=",
    "identified by '",
    "-stdin",
    "echo abcdefg -stdin",
    "[redacted:a:0000]",
    "aB1",
    "k",
    "pass=",
    "auth",
    "\n",
    "é",
    "\\",
    "(",
    "LS0tLS1CRUdJTi",
    'name="password" ',
    "<password>",
    "password=)))))))",
    "password=,,,,,,,",
)


@table("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    """Four times the text takes about four times as long: never sixteen times."""
    small, large = unit * (40_000 // len(unit)), unit * (160_000 // len(unit))
    assert seconds(large) < 9 * seconds(small) + 1


def seconds(text: str) -> float:
    began = process_time()
    redact(text)
    return process_time() - began
