"""Cuts the operations the fake GitHub speaks out of GitHub's published description of its REST API.

`npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz`, then `python -m
tests.forges.openapi.extract package VERSION`. The description is under the MIT licence, which
stands beside it (LICENSE).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WANTED = (
    "GET /repos/{owner}/{repo}/git/ref/{ref}",
    "POST /repos/{owner}/{repo}/git/refs",
    "DELETE /repos/{owner}/{repo}/git/refs/{ref}",
    "GET /repos/{owner}/{repo}/git/matching-refs/{ref}",
    "GET /repos/{owner}/{repo}/git/commits/{commit_sha}",
    "POST /repos/{owner}/{repo}/git/blobs",
    "POST /repos/{owner}/{repo}/git/trees",
    "POST /repos/{owner}/{repo}/git/commits",
    "GET /repos/{owner}/{repo}/pulls",
    "POST /repos/{owner}/{repo}/pulls",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}",
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge",
    "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
    "POST /repos/{owner}/{repo}/check-runs",
    "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
    "GET /repos/{owner}/{repo}/commits/{ref}/status",
    "GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "GET /repos/{owner}/{repo}/issues/comments",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/events",
    "GET /repos/{owner}/{repo}/collaborators/{username}/permission",
    "GET /repos/{owner}/{repo}/hooks",
    "DELETE /repos/{owner}/{repo}/hooks/{hook_id}",
    "GET /rate_limit",
)
DROPPED = (
    "description",
    "title",
    "example",
    "examples",
    "externalDocs",
    "summary",
    "x-github",
    "x-multi-segment",
    "deprecated",
)


def main() -> None:
    package, version = Path(sys.argv[1]), sys.argv[2]
    whole = json.loads((package / "generated" / "api.github.com.json").read_text())
    kept: dict[str, Any] = {
        "source": f"@octokit/openapi {version}, api.github.com.json (MIT)",
        "operations": {},
        "schemas": {},
    }
    for wanted in WANTED:
        verb, path = wanted.split(" ", 1)
        kept["operations"][wanted] = operation(whole["paths"][path][verb.lower()], whole)
    collect(kept["operations"], whole, kept["schemas"])
    (HERE / "github.json").write_text(
        json.dumps(kept, indent=None, separators=(",", ":"), sort_keys=True) + "\n"
    )


def operation(found: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    answers = {
        status: body_of(resolved(answer, whole))
        for status, answer in found["responses"].items()
        if status.startswith("2")
    }
    return {"request": body_of(resolved(found.get("requestBody", {}), whole)), "responses": answers}


def body_of(value: dict[str, Any]) -> Any:
    content = value.get("content", {})
    return lean(content["application/json"]["schema"]) if "application/json" in content else None


def resolved(value: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        value = at(whole, value["$ref"])
    return value


def at(whole: dict[str, Any], ref: str) -> Any:
    value: Any = whole
    for step in ref.removeprefix("#/").split("/"):
        value = value[step]
    return value


def lean(value: Any, *, names: bool = False) -> Any:
    """Without what people read; OpenAPI's `nullable` as JSON Schema says it. `names`: the keys are
    names of properties.
    """
    if isinstance(value, list):
        return [lean(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value and isinstance(value["$ref"], str):
        return {"$ref": "#/schemas/" + value["$ref"].rpartition("/")[2]}
    if names:
        return {name: lean(item) for name, item in value.items()}
    made = {
        name: lean(item, names=name == "properties")
        for name, item in value.items()
        if name not in DROPPED
    }
    if made.pop("nullable", False):
        return {"anyOf": [made, {"type": "null"}]}
    return made


def collect(value: Any, whole: dict[str, Any], kept: dict[str, Any]) -> None:
    if isinstance(value, list):
        for item in value:
            collect(item, whole, kept)
    elif isinstance(value, dict):
        ref = value.get("$ref")
        if isinstance(ref, str) and ref.startswith("#/schemas/"):
            name = ref.rpartition("/")[2]
            if name not in kept:
                kept[name] = lean(whole["components"]["schemas"][name])
                collect(kept[name], whole, kept)
        else:
            for item in value.values():
                collect(item, whole, kept)


if __name__ == "__main__":
    main()
