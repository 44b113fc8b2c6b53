"""What comes in from outside, turned into values or refused: bodies, ids, page numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import IO, Any
from uuid import UUID

from django.http import Http404, HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from cihealing.read.cursors import BadPage, BadQuery
from cihealing.web.api.errors import BodyTooLarge

BODY = 64 * 1024
"""Bytes of an action's body."""
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class BoundedJson(BaseParser):
    """Strict JSON of at most `BODY` bytes: no NaN, no endless numbers, no bottomless nesting. An
    empty body is an empty object.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        raw = stream.read(BODY + 1)
        if len(raw) > BODY:
            raise BodyTooLarge
        try:
            return json.loads(raw, parse_constant=_refuse) if raw.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ParseError(f"not JSON: {str(error)[:200]}") from error


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


class OneRenderer(BaseContentNegotiation):
    """Every path has one form of answer, so an Accept header can ask for nothing else; a view that
    has two looks at it itself.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next(iter(parsers)) if kind in ("application/json", "") or _empty(request) else None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        only = next(iter(renderers))
        return only, str(only.media_type)


def _empty(request: Request) -> bool:
    return str(request.META.get("CONTENT_LENGTH") or "0") == "0"


def run_id(text: str) -> UUID:
    """Raises Http404: what is no id names nothing."""
    if not ID.fullmatch(text):
        raise Http404
    return UUID(text)


def number(request: Request, name: str, *, default: int) -> int:
    """Raises BadPage."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not NUMBER.fullmatch(text):
        raise BadPage(f"{name} is a whole number")
    return int(text)


def last_event_id(request: Request | HttpRequest, *, parameter: str) -> str:
    """Where a stream resumes: the header browsers send on their own, else the parameter a page
    begins with.
    """
    return str(request.META.get("HTTP_LAST_EVENT_ID") or request.GET.get(parameter) or "")


def version(text: str) -> int:
    """Raises BadQuery."""
    if text and not NUMBER.fullmatch(text):
        raise BadQuery("Last-Event-ID of a run's events is the version of the run")
    return int(text or 0)
