"""What lies outside the sandbox for an attempt to reach: files, sockets, a process, keys; and how
it is seen that one was reached.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
SESSION = -3
KEYCTL, ADD_KEY, MQ_UNLINK, NAME_TO_HANDLE, SHMGET, SHMAT = 250, 248, 241, 303, 29, 30

CANARY = """\
import ctypes, os, sys
kept = ctypes.create_string_buffer(os.environ["CANARY"].encode(), 64)
print(ctypes.addressof(kept), flush=True)
for line in sys.stdin:
    print(kept.raw[:64].rstrip(b"\\0").decode(errors="replace"), flush=True)
"""

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Outside:
    """Everything is made below `place`, a private directory, and on the loopback; `close` leaves
    nothing of it.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.folder = place / "outside"
        self.programs = Path(tempfile.mkdtemp(dir=place.parent, prefix="escape-program-"))
        self.programs.chmod(0o755)
        self.secret = f"secret-{secrets.token_hex(12)}"
        self.token = f"token-{secrets.token_hex(12)}"
        self.ipc_key, self.shared_key = (secrets.randbelow(2**30) + 2**20 for _ in range(2))
        self._files()
        self._sockets()
        self._keys()
        self.directory = os.open(self.folder, os.O_RDONLY)
        os.set_inheritable(self.directory, True)
        self._process()
        self._shared_memory()
        self.before = self.snapshot()

    def _files(self) -> None:
        """Planted anew after an attempt that changed them."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        for name in ("home", "tools/bin", "scratch"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("secret", "home/.netrc"):
            (self.folder / name).write_text(self.secret)
            (self.folder / name).chmod(0o600)
        (self.folder / "tools/bin/tool").write_text("#!/bin/sh\necho tool\n")
        (self.folder / "tools/bin/tool").chmod(0o755)
        self.program.unlink(missing_ok=True)
        shutil.copy(shutil.which("bwrap") or "/bin/false", self.program)
        self.program.chmod(0o755)

    @property
    def program(self) -> Path:
        """A copy of bubblewrap that belongs to the service's user: what happens to it happens to
        nobody else's.
        """
        return self.programs / "bwrap"

    @property
    def tools(self) -> Path:
        return self.folder / "tools"

    def _sockets(self) -> None:
        self.tcp, self.udp = (
            socket.create_server(("127.0.0.1", 0)),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        )
        self.udp.bind(("127.0.0.1", 0))
        self.unix, self.abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.unix.bind(str(self.place / "socket"))
        self.abstract.bind("\0" + self.token)
        for one in (self.unix, self.abstract):
            one.listen()
        for one in (self.tcp, self.udp, self.unix, self.abstract):
            one.setblocking(False)
        os.environ["SSH_AUTH_SOCK"] = str(self.place / "socket")
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={self.place / 'socket'}"
        os.environ["CI_HEALING_GIT_TOKEN"] = self.secret

    def _keys(self) -> None:
        """A session keyring of this process's own, with one key."""
        libc.syscall(KEYCTL, 1, None)
        libc.syscall(
            ADD_KEY,
            b"user",
            self.token.encode(),
            self.secret.encode(),
            ctypes.c_long(len(self.secret)),
            ctypes.c_long(SESSION),
        )

    def _process(self) -> None:
        self.descriptor = os.memfd_create("secret")
        os.write(self.descriptor, self.secret.encode())
        self.process = subprocess.Popen(
            [PYTHON, "-I", "-S", "-c", CANARY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            pass_fds=(self.descriptor, self.directory),
            env={"CANARY": self.secret},
            cwd=self.folder,
        )
        assert self.process.stdout is not None
        self.address = int(self.process.stdout.readline())

    def _shared_memory(self) -> None:
        libc.shmat.restype = ctypes.c_void_p
        self.segment = libc.shmget(self.shared_key, 4096, 0o1600)
        address = ctypes.c_void_p(libc.shmat(self.segment, None, 0))
        ctypes.memmove(address, self.secret.encode(), len(self.secret))
        libc.shmdt(address)

    def _handle(self) -> str:
        """The kernel's own name for the secret file, empty where there is none."""
        handle = ctypes.create_string_buffer(struct.pack("II", 128, 0), 136)
        if libc.syscall(
            NAME_TO_HANDLE,
            -100,
            str(self.folder / "secret").encode(),
            handle,
            ctypes.create_string_buffer(8),
            0,
        ):
            return ""
        return handle.raw[: 8 + struct.unpack_from("I", handle)[0]].hex()

    def known(self) -> str:
        """What an attacker may know, for `inside.it`."""
        return json.dumps(
            {
                "secret": str(self.folder / "secret"),
                "home": str(self.folder / "home"),
                "tools": str(self.tools),
                "outside": str(self.folder),
                "program": str(self.program),
                "scratch": str(self.folder / "scratch"),
                "tcp": self.tcp.getsockname()[1],
                "udp": self.udp.getsockname()[1],
                "abstract": self.token,
                "socket": str(self.place / "socket"),
                "process": self.process.pid,
                "address": self.address,
                "descriptor": self.descriptor,
                "key": self.token,
                "planted_key": f"planted-{self.token}",
                "ipc_key": self.ipc_key,
                "shared_key": self.shared_key,
                "queue": self.token,
                "token": self.token,
                "handle": self._handle(),
                "results": str(self.place / "results"),
            }
        )

    def snapshot(self) -> dict[str, tuple[object, ...]]:
        return {
            str(path): described(path) for path in (*sorted(self.folder.rglob("*")), self.program)
        }

    def signs(self, tree: Path, said: str) -> Iterator[str]:
        """Each sign by which an attempt is known to have got through. Sets everything back."""
        yield from self.told(said)
        yield from self._touched()
        yield from self._contacts()
        yield from self._leftovers()
        yield from self._in_tree(tree)

    def told(self, said: str) -> Iterator[str]:
        """The signs in what an attempt printed."""
        if self.secret in said:
            yield "secret"
        if ">>> escaped" in said:
            yield "said"

    def _touched(self) -> Iterator[str]:
        if self.snapshot() != self.before:
            yield "outside"
            self._files()
            self.before = self.snapshot()
        if not self._process_well():
            yield "process"
            self.process.kill()
            self.process.wait()
            os.close(self.descriptor)
            self._process()

    def _process_well(self) -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state not in "TtZX":
                self.process.stdin.write("well?\n")
                return self.process.stdout.readline().strip() == self.secret
        return False

    def _contacts(self) -> Iterator[str]:
        reached = False
        for one in (self.tcp, self.unix, self.abstract):
            with contextlib.suppress(BlockingIOError):
                one.accept()[0].close()
                reached = True
        with contextlib.suppress(BlockingIOError):
            self.udp.recv(100)
            reached = True
        if reached:
            yield "contact"

    def _leftovers(self) -> Iterator[str]:
        if survivors := self.survivors():
            yield "survivor"
        while survivors:
            for pid in survivors:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            survivors = self.survivors()
        if removed(self.ipc_key) | (libc.syscall(MQ_UNLINK, self.token.encode()) == 0):
            yield "ipc"
        found = libc.syscall(
            KEYCTL, 10, ctypes.c_long(SESSION), b"user", f"planted-{self.token}".encode(), 0
        )
        if found > 0:
            yield "keyring"
            libc.syscall(KEYCTL, 9, ctypes.c_long(found), ctypes.c_long(SESSION))

    def survivors(self) -> list[int]:
        """Processes with our token among their arguments."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and self.token.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def _in_tree(self, tree: Path) -> Iterator[str]:
        kinds = (
            [status for path in tree.rglob("*") for status in [path.lstat()]]
            if tree.exists()
            else []
        )
        if any(stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode) for s in kinds):
            yield "device"
        # Of an ordinary user such a file is no danger: the directory it lies in is the user's own.
        if any(
            s.st_mode & (stat.S_ISUID | stat.S_ISGID)
            and stat.S_ISREG(s.st_mode)
            and s.st_uid == 0 == os.geteuid()
            for s in kinds
        ):
            yield "set-uid"

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        libc.shmctl(self.segment, 0, None)
        removed(self.ipc_key)
        shutil.rmtree(self.programs, ignore_errors=True)


def described(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = (
        sha256(path.read_bytes()).hexdigest()
        if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK)
        else ""
    )
    times = () if stat.S_ISDIR(status.st_mode) else (status.st_mtime_ns, status.st_nlink)
    return (status.st_mode, status.st_uid, status.st_size if content else 0, content, *times)


def removed(key: int) -> bool:
    """True where a System V object of this key was there; it is gone now."""
    found = False
    for kind, control in (
        ("shm", lambda i: libc.shmctl(i, 0, None)),
        ("sem", lambda i: libc.semctl(i, 0, 0)),
    ):
        with contextlib.suppress(OSError):
            for line in Path("/proc/sysvipc", kind).read_text().splitlines()[1:]:
                if line.split()[0] == str(key):
                    control(int(line.split()[1]))
                    found = True
    return found
