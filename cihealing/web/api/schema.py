"""The OpenAPI document, and a page that lists it without asking anybody outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView

METHODS = ("get", "post", "put", "patch", "delete")


class SchemaView(SpectacularAPIView):
    """`Accept` chooses between YAML and JSON, or `?format=json`."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    schema: Mapping[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return render(
        request,
        "cihealing/docs.html",
        {"info": schema["info"], "operations": list(_operations(schema["paths"]))},
    )


def _operations(paths: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, item in paths.items():
        for method in METHODS:
            if method in item:
                yield _operation(path, method, item[method])


def _operation(path: str, method: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": spec["operationId"],
        "path": path,
        "method": method.upper(),
        "told": spec.get("description", ""),
        "parameters": [_parameter(p) for p in spec.get("parameters", ())],
        "takes": list(_shapes(spec.get("requestBody", {}).get("content", {}))),
        "answers": [
            {"status": code, "shapes": list(_shapes(a.get("content", {})))}
            for code, a in spec["responses"].items()
        ],
    }


def _parameter(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": spec["name"],
        "where": spec["in"],
        "told": spec.get("description", ""),
        "choices": spec["schema"].get("enum", ()),
    }


def _shapes(content: Mapping[str, Any]) -> Iterator[str]:
    for media_type, body in content.items():
        name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
        yield f"{media_type} {name}".strip()
