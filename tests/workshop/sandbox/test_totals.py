"""What one command may take in all, and who counts it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cihealing.domain.policy import Limits
from cihealing.marks import mark
from cihealing.ports import Ran, TransientError
from cihealing.workshop.sandbox import cgroup, leftovers, users
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.launch import MARK
from cihealing.workshop.sandbox.walls import Walls, without
from cihealing.workshop.sandbox.watch import Watch, others

SMALL = Limits(
    processes=64, memory_mb=200, growth_mb=50, files=2000, tmp_mb=64, shm_mb=32, output_mb=1
)
ROOMY = SMALL.model_copy(update={"memory_mb": 1500})
"""Where memory is not asked about: what others take of the machine meanwhile must not count."""
EXCESSES = {
    "memory of one": (
        "python3 -c 'x = bytearray(400 << 20); import time; time.sleep(9)'",
        "more than 200 MB of memory in total",
    ),
    "memory of several": (
        (
            "for i in 1 2 3 4 5 6 7 8; do python3 -c 'x = bytearray(40 << 20); import time;"
            " time.sleep(9)' & done; wait"
        ),
        "more than 200 MB of memory in total",
    ),
    "one large file": ("head -c 80000000 /dev/zero > f; sleep 9", "more than 50 MB written"),
    "several files": (
        "for i in 1 2 3 4 5 6 7 8; do head -c 9000000 /dev/zero > f$i; done; sleep 9",
        "more than 50 MB written",
    ),
    "a file without a name": (
        "exec 3>x; rm x; head -c 80000000 /dev/zero >&3; sleep 9",
        "more than 50 MB written",
    ),
    "many files": (
        (
            'python3 -c \'import time; [open(str(n), "w").close() for n in range(5000)];'
            " time.sleep(9)'"
        ),
        "more than 2000 files written",
    ),
    "many files in /tmp": (
        (
            'cd /tmp; python3 -c \'import time; [open(str(n), "w").close() for n in range(5000)];'
            " time.sleep(9)'"
        ),
        "more than 2000 files written",
    ),
    "processes": (
        "for i in $(seq 90); do sleep 9 & done; wait",
        "more than 64 processes and threads",
    ),
    "output": ("yes", "more than 1 MB of output"),
}


def run(tree: Path, command: str, *, walls: Walls | None = None, limits: Limits = ROOMY) -> Ran:
    return Bubblewrap(limits=limits, walls=walls).run(
        command, tree=tree, workdir=".", environment={}, timeout=30
    )


@pytest.mark.parametrize("name", EXCESSES)
def test_what_is_exceeded_ends_the_command_and_is_said(
    name: str, tree: Path, bubblewrap: Bubblewrap
) -> None:
    command, said = EXCESSES[name]
    ran = run(tree, command, limits=SMALL if "memory" in name else ROOMY)
    assert (ran.exceeded, ran.exit_code, ran.timed_out) == (said, None, False), ran.output[-500:]


@pytest.mark.parametrize("sent", ["held open", "sent through a socket and closed"])
def test_memory_in_files_without_a_name_is_counted(
    sent: str, tree: Path, bubblewrap: Bubblewrap
) -> None:
    (tree / "held.py").write_text(
        "import os, socket, sys, time\n"
        "here, there = socket.socketpair()\n"
        "for place in ['/dev/shm', '/tmp']:\n"
        "    held = os.open(place, os.O_TMPFILE | os.O_RDWR)\n"
        "    for _ in range(150):\n"
        "        os.write(held, b'x' * (1 << 20))\n"
        "    if 'sent' in sys.argv:\n"
        "        socket.send_fds(here, [b'x'], [held])\n"
        "        os.close(held)\n"
        "time.sleep(9)\n"
    )
    roomy = SMALL.model_copy(update={"tmp_mb": 400, "shm_mb": 400})
    ran = run(tree, f"python3 held.py {sent}", limits=roomy)
    assert ran.exceeded == "more than 200 MB of memory in total", ran.output[-500:]


def test_files_that_are_kept_on_their_way_are_missed_beside_any_number_of_others(
    tree: Path, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cihealing.workshop.sandbox.watch.others", lambda: 1000)
    (tree / "held.py").write_text(
        "import os, socket, time\n"
        "here, there = socket.socketpair()\n"
        "for _ in range(20):\n"
        "    held = os.open('.', os.O_TMPFILE | os.O_RDWR)\n"
        "    os.write(held, b'x' * (10 << 20))\n"
        "    socket.send_fds(here, [b'x'], [held])\n"
        "    os.close(held)\n"
        "time.sleep(9)\n"
    )
    with pytest.raises(TransientError, match="the disk that this machine can spare"):
        run(tree, "python3 held.py")


def test_a_command_within_its_bounds_is_left_alone(tree: Path, bubblewrap: Bubblewrap) -> None:
    ran = run(
        tree,
        "python3 -c 'x = bytearray(50 << 20)'; head -c 30000000 /dev/zero > f; for i in 1 2 3 4; do"
        " sleep 0.2 & done; wait",
    )
    assert (ran.exceeded, ran.exit_code) == ("", 0)


def test_scratch_directories_have_a_size(tree: Path, bubblewrap: Bubblewrap) -> None:
    ran = run(
        tree,
        "head -c 90000000 /dev/zero > /dev/shm/x; head -c 90000000 /dev/zero > /tmp/x; stat -c %s"
        " /dev/shm/x /tmp/x",
    )
    assert ran.output.splitlines()[-2:] == [str(32 << 20), str(64 << 20)]


def test_without_totals_nothing_is_bounded(tree: Path, bubblewrap: Bubblewrap) -> None:
    """The planted hole: the same excess passes, so the tests above can fail."""
    ran = run(tree, "head -c 80000000 /dev/zero > f", walls=without(Walls(), ["totals"]))
    assert (ran.exceeded, ran.exit_code) == ("", 0)


def test_marks_that_a_command_forges_are_not_counted(tree: Path, bubblewrap: Bubblewrap) -> None:
    """With each sandbox more may be missing that nobody can count: a command must not seem to be
    many.
    """
    command = f"for i in $(seq 40); do CIHEALING_SANDBOX={mark()} sleep 5 & done; sleep 5"
    thread = threading.Thread(target=run, args=(tree, command))
    thread.start()
    time.sleep(2)
    counted = others()
    thread.join()
    assert counted < 40


def test_a_wide_and_deep_tree_is_counted_in_bounded_time(tmp_path: Path) -> None:
    place = tmp_path / "/".join("d" * 200)
    place.mkdir(parents=True)
    for n in range(3000):
        (place / str(n)).mkdir()
    watch = Watch(limits=Limits(files=1000), first=os.getpid(), places=[tmp_path], began=0.0)
    started = time.process_time()
    assert watch._count([])[1] == 1001
    assert time.process_time() - started < 5


@pytest.mark.skipif(
    os.getuid() != 0 or users.trouble() is not None, reason="only root has users to give"
)
def test_sandboxes_of_root_are_users_nobody_else_is(tmp_path: Path, bubblewrap: Bubblewrap) -> None:
    trees = [tmp_path / str(n) for n in range(3)]
    for tree in trees:
        tree.mkdir()
    threads = [
        threading.Thread(target=run, args=(tree, "touch made; sleep 1; id -u > uid"))
        for tree in trees
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owners = [(tree / "made").lstat().st_uid for tree in trees]
    assert len(set(owners)) == 3
    assert all(users.is_ours(owner) for owner in owners)
    assert {(tree / "uid").read_text() for tree in trees} == {"1000\n"}


def test_a_user_is_held_until_it_is_given_back() -> None:
    with users.lease() as one, users.lease() as other:
        assert (one == other) is (os.getuid() != 0 or users.trouble() is not None)


@pytest.mark.skipif(
    os.getuid() != 0 or users.trouble() is not None, reason="only root has users to give"
)
def test_what_runs_as_a_user_ends_with_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set-uid program that somebody started outside would else meet the next tree of that
    user.
    """
    with users.lease() as uid:
        child = subprocess.Popen(["sleep", "60"], user=uid)
    assert child.wait(5) == -9


def marked_sleep(owner: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], env={MARK: owner})


def test_what_has_no_living_owner_is_ended(bubblewrap: Bubblewrap) -> None:
    orphan, kept = marked_sleep("999999-1"), marked_sleep(mark())
    reused = marked_sleep(f"{os.getpid()}-1")
    try:
        assert leftovers.end_leftovers() >= 2
        assert (orphan.wait(5), reused.wait(5), kept.poll()) == (-9, -9, None)
    finally:
        for process in (orphan, kept, reused):
            process.kill()
            process.wait()


def test_a_sandbox_that_missed_the_end_of_its_service_is_ended(
    tree: Path, bubblewrap: Bubblewrap
) -> None:
    """As after a kill in the instant of its start: nothing ties it to a parent."""
    command = [
        bubblewrap.program,
        "--ro-bind",
        "/",
        "/",
        "--unshare-all",
        "--clearenv",
        "--",
        "/bin/sleep",
        "4321",
    ]
    child = subprocess.Popen(command, env={MARK: "999999-1"}, start_new_session=True)
    deadline = time.monotonic() + 10
    while b"4321" not in everything() and time.monotonic() < deadline:
        time.sleep(0.05)
    leftovers.end_leftovers()
    child.wait(5)
    while b"4321" in everything() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert b"4321" not in everything()


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a namespace of processes")
@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (("unshare", "--pid", "--fork", "sleep", "4322"), True),
        (("unshare", "--pid", "--fork", "sh", "-c", "sleep 4322 & wait"), False),
    ],
    ids=["the first of a sandbox", "of a service in a container"],
)
def test_a_sandbox_of_a_service_in_a_container_is_not_ours(
    command: tuple[str, ...], ours: bool
) -> None:
    outside = subprocess.Popen(command, start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while not (found := below(outside.pid, b"sleep\0004322\0")) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [leftovers.is_ours(pid) for pid in found] == [ours]
    finally:
        os.killpg(outside.pid, signal.SIGKILL)
        outside.wait()


def below(session: int, command: bytes) -> list[int]:
    """The processes of a session that run this."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208
        with contextlib.suppress(OSError):
            if os.getsid(pid) == session and Path(f"/proc/{pid}/cmdline").read_bytes() == command:
                found.append(pid)
    return found


def everything() -> bytes:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=False).stdout
    return b"\n".join(line for line in found.splitlines() if line.startswith(b"/bin/sleep"))


def test_the_launcher_does_not_start_for_a_service_that_is_gone() -> None:
    launch = Path(cgroup.__file__).with_name("launch.py")
    command = [
        sys.executable,
        "-I",
        "-S",
        str(launch),
        "parent=1",
        "mark=",
        "--",
        "/bin/echo",
        "ran",
    ]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (125, b"")


class Hierarchy:
    """Files as the kernel shows them in a delegated part of a cgroup v2 hierarchy."""

    def __init__(
        self,
        root: Path,
        *,
        controllers: str = "cpu memory pids",
        enabled: str = "",
        members: str = "",
    ) -> None:
        self.own = root / "cgroup/system.slice/cihealing.service"
        self.own.mkdir(parents=True)
        self.mounts = root / "mounts"
        self.mounts.write_text(
            f"proc /proc proc rw 0 0\ncgroup2 {root / 'cgroup'} cgroup2 rw 0 0\n"
        )
        for name, content in (
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", enabled),
            ("cgroup.procs", members),
        ):
            (self.own / name).write_text(content)

    def delegated(self) -> Path | None:
        return cgroup.delegated(self.mounts, membership="0::/system.slice/cihealing.service\n")


def test_a_delegated_group_is_used(tmp_path: Path) -> None:
    assert (found := Hierarchy(tmp_path, enabled="memory pids")).delegated() == found.own


def test_the_service_moves_down_to_hand_its_controllers_on(tmp_path: Path) -> None:
    found = Hierarchy(tmp_path, members=f"{os.getpid()}\n")
    assert found.delegated() == found.own
    assert (found.own / "service/cgroup.procs").read_text() == str(os.getpid())
    assert (found.own / "cgroup.subtree_control").read_text() == "+pids +memory"


@pytest.mark.parametrize(
    "changes",
    [{"controllers": "cpu"}, {"controllers": ""}, {"members": "1\n"}],
    ids=["no memory", "none", "somebody else's"],
)
def test_where_nothing_is_delegated_there_is_no_group(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    assert Hierarchy(tmp_path, **changes).delegated() is None


def test_a_group_says_what_the_kernel_refused(tmp_path: Path) -> None:
    group = cgroup.ControlGroup(path=tmp_path)
    group.set(SMALL)
    assert ((tmp_path / "pids.max").read_text(), (tmp_path / "memory.max").read_text()) == (
        "96",
        str(200 << 20),
    )
    assert group.exceeded(SMALL) == ""
    (tmp_path / "pids.events").write_text("max 3\n")
    assert group.exceeded(SMALL) == "more than 64 processes and threads"
    (tmp_path / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert group.exceeded(SMALL) == "more than 200 MB of memory in total"


def test_what_lay_there_before_is_not_written(
    tree: Path, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree larger than what may be written, made (and given to its user) a moment before the
    command starts.
    """
    monkeypatch.setattr("cihealing.workshop.sandbox.watch.RECOUNT", 0.1)
    for n in range(7):
        (tree / f"asset{n}").write_bytes(os.urandom(10 << 20))
    ran = run(tree, "sleep 1; echo done")
    assert (ran.exceeded, ran.output) == ("", "done\n")


def test_what_lies_on_this_machine_is_not_counted_before_the_sandbox_has_its_own(
    tmp_path: Path,
) -> None:
    """It is looked at while bubblewrap still builds the walls: its /tmp is ours until then."""
    watch = Watch(limits=Limits(files=1000), first=os.getpid(), places=[tmp_path], began=0.0)
    assert watch._scratch_places() == []
    assert watch._scratch() == 0
