"""Local rules: laid over the project's, refused with a reason where they are bad, and never able to
stop or slow the reader.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from time import perf_counter, process_time

import pytest

from cihealing.domain.values import FailureClass
from cihealing.reading.classify import classify, rule_findings, rule_hits
from cihealing.reading.linear import MAX_PATTERN, objection
from cihealing.reading.log import Log
from cihealing.reading.rulebook import MAX_FILE, MAX_TEXT, problems, rules, rules_from
from tests import forked
from tests.tables import table

GOOD = """\
- id: vault-sealed
  class: infra
  type: vault
  confidence: 0.9
  any: ["Vault is sealed"]
  samples: ["Error: Vault is sealed"]
  never: ["Vault is unsealed"]
"""


def wrote(folder: Path, text: str | bytes, name: str = "local.yaml") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def rule(**entries: object) -> str:
    whole = {
        "id": "own",
        "class": "infra",
        "any": ["Vault is sealed"],
        "samples": ["Vault is sealed"],
        **entries,
    }
    return json.dumps([{key: value for key, value in whole.items() if value is not None}])


def reasons(folder: Path) -> list[str]:
    return [str(refused) for refused in rules_from(folder).refused]


def test_a_local_rule_is_laid_over_the_projects(tmp_path: Path) -> None:
    book = rules_from(wrote(tmp_path, GOOD))
    assert book.refused == ()
    assert book.rules[:-1] == rules()
    last = book.rules[-1]
    assert (last.id, last.failure_class, last.type, last.confidence, last.in_test, last.root) == (
        "vault-sealed",
        FailureClass.INFRA,
        "vault",
        0.9,
        0.9,
        70,
    )
    assert last.on("x Vault is sealed x")
    assert not last.on("Vault is unsealed")


def test_a_file_named_after_a_class_needs_no_class(tmp_path: Path) -> None:
    book = rules_from(wrote(tmp_path, rule(**{"class": None}), name="data.yml"))
    assert (book.rules[-1].failure_class, book.refused) == (FailureClass.DATA, ())


def test_a_local_rule_takes_the_place_of_the_projects_or_takes_it_away(tmp_path: Path) -> None:
    wrote(tmp_path, rule(id="disk-full", confidence=0.6), name="a.yaml")
    book = rules_from(
        wrote(
            tmp_path, "- id: killed\n  off: true\n- id: no-such-rule\n  off: true\n", name="b.yaml"
        )
    )
    assert book.refused == ()
    assert next(each for each in book.rules if each.id == "disk-full").confidence == 0.6
    assert "killed" not in [each.id for each in book.rules]
    assert len(book.rules) == len(rules()) - 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [\n", "local.yaml: while parsing"),
        ("a: 1\n", "the file is no list of rules"),
        ("- only text\n", "this is no rule"),
        (b"\xff\xfe\x00", "can't decode"),
        ("[" * 5000, "recursion"),
        ("- " * 5000, "recursion"),
        ("#" * (MAX_FILE + 1), "larger than"),
        (rule(id="a b"), "`id` must be a name"),
        (rule(id=None), "`id` must be a name"),
        (rule(colour="red"), "unknown entry 'colour'"),
        (rule(**{"class": "weather"}), "unknown class 'weather'"),
        (rule(**{"class": "unknown"}), "unknown class 'unknown'"),
        (rule(**{"class": None}), "unknown class 'local'"),
        (rule(confidence=2), "`confidence` must be"),
        (rule(confidence="much"), "`confidence` must be"),
        (rule(confidence=True), "`confidence` must be"),
        (rule(in_test=-1), "`in_test` must be"),
        (rule(root=1.5), "`root` must be"),
        (rule(root=101), "`root` must be"),
        (rule(type=["a"]), "`type` must be"),
        (rule(off="yes"), "`off` must be"),
        (rule(any=[]), "`any` must hold at least one"),
        (rule(any=None), "`any` must hold at least one"),
        (rule(any="Vault"), "`any` must be a list"),
        (rule(any=["abc"]), "4 to 200 characters"),
        (rule(any=["    a"]), "4 to 200 characters"),
        (rule(any=[f"word {n}" for n in range(30)]), "more than 24"),
        (rule(samples=[]), "`samples` must hold"),
        (rule(samples=None), "`samples` must hold"),
        (rule(samples=["Vault is open"]), "holds none of the literals"),
        (rule(pattern="Vault is (?:gone|lost)"), "does not match its pattern"),
        (rule(never=["my Vault is sealed"]), "stands under `never`"),
        (rule(pattern="("), "is no regular expression"),
        (rule(pattern="(a+)+"), "within a repeat"),
        (rule(pattern=7), "must be a regular expression"),
    ],
)
def test_a_bad_rule_is_left_out_and_told(tmp_path: Path, text: str | bytes, reason: str) -> None:
    book = rules_from(wrote(tmp_path, text))
    assert book.rules == rules()
    assert len(book.refused) == 1
    assert reason in str(book.refused[0])
    assert len(str(book.refused[0])) < 500


def test_a_bad_rule_leaves_the_others_of_its_file(tmp_path: Path) -> None:
    book = rules_from(wrote(tmp_path, GOOD + "- id: bad\n  class: infra\n"))
    assert [each.id for each in book.rules[len(rules()) :]] == ["vault-sealed"]
    assert [each.rule for each in book.refused] == ["bad"]


def test_a_second_rule_of_an_id_is_refused(tmp_path: Path) -> None:
    wrote(tmp_path, GOOD, name="a.yaml")
    assert reasons(wrote(tmp_path, GOOD, name="b.yaml")) == [
        "b.yaml, rule vault-sealed: a second rule of this id"
    ]


def test_aliases_that_grow_without_bound_are_no_danger(tmp_path: Path) -> None:
    laughs = "\n".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))
    started = perf_counter()
    book = rules_from(
        wrote(
            tmp_path,
            f"- &a0 [x, x]\n{laughs}\n- id: *a39\n- id: b\n  class: *a39\n- id: c\n  any: *a39\n",
        )
    )
    assert len(book.refused) == 43
    assert perf_counter() - started < 5


def test_a_directory_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    book = rules_from(tmp_path / "none")
    assert book.rules == rules()
    assert "cannot be read" in str(book.refused[0])


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    assert [told.endswith("this is no file") for told in reasons(tmp_path)] == [True, True, True]


def test_other_files_of_the_directory_are_left_alone(tmp_path: Path) -> None:
    assert rules_from(wrote(tmp_path, "not: rules", name="README.md")).refused == ()


def test_a_local_rule_classifies(tmp_path: Path) -> None:
    log = Log(["start", "2024-01-01 Error: Vault is sealed", "exit"])
    hits = rule_hits(log, rules_from(wrote(tmp_path, GOOD)).rules)
    assert [(each.id, number) for each, number in hits] == [("vault-sealed", 2)]
    finding = rule_findings(log, hits)[0]
    verdict = classify(log, finding, cited=[2], hits=hits, frames=[])
    assert (verdict.failure_class, verdict.confidence, verdict.signs[0].rule) == (
        FailureClass.INFRA,
        0.9,
        "vault-sealed",
    )


def test_only_the_beginning_of_a_line_is_searched(tmp_path: Path) -> None:
    own = rules_from(wrote(tmp_path, GOOD)).rules[-1]
    assert own.on(" " * (MAX_TEXT - 20) + "Vault is sealed")
    assert not own.on(" " * MAX_TEXT + "Vault is sealed")


# --- patterns ---


@pytest.mark.parametrize(
    "pattern",
    [
        "error: .*",
        r"E: \S+ not \S+",
        r"^.{0,400}a.*b$",
        r"(?:x|y)?z",
        r"foo(?! bar.{0,40}baz)",
        r"(?i)no space",
        r"\bE(?:A|B)\b",
        r"[Ee]xit code [1-9]\d{0,2}",
        "a{3}",
    ],
)
def test_a_plain_pattern_is_taken(pattern: str) -> None:
    assert objection(pattern, length=MAX_TEXT) == ""


@table(
    ("pattern", "reason"),
    [
        ("(a+)+b", "within a repeat"),
        ("(?:a|a)*b", "within a repeat"),
        ("(?:a|ab)*b", "within a repeat"),
        ("((a))*b", "within a repeat"),
        ("(?:a*){2,}b", "within a repeat"),
        ("(?:(?:a?){20}){20}b", "within a repeat"),
        (".*a.*b", "can be slow"),
        (r"\s*\w*\d*x", "can be slow"),
        ("a*a*a*a*b", "can be slow"),
        (r"(a)\1", "refers back"),
        (r"(?P<a>x)(?P=a)", "refers back"),
        (r"(a)?(?(1)b|c)", "depends on a group"),
        ("[", "is no regular expression"),
        ("a**", "is no regular expression"),
        ("(" * 600, "is no regular expression"),
        ("", "must be a regular expression"),
        ("x" * (MAX_PATTERN + 1), "longer than"),
    ],
)
def test_a_pattern_that_can_be_slow_is_refused(pattern: str, reason: str) -> None:
    assert reason in objection(pattern, length=MAX_TEXT)


HOSTILE = [
    "a" * MAX_TEXT,
    "error: " * 300,
    "9" * MAX_TEXT,
    " " * MAX_TEXT,
    "FileNotFoundError data" * 90,
    "dial tcp: lookup " * 120,
    "Failed to deploy " * 120,
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_no_rule_is_slow_on_a_hostile_line(line: str) -> None:
    slow = []
    for each in rules():
        for text in (line, *(literal * (MAX_TEXT // len(literal)) for literal in each.any[:3])):
            started = process_time()
            each.on(text)
            if process_time() - started > 0.5:
                slow.append((each.id, text[:40]))
    assert slow == []


# --- the command ---


def ran(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DJANGO_SETTINGS_MODULE", "CI_HEALING_RULES_DIR")
    }
    return forked.run("cihealing", "rules", *arguments, environment=clean | environment)


def test_the_command_lists_the_rules_and_runs_their_samples() -> None:
    done = ran("--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [row["id"] for row in rows] == [each.id for each in rules()]
    assert all(row["problem"] is None and row["samples"] for row in rows)


def test_the_command_fails_where_a_local_rule_is_refused(tmp_path: Path) -> None:
    wrote(
        tmp_path,
        GOOD + "- id: bad\n  class: infra\n  any: [boom]\n  samples: [boom]\n  pattern: (o+)+\n",
    )
    done = ran(CI_HEALING_RULES_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "vault-sealed" in done.stdout
    assert "REFUSED    local.yaml, rule bad: `pattern` has a repeat" in done.stdout
    assert ran("--dir", str(tmp_path / "none"), "--json").returncode == 1


def test_the_projects_own_rules_keep_what_is_asked_of_local_ones() -> None:
    assert list(problems(rules())) == []
