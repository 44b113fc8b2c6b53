"""Stand-alone: `python rounds.py ID…` runs each attempt of this directory in a process of its own,
one after the other.

So that many attempts share one start of the sandbox. What each said comes after a line `=== ID`.
"""

import ctypes  # noqa: F401  (loaded once for all of them)
import json  # noqa: F401
import mmap  # noqa: F401
import os
import resource  # noqa: F401
import shutil  # noqa: F401
import signal
import socket  # noqa: F401
import struct  # noqa: F401
import subprocess  # noqa: F401
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 6.0


def carry_out(name: str) -> None:
    place = HERE / name
    place.mkdir(exist_ok=True)
    os.chdir(place)
    output = os.open(HERE / f"{name}.out", os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    sys.path.insert(0, str(HERE))
    import inside

    try:
        exec(compile((HERE / f"{name}.py").read_text(), name, "exec"), {"__name__": "__main__"})
    except BaseException:
        inside.refused(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stdout.flush()
        os._exit(0)


def wait(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


for name in sys.argv[1:]:
    if (pid := os.fork()) == 0:
        carry_out(name)
    wait(pid)
    sys.stdout.buffer.write(
        b"=== " + name.encode() + b"\n" + (HERE / f"{name}.out").read_bytes()[:20_000] + b"\n"
    )
    sys.stdout.flush()
