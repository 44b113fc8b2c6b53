"""Conversations with the other sides: one base URL, one credential that goes there alone, redirects
by hand, bounded bodies and time.

Sources: GitHub REST 'Rate limits' and 'Best practices'; GitLab 'Rate limits'; RFC 9110 10.2.3
'Retry-After'; HTTPX 'Extensions' (trace).
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from cihealing.http import network, pace, urls
from cihealing.http.answers import HttpAnswer, Streamed
from cihealing.http.refusal import Refusal, RequestRefused
from cihealing.http.urls import Allowed, Base, Target
from cihealing.http.watch import MAX_SECONDS, RequestWatch, in_time
from cihealing.ports import PermanentError, TransientError
from cihealing.settings import OutboundSettings

MAX_HOPS = 4
"""Redirects that are followed."""
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer that is no log, unpacked."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
AGENT = "cihealing"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One other side as its settings say. `title` is its name for people, `credential` the headers
    that prove us to `base`.
    """

    title: str
    base: Base
    allowed: Allowed
    credential: Mapping[str, str]
    headers: Mapping[str, str]


class Conversation:
    """Requests to one side, one after the other. Every method raises TransientError (unreachable,
    too slow, over the pace) and Refused.
    """

    def __init__(
        self, side: Side, *, transport: httpx.BaseTransport, keep_to: pace.Pace, rate: int
    ) -> None:
        # No `httpx.Client`: it reads the Location of a redirect by rules of its own, keeps cookies
        # and looks at the environment.
        self.side, self._transport, self._pace, self._rate = side, transport, keep_to, rate
        self._end = time.monotonic() + MAX_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    def get(
        self, path: str, *, params: Mapping[str, str | int] | None = None, limit: int = MAX_ANSWER
    ) -> HttpAnswer:
        """The answer at `path` below the base URL."""
        with self.stream(path, params=params) as streamed:
            return self._whole(streamed, limit=limit)

    def send(
        self,
        method: str,
        path: str,
        *,
        content: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """One request that may change something, with JSON or a form; its redirects are not
        followed.
        """
        body = _encoded(content, form)
        target = self._below(path)
        with self._answered(), in_time(self.side.title, end=self._end) as watch:
            request = self._request(method, target, at_side=True, body=body, more=headers or {})
            with self._sent(request, watch) as response:
                streamed = Streamed(
                    status=response.status_code,
                    headers=response.headers,
                    chunks=watch.over(response),
                    at_side=True,
                )
                return self._whole(streamed, limit=MAX_ANSWER)

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, str | int] | None = None, accept: str = ""
    ) -> Iterator[Streamed]:
        """The answer at `path`, or at a whole URL that an answer of the side named, over at most
        MAX_HOPS redirects.
        """
        target, more = (
            self._judged(path) if "://" in path else self._below(path, params),
            {"Accept": accept} if accept else {},
        )
        with self._answered(), in_time(self.side.title, end=self._end) as watch:
            at_side = target.origin == self.side.base.target.origin
            for _ in range(MAX_HOPS + 1):
                with self._sent(
                    self._request("GET", target, at_side=at_side, more=more), watch
                ) as response:
                    if not response.has_redirect_location:
                        yield Streamed(
                            status=response.status_code,
                            headers=response.headers,
                            chunks=watch.over(response),
                            at_side=at_side,
                        )
                        return
                    target = self._next(target, response.headers["location"])
                # Once it has led elsewhere, a redirect never brings the credential back: who
                # answers there chose where to.
                at_side = at_side and target.origin == self.side.base.target.origin
        raise RequestRefused(
            Refusal("redirect.too_many", f"{self.side.title} redirects more than {MAX_HOPS} times")
        )

    def _next(self, target: Target, location: str) -> Target:
        found = urls.follow(target, location, among=self.side.allowed)
        if isinstance(found, Refusal):
            raise RequestRefused(
                Refusal(
                    found.rule,
                    f"{self.side.title} redirects where nothing is fetched: {found.text}",
                )
            )
        return found

    def _judged(self, url: str) -> Target:
        found = urls.judge(url, among=self.side.allowed)
        if isinstance(found, Refusal):
            raise RequestRefused(found)
        return found

    def _below(self, path: str, params: Mapping[str, str | int] | None = None) -> Target:
        query = f"?{httpx.QueryParams(params)}" if params else ""
        return self._judged(f"{self.side.base.url}/{path.lstrip('/')}{query}")

    def _request(
        self,
        method: str,
        target: Target,
        *,
        at_side: bool,
        body: tuple[bytes, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        headers = {
            "User-Agent": AGENT,
            "Accept-Encoding": "identity",
            **self.side.headers,
            **(more or {}),
        }
        if body:
            headers["Content-Type"] = body[1]
        if at_side:
            headers |= self.side.credential
        url = httpx.URL(
            scheme=target.scheme, host=target.host, port=target.port, raw_path=target.path.encode()
        )
        return httpx.Request(
            method,
            url,
            headers=headers,
            content=body[0] if body else None,
            extensions={"timeout": TIMEOUT.as_dict()},
        )

    @contextmanager
    def _sent(self, request: httpx.Request, watch: RequestWatch) -> Iterator[httpx.Response]:
        self._pace.take(f"{request.url.host}:{request.url.port or ''}", rate=self._rate)
        request.extensions["trace"] = watch.see
        response = self._transport.handle_request(request)
        try:
            yield response
        finally:
            response.close()

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """What goes wrong between here and there passes."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, zlib.error) as error:
            raise TransientError(
                f"{self.side.title} could not be reached: {type(error).__name__}"
            ) from error

    def _whole(self, streamed: Streamed, *, limit: int) -> HttpAnswer:
        body = bytearray()
        for chunk in streamed.chunks:
            body += chunk
            if len(body) > limit:
                raise PermanentError(
                    f"{self.side.title} answered with more than {limit} bytes, which are not read"
                )
        return HttpAnswer(
            status=streamed.status,
            headers=streamed.headers,
            body=bytes(body),
            at_side=streamed.at_side,
        )


def converse(
    side: Side,
    *,
    settings: OutboundSettings,
    transport: httpx.BaseTransport | None = None,
    resolve: network.Resolve | None = None,
    keep_to: pace.Pace | None = None,
) -> Conversation:
    """A conversation over the real network, or over another `transport`, which then resolves names
    itself unless `resolve` is given.

    Raises PermanentError where the settings of proxy or certificates are of no use.
    """
    if transport is None:
        chosen, shared = (
            network.transport(settings, among=side.allowed, resolve=resolve or network.system),
            pace.SHARED,
        )
    else:
        chosen, shared = (
            (
                network.Pinned(transport, among=side.allowed, resolve=resolve)
                if resolve
                else transport
            ),
            pace.Pace(),
        )
    return Conversation(
        side, transport=chosen, keep_to=keep_to or shared, rate=settings.fetches_per_minute
    )


def _encoded(content: object, form: Mapping[str, str] | None) -> tuple[bytes, str] | None:
    if form is not None:
        return str(httpx.QueryParams(form)).encode(), "application/x-www-form-urlencoded"
    return None if content is None else (json.dumps(content).encode(), "application/json")
