"""Where the lines of a change stand in a file, and what the file is then.

Lines are compared exactly first, then without what a model easily gets wrong: line ends, blanks at
the end, indentation. What a comparison left out is not changed either. Nothing fuzzier, and never
one place of several without a reason.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

from cihealing.diagnosis.prompting.given import GivenHunk, NotApplicable
from cihealing.texts import TextLine, joined, lines_of

IDENT = re.compile(r"\$Id: [^$\n]{0,200}\$")
"""What git writes into a checkout where the file itself has `$Id$`."""
MAX_PLACES = 5

Key = Callable[[TextLine], object]


def _ended(line: TextLine) -> object:
    return IDENT.sub("$Id$", line.text)


def _stripped_right(line: TextLine) -> object:
    return line.text.rstrip()


def _stripped(line: TextLine) -> object:
    return line.text.strip()


KEYS: tuple[Key, ...] = (tuple, _ended, _stripped_right, _stripped)
"""What is compared, the strictest first."""
PLAIN = KEYS[:2]
"""Those that look at every character but the line ends."""
MAX_FOUND = 1_000


def placed(
    now: list[TextLine], hunk: GivenHunk, path: str, *, keys: Sequence[Key] = KEYS
) -> list[TextLine]:
    """The lines with the hunk in its place. Raises NotApplicable."""
    before = hunk.before
    if not before:
        if now:
            raise NotApplicable(f"a hunk of {path} does not say where it belongs")
        return hunk.after
    for key in keys:
        starts = _starts(now, before, key, hunk)
        if starts:
            return _put(now, hunk, _one(starts, hunk, now, path), key, path)
    raise NotApplicable(_missing(now, before, path))


def _starts(now: list[TextLine], before: list[TextLine], key: Key, hunk: GivenHunk) -> list[int]:
    """Every key is one character, so that hostile repetition is searched as fast as any text."""
    known: dict[object, str] = {}
    have, wanted = (
        "".join(known.setdefault(key(line), chr(len(known))) for line in lines)
        for lines in (now, before)
    )
    said = [n - 1 for n in (hunk.new_start, hunk.old_start) if n and have.startswith(wanted, n - 1)]
    return sorted({*_places(have, wanted), *said})


def _missing(now: list[TextLine], before: list[TextLine], path: str) -> str:
    bare = {line.text.strip() for line in now}
    strange = next((line.text for line in before if line.text.strip() not in bare), None)
    told = f": no line is {strange.strip()[:120]!r}" if strange is not None else " in this order"
    return f"the text to replace is not in {path}{told}"


def _one(starts: list[int], hunk: GivenHunk, now: list[TextLine], path: str) -> int:
    """The place that is meant: where the numbers say, else where the heading says."""
    if len(starts) == 1:
        return starts[0]
    numbered = [n for n in starts if n + 1 in (hunk.new_start, hunk.old_start)]
    if len(numbered) > 1:
        numbered = [n for n in numbered if n + 1 == hunk.new_start]
    enclosed = [n for n in starts if hunk.heading and _encloses(now, n, hunk)]
    for found in (numbered, enclosed):
        if len(found) == 1:
            return found[0]
    raise NotApplicable(
        f"the text to replace stands {len(starts)} times in {path} {in_words(starts)}"
    )


def in_words(starts: Sequence[int]) -> str:
    """Places for people and models, numbered from 1."""
    numbers = [str(n + 1) for n in starts[:MAX_PLACES]]
    more = ["more"] if len(starts) > MAX_PLACES else []
    *first, last = [*numbers, *more]
    return f"(lines {', '.join(first)} and {last})" if first else f"(line {last})"


def _encloses(now: list[TextLine], start: int, hunk: GivenHunk) -> bool:
    """Whether a line that encloses the first changed one begins as the heading does."""
    changed = next((n for n, (sign, _) in enumerate(hunk.lines) if sign != " "), 0)
    at = min(start + changed, len(now) - 1)
    depth = len(indent(now[at].text)) + (0 if now[at].text.strip() else 1_000)
    for line in reversed(now[:at]):
        if not line.text.strip() or len(indent(line.text)) >= max(depth, 1):
            continue
        depth = len(indent(line.text))
        if line.text.strip().startswith(hunk.heading):
            return True
        if depth == 0:
            return False
    return False


def indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _put(now: list[TextLine], hunk: GivenHunk, start: int, key: Key, path: str) -> list[TextLine]:
    found = now[start : start + len(hunk.before)]
    moved = _moved(found, hunk.before, path) if key is _stripped else None
    fresh: list[TextLine] = []
    for group in _groups(hunk, found):
        fresh += group.lines(key, moved)
    ended = _with_ends(now, start, found, fresh, hunk)
    return [*now[:start], *ended, *now[start + len(found) :]]


class _Group:
    """Lines that are replaced together: those of the file, as they were given, and what comes."""

    def __init__(self) -> None:
        self.found: list[TextLine] = []
        self.given: list[TextLine] = []
        self.added: list[TextLine] = []
        self.kept: list[TextLine] = []

    def lines(self, key: Key, moved: Callable[[str], str] | None) -> list[TextLine]:
        """What was not compared of a line stays as the file has it; an end that is not known yet is
        empty.
        """
        if key is tuple:
            return [*self.added, *self.kept]
        pairs = len(self.found) == len(self.added)
        usual = next((line.end for line in self.found if line.end), "")
        fresh = []
        for n, line in enumerate(self.added):
            text = moved(line.text) if moved else line.text
            end = self.found[n].end if pairs else usual
            if pairs and key is not _ended:
                text = _blanks(text, given=self.given[n].text, found=self.found[n].text)
            fresh.append(TextLine(text, end))
        return [*fresh, *self.kept]


def _blanks(text: str, *, given: str, found: str) -> str:
    """With the blanks at the end that the file has, where the answer does not change those."""
    if _tail(text) != _tail(given):
        return text
    return text.rstrip() + _tail(found)


def _tail(text: str) -> str:
    return text[len(text.rstrip()) :]


def _groups(hunk: GivenHunk, found: list[TextLine]) -> list[_Group]:
    groups, at = [_Group()], 0
    for sign, line in hunk.lines:
        group = groups[-1]
        if sign != " " and group.kept:
            groups.append(group := _Group())
        if sign == "+":
            group.added.append(line)
            continue
        (group.kept if sign == " " else group.found).append(found[at])
        if sign == "-":
            group.given.append(line)
        at += 1
    return groups


def _with_ends(
    now: list[TextLine], start: int, found: list[TextLine], fresh: list[TextLine], hunk: GivenHunk
) -> list[TextLine]:
    """Every line ends as those around it; the last of the file as it did, unless the hunk says
    otherwise.
    """
    is_last = start + len(found) == len(now)
    near = _end_near(now, start, found)
    ended = []
    for line in fresh:
        near = line.end or near
        ended.append(TextLine(line.text, near))
    if is_last and ended:
        had, has = (not lines or bool(lines[-1].end) for lines in (hunk.before, hunk.after))
        stays = bool(found[-1].end) if had == has else has
        ended[-1] = TextLine(ended[-1].text, ended[-1].end if stays else "")
    return ended


def _end_near(now: list[TextLine], start: int, found: list[TextLine]) -> str:
    """How lines end here."""
    around = [*found[:1], *reversed(now[:start]), *found[1:], *now[start + len(found) :]]
    return next((line.end for line in around if line.end), "\n")


def _moved(found: list[TextLine], given: list[TextLine], path: str) -> Callable[[str], str]:
    """How the answer's indentation becomes the file's. Raises NotApplicable."""
    pairs = {
        (indent(a.text), indent(b.text))
        for a, b in zip(found, given, strict=True)
        if b.text.strip()
    }
    extra = {a.removesuffix(b) if a.endswith(b) else None for a, b in pairs}
    only = extra.pop() if len(extra) == 1 else None
    if only is not None:
        return lambda text: only + text if text.strip() else text
    width = _width(pairs)
    if not width:
        raise NotApplicable(f"the text to replace in {path} is indented in another way")
    return lambda text: _tabbed(text, width)


def _width(pairs: set[tuple[str, str]]) -> int:
    """Blanks that stand for one tab of the file; 0 where they do not."""
    widths = {len(b) / max(len(a), 1) for a, b in pairs if a or b}
    plain = all(set(a) <= {"\t"} and set(b) <= {" "} and bool(a) == bool(b) for a, b in pairs)
    width = widths.pop() if len(widths) == 1 else 0
    return int(width) if plain and width == int(width) else 0


def _tabbed(text: str, width: int) -> str:
    deep, rest = divmod(len(indent(text)), width)
    return "\t" * deep + " " * rest + text.lstrip()


def searched(now: list[TextLine], search: str, replace: str, path: str) -> list[TextLine]:
    """The lines with `search`, which stands once, replaced. Raises NotApplicable."""
    if not search.strip():
        raise NotApplicable(f"the text to replace in {path} is empty")
    content = joined(now)
    if "\r" in search and len(_places(content, search)) == 1:
        return lines_of(content.replace(search, replace))
    plain = "".join(line.text + ("\n" if line.end else "") for line in now)
    wanted, given = search.replace("\r\n", "\n"), replace.replace("\r\n", "\n")
    places = _places(plain, wanted)
    meant = [at for at in places if not _within_word(plain, at, wanted)]
    if len(meant) == 1:
        return _spliced(now, plain, meant[0], wanted, given, path)
    if len(meant) > 1:
        starts = [plain.count("\n", 0, at) for at in meant]
        raise NotApplicable(
            f"the text to replace stands {len(starts)} times in {path} {in_words(starts)}"
        )
    try:
        return placed(now, _tolerant(wanted, given), path, keys=KEYS[1:])
    except NotApplicable:
        if not places:
            raise
    starts = [plain.count("\n", 0, at) for at in places]
    raise NotApplicable(
        f"the text to replace stands in {path} only within a longer word {in_words(starts)}"
    )


def _places(content: str, wanted: str) -> list[int]:
    """Overlaps count."""
    found = [content.find(wanted)]
    while found[-1] >= 0 and len(found) <= MAX_FOUND:
        found.append(content.find(wanted, found[-1] + 1))
    return [at for at in found if at >= 0]


def _within_word(content: str, at: int, wanted: str) -> bool:
    return _joins(content[at - 1 : at] if at else "", wanted[0]) or _joins(
        wanted[-1], content[at + len(wanted) : at + len(wanted) + 1]
    )


def _joins(left: str, right: str) -> bool:
    return bool(left and right) and all(c.isalnum() or c == "_" for c in (left, right))


def _spliced(
    now: list[TextLine], plain: str, at: int, wanted: str, given: str, path: str
) -> list[TextLine]:
    """Whole lines around the place, with what stands there instead."""
    first = plain.count("\n", 0, at)
    start = plain.rfind("\n", 0, at) + 1
    stop = at + len(wanted)
    if wanted.endswith("\n") and stop < len(plain) and given and not given.endswith("\n"):
        given += "\n"
    until = stop if plain[stop - 1] == "\n" else plain.find("\n", stop) + 1 or len(plain)
    if not given and plain[stop - 1] == "\n" and start < at:
        until = plain.find("\n", stop) + 1 or len(plain)
    old, new = plain[start:until], plain[start:at] + given + plain[stop:until]
    return _put(now, compared(old, new), first, _ended, path)


def replaced(now: list[TextLine], text: str, path: str) -> list[TextLine]:
    """Another content of the whole file: lines that stay keep their ends, others end as those
    around them.
    """
    if not now or "\r\n" in text:
        return lines_of(text)
    plain = "".join(line.text + ("\n" if line.end else "") for line in now)
    return _put(now, compared(plain, text), 0, _ended, path)


def _tolerant(search: str, replace: str) -> GivenHunk:
    """Empty lines around both are no part of the change; nor is the end of the last line."""
    old, new = search.split("\n"), replace.split("\n")
    for end in (0, -1):
        while old and not old[end].strip():
            old.pop(end)
            if new and not new[end].strip():
                new.pop(end)
    return compared("\n".join(old), "\n".join(new) if any(new) or len(new) > 1 else "")


def compared(old: str, new: str) -> GivenHunk:
    """The change from one text to another, line by line. An end that both lack is none that
    changes.
    """
    if old and new and not old.endswith("\n") and not new.endswith("\n"):
        old, new = old + "\n", new + "\n"
    before, after = lines_of(old), lines_of(new)
    first = _common(before, after)
    last = _common(before[first:][::-1], after[first:][::-1])
    here, there = before[first : len(before) - last], after[first : len(after) - last]
    matcher = difflib.SequenceMatcher(None, here, there, autojunk=len(here) > MAX_FOUND)
    lines = [(" ", line) for line in before[:first]]
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            lines += [(" ", line) for line in here[i:j]]
        else:
            lines += [("-", line) for line in here[i:j]] + [("+", line) for line in there[k:m]]
    return GivenHunk(lines=(*lines, *((" ", line) for line in before[len(before) - last :])))


def _common(left: list[TextLine], right: list[TextLine]) -> int:
    """Lines that are the same at the start."""
    pairs = zip(left, right, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
