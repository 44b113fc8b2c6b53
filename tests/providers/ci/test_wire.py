"""The edge: strict JSON, validated fields, bounded logs; nothing but BadPayload, in linear time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cihealing import providers
from cihealing.domain.values import ExecutionRef, JobFacts
from cihealing.ports import BadPayload
from cihealing.providers.jenkins import names as jenkins_names
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire
from tests.tables import table


@table(
    ("raw", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": [Infinity]}', "Infinity"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "double"),
        (b'{"a": ' + b"9" * 1_001 + b"}", "digits"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "digits"),
        (b'{"a": 0.' + b"9" * 5_000 + b"}", "digits"),
        (b'{"a": "\\u0000"}', "u0000"),
        (b'{"\\u0000": 1}', "u0000"),
        (b'{"a": "\x00"}', "not JSON"),
        (b'{"a": ["\\ud800"]}', "surrogate"),
        (b'{"a": {"b": "\\uDC00x"}}', "surrogate"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b"[]", "object"),
        (b'"text"', "object"),
        (b"null", "object"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "deep"),
        (b"[" * 100_000, "deep"),
        (b'{"a":' * 100_000, "deep"),
        (b'{"a": "' + b"\\" * 4 + b'", "b": ' + b"[" * 101, "deep"),
    ],
)
def test_what_is_no_object_of_json_is_refused(raw: bytes, complaint: str) -> None:
    with pytest.raises(BadPayload, match=complaint):
        _wire.json_object(raw)


@pytest.mark.parametrize(
    "value",
    [
        {"a": "[[[[" * 1_000, "b": '"\\' * 50},
        {"a": "\U0001f600 ♥"},
        {"a": "a backslash before u: \\u0000 and \\ud800"},
        {"a": 10**999, "b": -1.5e300, "c": None},
    ],
)
def test_what_is_one_comes_back_as_it_was(value: dict[str, object]) -> None:
    assert _wire.json_object(json.dumps(value).encode()) == value


def test_a_hundred_levels_are_read() -> None:
    assert _wire.json_object(b'{"a":' * 99 + b"{}" + b"}" * 99)


@pytest.mark.parametrize(
    "unit", [b'"', b'\\"', b'"\\', b"[]", b'["', b"\\", b'{"a":"', b'"a\\u0000",']
)
def test_hostile_bodies_cost_linear_time(unit: bytes) -> None:
    def seconds(size: int) -> float:
        body = (unit * size)[:size]
        started = time.process_time()
        with pytest.raises(BadPayload):
            _wire.json_object(body)
        return time.process_time() - started

    seconds(100_000)
    assert seconds(2_000_000) < 2.0


@table(
    ("url", "name"),
    [
        ("https://github.com/acme/shop.git", "acme/shop"),
        ("https://user:token@gitlab.example.com:8443/acme/web/shop", "acme/web/shop"),
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("github.com:acme/shop.git", "acme/shop"),
        ("ssh://git@git.example.com:2222/acme/shop.git", "acme/shop"),
        ("https://bitbucket.example.com/scm/PROJ/shop.git", "PROJ/shop"),
        ("/srv/git/acme/shop.git", "acme/shop"),
        ("file:///srv/git/acme/shop.git", "acme/shop"),
        ("https://github.com/acme/shop/", "acme/shop"),
        ("git@host:shop.git", ""),
        ("https://github.com/../../etc/passwd", ""),
        ("https://github.com/acme/sh op", ""),
        ("https://[broken/acme/shop", ""),
        ("--upload-pack=evil", ""),
        ("", ""),
    ],
)
def test_the_repository_of_a_clone_url(url: str, name: str) -> None:
    assert _wire.repository_of(url) == name


@pytest.mark.parametrize(
    "name",
    [
        "main",
        "feature/x-1",
        "release_1.2",
        "ünïcode",
        "user@home",
        "a" * 255,
        "refs/merge-requests/1/head",
    ],
)
def test_branches_git_takes(name: str) -> None:
    assert _wire.Fields({"branch": name}).branch("branch") == name


@table(
    "name",
    [
        "-c",
        "--upload-pack=evil",
        "a b",
        "a..b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "a@{1}",
        "a//b",
        "/a",
        "a/",
        "a.",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a\nb",
        "a\x7f",
        "\u2028",
        "a" * 256,
    ],
)
def test_branches_git_does_not_take(name: str) -> None:
    with pytest.raises(BadPayload, match=r"^run\.branch: "):
        _wire.Fields({"branch": name}, path="run").branch("branch")


@table(
    "value",
    [
        "",
        " ",
        "acme",
        "/acme/shop",
        "acme/",
        "acme/../shop",
        "acme/shop\n",
        "a c/b",
        "-x/shop",
        "x" * 301,
        7,
        None,
        [],
        {},
    ],
)
def test_repositories_are_owner_and_name(value: object) -> None:
    with pytest.raises(BadPayload, match=r"^repository: "):
        _wire.Fields({"repository": value}).repository("repository")


@pytest.mark.parametrize(
    "value",
    ["", "HEAD", "abc", "g" * 40, "a" * 65, "--" + "a" * 38, "a" * 39 + "\n", 1234567, True],
)
def test_commits_are_hexadecimal(value: object) -> None:
    with pytest.raises(BadPayload, match=r"^commitSha: "):
        _wire.Fields({"commitSha": value}).commit("commitSha")


@pytest.mark.parametrize(
    ("value", "found"), [(7, "7"), ("7", "7"), ("job/a/1", "job/a/1"), (0, "0")]
)
def test_ids_are_numbers_or_short_texts(value: object, found: str) -> None:
    assert _wire.Fields({"id": value}).ident("id") == found


@table("value", [True, -1, 1.5, None, "", "a b", "é", "x" * 201, 10**40, [], {}])
def test_and_nothing_else(value: object) -> None:
    with pytest.raises(BadPayload, match=r"^id: "):
        _wire.Fields({"id": value}).ident("id")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2026-05-04T11:59:30Z", "2026-05-04T11:59:30+00:00"),
        ("2026-05-04 11:59:30 UTC", "2026-05-04T11:59:30+00:00"),
        ("2026-05-04T13:59:30.250+02:00", "2026-05-04T11:59:30.250000+00:00"),
        ("2026-05-04T11:59:30", "2026-05-04T11:59:30+00:00"),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
    ],
)
def test_times_are_utc_or_none(value: object, found: str | None) -> None:
    moment = _wire.Fields({"at": value}).moment("at")
    assert (moment.isoformat() if moment else None) == found


NO_INTEGERS: list[Any] = [
    True,
    False,
    1.0,
    1.5,
    "x",
    "1.0",
    "",
    "\u0663",
    10**19,
    -(10**19),
    "9" * 30,
    [],
    {},
    [1],
]


@table("value", NO_INTEGERS)
def test_a_whole_number_is_one_and_true_is_none(value: Any) -> None:
    with pytest.raises(BadPayload, match=r"^a: a whole number"):
        _wire.Fields({"a": value}).number("a")


def test_a_whole_number_may_be_text_or_missing() -> None:
    fields = _wire.Fields({"a": 7, "b": "-1", "c": None})
    assert [fields.number(name) for name in "abcd"] == [7, -1, None, None]
    with pytest.raises(BadPayload, match="from 1 to 6"):
        fields.number("a", least=1, most=6)


@table(
    ("method", "value"),
    [
        *[("ident", value) for value in (True, False, None, 1.0, -1, [], {})],
        *[("maybe_ident", value) for value in (True, 1.0, [], {})],
        *[("flag", value) for value in (0, 1, "true", "", [], {})],
        *[("moment", value) for value in (True, 17, 17.5, [], {})],
        *[("raw", value) for value in (True, 0, 1.5, [], {})],
        *[("texts", value) for value in (True, 0, "x", {}, [1], [None], ["x", True])],
        *[("children", value) for value in (True, 0, "x", {}, [1], [None], [[]])],
        *[("child", value) for value in (True, 0, "x", None, [], [{}])],
        *[("maybe", value) for value in (True, 0, "x", [], [{}])],
    ],
)
def test_a_value_of_another_type_is_refused_and_its_field_named(method: str, value: Any) -> None:
    with pytest.raises(BadPayload, match=r"^a"):
        getattr(_wire.Fields({"a": value}), method)("a")


def test_there_is_no_way_to_a_value_around_its_type() -> None:
    """An adapter that reads a payload's values untyped brings back the fault this class is there
    against.
    """
    places = Path(providers.__file__).parent
    around = [
        f"{path.name}: {line.strip()}"
        for path in sorted(places.rglob("*.py"))
        if path != Path(_wire.__file__) and path.parent.name != "slack"
        for line in path.read_text().splitlines()
        if re.search(r"\._?value\b|payload\[|payload\.get", line)
    ]
    assert around == []


FACTS = JobFacts(
    execution=ExecutionRef(provider="x", host="", job_run_id="1"),
    repository="a/b",
    branch="",
    commit="1" * 40,
    job="j",
)


@pytest.mark.parametrize(
    "facts",
    [
        structs.replace(FACTS, execution=structs.replace(FACTS.execution, attempt=True)),
        structs.replace(FACTS, execution=structs.replace(FACTS.execution, attempt=None)),  # type: ignore[arg-type]
        structs.replace(FACTS, execution=structs.replace(FACTS.execution, job_run_id=7)),  # type: ignore[arg-type]
        structs.replace(FACTS, execution=structs.replace(FACTS.execution, job_run_id="1" * 201)),
        structs.replace(FACTS, execution=structs.replace(FACTS.execution, host="h" * 256)),
        structs.replace(FACTS, fork=1),  # type: ignore[arg-type]
        structs.replace(FACTS, branch=None),  # type: ignore[arg-type]
        structs.replace(FACTS, finished_at=datetime(2026, 5, 4)),
        structs.replace(FACTS, parent_id="1" * 201),
    ],
)
def test_what_slips_through_an_adapter_is_kept_by_nobody(facts: JobFacts) -> None:
    for make in (_results.failed, _results.passed):
        with pytest.raises(BadPayload):
            make(facts)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("https://x.example/a", "https://x.example/a"),
        ("javascript:alert(1)", ""),
        ("data:,x", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_links_are_ones_people_may_click(value: object, found: str) -> None:
    assert _wire.Fields({"url": value}).link("url") == found


def test_labels_are_made_fit_to_show() -> None:
    assert (
        _wire.Fields({"name": " a\x1b[31m\tb\n" + "x" * 400}).label("name")
        == "a [31m b " + "x" * 291
    )


@pytest.mark.parametrize(
    ("job", "branch", "found"),
    [
        ("job/shop/job/fix-cart/", "fix-cart", "shop"),
        ("job/team/job/shop/job/feature%2Fx/", "feature/x", "team/shop"),
        ("shop/PR-12", "fix-cart", "shop"),
        ("job/asgard/", "master", "asgard"),
        ("main", "main", "main"),
    ],
)
def test_a_jenkins_job_keeps_its_name_over_branches(job: str, branch: str, found: str) -> None:
    assert jenkins_names.job_of(job, branch=branch) == found


def chunks(raw: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


@pytest.mark.parametrize("size", [1, 3, 7, 100, 1_000])
def test_a_log_within_the_limit_is_whole(size: int) -> None:
    log = bytes(range(100))
    assert _wire.head_and_tail(chunks(log, size), limit=100) == log


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1_000])
def test_of_a_longer_one_head_and_tail_are_kept_and_the_gap_is_told(size: int) -> None:
    log = b"".join(b"%03d" % number for number in range(100))
    kept = _wire.head_and_tail(chunks(log, size), limit=100)
    assert kept == log[:25] + b"\n[cihealing: 200 bytes of the log are left out here]\n" + log[-75:]
