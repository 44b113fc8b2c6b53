"""What is a secret, what only looks like one, and that line numbers survive."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.reading.redact import redact

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


@pytest.mark.parametrize(("kind", "secret"), SECRETS.items(), ids=list(SECRETS))
@pytest.mark.parametrize("line", ["using {}", "'{}'", "a={} b", "{}", "x:{},"])
def test_well_known_tokens_are_masked_wherever_they_stand(kind: str, secret: str, line: str) -> None:
    redacted = redact(line.format(secret))
    assert secret not in redacted.text
    assert secret[6:] not in redacted.text
    assert redacted.count == 1
    assert re.search(rf"\[redacted:(?:{kind}|secret):[0-9a-f]{{4}}\]", redacted.text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("DB_PASSWORD=hunter22x", "hunter22x"),
        ("export API_KEY='s3cr3t-value'", "s3cr3t-value"),
        ('"client_secret": "abc123def456"', "abc123def456"),
        ("login --password Tr0ub4dor3", "Tr0ub4dor3"),
        ("deploy --auth-token=q1w2e3r4t5", "q1w2e3r4t5"),
        ("postgresql://app:pa55w0rdX@db.local:5432/shop", "pa55w0rdX"),
        ("git clone https://x-access-token:0123456789abcdefABCDEF@github.com/a/b", "0123456789abcdefABCDEF"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
        ("AccountKey=Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5;", "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5"),
        ("SECRET_KEY_BASE=correcthorse", "correcthorse"),
    ],
)
def test_secrets_are_known_by_their_name_or_place(text: str, secret: str) -> None:
    redacted = redact(text)
    assert secret not in redacted.text
    assert redacted.count >= 1


@pytest.mark.parametrize(
    "text",
    [
        "HEAD is now at 3f786850e387550fdab836ed7e6dc881de23001b fix",
        "digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "request 123e4567-e89b-12d3-a456-426614174000 failed",
        "integrity sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
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


def test_a_hostile_line_takes_linear_time() -> None:
    assert redact("token=" * 300_000).count < 300_000
    assert redact("://a:" * 200_000).text
    assert redact("eyJ" * 100_000).count == 0
