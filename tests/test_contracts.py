"""What holds for everything the registry lists: a new provider, fixer, forge, capability or
playbook is tested the moment it is there.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from cihealing import playbooks, registry
from cihealing.domain import effects as f
from cihealing.domain.plan import STEPS
from cihealing.domain.policy import Project
from cihealing.domain.values import Failure, FailureClass, Frame, Ignored, Line, Result
from cihealing.ports import (
    BadPayload,
    BadSignature,
    CIAdapter,
    FixContext,
    Fixer,
    Forge,
    RawRequest,
)
from cihealing.workshop.sandbox import Refusing

NAMES = [n for n, _ in inspect.getmembers(CIAdapter, inspect.isfunction) if not n.startswith("_")]
SECRET = "a-secret-of-some-length"


def request(
    headers: dict[str, str] | None = None, body: bytes = b"{}", token: str = ""
) -> RawRequest:
    return RawRequest(
        headers=headers or {}, body=body, path_token=token, received_at=datetime.now(UTC)
    )


providers = pytest.mark.parametrize("adapter", registry.CI.values(), ids=registry.CI)


@providers
def test_a_provider_has_every_function_of_the_port_with_its_parameters(adapter: CIAdapter) -> None:
    for name in NAMES:
        wanted = [p for p in inspect.signature(getattr(CIAdapter, name)).parameters if p != "self"]
        assert set(wanted) <= set(inspect.signature(getattr(adapter, name)).parameters), name


@providers
@pytest.mark.parametrize("secrets", [[], [""], [SECRET], ["", SECRET]])
def test_an_unsigned_request_is_never_authentic(adapter: CIAdapter, secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        adapter.verify(request(), secrets)


HEADERS = (
    "x-hub-signature-256",
    "x-gitlab-token",
    "circleci-signature",
    "x-buildkite-signature",
    "x-buildkite-token",
    "webhook-signature",
)


@providers
@pytest.mark.parametrize(
    "value",
    ["", "ä", "sha256=\udce4", "v1=", "v1,ä", "timestamp=ä,signature=ö", "\x00", "a" * 100_000],
)
def test_a_garbled_signature_is_refused_and_nothing_else(adapter: CIAdapter, value: str) -> None:
    headers = dict.fromkeys(HEADERS, value) | {"webhook-id": "1", "webhook-timestamp": value}
    for secrets in ([SECRET], [""], []):
        with pytest.raises(BadSignature):
            adapter.verify(request(headers, token=value), secrets)


@providers
@pytest.mark.parametrize(
    "payload", [{}, {"object_kind": 7}, {"action": [], "build": "x"}, {"event": {}, "phase": None}]
)
def test_a_payload_of_no_known_shape_is_ignored_or_named_bad(
    adapter: CIAdapter, payload: dict[str, object]
) -> None:
    for event in ("", "workflow_job", "workflow_run", "check_run", "check_suite", "status"):
        results: list[Result] = []
        with suppress(BadPayload):
            results = adapter.parse(
                request({"x-github-event": event, "x-gitlab-event": "Job Hook"}), payload
            )
        assert all(isinstance(r, Ignored) and r.reason for r in results)


fixers = pytest.mark.parametrize("fixer", registry.FIXERS, ids=lambda fixer: fixer.name)
ODD = Failure(
    error_hash="v1:0",
    strong=True,
    error_type="Nonsense",
    summary="nothing anyone knows",
    excerpt=(Line(line=1, text="\u202e" * 50),),
    frames=(Frame(file="../../etc/passwd", line=1), Frame(file="/etc/passwd", line=0)),
)


@fixers
def test_a_fixer_has_a_name_a_title_and_both_functions(fixer: Fixer) -> None:
    assert fixer.name.isidentifier()
    assert fixer.title
    assert {"fits", "fix"} <= set(dir(fixer))
    assert [x.name for x in registry.FIXERS].count(fixer.name) == 1


@fixers
@pytest.mark.parametrize(
    "error_type", ["Nonsense", "lint", "NameError", "ModuleNotFoundError", "ImportError"]
)
def test_a_fixer_leaves_an_odd_failure_alone_and_never_leaves_the_tree(
    fixer: Fixer, error_type: str, tmp_path: Path
) -> None:
    tree, beside = tmp_path / "tree", tmp_path / "beside.py"
    tree.mkdir()
    beside.write_text("x = json\n")
    (tree / "shop.py").symlink_to(beside)
    failure = Failure(
        **{**{n: getattr(ODD, n) for n in ODD.__struct_fields__}, "error_type": error_type}
    )
    context = FixContext(
        failure=failure,
        repository="acme/shop",
        commit="c" * 40,
        project=Project(command="true"),
        tree=tree,
        sandbox=Refusing("not in this test"),
    )
    if fixer.fits(failure):
        assert fixer.fix(context) is None
    assert beside.read_text() == "x = json\n"


def test_every_effect_has_exactly_one_capability() -> None:
    of_runs = {
        str(kind.__struct_config__.tag) for kind in get_args(f.HealingEffect | f.LaterEffect)
    } | {"tell_budget"}
    of_deliveries = {str(kind.__struct_config__.tag) for kind in get_args(f.DeliveryEffect)}
    assert set(registry.CAPABILITIES) == of_runs
    assert set(registry.READERS) == of_deliveries
    assert set(f.HEALING) == {str(kind.__struct_config__.tag) for kind in get_args(f.HealingEffect)}


@pytest.mark.parametrize("failure_class", FailureClass)
def test_every_class_has_a_playbook_of_known_steps(failure_class: FailureClass) -> None:
    steps = playbooks.steps(failure_class)
    assert steps
    assert set(steps) <= set(STEPS)
    assert len(set(steps)) == len(steps)


@pytest.mark.parametrize("forge", registry.FORGES.values(), ids=registry.FORGES)
def test_a_forge_takes_what_the_port_names(forge: Forge) -> None:
    wanted = [p for p in inspect.signature(Forge.publish).parameters if p != "self"]
    assert set(wanted) <= set(inspect.signature(forge.publish).parameters)
