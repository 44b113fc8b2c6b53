r"""Kills the real service with -9 again and again while signed deliveries come in; says whether
anything was lost, doubled or left behind.

    python bench/soak.py --posts 2000 --kills 40
    python bench/soak.py --posts 1000 --kills 20 --redis redis://127.0.0.1:6379/9 \
        --database postgresql://postgres@127.0.0.1/postgres

Without a database it is `cihealing up` on SQLite; with one, a web process, a Celery worker and
beat, in a database of its own beside the one that is named (dropped at the end). Deliveries are
mixed: new failures, the same ones again, redeliveries, later commits of a branch, greens, logs
beyond 1 MB, and failures of repositories whose base is broken, so that sandboxes run and runs
attach to each other; people abort and retry some of these. What gets no 2xx is sent again, as CI
does. Exit 1 where a check fails. Seconds and counts in a table.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx  # noqa: E402

from tests.integration.app import own_database  # noqa: E402

WEBHOOK, RUNS = "/api/v1/ci-healing/webhook", "/api/v1/ci-healing/runs"
SENDERS = 4
PATIENCE = 180.0
"""Seconds a sender goes on trying, and a start may take."""
QUIET = 900.0
"""Seconds until work must be over: a lease is 60, the sweep of production comes every 30."""
SECRETS = {name: os.urandom(32).hex() for name in ("SECRET_KEY", "WEBHOOK_SECRET", "API_TOKEN")}
BROKEN = ("broken-0", "broken-1", "broken-2")
"""Repositories with code, whose base is broken."""
BRANCHES = 6
TREE = "cihealing-tree-"


class Service:
    """Processes that are started, killed and started again over one data directory."""

    def __init__(self, place: Path, *, database: str, redis: str) -> None:
        self.data, self.tmp, self.database = place / "data", place / "tmp", database
        self.tmp.mkdir()
        self.data.mkdir(mode=0o700)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (place / "service.log").open("ab")
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {f"CI_HEALING_{name}": value for name, value in SECRETS.items()}
        production = (
            {"DATABASE_URL": database, "REDIS_URL": redis, "CI_HEALING_ENV": "production"}
            if database
            else {}
        )
        self.environment = {
            **kept,
            **own,
            **production,
            "CI_HEALING_DATA_DIR": str(self.data),
            "TMPDIR": str(self.tmp),
            "CI_HEALING_LOG_LEVEL": "WARNING",
            "CI_HEALING_URL": self.url,
            "CI_HEALING_WORKERS": "2",
        }
        self.commands = (
            self.production()
            if database
            else {"up": self.cihealing("up", "--no-demo", "--port", str(self.port))}
        )
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def cihealing(self, *words: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "cihealing",
            *words,
            *(["--data", str(self.data)] if words[0] == "up" else []),
        ]

    def production(self) -> dict[str, list[str]]:
        celery = [sys.executable, "-m", "celery", "-A", "config"]
        web = [
            sys.executable,
            "-m",
            "uvicorn",
            "config.asgi:application",
            "--port",
            str(self.port),
            "--lifespan",
            "off",
        ]
        beat = [*celery, "beat", "-l", "WARNING", "-s", str(self.data / "schedule"), "--pidfile="]
        return {"web": web, "worker": [*celery, "worker", "-c", "2", "-l", "WARNING"], "beat": beat}

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the service, over its database."""
        return subprocess.run(
            self.cihealing(*words),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self) -> None:
        """Start whatever is not running, and wait until requests are answered."""
        for name, command in self.commands.items():
            if name not in self.running or self.running[name].poll() is not None:
                self.running[name] = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=self.log,
                    stderr=self.log,
                    start_new_session=True,
                )
        until(self.answers, seconds=PATIENCE, what="the service did not start: see service.log")

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        return False

    def kill(self, dice: random.Random) -> str:
        """-9 to one process, a child of the worker's pool, or all at once."""
        choice = dice.choice([*self.running, *(["child", "all"] if self.database else [])])
        victims = (
            list(self.running) if choice == "all" else ["worker"] if choice == "child" else [choice]
        )
        for name in victims:
            process = self.running[name]
            children = children_of(process.pid) if name == "worker" else []
            for victim in (
                [dice.choice(children)]
                if choice == "child" and children
                else [process.pid, *children]
            ):
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            if choice != "child" or not children:
                process.wait()
        return choice

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(90)
            if process.poll() is None:
                process.kill()
                process.wait()

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Of the database, beside the service."""
        if not self.database:
            with sqlite3.connect(
                f"file:{self.data / 'cihealing.sqlite3'}?mode=ro", uri=True, timeout=30
            ) as connection:
                return connection.execute(sql, values).fetchall()
        import psycopg

        with psycopg.connect(self.database) as connection:
            return connection.execute(sql.replace("?", "%s"), values).fetchall()  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def children_of(process: int) -> list[int]:
    with suppress(OSError):
        return [
            int(child)
            for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    return []


def until(happens: Callable[[], bool], *, seconds: float, what: str, pause: float = 0.2) -> None:
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            raise SystemExit(what)
        time.sleep(pause)


RED = """\
Traceback (most recent call last):
  File "app.py", line {line}, in {name}
    raise ValueError("{name} went wrong")
ValueError: {name} went wrong
##[error]Process completed with exit code 1.
"""
NOISE = "step {0} of the build: compiled module_{0}.o, nothing to say about it\n"
CHECK = 'def check(n):\n    assert n == 3, "the total is wrong"\n\n\ncheck(4)\n'
CHECK_LOG = """\
Traceback (most recent call last):
  File "check.py", line 5, in <module>
    check(4)
  File "check.py", line 2, in check
    assert n == 3, "the total is wrong"
AssertionError: the total is wrong
##[error]Process completed with exit code 1.
"""


@dataclass(frozen=True)
class Post:
    """One delivery. `identity` is what one run stands for; empty for a green one."""

    body: dict[str, Any]
    identity: tuple[str, ...] = ()
    kind: str = ""

    @property
    def raw(self) -> bytes:
        return json.dumps(self.body).encode()

    @property
    def key(self) -> str:
        """What the service knows the delivery by: the sender signs no id of its own."""
        return hashlib.sha256(self.raw).hexdigest()


@dataclass
class Repositories:
    """Bare repositories whose main branch is broken, with branches that only add a file."""

    root: Path
    commits: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def make(self) -> str:
        """Make them; returns the policy that maps them."""
        entries = []
        for name in BROKEN:
            self.commits[name] = self.repository(name)
            projects = 'projects: [{command: "python3 check.py"}]'
            entries.append(
                f"  - match: soak/{name}\n    clone_url: {self.root / name}.git\n    target_branch:"
                f" main\n    {projects}\n"
            )
        return f"repositories:\n{''.join(entries)}"

    def repository(self, name: str) -> list[tuple[str, str]]:
        work = self.root / name
        work.mkdir(parents=True)
        git(work, "init", "-q", "-b", "main")
        (work / "README").write_text(f"{name}\n")
        (work / "check.py").write_text(CHECK)
        git(work, "add", ".")
        git(work, "commit", "-qm", "A broken base")
        made = []
        for number in range(BRANCHES):
            git(work, "checkout", "-q", "-b", f"feature-{number}", "main")
            (work / f"part_{number}.txt").write_text("a part\n")
            git(work, "add", ".")
            git(work, "commit", "-qm", f"Part {number}")
            made.append((f"feature-{number}", git(work, "rev-parse", "HEAD")))
        git(self.root, "clone", "-q", "--bare", str(work), f"{work}.git")
        return made


def git(where: Path, *words: str) -> str:
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"))
    }
    plain = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-C", str(where), *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **who, **plain},
    )
    return done.stdout.strip()


class Traffic:
    """What CI systems send, in an order of its own for each seed."""

    def __init__(self, dice: random.Random, repositories: Repositories) -> None:
        self.dice, self.number, self.sent = dice, 0, list[Post]()
        based = [
            (name, branch, commit)
            for name, made in repositories.commits.items()
            for branch, commit in made
        ]
        self.based = dice.sample(based, len(based))

    def posts(self, count: int) -> list[Post]:
        # The broken bases early: their runs go on under the kills.
        every = max(2, count // (2 * len(self.based) + 1))
        for number in range(count):
            kind = "base" if self.based and number % every == every - 1 else self.kind()
            self.sent.append(getattr(self, kind)())
        return self.sent

    def kind(self) -> str:
        if len(self.sent) < 10:
            return "new"
        return self.dice.choices(
            ["new", "again", "redelivered", "newer", "green", "large"], [45, 18, 12, 10, 12, 3]
        )[0]

    def base(self) -> Post:
        name, branch, commit = self.based.pop()
        return self.red(f"soak/{name}", branch, commit, CHECK_LOG, kind="base", baseBranch="main")

    def new(self, *, kind: str = "new", noise: int = 0) -> Post:
        failure = f"task_{words(self.number)}"
        log = "".join(map(NOISE.format, range(noise))) + RED.format(
            name=failure, line=self.number % 90 + 1
        )
        repository = f"org/app-{self.dice.randrange(40)}"
        return self.red(
            repository,
            f"b{self.dice.randrange(4)}",
            f"{self.dice.getrandbits(160):040x}",
            log,
            kind=kind,
        )

    def large(self) -> Post:
        return self.new(kind="large", noise=20_000)

    def again(self) -> Post:
        """The same failure of the same commit, told by another delivery."""
        before = self.before()
        return self.red(
            before.body["repository"],
            before.body["branch"],
            before.body["commitSha"],
            before.body["errorLog"],
            kind="again",
        )

    def redelivered(self) -> Post:
        before = self.before()
        return Post(body=before.body, identity=before.identity, kind="redelivered")

    def newer(self) -> Post:
        """The same failure on another commit of the branch: one of the two runs takes the other's
        place.
        """
        before = self.before()
        commit = f"{self.dice.getrandbits(160):040x}"
        return self.red(
            before.body["repository"],
            before.body["branch"],
            commit,
            before.body["errorLog"],
            kind="newer",
        )

    def green(self) -> Post:
        before = self.before()
        self.number += 1
        key = f"d-{self.number}"
        names = {name: before.body[name] for name in ("provider", "repository", "branch", "job")}
        body = {
            **names,
            "commitSha": f"{self.dice.getrandbits(160):040x}",
            "conclusion": "success",
            "deliveryId": key,
            "executionId": f"e{key}",
        }
        return Post(body=body, kind="green")

    def before(self) -> Post:
        """A failure that was told, of a repository without code."""
        return self.dice.choice(
            [post for post in self.sent if post.identity and post.kind != "base"][-200:]
        )

    def red(
        self, repository: str, branch: str, commit: str, log: str, *, kind: str, **more: str
    ) -> Post:
        self.number += 1
        key = f"d-{self.number}"
        body = {
            "provider": "generic",
            "repository": repository,
            "branch": branch,
            "commitSha": commit,
            "job": "test",
            "errorLog": log,
            "conclusion": "failure",
            "deliveryId": key,
            "executionId": f"e{key}",
            **more,
        }
        return Post(
            body=body,
            identity=(repository, commit, hashlib.sha256(log.encode()).hexdigest()),
            kind=kind,
        )


def words(number: int) -> str:
    """A name for each number, without digits: those count as noise in a fingerprint."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


@dataclass
class Told:
    """What was acknowledged, by delivery id, and how often a sender had to try again."""

    answers: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int | str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def send(post: Post, *, url: str, told: Told) -> None:
    """Until a 2xx comes, as CI systems do that mean it."""
    raw = post.raw
    signature = hmac.new(SECRETS["WEBHOOK_SECRET"].encode(), raw, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            answer = httpx.post(url + WEBHOOK, content=raw, headers=headers, timeout=60)
        except httpx.HTTPError as error:
            said: int | str = type(error).__name__
        else:
            said = answer.status_code
        with told.lock:
            told.statuses[said] += 1
            if isinstance(said, int) and said < 300:
                told.answers[post.key].append(answer.json())
                told.latencies.append(time.monotonic() - began)
                return
        time.sleep(0.3)
    with told.lock:
        told.lost.append(post.key)


class Killer:
    """Kills and restarts at the posts that were drawn, while the others go on; between kills a
    person meddles with a leader.
    """

    def __init__(self, service: Service, posts: int, kills: int, dice: random.Random) -> None:
        self.service, self.dice = service, dice
        self.at = sorted(dice.sample(range(posts // 20, posts), min(kills, posts - posts // 20)))
        self.kills: Counter[str] = Counter()
        self.people: Counter[str] = Counter()

    def passed(self, number: int) -> None:
        if number not in self.at:
            return
        time.sleep(self.dice.random() * 0.3)
        self.kills[self.service.kill(self.dice)] += 1
        self.service.start()
        if self.dice.random() < 0.4:
            self.people[meddle(self.service, self.dice)] += 1


def meddle(service: Service, dice: random.Random) -> str:
    """A person aborts or retries a run of a broken base; what is refused is no fault."""
    found = service.ask(
        "SELECT id, status FROM cihealing_run WHERE repository IN ('soak/broken-0',"
        " 'soak/broken-1', 'soak/broken-2') ORDER BY created_at"
    )
    if not found:
        return "nothing to meddle with"
    run_id, status = dice.choice(found)
    action = "abort" if status in ("queued", "running", "fixed") else "retry"
    act(service, str(run_id), action)
    return action


def act(service: Service, run_id: str, action: str, **fields: Any) -> None:
    url = f"{service.url}{RUNS}/{run_id}/actions/{action}"
    with suppress(httpx.HTTPError):
        httpx.post(
            url,
            json=fields,
            headers={"Authorization": f"Bearer {SECRETS['API_TOKEN']}"},
            timeout=30,
        )


WORKING = """SELECT name, COUNT(*) FROM cihealing_outbox WHERE state = 'pending'
    AND name NOT IN ('deadline_timer', 'review_timer', 'rerun_timer', 'watch_change')
    GROUP BY name"""
OPEN = """SELECT r.id, r.repository, r.status, l.status FROM cihealing_run r
    LEFT JOIN cihealing_run l ON l.id = r.attached_to
    WHERE r.status IN ('queued', 'running') OR (r.attached_to IS NOT NULL
    AND r.status NOT IN ('resolved', 'aborted') AND l.status IN ('resolved', 'aborted'))"""


def quiet(service: Service) -> bool:
    return not service.ask(WORKING) and not service.ask(
        "SELECT 1 FROM cihealing_delivery WHERE status = 'reading'"
    )


def is_wrong(status: str, leader: str | None) -> bool:
    """Nothing waits, so an open run has nothing to wait for; but a follower may wait while its
    leader's patch waits for a person.
    """
    return not (status == "running" and leader in ("running", "fixed"))


def lost(service: Service, posts: Sequence[Post], told: Told) -> Iterator[str]:
    yield from (f"{key}: never acknowledged" for key in told.lost)
    rows = {
        key: (status, outcomes)
        for key, status, outcomes in service.ask(
            "SELECT key, status, outcomes FROM cihealing_delivery"
        )
    }
    runs = {str(run).replace("-", "") for (run,) in service.ask("SELECT id FROM cihealing_run")}
    for key in {post.key for post in posts} - set(told.lost):
        if key not in rows:
            yield f"{key}: acknowledged, and not there"
            continue
        status, outcomes = rows[key]
        known = [
            (
                o["runId"].replace("-", "") in runs
                if o["runId"]
                else bool(o["ignored"] or o["status"] == "passed")
            )
            for o in json.loads(outcomes)
        ]
        if status != "done" or not known or not all(known):
            yield f"{key}: {status}, {outcomes[:200]}"


def settled(outcome: dict[str, Any], runs: set[str]) -> bool:
    """It has its run, or it was said why it has none."""
    return (
        outcome["runId"].replace("-", "") in runs
        if outcome["runId"]
        else bool(outcome["ignored"] or outcome["status"] == "passed")
    )


def doubled(service: Service, posts: Sequence[Post]) -> Iterator[str]:
    for key, count in service.ask(
        "SELECT key, COUNT(*) FROM cihealing_delivery GROUP BY key HAVING COUNT(*) > 1"
    ):
        yield f"{key}: {count} deliveries"
    received = dict(
        service.ask(
            "SELECT stream, COUNT(*) FROM cihealing_storedevent WHERE tag = 'delivery.received.v1'"
            " GROUP BY stream"
        )
    )
    yield from (
        f"delivery {stream}: received {count} times"
        for stream, count in received.items()
        if count > 1
    )
    of_key = dict(service.ask("SELECT key, outcomes FROM cihealing_delivery"))
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for post in posts:
        if post.identity and post.key in of_key:
            found[post.identity] |= {o["runId"] for o in json.loads(of_key[post.key]) if o["runId"]}
    yield from (
        f"{identity[:2]}: {len(runs)} runs" for identity, runs in found.items() if len(runs) > 1
    )
    expected, (counted,) = len(found), service.ask("SELECT COUNT(*) FROM cihealing_run")[0]
    if counted != expected:
        yield f"{counted} runs for {expected} failures"


def left_open(service: Service) -> list[str]:
    found = service.ask(OPEN)
    return [
        f"{run} of {repository}: {status} (leader {led})"
        for run, repository, status, led in found
        if is_wrong(status, led)
    ]


def processes(place: Path) -> list[str]:
    """Whatever still carries our directory: the sandboxes of killed workers are bound to it, and
    have its TMPDIR around them.
    """
    mark, found = str(place).encode(), []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) != os.getpid() and (
                mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes()
            ):
                found.append(f"{entry.name}: {(entry / 'cmdline').read_bytes()[:120]!r}")
    return found


def checks(service: Service, posts: Sequence[Post], told: Told) -> dict[str, list[str]]:
    """What was found wrong, by check, over a service that is quiet and then stopped."""
    found = {
        "lost": list(lost(service, posts, told)),
        "doubled": list(doubled(service, posts)),
        "left open": left_open(service),
    }
    service.stop()
    for name, command in (
        ("audit verify", ("audit", "verify")),
        ("rebuild --check", ("rebuild", "--check")),
    ):
        done = service.call(*command)
        found[name] = (
            [f"exit {done.returncode}: {(done.stdout + done.stderr)[-500:]}"]
            if done.returncode
            else []
        )
    time.sleep(3)  # a reaper notices within a second that its owner is gone
    found["processes left"] = processes(service.data.parent)
    found["trees left"] = sorted(path.name for path in service.tmp.glob(f"{TREE}*"))
    return found


def soak(
    posts: int, kills: int, *, seed: int, place: Path, database: str = "", redis: str = ""
) -> dict[str, Any]:
    """Figures, and under `faults` what was found wrong by check."""
    dice, started = random.Random(seed), time.monotonic()
    service = Service(place, database=database, redis=redis)
    repositories = Repositories(place / "repositories")
    (service.data / "policy.yml").write_text(repositories.make())
    if database:
        migrated = service.call("migrate", "--verbosity", "0")
        if migrated.returncode:
            raise SystemExit(migrated.stderr)
    service.start()
    told, sending = Told(), Traffic(dice, repositories).posts(posts)
    killer = Killer(service, posts, kills, dice)
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(SENDERS) as pool:
            waiting = []
            for number, post in enumerate(sending):
                waiting.append(pool.submit(send, post, url=service.url, told=told))
                while sum(not one.done() for one in waiting[-20:]) >= 2 * SENDERS:
                    time.sleep(0.01)
                killer.passed(number)
            for one in waiting:
                one.result()
        sent = time.monotonic() - began
        service.start()
        with suppress(SystemExit):
            until(lambda: quiet(service), seconds=QUIET, what="", pause=2)
        working = service.ask(WORKING)
        # One more sweep after the last effect.
        time.sleep(35 if database else 3)
        faults = checks(service, sending, told)
        faults["work left"] = [f"{name}: {count}" for name, count in working]
        return figures(service, sending, told, killer, sent, started, faults)
    finally:
        service.stop()


def figures(
    service: Service,
    posts: Sequence[Post],
    told: Told,
    killer: Killer,
    sent: float,
    started: float,
    faults: dict[str, list[str]],
) -> dict[str, Any]:
    latencies = sorted(told.latencies)
    attached = service.ask(
        "SELECT status, COUNT(*) FROM cihealing_run WHERE attached_to IS NOT NULL GROUP BY status"
    )
    return {
        "posts": len(posts),
        "kinds": dict(Counter(post.kind for post in posts)),
        "kills": sum(killer.kills.values()),
        "killed": dict(killer.kills),
        "people": dict(killer.people),
        "tries": sum(told.statuses.values()),
        "answers": {str(said): count for said, count in told.statuses.items()},
        "runs": dict(service.ask("SELECT status, COUNT(*) FROM cihealing_run GROUP BY status")),
        "attached": dict(attached),
        "sandboxed": service.ask(
            "SELECT COUNT(*) FROM cihealing_storedevent WHERE tag = 'command.ran.v1'"
        )[0][0],
        "median ms": round(1000 * latencies[len(latencies) // 2]),
        "p95 ms": round(1000 * latencies[int(len(latencies) * 0.95)]),
        "left in the temporary directory": sorted(
            {path.name.rsplit("-", 1)[0] for path in service.tmp.iterdir()}
        ),
        "seconds sending": round(sent),
        "seconds": round(time.monotonic() - started),
        "faults": faults,
    }


def show(found: dict[str, Any]) -> None:
    for name, value in found.items():
        if name != "faults":
            print(f"{name:32} {json.dumps(value) if isinstance(value, dict | list) else value}")
    for name, faults in found["faults"].items():
        print(f"{name:32} {len(faults)}")
        for fault in faults[:20]:
            print(f"    {fault}")


@contextmanager
def directory(kept: str) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        yield place
    finally:
        if kept:
            shutil.copytree(place, kept, dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--database",
        default="",
        help="a PostgreSQL server; a database of its own is made there and dropped",
    )
    parser.add_argument(
        "--redis", default="", help="with --database: a Redis database that nobody else uses"
    )
    parser.add_argument(
        "--keep", default="", metavar="DIR", help="leave data directory and log there"
    )
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with (
        directory(asked.keep) as place,
        own_database(asked.database, f"cihealing_soak_{os.getpid()}") as database,
    ):
        found = soak(
            asked.posts,
            asked.kills,
            seed=asked.seed,
            place=place,
            database=database,
            redis=asked.redis,
        )
    print(json.dumps(found)) if asked.json else show(found)
    sys.exit(any(found["faults"].values()))


if __name__ == "__main__":
    main()
