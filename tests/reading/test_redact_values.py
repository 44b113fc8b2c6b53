"""What a secret value looks like, and what only stands for one."""

from __future__ import annotations

import pytest

from cihealing.reading.redact import values
from tests.tables import table


@table(
    ("value", "mask"),
    [
        ("***", True),
        ("xxxx", True),
        ("XXXX", True),
        ("....", True),
        ("•••", True),
        ("--__", True),
        ("a***b", True),
        ("a**b", False),
        ("", True),
        ("x1x", False),
        ("[redacted:known:ab12]", True),
        ("a [redacted:known:ab12]", True),
        ("[redacted:known:xyz1]", False),
    ],
)
def test_a_mask(value: str, mask: bool) -> None:
    assert values.is_mask(value) is mask


@table(
    ("value", "stands"),
    [
        ("${SECRET}", True),
        ("<token>", True),
        ("none", True),
        ("hunter22x", False),
        ("true", True),
        ("changeme", True),
        ("x" * 299 + "1", False),
        ("***", True),
        ("<" + "a1" * 200, True),
        ("not " + "q7" * 200, True),
    ],
)
def test_a_stand_in(value: str, stands: bool) -> None:
    assert values.stands_for(value) is stands


@pytest.mark.parametrize(
    ("value", "is_phrase"),
    [
        ("correct-horse-battery-staple", True),
        ("correct-horse-bat", True),
        ("correct-horse-ba", True),
        ("correct-hors-ba", False),
        ("correct horse battery staple", False),
        ("correcthorsebattery", False),
        ("correct-horse-b4ttery", False),
        ("ab-" * 12 + "abcdef", True),
        ("ab-" * 13 + "abcdef", False),
    ],
)
def test_a_phrase(value: str, is_phrase: bool) -> None:
    assert values.phrase(value) is is_phrase


@pytest.mark.parametrize(
    ("value", "is_prose"),
    [
        ("word", True),
        ("Some words.", True),
        ("w0rd", False),
        ("a-b_c", True),
        ("", False),
        ("w" * 299 + "1", False),
        ("w" * 300 + "1", True),
    ],
)
def test_prose(value: str, is_prose: bool) -> None:
    assert values.prose(value) is is_prose


@table(
    ("value", "made"),
    [
        ("aB3dE5g", False),
        ("aB3dE5gH", True),
        ("12345678", False),
        ("1234567a", True),
        ("        ", False),
        ("settings.api_key", False),
        ("some_snake_case", False),
        ("sha256:9f86d081", False),
        ("report-2024.json", False),
        ("p@ss!w0rd", True),
        ("abc!defgh", False),
        ("abc!defg1", True),
        ("word-word-word", False),
        ("word-w0rdx9-word", True),
        ("v1.2.3.4.5", False),
        ("ABCDEFGH", False),
        ("AbCdEfGhIj", True),
        ("a" * 300 + "9Z8", False),
        ("-" * 10, False),
        ("a1b2c3d4", True),
    ],
)
def test_what_looks_made_by_a_machine(value: str, made: bool) -> None:
    assert bool(values.random(value)) is made
