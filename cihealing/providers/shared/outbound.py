"""What the outbound halves share: which side a job ran on and whether its token may be shown there,
answers as fields, bounded logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from cihealing import providers
from cihealing.domain.values import Ignored, Result
from cihealing.http import answers, client, urls
from cihealing.http.answers import HttpAnswer, Streamed
from cihealing.http.client import Conversation, Side
from cihealing.http.refusal import Refusal
from cihealing.http.urls import Base
from cihealing.ports import BadPayload, Hosts, NoLog, PermanentError, TransientError
from cihealing.providers.shared import wire as _wire
from cihealing.reading.bounded import Bound
from cihealing.settings import OutboundSettings

MAX_LOG = 64 * 1024 * 1024
"""Bytes of a log that are kept: its head and its tail."""
MAX_READ = 512 * 1024 * 1024
"""Bytes, unpacked, from which a log is taken as far as it was read: to ask once more would bring no
other.
"""
MAX_PAGES = 20
PER_PAGE = 100
MAX_HANDLE = 200
POLL = 30.0
"""Seconds between two looks at a rerun."""
SEND = ", or send the log with `cihealing notify --log build.log`"
EVENTS = ", or let it send its job events"
NOT_HERE = ": without it jobs are not rerun from here"


@dataclass(frozen=True, kw_only=True)
class RestApi:
    """The API of one CI. `same(base, host)` says whether the API at `base` is that of the host a
    job ran on.
    """

    title: str
    hosts: Hosts
    token: str
    """The setting that holds its token."""
    headers: Mapping[str, str]
    credential: Callable[[str], Mapping[str, str]]
    same: Callable[[str, str], bool]
    example: str = ""
    """How the base URL of an own installation is written."""

    def side(
        self,
        settings: OutboundSettings,
        *,
        bases: Sequence[str],
        token: str,
        host: str,
        need: str,
        wanted: str,
        otherwise: str = "",
    ) -> Side:
        """Where a job of `host` is asked about. Raises PermanentError that names what to set: the
        token, or the base URL.

        `otherwise` says what helps, or does not, where no token is set.
        """
        if not token:
            raise PermanentError(
                f"set {self.token} (a token with {need}) to bring {wanted} from"
                f" {self.title}{otherwise}"
            )
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise PermanentError(f"{self.token} holds characters that no token has")
        hosts = self.hosts.at(*bases)
        base = self._base(hosts, host)
        among = urls.allowed(settings, sides=(hosts,), public=providers.public_hosts())
        return Side(
            title=self.title,
            base=base,
            allowed=among,
            credential=self.credential(token),
            headers=self.headers,
        )

    def _base(self, hosts: Hosts, host: str) -> Base:
        found = urls.bases_of(hosts)
        bases = [base for base in found if isinstance(base, Base)]
        if wrong := [refusal.text for refusal in found if isinstance(refusal, Refusal)]:
            raise PermanentError(wrong[0])
        # The token of one installation is not shown to another.
        for base in bases:
            if not host or self.same(base.target.authority, host):
                return base
        known = ", ".join(base.target.authority for base in bases) or "none"
        hint = f" ({self.example.format(host=host)})" if self.example else ""
        raise PermanentError(
            f"the job ran on {host[:100]}, {self.token} is for {known}: set"
            f" {self.hosts.setting}{hint}"
        )


def talk(
    side: Side, *, settings: OutboundSettings, transport: httpx.BaseTransport | None
) -> Conversation:
    return client.converse(side, settings=settings, transport=transport)


@contextmanager
def no_log() -> Iterator[None]:
    """What cannot be had for good is a log that cannot be had."""
    try:
        yield
    except PermanentError as error:
        raise NoLog(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was asked for, for messages: `subject` is what, `need` what the token must be
    allowed.
    """

    api: RestApi
    subject: str
    need: str

    def check(self, answer: HttpAnswer | Streamed) -> None:
        """Raises TransientError for what passes, PermanentError for the rest that is not 2xx."""
        answers.check_busy(answer, title=self.api.title)
        if 200 <= answer.status < 300:
            return
        if not answer.at_side:
            # The log store: its short-lived address may have expired on the way.
            raise TransientError(
                f"the log store of {self.api.title} answered {answer.status} for {self.subject}"
            )
        told = f"{self.api.title} answered {answer.status} for {self.subject}{_own_words(answer)}"
        raise PermanentError(f"{told}: {self._advice(answer.status)}")

    def _advice(self, status: int) -> str:
        if status == 401:
            return f"{self.api.token} is expired or revoked, set a new one with {self.need}"
        if status == 410:
            return "the log has expired there, run the job again"
        return f"{self.api.token} needs {self.need}, then retry"

    def fields(self, answer: HttpAnswer) -> _wire.Fields:
        self.check(answer)
        with self.readable():
            return _wire.Fields(_wire.json_object(answer.body))

    def items(self, answer: HttpAnswer) -> list[_wire.Fields]:
        """Of an answer that is a list."""
        self.check(answer)
        with self.readable():
            return _wire.Fields(_wire.json_object(b'{"items":%s}' % answer.body)).children("items")

    @contextmanager
    def readable(self) -> Iterator[None]:
        try:
            yield
        except BadPayload as error:
            raise TransientError(
                f"{self.api.title}'s answer for {self.subject} could not be read: {error}"
            ) from error


def _own_words(answer: HttpAnswer | Streamed) -> str:
    """The other side's own words, made fit to show."""
    if isinstance(answer, Streamed):
        return ""
    try:
        words = _wire.Fields(_wire.json_object(answer.body))
    except BadPayload:
        return ""
    found = [words.label(name, limit=200) for name in ("message", "error") if words.is_text(name)]
    return f" ({found[0]})" if found else ""


def whole_log(conversation: Conversation, path: str, *, asked: Subject, accept: str = "") -> str:
    """The log at `path`: all of it, or its head and tail, or those of what was read before it
    became too much.
    """
    with conversation.stream(path, accept=accept) as streamed:
        asked.check(streamed)
        return kept(streamed.chunks)


def kept(chunks: Iterable[bytes]) -> str:
    """What is kept of a log; where it goes on beyond MAX_READ its last line says so."""
    within = Bound(MAX_READ)
    log = _wire.head_and_tail(within.over(chunks), limit=MAX_LOG).decode(
        "utf-8-sig", errors="replace"
    )
    return f"{log}\n[cihealing: the log goes on: {within.cut}]\n" if within.cut else log


def asked_before(execution: Mapping[str, str]) -> int:
    """Reruns of this job on this commit that were asked for before this one.

    `asked` says so; without it the number at the end of `rerun` (`RUN-GENERATION-NUMBER`) does.
    """
    given = execution.get("asked", "")
    if re.fullmatch(r"[0-9]{1,4}", given):
        return int(given)
    number = re.search(r"-([0-9]{1,4})$", execution.get("rerun", ""))
    return max(0, int(number[1]) - 1) if number else 0


def handle(*parts: str) -> str:
    """Raises PermanentError where it would be longer than a handle may be."""
    found = " ".join(parts)
    if len(found) > MAX_HANDLE:
        raise PermanentError(
            f"the names of this build do not fit into {MAX_HANDLE} characters, its rerun could not"
            " be followed"
        )
    return found


def parts_of(text: str, *patterns: str) -> Sequence[str]:
    """The parts of a handle. Raises PermanentError for one of another make."""
    found = text.split(" ")
    if len(found) != len(patterns) or not all(
        re.fullmatch(pattern, part) for pattern, part in zip(patterns, found, strict=False)
    ):
        raise PermanentError(
            "this rerun was asked for by another version or provider: its result cannot be"
            " looked up"
        )
    return found


def ended(result: Result | None) -> Result:
    """The result of a rerun. Raises TransientError while there is none: looking again costs nothing
    where it says when.
    """
    if result is None:
        raise TransientError("the rerun has not ended yet", retry_after=POLL)
    return result


def results(found: Sequence[Result]) -> list[Result]:
    """Red and green ones alone."""
    return [result for result in found if not isinstance(result, Ignored)]
