"""What of this machine a command sees: its places, programs and libraries, and a configuration
that names nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

# Paths inside the sandbox, fresh for each run. The tree's name is one that no tool leaves out by
# default: ruff, black and isort skip whatever lies below a directory called `build`.
TREE, RESULTS, HOME = "/tree", "/results", "/tmp/home"  # noqa: S108
USER = "1000"

ETC = {
    "passwd": (
        f"build:x:{USER}:{USER}:build:{HOME}:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "group": f"build:x:{USER}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
HOST_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "ssl/certs",
    "ssl/openssl.cnf",
    "mime.types",
)
MACHINE_WIDE = ("acpi", "asound", "bus", "fs", "irq", "scsi")
SECRETIVE = (
    "kcore",
    "keys",
    "key-users",
    "kmsg",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
)
"""Directories and files of /proc that tell of, or act on, the whole machine."""


Descriptor = Callable[[bytes], str]
"""Makes a descriptor from which bubblewrap reads this content; its number."""


def system() -> list[str]:
    """/usr, and /bin, /lib … as this machine has them: links into /usr, or directories of their
    own.
    """
    options = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return options


def configuration(descriptor: Descriptor) -> list[str]:
    java = [str(p.relative_to("/etc")) for p in sorted(Path("/etc").glob("java-*-openjdk"))]
    options = [
        o for name in (*HOST_ETC, *java) for o in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    ]
    own = ((name, descriptor(content.encode())) for name, content in ETC.items())
    return options + [
        o
        for name, number in own
        for o in ("--perms", "0644", "--ro-bind-data", number, f"/etc/{name}")
    ]
