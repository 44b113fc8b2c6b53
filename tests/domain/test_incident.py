"""The incident report: true citations, every command, an owner, and nothing hostile that breaks out
of its place.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from markdown_it import MarkdownIt

from cihealing.domain.values import (
    Blame,
    Colour,
    FailureClass,
    Hypothesis,
    Line,
    Observation,
    Owner,
    Purpose,
    Sign,
)
from cihealing.wording.incident import (
    Build,
    Incident,
    IncidentStep,
    Reach,
    Tried,
    reproduce,
    to_dict,
    to_markdown,
    verify,
)
from cihealing.wording.markdown import code, fence, prose
from tests.tables import table

EXCERPT = (
    Line(line=41, text="def total(items):"),
    Line(line=42, text="E   assert   3 == 4"),
    Line(line=43, text=""),
)
TRUE = Sign(rule="assertion", line=42, text="assert 3 == 4")


def seen(colour: Colour, exit_code: int | None, **more: Any) -> Observation:
    return Observation(
        colour=colour,
        exit_code=exit_code,
        command="python -m pytest -q",
        commit="1" * 40,
        tree="2" * 40,
        environment="bubblewrap",
        seconds=1.25,
        **more,
    )


INCIDENT = Incident(
    run_id=UUID(int=7),
    repository="acme/shop",
    branch="feature/x",
    commit="1" * 40,
    job="unit",
    escalation_reason="attempts used up",
    owner=Owner(name="ann", source="codeowners"),
    pipeline_url="https://ci.example/1",
    error_type="AssertionError",
    summary="assert 3 == 4",
    failure_class=FailureClass.PRODUCT,
    confidence=0.8,
    signs=(TRUE,),
    blame=Blame.CHANGE,
    last_green=Build(
        commit="a" * 40, url="https://ci.example/0", at=datetime(2025, 3, 1, 8, 30, tzinfo=UTC)
    ),
    first_red=Build(commit="1" * 40),
    attempts=(
        Tried(
            number=0,
            steps=(
                IncidentStep(
                    purpose=Purpose.REPRODUCE,
                    observation=seen(
                        Colour.RED,
                        1,
                        counts_tests=True,
                        passed=3,
                        failed=1,
                        failed_tests=("test_a",),
                    ),
                ),
            ),
        ),
        Tried(
            number=1,
            status="failed",
            diagnosis="off by one",
            proposed_fix="add one",
            failure_reason="still red",
            steps=(
                IncidentStep(
                    purpose=Purpose.SCREEN,
                    observation=seen(
                        Colour.RED,
                        1,
                        counts_tests=True,
                        passed=2,
                        failed=2,
                        skipped=1,
                        log_tail="one\n2 failed",
                    ),
                ),
                IncidentStep(purpose=Purpose.GREEN, observation=seen(Colour.TIMED_OUT, None)),
                IncidentStep(
                    purpose=Purpose.CANARY,
                    observation=seen(
                        Colour.UNAVAILABLE, 127, missing="no pytest", violations=("wrote outside",)
                    ),
                ),
            ),
        ),
    ),
    root_cause="A test found 3 where it expects 4",
    hypotheses=(Hypothesis(text="off by one", signs=(TRUE,)),),
    proposed_fix="add one",
    look_at=("shop/cart.py:7",),
    excerpt=EXCERPT,
    root_line=42,
    next_command=reproduce("1" * 40, "python -m pytest -q"),
)


def changed(**fields: Any) -> Incident:
    return msgspec.structs.replace(INCIDENT, **fields)


@pytest.mark.parametrize(
    ("sign", "kept"),
    [
        (Sign(rule="r", line=42, text="assert 3 == 4"), True),
        (Sign(rule="r", line=42, text="  E assert 3 == 4 "), True),
        (Sign(rule="r", line=41, text="assert 3 == 4"), False),
        (Sign(rule="r", line=40, text="assert 3 == 4"), False),
        (Sign(rule="r", line=42, text="assert 3 == 5"), False),
        (Sign(rule="r", line=42, text=""), False),
        (Sign(rule="r", line=43, text=""), False),
        (Sign(rule="r", line=43, text=" "), False),
    ],
)
def test_a_citation_stands_only_where_its_text_is(sign: Sign, kept: bool) -> None:
    assert verify(Hypothesis(text="x", signs=(sign,)), EXCERPT) == (
        Hypothesis(text="x", signs=(sign,)) if kept else None
    )


def test_a_false_citation_is_dropped_from_a_true_hypothesis() -> None:
    false = Sign(rule="r", line=1, text="nowhere")
    assert verify(Hypothesis(text="x", signs=(false, TRUE)), EXCERPT) == Hypothesis(
        text="x", signs=(TRUE,)
    )


@pytest.mark.parametrize(
    "claims", [(), (Hypothesis(text="invented", signs=(Sign(rule="r", line=9, text="z"),)),)]
)
def test_a_report_has_at_least_one_hypothesis_and_no_invented_one(
    claims: tuple[Hypothesis, ...],
) -> None:
    data = to_dict(changed(hypotheses=claims))
    assert [[s["line"] for s in h["signs"]] for h in data["hypotheses"]] == [[42]]
    assert "invented" not in to_markdown(changed(hypotheses=claims))


def test_without_a_log_there_is_no_hypothesis_and_the_report_says_so() -> None:
    bare = changed(excerpt=(), root_line=None)
    assert to_dict(bare)["hypotheses"] == []
    assert "There is no log to stand on" in to_markdown(bare)


def test_data_is_plain_camel_case_and_complete() -> None:
    data = json.loads(json.dumps(to_dict(INCIDENT)))
    assert set(data) == {
        "runId",
        "repository",
        "branch",
        "commit",
        "job",
        "escalationReason",
        "owner",
        "pipelineUrl",
        "errorType",
        "summary",
        "failureClass",
        "confidence",
        "signs",
        "blame",
        "lastGreen",
        "firstRed",
        "attempts",
        "rootCause",
        "hypotheses",
        "proposedFix",
        "lookAt",
        "excerpt",
        "rootLine",
        "nextCommand",
        "nextSteps",
        "pageUrl",
        "changeUrl",
        "reach",
    }
    assert data["runId"] == str(UUID(int=7))
    assert data["lastGreen"] == {
        "commit": "a" * 40,
        "url": "https://ci.example/0",
        "at": "2025-03-01T08:30:00Z",
    }
    assert data["firstRed"]["at"] is None
    assert (data["failureClass"], data["blame"], data["owner"]) == (
        "product",
        "change",
        {"name": "ann", "source": "codeowners"},
    )
    steps = data["attempts"][1]["steps"]
    assert [
        (s["purpose"], s["observation"]["colour"], s["observation"]["exitCode"]) for s in steps
    ] == [("screen", "red", 1), ("green", "timed_out", None), ("canary", "unavailable", 127)]
    assert steps[0]["observation"]["countsTests"] is True


def test_an_incident_survives_storage() -> None:
    assert msgspec.json.decode(msgspec.json.encode(INCIDENT), type=Incident) == INCIDENT


@table(
    "said",
    [
        "# `unit` of `acme/shop` is red",
        "**Needs a person:** attempts used up",
        "- Owner: `ann` (codeowners)",
        "- Class: product, confidence 0.80",
        "- Blame: change",
        f"- Last green: `{'a' * 40}` at 2025-03-01 08:30 UTC, `https://ci.example/0`",
        f"- First red: `{'1' * 40}`\n",
        "1. off by one\n   - line 42: `assert 3 == 4` (assertion)",
        "What may help: add one",
        "> 42 | E   assert   3 == 4",
        "### Before the first attempt\n",
        (
            "1. reproduce: `python -m pytest -q`, **red**, exit 1, 1.2 s, 3 passed, 1 failed, 0"
            " skipped, failed: `test_a`"
        ),
        "### Attempt 1: failed",
        "- Diagnosis: off by one\n- Fix: add one\n- Ended because: still red",
        "1. screen: `python -m pytest -q`, **red**, exit 1, 1.2 s, 2 passed, 2 failed, 1 skipped",
        "2. green: `python -m pytest -q`, **timed_out**, did not end, 1.2 s\n",
        (
            "3. canary: `python -m pytest -q`, **unavailable**, exit 127, 1.2 s, missing: no"
            " pytest, violation: wrote outside"
        ),
        "```text\none\n2 failed\n```",
        "- `shop/cart.py:7`",
        f"```text\ngit switch --detach {'1' * 40} && python -m pytest -q\n```",
    ],
)
def test_the_report_tells(said: str) -> None:
    assert said in to_markdown(INCIDENT)


@pytest.mark.parametrize(
    ("incident", "said"),
    [
        (changed(owner=None), "- Owner: nobody could be named"),
        (changed(last_green=None), "- Last green: not known"),
        (changed(attempts=()), "Nothing: no attempt was made."),
        (INCIDENT, "Nobody else, as far as the service was told."),
        (
            changed(reach=Reach(runs=3, branches=("feature/x", "b"))),
            "- 3 runs of `acme/shop` failed so\n- other branches: `b`",
        ),
        (
            changed(reach=Reach(waiting=1, cluster=2)),
            (
                "- 1 run waiting for this one\n- 2 further runs, of any repository, gathered with"
                " this one"
            ),
        ),
        (changed(next_steps=("Ask ann.", "Begin at a.py.")), "1. Ask ann.\n2. Begin at a.py."),
        (changed(attempts=(Tried(number=2, status="failed"),)), "No command was run."),
    ],
)
def test_what_is_missing_is_said(incident: Incident, said: str) -> None:
    assert said in to_markdown(incident)


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (".", "git switch --detach abc && pytest"),
        ("a b;c", "git switch --detach abc && cd 'a b;c' && pytest"),
    ],
)
def test_the_next_command_is_quoted(path: str, command: str) -> None:
    assert reproduce("abc", "pytest", path=path) == command


HOSTILE = [
    "```\n# owned\n<script>alert(1)</script>",
    "````text\n[x](https://evil.example)",
    "~~~\n<img src=x onerror=y>",
    "`` ` ``` [a](javascript:b)",
    "[x](https://evil.example) ![y](https://evil.example/p.png)",
    "<https://evil.example> https://evil.example www.evil.example",
    "<details><summary>hi</summary>",
    "@everyone @acme/owners #12 fix a@b.example",
    "# heading\n\n---\n\n> quote\n\n1. item\n- item",
    "***bold*** __bold__ ~~gone~~ | a | b |",
    "\\` \\[x](y) &lt;script&gt; &#64;ann",
    "\u202egnp.exe \x1b[31mred\x00\x07",
    "`",
    "``",
    " ` ",
    "",
    " ",
    "\n\n\n",
    "1. one",
    "1) one",
    "- a",
    "+ a",
    "=====",
    "    indented",
    "a  \nb",
    "[ref]: https://evil.example",
    "<!-- hidden",
    "$x$ $$y$$",
]
INERT = {
    "heading_open",
    "heading_close",
    "paragraph_open",
    "paragraph_close",
    "inline",
    "text",
    "softbreak",
    "code_inline",
    "fence",
    "strong_open",
    "strong_close",
    "bullet_list_open",
    "bullet_list_close",
    "ordered_list_open",
    "ordered_list_close",
    "list_item_open",
    "list_item_close",
}


def kinds(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [
        child.type
        for token in tokens
        for child in (token, *(token.children or ()))
        if child.type != "text_special"
    ]


def everywhere(bad: str) -> Incident:
    sign = Sign(rule=bad, line=42, text=bad)
    line = Line(line=42, text=bad)
    step = IncidentStep(
        purpose=Purpose.GREEN,
        observation=seen(
            Colour.RED, 1, failed_tests=(bad,), missing=bad, violations=(bad,), log_tail=bad
        ),
    )
    return changed(
        repository=bad,
        branch=bad,
        commit=bad,
        job=bad,
        escalation_reason=bad,
        owner=Owner(name=bad, source=bad),
        pipeline_url=bad,
        error_type=bad,
        summary=bad,
        signs=(sign,),
        last_green=Build(commit=bad, url=bad),
        root_cause=bad,
        hypotheses=(Hypothesis(text=bad, signs=(sign,), by=bad, confidence=0.5, disproved=True),),
        proposed_fix=bad,
        look_at=(bad,),
        excerpt=(line,),
        next_command=bad,
        next_steps=(bad,),
        page_url=bad,
        change_url=bad,
        reach=Reach(runs=2, branches=(bad,), waiting=1, cluster=1),
        attempts=(
            Tried(
                number=1,
                status=bad,
                diagnosis=bad,
                proposed_fix=bad,
                failure_reason=bad,
                steps=(step,),
            ),
        ),
    )


@table("bad", HOSTILE)
def test_hostile_text_stays_text(bad: str) -> None:
    text = to_markdown(everywhere(bad))
    assert set(kinds(text)) <= INERT
    assert "\x1b" not in text
    assert "\u202e" not in text
    tokens = MarkdownIt("commonmark").parse(text)
    headings = [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "heading_open"]
    assert headings[1:] == [
        h
        for h in headings[1:]
        if h.startswith(
            ("Since when", "Why, as", "What the log", "What was", "Attempt 1", "Next", "Whom it")
        )
    ]
    assert len(headings) <= 8


@table("bad", HOSTILE)
def test_prose_and_code_show_what_was_written(bad: str) -> None:
    """Rendered, it reads as the text (one line, unseen characters replaced), and neither mentions,
    links nor marks anything.
    """
    inline = MarkdownIt("commonmark").parseInline(f"a {prose(bad)} z")[0].children or []
    shown = "".join(t.content for t in inline)
    wanted = " ".join(
        "".join(
            c if c.isprintable() or c in "\n\t " else "\N{REPLACEMENT CHARACTER}" for c in bad
        ).split()
    )
    assert " ".join(shown.replace("\N{ZERO WIDTH SPACE}", "").split()) == " ".join(
        f"a {wanted} z".split()
    )
    spans = [
        t
        for t in MarkdownIt("commonmark").parseInline(code(bad))[0].children or []
        if t.content or t.type != "text"
    ]
    assert [t.type for t in spans] == ["code_inline"]


@pytest.mark.parametrize(
    "mention", ["@ann", "@acme/owners", "x@ann.example", "#12", "see #7 and @bo"]
)
def test_a_mention_does_not_reach_anybody(mention: str) -> None:
    assert not any(
        prose(mention)[n + 1 : n + 2].isalnum() for n, c in enumerate(prose(mention)) if c in "@#"
    )


@pytest.mark.parametrize(
    ("lines", "ticks"),
    [(["a"], 3), (["```"], 4), (["x ````` y"], 6), (["`" * 50], 51), (["``", "`"], 3)],
)
def test_a_fence_is_longer_than_any_run_of_backticks_in_it(lines: list[str], ticks: int) -> None:
    block = fence(lines)
    assert block.startswith("`" * ticks + "text\n")
    assert block.endswith("\n" + "`" * ticks)
    tokens = MarkdownIt("commonmark").parse(block + "\n\nafter")
    assert [t.type for t in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.rstrip("\n") == "\n".join(lines)


def test_a_report_is_bounded() -> None:
    huge = everywhere("x`@" * 100_000)
    excerpt = tuple(Line(line=n, text="y" * 10_000) for n in range(5_000))
    assert len(to_markdown(msgspec.structs.replace(huge, excerpt=excerpt))) < 600_000
