"""What both sandboxes promise: exit codes, bounds, a cleared environment, no process left
behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cihealing.ports import Cancelled, PermanentError, Ran
from cihealing.workshop import process
from cihealing.workshop.sandbox import users
from cihealing.workshop.sandbox.orders import give

Run = Callable[..., Ran]


def alive(token: str) -> list[int]:
    """Processes of this machine whose command line holds `token`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and token.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def wait_until_dead(token: str, *, seconds: float = 5) -> list[int]:
    deadline = time.monotonic() + seconds
    while alive(token) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive(token)


@pytest.fixture
def token(tmp_path: Path) -> str:
    """An argument of `sleep` that no other process has."""
    return f"7{time.time_ns() % 10**8:08d}"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("kill -9 $$", 137),
        ("nonsense-command", 127),
        ("exec nonsense-command", 127),
    ],
)
def test_the_exit_code_is_the_commands(run: Run, command: str, code: int) -> None:
    ran = run(command)
    assert (ran.exit_code, ran.timed_out, ran.truncated) == (code, False, False)


def test_output_and_errors_come_in_order_and_hostile_bytes_are_replaced(run: Run) -> None:
    assert (
        run(r"echo one; echo two >&2; printf 'three\377\000\n'").output
        == "one\ntwo\nthree\ufffd\0\n"
    )


def test_the_command_starts_in_its_directory(run: Run, tree: Path) -> None:
    (tree / "sub").mkdir()
    (tree / "sub/file").write_text("here")
    assert run("cat file", workdir="sub").output == "here"


@pytest.mark.parametrize("workdir", ["gone", "..", "way"])
def test_a_directory_outside_the_tree_is_refused(run: Run, tree: Path, workdir: str) -> None:
    (tree / "way").symlink_to("/")
    with pytest.raises(PermanentError, match="directory"):
        run("true", workdir=workdir)


def test_nothing_of_the_workers_environment_is_seen(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_HEALING_GIT_TOKEN", "worker-secret-1")
    monkeypatch.setenv("PYTHONPATH", "/worker-secret-1")
    ran = run("env; cat /proc/self/environ", environment={"GIVEN": "value"})
    assert "worker-secret-1" not in ran.output
    assert "GIVEN=value\n" in ran.output


def test_the_environment_given_cannot_steer_what_runs_outside(run: Run, tree: Path) -> None:
    ran = run(
        "echo fine",
        environment={
            "LD_PRELOAD": "/tree/evil.so",
            "PATH": "/nowhere",
            "BASH_ENV": "/tree/evil.sh",
        },
    )
    assert ran.exit_code == 0
    assert "fine" in ran.output


def test_python_and_the_test_tools_are_found(run: Run) -> None:
    ran = run("python --version && python3 --version && pytest --version && ruff --version")
    assert ran.exit_code == 0, ran.output


def test_a_command_that_takes_too_long_is_ended(run: Run, token: str) -> None:
    ran = run(f"echo begun; sleep {token}; echo never", timeout=0.5)
    assert (ran.exit_code, ran.timed_out, ran.output) == (None, True, "begun\n")
    assert ran.seconds < 5
    assert wait_until_dead(token) == []


@pytest.mark.parametrize(
    "command",
    [
        "sleep {0} & exit 0",
        "setsid sleep {0} & exit 0",
        "nohup setsid sleep {0} >/dev/null 2>&1 & exit 0",
        (
            'python -c \'import os,sys; os.fork() or (os.setsid(), os.fork() or os.execlp("sleep",'
            ' "sleep", "{0}"))\' ; sleep 0.2'
        ),
        "trap '' TERM HUP INT; setsid sh -c \"trap '' TERM HUP; sleep {0}\" & sleep {0}",
    ],
)
def test_no_process_is_left_behind(run: Run, token: str, command: str) -> None:
    started = time.monotonic()
    run(command.format(token), timeout=1.5)
    assert time.monotonic() - started < 10
    assert wait_until_dead(token) == []


def test_an_orphan_does_not_hold_up_the_end(run: Run, token: str) -> None:
    assert run(f"setsid sleep {token} & echo done", timeout=20).seconds < 5


def test_a_flood_of_output_is_bounded(run: Run) -> None:
    ran = run("echo first; head -c 9000000 /dev/zero | tr '\\0' x; echo; echo last", timeout=60)
    assert (ran.exit_code, ran.truncated) == (0, True)
    assert len(ran.output) < 3 * 1024 * 1024
    assert ran.output.startswith("first\nxxx")
    assert ran.output.endswith("xxx\nlast\n")
    assert "bytes of output left out" in ran.output


def test_an_endless_flood_is_ended(run: Run, token: str) -> None:
    ran = run(f"yes {token}", timeout=60)
    assert (ran.exit_code, ran.timed_out, ran.exceeded) == (
        None,
        False,
        "more than 10 MB of output",
    )
    assert wait_until_dead(token) == []


def test_limits_hold(run: Run) -> None:
    script = (
        "import resource as r; print(r.getrlimit(r.RLIMIT_CORE)[0], r.getrlimit(r.RLIMIT_FSIZE)[0],"
        " r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    assert run(f"python -c '{script}'").output.split() == ["1", str(1024**3), "4096"]
    assert run("python -c 'x = bytearray(9 * 1024**3)'").exit_code != 0
    assert run("head -c 1200000000 /dev/zero > big").exit_code != 0


def test_another_thread_can_call_it_off(run: Run, token: str) -> None:
    event = threading.Event()
    threading.Timer(0.4, event.set).start()
    started = time.monotonic()
    with process.cancelling(event), pytest.raises(Cancelled):
        run(f"setsid sleep {token} & sleep {token}")
    assert time.monotonic() - started < 5
    assert wait_until_dead(token) == []


@pytest.fixture
def its_user() -> Iterator[int]:
    with users.lease() as uid:
        yield uid


def test_what_is_called_off_does_not_start(run: Run, tree: Path) -> None:
    event = threading.Event()
    event.set()
    with process.cancelling(event), pytest.raises(Cancelled):
        run("touch started")
    assert not (tree / "started").exists()


def test_calling_off_reaches_only_its_own_context(run: Run) -> None:
    event = threading.Event()
    with process.cancelling(event):
        pass
    event.set()
    assert run("echo on").output == "on\n"


def test_runs_do_not_mix(run: Run, tree: Path, its_user: int) -> None:
    """As in the service: the tree is one user's for as long as commands run over it."""
    give(tree, its_user)
    seen: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda n=n: seen.update({n: run(f"sleep 0.2; echo {n}").output}))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == {n: f"{n}\n" for n in range(4)}


@pytest.mark.parametrize("kind", ["Bubblewrap()", "Plain(trusted=True)"])
def test_a_worker_that_is_killed_takes_its_command_along(
    kind: str, tree: Path, token: str, bubblewrap: object
) -> None:
    program = (
        "from pathlib import Path\nfrom cihealing.workshop.sandbox.bubblewrap import"
        f" Bubblewrap\nfrom cihealing.workshop.sandbox.plain import Plain\n{kind}.run('setsid sleep"
        f" {token} & sleep {token}', tree=Path({str(tree)!r}), workdir='.', environment={{}},"
        " timeout=60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[3])
    # A busy machine takes its time to start it; a command that somebody ended has ended its worker.
    deadline = time.monotonic() + 120
    while len(alive(f"sleep\0{token}")) < 2 and time.monotonic() < deadline:
        assert worker.poll() is None, "its command came to an end"
        time.sleep(0.05)
    assert len(alive(f"sleep\0{token}")) == 2
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert wait_until_dead(token) == []
