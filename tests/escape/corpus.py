"""The corpus as values. One attempt is one entry of a file in `attempts/`.

`command`: a Python script that runs inside the sandbox, over a tree of its own. `repository`: a
commit, a command that runs over its tree in the sandbox, and what the service does with the tree
afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

ATTEMPTS = Path(__file__).parent / "attempts"
SIGNS = frozenset(
    {
        "said",
        "secret",
        "outside",
        "process",
        "contact",
        "survivor",
        "ipc",
        "terminal",
        "keyring",
        "device",
        "set-uid",
        "hang",
        "crash",
    }
)
"""How an attempt that got through is known. `said`: its own word; all others are seen from
outside.
"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """`hole`: what is taken away so that the attempt gets through. `only`: root, where the kernel
    itself refuses an ordinary user.
    """

    id: str
    technique: str
    reaches: str
    source: str
    sign: str
    area: str = ""
    kind: str = "command"
    run: str = ""
    hole: tuple[str, ...] = ()
    only: str = ""
    needs: tuple[str, ...] = ()
    slow: bool = False

    before: str = ""
    workdir: str = "."
    environment: dict[str, str] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    exceeded: str = ""
    """A pattern for what the service says was exceeded, in an attempt that is held."""
    tries: int = 1
    """How many there are to be held once: what nobody can count is told by what the machine lacks,
    and hidden by what others give back at that moment.
    """
    results: bool = False
    terminal: bool = False
    twice: bool = False

    make: str = ""
    """Python over `origin`: the commit, as hostile as it may be."""
    then: str = ""
    """What the service does: the name of an act of `host`."""
    given: dict[str, str] = field(default_factory=dict)
    """What the act is given."""
    naive: str = ""
    """A shell command that does the same as a host would that thinks no evil: the hole of a
    repository.
    """

    def __post_init__(self) -> None:
        assert self.sign in SIGNS, f"{self.id}: no sign {self.sign!r}"
        assert self.kind in ("command", "repository"), self.id
        assert self.hole if self.kind == "command" else self.naive and self.then, (
            f"{self.id} names no hole"
        )


def read() -> tuple[Attempt, ...]:
    return tuple(
        attempt(entry, area=path.stem)
        for path in sorted(ATTEMPTS.glob("*.yml"))
        for entry in yaml.load(path.read_text(), yaml.CSafeLoader)
    )


def attempt(entry: dict[str, Any], *, area: str) -> Attempt:
    unknown = entry.keys() - {f.name for f in fields(Attempt)}
    assert not unknown, f"{entry.get('id')}: {unknown}"
    sequences = {name: tuple(entry[name]) for name in ("hole", "needs") if name in entry}
    return Attempt(**{**entry, **sequences, "area": area})
