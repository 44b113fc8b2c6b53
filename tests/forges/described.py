"""What GitHub's published description says of a call: whether what we ask is allowed, and what its
answer holds.

The fake's state gives the fields that matter; the others are filled in as the description says, so
that an answer has the real one's shape, with every field that is required. Then the whole is
validated.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DESCRIPTION = Path(__file__).parent / "openapi" / "github.json"
MANY_SEGMENTS = ("ref",)
FORMATS = {
    "date-time": "2026-11-02T09:00:00Z",
    "uri": "https://api.github.com/x",
    "email": "ann@example.org",
    "uri-template": "https://api.github.com/x{/y}",
}


class NotAsDescribed(AssertionError):
    """An answer of the fake that GitHub would not give."""


@cache
def description() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DESCRIPTION.read_text())
    return found


@cache
def patterns() -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """(verb, path, name of the operation); those with more fixed letters first."""
    made = []
    for name in description()["operations"]:
        verb, path = name.split(" ", 1)
        pattern = re.sub(
            r"\\\{(\w+)\\\}", lambda m: ".+" if m[1] in MANY_SEGMENTS else "[^/]+", re.escape(path)
        )
        made.append((verb, re.compile(pattern), name))
    return tuple(sorted(made, key=lambda one: -len(re.sub(r"\{\w+\}", "", one[2]))))


def operation_of(verb: str, path: str) -> str:
    found = next(
        (name for v, pattern, name in patterns() if v == verb and pattern.fullmatch(path)), ""
    )
    if not found:
        raise NotAsDescribed(f"GitHub describes no {verb} {path}")
    return found


@cache
def validator(operation: str, what: str, status: str = "") -> Draft202012Validator | None:
    found = description()["operations"][operation]
    schema = found["request"] if what == "request" else found["responses"].get(status)
    return Draft202012Validator({**schema, "schemas": description()["schemas"]}) if schema else None


def faults(operation: str, what: str, value: Any, status: str = "") -> list[str]:
    """Where a value is not as described; empty where it is, or where nothing is said of it."""
    judge = validator(operation, what, status)
    if judge is None:
        return []
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in judge.iter_errors(value)
    ][:5]


def answer(operation: str, status: int, value: Any) -> Any:
    """The value with all that is required of it. Raises NotAsDescribed."""
    schema = description()["operations"][operation]["responses"].get(str(status))
    if schema is None:
        if str(status) not in description()["operations"][operation]["responses"]:
            raise NotAsDescribed(f"{operation} never answers {status}")
        return value
    whole = completed(schema, value)
    if wrong := faults(operation, "response", whole, str(status)):
        raise NotAsDescribed(f"{operation} {status}: {wrong}")
    return whole


def completed(schema: dict[str, Any], value: Any) -> Any:
    """`value`, with the required fields it lacks."""
    schema = resolved(schema)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return completed(chosen(schema[choice], value), value)
    if "allOf" in schema:
        for part in schema["allOf"]:
            value = completed(part, value)
        return value
    if isinstance(value, list) and "items" in schema:
        return [completed(schema["items"], item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    made = {
        name: completed(fields[name], item) if name in fields else item
        for name, item in value.items()
    }
    return {
        **{
            name: sample(fields.get(name, {}))
            for name in schema.get("required", ())
            if name not in made
        },
        **made,
    }


def chosen(choices: list[dict[str, Any]], value: Any) -> dict[str, Any]:
    kinds = {
        dict: "object",
        list: "array",
        str: "string",
        bool: "boolean",
        int: "integer",
        type(None): "null",
    }
    wanted = kinds.get(type(value), "")
    return next(
        (
            c
            for c in map(resolved, choices)
            if c.get("type") == wanted or (wanted == "object" and "properties" in c)
        ),
        choices[0],
    )


def sample(schema: dict[str, Any]) -> Any:
    """The least that the schema allows."""
    schema = resolved(schema)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            nothing = next((c for c in schema[choice] if c.get("type") == "null"), None)
            return None if nothing else sample(schema[choice][0])
    if "allOf" in schema:
        return sample(schema["allOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        return None if "null" in kind else sample({**schema, "type": kind[0]})
    match kind:
        case "array":
            return [sample(schema["items"])] * int(schema.get("minItems", 0))
        case "string":
            return FORMATS.get(schema.get("format", ""), "x" * int(schema.get("minLength", 1)))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return (
                {
                    name: sample(schema["properties"].get(name, {}))
                    for name in schema.get("required", ())
                }
                if "properties" in schema
                else {}
            )


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = description()["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
