"""Which tracked file a name in an answer means: spelt in another way, or through links."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Mapping

from cihealing.diagnosis.prompting.given import NotApplicable, Section
from cihealing.texts import Stored

LINK, SUBMODULE = "120000", "160000"
MAX_LINKS = 40
PREFIXES = ("a/", "b/", "i/", "w/", "c/", "o/")
"""What git puts before names. Source: git-config(1), diff.mnemonicPrefix."""


def plain_path(path: str) -> str:
    """Relative, below the repository. Raises NotApplicable; what else may not be touched is the
    guard's business.
    """
    bare = path.strip().removeprefix("./")
    parts = bare.split("/")
    if (
        not bare
        or bare.startswith(("/", "~"))
        or "\\" in bare
        or any(p in ("", ".", "..") or p.lower() == ".git" for p in parts)
    ):
        raise NotApplicable(f"{path[:200]!r} is no path inside the repository")
    if not bare.isprintable() or '"' in bare:
        raise NotApplicable(f"{path[:200]!r} is no plain path")
    return bare


def names_of(section: Section, stored: Stored) -> tuple[str | None, str | None]:
    """(old, new) without git's prefixes: those are left where only the whole name is tracked."""
    old, new = section.old, section.new
    if "rename from" in section.facts or "copy from" in section.facts:
        return old, new
    whole = old or new or ""
    same = old is None or new is None or old == new
    if same and whole in stored.modes and _bare(whole) not in stored.modes:
        return old, new
    return tuple(None if name is None else _bare(name) for name in (old, new))  # type: ignore[return-value]


def _bare(name: str) -> str:
    return name[2:] if name.startswith(PREFIXES) else name


def tracked(path: str, stored: Stored) -> tuple[str, str]:
    """(the file that `path` means, how it is spelt otherwise, in words, or empty). A path that is
    not tracked means itself. Raises NotApplicable.
    """
    known = spelling(path, stored.modes)
    said = f"{path} is spelt {known} in the repository" if known != path else ""
    found = _followed(known, stored)
    if found != known and found not in stored.modes:
        found = spelling(found, stored.modes)
    if stored.modes.get(found) == SUBMODULE or _within_submodule(found, stored.modes):
        raise NotApplicable(f"{found} belongs to a submodule, which is another repository")
    return found, said


def spelling(path: str, modes: Mapping[str, str]) -> str:
    """The tracked path that differs in case or in Unicode normal form only; else `path` itself.
    Raises NotApplicable where there are several.
    """
    if path in modes or any(modes.get(parent) == LINK for parent in _parents(path)):
        return path
    wanted = _folded(path)
    alike = [name for name in modes if _folded(name) == wanted]
    if len(alike) > 1:
        raise NotApplicable(f"{path} is not tracked, and may mean {' or '.join(alike[:5])}")
    return alike[0] if alike else path


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def same_letters(path: str, modes: Mapping[str, str]) -> str:
    """As `spelling`, for a file that is to be made: another case is another file."""
    composed = unicodedata.normalize("NFC", path)
    alike = (name for name in modes if unicodedata.normalize("NFC", name) == composed)
    return path if path in modes else next(alike, path)


def through_links(path: str, stored: Stored) -> str:
    """Where a file that is to be made comes to lie. Raises NotApplicable."""
    found = _followed(path, stored)
    if _within_submodule(found, stored.modes):
        raise NotApplicable(f"{found} belongs to a submodule, which is another repository")
    return found


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _within_submodule(path: str, modes: Mapping[str, str]) -> bool:
    return any(modes.get(parent) == SUBMODULE for parent in _parents(path))


def _followed(path: str, stored: Stored) -> str:
    """Where the links on the way lead, which must be below the repository. Raises NotApplicable."""
    at = path
    for _ in range(MAX_LINKS):
        link = next((p for p in (*_parents(at), at) if stored.modes.get(p) == LINK), None)
        if link is None:
            return plain_path(at)
        target = (stored.read(link) or b"").decode("utf-8", "surrogateescape")
        joined = posixpath.join(posixpath.dirname(link), target)
        at = posixpath.normpath(joined + at.removeprefix(link))
        if target.startswith("/") or at.startswith(("../", "/")) or at in ("..", "."):
            raise NotApplicable(f"{path} is a link that leads out of the repository")
    raise NotApplicable(f"{path} is a link that leads in a circle")
