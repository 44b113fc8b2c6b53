"""The one door into a directory that untrusted code writes to.

Everything goes by descriptor, one path component at a time, never through a symbolic link; only
regular files are read, bounded in size and count. No program of this machine is ever started on
such a directory: what it means is judged from what is read here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_READ = 32 * 1024 * 1024
"""Bytes of one file."""
MAX_ENTRIES = 1_000_000
MAX_DEPTH = 256
"""Directories below each other; those on the way down are open at once."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class TooLarge(Exception):
    """The directory holds more, or deeper, than anybody's repository."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name below the tree; `status` is of the name itself, a link is not followed."""

    path: str
    status: os.stat_result

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """`root` holds the files of `commit`; `tree` is the git tree hash of what was put there, a
    patch included.
    """

    root: Path
    commit: str = ""
    tree: str = ""

    def read(self, path: str, *, limit: int = MAX_READ) -> bytes | None:
        """A regular file of at most `limit` bytes; None for anything else, and where a link is on
        the way.
        """
        try:
            with self._place(path) as (directory, name):
                return _content(os.open(name, os.O_RDONLY | FILE, dir_fd=directory), limit=limit)
        except (OSError, ValueError):
            return None

    def text(self, path: str, *, limit: int = MAX_READ) -> str | None:
        """As `read`, in UTF-8; None for a file that is not."""
        content = self.read(path, limit=limit)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            return None

    def link(self, path: str) -> str | None:
        """Where a symbolic link points, unfollowed; None for anything else."""
        try:
            with self._place(path) as (directory, name):
                return os.readlink(name, dir_fd=directory)
        except (OSError, ValueError):
            return None

    def entry(self, path: str) -> Entry | None:
        try:
            with self._place(path) as (directory, name):
                return Entry(
                    path=path, status=os.stat(name, dir_fd=directory, follow_symlinks=False)
                )
        except (OSError, ValueError):
            return None

    def leads_elsewhere(self, path: str) -> bool:
        """Whether a link is on the way to `path`, or it is no path below the tree."""
        try:
            parts = _parts(path)
        except ValueError:
            return True
        found = (self.entry("/".join(parts[:n])) for n in range(1, len(parts) + 1))
        return any(entry is not None and entry.is_link for entry in found)

    def has_file(self, path: str) -> bool:
        found = self.entry(path)
        return found is not None and found.is_file

    def has_directory(self, path: str) -> bool:
        if path in ("", "."):
            return True
        found = self.entry(path)
        return found is not None and found.is_directory

    def walk(
        self, place: str = ".", *, leave_out: Callable[[str], bool] = lambda _name: False
    ) -> Iterator[Entry]:
        """Everything below `place`, directories before what they hold, names in order. Raises
        TooLarge.

        The directories on the way down stay open, so that depth costs nothing.
        """
        way: list[tuple[int, str, Iterator[str]]] = []
        left = MAX_ENTRIES
        try:
            opened = self._opened(place)
            prefix = "" if place in ("", ".") else f"{'/'.join(_parts(place))}/"
            while opened is not None or way:
                if opened is not None:
                    entries = _listed(opened, prefix, limit=left, leave_out=leave_out)
                    way.append(
                        (
                            opened,
                            prefix,
                            iter([e.path[len(prefix) :] for e in entries if e.is_directory]),
                        )
                    )
                    left -= len(entries)
                    yield from entries
                opened, prefix = self._next(way)
        finally:
            for descriptor, _, _ in way:
                os.close(descriptor)

    def _opened(self, place: str) -> int | None:
        try:
            with self._directory(_parts(place)) as directory:
                return os.dup(directory)
        except OSError:
            return None

    def _next(self, way: list[tuple[int, str, Iterator[str]]]) -> tuple[int | None, str]:
        """The next directory on the way, opened; the one that has no further is closed. Raises
        TooLarge.
        """
        directory, prefix, names = way[-1]
        name = next(names, None)
        if name is None:
            os.close(way.pop()[0])
            return None, ""
        if len(way) >= MAX_DEPTH:
            raise TooLarge(f"more than {MAX_DEPTH:,} directories below each other")
        try:
            return os.open(name, DIRECTORY, dir_fd=directory), f"{prefix}{name}/"
        except OSError:
            return None, ""

    def glob(self, pattern: str, *, place: str = ".") -> Iterator[str]:
        """Regular files below `place` that a pattern names (`*`, `?` within one directory, `**`
        over several).
        """
        if not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
            return
        fits = re.compile(_expression(pattern))
        prefix = "" if place in ("", ".") else f"{place.strip('/')}/"
        for entry in self.walk(place):
            if entry.is_file and fits.fullmatch(entry.path.removeprefix(prefix)):
                yield entry.path

    def write(self, path: str, content: bytes, *, mode: int | None = None) -> None:
        """Put a regular file there, in place of one that exists (whose mode stays unless given), as
        the tree's own user.

        Raises OSError: a link, a directory or something special is in the way.
        """
        with self._place(path, make=True) as (directory, name):
            old = _status(name, directory)
            if old is not None and not stat.S_ISREG(old.st_mode):
                raise FileExistsError(path)
            mode = mode if mode is not None else stat.S_IMODE(old.st_mode) if old else 0o644
            fresh = f".cihealing-{os.getpid()}-{os.urandom(4).hex()}"
            _written(fresh, directory, content, mode=mode, owner=self._owner())
            os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)

    def remove(self, path: str) -> None:
        """Take a file or link away; nothing where there is none."""
        with contextlib.suppress(FileNotFoundError), self._place(path) as (directory, name):
            os.unlink(name, dir_fd=directory)

    def give_to(self, uid: int) -> None:
        """Make everything `uid`'s, the root last: an interrupted change is seen and done again."""
        for entry in [e for e in self.walk() if e.status.st_uid != uid]:
            with self._place(entry.path) as (directory, name):
                os.chown(name, uid, uid, dir_fd=directory, follow_symlinks=False)
        os.chown(self.root, uid, uid, follow_symlinks=False)

    def _owner(self) -> os.stat_result:
        return self.root.lstat()

    @contextlib.contextmanager
    def _place(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """(descriptor of the directory, name in it). Raises OSError, ValueError for a path that
        leads nowhere below.
        """
        parts = _parts(path)
        if not parts:
            raise ValueError("the tree itself is no file")
        with self._directory(parts[:-1], make=make) as directory:
            yield directory, parts[-1]

    @contextlib.contextmanager
    def _directory(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        descriptor = os.open(self.root, DIRECTORY)
        try:
            for part in parts:
                if make:
                    self._made(part, descriptor)
                further = os.open(part, DIRECTORY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = further
            yield descriptor
        finally:
            os.close(descriptor)

    def _made(self, name: str, directory: int) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=directory)
            owner = self._owner()
            os.chown(name, owner.st_uid, owner.st_gid, dir_fd=directory, follow_symlinks=False)


def _parts(path: str) -> tuple[str, ...]:
    """Raises ValueError for a path that climbs or is absolute."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path or len(pure.parts) > MAX_DEPTH:
        raise ValueError(f"{path[:200]!r} is no path below a tree")
    return pure.parts


def _status(name: str, directory: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _listed(
    directory: int, prefix: str, *, limit: int, leave_out: Callable[[str], bool]
) -> list[Entry]:
    """What a directory holds, by name. Raises TooLarge."""
    found: list[Entry] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if leave_out(entry.name):
                continue
            if len(found) >= limit:
                raise TooLarge(f"more than {MAX_ENTRIES:,} files")
            with contextlib.suppress(FileNotFoundError):
                found.append(
                    Entry(path=f"{prefix}{entry.name}", status=entry.stat(follow_symlinks=False))
                )
    return sorted(found, key=lambda e: e.path)


def _content(descriptor: int, *, limit: int) -> bytes | None:
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        content = file.read(limit + 1)
        return content if len(content) <= limit else None


def _written(
    name: str, directory: int, content: bytes, *, mode: int, owner: os.stat_result
) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if os.getuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.fchmod(descriptor, mode)


def _expression(pattern: str) -> str:
    steps = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        steps.get(part, re.escape(part))
        for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
        if part
    )


def shown(name: str) -> str:
    """A file's name for people and messages: whatever is no plain character (line ends, escapes,
    bytes that are no text) is spelt out.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name
    )


def remove(root: Path) -> None:
    """Delete a private directory with all it holds, whatever it holds: links, no permissions, any
    depth. Raises OSError.

    By descriptor. What lies deeper is first moved up into `root`, where only this user gets to, so
    that neither paths nor recursion grow.
    """
    try:
        top = os.open(root, DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno == errno.ELOOP:
            return
        raise
    try:
        os.fchmod(top, 0o700)
        while names := _emptied(top):
            for name in names:
                _flattened(name, top)
    finally:
        os.close(top)
    os.rmdir(root)


def _emptied(directory: int) -> list[str]:
    """The directories in it; everything else in it is gone."""
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
    return [name for name, is_directory in found if is_directory]


def _flattened(name: str, top: int) -> None:
    """Take a directory of `top` away; the directories in it come to lie in `top` themselves."""
    _permit(name, top)
    directory = os.open(name, DIRECTORY, dir_fd=top)
    try:
        for deeper in _emptied(directory):
            _permit(deeper, directory)  # one that may not be written to cannot be moved either
            os.rename(deeper, f"{os.urandom(8).hex()}", src_dir_fd=directory, dst_dir_fd=top)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=top)


def _permit(name: str, directory: int) -> None:
    descriptor = os.open(
        name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory
    )
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)
    finally:
        os.close(descriptor)
