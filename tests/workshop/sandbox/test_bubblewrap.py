"""What only the real sandbox promises: nothing to see, nothing to reach. Probes run inside and tell
what they could do.
"""

from __future__ import annotations

import json
import socket
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from cihealing.ports import PermanentError, TransientError
from cihealing.settings import SandboxSettings
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.system import TREE
from cihealing.workshop.sandbox.toolchain import SETTING, default_toolchain, toolchain
from tests.groups import holding

PROBE = """\
import json, os, pathlib, socket, subprocess, sys
port, secret, home, data = int(sys.argv[1]), *sys.argv[2:5]
def tried(what):
    try:
        return what() or "yes"
    except Exception as error:
        return type(error).__name__
def reached(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)
def alone():
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0)); a.listen(); b.connect(a.getsockname())
def listed(place):
    return ",".join(sorted(os.listdir(place)))
def wrote(place):
    p = pathlib.Path(place, "planted"); p.write_text("x"); p.unlink()
def processes():
    return [open(f"/proc/{p}/cmdline").read() for p in os.listdir("/proc") if p.isdigit()]
print(json.dumps({
    "host loopback": tried(lambda: reached(socket.AF_INET, ("127.0.0.1", port))),
    "outside": tried(lambda: reached(socket.AF_INET, ("192.0.2.1", 80))),
    "abstract socket": tried(lambda: reached(socket.AF_UNIX, "\\0cihealing-probe")),
    "own loopback": tried(alone),
    "secret": tried(lambda: open(secret).read()),
    "home": tried(lambda: listed(home)),
    "data": tried(lambda: listed(data)),
    "places": {p: tried(lambda: listed(p))
        for p in ("/home", "/run", "/var", "/srv", "/mnt", "/opt", "/sys")},
    "writes": {p: tried(lambda: wrote(p)) for p in  # every kind of place
        ("/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/tree", "/tmp", os.environ["HOME"])},
    "processes": len(processes()),
    "init environment": tried(lambda: open("/proc/1/environ").read()),
    "shadow": tried(lambda: open("/etc/shadow").read()), "kill": tried(lambda: os.kill(2**21, 9)),
    "user": os.getuid(),
    "caps": [l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1],
    "namespace": subprocess.run(["unshare", "-Ur", "true"], capture_output=True).returncode,
    "mount": subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], capture_output=True).returncode,
    "host": socket.gethostname(),
    "raw": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
}))
"""


@pytest.fixture
def seen(bubblewrap: Bubblewrap, tree: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    secret = tree.parent / "secret"
    secret.write_text("data directory")
    monkeypatch.setenv("CI_HEALING_GIT_TOKEN", "worker-secret-1")
    (tree / "probe.py").write_text(PROBE)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind("\0cihealing-probe")
        abstract.listen()
        arguments = f"{listener.getsockname()[1]} {secret} {Path.home()} {tree.parent}"
        ran = bubblewrap.run(
            f"python probe.py {arguments}", tree=tree, workdir=".", environment={}, timeout=60
        )
    assert ran.exit_code == 0, ran.output
    answer: dict[str, object] = json.loads(ran.output)
    return answer


def test_a_probe_inside_finds_nothing_and_reaches_nobody(seen: dict[str, object]) -> None:
    unreachable = ("host loopback", "outside", "abstract socket", "secret", "data", "shadow", "raw")
    assert {name: seen[name] for name in unreachable if seen[name] == "yes"} == {}
    assert seen["secret"] == "FileNotFoundError"
    assert seen["own loopback"] == "yes"
    assert seen["home"] in ("PermissionError", "FileNotFoundError")
    assert set(seen["places"].values()) == {"FileNotFoundError"}  # type: ignore[attr-defined]
    assert seen["host"] == "build"


def test_a_probe_inside_writes_only_to_the_tree_and_its_own_scratch(
    seen: dict[str, object],
) -> None:
    writes: dict[str, str] = seen["writes"]  # type: ignore[assignment]
    assert {place for place, said in writes.items() if said == "yes"} == {
        "/tree",
        "/tmp",
        "/tmp/home",
    }


def test_a_probe_inside_has_no_power(seen: dict[str, object]) -> None:
    assert (seen["user"], seen["caps"]) == (1000, "0" * 16)
    assert seen["namespace"] != 0
    assert seen["mount"] != 0
    assert seen["kill"] == "ProcessLookupError"
    assert seen["processes"] in (2, 3, 4)
    assert "worker-secret-1" not in str(seen)


def test_results_have_a_directory_of_their_own(
    bubblewrap: Bubblewrap, tree: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    command = f"pwd; echo found > {bubblewrap.inside(results)}/x"
    ran = bubblewrap.run(
        command, tree=tree, workdir=".", environment={}, timeout=20, results=results
    )
    assert (ran.output, (results / "x").read_text()) == ("/tree\n", "found\n")
    assert list(tree.iterdir()) == []


def test_the_environment_is_not_shown_to_the_machine(bubblewrap: Bubblewrap, tree: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        started: list[list[str]] = []
        popen = subprocess.Popen
        patched.setattr(
            subprocess,
            "Popen",
            lambda argv, **options: started.append(argv) or popen(argv, **options),
        )
        ran = bubblewrap.run(
            "echo $A; cat /proc/*/cmdline",
            tree=tree,
            workdir=".",
            environment={"A": "private-value"},
            timeout=20,
        )
    assert ran.output.count("private-value") == 1
    assert "private-value" not in str(started)


def test_a_set_uid_file_made_inside_gives_no_power(bubblewrap: Bubblewrap, tree: Path) -> None:
    command = (
        "cp /usr/bin/id own && chmod 6755 own && ./own -u && grep NoNewPrivs /proc/self/status"
    )
    assert (
        bubblewrap.run(command, tree=tree, workdir=".", environment={}, timeout=20).output
        == "1000\nNoNewPrivs:\t1\n"
    )


def test_bubblewrap_that_does_not_work_says_so_and_runs_nothing(tree: Path, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: no permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    for program in (str(broken), "/nowhere/bwrap"):
        sandbox = Bubblewrap(program=program)
        assert "bubblewrap could not start" in (sandbox.available() or "")
        with pytest.raises(TransientError, match="could not start"):
            sandbox.run("touch ran", tree=tree, workdir=".", environment={}, timeout=20)
    assert not (tree / "ran").exists()


@pytest.mark.parametrize(
    "path", ["/", str(Path.home()), str(Path.home().parent), "relative/tools", "~"]
)
def test_a_toolchain_cannot_be_the_machine_or_a_home(path: str) -> None:
    with pytest.raises(PermanentError, match=SETTING):
        toolchain(holding(SandboxSettings, {SETTING: path}).toolchain)


def test_the_toolchain_is_named_by_a_setting(
    tmp_path: Path, tree: Path, bubblewrap: Bubblewrap
) -> None:
    tool = tmp_path / "tools/bin/greet"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho hello\n")
    tool.chmod(0o755)
    assert toolchain(()) == default_toolchain()
    paths = toolchain(holding(SandboxSettings, {SETTING: str(tmp_path / "tools")}).toolchain)
    sandbox = Bubblewrap(toolchain=paths)
    assert sandbox.run(
        "greet; touch $(command -v greet)", tree=tree, workdir=".", environment={}, timeout=20
    ).output.startswith("hello\ntouch:")


LEFT_OUT = {
    "ruff": ".bzr .direnv .eggs .git .git-rewrite .hg .ipynb_checkpoints .mypy_cache .nox .pants.d"
    " .pyenv .pytest_cache .pytype .ruff_cache .svn .tox .venv .vscode __pypackages__ _build"
    " buck-out build dist node_modules site-packages venv",
    "black": ".direnv .eggs .git .hg .ipynb_checkpoints .mypy_cache .nox .pytest_cache .ruff_cache"
    " .tox .svn .venv .vscode __pypackages__ _build buck-out build dist venv",
    "isort": ".bzr .direnv .eggs .git .hg .mypy_cache .nox .pants.d .svn .tox .venv __pypackages__"
    " _build buck-out build dist node_modules venv",
    "flake8": ".svn CVS .bzr .hg .git __pycache__ .tox .nox .eggs *.egg",
    "mypy": "site-packages node_modules __pycache__ .*",
    "pylint": "CVS .#*",
    "pytest": "*.egg .* _darcs build CVS dist node_modules venv {arch}",
    "codespell": ".*",
    "coverage": "",
    "eslint": "node_modules .git .* bower_components dist",
    "prettier": ".git .sl .svn .hg .jj node_modules",
    "jest": "node_modules __mocks__",
    "vitest": "node_modules dist cypress .idea .git .cache .output .temp",
    "mocha": "node_modules",
    "rubocop": "node_modules tmp vendor .git",
    "golangci-lint": "vendor third_party testdata examples Godeps builtin",
}
"""Directories that tools leave out where nobody tells them otherwise. Sources: each tool's own
reference of its settings.
"""


@pytest.mark.parametrize("tool", LEFT_OUT)
def test_no_tool_leaves_the_tree_out_by_default(tool: str) -> None:
    for part in Path(TREE).parts[1:]:
        assert not any(fnmatch(part, pattern) for pattern in LEFT_OUT[tool].split())


def test_ruff_looks_at_the_tree(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\n")
    ran = Bubblewrap().run(
        "ruff check --isolated --no-cache --force-exclude a.py",
        tree=tmp_path,
        workdir=".",
        environment={},
        timeout=30,
    )
    assert (ran.exit_code, "F401" in ran.output) == (1, True), ran.output
