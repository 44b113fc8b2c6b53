"""What an action takes, validated. What is answered is described by `cihealing.web.api.shapes`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from cihealing.domain.review import ACTS

NOTE = 2_000
"""Characters of a note."""
VERSIONS = 2**31 - 1


class WholeNumber(s.IntegerField):
    """A JSON number without fraction; text that looks like one and booleans are refused."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Text(s.CharField):
    """JSON text that can be stored: no number, no NUL, no half of a character."""

    default_error_messages = {"broken": "holds half of a character"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            data.encode()
        except UnicodeEncodeError:
            self.fail("broken")
        return str(super().to_internal_value(data))


class ActionSerializer(s.Serializer[Any]):
    """`approve` needs `act` and the `version` that was looked at; for the others `version` is
    optional and checked when given.
    """

    act = s.ChoiceField(choices=ACTS, required=False, default="")
    version = WholeNumber(
        required=False, allow_null=True, default=None, min_value=0, max_value=VERSIONS
    )
    note = Text(required=False, allow_blank=True, default="", max_length=NOTE)
    commit = s.RegexField(
        r"^[0-9a-f]{40}([0-9a-f]{24})?$", required=False, allow_blank=True, default=""
    )
    """For `human-fix`: the commit that did it, to be remembered once it is shown to heal."""
