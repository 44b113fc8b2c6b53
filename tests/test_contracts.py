"""What holds for everything that is found: a new provider, fixer, effect or playbook is
tested the moment it is there.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cihealing import discovery, effects, fixers, providers, registry
from cihealing.domain import effects as f
from cihealing.domain.plan import STEPS
from cihealing.domain.playbooks import PLAYBOOKS
from cihealing.domain.policy import LOCAL_GIT, Policy, Project, RepositoryPolicy
from cihealing.domain.values import Failure, FailureClass, Frame, Ignored, Line, Result
from cihealing.http import urls
from cihealing.ports import (
    BadPayload,
    BadSignature,
    FixContext,
    Fixer,
    Forge,
    Listening,
    PermanentError,
    Proposal,
    Provider,
    RawRequest,
    Signing,
    Site,
)
from cihealing.settings import PREFIX, groups
from cihealing.web import secret_paths
from cihealing.workshop.sandbox import Refusing
from tests.http.corpus import hosts_of

SECRET = "a-secret-of-some-length"


VARIABLES = {
    f"{PREFIX}{name.upper()}"
    for kind in (*groups().values(), *providers.settings().values())
    for name in kind.model_fields
}


def made(name: str, port: Any) -> Any:
    """A port of a provider for which nothing is set."""
    return port(registry.PROVIDERS[name].settings())


def offering(port: Callable[[Provider], Any], name: str) -> pytest.MarkDecorator:
    """Runs for every provider that offers this port."""
    offered = registry.offered(port)
    return pytest.mark.parametrize(name, offered.values(), ids=offered)


def folders(package: Any) -> set[str]:
    """Files and folders of a package, but what its plug-ins share."""
    place = Path(package.__file__).parent
    there = [p for p in place.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    names = {path.stem for path in there}
    return names - {"__init__", "__pycache__", "shared"}


def test_whatever_is_there_is_found() -> None:
    assert set(registry.PROVIDERS) == folders(providers)
    assert {one.name for one in registry.FIXERS} == folders(fixers)
    assert {one.name for one in registry.HANDLERS} == folders(effects)
    assert len(registry.HANDLERS) == len(folders(effects))


def test_what_exports_nothing_is_told_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "plugged"
    for name, text in (("", ""), ("shared", ""), ("good", "ONE = 1"), ("odd", "ONE = 'one'")):
        (package / name).mkdir(exist_ok=True, parents=True)
        (package / name / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TypeError, match=r"plugged\.odd is to export ONE, a int"):
        discovery.found("plugged", "ONE", int)
    (package / "odd" / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, "plugged.odd")
    with pytest.raises(TypeError, match=r"plugged\.odd is to export ONE"):
        discovery.found("plugged", "ONE", int)
    shutil.rmtree(package / "odd")
    assert discovery.found("plugged", "ONE", int) == {"good": 1}


@pytest.mark.parametrize("provider", registry.PROVIDERS.values(), ids=registry.PROVIDERS)
def test_a_provider_is_named_as_its_folder_and_offers_something(provider: Provider) -> None:
    assert registry.PROVIDERS[provider.name] is provider
    offers = {field.name: getattr(provider, field.name) for field in dataclasses.fields(provider)}
    assert any(value for name, value in offers.items() if name not in ("name", "signs_body"))


@pytest.mark.parametrize("provider", registry.offered(lambda one: one.hook))
def test_the_path_of_a_webhook_is_no_secret(provider: str) -> None:
    path = f"/api/v1/ci-healing/webhook/{provider}"
    assert secret_paths.masked(path) == path
    assert secret_paths.masked(f"{path}/t0ken") == f"{path}/{secret_paths.MASK}"


@pytest.mark.parametrize("provider", registry.PROVIDERS.values(), ids=registry.PROVIDERS)
def test_a_provider_is_made_with_the_settings_of_its_folder(provider: Provider[Any]) -> None:
    assert provider.settings is providers.settings()[provider.name]


@pytest.mark.parametrize("name", registry.offered(lambda one: one.hosts))
def test_the_hosts_of_a_provider_are_ones_that_may_be_asked(name: str) -> None:
    hosts = registry.offered(lambda one: one.hosts)[name]
    assert hosts.setting in VARIABLES, "no field of a provider's settings.py"
    bases = hosts_of(name, {}).bases
    assert all(isinstance(base, urls.Base) for base in urls.bases_of(hosts.at(*bases)))
    assert not hosts.public or any(host in base for host in hosts.public for base in bases)


def request(
    headers: dict[str, str] | None = None, body: bytes = b"{}", token: str = ""
) -> RawRequest:
    return RawRequest(
        headers=headers or {}, body=body, path_token=token, received_at=datetime.now(UTC)
    )


listening = offering(lambda one: one.hook, "hook")


@listening
@pytest.mark.parametrize("secrets", [[], [""], [SECRET], ["", SECRET]])
def test_an_unsigned_request_is_never_authentic(hook: Listening, secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        hook.verify(request(), secrets)


HEADERS = (
    "x-hub-signature-256",
    "x-gitlab-token",
    "circleci-signature",
    "x-buildkite-signature",
    "x-buildkite-token",
    "webhook-signature",
)


@listening
@pytest.mark.parametrize(
    "value",
    ["", "ä", "sha256=\udce4", "v1=", "v1,ä", "timestamp=ä,signature=ö", "\x00", "a" * 100_000],
)
def test_a_garbled_signature_is_refused_and_nothing_else(hook: Listening, value: str) -> None:
    headers = dict.fromkeys(HEADERS, value) | {"webhook-id": "1", "webhook-timestamp": value}
    for secrets in ([SECRET], [""], []):
        with pytest.raises(BadSignature):
            hook.verify(request(headers, token=value), secrets)


@listening
@pytest.mark.parametrize(
    "payload", [{}, {"object_kind": 7}, {"action": [], "build": "x"}, {"event": {}, "phase": None}]
)
def test_a_payload_of_no_known_shape_is_ignored_or_named_bad(
    hook: Listening, payload: dict[str, object]
) -> None:
    for event in ("", "workflow_job", "workflow_run", "check_run", "check_suite", "status"):
        results: list[Result] = []
        with suppress(BadPayload):
            results = hook.parse(
                request({"x-github-event": event, "x-gitlab-event": "Job Hook"}), payload
            )
        assert all(isinstance(r, Ignored) and r.reason for r in results)


@pytest.mark.parametrize("provider", registry.offered(lambda one: one.sign))
def test_what_its_sender_signs_is_taken_and_a_forgery_is_not(provider: str) -> None:
    one = registry.PROVIDERS[provider]
    assert one.hook is not None
    assert one.sign is not None
    sign, verify = one.sign, one.hook.verify
    assert len(verify(sign(SECRET, b"{}"), ["the old one", SECRET])) > 0
    forged = [sign("somebody else's", b"{}"), bare(sign, SECRET)]
    if one.signs_body:
        forged.append(dataclasses.replace(sign(SECRET, b"{}"), body=b"[]"))
    for wrong in forged:
        with pytest.raises(BadSignature):
            verify(wrong, [SECRET])


def bare(sign: Signing, secret: str) -> RawRequest:
    """The same request without what proves the sender."""
    return dataclasses.replace(sign(secret, b"{}"), headers={}, path_token="")


each_fixer = pytest.mark.parametrize("fixer", registry.FIXERS, ids=lambda fixer: fixer.name)
ODD = Failure(
    error_hash="v1:0",
    strong=True,
    error_type="Nonsense",
    summary="nothing anyone knows",
    excerpt=(Line(line=1, text="\u202e" * 50),),
    frames=(Frame(file="../../etc/passwd", line=1), Frame(file="/etc/passwd", line=0)),
)


@each_fixer
def test_a_fixer_has_a_title_and_a_place_of_its_own(fixer: Fixer) -> None:
    assert fixer.title
    assert [one.order for one in registry.FIXERS].count(fixer.order) == 1


@each_fixer
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
    of_deliveries = set(f.names(lambda kind: issubclass(kind, f.DeliveryEffect)))
    timers = set(f.names(lambda kind: issubclass(kind, f.Timer)))
    assert set(registry.CAPABILITIES) == set(f.KINDS) - of_deliveries - timers
    assert set(registry.READERS) == of_deliveries


@pytest.mark.parametrize("failure_class", FailureClass)
def test_every_class_has_a_playbook_of_known_steps(failure_class: FailureClass) -> None:
    steps = PLAYBOOKS[failure_class]
    assert steps
    assert set(steps) <= set(STEPS)
    assert len(set(steps)) == len(steps)


def test_only_at_the_plain_repository_no_change_can_be_open() -> None:
    """The core says what approving does by the name in policy, the forge by what it offers."""
    forges = registry.made(lambda one: one.forge)
    merging = {name for name, forge in forges.items() if forge.changes is None}
    assert merging == {LOCAL_GIT}


@pytest.mark.parametrize("name", registry.offered(lambda one: one.forge))
def test_a_forge_can_be_bound_and_says_what_it_lacks(name: str) -> None:
    """Unset, it says what to set; it neither crashes nor asks anybody."""
    forge: Forge = made(name, registry.PROVIDERS[name].forge)
    entry = RepositoryPolicy(match="*", clone_url="")
    site = Site(repository="acme/shop", policy=entry)
    asked = Proposal(
        run_id="r",
        repository="acme/shop",
        branch="main",
        head="c" * 40,
        patch="",
        title="",
        body="",
    )
    with pytest.raises(PermanentError):
        forge.publishing(site).publish(asked)
    if forge.changes:
        with pytest.raises(PermanentError):
            forge.changes(site).merge("https://forge.example/nothing", sha="c" * 40)
        with pytest.raises(PermanentError):
            forge.changes(site).look("https://forge.example/nothing")
    if forge.voice:
        with pytest.raises(PermanentError):
            forge.voice(site).say("x", run_id="r", commit="c" * 40, how="comment")
    if forge.permissions:
        assert forge.permissions(site).may("../ann") is False
    if forge.leaving:
        with pytest.raises(PermanentError):
            forge.leaving(site).leave()


@pytest.mark.parametrize("provider", registry.PROVIDERS.values(), ids=registry.PROVIDERS)
def test_nothing_is_asked_of_a_provider_that_is_not_set_up(provider: Provider) -> None:
    unset = provider.settings()
    assert provider.excess is None or provider.excess(unset) == []
    assert provider.standing is None or not provider.standing(unset, Policy()).fine
    assert provider.chat is None or not provider.chat(unset).configured()
    for check in provider.checks:
        assert check.excuse(unset), check.subject


@pytest.mark.parametrize("name", registry.offered(lambda one: one.reruns))
def test_a_rerun_of_nothing_is_refused_in_words(name: str) -> None:
    with pytest.raises(PermanentError, match=r"\w+ \w+"):
        made(name, registry.PROVIDERS[name].reruns).rerun({})
