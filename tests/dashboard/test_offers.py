"""What a person may do with a run is the same wherever it is offered: the core takes it, and page,
API and chat show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from cihealing import service, store
from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.decide import decide
from cihealing.domain.evolve import fold
from cihealing.domain.policy import LOCAL_GIT, Policy, RepositoryPolicy
from cihealing.domain.review import ACTIONS, ACTS
from cihealing.domain.run import Refused, RunState
from cihealing.wording.telling import OFFERED, message_of
from tests import factories as make
from tests.dashboard.markup import elements

pytestmark = pytest.mark.django_db
URL = "https://forge.example/acme/shop/1"
OPENED = e.ChangePublished(url=URL, commit="d" * 40, merged=False)
APPROVED = e.Approved(act="publish", by=make.ANN)

STATES: dict[str, Callable[[], Sequence[e.RunEvent]]] = {
    "queued": lambda: (),
    "running": make.classified,
    "proven": make.proven,
    "approved": lambda: [*make.proven(), APPROVED],
    "open": lambda: [*make.proven(), APPROVED, OPENED],
    "escalated": make.escalated,
    "resolved": lambda: [*make.escalated(), e.RunResolved(how="human_fix", by=make.ANN)],
    "aborted": lambda: [*make.classified(), e.RunAborted(reason="person", by=make.ANN)],
}
ACTED = {
    (LOCAL_GIT, "proven"): "merge",
    ("github", "proven"): "publish",
    ("github", "open"): "merge",
}
"""What approving does; where nothing waits, nothing."""


def commands(run: RunState) -> dict[tuple[str, str], c.PersonCommand]:
    approvals = {
        ("approve", act): c.Approve(act=act, version=run.version, by=make.ANN) for act in ACTS
    }
    return {
        **approvals,
        ("deny", ""): c.Deny(by=make.ANN),
        ("abort", ""): c.Abort(by=make.ANN),
        ("human-fix", ""): c.FixByHand(by=make.ANN),
        ("retry", ""): c.Retry(by=make.ANN, policy=run.policy),
    }


def taken(run: RunState, policy: Policy) -> set[tuple[str, str]]:
    """(action, act) pairs that the core does not refuse."""
    found = set()
    for asked, command in commands(run).items():
        with suppress(Refused):
            decide(run, command, policy=policy, now=make.NOW)
            found.add(asked)
    return found


def on_page(client: Client, run_id: UUID) -> tuple[set[str], str]:
    """(actions, act of the approval) that the page has forms and buttons for."""
    html = client.get(f"/runs/{run_id}").content.decode()
    led_to = [
        *(form.attributes.get("action", "") for form in elements(html, "form", method="post")),
        *(button.attributes.get("formaction", "") for button in elements(html, "button")),
    ]
    acts = [field.attributes["value"] for field in elements(html, "input", name="act")]
    paths = [path for path in led_to if path.startswith(f"/runs/{run_id}/")]
    return {path.rpartition("/")[2] for path in paths}, "".join(acts)


def in_api(client: Client, run_id: UUID) -> tuple[set[str], str]:
    body: dict[str, Any] = client.get(f"/api/v1/ci-healing/runs/{run_id}").json()
    return set(body["actions"]), body["act"]


def in_chat(run: RunState, policy: Policy) -> tuple[set[str], str]:
    buttons = message_of(run, policy=policy, url="", failure=None).buttons
    acts = [button.value.split("|")[1] for button in buttons]
    assert all(button.value.endswith(f"|{run.version}") for button in buttons)
    return {button.action for button in buttons}, "".join(acts)


@pytest.mark.parametrize(
    ("state", "forge"),
    [
        *((state, "github") for state in STATES),
        *((state, LOCAL_GIT) for state in STATES if state != "open"),
    ],
)
def test_everybody_offers_what_the_core_takes(operator: Client, state: str, forge: str) -> None:
    policy = Policy(repositories=(RepositoryPolicy(match="*", forge=forge),))
    run_id = make.make_run(STATES[state](), policy=make.stored(policy.canonical()))
    run = fold(run_id, store.load(run_id))
    accepted, act = taken(run, policy), ACTED.get((forge, state), "")
    actions = {action for action, _ in accepted}

    assert ("approve" in actions) == bool(act)
    assert not act or ("approve", act) in accepted
    assert in_api(operator, run_id) == (actions, act)
    assert on_page(operator, run_id) == (actions, act)
    assert in_chat(run, policy) == (actions & set(OFFERED), act)


def test_every_action_is_known_to_the_service() -> None:
    run = RunState(id=UUID(int=1))
    assert {action for action, _ in commands(run)} == set(ACTIONS)
    for action in ACTIONS:
        with pytest.raises(service.NoSuchRun):
            service.perform(run.id, action, by=make.ANN, tools=None)  # type: ignore[arg-type]
