"""The demo is real: real histories, real commands, real exit codes, and results that go through the
signed webhook.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from cihealing.demo import builds, mirror, repositories
from cihealing.demo.repositories import Made
from cihealing.policy_file import load
from cihealing.providers.local import ci as local

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
SECRET = "a secret of this test"


def git(made: Made, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(made.path), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "demo"


@pytest.fixture(scope="module")
def made(root: Path) -> dict[str, Made]:
    port = mirror.chosen_port(root)
    return {
        name: repositories.make(name, root=root, now=NOW, mirror_port=port)
        for name in repositories.ORDER
    }


def build(made: Made, layer: str, *, root: Path) -> local.Built:
    return local.build(
        made.repository,
        commit=made.commits[layer],
        job=made.history.job,
        branch=made.branch(layer),
        root=root,
    )


def test_there_are_six_and_each_has_a_history(made: dict[str, Made]) -> None:
    assert len(made) == 6
    for one in made.values():
        assert int(git(one, "rev-list", "--count", "main")) >= 2
        assert git(one, "rev-parse", "--is-bare-repository") == "true"
        git(one, "fsck", "--strict")


def test_jobs_and_repositories_are_told_apart_by_name(made: dict[str, Made]) -> None:
    assert len({one.history.job for one in made.values()}) == 6
    assert len({one.repository for one in made.values()}) == 6


@pytest.mark.parametrize("name", repositories.ORDER)
def test_authors_and_dates_are_those_of_the_history(made: dict[str, Made], name: str) -> None:
    for commit in made[name].history.commits:
        author, when = git(
            made[name], "log", "-1", "--format=%an <%ae>%x09%aI", made[name].commits[commit.layer]
        ).split("\t")
        assert author == commit.author
        assert (NOW - datetime.fromisoformat(when)).total_seconds() == pytest.approx(
            commit.hours_ago * 3600, abs=1
        )


def test_making_it_again_changes_nothing(made: dict[str, Made], root: Path) -> None:
    assert (
        repositories.make("roster", root=root, now=datetime.now(UTC), mirror_port=1)
        == made["roster"]
    )


def test_both_features_stand_on_the_broken_base(made: dict[str, Made]) -> None:
    catalog = made["catalog"]
    for branch in ("feature/opening-hours", "docs/returns"):
        assert (
            git(catalog, "merge-base", branch, "main")
            == catalog.commits["03-pages"]
            == git(catalog, "rev-parse", "main")
        )


def test_some_have_code_owners(made: dict[str, Made]) -> None:
    assert [
        name
        for name, one in made.items()
        if "CODEOWNERS" in git(one, "ls-tree", "--name-only", "main").split()
    ] == ["invoices", "catalog", "pricing"]


@pytest.mark.parametrize(
    ("name", "layer", "says"),
    [
        ("invoices", "02-rounding", "All checks passed!"),
        ("invoices", "03-vat", "F401"),
        ("tickets", "02-open", "passed"),
        ("tickets", "03-export", "NameError: name 'json' is not defined"),
        ("catalog", "02-search", "passed"),
        ("catalog", "03-pages", "NameError: name 'math' is not defined"),
        ("catalog", "04-hours", "NameError: name 'math' is not defined"),
        ("catalog", "05-returns", "NameError: name 'math' is not defined"),
        ("rates", "01-start", "passed"),
        ("pricing", "02-basket", "passed"),
        ("pricing", "03-discount", "assert 5 == 20"),
    ],
)
def test_a_build_says_what_it_should(
    made: dict[str, Made], root: Path, name: str, layer: str, says: str
) -> None:
    built = build(made[name], layer, root=root)
    assert built.passed == ("passed" in says)
    assert says in built.log


def test_ruff_itself_can_mend_the_lint_failure(made: dict[str, Made], tmp_path: Path) -> None:
    import sys

    tree = tmp_path / "tree"
    subprocess.run(
        [
            "git",
            "clone",
            "-q",
            "--branch",
            "feature/vat-rates",
            str(made["invoices"].path),
            str(tree),
        ],
        check=True,
    )
    ruff = Path(sys.executable).parent / "ruff"
    subprocess.run([ruff, "check", "--fix", "--quiet", "."], cwd=tree, check=True)
    assert "import os" not in (tree / "invoices" / "vat.py").read_text()


def test_the_flaky_test_is_red_in_about_a_third_of_hash_seeds(made: dict[str, Made]) -> None:
    """The test's own expression under 60 fixed seeds: quick, and the same every time."""
    import sys

    source = git(made["roster"], "show", f"{made['roster'].commits['03-pairs']}:roster/pairs.py")
    probe = f"{source}\nimport sys\nsys.exit('ana' not in night_pair({{'ana', 'bob', 'cleo'}}))"
    seeds = [{"PYTHONHASHSEED": str(seed)} for seed in range(60)]
    reds = sum(
        subprocess.run([sys.executable, "-Sc", probe], check=False, env=seed).returncode
        for seed in seeds
    )
    assert 12 <= reds <= 28


def test_the_infrastructure_failure_is_a_refused_connection_and_a_rerun_clears_it(
    made: dict[str, Made], root: Path
) -> None:
    rates = made["rates"]
    first = build(rates, "03-inverse", root=root)
    assert not first.passed
    assert "Connection refused" in first.log
    server = mirror.start(mirror.chosen_port(root))
    assert server
    try:
        assert build(rates, "03-inverse", root=root).passed
        assert (
            httpx.get(
                f"http://127.0.0.1:{server.server_port}/etc/passwd", trust_env=False
            ).status_code
            == 404
        )
    finally:
        server.shutdown()
        server.server_close()


def test_the_policy_names_each_of_them_with_its_own_command(
    made: dict[str, Made], tmp_path: Path
) -> None:
    path = tmp_path / "policy.yml"
    assert repositories.write_policy(path, repositories=list(made.values()))
    policy = load(path)
    for one in made.values():
        entry = policy.repository(one.repository)
        assert (entry.trusted, entry.forge, entry.clone_url, entry.target_branch) == (
            True,
            "local_git",
            str(one.path),
            "main",
        )
        assert entry.projects[0].jobs == (one.history.job,)
    assert policy.repository("demo/invoices").projects[0].command == "ruff check ."
    assert "fetch_rates" in policy.repository("demo/rates").projects[0].command
    assert not policy.repository("acme/shop").trusted


def test_a_policy_of_ones_own_is_left_alone(made: dict[str, Made], tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    path.write_text("version: 1\n")
    assert not repositories.write_policy(path, repositories=list(made.values()))
    assert path.read_text() == "version: 1\n"


class Receiver:
    """A service that only keeps what it was sent; answers with `statuses` first, then 202."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.unsigned = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wanted = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
                outer.unsigned += self.headers["X-Hub-Signature-256"] != wanted
                status = outer.statuses.pop(0) if outer.statuses else 202
                if status == 202:
                    outer.bodies.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    @property
    def post(self) -> builds.Post:
        return builds.Post(url=f"http://127.0.0.1:{self.server.server_port}/webhook", secret=SECRET)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def day(
    root: Path, receiver: Receiver, told: list[str], *, stopping: threading.Event | None = None
) -> builds.Day:
    policy = root.parent / "policy.yml"
    return builds.Day(
        root=root,
        policy=policy,
        post=receiver.post,
        stopping=stopping or threading.Event(),
        tell=told.append,
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two repositories are enough to see how a day goes; all six are built above."""
    monkeypatch.setattr(repositories, "ORDER", ("invoices", "rates"))


@pytest.mark.usefixtures("quick")
def test_a_day_delivers_every_build_signed_and_once(tmp_path: Path, receiver: Receiver) -> None:
    told: list[str] = []
    root = tmp_path / "demo"
    day(root, receiver, told).run()
    assert receiver.unsigned == 0
    assert [(body["repository"], body["conclusion"]) for body in receiver.bodies] == [
        ("demo/invoices", "success"),
        ("demo/invoices", "failure"),
        ("demo/rates", "success"),
        ("demo/rates", "failure"),
    ]
    assert "Connection refused" in receiver.bodies[-1]["errorLog"]
    assert len({body["executionId"] for body in receiver.bodies}) == 4
    assert builds.finished(root)
    assert told[-1] == "demo: all builds are delivered"
    day(root, receiver, told).run()
    assert len(receiver.bodies) == 4


@pytest.mark.usefixtures("quick")
def test_a_day_that_was_cut_short_goes_on_where_it_was(tmp_path: Path, receiver: Receiver) -> None:
    root, stopping = tmp_path / "demo", threading.Event()

    def stop_after_the_first(line: str) -> None:
        stopping.set()

    policy = tmp_path / "policy.yml"
    builds.Day(
        root=root, policy=policy, post=receiver.post, stopping=stopping, tell=stop_after_the_first
    ).run()
    assert (len(receiver.bodies), builds.begun(root), builds.finished(root)) == (1, True, False)
    day(root, receiver, []).run()
    assert (len(receiver.bodies), builds.finished(root)) == (4, True)


BODY = {"repository": "demo/x"}


def test_a_service_that_is_not_ready_is_asked_again(receiver: Receiver) -> None:
    receiver.statuses = [503, 429, 500]
    builds.deliver(dict(BODY), post=receiver.post, stopping=threading.Event())
    assert receiver.bodies == [BODY]


def test_a_refused_result_is_not_sent_again(receiver: Receiver) -> None:
    receiver.statuses = [401, 202]
    with pytest.raises(httpx.HTTPStatusError):
        builds.deliver(dict(BODY), post=receiver.post, stopping=threading.Event())
    assert receiver.bodies == []


def test_the_generic_adapter_reads_what_the_demo_sends(made: dict[str, Made], root: Path) -> None:
    from cihealing.domain.values import Failed
    from cihealing.ports import RawRequest
    from cihealing.providers.shared import body as generic

    pricing = made["pricing"]
    one = pricing.history.builds[-1]
    body = builds.body_of(
        pricing, one, built=build(pricing, one.layer, root=root), execution="pricing-2"
    )
    (result,) = generic.parse(RawRequest(headers={}, body=b"{}", received_at=NOW), body)
    assert isinstance(result, Failed)
    assert (result.execution.provider, result.execution.host, result.execution.job_run_id) == (
        local.name,
        local.HOST,
        "pricing-2",
    )
    assert (result.commit, result.job) == (pricing.commits["03-discount"], "checks")
