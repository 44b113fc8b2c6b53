"""What bubblewrap is told: one option for each wall that stands. Source: bwrap(1), 0.8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cihealing.domain.policy import Limits
from cihealing.workshop.sandbox.orders import Order, Sources
from cihealing.workshop.sandbox.syscalls import filter_program
from cihealing.workshop.sandbox.system import (
    HOME,
    MACHINE_WIDE,
    RESULTS,
    SECRETIVE,
    TREE,
    USER,
    Descriptor,
    configuration,
    system,
)
from cihealing.workshop.sandbox.toolchain import variables
from cihealing.workshop.sandbox.walls import Walls

MB = 1024 * 1024


class CommandLine:
    """Options for these walls and limits; `toolchain` are directories shown read-only."""

    toolchain: Sequence[Path]
    walls: Walls
    limits: Limits

    def options(self, order: Order, *, sources: Sources, descriptor: Descriptor) -> list[str]:
        """bwrap's options; they go through a descriptor, so that `ps` shows no environment."""
        return [
            *self._isolation(),
            *self._filter(descriptor),
            *(
                [*system(), *configuration(descriptor)]
                if self.walls.files
                else ["--dev-bind", "/", "/"]
            ),
            *self._proc(),
            *self._devices(),
            *self._scratch(),
            *self._shown(sources),
            "--bind",
            sources.of(order.tree),
            TREE,
            *(["--bind", sources.of(order.results), RESULTS] if order.results else []),
            *(["--remount-ro", "/"] if self.walls.files else []),
            "--chdir",
            str(Path(TREE) / order.workdir),
            *self._variables(order.environment),
        ]

    def _isolation(self) -> list[str]:
        walls = self.walls
        chosen = {
            "--unshare-pid": walls.processes,
            "--unshare-net": walls.network,
            "--unshare-ipc": walls.ipc,
            "--unshare-uts": walls.ipc,
            "--unshare-cgroup-try": walls.ipc,
            "--disable-userns": walls.namespaces,
            "--new-session": walls.session,
        }
        named = ["--hostname", "build"] if walls.ipc else []
        # bwrap run by root keeps every capability unless told otherwise.
        return [
            "--unshare-user",
            *(o for o, on in chosen.items() if on),
            *named,
            "--uid",
            USER,
            "--gid",
            USER,
            "--cap-drop",
            "ALL",
            "--die-with-parent",
        ]

    def _filter(self, descriptor: Descriptor) -> list[str]:
        program = filter_program() if self.walls.syscalls else None
        return [] if program is None else ["--seccomp", descriptor(program)]

    def _proc(self) -> list[str]:
        if not self.walls.proc:
            return ["--proc", "/proc"]
        wide = [name for name in MACHINE_WIDE if Path("/proc", name).is_dir()]
        covered = [
            o
            for name in wide
            for o in ("--tmpfs", f"/proc/{name}", "--remount-ro", f"/proc/{name}")
        ]
        silent = [
            o
            for name in SECRETIVE
            if Path("/proc", name).exists()
            for o in ("--ro-bind", "/dev/null", f"/proc/{name}")
        ]
        return ["--proc", "/proc", *covered, *silent, "--ro-bind", "/proc/sys", "/proc/sys"]

    def _devices(self) -> list[str]:
        if not self.walls.devices:
            return ["--dev", "/dev"]
        size = str(self.limits.shm_mb * MB)
        return [
            "--dev",
            "/dev",
            "--remount-ro",
            "/dev",
            "--perms",
            "1777",
            "--size",
            size,
            "--tmpfs",
            "/dev/shm",  # noqa: S108
        ]

    def _scratch(self) -> list[str]:
        size = ["--size", str(self.limits.tmp_mb * MB)] if self.walls.totals else []
        return ["--perms", "1777", *size, "--tmpfs", "/tmp", "--dir", HOME]  # noqa: S108

    def _shown(self, sources: Sources) -> list[str]:
        hidden = dict.fromkeys(
            p for shown in self.toolchain for p in reversed(shown.parents) if p != Path("/")
        )
        # Searchable, not listable: what lies beside the toolchain is nobody's business.
        ways = (
            [option for p in hidden for option in ("--perms", "0111", "--dir", str(p))]
            if self.walls.files
            else []
        )
        return ways + [
            option
            for p in self.toolchain
            for option in ("--ro-bind", sources.of(p.resolve()), str(p))
        ]

    def _variables(self, environment: Mapping[str, str]) -> list[str]:
        own = {"HOME": HOME, "TMPDIR": "/tmp", **variables(self.toolchain)}  # noqa: S108
        cleared = ["--clearenv"] if self.walls.environment else []
        return [
            *cleared,
            *(
                part
                for name, value in {**own, **environment}.items()
                for part in ("--setenv", name, value)
            ),
        ]
