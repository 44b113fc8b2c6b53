"""What the API answers, described for OpenAPI. Shapes follow from the types of the rows, so that
both tell the same story.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as s

from cihealing.domain import run
from cihealing.domain.values import (
    AttemptStatus,
    Blame,
    Evidence,
    FailureClass,
    Purpose,
    RunStatus,
    Stage,
)
from cihealing.read import contract, rows
from cihealing.wording.plain import camel

Shape = type[s.Serializer[Any]]
SIMPLE: Mapping[Any, type[s.Field[Any, Any, Any, Any]]] = {
    str: s.CharField,
    int: s.IntegerField,
    float: s.FloatField,
    bool: s.BooleanField,
    datetime: s.DateTimeField,
    UUID: s.UUIDField,
}
CHOICES: Mapping[str, type[Enum]] = {
    "failure_class": FailureClass,
    "blame": Blame,
    "evidence": Evidence,
    "stage": Stage,
    "purpose": Purpose,
}
"""Columns that are plain text and hold one of these, or nothing."""


PUBLISHED: Mapping[Any, str] = {
    run.PastCall: "AskedRow",
    run.Rerun: "RerunRow",
    rows.SeenRow: "Seen",
    rows.SpendFigures: "Spend",
}
"""Shapes known to clients by another name than the code's."""


@extend_schema_field({"nullable": True})
class Document(s.JSONField):
    """A stored document as it is."""


class ShapeOf:
    """Each type's shape, made once: two of one name would clash in the document."""

    def __init__(self) -> None:
        self.made: dict[Any, Shape] = {}

    def __call__(self, kind: Any) -> Shape:
        if kind not in self.made:
            self.made[kind] = shape(
                PUBLISHED.get(kind, kind.__name__),
                {camel(name): field(hint, name) for name, hint in hints(kind).items()},
            )
        return self.made[kind]


shape_of = ShapeOf()


def shape(name: str, parts: Mapping[str, s.Field[Any, Any, Any, Any]]) -> Shape:
    return type(name, (s.Serializer,), dict(parts))


def hints(kind: Any) -> dict[str, Any]:
    known = get_type_hints(kind)
    names = [f.name for f in fields(kind)] if is_dataclass(kind) else kind.__struct_fields__
    return {name: known[name] for name in names}


def field(hint: Any, name: str = "", *, null: bool = False) -> s.Field[Any, Any, Any, Any]:
    """The serializer field for a type; `name` finds the choices of plain text."""
    bare, optional = without_none(hint)
    more: dict[str, Any] = {"allow_null": True} if optional or null else {}
    origin = get_origin(bare)
    if bare is Any:
        return Document(allow_null=True)
    if origin is tuple:
        return listed(get_args(bare)[0], more)
    if origin is not None and issubclass(origin, Mapping):
        return s.DictField(child=field(get_args(bare)[1]), **more)
    if name in CHOICES and bare is str:
        return s.ChoiceField(choices=["", *values(CHOICES[name])], **more)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return s.ChoiceField(choices=values(bare), **more)
    if is_dataclass(bare) or issubclass(bare, msgspec.Struct):
        return shape_of(bare)(**more)
    return SIMPLE[bare](**more)


def without_none(hint: Any) -> tuple[Any, bool]:
    """The type behind `| None` and annotations, and whether there was such."""
    if get_origin(hint) is typing.Annotated:
        return without_none(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        left = [arg for arg in get_args(hint) if arg is not type(None)]
        return without_none(left[0])[0], True
    return hint, False


def listed(item: Any, more: Mapping[str, Any]) -> s.Field[Any, Any, Any, Any]:
    if is_dataclass(item) or (isinstance(item, type) and issubclass(item, msgspec.Struct)):
        return shape_of(item)(many=True, **more)
    return s.ListField(child=field(item), **more)


def values(kind: type[Enum]) -> list[str]:
    return [str(member.value) for member in kind]


def renamed(kind: Any, *, without: Sequence[str] = ()) -> dict[str, s.Field[Any, Any, Any, Any]]:
    return {
        contract.NAMES.get(name, camel(name)): field(hint, name)
        for name, hint in hints(kind).items()
        if name not in without
    }


PROBLEM = shape(
    "Problem",
    {
        "type": s.CharField(),
        "title": s.CharField(),
        "status": s.IntegerField(),
        "detail": s.CharField(required=False),
    },
)
EVENT = shape(
    "Event",
    {
        **{name: s.CharField() for name in ("type", "actor", "actorKind", "source", "text")},
        "version": s.IntegerField(),
        "at": s.DateTimeField(),
        "data": s.DictField(),
    },
)
EXECUTION = shape("Execution", renamed(rows.ExecutionRow))
ATTEMPT = shape(
    "Attempt",
    {
        "attemptNo": s.IntegerField(),
        **renamed(rows.AttemptRow, without=("number", "status")),
        "status": s.CharField(help_text=f"One of {', '.join(AttemptStatus)}."),
        "validationLog": s.CharField(),
    },
)
RUN_PARTS = {
    **renamed(rows.RunRow, without=("status",)),
    "status": s.ChoiceField(choices=values(RunStatus)),
}
RUN = shape("Run", RUN_PARTS)
RUN_DETAIL = shape(
    "RunDetail",
    {
        **renamed(rows.RunDetail, without=("status", *contract.APART)),
        **{camel(name): field(hint, name) for name, hint in contract.SHOWN.items()},
        "status": s.ChoiceField(choices=values(RunStatus)),
        "proof": Document(allow_null=True),
        "candidate": shape_of(rows.CandidateRow)(allow_null=True),
        "executions": EXECUTION(many=True),
        "followers": s.ListField(child=s.UUIDField()),
        "attempts": ATTEMPT(many=True),
        "pastAttempts": ATTEMPT(many=True),
        "events": EVENT(many=True),
    },
)
RUN_PAGE = shape(
    "RunPage",
    {
        "data": RUN(many=True),
        "total": s.IntegerField(help_text="10,000 at most where `q` is given."),
        "totalCapped": s.BooleanField(),
        "page": s.IntegerField(),
        "pageSize": s.IntegerField(),
        "nextCursor": s.CharField(allow_null=True),
    },
)
MEMORY = shape("Memory", {**renamed(rows.Memory, without=("others",)), "others": RUN(many=True)})
DELIVERY = shape("Delivery", renamed(rows.DeliveryRow))
SUMMARY = shape_of(rows.Summary)
REPOSITORIES = shape("Repositories", {"data": shape_of(rows.RepositoryRow)(many=True)})
